"""The container of each instance: what stands in /opt/ml before it starts, its variables, and the run that it becomes.

Source: "How Amazon SageMaker runs your training image" in the SageMaker documentation, and AWS's open training toolkits.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from salvia.ports.compute import RunSpec
from salvia.ports.images import Image
from salvia.ports.table import Record
from salvia.resources.world import World
from salvia.services.sagemaker.runs import inside
from salvia.services.sagemaker.runs.channels import input_data_config
from salvia.services.sagemaker.runs.cluster import Host, addresses, resource_config
from salvia.services.sagemaker.runs.instances import Instance

_SDK = "--client_sagemaker_pysdk_version"
SECRET = "_ssh_secret"  # noqa: S105 - the member of a job's status: what its instances know each other by, see salvia_container.ssh
LOG_GROUP = "/aws/sagemaker/TrainingJobs"
NO_PROGRAM = (
    "ClientError: CannotStartContainerError. Please make sure the container can be run with 'docker run <image> train': "
    "this image has no program of that name. Name one in AlgorithmSpecification.ContainerEntrypoint."
)


def image_of(spec: Mapping[str, Any]) -> str:
    """The image's URI: the request's own, or that of the algorithm which it names."""
    found: str = spec["AlgorithmSpecification"].get("TrainingImage") or spec["_algorithm"]["image"]
    return found


def fitting(job: Record, image: Image) -> Image:
    """The image with the SageMaker SDK in it, when the job runs a function that an SDK's @remote has sent: its arguments say which.

    AWS's images have root as their user. The SDK's bootstrap asks for the user's name, and would have `sudo` change modes for another.
    """
    arguments = job.spec["AlgorithmSpecification"].get("ContainerArguments", ())
    if _SDK not in arguments[:-1]:
        return image
    major = arguments[arguments.index(_SDK) + 1].partition(".")[0]
    if major not in image.sdks:
        return image
    return replace(image, name=image.sdks[major], variables={**image.variables, "LOGNAME": "root"})


def can_train(job: Record, image: Image) -> bool:
    """Whether there is a program to start: the request's own, or the image's."""
    return bool(job.spec["AlgorithmSpecification"].get("ContainerEntrypoint")) or "train" in image.entry_points


def run_name(job: Record, host: Host, attempt: int | None = None) -> str:
    """A function of the record: what it was called and when it was made, so a job of the same name later has other runs."""
    attempt = job.status.get("_attempt", 0) if attempt is None else attempt
    return f"{job.account}-{job.region}-training-{job.key}-{int(job.created * 1000):x}-{attempt}-{host.name}"


def stream_name(job: Record, host: Host) -> str:
    return f"{job.name}/{host.name}-{int(job.created)}"


def write_configuration(job: Record, folder: Path, hosts: list[Host], host: Host) -> None:
    """/opt/ml as the toolkits and drivers expect to find it."""
    spec = job.spec
    for name in ("input/config", "input/data", "model", "output/data", "checkpoints", "code", "metadata"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    documents = {
        "hyperparameters": spec.get("HyperParameters", {}),
        "resourceconfig": resource_config(hosts, host),
        "inputdataconfig": input_data_config(
            spec.get("InputDataConfig") or [], spec["AlgorithmSpecification"]["TrainingInputMode"]
        ),
    }
    if spec.get("CheckpointConfig"):
        documents["checkpointconfig"] = {"LocalPath": "/opt/ml/checkpoints", **spec["CheckpointConfig"]}
    for name, document in documents.items():
        (folder / "input/config" / f"{name}.json").write_text(json.dumps(document))
    if SECRET in job.status:
        (folder / "input/config/ssh-secret").write_text(job.status[SECRET])
    inside.write_metadata(folder, job, spec["RoleArn"])


def run_of(world: World, job: Record, image: Image, instance: Instance) -> RunSpec:
    return RunSpec(
        name=run_name(job, instance.host),
        image=image.name,
        command=_command(job.spec["AlgorithmSpecification"], image),
        log=instance.log,
        variables=_variables(world, job, image, instance),
        read_only=instance.linked,
        hostname=instance.host.name,
        hosts=addresses(instance.hosts),
        cpus=instance.share.cpus,
        memory=instance.share.memory,
        isolated=job.spec["EnableNetworkIsolation"],
    )


def _command(algorithm: Mapping[str, Any], image: Image) -> tuple[str, ...]:
    """ContainerEntrypoint replaces the image's; ContainerArguments follow either."""
    entry = algorithm.get("ContainerEntrypoint")
    return (*(entry or image.entry_points["train"]), *algorithm.get("ContainerArguments", ()))


def _variables(world: World, job: Record, image: Image, instance: Instance) -> dict[str, str]:
    asked: dict[str, str] = job.spec.get("Environment", {})
    platform = inside.region_of(job) | {
        "TRAINING_JOB_NAME": job.name,
        "TRAINING_JOB_ARN": job.arn,
        "CURRENT_HOST": instance.host.name,
    }
    return (
        {**image.variables}
        | asked
        | platform
        | inside.access(world, instance.credential, (host.name for host in instance.hosts))
    )
