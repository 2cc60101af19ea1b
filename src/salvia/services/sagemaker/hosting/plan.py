"""A plan: one deployment of an endpoint, with copies of its configuration and its models as they were when it was asked for.

An endpoint carries the plan that was asked for last (`spec["_wish"]`) and the plan that serves (`status["_plan"]`): what is
deleted or made anew meanwhile under the same names does not reach into what runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from salvia.base.arn import Scope
from salvia.base.errors import ValidationError
from salvia.ports.table import Record
from salvia.resources.instances import GIB, Share, share_of
from salvia.resources.world import World
from salvia.services.sagemaker.runs.inference import Container, containers_of, label_of

STARTUP = 600.0  # seconds until /ping must have answered, where the variant names none
_SERVERLESS_CPU = 1769  # MB of memory that come with one vCPU


@dataclass(frozen=True, slots=True)
class Variant:
    """A production or shadow variant of a plan. `config` is what CreateEndpointConfig said, `model` what CreateModel said.

    Without a model it runs nothing itself: its instances are room for inference components. The plan of such a component has
    one variant, whose instances are the component's copies.
    """

    config: Mapping[str, Any]
    model: Mapping[str, Any]
    shadow: bool = False

    @property
    def name(self) -> str:
        return str(self.config["VariantName"])

    @property
    def containers(self) -> list[Container]:
        return containers_of(self.model)

    @property
    def labels(self) -> tuple[str, ...]:
        containers = self.containers
        return tuple(label_of(containers, number) for number in range(len(containers)))

    @property
    def direct(self) -> bool:
        return bool((self.model.get("InferenceExecutionConfig") or {}).get("Mode") == "Direct")

    @property
    def many_models(self) -> bool:
        return any(container.get("Mode") == "MultiModel" for container in self.containers)

    @property
    def serverless(self) -> Mapping[str, Any] | None:
        return self.config.get("ServerlessConfig")

    @property
    def share(self) -> Share:
        if self.serverless:
            megabytes = self.serverless["MemorySizeInMB"]
            return Share(max(1.0, megabytes / _SERVERLESS_CPU), megabytes << 20)
        if "_share" in self.config:
            return Share(*self.config["_share"])
        return share_of(self.config["InstanceType"])

    @property
    def startup_seconds(self) -> float:
        return float(self.config.get("ContainerStartupHealthCheckTimeoutInSeconds") or STARTUP)


def variants_of(plan: Mapping[str, Any]) -> list[Variant]:
    """The production variants, in the configuration's order, then the shadows."""
    config, models = plan["config"], plan["models"]
    found = [
        Variant(one, models[one["ModelName"]] if "ModelName" in one else {}) for one in config["ProductionVariants"]
    ]
    return found + [
        Variant(one, models[one["ModelName"]], True) for one in config.get("ShadowProductionVariants") or ()
    ]


async def drawn_up(world: World, scope: Scope, name: str, generation: int) -> dict[str, Any]:
    """The plan of a configuration as it is now. Raises ValidationError when it, or a model of it, is not there."""
    arn = scope.arn("sagemaker", f"endpoint-config/{name.lower()}")
    config = await world.table.get("EndpointConfig", scope.account, scope.region, name.lower())
    if config is None:
        raise ValidationError(f'Could not find endpoint configuration "{arn}".')
    variants = [*config.spec["ProductionVariants"], *(config.spec.get("ShadowProductionVariants") or ())]
    models = {}
    for model_name in {variant["ModelName"] for variant in variants if "ModelName" in variant}:
        model = await world.table.get("Model", scope.account, scope.region, model_name.lower())
        if model is None:
            raise ValidationError(f'Could not find model "{scope.arn("sagemaker", f"model/{model_name.lower()}")}".')
        models[model_name] = model.spec
    return {"generation": generation, "config": config.spec, "models": models}


def hosts_components(plan: Mapping[str, Any]) -> bool:
    """Whether its variants are room for inference components; all are, or none."""
    return "ModelName" not in plan["config"]["ProductionVariants"][0]


def count_of(endpoint: Record, plan: Mapping[str, Any], variant: Variant) -> int:
    """How many instances are wanted. For a serverless variant: the most there may be. Of many models, each has one run."""
    if variant.serverless:
        return max(1, provisioned_of(endpoint, plan, variant))
    granted = endpoint.status.get("_granted", {}).get(variant.name)
    if granted is not None:  # what placement has made of what was asked for
        return int(granted)
    return int(_capacity(endpoint, plan, variant).get("count", variant.config["InitialInstanceCount"]))


def serverless_of(endpoint: Record, plan: Mapping[str, Any], variant: Variant) -> dict[str, Any]:
    """The ServerlessConfig of a serverless variant with what was asked for since; {} of any other."""
    return {**(variant.serverless or {}), **_capacity(endpoint, plan, variant).get("serverless", {})}


def provisioned_of(endpoint: Record, plan: Mapping[str, Any], variant: Variant) -> int:
    """How many instances of a serverless variant stay awake though nobody asks."""
    return int(serverless_of(endpoint, plan, variant).get("ProvisionedConcurrency", 0))


def is_asleep(endpoint: Record, plan: Mapping[str, Any], variant: Variant) -> bool:
    """Whether it has no instance until somebody asks; what waits in an asynchronous endpoint's queue does not ask."""
    asked = not plan["config"].get("AsyncInferenceConfig") and not variant.many_models
    return asked and not count_of(endpoint, plan, variant)


def weight_of(endpoint: Record, plan: Mapping[str, Any], variant: Variant) -> float:
    return float(_capacity(endpoint, plan, variant).get("weight", variant.config["InitialVariantWeight"]))


def _capacity(endpoint: Record, plan: Mapping[str, Any], variant: Variant) -> Mapping[str, Any]:
    asked: Mapping[str, Any] = (
        endpoint.spec.get("_capacities", {}).get(str(plan["generation"]), {}).get(variant.name, {})
    )
    return asked


def role_of(variant: Variant) -> str:
    return str(variant.model["ExecutionRoleArn"])


def isolated(plan: Mapping[str, Any], variant: Variant) -> bool:
    return bool(variant.model.get("EnableNetworkIsolation") or plan["config"].get("EnableNetworkIsolation"))


def memory_in_words(share: Share) -> str:
    return f"{share.memory / GIB:g} GiB"
