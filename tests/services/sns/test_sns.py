"""Topics, subscriptions, and messages that reach subscribers."""

import asyncio
import base64
import re
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from salvia.base.call import ANONYMOUS, Call, Caller
from salvia.base.errors import AwsError
from salvia.ports.posting import NotPostedError
from salvia.ports.table import Query, Record
from salvia.services.sns import SERVICE, publish
from salvia.services.sns.delivery import PAUSE, RETRIES
from salvia.services.sns.subscriptions import RESTORABLE
from tests import fakes

ENDPOINT = "http://receiver/path"


class Receiver:
    def __init__(self) -> None:
        self.status = 200
        self.got: list[tuple[str, Mapping[str, str], str]] = []

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, seconds: float) -> int:
        self.got.append((url, headers, body.decode()))
        if not self.status:
            raise NotPostedError("nobody there")
        return self.status


class Ink:
    """Signs by saying what it was told to."""

    async def sign(self, text: bytes, digest: str) -> bytes:
        return digest.encode() + b":" + text

    async def certificate(self) -> bytes:
        return b"a certificate"


class Bench:
    def __init__(self, folder: Path) -> None:
        self.world = fakes.world(folder)
        self.world.parts["signing"] = Ink()
        self.receiver = self.world.parts["posting"] = Receiver()
        self.world.kinds |= {kind.noun: kind(self.world, fakes.MODELS.service("sns")) for kind in SERVICE.kinds}

    async def __call__(self, operation: str, caller: Caller = fakes.CALLER, **params: Any) -> Any:
        return await SERVICE.operations[operation](self.world, Call("sns", operation, params, caller, fakes.REGION))

    async def topic(self) -> str:
        return str((await self("CreateTopic", Name="t"))["TopicArn"])

    async def subscribed(self, **attributes: str) -> tuple[str, str]:
        """A topic and its confirmed subscription."""
        topic = await self.topic()
        await self("Subscribe", TopicArn=topic, Protocol="http", Endpoint=ENDPOINT, Attributes=attributes)
        await self.deliver()
        token = orjson.loads(self.receiver.got.pop()[2])["Token"]
        answer = await self("ConfirmSubscription", ANONYMOUS, TopicArn=topic, Token=token)
        return topic, str(answer["SubscriptionArn"])

    async def deliveries(self) -> list[Record]:
        return await self.world.table.select(Query("Delivery", fakes.ACCOUNT, fakes.REGION))

    async def deliver(self) -> None:
        """Two looks at what is due: one starts a try, one sees its end."""
        for _ in range(2):
            for record in await self.deliveries():
                if record.due is not None and record.due <= self.world.clock.now():
                    delay = await self.world.kinds["Delivery"].reconcile(record)
                    looks_soon = delay is not None and delay < PAUSE
                    record.due = None if delay is None else self.world.clock.now() + (0 if looks_soon else delay)
                    await self.world.table.save_fact(record, "worker")
            await asyncio.sleep(0)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_a_subscriber_confirms_and_gets_what_is_published(bench: Bench) -> None:
    topic = await bench.topic()
    asked = await bench("Subscribe", TopicArn=topic, Protocol="http", Endpoint=ENDPOINT)
    await bench("Publish", TopicArn=topic, Message="too early")
    await bench.deliver()
    ((url, headers, body),) = bench.receiver.got
    question = orjson.loads(body)
    arguments = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(question["SubscribeURL"]).query))
    confirmed = await bench("ConfirmSubscription", ANONYMOUS, TopicArn=topic, Token=arguments["Token"])
    attribute = {"kind": {"DataType": "String", "StringValue": "v"}}
    published = await bench("Publish", TopicArn=topic, Message="hello", Subject="greeting", MessageAttributes=attribute)
    await bench.deliver()

    _, kind, text = bench.receiver.got[1]
    message = orjson.loads(text)
    assert asked == {"SubscriptionArn": "pending confirmation"}
    assert (url, headers["x-amz-sns-message-type"]) == (ENDPOINT, "SubscriptionConfirmation")
    assert question["Type"] == "SubscriptionConfirmation"
    assert arguments["Action"] == "ConfirmSubscription"
    assert kind["x-amz-sns-subscription-arn"] == confirmed["SubscriptionArn"]
    assert message["MessageId"] == published["MessageId"]
    assert (message["Type"], message["TopicArn"], message["Message"]) == ("Notification", topic, "hello")
    assert message["MessageAttributes"] == {"kind": {"Type": "String", "Value": "v"}}
    assert message["Subject"] == "greeting"
    assert len(bench.receiver.got) == 2
    assert await bench.deliveries() == []


