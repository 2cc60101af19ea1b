"""Signatures, lengths, framings and sizes that no client would send: each has an answer, and none costs the server much."""

import base64
import http.client
import json
import random
import socket
import struct
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.clients.bench import DEPTH, SEED, Bench
from tests.clients.judged import faults, read_error
from tests.clients.raw import Answer, Raw, send
from tests.servers import Server

pytestmark = pytest.mark.slow

ROUNDS = round(300 * DEPTH)
BIG = 5 << 30

LIST_TAGS = Raw(
    "POST",
    headers=[("X-Amz-Target", "SageMaker.ListTags"), ("Content-Type", "application/x-amz-json-1.1")],
    body=b'{"ResourceArn": "arn:aws:sagemaker:us-west-2:000000000000:training-job/drawn-job"}',
)
WHO = Raw(
    "POST",
    headers=[("Content-Type", "application/x-www-form-urlencoded")],
    body=b"Action=GetCallerIdentity&Version=2011-06-15",
)
METRICS = Raw(
    "POST",
    path="/service/GraniteServiceVersion20100801/operation/ListMetrics",
    headers=[("smithy-protocol", "rpc-v2-cbor"), ("Content-Type", "application/cbor"), ("Accept", "application/cbor")],
    body=b"\xa0",
)
GET = Raw("GET", path="/drawn/key")
PUT = Raw("PUT", path="/drawn/put", body=b"data")
RIGHT = {"sagemaker": LIST_TAGS, "sts": WHO, "cloudwatch": METRICS, "s3": GET}


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with tempfile.TemporaryDirectory() as data, Server(Path(data)) as server:
        yield Bench(server)


@pytest.fixture(autouse=True)
def _unharmed(bench: Bench) -> Iterator[None]:
    """After each: nothing in the log, and the next client is served at once."""
    yield
    assert not bench.trouble()
    begun = time.monotonic()
    assert bench.send(GET, "s3").body == b"data"
    assert time.monotonic() - begun < 2


def checked(answer: Answer, shown: object, *, head: bool = False) -> Answer:
    wrong = faults(answer, head=head)
    assert not wrong, f"{shown!r}: {wrong}"
    return answer


def refused(answer: Answer, shown: object) -> Answer:
    checked(answer, shown)
    assert answer.status >= 400, shown
    return answer


# ------------------------------------------------------------- signatures

CREDENTIALS = ["", "/", "A/B", "A/B/C/D/E/F", "A/20240101/us-west-2/s3/aws4_request", "\xff/\xfe/\xfd/s3/aws4_request", "/////", "x" * 3000, "%00", "\u0410/\u0411/\u0412/s3/aws4_request"]  # fmt: skip
DATES = ["", "x", "99999999T999999Z", "00000000T000000Z", "20240230T000000Z", "\u0662\u0660\u0662\u0664\u0660\u0661\u0660\u0661T\u0660\u0660\u0660\u0660\u0660\u0660Z", "Thu, 01 Jan 99999999 00:00:00 GMT", "Mon, 99 Foo 0 99:99:99 +9999", "\xff", "9" * 3000]  # fmt: skip
HEADERS = ["AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256 Credential=", "AWS4-HMAC-SHA256 ,,,=,=", "AWS4-ECDSA-P256-SHA256 Credential=x", "AWS x:y", "AWS ", "Basic eDp5", "Bearer x", "", " ", "\xff", "AWS4-HMAC-SHA256 Credential=A/20240101/us-west-2/s3/aws4_request, SignedHeaders=, Signature=", "AWS4-HMAC-SHA256 " + "Credential=x, " * 500]  # fmt: skip
QUERIES = [
    "X-Amz-Algorithm=AWS4-HMAC-SHA256", "X-Amz-Signature=x", "X-Amz-Algorithm=x&X-Amz-Signature=&X-Amz-Credential=", "AWSAccessKeyId=x&Signature=y&Expires=z",
    "AWSAccessKeyId=x&Signature=%ff&Expires=99999999999999999999", "AWSAccessKeyId=%ff&Signature=y&Expires=1", "AWSAccessKeyId=x&Signature=y&Expires=\u0663",
]  # fmt: skip


@pytest.mark.parametrize("service", RIGHT)
def test_no_signature_at_all_is_refused(bench: Bench, service: str) -> None:
    refused(bench.send(RIGHT[service], service, sign=False), service)


