"""Models: container definitions, each an image with the model data that it serves, under the role that may read them."""

from typing import Any

from salvia.base.arn import Scope
from salvia.base.errors import ValidationError
from salvia.ports.images import UnknownImageError
from salvia.resources.kind import Resource
from salvia.services.sagemaker.runs import model, packages
from salvia.services.sagemaker.runs.access import Access
from salvia.services.sagemaker.runs.inference import Container, containers_of, label_of

MOST_CONTAINERS = 15

# behaves: changes what happens. recorded: kept, shown by Describe, and changes nothing here. refused: with a ValidationException.
MEMBERS = {
    "ModelName": "behaves",
    "PrimaryContainer": "behaves",
    "Containers": "behaves",
    "InferenceExecutionConfig": "behaves",
    "ExecutionRoleArn": "behaves",
    "Tags": "behaves",
    "VpcConfig": "recorded",
    "EnableNetworkIsolation": "behaves",
}
CONTAINER_MEMBERS = {
    "ContainerHostname": "behaves",
    "Image": "behaves",
    "ImageConfig": "recorded",  # images are environments of this machine: no registry is asked
    "Mode": "behaves",
    "ModelDataUrl": "behaves",
    "ModelDataSource": "behaves",
    "AdditionalModelDataSources": "behaves",
    "Environment": "behaves",
    "ModelPackageName": "behaves",
    "InferenceSpecificationName": "behaves",
    "MultiModelConfig": "recorded",
    "ContainerMetricsConfig": "recorded",
}


class Model(Resource):
    noun = "Model"
    absent = ("ValidationException", 'Could not find model "{arn}".')
    taken = 'Cannot create already existing model "{arn}".'
    taken_error = ValidationError

    async def admit(self, request: dict[str, Any], scope: Scope) -> dict[str, Any]:
        request = await self._unpacked(request, scope)
        containers = containers_of(request)
        _check(request, containers)
        for number, container in enumerate(containers):
            _check_container(container, label_of(containers, number))
            self._check_image(container)
        access = await Access.of(self.world, request["ExecutionRoleArn"], scope.account, scope.region)
        for container in containers:
            await self._check_data(container, access)
        spec = {"EnableNetworkIsolation": False} | request
        if len(containers) > 1 and "InferenceExecutionConfig" not in spec:
            spec["InferenceExecutionConfig"] = {"Mode": "Serial"}
        if spec.get("PrimaryContainer"):
            return spec | {"PrimaryContainer": _completed(spec["PrimaryContainer"])}
        return spec | {"Containers": [_completed(container) for container in containers]}

    async def _unpacked(self, request: dict[str, Any], scope: Scope) -> dict[str, Any]:
        """With the containers of the model package that it names, as they are now: the package may be deleted meanwhile."""
        containers = containers_of(request)
        if not any(container.get("ModelPackageName") for container in containers):
            return request
        if len(containers) > 1:
            raise ValidationError("ModelPackageName can be given only for a model of one container.")
        found = await packages.expanded(self.world, containers[0], scope)
        rest = {name: value for name, value in request.items() if name not in {"PrimaryContainer", "Containers"}}
        return rest | ({"PrimaryContainer": found[0]} if len(found) == 1 else {"Containers": found})

    def _check_image(self, container: Container) -> None:
        uri = container["Image"]
        try:
            image = self.world.images.resolve(uri)
        except UnknownImageError as error:
            raise ValidationError(f"Requested image {uri} not found: {error}") from error
        if "serve" not in image.entry_points:
            raise ValidationError(
                f"Requested image {uri} cannot serve: the environment that runs it here only runs jobs."
            )

    async def _check_data(self, container: Container, access: Access) -> None:
        many = container.get("Mode") == "MultiModel"
        sources = [model.Source(container["ModelDataUrl"])] if many and "ModelDataUrl" in container else []
        for source in sources or model.sources_of(container):
            readable = await access.allows(
                "ListObjectsV2" if not (source.packed or source.single) else "GetObject", source.uri
            )
            if not readable:
                raise ValidationError(
                    f"Could not access model data at {source.uri}. Please ensure that the role "
                    f'"{access.role.principal_arn or access.role.arn}" exists and that its trust relationship policy allows the '
                    'action "sts:AssumeRole" for the service principal "sagemaker.amazonaws.com". Also ensure that the role has '
                    f'"s3:GetObject" permissions and that the object is located in {access.region}.'
                )
            if not many and not await model.exists(self.world.objects, source):
                raise ValidationError(f"Could not find model data at {source.uri}.")


def _completed(container: Container) -> dict[str, Any]:
    """As DescribeModel shows it: ModelDataUrl and the source that says the same."""
    shown = {"Mode": "SingleModel"} | dict(container)
    url = shown.get("ModelDataUrl")
    if url and shown["Mode"] == "SingleModel":
        source = {"S3Uri": url, "S3DataType": "S3Object", "CompressionType": "Gzip"}
        shown.setdefault("ModelDataSource", {"S3DataSource": source})
    return shown


def _check(request: dict[str, Any], containers: list[Container]) -> None:
    if bool(request.get("PrimaryContainer")) == bool(request.get("Containers")):
        raise ValidationError("Exactly one of PrimaryContainer and Containers must be specified.")
    if len(containers) > MOST_CONTAINERS:
        raise ValidationError(f"Containers must have at most {MOST_CONTAINERS} members, not {len(containers)}.")
    if not request.get("ExecutionRoleArn"):
        raise ValidationError("ExecutionRoleArn is needed: the role that the containers of the model run with.")
    if request.get("InferenceExecutionConfig") and not request.get("Containers"):
        raise ValidationError("InferenceExecutionConfig can be specified only with Containers.")
    if len(containers) > 1 and any(container.get("Mode") == "MultiModel" for container in containers):
        raise ValidationError("Mode MultiModel is not supported in a model of several containers.")
    labels = [label_of(containers, number) for number in range(len(containers))]
    if len(set(labels)) != len(labels):
        raise ValidationError("ContainerHostname must be unique among the Containers of a model.")


def _check_container(container: Container, label: str) -> None:
    for member, state in CONTAINER_MEMBERS.items():
        if state == "refused" and container.get(member):
            raise ValidationError(
                f"{member} is not supported yet: name the Image and the ModelDataUrl of the container."
            )
    if not container.get("Image"):
        raise ValidationError(f"Container {label}: Image is needed.")
    source = (container.get("ModelDataSource") or {}).get("S3DataSource")
    if source and container.get("ModelDataUrl", source["S3Uri"]) != source["S3Uri"]:
        raise ValidationError(f"Container {label}: ModelDataUrl and ModelDataSource name different data.")
    extra = [one["S3DataSource"] for one in container.get("AdditionalModelDataSources") or ()]
    for one in [source, *extra] if source else extra:
        if one["CompressionType"] == "Gzip" and one["S3DataType"] != "S3Object":
            raise ValidationError(f"Container {label}: CompressionType Gzip needs S3DataType S3Object.")
        if one["S3DataType"] == "S3Prefix" and not one["S3Uri"].endswith("/"):
            raise ValidationError(f"Container {label}: S3Uri {one['S3Uri']} must end with a slash: it is an S3Prefix.")
        for member in ("HubAccessConfig", "ManifestS3Uri"):
            if one.get(member):
                raise ValidationError(f"Container {label}: {member} is not supported.")
    if container.get("Mode") == "MultiModel" and not container.get("ModelDataUrl"):
        raise ValidationError(f"Container {label}: Mode MultiModel needs a ModelDataUrl, the prefix of its models.")
