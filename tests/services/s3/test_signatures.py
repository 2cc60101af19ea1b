"""Signatures as S3's clients make them: wrong, old, tampered with, presigned both ways, with a session, by a form."""

import hashlib
import http.client
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import botocore.auth
import botocore.crt.auth
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from types_boto3_s3.client import S3Client

from tests.services.s3.server import KEY, SECRET, TOKEN, TOKEN_KEY, TOKEN_SECRET, Answer, Server, refused

ClientMaker = Callable[..., S3Client]


@pytest.fixture
def client(server: Server) -> Iterator[ClientMaker]:
    made: list[S3Client] = []

    def make(*arguments: Any, **more: Any) -> S3Client:
        made.append(server.client(*arguments, **more))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def stored(s3: S3Client, bucket: str) -> str:
    for key in ("src", "private"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"abc")
    return bucket


def signed(server: Server, method: str, path: str, claimed: bytes, sent: bytes) -> Answer:
    """A request that is signed for one body and brings another."""
    digest = hashlib.sha256(claimed).hexdigest()
    request = AWSRequest(method, server.url + path, data=claimed, headers={"x-amz-content-sha256": digest})
    S3SigV4Auth(Credentials(KEY, SECRET), "s3", "us-east-1").add_auth(request)
    return server.ask(method, path, sent, dict(request.headers.items()))


def test_a_wrong_secret_and_an_unknown_key_are_refused(client: ClientMaker) -> None:
    with refused("SignatureDoesNotMatch", 403):
        client(KEY, "wrong").list_buckets()
    with refused("InvalidAccessKeyId", 403):
        client("AKIAUNKNOWN000000000", SECRET).list_buckets()


def test_nobody_reads_lists_or_writes_without_a_signature(server: Server, stored: str) -> None:
    answers = [
        server.ask("GET", f"/{stored}"),
        server.ask("GET", f"/{stored}/src"),
        server.ask("PUT", f"/{stored}/anonymous", b"x"),
        server.ask("DELETE", f"/{stored}/src"),
        server.ask("PUT", "/a-bucket-for-nobody"),
    ]

    assert [answer.status for answer in answers] == [403] * 5


def test_a_body_that_was_tampered_with_is_refused_and_not_stored(server: Server, s3: S3Client, bucket: str) -> None:
    answers = [signed(server, "PUT", f"/{bucket}/t", b"good" * size, b"evil" * size) for size in (1, 100_000)]

    assert [answer.status for answer in answers] == [400, 400]
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_an_old_signature_is_refused(monkeypatch: pytest.MonkeyPatch, server: Server, stored: str) -> None:
    old = datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=2)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: old)

    answer = signed(server, "GET", f"/{stored}/src", b"", b"")

    assert answer.status == 403
    assert b"RequestTimeTooSkewed" in answer.body


@pytest.mark.parametrize("config", [{"signature_version": "s3v4"}, {}], ids=["v4", "default"])
def test_a_presigned_url_reads(client: ClientMaker, server: Server, stored: str, config: dict[str, str]) -> None:
    url = client(**config).generate_presigned_url("get_object", Params={"Bucket": stored, "Key": "src"}, ExpiresIn=60)

    assert server.ask("GET", url).body == b"abc"


def test_a_presigned_url_writes(client: ClientMaker, server: Server, s3: S3Client, bucket: str) -> None:
    url = client(signature_version="s3v4").generate_presigned_url(
        "put_object", Params={"Bucket": bucket, "Key": "ps"}, ExpiresIn=60
    )

    assert server.ask("PUT", url, b"zz").status == 200
    assert s3.get_object(Bucket=bucket, Key="ps")["Body"].read() == b"zz"


def test_a_presigned_url_ends(
    monkeypatch: pytest.MonkeyPatch, client: ClientMaker, server: Server, stored: str
) -> None:
    before = datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=5)
    monkeypatch.setattr(botocore.crt.auth, "get_current_datetime", lambda *_, **__: before)
    url = client(signature_version="s3v4").generate_presigned_url(
        "get_object", Params={"Bucket": stored, "Key": "src"}, ExpiresIn=60
    )

    assert server.ask("GET", url).status == 403


@pytest.mark.parametrize("config", [{"signature_version": "s3v4"}, {}], ids=["v4", "default"])
def test_a_presigned_url_is_for_one_key(
    client: ClientMaker, server: Server, stored: str, config: dict[str, str]
) -> None:
    url = client(**config).generate_presigned_url("get_object", Params={"Bucket": stored, "Key": "src"}, ExpiresIn=60)

    assert server.ask("GET", url.replace("/src?", "/private?")).status == 403


def test_any_region_may_stand_in_the_scope(client: ClientMaker, stored: str) -> None:
    assert client(region="eu-central-1").get_object(Bucket=stored, Key="src")["Body"].read() == b"abc"


def test_a_session_needs_its_token(client: ClientMaker, stored: str) -> None:
    good = client(TOKEN_KEY, TOKEN_SECRET, token=TOKEN)

    assert good.get_object(Bucket=stored, Key="src")["Body"].read() == b"abc"
    with refused("InvalidToken", 400):
        client(TOKEN_KEY, TOKEN_SECRET, token="another").get_object(Bucket=stored, Key="src")


