"""Inference components: models on the instances of an endpoint, each with copies of its own. Their life is in deployed.py.

A copy is a run. How many there may be is placement's to say (placement.py); the plan that runs them has one variant.
"""

from collections.abc import Mapping
from typing import Any, cast

from salvia.base.arn import Scope
from salvia.base.call import Call, Reply
from salvia.base.errors import ValidationError
from salvia.ports.table import Record
from salvia.resources.instances import share_of
from salvia.resources.world import World
from salvia.services.sagemaker.hosting import placement, rolling
from salvia.services.sagemaker.hosting import plan as plans
from salvia.services.sagemaker.hosting.deployed import AT_ONCE, Deployed
from salvia.services.sagemaker.hosting.instances import seats_of
from salvia.services.sagemaker.hosting.model import Model
from salvia.services.sagemaker.hosting.shown import status_of

_MODEL = "component"  # what the plan calls its one model
_SOON = 0.5

# behaves: changes what happens. recorded: kept, shown by Describe, and changes nothing here. refused: with a ValidationException.
MEMBERS = {
    "InferenceComponentName": "behaves",
    "EndpointName": "behaves",
    "VariantName": "behaves",
    "Specification": "behaves",
    "RuntimeConfig": "behaves",
    "Tags": "behaves",
    "DeploymentConfig": "behaves",
    "Specifications": "refused",  # several instance types in one variant
}
SPECIFICATION_MEMBERS = {
    "ModelName": "behaves",
    "Container": "behaves",
    "StartupParameters": "behaves",
    "ComputeResourceRequirements": "behaves",
    "DataCacheConfig": "recorded",
    "SchedulingConfig": "recorded",
    "InstanceType": "refused",
    "BaseInferenceComponentName": "refused",  # adapters
}


