"""Requests that were right, changed on the wire: bodies, heads and signatures broken in the ways that bytes can be broken."""

import gzip
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import cbor2

from tests.clients.raw import Raw

_HOLE = "\x01hole\x01"
_DEEP = 3000
_JSON = [
    "null", "true", "1", "-1", "0.5", "1e400", "9" * 400, '"x"', '""', '"\\ud800"', '"\\u0000"', '"\\n\\r"', "[]", "{}", "[[]]",
    "[null]", '{"":1}', "NaN", "Infinity", "-Infinity", '"' + "x" * 5000 + '"', "[" * _DEEP + "]" * _DEEP,
    '{"a":' * _DEEP + "1" + "}" * _DEEP, "[" * 50 + "]" * 50, '{"Filters":[{}]}', '"2024-01-01T00:00:00Z"', "1e15", "-1e300",
    '"NaN"', '"é"', '"\U0001f600"', "18446744073709551616", "[" + "1," * 3000 + "1]", '"AA=="', '"/w"',
]  # fmt: skip
_TEXTS = [
    "", " ", "0", "-1", "1e400", "9" * 400, "x" * 5000, "true", "NaN", "Infinity", "null", "ключ", "\U0001f600", "a\x00b", "%", "%zz",
    "&&", "=", "<a>", "'", '"', "../..", "2024-13-45T99:99:99Z", "9999999999999", "-9999999999999", "Thu, 01 Jan 99999 00:00:00 GMT",
    "00000000-0000-0000-0000-000000000000", "1_0", "\u0663", "AA==", "bytes=0-", "bytes=-0", "bytes=99999999999999999999-", "*", 'W/"x"',
]  # fmt: skip
_CBOR: list[bytes] = [
    b"", b"\xf6", b"\xf7", b"\xff", b"\x80", b"\xa0", b"\x9f", b"\xbf", b"\x9b" + b"\xff" * 8, b"\x5b" + b"\xff" * 8,
    b"\xbb" + b"\xff" * 8, b"\x5f\x41a", b"\x81" * 5000 + b"\x01", b"\xc1" * 5000 + b"\x01", b"\xd8\x1c\x81\xd8\x1d\x00", b"\xfb\x7f\xf8" + b"\0" * 6,
    b"\xc2\x5a\x00\x10\x00\x00", b"\xa1\x01\x02", b"\xa1\x80\x02", b"\xa1\xa0\x02", b"\xd9\xd9\xf7\xa0", b"\xc0\x61x", b"\xc4\x82\x1b" + b"\x7f" * 8 + b"\x01",
    b"\x61\xff", b"\xf8\x18", b"\xf9\x7e\x00", b"\x1b" + b"\xff" * 8, b"\x3b" + b"\xff" * 8,
]  # fmt: skip
_XML = [
    "", "<", "<a", "<a/>", "<a></b>", "x", "\ufeff<a/>", "<?xml version='1.0' encoding='nothing'?><a/>",
    "<?xml version='1.0' encoding='utf-16'?><a/>", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
    "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>", "<a>&#0;</a>", "<a>\x01</a>", "<a b='c' b='d'/>",
    "<a>" * _DEEP + "</a>" * _DEEP, "<a>" * 200_000, "<a xmlns='x:y'><b/></a>", "<p:a/>", "<a><![CDATA[<b/>]]></a>", "<a/><b/>",
]  # fmt: skip
_TARGETS = [
    "",
    ".",
    "SageMaker",
    "SageMaker.",
    "SageMaker.Nothing",
    "Nothing.ListTags",
    "SageMaker.ListTags.x",
    "x" * 5000,
    "é",
    "Logs_20140328.ListTags",
]
_TYPES = [
    "", "x", "text/plain", "application/json", "application/x-amz-json-1.0", "application/x-amz-json-9.9", "application/cbor",
    "application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=utf-16", "multipart/form-data; boundary=x",
    "multipart/form-data", "application/xml", "\xff", "x" * 3000, "application/x-amz-json-1.1; charset=utf-16",
]  # fmt: skip
_QUERIES = [
    "", "&", "=", "&&==", "%", "%zz=%", "%ff=%fe", "%00", "a=b&a=c", "Action", "Action=", "Action=ListUsers", "Action=ListUsers&Version=1999-01-01",
    "Action=Nothing&Version=2010-05-08", "acl", "uploads", "uploadId=", "uploadId=x&partNumber=y", "partNumber=99999999999", "versionId=", "versionId=x",
    "list-type=2", "list-type=3", "delete", "tagging&acl", "max-keys=x", "max-keys=-1", "max-keys=99999999999999999999", "continuation-token=%ff",
    "prefix=" + "x" * 3000, "X-Amz-Algorithm=AWS4-HMAC-SHA256", "AWSAccessKeyId=x", "AWSAccessKeyId=x&Signature=y&Expires=z", "&".join(f"a{n}=1" for n in range(3000)),
    "response-content-type=a%0d%0ab", "response-expires=never", "x-id=GetObject", "encoding-type=x", "attributes", "select&select-type=2", "+=+", "a[]=1",
]  # fmt: skip
_VALUES = ["", "%ff", "x" * 2000, "-1", "9" * 30, "%00", "1e5", "%D9%A3"]
_PATHS = [
    "//", "///", "/%00", "/%2e%2e", "/../..", "/%2e%2e/%2e%2e/etc/passwd", "/drawn/%2e%2e/x", "/drawn/../x", "/drawn//key", "/drawn/%ff", "/drawn/%",
    "/drawn/%zz", "/drawn/" + "x" * 3000, "/" + "x" * 5000, "/drawn/" + "a/" * 2000, "/drawn/" + "%00" * 5, "/drawn/ключ".encode().decode("latin-1"),
    "/drawn/a b".replace(" ", "%20"), "/drawn/a+b", "/drawn/;x=y", "/drawn/\\", "/drawn/'", "/%20", "/.", "/..", "/drawn/.", "/drawn/..", "/_salvia/x",
    "/service/GraniteServiceVersion20100801/operation/ListMetrics", "/service//operation/", "/service/x/operation/y", "/2015-03-31/functions", "*",
    "http://example.org/drawn/key", "/drawn/%E2%82", "/drawn/%ED%A0%80", "/drawn/key%00.txt", "/drawn/%C0%AE%C0%AE/x",
]  # fmt: skip
_METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND"]
_ALSO: list[tuple[str, str]] = [
    ("Content-Encoding", "gzip"), ("Content-Encoding", "aws-chunked"), ("Content-Encoding", "br"), ("Content-MD5", "x"), ("Content-MD5", "\xff"),
    ("Expect", "100-continue"), ("Expect", "nothing"), ("Upgrade", "h2c"), ("Range", "bytes=5-1"), ("Range", "bytes=" + "0-1," * 500), ("If-Match", '"'),
    ("If-Modified-Since", "yesterday"), ("If-Modified-Since", "Thu, 01 Jan 99999 00:00:00 GMT"), ("If-None-Match", "x" * 3000), ("smithy-protocol", "rpc-v2-cbor"),
    ("smithy-protocol", "x"), ("Origin", "http://example.org"), ("X-Amz-Decoded-Content-Length", "x"), ("X-Amz-Security-Token", "x"), ("X-Amz-Acl", "x"),
    ("X-Amz-Tagging", "%ff=%fe&a&b=c=d"), ("X-Amz-Meta-A", "\xff\xfe"), ("X-Amz-Meta-" + "x" * 3000, "x"), ("X-Amz-Meta-", "x"), ("X-Amz-Checksum-Crc32", "x"),
    ("X-Amz-Checksum-Sha256", "\xff"), ("X-Amz-Copy-Source", "/"), ("X-Amz-Copy-Source", "%ff/%fe"), ("X-Amz-Copy-Source-Range", "x"), ("X-Amz-Date", "x"),
    ("X-Amz-Content-SHA256", "x"), ("X-Amz-Content-SHA256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), ("X-Amz-Content-SHA256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
    ("X-Amz-Trailer", "x-amz-checksum-crc32"), ("X-Amz-Object-Lock-Retain-Until-Date", "x"), ("X-Amz-Expected-Bucket-Owner", "x"), ("X-Amz-Mfa", "x"),
    ("X-Amz-Object-Lock-Retain-Until-Date", "9" * 30), ("X-Amz-Storage-Class", "x"), ("X-Amz-Server-Side-Encryption", "aws:kms"), ("X-Amz-Max-Parts", "x"),
    ("X-Amz-Object-Attributes", "x"), ("X-Amz-Object-Attributes", '"'), ("X-Amz-Object-Attributes", '"' * 200), ("X-Amz-Part-Number-Marker", "-1"),
    ("Cookie", "x"), ("X-Http-Method-Override", "DELETE"), ("X-Amz-Website-Redirect-Location", "\x80"), ("X-Amz-Bypass-Governance-Retention", "x"),
]  # fmt: skip


class Mutations:
    """Endless: each `one` is another broken version of a right request."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def one(self, raw: Raw) -> Raw:
        """Half of the time the body, where there is one; else the head."""
        if raw.body and self.random.random() < 0.6:
            return replace(raw, body=self._body(raw))
        return self._head(raw)

    # ------------------------------------------------------------- bodies

    def _body(self, raw: Raw) -> bytes:
        if self.random.random() < 0.25:
            return self._bytes(raw.body)
        if raw.body[:1] in b"{[":
            return self._json(raw.body)
        if raw.body[:1] == b"<":
            return self._xml(raw.body.decode())
        if b"Action=" in raw.body[:2000] or b"Version=" in raw.body[:2000]:
            return self._form(raw.body.decode())
        return self._cbor(raw.body)

    def _bytes(self, body: bytes) -> bytes:
        """Bits, cuts and repetitions, whatever the format."""
        made = bytearray(body)
        place = self.random.randrange(len(made))
        match self.random.randrange(7):
            case 0:
                made[place] ^= 1 << self.random.randrange(8)
            case 1:
                del made[place:]
            case 2:
                made[place:place] = self.random.randbytes(self.random.choice([1, 4, 100]))
            case 3:
                made *= 2
            case 4:
                made[place:place] = b"\xff\xfe\xed\xa0\x80"
            case 5:
                made[:0] = b"\xef\xbb\xbf"
            case _:
                return gzip.compress(body)
        return bytes(made)

    def _json(self, body: bytes) -> bytes:
        try:
            return broken_json(self.random, body.decode()).encode("utf-8", "surrogatepass")
        except ValueError:
            return self._bytes(body)

    def _cbor(self, body: bytes) -> bytes:
        try:
            tree = cbor2.loads(body)
        except (cbor2.CBORDecodeError, ValueError):
            return self._bytes(body)
        packed: bytes = cbor2.dumps(_with_hole(self.random, tree))
        return packed.replace(cbor2.dumps(_HOLE), self.random.choice(_CBOR))

    def _form(self, body: str) -> bytes:
        pairs = [part.partition("=")[::2] for part in body.split("&")]
        place = self.random.randrange(len(pairs))
        name, value = pairs[place]
        changes: list[Callable[[], list[tuple[str, str]]]] = [
            lambda: [(name, self.random.choice(_TEXTS))],
            lambda: [(name, "%ff%fe")],
            lambda: [
                (name + self.random.choice([".1", ".member.1", ".member.x", ".entry.1.key", ".", "..", ".-1"]), value)
            ],
            lambda: [
                (name.replace("1", self.random.choice(["0", "-1", "999999999", "9999999999", "x", "\u00b2"])), value)
            ],
            lambda: [(name, value), (name, value + "x")],
            list,
            lambda: [(name, "")],
            lambda: [("a." * 5000 + "b", "1")],
            lambda: [(name.lower(), value)],
        ]
        pairs[place : place + 1] = self.random.choice(changes)()
        return "&".join(f"{each}={text}" for each, text in pairs).encode("utf-8", "surrogatepass")

    def _xml(self, body: str) -> bytes:
        if self.random.random() < 0.3:
            return self.random.choice(_XML).encode()
        starts = [index for index, character in enumerate(body) if character == ">"]
        place = self.random.choice(starts) + 1
        end = body.find("<", place)
        match self.random.randrange(4):
            case 0:
                made = body[:place] + self.random.choice(_TEXTS) + body[max(end, place) :]
            case 1:
                made = body[:place] + self.random.choice(_XML) + body[place:]
            case 2:
                made = body[:place] + "<Nothing>1</Nothing>" * self.random.choice([1, 5000]) + body[place:]
            case _:
                made = body.replace(self.random.choice(["Rule", "Key", "Status", "Tag", "Id"]), "Other")
        return made.encode("utf-8", "surrogatepass")

    # ------------------------------------------------------------- heads

    def _head(self, raw: Raw) -> Raw:
        choose = self.random.choice
        match self.random.randrange(10):
            case 0:
                return replace(raw, path=choose(_PATHS))
            case 1:
                return replace(raw, query=choose(_QUERIES))
            case 2:
                joined = "&".join(part for part in (raw.query, choose(_QUERIES)) if part)
                return replace(raw, query=joined)
            case 3:
                return raw.with_header("Content-Type", choose(_TYPES))
            case 4:
                return replace(raw, method=choose(_METHODS))
            case 5 if raw.query:
                parts = raw.query.split("&")
                place = self.random.randrange(len(parts))
                parts[place] = f"{parts[place].partition('=')[0]}={choose(_VALUES)}"
                return replace(raw, query="&".join(parts))
            case 6 if raw.headers:
                return self._other_header(raw)
            case 7:
                return raw.with_header("X-Amz-Target", choose(_TARGETS))
            case _:
                return replace(raw, headers=[*raw.headers, choose(_ALSO)])

    def _other_header(self, raw: Raw) -> Raw:
        name, value = self.random.choice(raw.headers)
        match self.random.randrange(4):
            case 0:
                return raw.without(name)
            case 1:
                return replace(raw, headers=[*raw.headers, (name, value)])
            case 2:
                return raw.with_header(name, self.random.choice(_TEXTS).replace("\x00", "").encode().decode("latin-1"))
            case _:
                return raw.with_header(name, value + "\xff")


def broken_json(chance: random.Random, text: str) -> str:
    """One node replaced, or every key twice; where a string is JSON itself, perhaps inside of it. Raises ValueError."""
    tree = json.loads(text)
    inside = [(holder, key) for holder, key in _holders(tree) if str(holder[key]).startswith('{"')]
    if inside and chance.random() < 0.5:
        holder, key = chance.choice(inside)
        if isinstance(holder[key], str):
            holder[key] = broken_json(chance, holder[key])
            return json.dumps(tree)
    if chance.random() < 0.1:
        return text[:-1] + "," + text[1:]
    return json.dumps(_with_hole(chance, tree)).replace(json.dumps(_HOLE), chance.choice(_JSON))


def _with_hole(chance: random.Random, tree: Any) -> Any:
    """The tree with one node, chosen by chance, replaced."""
    places = list(_holders(tree))
    if not places or chance.random() < 0.05:
        return _HOLE
    holder, key = chance.choice(places)
    holder[key] = _HOLE
    return tree


def _holders(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key or index) of a tree."""
    if isinstance(tree, dict):
        for key in list(tree):
            yield tree, key
            yield from _holders(tree[key])
    elif isinstance(tree, list):
        for index, item in enumerate(tree):
            yield tree, index
            yield from _holders(item)
