"""Subscriptions: HTTP and HTTPS addresses that get what is published to a topic, once they have confirmed that they want it."""

import secrets
import urllib.parse
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

from salvia.base.arn import Scope
from salvia.base.call import Call
from salvia.base.errors import AwsError
from salvia.ports.table import Record
from salvia.resources.kind import Resource, fresh
from salvia.resources.world import World
from salvia.services.sns import topics
from salvia.services.sns.delivery import send_confirmation, send_farewell
from salvia.services.sns.errors import InvalidParameter, TopicMissing
from salvia.services.sns.listing import page

PENDING = "PendingConfirmation"
LEFT = "Deleted"
RESTORABLE = 3 * 86_400.0  # seconds after it was left
_PROTOCOLS = ("http", "https")
_SETTABLE = frozenset({"RawMessageDelivery"})


class Subscription(Resource):
    """`spec["confirmed"]` says whether messages go there; `spec["token"]` is what confirms it; `spec["left"]` when it was left."""

    noun = "Subscription"

    def view(self, record: Record) -> dict[str, Any]:
        return {
            "SubscriptionArn": record.arn if record.spec["confirmed"] else LEFT if topics.has_left(record) else PENDING,
            "Owner": record.account,
            "Protocol": record.spec["Protocol"],
            "Endpoint": record.spec["Endpoint"],
            "TopicArn": record.owner,
        }

    async def reconcile(self, record: Record) -> float | None:
        """One that has been left for long cannot be restored any more."""
        if not topics.has_left(record):
            return None
        left = record.spec["left"] + RESTORABLE - self.world.clock.now()
        if left > 0:
            return float(left)
        await self.world.table.delete(record)
        return None


async def subscribe(world: World, call: Call) -> dict[str, Any]:
    """The address is asked to confirm. One that is subscribed already stays as it is, and is asked again if it never did."""
    params = call.params
    topic = await topics.find(world, params["TopicArn"], call.account)
    endpoint = _checked(params["Protocol"], params.get("Endpoint", ""))
    attributes = dict(params.get("Attributes", {}))
    for name, value in attributes.items():
        _check_attribute(name, value)
    known = next((one for one in await topics.subscriptions_of(world, topic) if one.spec["Endpoint"] == endpoint), None)
    subscription = known or await _made(world, topic, params["Protocol"], endpoint, attributes)
    if topics.has_left(subscription):
        subscription = await _changed(world, subscription.arn, _wait)
    if not subscription.spec["confirmed"]:
        await send_confirmation(world, topic, subscription)
    shown = subscription.spec["confirmed"] or params.get("ReturnSubscriptionArn")
    return {"SubscriptionArn": subscription.arn if shown else "pending confirmation"}


async def confirm_subscription(world: World, call: Call) -> dict[str, Any]:
    """Who has the token has got the message: no other proof is asked for."""
    topic = await topics.find(world, call.params["TopicArn"])
    token = call.params["Token"]
    for one in await topics.subscriptions_of(world, topic):
        if secrets.compare_digest(one.spec["token"].encode(), token.encode()):
            await _changed(world, one.arn, _confirm)
            return {"SubscriptionArn": one.arn}
    raise InvalidParameter("Invalid parameter: Token")


async def unsubscribe(world: World, call: Call) -> dict[str, Any]:
    """Every message names the address for it, so that who gets messages can end them, and is told how to take that back."""
    record = await world.table.find(call.params["SubscriptionArn"])
    if record is None or record.kind != Subscription.noun or call.account not in {"", record.account}:
        return {}
    if call.account:
        await world.table.delete(record)
    elif record.spec["confirmed"] or topics.has_left(record):
        left = await _changed(world, record.arn, partial(_leave, now=world.clock.now()))
        await send_farewell(world, await topics.find(world, record.owner), left)
    return {}


async def list_subscriptions(world: World, call: Call) -> dict[str, Any]:
    view = world.kinds[Subscription.noun].view
    return await page(world, call, Subscription.noun, "Subscriptions", view)


async def list_subscriptions_by_topic(world: World, call: Call) -> dict[str, Any]:
    topic = await topics.find(world, call.params["TopicArn"], call.account)
    view = world.kinds[Subscription.noun].view
    return await page(world, call, Subscription.noun, "Subscriptions", view, topic.arn)


async def get_subscription_attributes(world: World, call: Call) -> dict[str, Any]:
    record = await _found(world, call)
    return {
        "Attributes": world.kinds[Subscription.noun].view(record)
        | {
            "SubscriptionArn": record.arn,
            "PendingConfirmation": str(not record.spec["confirmed"]).lower(),
            "ConfirmationWasAuthenticated": "false",
            "RawMessageDelivery": record.spec["Attributes"].get("RawMessageDelivery", "false"),
        }
    }


async def set_subscription_attributes(world: World, call: Call) -> dict[str, Any]:
    record = await _found(world, call)
    name, value = call.params["AttributeName"], call.params.get("AttributeValue", "")
    _check_attribute(name, value)

    def change(changed: Record) -> None:
        changed.spec["Attributes"][name] = value

    await _changed(world, record.arn, change)
    return {}


def _checked(protocol: str, endpoint: str) -> str:
    if protocol not in _PROTOCOLS:
        raise InvalidParameter(f"Invalid parameter: Protocol {protocol} is not supported here: http and https are")
    try:
        address = urllib.parse.urlsplit(endpoint)
        fits = address.scheme == protocol and address.hostname and "@" not in address.netloc and address.port != 0
    except ValueError:
        fits = False
    if not fits or not endpoint.isascii() or any(each.isspace() for each in endpoint):
        raise InvalidParameter(f"Invalid parameter: Endpoint must match the specified protocol: {protocol}://HOST/PATH")
    return endpoint


def _check_attribute(name: str, value: str) -> None:
    if name not in _SETTABLE:
        raise InvalidParameter(f"Invalid parameter: AttributeName {name} is not supported here")
    if value.lower() not in {"true", "false"}:
        raise InvalidParameter(f"Invalid parameter: Attributes Reason: {name}: Invalid value [{value}]")


async def _made(world: World, topic: Record, protocol: str, endpoint: str, attributes: dict[str, str]) -> Record:
    key, scope = str(uuid.uuid4()), Scope(topic.account, topic.region)
    spec = {
        "Protocol": protocol,
        "Endpoint": endpoint,
        "Attributes": attributes,
        "confirmed": False,
        "token": secrets.token_hex(64),
    }
    kind, arn = world.kinds[Subscription.noun], f"{topic.arn}:{key}"
    record = fresh(kind, scope, key, arn, spec, owner=topic.arn, due=None)
    await world.table.insert(record)
    return record


async def _found(world: World, call: Call) -> Record:
    record = await world.table.find(call.params["SubscriptionArn"])
    if record is None or (record.kind, record.account) != (Subscription.noun, call.account):
        raise TopicMissing("Subscription does not exist")
    return record


def _leave(record: Record, now: float) -> None:
    if not topics.has_left(record):
        record.spec |= {"confirmed": False, "left": now, "token": secrets.token_hex(64)}
        record.due = now + RESTORABLE


def _confirm(record: Record) -> None:
    record.spec["confirmed"] = True
    record.spec.pop("left", None)


def _wait(record: Record) -> None:
    record.spec.pop("left", None)


async def _changed(world: World, arn: str, change: Callable[[Record], None]) -> Record:
    while True:
        record = await world.table.find(arn)
        if record is None:
            raise AwsError("Subscription does not exist", code="NotFound", http_status=404)
        change(record)
        if await world.table.save_wish(record):
            return record