async def test_one_that_does_not_answer_is_tried_again_and_given_up_in_the_end(bench: Bench) -> None:
    topic, _ = await bench.subscribed()
    bench.receiver.status = 0
    await bench("Publish", TopicArn=topic, Message="m")
    for _ in range(RETRIES + 3):
        await bench.deliver()
        bench.world.clock.advance(PAUSE)  # type: ignore[attr-defined]

    assert len(bench.receiver.got) == 1 + RETRIES
    assert await bench.deliveries() == []


async def test_what_the_receiver_refuses_is_not_sent_again(bench: Bench) -> None:
    topic, _ = await bench.subscribed()
    bench.receiver.status = 400
    await bench("Publish", TopicArn=topic, Message="m")
    await bench.deliver()

    assert (len(bench.receiver.got), await bench.deliveries()) == (1, [])


async def test_the_platform_s_own_message_is_the_same_when_it_is_sent_twice(bench: Bench) -> None:
    topic, _ = await bench.subscribed()
    await publish(bench.world, topic, {"default": "m"}, "name")
    await publish(bench.world, topic, {"default": "m"}, "name")

    assert len(await bench.deliveries()) == 1


def signature(message: Mapping[str, Any]) -> str:
    return base64.b64decode(message["Signature"]).decode()


async def test_a_notification_is_signed_over_the_members_that_aws_names(bench: Bench) -> None:
    topic, _ = await bench.subscribed()
    attribute = {"kind": {"DataType": "String", "StringValue": "v"}}
    await bench("Publish", TopicArn=topic, Message="zwei\nZeilen", Subject="s", MessageAttributes=attribute)
    await bench("Publish", TopicArn=topic, Message="bare")
    await bench.deliver()

    told = [orjson.loads(text) for _, _, text in bench.receiver.got]
    first, second = sorted(told, key=lambda message: message["Message"], reverse=True)
    assert signature(first) == (
        f"SHA1:Message\nzwei\nZeilen\nMessageId\n{first['MessageId']}\nSubject\ns\n"
        f"Timestamp\n{first['Timestamp']}\nTopicArn\n{topic}\nType\nNotification\n"
    )
    assert "Subject" not in signature(second)
    assert first["SignatureVersion"] == "1"
    assert re.fullmatch(
        r"https://sns\.us-west-2\.amazonaws\.com/SimpleNotificationService-[0-9a-f]{32}\.pem", first["SigningCertURL"]
    )


async def test_a_topic_of_the_second_version_signs_with_sha_256(bench: Bench) -> None:
    topic, _ = await bench.subscribed()
    await bench("SetTopicAttributes", TopicArn=topic, AttributeName="SignatureVersion", AttributeValue="2")
    await bench("Publish", TopicArn=topic, Message="m")
    await bench.deliver()

    message = orjson.loads(bench.receiver.got[0][2])
    assert (message["SignatureVersion"], signature(message)[:7]) == ("2", "SHA256:")
    assert (await bench("GetTopicAttributes", TopicArn=topic))["Attributes"]["SignatureVersion"] == "2"


async def test_the_question_whether_to_subscribe_is_signed_too(bench: Bench) -> None:
    topic = await bench.topic()
    await bench("Subscribe", TopicArn=topic, Protocol="http", Endpoint=ENDPOINT)
    await bench.deliver()

    message = orjson.loads(bench.receiver.got[0][2])
    names = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
    assert signature(message) == "SHA1:" + "".join(f"{name}\n{message[name]}\n" for name in names)