@pytest.mark.parametrize("service", RIGHT)
def test_headers_that_are_no_signature_are_refused(bench: Bench, service: str) -> None:
    for text in HEADERS:
        refused(bench.send(RIGHT[service].with_header("Authorization", text), service, sign=False), text)


@pytest.mark.parametrize("service", RIGHT)
def test_any_part_of_a_signature_may_be_wrong(bench: Bench, service: str) -> None:
    name = {"cloudwatch": "monitoring"}.get(service, service)
    right = bench.signer.sign(RIGHT[service], name, bench.host)
    value = dict(right.headers)["Authorization"]
    key = bench.signer.access_key
    scope = value.partition("Credential=")[2].partition(",")[0]
    for wrong in CREDENTIALS:
        wrongs = (
            wrong,
            f"{key}/{wrong}",
            f"{scope}/{wrong}",
            scope.replace("us-west-2", wrong),
            scope.replace(key, wrong),
        )
        for credential in wrongs:
            changed = right.with_header("Authorization", value.replace(scope, credential))
            if credential != scope:
                refused(bench.send(changed, service, sign=False), changed)
    for date in DATES:
        changed = right.with_header("X-Amz-Date", date)
        refused(bench.send(changed, service, sign=False), changed)
        changed = right.without("X-Amz-Date").with_header("Date", date)
        refused(bench.send(changed, service, sign=False), changed)
    for names in ["", ";", "host;nothing", "x" * 3000, "\xff", "host;" * 500]:
        changed = right.with_header("Authorization", value.replace("SignedHeaders=host", f"SignedHeaders={names}"))
        refused(bench.send(changed, service, sign=False), changed)


@pytest.mark.parametrize("service", RIGHT)
def test_presigned_addresses_may_be_wrong_in_every_argument(bench: Bench, service: str) -> None:
    day = time.strftime("%Y%m%d", time.gmtime())
    name = {"cloudwatch": "monitoring"}.get(service, service)
    right = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{bench.signer.access_key}/{day}/us-west-2/{name}/aws4_request",
        "X-Amz-Date": time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()),
        "X-Amz-Expires": "60",
        "X-Amz-SignedHeaders": "host",
        "X-Amz-Signature": "0" * 64,
    }
    raws = [replace(RIGHT[service], query=query) for query in QUERIES]
    for argument in right:
        for wrong in ["", "x", "-1", "--5", "9" * 30, "%ff", "%00", "\u0663", "x" * 2000, "1e5", "+5", *DATES[2:5]]:
            arguments = right | {argument: wrong}
            query = "&".join(f"{each}={text}" for each, text in arguments.items())
            raws.append(replace(RIGHT[service], query=query.encode().decode("latin-1").replace(" ", "%20")))
    for raw in raws:
        refused(bench.send(raw, service, sign=False), raw)


def test_signatures_broken_by_chance_are_refused(bench: Bench) -> None:
    chance = random.Random(SEED)
    for _ in range(ROUNDS):
        service = chance.choice(list(RIGHT))
        right = bench.signer.sign(RIGHT[service], {"cloudwatch": "monitoring"}.get(service, service), bench.host)
        value = list(dict(right.headers)["Authorization"])
        for _ in range(chance.choice([1, 3])):
            value[chance.randrange(len(value))] = chance.choice("aZ0=,/ ;\xff\t")
        text = "".join(value).strip()
        checked(bench.send(right.with_header("Authorization", text), service, sign=False), text)


# ------------------------------------------------------------- lengths and framings


@pytest.mark.parametrize("raw", [LIST_TAGS, WHO, METRICS, PUT, replace(PUT, query="tagging")], ids=lambda raw: raw.path)
def test_five_gigabytes_that_are_only_announced_take_no_memory(bench: Bench, raw: Raw) -> None:
    before = bench.resident_megabytes()
    service = next((name for name, one in RIGHT.items() if one is raw), "s3")
    signed = bench.signer.sign(raw, {"cloudwatch": "monitoring"}.get(service, service), bench.host)
    data = signed.with_header("Content-Length", str(BIG)).bytes(bench.host)
    with socket.create_connection(("127.0.0.1", bench.server.port), timeout=5) as connection, suppress(OSError):
        connection.sendall(data)
        connection.settimeout(0.5)
        head = connection.recv(65536)
        assert raw is PUT or head.startswith(b"HTTP/1.1 4"), head

    assert bench.resident_megabytes() - before < 50


