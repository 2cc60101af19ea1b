"""The HTTP API of Docker and Podman on a Unix socket, as far as it is used here. Every call blocks."""

import http.client
import json
import socket
from typing import Any
from urllib.parse import quote, urlencode

_VERSION = "/v1.40"  # Docker 19.03, and what Podman answers to
_SECONDS = 60.0


class DaemonError(Exception):
    """The daemon said no; `status` is HTTP's, or 0 when it does not answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Daemon:
    def __init__(self, path: str) -> None:
        self.path = path

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        seconds: float | None = _SECONDS,
        **query: str | int,
    ) -> Any:
        """The decoded answer; of an answer in lines (a pull), the last. Raises DaemonError."""
        connection = _Connection(self.path, seconds)
        try:
            text = json.dumps(body) if body is not None else None
            connection.request(
                method, f"{_VERSION}{path}?{urlencode(query)}", text, {"Content-Type": "application/json"}
            )
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise DaemonError(0, f"the container daemon does not answer: {error}") from error
        finally:
            connection.close()
        if answer.status >= 400:
            raise DaemonError(answer.status, _message(content))
        lines = content.splitlines() if path == "/images/create" else [content]
        decoded = json.loads(lines[-1]) if lines and lines[-1].strip() else None
        if isinstance(decoded, dict) and decoded.get("error"):
            raise DaemonError(500, str(decoded["error"]))
        return decoded

    def container(self, name: str) -> dict[str, Any] | None:
        """What `docker inspect` shows, or None. Raises DaemonError."""
        try:
            found: dict[str, Any] = self.call("GET", f"/containers/{quote(name)}/json")
        except DaemonError as error:
            if error.status == 404:
                return None
            raise
        return found

    def has_image(self, uri: str) -> bool:
        try:
            self.call("GET", f"/images/{quote(uri)}/json")
        except DaemonError as error:
            if error.status == 404:
                return False
            raise
        return True

    def remove(self, name: str) -> None:
        """Kills it if need be. What is not there, or is just going, is no error."""
        try:
            self.call("DELETE", f"/containers/{quote(name)}", force="true", v="true")
        except DaemonError as error:
            if error.status not in {404, 409}:
                raise

    def attach(self, name: str) -> socket.socket:
        """The stream of what the container will print: frames of stdout and stderr, see Output. Raises DaemonError."""
        line = socket.socket(socket.AF_UNIX)
        try:
            line.connect(self.path)
            query = urlencode({"stream": "true", "stdout": "true", "stderr": "true"})
            line.sendall(
                f"POST {_VERSION}/containers/{quote(name)}/attach?{query} HTTP/1.1\r\nHost: localhost\r\n"
                "Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n".encode()
            )
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                byte = line.recv(1)
                if not byte:
                    raise DaemonError(0, "the container daemon closed the connection")
                head += byte
        except OSError as error:
            line.close()
            raise DaemonError(0, f"the container daemon does not answer: {error}") from error
        if head.split(b" ", 2)[1] not in {b"101", b"200"}:
            line.close()
            raise DaemonError(500, f"cannot attach: {head.splitlines()[0].decode(errors='replace')}")
        return line


class Output:
    """Takes the frames of an attached stream apart: kind 1, zeros 3, length 4 (big-endian), what was printed."""

    def __init__(self) -> None:
        self._head = b""
        self._left = 0

    def feed(self, data: bytes) -> bytes:
        """What was printed, of stdout and stderr in the order of their coming."""
        printed = []
        while data:
            if not self._left:
                needed = 8 - len(self._head)
                self._head, data = self._head + data[:needed], data[needed:]
                if len(self._head) == 8:
                    self._left, self._head = int.from_bytes(self._head[4:], "big"), b""
                continue
            printed.append(data[: self._left])
            data = data[self._left :]
            self._left -= len(printed[-1])
        return b"".join(printed)


def _message(content: bytes) -> str:
    try:
        return str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        return content.decode(errors="replace").strip()