async def test_the_certificate_is_where_the_message_says(bench: Bench) -> None:
    topic, _ = await bench.subscribed()
    await bench("Publish", TopicArn=topic, Message="m")
    await bench.deliver()
    url = orjson.loads(bench.receiver.got[0][2])["SigningCertURL"]
    reply = await bench("GetSigningCertificate", ANONYMOUS, Path=urllib.parse.urlsplit(url).path)

    assert reply.body == b"a certificate"
    with pytest.raises(AwsError) as refused:
        await bench("GetSigningCertificate", ANONYMOUS, Path="/SimpleNotificationService-0.pem")
    assert refused.value.http_status == 404


async def test_who_leaves_by_the_message_s_address_is_told_and_can_come_back(bench: Bench) -> None:
    topic, subscription = await bench.subscribed()
    for _ in range(2):  # the first answer was lost
        await bench("Unsubscribe", ANONYMOUS, SubscriptionArn=subscription)
    await bench("Publish", TopicArn=topic, Message="missed")
    await bench.deliver()
    told = [orjson.loads(text) for _, _, text in bench.receiver.got]
    gone = (await bench("ListSubscriptions"))["Subscriptions"]
    counted = (await bench("GetTopicAttributes", TopicArn=topic))["Attributes"]
    arguments = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(told[-1]["SubscribeURL"]).query))
    again = await bench("ConfirmSubscription", ANONYMOUS, TopicArn=topic, Token=arguments["Token"])
    await bench("Publish", TopicArn=topic, Message="back")
    await bench.deliver()

    assert [message["Type"] for message in told] == ["UnsubscribeConfirmation"] * 2
    assert f"deactivate subscription {subscription}" in told[0]["Message"]
    assert signature(told[0]).startswith("SHA1:Message\n")
    assert [one["SubscriptionArn"] for one in gone] == ["Deleted"]
    assert (counted["SubscriptionsDeleted"], counted["SubscriptionsPending"]) == ("1", "0")
    assert again["SubscriptionArn"] == subscription
    assert orjson.loads(bench.receiver.got[-1][2])["Message"] == "back"


async def test_one_that_was_left_three_days_ago_is_gone_for_good(bench: Bench) -> None:
    _, subscription = await bench.subscribed()
    await bench("Unsubscribe", ANONYMOUS, SubscriptionArn=subscription)
    record = await bench.world.table.find(subscription)
    assert record is not None
    waits = await bench.world.kinds["Subscription"].reconcile(record)
    bench.world.clock.advance(RESTORABLE)  # type: ignore[attr-defined]
    await bench.world.kinds["Subscription"].reconcile(record)

    assert waits == RESTORABLE
    assert record.due is not None
    assert (await bench("ListSubscriptions"))["Subscriptions"] == []


async def test_one_that_subscribes_again_after_leaving_is_asked_like_a_new_one(bench: Bench) -> None:
    topic, subscription = await bench.subscribed()
    await bench("Unsubscribe", ANONYMOUS, SubscriptionArn=subscription)
    answer = await bench("Subscribe", TopicArn=topic, Protocol="http", Endpoint=ENDPOINT)

    assert answer == {"SubscriptionArn": "pending confirmation"}
    (one,) = (await bench("ListSubscriptions"))["Subscriptions"]
    assert one["SubscriptionArn"] == "PendingConfirmation"


async def test_raw_delivery_and_texts_by_protocol(bench: Bench) -> None:
    topic, subscription = await bench.subscribed(RawMessageDelivery="true")
    text = orjson.dumps({"default": "d", "http": "h"}).decode()
    await bench("Publish", TopicArn=topic, Message=text, MessageStructure="json")
    await bench.deliver()
    shown = (await bench("GetSubscriptionAttributes", SubscriptionArn=subscription))["Attributes"]

    assert bench.receiver.got[0][2] == "h"
    assert (shown["RawMessageDelivery"], shown["PendingConfirmation"]) == ("true", "false")


