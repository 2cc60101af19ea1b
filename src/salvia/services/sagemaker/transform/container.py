"""The containers of a transform job's instances: their names, logs and variables.

Source: "Use Your Own Inference Code with Batch Transform" in the SageMaker documentation.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from salvia.ports.table import Record
from salvia.services.sagemaker.runs.cluster import Host, hosts_of
from salvia.services.sagemaker.runs.inference import Container, label_of

LOG_GROUP = "/aws/sagemaker/TransformJobs"


def hosts(job: Record) -> list[Host]:
    return hosts_of({"ResourceConfig": job.spec["TransformResources"]})


def containers(job: Record) -> list[Container]:
    """The model's, as they were when the job was made, with the job's Environment over their own."""
    asked = job.spec.get("Environment") or {}
    found: list[Container] = job.spec["_model"]["containers"]
    return [one | {"Environment": {**(one.get("Environment") or {}), **asked}} for one in map(dict, found)]


def labels(job: Record) -> list[str]:
    found = containers(job)
    return [label_of(found, number) for number in range(len(found))]


def run_names(job: Record, host: Host) -> tuple[str, ...]:
    """One for each container: a function of the record, so a job of the same name later has other runs."""
    base = f"{job.account}-{job.region}-transform-{job.key}-{int(job.created * 1000):x}-{host.name}"
    return tuple(f"{base}-{number}" if number else base for number in range(len(job.spec["_model"]["containers"])))


def stream_name(job: Record, host: Host, label: str = "") -> str:
    """A pipeline's containers have streams of their own."""
    several = len(job.spec["_model"]["containers"]) > 1
    return f"{job.name}/{host.name}-{int(job.created)}" + (f"/{label}" if several and label else "")


def data_log(job: Record, host: Host) -> str:
    """Where the platform says what became of the data."""
    return f"{job.name}/{host.name}-{int(job.created)}/data-log"


def streams(job: Record) -> Iterator[str]:
    for host in hosts(job):
        yield from (stream_name(job, host, label) for label in labels(job))
        yield data_log(job, host)


def variables(spec: Mapping[str, Any]) -> dict[str, str]:
    """What tells a container that it serves a transform job."""
    found = {
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": spec.get("MaxConcurrentTransforms"),
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": spec.get("MaxPayloadInMB"),
        "SAGEMAKER_BATCH_STRATEGY": spec.get("BatchStrategy"),
    }
    return {"SAGEMAKER_BATCH": "true"} | {name: str(value) for name, value in found.items() if value is not None}
