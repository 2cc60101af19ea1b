"""Endpoint configurations: which models an endpoint runs, on how much of the machine, and how traffic is split among them."""

import math
from collections import Counter
from typing import Any

from salvia.base.arn import Scope
from salvia.base.errors import ValidationError
from salvia.resources.kind import Resource

MOST_VARIANTS = 10

# behaves: changes what happens. recorded: kept, shown by Describe, and changes nothing here. refused: with a ValidationException.
MEMBERS = {
    "EndpointConfigName": "behaves",
    "ProductionVariants": "behaves",
    "ShadowProductionVariants": "behaves",
    "DataCaptureConfig": "behaves",
    "AsyncInferenceConfig": "behaves",
    "Tags": "behaves",
    "EnableNetworkIsolation": "behaves",
    "KmsKeyId": "recorded",
    "VpcConfig": "recorded",
    "ExecutionRoleArn": "behaves",  # for the containers of inference components; a model has a role of its own
    "MetricsConfig": "recorded",
    "CrossRegionTrafficConfig": "recorded",
    "ExplainerConfig": "refused",
}
VARIANT_MEMBERS = {
    "VariantName": "behaves",
    "ModelName": "behaves",
    "InitialInstanceCount": "behaves",
    "InstanceType": "behaves",
    "InitialVariantWeight": "behaves",
    "ServerlessConfig": "behaves",
    "RoutingConfig": "behaves",
    "ContainerStartupHealthCheckTimeoutInSeconds": "behaves",
    "ModelDataDownloadTimeoutInSeconds": "recorded",
    "VolumeSizeInGB": "recorded",
    "AcceleratorType": "recorded",
    "CoreDumpConfig": "recorded",
    "EnableSSMAccess": "recorded",
    "ManagedInstanceScaling": "behaves",  # for variants that host inference components
    "InferenceAmiVersion": "recorded",
    "CapacityReservationConfig": "recorded",
    "VariantInstanceProvisionTimeoutInSeconds": "recorded",
    "AcceleratorPartitionLayouts": "recorded",
    "InstancePools": "refused",
}


class EndpointConfig(Resource):
    noun = "EndpointConfig"
    absent = ("ValidationException", 'Could not find endpoint configuration "{arn}".')
    taken = 'Cannot create already existing endpoint configuration "{arn}".'
    taken_error = ValidationError

    async def admit(self, request: dict[str, Any], scope: Scope) -> dict[str, Any]:
        _check(request)
        variants = [*request["ProductionVariants"], *(request.get("ShadowProductionVariants") or ())]
        for variant in variants:
            _check_variant(variant)
            if variant.get("ModelName"):
                await self._check_model(variant["ModelName"], scope)
        spec = {"EnableNetworkIsolation": False} | request
        for member in ("ProductionVariants", "ShadowProductionVariants"):
            if spec.get(member):
                spec[member] = [{"InitialVariantWeight": 1.0} | variant for variant in spec[member]]
        if spec.get("DataCaptureConfig"):
            spec["DataCaptureConfig"] = {"EnableCapture": False} | spec["DataCaptureConfig"]
        return spec

    async def _check_model(self, name: str, scope: Scope) -> None:
        if await self.world.table.get("Model", scope.account, scope.region, name.lower()) is None:
            raise ValidationError(f'Could not find model "{scope.arn("sagemaker", f"model/{name.lower()}")}".')


