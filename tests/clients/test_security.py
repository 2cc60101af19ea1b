"""Nobody is served whom a signature does not prove, nothing that was changed on the way, and no answer says too much."""

import asyncio
import base64
import json
import os
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from salvia.adapters.credentials.stored import StoredCredentials
from salvia.adapters.table.sqlite import SqliteTable
from salvia.base.clock import SystemClock
from salvia.ports.credentials import Credential
from salvia.settings import Settings
from tests.clients.jobs import Jobs
from tests.clients.signed import FAMILIES, FORM, JSON, QUERY, S3, Answer, Sent, Signer, send
from tests.servers import SALVIA, Server

pytestmark = pytest.mark.slow

MISMATCH = {
    "sagemaker": (400, "InvalidSignatureException"),
    "sts": (403, "SignatureDoesNotMatch"),
    "s3": (403, "SignatureDoesNotMatch"),
}
UNKNOWN_KEY = {
    "sagemaker": (400, "UnrecognizedClientException"),
    "sts": (403, "InvalidClientTokenId"),
    "s3": (403, "InvalidAccessKeyId"),
}


class Target:
    """A server under attack. Whatever is asked, its answer is searched for what it must not hold."""

    def __init__(self, server: Server) -> None:
        self.server, self.jobs = server, Jobs(server, "security")
        self.jobs.put("secret.txt", "the secret")
        told = self.jobs.told
        self.secret = told["AWS_SECRET_ACCESS_KEY"]
        self.root = Signer(f"127.0.0.1:{server.port}", told["AWS_ACCESS_KEY_ID"], self.secret)

    def ask(self, sent: Sent, host: str = "127.0.0.1") -> Answer:
        answer = send(self.server.port, sent, host)
        self.search(str(answer))
        return answer

    def search(self, text: str) -> None:
        for unsaid in (self.secret, str(self.server.data), os.path.expanduser("~/"), "Traceback", "salvia/", 'File "'):
            assert unsaid not in text

    def refuses(self, sent: Sent, expected: tuple[int, str]) -> None:
        answer = self.ask(sent)
        assert (answer.status, answer.code) == expected, answer

    def session(self, seconds: float) -> Signer:
        """Root's temporary credentials, made as the server itself makes them; negative `seconds`: expired."""

        async def issue() -> Credential:
            settings = Settings(data=self.server.data)
            table = SqliteTable(self.server.data / "records.sqlite")
            stored = StoredCredentials(table, settings, SystemClock())
            made = await stored.issue(stored.root_caller(), seconds)
            await table.close()
            return made

        made = asyncio.run(issue())
        return replace(self.root, access_key=made.access_key, secret=made.secret, token=made.token)


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    with tempfile.TemporaryDirectory() as data, Server(Path(data)) as server:
        yield Target(server)


services = pytest.mark.parametrize("service", FAMILIES)


# ------------------------------------------------------------- who asks


@services
def test_root_is_served(target: Target, service: str) -> None:
    assert target.ask(target.root.sign(FAMILIES[service], service)).status == 200


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ("sagemaker", (400, "MissingAuthenticationTokenException")),
        ("sts", (403, "MissingAuthenticationToken")),
        ("s3", (403, "AccessDenied")),
    ],
)
def test_nobody_is_served_unsigned(target: Target, service: str, expected: tuple[int, str]) -> None:
    target.refuses(FAMILIES[service], expected)


@services
def test_an_unknown_key_is_refused(target: Target, service: str) -> None:
    stranger = replace(target.root, access_key="AKIAIOSFODNN7EXAMPLE")
    target.refuses(stranger.sign(FAMILIES[service], service), UNKNOWN_KEY[service])


@services
def test_a_wrong_secret_is_refused(target: Target, service: str) -> None:
    guesser = replace(target.root, secret=target.secret[:-1] + "x")
    target.refuses(guesser.sign(FAMILIES[service], service), MISMATCH[service])


@services
def test_a_temporary_key_needs_its_token(target: Target, service: str) -> None:
    session = target.session(900)
    assert session.token is not None
    assert target.ask(session.sign(FAMILIES[service], service)).status == 200
    target.refuses(replace(session, token=None).sign(FAMILIES[service], service), UNKNOWN_KEY[service])
    wrong = replace(session, token=session.token[:-4] + "AAAA").sign(FAMILIES[service], service)
    target.refuses(wrong, (400, "InvalidToken") if service == "s3" else UNKNOWN_KEY[service])