class InferenceComponent(Deployed):
    noun = "InferenceComponent"
    absent = ("ValidationException", 'Could not find inference component "{arn}".')
    taken = 'Cannot create already existing inference component "{arn}".'
    taken_error = ValidationError

    # ------------------------------------------------------------- what the API asks

    async def make(self, scope: Scope, request: dict[str, Any], owner: str = "") -> Record:
        key = request["EndpointName"].lower()
        return await super().make(scope, request, owner or scope.arn("sagemaker", f"endpoint/{key}"))

    async def admit(self, request: dict[str, Any], scope: Scope) -> dict[str, Any]:
        endpoint = await self._endpoint(request, scope)
        config = endpoint.spec["_wish"]["config"]
        names = [variant["VariantName"] for variant in config["ProductionVariants"]]
        name = request.get("VariantName") or names[0]
        if name not in names or (len(names) > 1 and not request.get("VariantName")):
            raise ValidationError(f"VariantName must be one of the variants of the endpoint: {', '.join(names)}.")
        spec = {"RuntimeConfig": {"CopyCount": 1}} | request | {"EndpointName": endpoint.name, "VariantName": name}
        return spec | {"_wish": await self._plan(spec, endpoint, 1)}

    async def amend(self, record: Record, request: dict[str, Any]) -> None:
        scope = Scope(record.account, record.region)
        deployment = _in_instances(request.get("DeploymentConfig"))
        await self.check_deployment({"DeploymentConfig": deployment}, scope)
        self.check_idle(record)
        _check_members(request)
        if "RuntimeConfig" in request:
            self.resize(record, request["RuntimeConfig"]["CopyCount"])
        if "Specification" not in request:
            return
        # What is not said stays: of a model only the requirements may change, and of the requirements the model.
        specification = record.spec["Specification"] | request["Specification"]
        for member, other in (("ModelName", "Container"), ("Container", "ModelName")):
            if member in request["Specification"]:
                specification.pop(other, None)
        changed = record.spec | {"Specification": specification}
        endpoint = await self._endpoint(record.spec, scope)
        wish = await self._plan(changed, endpoint, record.spec["_wish"]["generation"] + 1) | {"deployment": deployment}
        rolling.check(record, wish)
        record.spec |= {
            "Specification": specification,
            "_wish": wish,
            "DeploymentConfig": request.get("DeploymentConfig"),
        }

    def resize(self, record: Record, copies: int) -> None:
        self.check_idle(record)
        record.spec["RuntimeConfig"] = {"CopyCount": copies}
        record.spec["_changes"] = record.spec.get("_changes", 0) + 1

    def view(self, record: Record) -> dict[str, Any]:
        status, live = status_of(record), record.status.get("_plan")
        status = "Updating" if status == "RollingBack" else status
        serves = [seat for seat in seats_of(record, live) if seat.note["healthy"]] if live else []
        return super().view(record) | {
            "InferenceComponentStatus": status,
            "_status": status,
            "EndpointArn": record.owner,
            "Specification": _shown(record),
            "RuntimeConfig": {
                "DesiredCopyCount": record.spec["RuntimeConfig"]["CopyCount"],
                "CurrentCopyCount": len(serves),
            },
            "LastDeploymentConfig": record.spec.get("DeploymentConfig"),
        }

    # ------------------------------------------------------------- what the loop does

    async def reconcile(self, component: Record) -> float | None:
        if component.wanted != "deleted" and component.state != "Failed":
            endpoint = await self.world.table.find(component.owner)
            if endpoint is None or endpoint.state == "Failed" or endpoint.wanted == "deleted":
                component.state = "Failed"
                component.status["FailureReason"] = f"The endpoint {component.spec['EndpointName']} is not in service."
                return AT_ONCE
            if "_plan" not in endpoint.status:
                return _SOON
            await self._grant(endpoint, component)
            if "_lacking" in component.status and "_plan" not in component.status:
                return self.give_up(component, placement.NO_ROOM)
        return await super().reconcile(component)

    async def _grant(self, endpoint: Record, component: Record) -> None:
        """So many copies as there is room for; the rest come when there is more of it."""
        granted, before = await placement.granted(self.world, endpoint, component), component.status.get("_granted")
        component.status["_granted"] = {component.spec["VariantName"]: granted}
        if component.status["_granted"] != before:  # the variant may have more instances, or fewer
            self.world.look(endpoint.kind, endpoint.account, endpoint.region, endpoint.key)
        if granted < component.spec["RuntimeConfig"]["CopyCount"]:
            component.status |= {"_lacking": True, "FailureReason": placement.NO_ROOM}
        elif component.status.pop("_lacking", False):
            component.status.pop("FailureReason", None)

    async def bury(self, component: Record) -> float | None:
        again = await super().bury(component)
        self.world.look("Endpoint", component.account, component.region, component.spec["EndpointName"].lower())
        return again

    # ------------------------------------------------------------- the smaller steps

    async def _endpoint(self, request: Mapping[str, Any], scope: Scope) -> Record:
        """Raises ValidationError when it cannot have inference components."""
        key = request["EndpointName"].lower()
        endpoint = await self.world.table.get("Endpoint", scope.account, scope.region, key)
        if endpoint is None:
            raise ValidationError(f'Could not find endpoint "{scope.arn("sagemaker", f"endpoint/{key}")}".')
        if not plans.hosts_components(endpoint.spec["_wish"]):
            raise ValidationError(
                "Inference Components are not supported in this Endpoint. Please make sure this endpoint can deploy inference "
                "components."
            )
        if status_of(endpoint) in {"Failed", "Deleting"}:
            raise ValidationError(f'The endpoint "{endpoint.arn}" is in status {status_of(endpoint)}.')
        return endpoint

    async def _plan(self, spec: Mapping[str, Any], endpoint: Record, generation: int) -> dict[str, Any]:
        """The plan of a specification as its model is now. Raises ValidationError for one that cannot be deployed."""
        _check_members(spec)
        specification, config = spec["Specification"], endpoint.spec["_wish"]["config"]
        _check_specification(specification)
        scope = Scope(endpoint.account, endpoint.region)
        model = await self._model(specification, config, scope)
        variant = next(one for one in config["ProductionVariants"] if one["VariantName"] == spec["VariantName"])
        copies = {
            "VariantName": spec["VariantName"],
            "ModelName": _MODEL,
            "InitialInstanceCount": spec["RuntimeConfig"]["CopyCount"],
            "InitialVariantWeight": 1.0,
            "RoutingConfig": variant.get("RoutingConfig"),
            "_share": _share(specification, variant),
            **(specification.get("StartupParameters") or {}),
        }
        kept = {member: config.get(member) for member in ("EnableNetworkIsolation", "DataCaptureConfig")}
        return {
            "generation": generation,
            "config": kept | {"ProductionVariants": [copies]},
            "models": {_MODEL: model},
        }

    async def _model(self, specification: Mapping[str, Any], config: Mapping[str, Any], scope: Scope) -> dict[str, Any]:
        """The spec of a model: the one that is named, or one that is made of the container as CreateModel would make it."""
        name = specification.get("ModelName")
        if name:
            found = await self.world.table.get("Model", scope.account, scope.region, name.lower())
            if found is None:
                raise ValidationError(f'Could not find model "{scope.arn("sagemaker", f"model/{name.lower()}")}".')
            spec = found.spec
        else:
            asked = specification["Container"]
            members = {"Image": "Image", "ModelDataUrl": "ArtifactUrl", "Environment": "Environment"}
            container = {member: asked[given] for member, given in members.items() if asked.get(given)}
            request = {"ExecutionRoleArn": config["ExecutionRoleArn"], "PrimaryContainer": container}
            spec = await cast("Model", self.world.kinds["Model"]).admit(request, scope)
        if plans.Variant({}, spec).many_models:
            raise ValidationError("A model with Mode MultiModel cannot be deployed as an inference component.")
        return spec