def _check(request: dict[str, Any]) -> None:
    for member, state in MEMBERS.items():
        if state == "refused" and request.get(member):
            raise ValidationError(f"{member} is not supported: endpoints here explain no predictions.")
    shadows = request.get("ShadowProductionVariants") or []
    variants = [*request["ProductionVariants"], *shadows]
    twice = [name for name, count in Counter(one["VariantName"] for one in variants).items() if count > 1]
    if twice:
        raise ValidationError(
            f"VariantName must be unique within an endpoint configuration: {', '.join(twice)} is not."
        )
    if len(request["ProductionVariants"]) > MOST_VARIANTS:
        raise ValidationError(f"ProductionVariants must have at most {MOST_VARIANTS} members.")
    if shadows and (len(shadows) > 1 or len(request["ProductionVariants"]) > 1):
        raise ValidationError("ShadowProductionVariants takes one variant, beside one production variant.")
    if not any(one.get("InitialVariantWeight", 1.0) for one in request["ProductionVariants"]):
        raise ValidationError("InitialVariantWeight must be greater than 0 for at least one of the ProductionVariants.")
    _check_components(request, variants)
    serverless = [one["VariantName"] for one in variants if one.get("ServerlessConfig")]
    for member in ("DataCaptureConfig", "AsyncInferenceConfig", "ShadowProductionVariants"):
        if serverless and request.get(member):
            raise ValidationError(f"{member} cannot be used with ServerlessConfig.")
    asynchronous = request.get("AsyncInferenceConfig")
    if asynchronous and not asynchronous["OutputConfig"].get("S3OutputPath"):
        raise ValidationError("AsyncInferenceConfig: OutputConfig needs an S3OutputPath.")
    if asynchronous and shadows:
        raise ValidationError("AsyncInferenceConfig cannot be used with ShadowProductionVariants.")
    notified = ((asynchronous or {}).get("OutputConfig") or {}).get("NotificationConfig") or {}
    if notified.get("IncludeInferenceResponseIn"):
        raise ValidationError("IncludeInferenceResponseIn is not supported: a notification says where the output is.")


def _check_components(request: dict[str, Any], variants: list[dict[str, Any]]) -> None:
    """Variants without a model are room for inference components: all of a configuration are, or none."""
    bare = [one for one in variants if not one.get("ModelName")]
    if not bare:
        return
    if len(bare) < len(variants):
        raise ValidationError("Either all variants of an endpoint configuration name a ModelName, or none does.")
    if not request.get("ExecutionRoleArn"):
        raise ValidationError(
            "ExecutionRoleArn is needed where no variant names a ModelName: for inference components."
        )
    for member in ("AsyncInferenceConfig", "ShadowProductionVariants"):
        if request.get(member):
            raise ValidationError(f"{member} cannot be used with inference components.")
    if any(one.get("ServerlessConfig") for one in bare):
        raise ValidationError("ServerlessConfig cannot be used with inference components: ModelName is needed.")


def _check_variant(variant: dict[str, Any]) -> None:
    name = variant["VariantName"]
    if variant.get("InstancePools"):
        raise ValidationError(f"Variant {name}: InstancePools is not supported: name an InstanceType.")
    scaling = variant.get("ManagedInstanceScaling") or {}
    if scaling and variant.get("ModelName"):
        raise ValidationError("ManagedInstanceScaling is only supported for inference component endpoints.")
    if scaling.get("MinInstanceCount", 0) > scaling.get("MaxInstanceCount", math.inf):
        raise ValidationError(f"Variant {name}: MinInstanceCount must not be more than MaxInstanceCount.")
    if variant.get("ServerlessConfig"):
        for member in ("InstanceType", "InitialInstanceCount", "AcceleratorType"):
            if variant.get(member):
                raise ValidationError(f"Variant {name}: {member} cannot be used with ServerlessConfig.")
        check_serverless(name, variant["ServerlessConfig"])
        return
    if not variant.get("InstanceType"):
        raise ValidationError(f"Variant {name}: InstanceType or ServerlessConfig is needed.")
    if not variant.get("InitialInstanceCount"):
        raise ValidationError(f"Variant {name}: InitialInstanceCount is needed, 1 or more.")


def check_serverless(name: str, serverless: dict[str, Any]) -> None:
    """Raises ValidationError for a ServerlessConfig that no serverless variant can have."""
    memory, most = serverless["MemorySizeInMB"], serverless["MaxConcurrency"]
    if memory % 1024:
        raise ValidationError(
            f"Variant {name}: MemorySizeInMB must be 1024, 2048, 3072, 4096, 5120 or 6144: {memory} is not in 1 GB increments."
        )
    if serverless.get("ProvisionedConcurrency", 0) > most:
        raise ValidationError(
            f"Variant {name}: ProvisionedConcurrency must be less than or equal to MaxConcurrency: "
            f"{serverless['ProvisionedConcurrency']} is more than {most}."
        )
