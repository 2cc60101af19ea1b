"""A client of the running server, for the few calls the command line itself makes: JSON 1.1, signed with root's key."""

import datetime as dt
import hashlib
import hmac
import http.client
import json
from typing import Any

from salvia.cli import Refusal
from salvia.cli.environment import credentials
from salvia.cli.servers import Running
from salvia.settings import Settings

_TARGETS = {"sagemaker": "SageMaker", "logs": "Logs_20140328"}


class Client:
    """`call` raises Refusal with what the server said when it refused."""

    def __init__(self, settings: Settings, server: Running) -> None:
        self._key, self._secret = credentials(settings.data)
        self._region = settings.region
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(server.host, server.host)  # noqa: S104 - compared, not bound
        self._host = f"{host}:{server.port}"
        self._connection = http.client.HTTPConnection(host, server.port, timeout=60)

    def call(self, service: str, operation: str, **members: Any) -> dict[str, Any]:
        body = json.dumps(members).encode()
        headers = {
            "content-type": "application/x-amz-json-1.1",
            "host": self._host,
            "x-amz-date": dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ"),
            "x-amz-target": f"{_TARGETS[service]}.{operation}",
        }
        headers["authorization"] = self._authorization(service, headers, body)
        try:
            self._connection.request("POST", "/", body, headers)
            response = self._connection.getresponse()
            answer: dict[str, Any] = json.loads(response.read() or b"{}")
        except (OSError, http.client.HTTPException) as error:
            raise Refusal(f"the server at {self._host} does not answer: {error}") from None
        if response.status >= 300:
            raise Refusal(
                f"{answer.get('__type', response.status)}: {answer.get('message') or answer.get('Message', '')}"
            )
        return answer

    def _authorization(self, service: str, headers: dict[str, str], body: bytes) -> str:
        """Signature Version 4 over all headers."""
        names = ";".join(sorted(headers))
        lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
        request = f"POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
        date = headers["x-amz-date"]
        scope = f"{date[:8]}/{self._region}/{service}/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        key = f"AWS4{self._secret}".encode()
        for word in scope.split("/"):
            key = hmac.digest(key, word.encode(), "sha256")
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        return f"AWS4-HMAC-SHA256 Credential={self._key}/{scope}, SignedHeaders={names}, Signature={signature}"
