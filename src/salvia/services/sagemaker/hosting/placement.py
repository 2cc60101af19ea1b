"""Placement: how many copies of inference components fit on the instances of a variant, and how many instances that takes.

Nothing of it is stored but how many copies each component was granted. It is worked out anew from the records, oldest component
first: who has copies keeps them, and what is left is for those that want more. The machine itself is shared as among endpoints:
this is arithmetic with what instance types promise.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from salvia.ports.table import Query, Record
from salvia.resources import listing
from salvia.resources.instances import Share, share_of
from salvia.resources.world import World
from salvia.services.sagemaker.hosting import plan as plans

NO_ROOM = (
    "There is not enough hardware resources on the instances for this endpoint to create a copy of the inference component. "
    "Please retry by scaling up instances on the endpoint, or by reducing the number of copies or what each of them requires."
)


@dataclass(frozen=True, slots=True)
class Demand:
    """Of a component: what a copy needs, how many there are, and how many there shall be."""

    component: str
    need: Share
    standing: int
    desired: int


def placed(instance: Share, most: int, demands: Sequence[Demand]) -> tuple[dict[str, int], int]:
    """How many copies each component gets on at most so many instances, and on how many of them there is one."""
    free = [[instance.cpus, float(instance.memory)] for _ in range(most)]
    used = [False] * most
    granted = dict.fromkeys((demand.component for demand in demands), 0)

    def fits(need: Share) -> bool:
        for number, (cpus, memory) in enumerate(free):
            if need.cpus <= cpus and need.memory <= memory:
                free[number] = [cpus - need.cpus, memory - need.memory]
                used[number] = True
                return True
        return False

    wishes = [(demand, min(demand.standing, demand.desired)) for demand in demands]
    wishes += [(demand, max(0, demand.desired - demand.standing)) for demand in demands]
    for demand, count in wishes:
        for _ in range(count):
            if not fits(demand.need):
                break
            granted[demand.component] += 1
    return granted, sum(used)


async def instances_of(world: World, endpoint: Record) -> dict[str, int]:
    """How many instances each variant with managed scaling has: as many as the copies take, within its bounds."""
    managed = [variant for variant in _variants(endpoint) if bounds_of(variant)]
    if not managed:
        return {}
    components = await components_of(world, endpoint)
    found = {}
    for variant in managed:
        least, most = bounds_of(variant) or (0, 0)
        _, used = placed(share_of(variant["InstanceType"]), most, _demands(components, variant["VariantName"]))
        found[variant["VariantName"]] = max(least, used)
    return found


async def granted(world: World, endpoint: Record, component: Record) -> int:
    """How many copies the component may have now."""
    name = component.spec["VariantName"]
    variant = next((one for one in _variants(endpoint) if one["VariantName"] == name), None)
    if variant is None:
        return 0
    plan = endpoint.spec["_wish"]
    bounds = bounds_of(variant)
    most = bounds[1] if bounds else plans.count_of(endpoint, plan, plans.Variant(variant, {}))
    others = [one for one in await components_of(world, endpoint) if one.key != component.key]
    everyone = sorted([*others, component], key=lambda one: (one.created, one.key))
    counts, _ = placed(share_of(variant["InstanceType"]), most, _demands(everyone, name))
    return counts[component.key]


def _variants(endpoint: Record) -> list[dict[str, Any]]:
    variants: list[dict[str, Any]] = endpoint.spec["_wish"]["config"]["ProductionVariants"]
    return variants


def bounds_of(variant: Mapping[str, Any]) -> tuple[int, int] | None:
    """The least and the most instances of managed instance scaling; None where the number is fixed."""
    scaling = variant.get("ManagedInstanceScaling") or {}
    if scaling.get("Status") != "ENABLED":
        return None
    least = scaling.get("MinInstanceCount", variant["InitialInstanceCount"])
    return least, scaling.get("MaxInstanceCount", max(least, variant["InitialInstanceCount"]))


async def components_of(world: World, endpoint: Record) -> list[Record]:
    query = Query("InferenceComponent", endpoint.account, endpoint.region, owner=endpoint.arn, descending=False)
    return [one async for one in listing.every(world.table, query)]


def _demands(components: Iterable[Record], variant: str) -> list[Demand]:
    return [
        Demand(
            one.key,
            need_of(one.spec),
            one.status.get("_granted", {}).get(variant, 0),
            one.spec["RuntimeConfig"]["CopyCount"],
        )
        for one in components
        if one.spec["VariantName"] == variant and one.state != "Failed" and one.wanted != "deleted"
    ]


def need_of(spec: dict[str, Any]) -> Share:
    """What a copy takes of its instance."""
    asked = spec["Specification"]["ComputeResourceRequirements"]
    return Share(asked.get("NumberOfCpuCoresRequired", 0.0), asked["MinMemoryRequiredInMb"] << 20)