async def update_runtime_config(world: World, call: Call) -> Mapping[str, Any] | Reply:
    """UpdateInferenceComponentRuntimeConfig: how many copies there shall be."""
    kind = cast("InferenceComponent", world.kinds["InferenceComponent"])

    async def changed(record: Record) -> None:
        kind.resize(record, call.params["DesiredRuntimeConfig"]["CopyCount"])

    return await kind.wish(call, changed)


def _check_members(request: Mapping[str, Any]) -> None:
    if request.get("Specifications"):
        raise ValidationError(
            "Specifications is not supported: a variant has instances of one type. Use Specification."
        )
    if request.get("Specification", {}).get("BaseInferenceComponentName"):
        raise ValidationError(
            "BaseInferenceComponentName is not supported: adapters cannot be added to a component that runs. Deploy the merged "
            "model as an inference component of its own."
        )
    if request.get("Specification", {}).get("InstanceType"):
        raise ValidationError("InstanceType is not supported in a Specification: a variant has instances of one type.")


def _check_specification(specification: Mapping[str, Any]) -> None:
    if bool(specification.get("ModelName")) == bool(specification.get("Container")):
        raise ValidationError("Exactly one of ModelName and Container must be specified in the Specification.")
    if specification.get("Container") and not specification["Container"].get("Image"):
        raise ValidationError("Container: Image is needed.")
    needs = specification.get("ComputeResourceRequirements")
    if not needs:
        raise ValidationError("ComputeResourceRequirements must be specified in the Specification.")
    for member in ("NumberOfAcceleratorDevicesRequired", "AcceleratorPartitionType"):
        if needs.get(member):
            raise ValidationError(f"{member} cannot be satisfied: the instances here have no accelerators.")
    if needs.get("MaxMemoryRequiredInMb", needs["MinMemoryRequiredInMb"]) < needs["MinMemoryRequiredInMb"]:
        raise ValidationError("MaxMemoryRequiredInMb must not be less than MinMemoryRequiredInMb.")


def _share(specification: Mapping[str, Any], variant: Mapping[str, Any]) -> list[float]:
    """What a copy may use: its cores, and memory up to its maximum; where it does not say, what the instance has."""
    needs, whole = specification["ComputeResourceRequirements"], share_of(variant["InstanceType"])
    memory = needs.get("MaxMemoryRequiredInMb")
    return [needs.get("NumberOfCpuCoresRequired", whole.cpus), memory << 20 if memory else whole.memory]


def _in_instances(deployment: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A deployment's batches in the words of rolling.py: a copy is an instance of the component's one variant."""
    if not deployment:
        return None
    policy = dict(deployment["RollingUpdatePolicy"])
    for member in ("MaximumBatchSize", "RollbackMaximumBatchSize"):
        if policy.get(member, {}).get("Type") == "COPY_COUNT":
            policy[member] = policy[member] | {"Type": "INSTANCE_COUNT"}
    return {**deployment, "RollingUpdatePolicy": policy}


def _shown(record: Record) -> dict[str, Any]:
    """With the image that is deployed."""
    specification = dict(record.spec["Specification"])
    asked = dict(specification.get("Container") or {})
    asked.pop("Image", None)
    image = plans.variants_of(record.spec["_wish"])[0].containers[0]["Image"]
    deployed = {"SpecifiedImage": image, "ResolvedImage": image, "ResolutionTime": record.created}
    return specification | {"Container": asked | {"DeployedImage": deployed}}
