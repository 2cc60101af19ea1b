"""Topics: names that messages are published to."""

import re
from typing import Any

import orjson

from salvia.base.arn import Arn, Scope
from salvia.base.call import Call
from salvia.ports.table import Query, Record
from salvia.resources.kind import Resource, fresh
from salvia.resources.listing import every
from salvia.resources.tags import added, pairs, removed, retagged
from salvia.resources.world import World
from salvia.services.sns.errors import InvalidParameter, TagTargetMissing, TooManyTags, TopicMissing
from salvia.services.sns.listing import page
from salvia.services.sns.signing import DIGESTS

_NAME = re.compile(r"[A-Za-z0-9_-]{1,256}")
_SETTABLE = frozenset({"DisplayName", "SignatureVersion"})
DELIVERY = {
    "http": {
        "defaultHealthyRetryPolicy": {
            "minDelayTarget": 20,
            "maxDelayTarget": 20,
            "numRetries": 3,
            "numMaxDelayRetries": 0,
            "numNoDelayRetries": 0,
            "numMinDelayRetries": 0,
            "backoffFunction": "linear",
        },
        "disableSubscriptionOverrides": False,
    }
}


class Topic(Resource):
    noun = "Topic"


async def find(world: World, topic_arn: str, account: str = "") -> Record:
    """The topic of an ARN; of this account, if one is named. Raises InvalidParameter, TopicMissing."""
    try:
        arn = Arn.parse(topic_arn)
    except ValueError:
        arn = None
    if arn is None or arn.service != "sns" or not _NAME.fullmatch(arn.resource):
        raise InvalidParameter("Invalid parameter: TopicArn")
    record = await world.table.get(Topic.noun, arn.account, arn.region, arn.resource)
    if record is None or (account and arn.account != account):
        raise TopicMissing("Topic does not exist")
    return record


async def create_topic(world: World, call: Call) -> dict[str, Any]:
    """One that is there already, with the same attributes, is what was asked for."""
    params, scope = call.params, Scope(call.account, call.region)
    name, attributes = params["Name"], dict(params.get("Attributes", {}))
    if not _NAME.fullmatch(name):
        raise InvalidParameter("Invalid parameter: Topic Name")
    for attribute, value in attributes.items():
        _check_attribute(attribute, value)
    if params.get("DataProtectionPolicy"):
        raise InvalidParameter("Invalid parameter: DataProtectionPolicy is not supported here")
    tags = {tag["Key"]: tag["Value"] for tag in params.get("Tags", ())}
    kind, arn = world.kinds[Topic.noun], scope.arn("sns", name)
    record = fresh(kind, scope, name, arn, {"Attributes": attributes}, tags=tags, due=None)
    if not await world.table.insert(record):
        known = await find(world, record.arn)
        if any(known.spec["Attributes"].get(attribute) != value for attribute, value in attributes.items()):
            raise InvalidParameter(
                "Invalid parameter: Attributes Reason: Topic already exists with different attributes"
            )
    return {"TopicArn": record.arn}


async def delete_topic(world: World, call: Call) -> dict[str, Any]:
    """With its subscriptions; one that is not there is deleted already."""
    try:
        topic = await find(world, call.params["TopicArn"], call.account)
    except TopicMissing:
        return {}
    await world.table.delete(topic)
    for subscription in await subscriptions_of(world, topic):
        await world.table.delete(subscription)
    return {}


async def list_topics(world: World, call: Call) -> dict[str, Any]:
    return await page(world, call, Topic.noun, "Topics", lambda topic: {"TopicArn": topic.arn})


async def get_topic_attributes(world: World, call: Call) -> dict[str, Any]:
    topic = await find(world, call.params["TopicArn"], call.account)
    subscriptions = await subscriptions_of(world, topic)
    confirmed = [one.spec["confirmed"] for one in subscriptions if not has_left(one)]
    facts = {
        "TopicArn": topic.arn,
        "Owner": topic.account,
        "DisplayName": "",
        "SubscriptionsConfirmed": str(confirmed.count(True)),
        "SubscriptionsPending": str(confirmed.count(False)),
        "SubscriptionsDeleted": str(sum(has_left(one) for one in subscriptions)),
        "EffectiveDeliveryPolicy": orjson.dumps(DELIVERY).decode(),
    }
    return {"Attributes": facts | topic.spec["Attributes"]}


async def set_topic_attributes(world: World, call: Call) -> dict[str, Any]:
    name, value = call.params["AttributeName"], call.params.get("AttributeValue", "")
    _check_attribute(name, value)
    while True:
        topic = await find(world, call.params["TopicArn"], call.account)
        topic.spec["Attributes"][name] = value
        if await world.table.save_wish(topic):
            return {}


async def subscriptions_of(world: World, topic: Record) -> list[Record]:
    query = Query("Subscription", topic.account, topic.region, owner=topic.arn, sort="key")
    return [record async for record in every(world.table, query)]


def has_left(subscription: Record) -> bool:
    """By an UnsubscribeURL: it is kept for a while, to be restored."""
    return "left" in subscription.spec


async def list_tags(world: World, call: Call) -> dict[str, Any]:
    return {"Tags": pairs(await _tagged(world, call))}


async def tag_resource(world: World, call: Call) -> dict[str, Any]:
    await retagged(world, call, _tagged, added(call), TooManyTags)
    return {}


async def untag_resource(world: World, call: Call) -> dict[str, Any]:
    await retagged(world, call, _tagged, removed(call), TooManyTags)
    return {}


def _check_attribute(name: str, value: str) -> None:
    if name not in _SETTABLE:
        raise InvalidParameter(f"Invalid parameter: AttributeName {name} is not supported here")
    if name == "SignatureVersion" and value not in DIGESTS:
        raise InvalidParameter(f"Invalid parameter: Attributes Reason: SignatureVersion must be 1 or 2, not [{value}]")


async def _tagged(world: World, call: Call) -> Record:
    try:
        return await find(world, call.params["ResourceArn"], call.account)
    except TopicMissing:
        raise TagTargetMissing("Resource does not exist") from None