@pytest.mark.parametrize(
    "length", ["-1", "x", "1e3", "0x10", "9" * 30, "18446744073709551616", "+4", "4, 4", "4\r\nContent-Length: 5"]
)
def test_lengths_that_are_no_number_are_refused(bench: Bench, length: str) -> None:
    answer = send(bench.server.port, PUT.with_header("Content-Length", length).bytes(bench.host), "PUT")

    refused(answer, length)


def test_a_body_that_ends_early_is_not_stored(bench: Bench) -> None:
    signed = bench.signer.sign(replace(PUT, path="/drawn/early"), "s3", bench.host).with_header("Content-Length", "9")
    with suppress(http.client.HTTPException, OSError):  # whoever hangs up cannot be answered
        refused(send(bench.server.port, signed.bytes(bench.host), "PUT", half_close=True), signed)

    assert bench.send(Raw("HEAD", path="/drawn/early"), "s3").status == 404


@pytest.mark.parametrize(
    "body",
    [b"4\r\ndata\r\n0\r\n\r\n", b"4;x=y\r\ndata\r\n0\r\nx: y\r\n\r\n", b"zz\r\n", b"-1\r\n", b"fffffffffffffffff\r\n", b"4\r\ndataX\r\n0\r\n\r\n", b"\r\n", b"0\r\n\r\n"],
)  # fmt: skip
@pytest.mark.parametrize("raw", [LIST_TAGS, WHO, METRICS, PUT], ids=lambda raw: raw.path)
def test_chunks_of_http_are_read_or_refused(bench: Bench, raw: Raw, body: bytes) -> None:
    service = next((name for name, one in RIGHT.items() if one is raw), "s3")
    chunked = bench.signer.sign(
        replace(raw, body=b"data"), {"cloudwatch": "monitoring"}.get(service, service), bench.host
    ).with_header("Transfer-Encoding", "chunked")

    checked(send(bench.server.port, replace(chunked, body=body).bytes(bench.host), raw.method), body)


FRAMES = [
    b"", b"\r\n", b"0\r\n\r\n", b"4\r\ndata\r\n0\r\n\r\n", b"4;chunk-signature=" + b"0" * 64 + b"\r\ndata\r\n0;chunk-signature=" + b"0" * 64 + b"\r\n\r\n",
    b"4\r\ndata", b"ffffffffffffffff\r\nx", b"fffffffffffffff\r\nx", b"-4\r\ndata\r\n", b"x" * 100_000, b"4\r\ndata\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n",
    b"4\r\ndata\r\n0\r\nx-amz-checksum-crc32:\xff\r\n\r\n", b"4\r\ndata\r\n0\r\n" + b"a:b\r\n" * 5000, b"4\r\ndata\r\n0\r\nx-amz-trailer-signature:x\r\n\r\n",
    b"1\r\nd\r\n" * 20_000, b"4\r\ndata\r\n4\r\ndata\r\n0\r\n\r\n", b"0\r\n" * 1000,
]  # fmt: skip


@pytest.mark.parametrize("payload", ["STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"])  # fmt: skip
def test_frames_of_s3_are_read_or_refused(bench: Bench, payload: str) -> None:
    for path, query in (("/drawn/framed", ""), ("/drawn", "tagging"), ("/drawn/big", "partNumber=1&uploadId=none")):
        for length in ("4", "0", "x", "-1", "9" * 30, str(BIG)):
            for trailer in ("x-amz-checksum-crc32", "", "x-amz-checksum-nothing", "a,b,\xff"):
                for frames in FRAMES:
                    raw = Raw(
                        "PUT", path, query, [("X-Amz-Content-SHA256", payload), ("X-Amz-Trailer", trailer)], frames
                    )
                    raw = raw.with_header("X-Amz-Decoded-Content-Length", length)
                    checked(bench.send(raw, "s3"), raw)


def test_forms_are_read_or_refused(bench: Bench) -> None:
    policy = base64.b64encode(b'{"expiration": "2999-01-01T00:00:00Z", "conditions": []}').decode()
    fields = {
        "key": "form",
        "policy": policy,
        "x-amz-credential": "x/y/z/s3/aws4_request",
        "x-amz-signature": "x",
        "file": "data",
    }
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()
    ]
    whole = "".join(parts) + "--b--\r\n"
    bodies = [whole[:cut] for cut in range(0, len(whole), 7)] + ["", "--b", "--b--", "--b\r\n" * 5000, "x" * 100_000]
    bodies += [
        whole.replace(old, new)
        for old, new in (("name=", "name"), ("form", "\xff"), ("policy", "Policy"), ("key", "key" * 9000))
    ]
    for boundary in ("b", '"b"', "", "\xff", "x" * 5000, "b; charset=x"):
        kind = f"multipart/form-data; boundary={boundary}"
        for body in bodies if boundary == "b" else bodies[-9:]:
            raw = Raw("POST", "/drawn", "", [("Content-Type", kind)], body.encode("latin-1"))
            refused(bench.send(raw, "s3", sign=False), raw)