@services
def test_a_token_of_one_session_does_not_fit_another_nor_root(target: Target, service: str) -> None:
    one, other = target.session(900), target.session(900)
    expected = (400, "InvalidToken") if service == "s3" else UNKNOWN_KEY[service]
    for whose in (one, target.root):
        target.refuses(replace(whose, token=other.token).sign(FAMILIES[service], service), expected)


@pytest.mark.parametrize(
    ("service", "expected"),
    [("sagemaker", (400, "ExpiredTokenException")), ("sts", (403, "ExpiredToken")), ("s3", (400, "ExpiredToken"))],
)
def test_an_expired_session_is_refused(target: Target, service: str, expected: tuple[int, str]) -> None:
    target.refuses(target.session(-1).sign(FAMILIES[service], service), expected)


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ("sagemaker", (400, "InvalidSignatureException")),
        ("sts", (403, "SignatureDoesNotMatch")),
        ("s3", (403, "RequestTimeTooSkewed")),
    ],
)
@pytest.mark.parametrize("shift", [-1000, 1000])
def test_a_clock_that_is_off_by_more_than_a_quarter_is_refused(
    target: Target, service: str, shift: float, expected: tuple[int, str]
) -> None:
    target.refuses(replace(target.root, shift=shift).sign(FAMILIES[service], service), expected)


# ------------------------------------------------------------- what was changed on the way


@services
@pytest.mark.parametrize(
    "what", ["query", "path", "method", "host", "date", "region", "service", "signature", "header"]
)
def test_what_was_signed_cannot_be_changed(target: Target, service: str, what: str) -> None:
    sent = target.root.sign(FAMILIES[service].header("X-Amz-Meta-Note", lambda _: "signed"), service)
    assert target.ask(sent).status == 200
    changed = {
        "query": replace(sent, target=sent.target + ("&" if "?" in sent.target else "?") + "versionId=null"),
        "path": replace(sent, target=sent.target.replace("secret.txt", "other.txt") if service == "s3" else "/other"),
        "method": replace(sent, method="DELETE" if service == "s3" else "PUT"),
        "host": sent.header("Host", lambda _: "salvia.example:8321"),
        "date": sent.header("X-Amz-Date", lambda date: date[:-2] + ("1Z" if date[-2] != "1" else "2Z")),
        "region": sent.header("Authorization", lambda text: text.replace("us-west-2", "eu-west-1")),
        "service": sent.header("Authorization", lambda text: text.replace(f"/{service}/aws4", "/iam/aws4")),
        "signature": sent.header("Authorization", lambda text: text[:-1] + ("0" if text[-1] != "0" else "1")),
        "header": sent.header("X-Amz-Meta-Note", lambda _: "changed"),
    }[what]
    answer = target.ask(changed)

    assert 400 <= answer.status < 500
    assert answer.code in {MISMATCH[service][1], *ROUTED_ELSEWHERE.get(what, ())}, answer


# What is refused before its signature is looked at: there is no such operation.
ROUTED_ELSEWHERE = {
    "method": ("UnknownOperationException", "MethodNotAllowed"),
    "service": ("InvalidSignatureException", "InvalidAction", "UnknownOperationException", "SignatureDoesNotMatch"),
}


@pytest.mark.parametrize(("service", "expected"), [("sagemaker", MISMATCH["sagemaker"]), ("sts", MISMATCH["sts"])])
def test_a_changed_body_is_refused(target: Target, service: str, expected: tuple[int, str]) -> None:
    sent = target.root.sign(FAMILIES[service], service)
    target.refuses(
        replace(sent, body=sent.body.replace(b"7", b"8").replace(b"2011-06-15", b"2011-06-15&x=1")), expected
    )


def test_a_changed_upload_is_refused_and_not_kept(target: Target) -> None:
    sent = target.root.sign(Sent("PUT", "/security/upload", body=b"what was signed"), "s3")
    target.refuses(replace(sent, body=b"what was sent.."), (400, "XAmzContentSHA256Mismatch"))
    target.refuses(target.root.sign(Sent("GET", "/security/upload"), "s3"), (404, "NoSuchKey"))


@services
def test_unsigned_amazon_headers_are_not_believed(target: Target, service: str) -> None:
    sent = target.root.sign(FAMILIES[service], service)
    added = sent.header("x-amz-security-token", lambda _: "IQoJinvented")
    assert target.ask(added).status in {400, 403}
    if service == "s3":
        target.refuses(sent.header("x-amz-acl", lambda _: "public-read"), (403, "AccessDenied"))


