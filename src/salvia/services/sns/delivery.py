"""Deliveries: one message on its way to one subscriber, kept until it has arrived or has been tried often enough.

A delivery is a record, so that nothing that was published is lost with the server; a kill may let a message arrive twice.
Source: "Amazon SNS message delivery retries" and "HTTP/HTTPS notification JSON format" in the SNS developer guide.
"""

import asyncio
import logging
import urllib.parse
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from salvia.base.arn import Scope
from salvia.base.ids import request_id
from salvia.model.shapes import ServiceModel
from salvia.ports.posting import NotPostedError
from salvia.ports.table import Record
from salvia.resources.kind import Resource, fresh
from salvia.resources.world import World
from salvia.services.sns.signing import signed

RETRIES = 3
PAUSE = 20.0  # seconds between tries
ANSWER_SECONDS = 15.0
_LOOK = 5.0  # seconds between looks at one that is being tried; its end wakes it
_NOT_AGAIN = range(400, 500)  # what the receiver refuses it will refuse again, but for too many at once
_log = logging.getLogger(__name__)


class Delivery(Resource):
    """`spec`: url, headers and body."""

    noun = "Delivery"

    def __init__(self, world: World, model: ServiceModel) -> None:
        super().__init__(world, model)
        self._trying: dict[str, asyncio.Task[bool]] = {}  # by key: whether it is over

    async def reconcile(self, record: Record) -> float | None:
        task = self._trying.get(record.key)
        if task is None:
            task = self._trying[record.key] = asyncio.get_running_loop().create_task(self._try(record))
            task.add_done_callback(lambda _: self.world.look(self.noun, record.account, record.region, record.key))
        if not task.done():
            return _LOOK
        del self._trying[record.key]
        tries = record.status["tries"] = record.status.get("tries", 0) + 1
        if not task.result() and tries <= RETRIES:
            return PAUSE
        if not task.result():
            _log.warning("a message could not be delivered to %s in %d tries", record.spec["url"], tries)
        await self.world.table.delete(record)
        return None

    async def _try(self, record: Record) -> bool:
        spec = record.spec
        try:
            status = await self.world.parts["posting"].post(
                spec["url"], spec["headers"], spec["body"].encode(), ANSWER_SECONDS
            )
        except NotPostedError as error:
            _log.info("%s did not take a message: %s", spec["url"], error)
            return False
        return 200 <= status < 300 or (status in _NOT_AGAIN and status != 429)


async def send_message(world: World, topic: Record, subscription: Record, message: Mapping[str, Any]) -> None:
    """`message`: MessageId, Message, and Subject and MessageAttributes where there are any."""
    headers = {"x-amz-sns-subscription-arn": subscription.arn}
    if subscription.spec["Attributes"].get("RawMessageDelivery", "false").lower() == "true":
        headers["x-amz-sns-rawdelivery"] = "true"
        await _send(world, subscription, "Notification", message["MessageId"], message["Message"], headers)
        return
    leave = _address(world, Action="Unsubscribe", SubscriptionArn=subscription.arn)
    await _send_signed(
        world, topic, subscription, {"Type": "Notification", **message, "UnsubscribeURL": leave}, headers
    )


async def send_confirmation(world: World, topic: Record, subscription: Record) -> None:
    text = (
        f"You have chosen to subscribe to the topic {topic.arn}.\n"
        "To confirm the subscription, visit the SubscribeURL included in this message."
    )
    await _send_question(world, topic, subscription, "SubscriptionConfirmation", text)


async def send_farewell(world: World, topic: Record, subscription: Record) -> None:
    """Who has left by a message's UnsubscribeURL can take it back."""
    text = (
        f"You have chosen to deactivate subscription {subscription.arn}.\n"
        "To cancel this operation and restore the subscription, visit the SubscribeURL included in this message."
    )
    await _send_question(world, topic, subscription, "UnsubscribeConfirmation", text)


async def _send_question(world: World, topic: Record, subscription: Record, kind: str, text: str) -> None:
    token = subscription.spec["token"]
    envelope = {
        "Type": kind,
        "MessageId": request_id(),
        "Token": token,
        "Message": text,
        "SubscribeURL": _address(world, Action="ConfirmSubscription", TopicArn=topic.arn, Token=token),
    }
    await _send_signed(world, topic, subscription, envelope, {})


def _address(world: World, **arguments: str) -> str:
    query = urllib.parse.urlencode(arguments | {"Version": "2010-03-31"})
    return f"{world.parts['endpoint_url']}/?{query}"


async def _send_signed(
    world: World, topic: Record, subscription: Record, envelope: Mapping[str, Any], headers: Mapping[str, str]
) -> None:
    moment = datetime.fromtimestamp(world.clock.now(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    whole = await signed(world, topic, {"TopicArn": topic.arn, **envelope, "Timestamp": moment})
    body = orjson.dumps(whole, option=orjson.OPT_INDENT_2).decode()
    await _send(world, subscription, envelope["Type"], envelope["MessageId"], body, headers)


async def _send(world: World, subscription: Record, kind: str, name: str, body: str, more: Mapping[str, str]) -> None:
    headers = {
        "Content-Type": "text/plain; charset=UTF-8",
        "User-Agent": "Amazon Simple Notification Service Agent",
        "x-amz-sns-message-type": kind,
        "x-amz-sns-message-id": name,
        "x-amz-sns-topic-arn": subscription.owner,
        **more,
    }
    key = f"{name}|{subscription.key}"
    scope, arn = Scope(subscription.account, subscription.region), f"{subscription.arn}:delivery:{name}"
    spec = {"url": subscription.spec["Endpoint"], "headers": headers, "body": body}
    record = fresh(world.kinds[Delivery.noun], scope, key, arn, spec, name=name)
    await world.table.insert(record)
    world.wake()