def test_a_bucket_may_stand_in_the_host(monkeypatch: pytest.MonkeyPatch, server: Server, stored: str) -> None:
    found = socket.getaddrinfo

    def resolve(host: str, *arguments: Any, **more: Any) -> Any:
        return found("127.0.0.1" if str(host).endswith("localhost") else host, *arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    client = Server(f"http://localhost:{server.port}").client(s3={"addressing_style": "virtual"})
    try:
        assert client.get_object(Bucket=stored, Key="src")["Body"].read() == b"abc"
        client.put_object(Bucket=stored, Key="virtual/x", Body=b"v")
        assert [one["Key"] for one in client.list_objects_v2(Bucket=stored, Prefix="virtual/")["Contents"]] == [
            "virtual/x"
        ]
    finally:
        client.close()


def post_form(server: Server, url: str, fields: dict[str, str], data: bytes, filename: str = "f.txt") -> Answer:
    boundary = "----form"
    body = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    )
    body += f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n'.encode()
    body += b"Content-Type: text/plain\r\n\r\n" + data + f"\r\n--{boundary}--\r\n".encode()
    return server.ask("POST", urlsplit(url).path, body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})


@pytest.mark.parametrize("size", [3, 300_000])
def test_a_form_uploads(client: ClientMaker, server: Server, s3: S3Client, bucket: str, size: int) -> None:
    form = client(signature_version="s3v4").generate_presigned_post(
        bucket, "up/${filename}", Fields={"x-amz-meta-by": "form"}, Conditions=[{"x-amz-meta-by": "form"}]
    )

    answer = post_form(server, form["url"], form["fields"], b"\r\n-" * size)

    assert answer.status == 204, answer
    found = s3.get_object(Bucket=bucket, Key="up/f.txt")
    assert answer.status == 204
    assert (found["Body"].read(), found["Metadata"]) == (b"\r\n-" * size, {"by": "form"})


def test_a_form_is_answered_as_it_asks(client: ClientMaker, server: Server, bucket: str) -> None:
    wish = {"success_action_status": "201"}
    form = client(signature_version="s3v4").generate_presigned_post(bucket, "a", Fields=wish, Conditions=[wish])

    answer = post_form(server, form["url"], form["fields"], b"x")

    assert answer.status == 201
    assert b"<Key>a</Key>" in answer.body


def test_a_form_may_only_say_what_its_policy_allows(
    client: ClientMaker, server: Server, s3: S3Client, bucket: str
) -> None:
    form = client(signature_version="s3v4").generate_presigned_post(
        bucket, "a", Conditions=[["content-length-range", 2, 4]]
    )
    fields = form["fields"]

    refusals = [
        post_form(server, form["url"], fields | {"key": "b"}, b"xxx"),
        post_form(server, form["url"], fields | {"acl": "private"}, b"xxx"),
        post_form(server, form["url"], fields | {"x-amz-signature": "0" * 64}, b"xxx"),
        post_form(server, form["url"], {"key": "a"}, b"xxx"),
        post_form(server, form["url"], fields, b"x"),
        post_form(server, form["url"], fields, b"xxxxx"),
    ]

    assert [answer.status for answer in refusals] == [403, 403, 403, 403, 400, 400]
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_a_form_cannot_name_metadata_as_no_header_is_named(client: ClientMaker, server: Server, bucket: str) -> None:
    wish = {"x-amz-meta-a b": "1"}
    form = client(signature_version="s3v4").generate_presigned_post(bucket, "a", Fields=wish, Conditions=[wish])

    answer = post_form(server, form["url"], form["fields"], b"x")
    assert answer.status == 400
    assert b"<Code>InvalidArgument</Code>" in answer.body


@pytest.mark.parametrize("condition", [["content-length-range", "9" * 5000, 1], {"a": [[[]]], "b": 1}, ["eq"], 5])
def test_a_condition_that_makes_no_sense_is_refused(
    client: ClientMaker, server: Server, bucket: str, condition: Any
) -> None:
    form = client(signature_version="s3v4").generate_presigned_post(bucket, "a", Conditions=[condition])

    answer = post_form(server, form["url"], form["fields"], b"x")
    assert answer.status == 400
    assert b"<Code>InvalidPolicyDocument</Code>" in answer.body


def test_a_boundary_that_is_no_text_is_a_form_that_cannot_be_read(server: Server, bucket: str) -> None:
    answer = server.ask("POST", f"/{bucket}", b"x", {"Content-Type": "multipart/form-data; boundary=\xff"})

    assert answer.status == 400
    assert b"<Code>MalformedPOSTRequest</Code>" in answer.body


def test_a_form_that_came_too_late_is_refused(client: ClientMaker, server: Server, bucket: str) -> None:
    form = client(signature_version="s3v4").generate_presigned_post(bucket, "a", ExpiresIn=-10)

    answer = post_form(server, form["url"], form["fields"], b"x")

    assert answer.status == 403
    assert b"Policy expired" in answer.body


def test_a_form_signed_the_old_way_uploads(client: ClientMaker, server: Server, s3: S3Client, bucket: str) -> None:
    form = client(signature_version="s3").generate_presigned_post(bucket, "old")

    assert "AWSAccessKeyId" in form["fields"]
    assert post_form(server, form["url"], form["fields"], b"x").status == 204


def test_a_body_that_breaks_off_is_not_stored(server: Server, s3: S3Client, bucket: str) -> None:
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "cut"}, ExpiresIn=60)
    parts = urlsplit(url)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.putrequest("PUT", f"{parts.path}?{parts.query}")
    connection.putheader("Content-Length", "1000000")
    connection.endheaders()
    connection.send(b"x" * 500_000)
    connection.close()

    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
