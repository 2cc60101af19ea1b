"""Endpoints: models that answer, or room for inference components that do. Their life is in deployed.py."""

from typing import Any

from salvia.base.arn import Scope
from salvia.base.call import Call
from salvia.base.errors import ValidationError
from salvia.model.shapes import ServiceModel
from salvia.ports.table import Query, Record
from salvia.resources.fleet import Key, Route
from salvia.resources.kind import Answer
from salvia.resources.world import World
from salvia.services.sagemaker.hosting import placement, rolling
from salvia.services.sagemaker.hosting import plan as plans
from salvia.services.sagemaker.hosting.backlog import Backlogs
from salvia.services.sagemaker.hosting.deployed import Deployed
from salvia.services.sagemaker.hosting.routes import route_of
from salvia.services.sagemaker.hosting.shown import shown_of
from salvia.services.sagemaker.hosting.utilization import Utilizations

# behaves: changes what happens. recorded: kept, shown by Describe, and changes nothing here.
MEMBERS = {
    "EndpointName": "behaves",
    "EndpointConfigName": "behaves",
    "DeploymentConfig": "behaves",
    "Tags": "behaves",
    "RetainAllVariantProperties": "behaves",
    "ExcludeRetainedVariantProperties": "behaves",
    "RetainDeploymentConfig": "behaves",
}


class Endpoint(Deployed):
    noun = "Endpoint"
    absent = ("ValidationException", 'Could not find endpoint "{arn}".')
    taken = 'Cannot create already existing endpoint "{arn}".'
    taken_error = ValidationError

    def __init__(self, world: World, model: ServiceModel) -> None:
        super().__init__(world, model)
        self.backlogs, self.utilizations = Backlogs(world), Utilizations(world)
        world.fleet.load = self.load

    # ------------------------------------------------------------- what the API asks

    async def admit(self, request: dict[str, Any], scope: Scope) -> dict[str, Any]:
        await self.check_deployment(request, scope)
        wish = await plans.drawn_up(self.world, scope, request["EndpointConfigName"], 1)
        return request | {"_wish": wish}

    async def amend(self, record: Record, request: dict[str, Any]) -> None:
        scope = Scope(record.account, record.region)
        await self.check_deployment(request, scope)
        self.check_idle(record)
        last = record.spec["_wish"]
        wish = await plans.drawn_up(self.world, scope, request["EndpointConfigName"], last["generation"] + 1)
        await self._check_components(record, wish)
        if request.get("RetainDeploymentConfig"):
            wish["deployment"] = record.spec.get("DeploymentConfig")
        else:
            wish["deployment"] = request.get("DeploymentConfig")
        excluded = {one["VariantPropertyType"] for one in request.get("ExcludeRetainedVariantProperties") or ()}
        kept = _retained(record, wish, excluded) if request.get("RetainAllVariantProperties") else {}
        live = str(record.status["_plan"]["generation"])
        capacities = record.spec.get("_capacities", {})
        record.spec["_capacities"] = {live: capacities.get(live, {}), str(wish["generation"]): kept}
        rolling.check(record, wish)
        record.spec |= {"_wish": wish, "DeploymentConfig": wish["deployment"]}

    async def _check_components(self, record: Record, wish: dict[str, Any]) -> None:
        """Raises ValidationError when what the endpoint hosts would have no place in the plan."""
        if plans.hosts_components(wish) != plans.hosts_components(record.spec["_wish"]):
            raise ValidationError(
                "An endpoint cannot be updated from a configuration whose variants name a ModelName to one whose variants do "
                "not, or the other way round."
            )
        names = {variant.name for variant in plans.variants_of(wish)}
        for component in await placement.components_of(self.world, record):
            if component.spec["VariantName"] not in names:
                raise ValidationError(
                    f"The variant {component.spec['VariantName']} hosts the inference component {component.name}: it must stay."
                )

    def view(self, record: Record) -> dict[str, Any]:
        return super().view(record) | shown_of(record)

    async def delete(self, call: Call) -> Answer:
        endpoint = await self.find(call)
        query = Query("InferenceComponent", endpoint.account, endpoint.region, owner=endpoint.arn, limit=1)
        if await self.world.table.select(query):
            raise ValidationError(
                f'Cannot delete endpoint "{endpoint.arn}" because it hosts inference components: delete them first.'
            )
        return await super().delete(call)

    # ------------------------------------------------------------- what the loop does

    async def reconcile(self, endpoint: Record) -> float | None:
        if plans.hosts_components(endpoint.spec["_wish"]):
            endpoint.status["_granted"] = await placement.instances_of(self.world, endpoint)
        again = await super().reconcile(endpoint)
        if again is not None:
            await self.backlogs.tell(endpoint)
            await self.utilizations.tell(endpoint)
        return again

    async def load(self, key: Key) -> Route | None:
        """The route of an endpoint or an inference component as its record tells it; None when there is none that serves."""
        account, region, name = key
        noun, _, name = name.rpartition("/")
        record = await self.world.table.get(noun or self.noun, account, region, name)
        return route_of(record, self.world.fleet) if record else None


def _retained(record: Record, wish: dict[str, Any], excluded: set[str]) -> dict[str, Any]:
    """What the new plan's variants take over from those of the same name."""
    live = record.status["_plan"]
    if "DataCaptureConfig" not in excluded and live["config"].get("DataCaptureConfig"):
        wish["config"] = wish["config"] | {"DataCaptureConfig": live["config"]["DataCaptureConfig"]}
    before = {variant.name: variant for variant in plans.variants_of(live)}
    kept: dict[str, Any] = {}
    for variant in plans.variants_of(wish):
        old = before.get(variant.name)
        if old is None:
            continue
        if "DesiredWeight" not in excluded:
            kept.setdefault(variant.name, {})["weight"] = plans.weight_of(record, live, old)
        if "DesiredInstanceCount" not in excluded and not (old.serverless or variant.serverless):
            kept.setdefault(variant.name, {})["count"] = plans.count_of(record, live, old)
    return kept