async def test_topics_and_subscriptions_are_listed_and_end(bench: Bench) -> None:
    topic, subscription = await bench.subscribed()
    again = await bench("Subscribe", TopicArn=topic, Protocol="http", Endpoint=ENDPOINT)
    listed = await bench("ListSubscriptionsByTopic", TopicArn=topic)
    everything = await bench("ListSubscriptions")
    counted = (await bench("GetTopicAttributes", TopicArn=topic))["Attributes"]
    await bench("Unsubscribe", SubscriptionArn=subscription)
    after = await bench("ListSubscriptions")
    topics = await bench("ListTopics")
    await bench("DeleteTopic", TopicArn=topic)
    await bench("DeleteTopic", TopicArn=topic)

    assert again["SubscriptionArn"] == subscription
    assert listed == everything
    assert listed["Subscriptions"][0]["SubscriptionArn"] == subscription
    assert (counted["SubscriptionsConfirmed"], counted["SubscriptionsPending"]) == ("1", "0")
    assert after["Subscriptions"] == []
    assert topics["Topics"] == [{"TopicArn": topic}]
    assert (await bench("ListTopics"))["Topics"] == []


async def test_a_topic_has_at_most_fifty_tags(bench: Bench) -> None:
    topic = await bench.topic()
    await bench("TagResource", ResourceArn=topic, Tags=[{"Key": f"k{number}", "Value": ""} for number in range(50)])

    with pytest.raises(AwsError) as refused:
        await bench("TagResource", ResourceArn=topic, Tags=[{"Key": "one-more", "Value": ""}])

    assert refused.value.code == "TagLimitExceeded"
    assert len((await bench("ListTagsForResource", ResourceArn=topic))["Tags"]) == 50


async def test_attributes_and_tags_of_a_topic(bench: Bench) -> None:
    topic = await bench.topic()
    await bench("SetTopicAttributes", TopicArn=topic, AttributeName="DisplayName", AttributeValue="T")
    await bench("TagResource", ResourceArn=topic, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    await bench("UntagResource", ResourceArn=topic, TagKeys=["a"])

    assert (await bench("GetTopicAttributes", TopicArn=topic))["Attributes"]["DisplayName"] == "T"
    assert (await bench("ListTagsForResource", ResourceArn=topic))["Tags"] == [{"Key": "b", "Value": "2"}]
    assert (await bench("CreateTopic", Name="t"))["TopicArn"] == topic
    with pytest.raises(AwsError, match="different attributes"):
        await bench("CreateTopic", Name="t", Attributes={"DisplayName": "other"})


@pytest.mark.parametrize(
    ("operation", "params", "message"),
    [
        ("CreateTopic", {"Name": "a b"}, "Topic Name"),
        ("CreateTopic", {"Name": "a", "Attributes": {"FifoTopic": "true"}}, "FifoTopic is not supported"),
        ("CreateTopic", {"Name": "a", "Attributes": {"SignatureVersion": "3"}}, "must be 1 or 2"),
        ("Subscribe", {"Protocol": "sqs", "Endpoint": "arn:aws:sqs:us-west-2:0:q"}, "http and https are"),
        ("Subscribe", {"Protocol": "https", "Endpoint": "http://a/"}, "must match"),
        ("Subscribe", {"Protocol": "http", "Endpoint": "http://user:secret@a/"}, "must match"),
        (
            "Subscribe",
            {"Protocol": "http", "Endpoint": "http://a/", "Attributes": {"FilterPolicy": "{}"}},
            "FilterPolicy",
        ),
        ("ConfirmSubscription", {"Token": "x"}, "Token"),
        ("Publish", {"Message": ""}, "Empty message"),
        ("Publish", {"Message": "m" * 262_145}, "too long"),
        ("Publish", {"Message": "m", "Subject": "s" * 101}, "Subject"),
        ("Publish", {"Message": "m", "MessageStructure": "json"}, "failed to parse"),
        ("Publish", {"Message": "{}", "MessageStructure": "json"}, "No default entry"),
        ("Publish", {"Message": "m", "MessageGroupId": "g"}, "not FIFO"),
        ("Publish", {"Message": "m", "TopicArn": "arn:aws:sns:us-west-2:000000000000:none"}, "Topic does not exist"),
        ("Publish", {"Message": "m", "TopicArn": "t"}, "TopicArn"),
    ],
)
async def test_what_is_wrong_is_told(bench: Bench, operation: str, params: dict[str, Any], message: str) -> None:
    named = {} if operation == "CreateTopic" else {"TopicArn": await bench.topic()}

    with pytest.raises(AwsError, match=message):
        await bench(operation, **(named | params))