@pytest.mark.parametrize("payload", ["UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "0" * 64])
@pytest.mark.parametrize("service", ["sagemaker", "sts"])
def test_only_s3_takes_a_body_that_is_not_signed(target: Target, service: str, payload: str) -> None:
    sent = FAMILIES[service].header("X-Amz-Content-SHA256", lambda _: payload)
    target.refuses(target.root.sign(sent, service), MISMATCH[service])


def test_s3_takes_an_unsigned_body_only_when_that_is_what_was_signed(target: Target) -> None:
    put = Sent("PUT", "/security/unsigned", body=b"any")
    unsigned = target.root.presign(put)
    assert target.ask(unsigned).status == 200
    signed = target.root.sign(put, "s3")
    assert target.ask(signed.header("X-Amz-Content-SHA256", lambda _: "UNSIGNED-PAYLOAD")).status == 403


def test_a_credential_stated_twice_is_refused(target: Target) -> None:
    sent = target.root.sign(QUERY, "sts")
    scheme, _, rest = sent.headers["Authorization"].partition(" ")
    credential = rest.partition(",")[0].replace("/sts/", "/iam/")
    answer = target.ask(sent.header("Authorization", lambda _: f"{scheme} {credential}, {rest}"))
    assert answer.status in {400, 403}


# ------------------------------------------------------------- presigned URLs


def test_a_presigned_url_works_until_it_expires(target: Target) -> None:
    assert target.ask(target.root.presign(S3)).body == b"the secret"
    target.refuses(replace(target.root, shift=-61).presign(S3, 60), (403, "AccessDenied"))
    target.refuses(target.root.presign(S3, 604801), (400, "AuthorizationQueryParametersError"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("secret.txt", "other.txt"),
        ("X-Amz-Expires=60", "X-Amz-Expires=6000"),
        ("us-west-2", "eu-west-1"),
        ("text%2Fplain", "text%2Fhtml"),
        ("X-Amz-Signature=", "X-Amz-Signature=0"),
        ("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=host&versionId=1"),
    ],
)
def test_a_presigned_url_cannot_be_changed(target: Target, old: str, new: str) -> None:
    sent = target.root.presign(S3)
    assert old in sent.target
    target.refuses(replace(sent, target=sent.target.replace(old, new)), MISMATCH["s3"])


def test_a_presigned_url_is_for_one_method_and_needs_its_token(target: Target) -> None:
    target.refuses(replace(target.root.presign(S3), method="DELETE"), MISMATCH["s3"])
    session = target.session(900)
    without = replace(session, token=None).presign(S3)
    target.refuses(without, UNKNOWN_KEY["s3"])
    assert target.ask(session.presign(S3)).status == 200


def test_an_older_presigned_url_cannot_be_changed_either(target: Target) -> None:
    """boto3's default on an endpoint of one's own is version 2 of the signature."""
    url = target.jobs.s3.generate_presigned_url("get_object", {"Bucket": "security", "Key": "secret.txt"}, ExpiresIn=60)
    sent = Sent("GET", url.partition(f":{target.server.port}")[2])
    assert target.ask(sent).body == b"the secret"
    target.refuses(replace(sent, target=sent.target.replace("secret.txt", "other.txt")), MISMATCH["s3"])
    late = int(time.time()) + 999999
    moved = "&".join(f"Expires={late}" if part.startswith("Expires=") else part for part in sent.target.split("&"))
    target.refuses(replace(sent, target=moved), MISMATCH["s3"])


# ------------------------------------------------------------- what is said and to whom


@pytest.mark.parametrize(
    "sent",
    [
        Sent("GET", "/"),
        Sent("GET", "/security"),
        Sent("PUT", "/security/planted", body=b"x"),
        Sent("POST", "/", FORM, b"Action=ListUsers&Version=2010-05-08"),
        replace(JSON, headers={**JSON.headers, "X-Amz-Target": "SageMaker.CreateTrainingJob"}),
        Sent(
            "POST", "/service/GraniteServiceVersion20100801/operation/ListMetrics", {"smithy-protocol": "rpc-v2-cbor"}
        ),
        Sent("POST", "/security", {"Content-Type": "multipart/form-data; boundary=x"}, b"--x--\r\n"),
    ],
)
def test_a_page_that_a_foreign_name_leads_here_gets_nothing(target: Target, sent: Sent) -> None:
    """DNS rebinding: the browser believes that this is evil.example, and signs nothing."""
    origin = {"Host": "evil.example", "Origin": "http://evil.example"}
    answer = target.ask(replace(sent, headers={**sent.headers, **origin}))

    assert 400 <= answer.status < 500
    assert not any(name.startswith("access-control-") for name in answer.headers)
    preflight = target.ask(Sent("OPTIONS", sent.target, {**origin, "Access-Control-Request-Method": sent.method}))
    assert preflight.status == 403
    assert not any(name.startswith("access-control-") for name in preflight.headers)


def test_bodies_that_would_grow_or_never_end_are_refused_at_once(target: Target) -> None:
    entity = (
        b"<!DOCTYPE a [<!ENTITY x '" + b"y" * 1000 + b"'>]><Tagging><TagSet>" + b"&x;" * 10000 + b"</TagSet></Tagging>"
    )
    file = b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><Tagging><TagSet>&x;</TagSet></Tagging>"
    deep = b"[" * 200_000
    began = time.monotonic()
    for body in (entity, file):
        target.refuses(target.root.sign(Sent("PUT", "/security?tagging", body=body), "s3"), (400, "MalformedXML"))
    assert target.ask(target.root.sign(replace(JSON, body=deep), "sagemaker")).status == 400
    assert time.monotonic() - began < 5


def test_what_a_job_and_its_description_say_holds_no_secret(target: Target) -> None:
    jobs = target.jobs
    good = jobs.train("echo trained")
    bad = jobs.train(
        "true",
        AlgorithmSpecification={
            "TrainingImage": "000000000000.dkr.ecr.us-west-2.amazonaws.com/none:1",
            "TrainingInputMode": "File",
        },
    )
    for name in (good, bad):
        target.search(json.dumps([jobs.ended(name), jobs.lines(name)], default=str))
    tags = jobs.sagemaker.list_tags(ResourceArn=jobs.describe(good)["TrainingJobArn"])
    target.search(json.dumps([tags, jobs.sagemaker.list_training_jobs()], default=str))


def test_status_says_no_secret(target: Target) -> None:
    said = [
        subprocess.run(
            [str(SALVIA), "status", *more, *target.server.where()], capture_output=True, text=True, check=True
        )
        for more in ((), ("--json",))
    ]
    assert all(done.stdout and target.secret not in done.stdout + done.stderr for done in said)


def test_the_servers_own_log_says_no_secret(target: Target) -> None:
    assert target.secret not in target.server.output.read_text()


# ------------------------------------------------------------- where it listens


def outward_address() -> str:
    """An address of this machine that is not loopback's; "" when it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))
        except OSError:
            return ""
        return str(probe.getsockname()[0])


def test_it_listens_on_loopback_only(target: Target) -> None:
    address = outward_address()
    if not address:
        pytest.skip("this machine has no other address")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address, target.server.port), timeout=5)


@pytest.fixture
def elsewhere() -> Iterator[int]:
    """The port of some other service, which says hello."""

    def greet() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.sendall(b"hello")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=greet, daemon=True).start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)


def test_a_server_that_others_can_reach_is_no_open_relay(elsewhere: int) -> None:
    with tempfile.TemporaryDirectory() as data, Server(Path(data), variables={"SALVIA_HOST": "0.0.0.0"}) as server:
        told = server.variables()
        key, secret = told["AWS_ACCESS_KEY_ID"], told["AWS_SECRET_ACCESS_KEY"]
        for address in filter(None, ("127.0.0.1", outward_address())):
            assert relayed(server, address, elsewhere, "") == 407
            assert relayed(server, address, elsewhere, f"{key}:{secret[:-1]}") == 407
            assert relayed(server, address, elsewhere, f"{key}x:{secret}") == 407
            assert relayed(server, address, elsewhere, f"{key}:{secret}") == 200


def test_it_fetches_no_pages_for_others(target: Target, elsewhere: int) -> None:
    answer = target.ask(Sent("GET", f"http://127.0.0.1:{elsewhere}/"))
    assert (answer.status, b"hello" in answer.body) == (403, False)


def relayed(server: Server, address: str, port: int, user: str) -> int:
    proof = f"Proxy-Authorization: Basic {base64.b64encode(user.encode()).decode()}\r\n" if user else ""
    with socket.create_connection((address, server.port), timeout=10) as connection:
        connection.sendall(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: x\r\n{proof}\r\n".encode())
        answer: Any = connection.makefile("rb").readline()
    return int(answer.split()[1])
