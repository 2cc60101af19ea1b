"""Requests as bytes, signed beforehand, so that a client's work does not show in a measurement."""

import json
import socket
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

REGION = "us-west-2"


class Signer:
    """Signs for 127.0.0.1 and one port. A signature holds for 15 minutes."""

    def __init__(self, port: int, access_key: str, secret: str) -> None:
        self.port, self.access_key, self.secret = port, access_key, secret
        self._credentials = Credentials(access_key, secret)

    def json(self, service: str, target: str, members: dict[str, Any]) -> bytes:
        """A request of a service that speaks JSON 1.1: `target` is what X-Amz-Target says."""
        body = json.dumps(members).encode()
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target}
        return self._signed(service, "POST", "/", body, headers)

    def s3(self, method: str, path: str, body: bytes = b"") -> bytes:
        return self._signed("s3", method, path, body, {})

    def invoke(self, endpoint: str, body: bytes, content_type: str) -> bytes:
        """InvokeEndpoint of the SageMaker runtime."""
        path = f"/endpoints/{endpoint}/invocations"
        return self._signed("sagemaker", "POST", path, body, {"Content-Type": content_type})

    def _signed(self, service: str, method: str, path: str, body: bytes, headers: dict[str, str]) -> bytes:
        host = f"127.0.0.1:{self.port}"
        request = AWSRequest(method, f"http://{host}{path}", headers | {"Host": host}, body)
        if service == "s3":
            request.headers["X-Amz-Content-SHA256"] = "UNSIGNED-PAYLOAD"
        SigV4Auth(self._credentials, service, REGION).add_auth(request)
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in request.headers.items())]
        lines += [f"Content-Length: {len(body)}", "", ""]
        return "\r\n".join(lines).encode() + body


def exchange(port: int, request: bytes) -> tuple[int, bytes]:
    """Status and body of one answer, on a connection of its own. Raises OSError."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(request)
        answer = b""
        while (end := length_of(answer)) is None or len(answer) < end:
            data = connection.recv(1 << 16)
            if not data:
                break
            answer += data
    if not answer:
        raise ConnectionError("the server closed the connection without an answer")
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head[9:12]), body


def length_of(answer: bytes | bytearray) -> int | None:
    """Of head and body together; None while the head is not complete."""
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = answer[:end].lower()
    start = head.find(b"content-length:")
    if b"transfer-encoding: chunked" in head:
        last = answer.find(b"0\r\n\r\n", end)
        return last + 5 if last >= 0 else None
    if start < 0:
        raise ValueError("an answer without Content-Length")
    return end + 4 + int(head[start + 15 :].split(b"\r\n", 1)[0])
