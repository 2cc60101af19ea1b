"""The unmodified boto3 and a subscriber over HTTP: what alarms and asynchronous endpoints tell topics arrives, signed."""

import base64
import json
import re
import ssl
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.clients.hosting import BUCKET, ROW, Hosting

pytestmark = pytest.mark.slow
PATIENCE = 120.0  # seconds; a busy machine is slow


class Subscriber:
    """Confirms every subscription, and keeps what it gets."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        subscriber = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(200)
                self.end_headers()
                if self.headers["x-amz-sns-message-type"] == "SubscriptionConfirmation":
                    urllib.request.urlopen(body["SubscribeURL"]).close()
                subscriber.got.append(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def expect(self, word: str) -> dict[str, Any]:
        """The first message with `word` in it, as soon as it is there."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            for message in self.got:
                if word in message["Message"]:
                    return message
            time.sleep(0.05)
        raise AssertionError(f"no message with {word!r} in {PATIENCE:.0f} seconds: {self.got}")


@pytest.fixture(scope="module")
def subscriber() -> Iterator[Subscriber]:
    made = Subscriber()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(scope="module")
def topic(hosting: Hosting, subscriber: Subscriber) -> Iterator[str]:
    """One that has a confirmed subscriber."""
    arn: str = hosting.sns.create_topic(Name="SageMakerNews")["TopicArn"]
    hosting.sns.subscribe(TopicArn=arn, Protocol="http", Endpoint=subscriber.url)
    subscriber.expect("You have chosen to subscribe")
    (subscription,) = hosting.sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]
    assert subscription["SubscriptionArn"].startswith(f"{arn}:")
    yield arn
    hosting.sns.delete_topic(TopicArn=arn)


def test_what_is_published_arrives(hosting: Hosting, subscriber: Subscriber, topic: str) -> None:
    published = hosting.sns.publish(TopicArn=topic, Message="good morning", Subject="news")
    message = subscriber.expect("good morning")

    assert (message["MessageId"], message["Subject"], message["Type"]) == (
        published["MessageId"],
        "news",
        "Notification",
    )
    with pytest.raises(ClientError, match="Topic does not exist") as refused:
        hosting.sns.publish(TopicArn=f"{topic}x", Message="m")
    assert refused.value.response["Error"]["Code"] == "NotFound"


def test_every_message_verifies_as_those_of_aws_do(
    environment: Mapping[str, str], hosting: Hosting, subscriber: Subscriber, topic: str
) -> None:
    """As the usual validators have it: the certificate from AWS's host, over a connection that is trusted."""
    hosting.sns.set_topic_attributes(TopicArn=topic, AttributeName="SignatureVersion", AttributeValue="2")
    hosting.sns.publish(TopicArn=topic, Message="second version\nof signatures", Subject="s")
    second = subscriber.expect("second version")
    hosting.sns.set_topic_attributes(TopicArn=topic, AttributeName="SignatureVersion", AttributeValue="1")
    first = subscriber.expect("You have chosen to subscribe")
    trusted = ssl.create_default_context(cafile=environment["AWS_CA_BUNDLE"])
    proxy = urllib.request.ProxyHandler({"https": environment["HTTPS_PROXY"]})
    opener = urllib.request.build_opener(proxy, urllib.request.HTTPSHandler(context=trusted))

    for message, digest in ((first, hashes.SHA1()), (second, hashes.SHA256())):
        assert re.fullmatch(r"https://sns\.[a-z0-9-]{3,}\.amazonaws\.com/[^/]+\.pem", message["SigningCertURL"])
        with opener.open(message["SigningCertURL"]) as answer:
            key = x509.load_pem_x509_certificate(answer.read()).public_key()
        names = {"Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"}
        text = "".join(f"{name}\n{message[name]}\n" for name in sorted(names & message.keys()))
        assert isinstance(key, rsa.RSAPublicKey)
        key.verify(base64.b64decode(message["Signature"]), text.encode(), padding.PKCS1v15(), digest)


def test_an_alarm_tells_its_topic(hosting: Hosting, subscriber: Subscriber, topic: str) -> None:
    hosting.cloudwatch.put_metric_alarm(
        AlarmName="telling",
        Namespace="n",
        MetricName="m",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1.0,
        ComparisonOperator="GreaterThanThreshold",
        AlarmActions=[topic],
    )
    hosting.cloudwatch.set_alarm_state(AlarmName="telling", StateValue="ALARM", StateReason="a drill")
    message = subscriber.expect("a drill")
    hosting.cloudwatch.delete_alarms(AlarmNames=["telling"])

    assert message["Subject"] == 'ALARM: "telling" in us-west-2'
    assert json.loads(message["Message"])["NewStateValue"] == "ALARM"


def test_an_asynchronous_endpoint_tells_where_the_output_is(
    hosting: Hosting, subscriber: Subscriber, topic: str
) -> None:
    output = {"S3OutputPath": f"s3://{BUCKET}/told", "NotificationConfig": {"SuccessTopic": topic, "ErrorTopic": topic}}
    name = hosting.deploy(AsyncInferenceConfig={"OutputConfig": output})
    hosting.s3.put_object(Bucket=BUCKET, Key="told.csv", Body=ROW)
    asked = {"EndpointName": name, "InputLocation": f"s3://{BUCKET}/told.csv"}
    reply = hosting.runtime.invoke_endpoint_async(**asked, ContentType="text/csv")
    good = json.loads(subscriber.expect(reply["OutputLocation"])["Message"])
    hosting.runtime.invoke_endpoint_async(**asked, ContentType="no/such-type", InferenceId="hopeless")
    bad = json.loads(subscriber.expect("hopeless")["Message"])
    hosting.delete(name)

    assert (good["invocationStatus"], good["eventName"]) == ("Completed", "InferenceResult")
    assert bad["invocationStatus"] == "Failed"
