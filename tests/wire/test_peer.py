"""What an operation is told of the connection that a request came over, and what a request cannot claim of itself."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from salvia.base.call import Call
from salvia.wire.line import Line
from salvia.wire.message import Peer
from salvia.wire.server import Wire
from tests.wire.serving import make_wire, whole
from tests.wire.test_server import ask, signed

FORM = b"Action=GetCallerIdentity&Version=2011-06-15"
SENT = {"content_type": "application/x-www-form-urlencoded"}


async def test_a_call_knows_its_peer_and_believes_no_header_about_it(tmp_path: Path) -> None:
    seen: list[tuple[str, bool]] = []

    async def authorize(call: Call) -> None:
        seen.append((call.source_ip, call.secure))

    headers = signed("sts", "POST", "/", FORM, x_forwarded_for="203.0.113.9", x_forwarded_proto="https", **SENT)
    wire = make_wire(tmp_path)
    wire._authorize = authorize
    for peer in (Peer("127.0.0.1"), Peer("2001:db8::1", secure=True), Peer()):
        await wire.handle("POST", "/", "", headers, whole(FORM), peer)

    assert seen == [("127.0.0.1", False), ("2001:db8::1", True), ("", False)]


@pytest.mark.parametrize(
    ("socket", "told"),
    [
        ({"peername": ("127.0.0.1", 5000)}, Peer("127.0.0.1")),
        ({"peername": ("2001:db8::1", 5000, 0, 0), "sslcontext": object()}, Peer("2001:db8::1", secure=True)),
        ({"peername": ""}, Peer()),  # a Unix socket
    ],
)
async def test_a_peer_is_what_the_socket_says(socket: dict[str, Any], told: Peer) -> None:
    assert Line(asyncio.Transport(socket), asyncio.get_running_loop()).peer() == told


async def test_a_credential_stated_twice_does_not_choose_one_service_and_sign_for_another(tmp_path: Path) -> None:
    wire: Wire = make_wire(tmp_path)
    headers = signed("sagemaker", "POST", "/", FORM, **SENT)
    scheme, _, rest = headers["authorization"].partition(" ")
    credential = rest.partition(",")[0]
    headers["authorization"] = f"{scheme} {credential.replace('/sagemaker/', '/sts/')}, {rest}"
    response = await ask(wire, "POST", "/", headers, FORM)

    assert response.status == 403
    assert b"SignatureDoesNotMatch" in bytes(response.body)  # type: ignore[arg-type]