# ------------------------------------------------------------- heads

HOSTS = [b"\xff", b"a b", b"[::1", b"x" * 3000, b"a.s3.amazonaws.com", b".s3.amazonaws.com", b"..localhost", b"s3.us-west-2.amazonaws.com:9999999", b"%00.localhost", b":", b"sts.amazonaws.com", b""]  # fmt: skip
BEGINNINGS = [
    b"\r\n\r\nGET /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /x HTTP/9.9\r\n\r\n", b"GET /x HTTP/1.0\r\n\r\n",
    b"GET /x HTTP/1.1\nhost: a\n\n", b"GET /x HTTP/1.1\r\na: b\r\n c\r\n\r\n", b"GET /x HTTP/1.1\r\nhost : a\r\n\r\n", b"CONNECT x HTTP/1.1\r\n\r\n",
    b"CONNECT 127.0.0.1:1 HTTP/1.1\r\n\r\n", bytes(range(256)), b"GET /x?" + b"a" * 200_000 + b" HTTP/1.1\r\nhost: a\r\n\r\n", b"\xf0\x9f\x98\x80\r\n\r\n",
    b"GET /x HTTP/1.1\r\nhost: a\r\n" + b"a: b\r\n" * 10_000 + b"connection: close\r\n\r\n", b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\ntransfer-encoding: identity\r\n\r\n", b"GET http://sts.amazonaws.com/?Action=x HTTP/1.1\r\nhost: sts.amazonaws.com\r\nconnection: close\r\n\r\n",
]  # fmt: skip
PIECES = [bytes([byte]) for byte in b"GET /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"]


@pytest.mark.parametrize(
    "pieces", [*([beginning] for beginning in BEGINNINGS), PIECES], ids=lambda pieces: repr(pieces[0][:25])
)
def test_whatever_a_connection_begins_with_is_answered(bench: Bench, pieces: list[bytes]) -> None:
    with socket.create_connection(("127.0.0.1", bench.server.port), timeout=10) as connection:
        for piece in pieces:
            connection.sendall(piece)
        assert connection.recv(65536).startswith(b"HTTP/1.1 ")


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: repr(host[:20]))
def test_any_host_may_be_asked_for(bench: Bench, host: bytes) -> None:
    for path in (b"/x", b"/", b"/?Action=x", b"/_x"):
        data = b"GET " + path + b" HTTP/1.1\r\nconnection: close\r\nhost: " + host + b"\r\n\r\n"
        answer = send(bench.server.port, data, "GET")

        assert 200 <= answer.status < 500, (answer.status, answer.body)


def test_clients_that_hang_up_at_any_moment_leave_no_trace(bench: Bench) -> None:
    whole = bench.signer.sign(PUT, "s3", bench.host).bytes(bench.host)
    for cut in range(0, len(whole), 5):
        with socket.create_connection(("127.0.0.1", bench.server.port)) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, not an end
            connection.sendall(whole[:cut])


# ------------------------------------------------------------- what could cost much


