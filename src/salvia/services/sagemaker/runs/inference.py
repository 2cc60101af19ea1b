"""The containers of a model: what they are called, their variables, and the run that one of them becomes.

Source: "Use Your Own Inference Code with Hosting Services" in the SageMaker documentation, and AWS's open inference toolkits.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from salvia.ports.compute import RunSpec
from salvia.ports.credentials import Credential
from salvia.ports.images import Image
from salvia.ports.table import Record
from salvia.resources.instances import Share
from salvia.resources.world import World
from salvia.services.sagemaker.runs import inside, model
from salvia.services.sagemaker.runs.access import Access

Container = Mapping[str, Any]


def containers_of(spec: Mapping[str, Any]) -> list[Container]:
    """The container definitions of CreateModel, in the order in which a serial pipeline asks them."""
    primary = spec.get("PrimaryContainer")
    return [primary] if primary else list(spec.get("Containers") or ())


def label_of(containers: list[Container], number: int) -> str:
    """What a container is called in messages, in log streams and by TargetContainerHostname."""
    named: str = containers[number].get("ContainerHostname", "")
    return named or ("primary" if len(containers) == 1 else f"container-{number + 1}")


@dataclass(frozen=True, slots=True)
class Serving:
    """One container to start: for which record (an endpoint, a transform job), under which name, with what of the machine.

    `label` is what the container is called; `variables` are what this use of it adds (SAGEMAKER_BATCH, ...).
    There is no `credential` for one without a network.
    """

    record: Record
    container: Container
    image: Image
    name: str
    label: str
    log: Path
    share: Share
    credential: Credential | None
    isolated: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)


async def furnish(
    world: World, serving_of: Record, container: Container, access: Access, name: str, label: str
) -> tuple[str, ...]:
    """Everything that stands in the /opt/ml of the run `name` before it starts. Returns the paths that must stay as they are.

    Raises ModelDataError.
    """
    folder = world.compute.folder(name)
    inside.write_metadata(folder, serving_of, access.role.principal_arn or access.role.arn)
    inside.copy_bundle(world.parts.get("ca_bundle"), folder)
    return await model.place(world.objects, access, container, folder, label)


def run_of(world: World, serving: Serving, linked: tuple[str, ...]) -> RunSpec:
    """`linked` are the paths below /opt/ml that the container may not change."""
    asked: Mapping[str, str] = serving.container.get("Environment") or {}
    many = {"SAGEMAKER_MULTI_MODEL": "true"} if serving.container.get("Mode") == "MultiModel" else {}
    platform = {"SM_MODEL_DIR": "/opt/ml/model", **inside.region_of(serving.record), **many, **serving.variables}
    return RunSpec(
        name=serving.name,
        image=serving.image.name,
        command=serving.image.entry_points["serve"],
        log=serving.log,
        variables={**serving.image.variables, **platform, **asked, **inside.access(world, serving.credential)},
        read_only=linked,
        hostname=serving.label,
        hosts={serving.label: "127.0.1.1"},
        cpus=serving.share.cpus,
        memory=serving.share.memory,
        isolated=serving.isolated,
        serves=True,
    )
