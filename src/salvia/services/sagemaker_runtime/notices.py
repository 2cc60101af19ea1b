"""What SNS topics are told when an asynchronous invocation has ended, in SageMaker's own document.

Source: "Check prediction results" of asynchronous inference in the SageMaker documentation.
"""

import logging
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from salvia.base.call import Call, Caller
from salvia.base.errors import AwsError
from salvia.ports.table import Record
from salvia.resources.fleet import Route
from salvia.resources.world import World

_log = logging.getLogger(__name__)


async def completed(world: World, record: Record, route: Route, role: Caller, content_type: str) -> None:
    found = {"responseParameters": {"contentType": content_type, "outputLocation": record.spec["output"]}}
    await _tell(world, record, route, role, "SuccessTopic", {"invocationStatus": "Completed"} | found)


async def failed(world: World, record: Record, route: Route, role: Caller, reason: str) -> None:
    await _tell(world, record, route, role, "ErrorTopic", {"invocationStatus": "Failed", "failureReason": reason})


async def _tell(world: World, record: Record, route: Route, role: Caller, topic: str, what: Mapping[str, Any]) -> None:
    """With what the endpoint's role may. A topic that cannot be told is not: AWS has no other word for it either."""
    config = (route.facts.get("async") or {}).get("OutputConfig") or {}
    arn = (config.get("NotificationConfig") or {}).get(topic)
    if not arn:
        return
    asked = {
        "contentType": record.spec.get("ContentType"),
        "endpointName": route.name,
        "inputLocation": record.spec.get("InputLocation"),
    }
    document = {
        "awsRegion": record.region,
        "eventTime": _iso(world.clock.now()),
        "receivedTime": _iso(record.created),
        "requestParameters": {name: value for name, value in asked.items() if value},
        **what,
        "inferenceId": record.spec.get("InferenceId", record.key),
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }
    name = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{record.arn}/{topic}"))
    try:
        await world.parts["authorize"](Call("sns", "Publish", {"TopicArn": arn}, role, record.region))
        await world.parts["publish"](arn, {"default": orjson.dumps(document).decode()}, name)
    except AwsError as error:
        _log.warning("%s could not be told of an invocation of %s: %s", arn, route.name, error)


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
