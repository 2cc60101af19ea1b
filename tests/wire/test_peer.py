"""What an operation is told of the connection that a request came over, and what a request cannot claim of itself."""

from pathlib import Path
from typing import Any

import pytest

from salvia.base.call import Call
from salvia.wire.asgi import Message
from salvia.wire.server import Wire
from tests.wire.serving import make_wire
from tests.wire.test_server import ask, signed

FORM = b"Action=GetCallerIdentity&Version=2011-06-15"
SENT = {"content_type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("client", "scheme", "told"),
    [
        (("127.0.0.1", 5000), "http", ("127.0.0.1", False)),
        (("2001:db8::1", 5000), "https", ("2001:db8::1", True)),
        (None, "http", ("", False)),  # a Unix socket
    ],
)
async def test_a_call_knows_its_peer_and_whether_it_came_over_tls(
    tmp_path: Path, client: tuple[str, int] | None, scheme: str, told: tuple[str, bool]
) -> None:
    seen: list[tuple[str, bool]] = []

    async def authorize(call: Call) -> None:
        seen.append((call.source_ip, call.secure))

    async def receive() -> Message:
        return {"type": "http.request", "body": FORM, "more_body": False}

    async def send(_: Message) -> None:
        pass

    headers = signed("sts", "POST", "/", FORM, x_forwarded_for="203.0.113.9", x_forwarded_proto="https", **SENT)
    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": client,
        "scheme": scheme,
    }
    wire = make_wire(tmp_path)
    wire._authorize = authorize
    await wire(scope, receive, send)

    assert seen == [told]


async def test_a_credential_stated_twice_does_not_choose_one_service_and_sign_for_another(tmp_path: Path) -> None:
    wire: Wire = make_wire(tmp_path)
    headers = signed("sagemaker", "POST", "/", FORM, **SENT)
    scheme, _, rest = headers["authorization"].partition(" ")
    credential = rest.partition(",")[0]
    headers["authorization"] = f"{scheme} {credential.replace('/sagemaker/', '/sts/')}, {rest}"
    response = await ask(wire, "POST", "/", headers, FORM)

    assert response.status == 403
    assert b"SignatureDoesNotMatch" in bytes(response.body)  # type: ignore[arg-type]