def _large() -> dict[str, tuple[str, Raw]]:
    """Bodies of some megabytes, each the worst of its kind."""
    form = [("Content-Type", "application/x-www-form-urlencoded")]
    target = LIST_TAGS.headers
    tags = '{"ResourceArn": "x", "Tags": ['
    delete = "<Delete>" + "<Object><Key>x</Key></Object>" * 200_000 + "</Delete>"
    return {
        "dots of a form": ("sts", Raw("POST", headers=form, body=b"Action=GetCallerIdentity&Version=2011-06-15&" + b"a." * 4_000_000)),
        "fields of a form": ("sts", Raw("POST", headers=form, body=b"Action=GetCallerIdentity&Version=2011-06-15" + b"&a" * 4_000_000)),
        "members of a form": ("iam", Raw("POST", headers=form, body=b"Action=ListUsers&Version=2010-05-08" + b"".join(b"&Tags.member.%d.Key=a" % n for n in range(90_000)))),
        "brackets of JSON": ("sagemaker", Raw("POST", headers=target, body=b"[" * 8_000_000)),
        "objects of JSON": ("sagemaker", Raw("POST", headers=target, body=(tags + "{}," * 2_000_000 + "{}]}").encode())),
        "wrong tags of JSON": ("sagemaker", Raw("POST", headers=target, body=(tags + '{"Key":"","Value":""},' * 300_000 + "{}]}").replace("ListTags", "AddTags").encode())),
        "arrays of CBOR": ("cloudwatch", replace(METRICS, body=b"\x81" * 8_000_000)),
        "lengths of CBOR": ("cloudwatch", replace(METRICS, body=b"\x9b\x00\x00\x00\x7f\xff\xff\xff\xff")),
        "bytes of CBOR": ("cloudwatch", replace(METRICS, body=b"\x5b\x00\x00\x00\x7f\xff\xff\xff\xff")),
        "tags of XML": ("s3", Raw("PUT", "/drawn", "tagging", body=b"<a>" * 4_000_000)),
        "objects of XML": ("s3", Raw("POST", "/drawn", "delete", body=delete.encode())),
        "attributes of XML": ("s3", Raw("PUT", "/drawn", "tagging", body=b"<a " + b"".join(b'b%d="" ' % n for n in range(300_000)) + b"/>")),
        "one letter": ("sagemaker", Raw("POST", headers=target, body=b'{"ResourceArn": "' + b"a" * 15_000_000 + b'"}')),
        "gzip of nothing": ("cloudwatch", replace(METRICS, headers=[*METRICS.headers, ("Content-Encoding", "gzip")], body=b"\x1f\x8b\x08" + b"\0" * 1000)),
    }  # fmt: skip


@pytest.mark.parametrize("name", _large())
def test_large_bodies_cost_little(bench: Bench, name: str) -> None:
    service, raw = _large()[name]
    bench.forget_peak()
    before = bench.resident_megabytes()
    begun = time.monotonic()
    checked(bench.send(raw, service), name)
    spent, grown = time.monotonic() - begun, bench.peak_megabytes() - before

    assert spent < 10, f"{spent:.1f} s"
    assert grown < 400, f"{grown} MB"


@pytest.mark.parametrize(
    "pattern",
    ["%(a*)*b%", "%(a|a)*b%", "%(a|aa)+$%", "%(){999999999}%", "%((a{50}){50}){50}%", "%.*.*.*.*.*x%", "{" + "(" * 300 + "$.a=1" + ")" * 300 + "}", "[" + "a," * 500 + "a]", "%" + "a?" * 400 + "a" * 100 + "%"],
)  # fmt: skip
def test_no_filter_pattern_takes_long(bench: Bench, pattern: str) -> None:
    events = [{"timestamp": round(time.time() * 1000), "message": "a" * 5000 + "!"} for _ in range(50)]
    bench.call("logs", "PutLogEvents", {"logGroupName": "drawn", "logStreamName": "stream", "logEvents": events})
    body = json.dumps({"logGroupName": "drawn", "filterPattern": pattern}).encode()
    headers = [("X-Amz-Target", "Logs_20140328.FilterLogEvents"), ("Content-Type", "application/x-amz-json-1.1")]
    begun = time.monotonic()
    checked(bench.send(Raw("POST", headers=headers, body=body), "logs"), pattern)

    assert time.monotonic() - begun < 5


def test_a_broken_constraint_is_named_with_its_field(bench: Bench) -> None:
    body = b'{"TrainingJobName": "_", "RoleArn": "x", "OutputDataConfig": {}, "HyperParameters": {"": 5}}'
    wrong = b'{"TrainingJobName": "_", "RoleArn": "x", "OutputDataConfig": {}}'
    headers = [("X-Amz-Target", "SageMaker.CreateTrainingJob"), ("Content-Type", "application/x-amz-json-1.1")]
    typed = read_error(bench.send(Raw("POST", headers=headers, body=body), "sagemaker"))
    code, message = read_error(bench.send(Raw("POST", headers=headers, body=wrong), "sagemaker"))

    assert typed[0] == "SerializationException"
    assert code == "ValidationException"
    assert message.startswith("4 validation errors detected: ")
    for named in (
        "Value '_' at 'trainingJobName' failed to satisfy constraint: Member must satisfy regular expression pattern",
        "Value 'x' at 'roleArn' failed to satisfy constraint: Member must have length greater than or equal to 20",
        "Value null at 'outputDataConfig.s3OutputPath' failed to satisfy constraint: Member must not be null",
    ):
        assert named in message
