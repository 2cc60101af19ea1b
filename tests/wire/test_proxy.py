"""One port for the API, TLS and tunnels, tried with real sockets and an unmodified boto3."""

import base64
import contextlib
import http.client
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Self

import boto3
import pytest
from botocore.config import Config as BotoConfig

from salvia.wire.certificates import Authority
from salvia.wire.incoming import Incoming
from salvia.wire.message import Peer, Response
from salvia.wire.proxy import Rules
from salvia.wire.tunnel import Upstream
from tests.wire.serving import serving as serving_http

IDENTITY = (
    b"<GetCallerIdentityResponse xmlns='https://sts.amazonaws.com/doc/2011-06-15/'><GetCallerIdentityResult>"
    b"<Arn>%s</Arn><UserId>u</UserId><Account>000000000000</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
)


async def handle(
    method: str, raw_path: str, query: str, headers: Mapping[str, str], body: Incoming, peer: Peer
) -> Response:
    """Tells in the Arn how it was reached."""
    size = len(await body.read(1 << 30))
    scheme = "https" if peer.secure else "http"
    arn = f"{scheme} {headers.get('host', '')} {raw_path} {size}".encode()
    return Response(200, {"content-type": "text/xml"}, IDENTITY % arn)


class Serving:
    """A server on a port of the machine's choice, in a thread of its own."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self.url = self.stack.enter_context(serving_http(handle, self.rules))
        self.port = int(self.url.rpartition(":")[2])
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def connect(self, to: str, *headers: str) -> tuple[socket.socket, bytes]:
        """A connection after CONNECT, and the head of the answer."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=5)
        connection.sendall("\r\n".join([f"CONNECT {to} HTTP/1.1", f"Host: {to}", *headers, "", ""]).encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(1)
        return connection, head


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    authority = Authority(tmp_path_factory.mktemp("ca"))
    authority.write_bundle({})
    return authority


@pytest.fixture(scope="module")
def serving(authority: Authority) -> Iterator[Serving]:
    with Serving(Rules(authority)) as serving:
        yield serving


@pytest.fixture(scope="module")
def guarded(authority: Authority) -> Iterator[Serving]:
    async def authorise(user: str, password: str) -> bool:
        return (user, password) == ("AKIAUSER", "secret:with/colon")

    with Serving(Rules(authority, authorise)) as serving:
        yield serving


@contextlib.contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server of one connection on loopback: the foreign host of the tests."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def run() -> None:
            connection, _ = server.accept()
            connection.settimeout(5)
            with connection, contextlib.suppress(OSError):
                serve(connection)

        thread = threading.Thread(target=run)
        thread.start()
        yield server.getsockname()[1]
        thread.join(5)
        assert not thread.is_alive()


def echo(connection: socket.socket) -> None:
    while data := connection.recv(65536):
        connection.sendall(data)
    connection.sendall(b"!")


def read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


# ------------------------------------------------------------- AWS's own hosts


def test_an_unmodified_client_of_a_hard_coded_aws_host_reaches_the_api(
    serving: Serving, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(os.environ):
        if "PROXY" in name.upper() or name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HTTPS_PROXY", serving.url)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.bundle))
    url = "https://sts.us-west-2.amazonaws.com"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    sts = boto3.client("sts", "us-west-2", endpoint_url=url, config=BotoConfig(retries={"total_max_attempts": 1}))
    answers = [sts.get_caller_identity()["Arn"] for _ in range(3)]
    sts.close()

    assert answers == ["https sts.us-west-2.amazonaws.com / 43"] * 3


def test_tls_directly_on_the_port_is_served(serving: Serving, authority: Authority) -> None:
    context = ssl.create_default_context(cafile=authority.certificate)
    for host in ("127.0.0.1", "localhost"):
        connection = http.client.HTTPSConnection(host, serving.port, context=context, timeout=5)
        connection.request("POST", "/a%20b", b"x" * 300_000)
        body = connection.getresponse().read()
        connection.close()

        assert f"https {host}:{serving.port} /a%20b 300000".encode() in body


def test_tls_is_spoken_under_the_aws_name_that_is_asked_for(serving: Serving, authority: Authority) -> None:
    context = ssl.create_default_context(cafile=authority.certificate)
    with (
        socket.create_connection(("127.0.0.1", serving.port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname="s3.eu-west-1.amazonaws.com") as secured,
    ):
        names = secured.getpeercert() or {}

    assert names["subjectAltName"] == (("DNS", "s3.eu-west-1.amazonaws.com"),)


def test_a_hello_in_small_pieces_is_put_together(serving: Serving, authority: Authority) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context(cafile=authority.certificate)
    client = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with socket.create_connection(("127.0.0.1", serving.port), timeout=5) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                for byte in outgoing.read():
                    connection.send(bytes([byte]))
                incoming.write(connection.recv(65536))
        client.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        connection.sendall(outgoing.read())
        answer = b""
        while len(answer) < 17:
            incoming.write(connection.recv(65536))
            with contextlib.suppress(ssl.SSLWantReadError):
                answer += client.read(17)

        assert answer == b"HTTP/1.1 200 OK\r\n"


def test_an_absolute_request_for_an_aws_host_is_served(serving: Serving) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", serving.port, timeout=5)
    connection.request("GET", "http://s3.us-west-2.amazonaws.com/bucket/key?x=1")
    body = connection.getresponse().read()
    connection.close()

    assert b"http s3.us-west-2.amazonaws.com /bucket/key 0" in body


def test_a_plain_request_in_pieces_is_served(serving: Serving) -> None:
    with socket.create_connection(("127.0.0.1", serving.port), timeout=5) as connection:
        for piece in (b"CO", b"PY /x HTTP/1.1\r\nHo", b"st: h\r\nConnection: close\r\n\r\n"):
            connection.sendall(piece)

        assert b"http h /x 0" in read_all(connection)


def test_a_client_that_does_not_trust_us_is_let_go(serving: Serving) -> None:
    connection, head = serving.connect("sts.us-west-2.amazonaws.com:443")
    assert head.startswith(b"HTTP/1.1 200")
    with connection, pytest.raises(ssl.SSLCertVerificationError):
        ssl.create_default_context().wrap_socket(connection, server_hostname="sts.us-west-2.amazonaws.com")


# ------------------------------------------------------------- tunnels


def test_another_hosts_tls_is_untouched(serving: Serving, tmp_path: Path) -> None:
    theirs = Authority(tmp_path)

    def serve(connection: socket.socket) -> None:
        with theirs.context("localhost").wrap_socket(connection, server_side=True) as secured:
            echo(secured)

    context = ssl.create_default_context(cafile=theirs.certificate)
    with listening(serve) as port:
        connection, _ = serving.connect(f"localhost:{port}")
        with context.wrap_socket(connection, server_hostname="localhost") as secured:
            secured.sendall(b"through")

            assert secured.recv(100) == b"through"


def test_an_end_that_has_said_all_still_hears_the_other(serving: Serving) -> None:
    with listening(echo) as port:
        connection, _ = serving.connect(f"127.0.0.1:{port}")
        with connection:
            connection.sendall(b"last words")
            connection.shutdown(socket.SHUT_WR)

            assert read_all(connection) == b"last words!"


def test_a_host_that_speaks_first_is_heard(serving: Serving) -> None:
    with listening(lambda connection: connection.sendall(b"220 hello\r\n")) as port:
        connection, _ = serving.connect(f"127.0.0.1:{port}")
        with connection:
            assert read_all(connection) == b"220 hello\r\n"


def test_much_goes_through_at_the_pace_of_the_slower(serving: Serving) -> None:
    size = 20_000_000
    received: list[int] = []

    def swallow(connection: socket.socket) -> None:
        received.append(sum(len(data) for data in iter(lambda: connection.recv(1 << 20), b"")))
        connection.sendall(b"x" * size)

    with listening(swallow) as port:
        connection, _ = serving.connect(f"127.0.0.1:{port}")
        with connection:
            connection.sendall(b"y" * size)
            connection.shutdown(socket.SHUT_WR)

            assert len(read_all(connection)) == size
    assert received == [size]


def test_a_host_that_is_not_there_is_a_bad_gateway(serving: Serving) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    connection, head = serving.connect(f"127.0.0.1:{port}")
    with connection:
        assert head.startswith(b"HTTP/1.1 502")
        assert b"Could not connect to 127.0.0.1:" in read_all(connection)


@pytest.mark.parametrize("target", ["nowhere", "host:99999", "http://host:80", "ho st:80", "[::1:80"])
def test_a_target_that_is_no_host_and_port_is_a_bad_request(serving: Serving, target: str) -> None:
    connection, head = serving.connect(target)
    connection.close()

    assert head.startswith(b"HTTP/1.1 400")


def test_an_endless_head_is_refused(serving: Serving) -> None:
    connection, head = serving.connect("host:443", "X: " + "x" * 20_000)
    connection.close()

    assert head.startswith((b"HTTP/1.1 431", b"HTTP/1.1 502"))


def test_beyond_loopback_a_tunnel_needs_credentials(guarded: Serving) -> None:
    def proof(text: str) -> str:
        return "Proxy-Authorization: Basic " + base64.b64encode(text.encode()).decode()

    for headers in ((), (proof("AKIAUSER:wrong"),), (proof("AKIAUSER"),), ("Proxy-Authorization: Basic !",)):
        connection, head = guarded.connect("127.0.0.1:9", *headers)
        connection.close()
        assert head.startswith(b"HTTP/1.1 407")
        assert b'proxy-authenticate: Basic realm="Salvia"' in head

    with listening(echo) as port:
        connection, head = guarded.connect(f"127.0.0.1:{port}", proof("AKIAUSER:secret:with/colon"))
        connection.close()
    assert head.startswith(b"HTTP/1.1 200")


def test_beyond_loopback_aws_hosts_need_none_for_the_api_asks_itself(guarded: Serving) -> None:
    connection, head = guarded.connect("sts.us-west-2.amazonaws.com:443")
    connection.close()

    assert head.startswith(b"HTTP/1.1 200")


def test_a_tunnel_leaves_through_the_proxy_of_this_machine(authority: Authority) -> None:
    asked: list[bytes] = []

    def proxy(connection: socket.socket) -> None:
        asked.append(connection.recv(65536))
        connection.sendall(b"HTTP/1.1 200 OK\r\nX: y\r\n\r\nfirst words")

    with (
        listening(proxy) as port,
        Serving(Rules(authority, upstream=Upstream("127.0.0.1", port, "Basic abc"))) as serving,
    ):
        connection, head = serving.connect("example.org:443")
        with connection:
            assert read_all(connection) == b"first words"
    assert head.startswith(b"HTTP/1.1 200")
    assert asked == [
        b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\nProxy-Authorization: Basic abc\r\n\r\n"
    ]


def test_a_refusal_of_the_proxy_of_this_machine_is_told(authority: Authority) -> None:
    with (
        listening(lambda connection: connection.sendall(b"HTTP/1.1 403 No\r\n\r\n")) as port,
        Serving(Rules(authority, upstream=Upstream("127.0.0.1", port))) as serving,
    ):
        connection, head = serving.connect("example.org:443")
        with connection:
            assert b"the proxy of this machine answered: HTTP/1.1 403 No" in read_all(connection)
    assert head.startswith(b"HTTP/1.1 502")


def test_the_proxy_of_this_machine_is_the_one_set_outside() -> None:
    outside = {"HTTPS_PROXY": "http://us%40er:pw@proxy:3128", "NO_PROXY": "localhost,.corp.example,10.0.0.1"}
    inside = {"HTTPS_PROXY": "http://127.0.0.1:1", "SALVIA_PROXY": "http://127.0.0.1:1"}
    found = Upstream.of(outside)

    assert found == Upstream("proxy", 3128, "Basic dXNAZXI6cHc=", ("localhost", "corp.example", "10.0.0.1"))
    assert [found.serves(host) for host in ("pypi.org", "x.corp.example", "10.0.0.1", "127.0.0.1")] == [
        True,
        False,
        False,
        False,
    ]
    assert Upstream.of({}) is None
    assert Upstream.of(inside) is None
    assert Upstream.of(inside | {"SALVIA_OUTER_PROXY": "http://proxy:1"}) == Upstream("proxy", 1)


def test_an_open_tunnel_does_not_keep_a_server_from_ending(authority: Authority) -> None:
    with listening(echo) as port:
        with Serving(Rules(authority)) as serving:
            connection, _ = serving.connect(f"127.0.0.1:{port}")
            silent = socket.create_connection(("127.0.0.1", serving.port))
        connection.close()
        silent.close()
