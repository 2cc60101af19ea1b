"""What CloudWatch is told of a serverless variant's starts: how long its container took to be there.

Source: "Amazon SageMaker endpoint invocation metrics" in the SageMaker documentation (namespace AWS/SageMaker).
"""

from collections.abc import Mapping
from typing import Any

from salvia.ports.metrics import MetricKey, Observation
from salvia.ports.table import Record
from salvia.resources.world import World
from salvia.services.sagemaker.hosting.plan import Variant


async def tell(world: World, endpoint: Record, variant: Variant, note: Mapping[str, Any]) -> None:
    """`note` is an instance's that has just become healthy: from when its model was fetched (`begun`) until now (`since`)."""
    if not variant.serverless or "begun" not in note:
        return
    microseconds = max(0.0, note["since"] - note["begun"]) * 1e6
    dimensions = (("EndpointName", endpoint.name), ("VariantName", variant.name))
    key = MetricKey(endpoint.account, endpoint.region, "AWS/SageMaker", "ModelSetupTime", dimensions)
    observation = Observation(note["since"], "Microseconds", 1.0, microseconds, microseconds, microseconds)
    await world.parts["metric_data"].record([(key, observation)])
