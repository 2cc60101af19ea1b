"""Requests as bytes, signed by hand so that anything at all can stand in them, and answers as they come."""

import hashlib
import hmac
import http.client
import socket
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from urllib.parse import quote

Headers = list[tuple[str, str]]
HANG_SECONDS = 25.0  # longer than the server holds back any answer


@dataclass(frozen=True)
class Raw:
    """What is sent. `path` and `query` are as they stand on the wire; text is Latin-1, so any byte can be said."""

    method: str
    path: str = "/"
    query: str = ""
    headers: Headers = field(default_factory=list)
    body: bytes = b""

    def with_header(self, name: str, value: str) -> "Raw":
        kept = [each for each in self.headers if each[0].lower() != name.lower()]
        return replace(self, headers=[*kept, (name, value)])

    def without(self, name: str) -> "Raw":
        return replace(self, headers=[each for each in self.headers if each[0].lower() != name.lower()])

    def bytes(self, host: str) -> bytes:
        target = self.path + (f"?{self.query}" if self.query else "")
        names = {name.lower() for name, _ in self.headers}
        stated = {"host": host, "connection": "close"}
        if "transfer-encoding" not in names:
            stated["content-length"] = str(len(self.body))
        also = [(name, value) for name, value in stated.items() if name not in names]
        lines = [f"{self.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in [*also, *self.headers])]
        return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + self.body


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]  # lower-case names
    body: bytes


@dataclass(frozen=True)
class Signer:
    """Signature version 4, for one region."""

    access_key: str
    secret: str
    region: str = "us-west-2"

    def sign(self, raw: Raw, service: str, host: str) -> Raw:
        """The request with its signature; signed are the host, the date and every x-amz- header."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        payload = hashlib.sha256(raw.body).hexdigest()
        raw = raw.with_header("X-Amz-Date", stamp)
        if not any(name.lower() == "x-amz-content-sha256" for name, _ in raw.headers):
            raw = raw.with_header("X-Amz-Content-SHA256", payload)
        joined: dict[str, str] = {}
        for name, value in raw.headers:
            if name.lower().startswith("x-amz-"):
                known = name.lower()
                joined[known] = f"{joined[known]},{value}" if known in joined else value
        joined["host"] = host
        names = sorted(joined)
        path = raw.path if service == "s3" else quote(_normal(raw.path), safe="/-_.~")
        query = "&".join(
            f"{name}={value}"
            for name, value in sorted(part.partition("=")[::2] for part in raw.query.split("&") if part)
        )
        lines = "".join(f"{name}:{' '.join(joined[name].split())}\n" for name in names)
        stated = joined.get("x-amz-content-sha256", payload) if service == "s3" else payload
        canonical = f"{raw.method}\n{path}\n{query}\n{lines}\n{';'.join(names)}\n{stated}"
        scope = f"{stamp[:8]}/{self.region}/{service}/aws4_request"
        digest = hashlib.sha256(canonical.encode("latin-1", "replace")).hexdigest()
        key = f"AWS4{self.secret}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}".encode(), "sha256").hex()
        credential = f"Credential={self.access_key}/{scope}"
        value = f"AWS4-HMAC-SHA256 {credential}, SignedHeaders={';'.join(names)}, Signature={signature}"
        return raw.with_header("Authorization", value)


def _normal(path: str) -> str:
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment not in {"", "."}:
            segments.append(segment)
    end = "/" if path.endswith("/") and segments else ""
    return "/" + "/".join(segments) + end


def send(port: int, data: bytes, method: str = "POST", *, half_close: bool = False) -> Answer:
    """One request on a connection of its own. Raises OSError or HTTPException when no answer comes."""
    with socket.create_connection(("127.0.0.1", port), timeout=HANG_SECONDS) as connection:
        connection.sendall(data)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        response = http.client.HTTPResponse(connection, method=method)
        response.begin()
        body = response.read()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)
