"""Publish: a message becomes a delivery to each subscriber that has confirmed."""

import base64
from collections.abc import Mapping
from typing import Any

import orjson

from salvia.base.call import Call
from salvia.base.ids import request_id
from salvia.resources.world import World
from salvia.services.sns import topics
from salvia.services.sns.delivery import send_message
from salvia.services.sns.errors import InvalidParameter

MOST_BYTES = 262_144
_MOST_SUBJECT = 100


async def publish_message(world: World, call: Call) -> dict[str, Any]:
    params = call.params
    if params.get("PhoneNumber"):
        raise InvalidParameter("Invalid parameter: PhoneNumber: no text messages are sent here")
    for member in ("MessageDeduplicationId", "MessageGroupId"):
        if params.get(member):
            raise InvalidParameter(
                f"Invalid parameter: {member} Reason: The request includes it for a topic that is not FIFO"
            )
    arn = params.get("TopicArn") or params.get("TargetArn")
    if not arn:
        raise InvalidParameter("Invalid parameter: TopicArn or TargetArn Reason: no value for required parameter")
    subject = params.get("Subject")
    if subject is not None and not (0 < len(subject) <= _MOST_SUBJECT and subject.isascii() and subject.isprintable()):
        raise InvalidParameter("Invalid parameter: Subject")
    texts = _texts(params)
    if not params["Message"]:
        raise InvalidParameter("Invalid parameter: Empty message")
    if len(params["Message"].encode()) > MOST_BYTES:
        raise InvalidParameter("Invalid parameter: Message too long")
    await topics.find(world, arn, call.account)
    attributes = {name: _attribute(value) for name, value in params.get("MessageAttributes", {}).items()}
    name = request_id()
    await publish(world, arn, texts, name, subject or "", attributes)
    return {"MessageId": name}


async def publish(
    world: World,
    topic_arn: str,
    texts: Mapping[str, str],
    name: str,
    subject: str = "",
    attributes: Mapping[str, Any] | None = None,
) -> None:
    """To every subscriber. `texts` are by protocol, "default" for those that are not there; `name` is the message's id.

    The same name again, while it is on its way, is the same message. Raises TopicMissing.
    """
    topic = await topics.find(world, topic_arn)
    for subscription in await topics.subscriptions_of(world, topic):
        if subscription.spec["confirmed"]:
            message: dict[str, Any] = {"MessageId": name}
            if subject:
                message["Subject"] = subject
            message["Message"] = texts.get(subscription.spec["Protocol"], texts["default"])
            if attributes:
                message["MessageAttributes"] = dict(attributes)
            await send_message(world, topic, subscription, message)


def _texts(params: Mapping[str, Any]) -> Mapping[str, str]:
    if params.get("MessageStructure") is None:
        return {"default": params["Message"]}
    if params["MessageStructure"] != "json":
        raise InvalidParameter("Invalid parameter: MessageStructure")
    try:
        texts = orjson.loads(params["Message"])
    except ValueError:
        raise InvalidParameter("Invalid parameter: Message Structure - JSON message body failed to parse") from None
    if not isinstance(texts, dict) or not isinstance(texts.get("default"), str):
        raise InvalidParameter("Invalid parameter: Message Structure - No default entry in JSON message body")
    return {protocol: text for protocol, text in texts.items() if isinstance(text, str)}


def _attribute(value: Mapping[str, Any]) -> dict[str, str]:
    """As it stands in the envelope."""
    data = value.get("StringValue")
    if data is None:
        data = base64.b64encode(value.get("BinaryValue") or b"").decode()
    if not data:
        raise InvalidParameter("Invalid parameter: MessageAttributes Reason: a value must not be empty")
    return {"Type": value["DataType"], "Value": data}
