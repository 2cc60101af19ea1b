"""The container of each instance: what stands in /opt/ml before it starts, its variables, and the run that it becomes.

Source: "How Amazon SageMaker Processing Configures Your Processing Container" in the SageMaker documentation.
"""

import json
from pathlib import Path
from typing import Any

from salvia.ports.compute import RunSpec
from salvia.ports.images import Image
from salvia.ports.table import Record
from salvia.resources.world import World
from salvia.services.sagemaker.runs import inside
from salvia.services.sagemaker.runs.cluster import Host, addresses, resource_config
from salvia.services.sagemaker.runs.instances import Instance

LOG_GROUP = "/aws/sagemaker/ProcessingJobs"
NO_PROGRAM = (
    "ClientError: CannotStartContainerError. Please ensure the model container for the processing job can be run: this image has "
    "no program of its own. Name one in AppSpecification.ContainerEntrypoint."
)


def command(job: Record, image: Image) -> tuple[str, ...]:
    """ContainerEntrypoint replaces the image's; ContainerArguments follow either. Empty when there is no program to start."""
    app = job.spec["AppSpecification"]
    entry = app.get("ContainerEntrypoint") or image.entry_points.get("process")
    return (*entry, *app.get("ContainerArguments", ())) if entry else ()


def run_name(job: Record, host: Host) -> str:
    """A function of the record: what it was called and when it was made, so a job of the same name later has other runs."""
    return f"{job.account}-{job.region}-processing-{job.key}-{int(job.created * 1000):x}-{host.name}"


def stream_name(job: Record, host: Host) -> str:
    return f"{job.name}/{host.name}-{int(job.created)}"


def write_configuration(job: Record, folder: Path, hosts: list[Host], host: Host) -> None:
    """/opt/ml/config, and the folders that a container may write to."""
    for name in ("config", "processing", "output", "metadata"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    documents = {"processingjobconfig": _job_config(job), "resourceconfig": resource_config(hosts, host)}
    for name, document in documents.items():
        (folder / "config" / f"{name}.json").write_text(json.dumps(document))
    inside.write_metadata(folder, job, job.spec["RoleArn"])


def _job_config(job: Record) -> dict[str, Any]:
    """As Describe shows the request. Members that were not given are null or empty, as AWS writes them."""
    spec = job.spec
    app = {"ContainerEntrypoint": None, "ContainerArguments": None} | spec["AppSpecification"]
    network = {"VpcConfig": None, "EnableNetworkIsolation": False} | (spec.get("NetworkConfig") or {})
    return {
        "ProcessingJobArn": job.arn,
        "ProcessingJobName": job.name,
        "AppSpecification": app,
        "ProcessingInputs": [_downloaded(one) for one in spec.get("ProcessingInputs") or ()],
        "ProcessingOutputConfig": {"Outputs": [], "KmsKeyId": None} | (spec.get("ProcessingOutputConfig") or {}),
        "ProcessingResources": {
            "ClusterConfig": {"VolumeKmsKeyId": None} | spec["ProcessingResources"]["ClusterConfig"]
        },
        "NetworkConfig": network,
        "StoppingCondition": spec["StoppingCondition"],
        "Environment": spec.get("Environment") or {},
        "RoleArn": spec["RoleArn"],
    }


def _downloaded(one: dict[str, Any]) -> dict[str, Any]:
    return one | {"S3Input": one["S3Input"] | {"S3DownloadMode": "StartOfJob"}}


def run_of(world: World, job: Record, image: Image, instance: Instance) -> RunSpec:
    platform = inside.region_of(job) | {"PROCESSING_JOB_NAME": job.name, "PROCESSING_JOB_ARN": job.arn}
    asked: dict[str, str] = job.spec.get("Environment") or {}
    return RunSpec(
        name=run_name(job, instance.host),
        image=image.name,
        command=command(job, image),
        log=instance.log,
        variables={
            **image.variables,
            **asked,
            **platform,
            **inside.access(world, instance.credential, (host.name for host in instance.hosts)),
        },
        read_only=instance.linked,
        hostname=instance.host.name,
        hosts=addresses(instance.hosts),
        cpus=instance.share.cpus,
        memory=instance.share.memory,
        isolated=isolated(job),
    )


def isolated(job: Record) -> bool:
    return bool((job.spec.get("NetworkConfig") or {}).get("EnableNetworkIsolation"))
