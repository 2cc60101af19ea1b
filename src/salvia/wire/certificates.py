"""Our own certificate authority: clients that insist on https://….amazonaws.com are answered under a name they trust.

The authority is made once for each data folder. Its certificate is constrained to AWS's names and this machine's and
private addresses, so that whoever gets hold of its key still cannot speak for the rest of the world.
"""

import os
import ssl
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from salvia.wire.minting import Mint

AWS_SUFFIXES = (".amazonaws.com", ".amazonaws.com.cn", ".sagemaker.aws", ".api.aws")

_FRESH_SECONDS = 300 * 86400.0  # of the year that a certificate is good for
_MOST_LEAVES = 512
_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"


def is_aws(host: str) -> bool:
    """Whether `host` is one of AWS's own service names."""
    return host.lower().endswith(AWS_SUFFIXES)


class Authority:
    """The authority kept in `folder`, made when missing; several servers may share the folder.

    `certificate` is the file that clients must trust, `bundle` the one that holds it and what the machine trusts anyway.
    The key never leaves `folder` (mode 0600, the folder 0700).
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self.certificate = folder / "ca.pem"
        self.bundle = folder / "bundle.pem"
        self._made = _once(folder / "ca-key.pem", lambda: import_module("salvia.wire.minting").new_authority())
        self._contexts: dict[str, tuple[ssl.SSLContext, float]] = {}
        _replace(self.certificate, self._made[self._made.index(_CERTIFICATE) :])

    def write_bundle(self, environment: Mapping[str, str]) -> Path:
        """Put what this machine trusts and our own certificate in one file, which clients take instead of theirs.

        What the machine trusts is the file that AWS_CA_BUNDLE, REQUESTS_CA_BUNDLE or SSL_CERT_FILE names in
        `environment` (within `salvia run`, the one that was named outside), or else the system's.
        """
        outer = next((path for path in _bundles(environment) if path.is_file() and not self._is_ours(path)), None)
        trusted = outer.read_bytes().rstrip() + b"\n" if outer else b""
        _replace(self.bundle, trusted + self.certificate.read_bytes())
        return self.bundle

    def context(self, host: str) -> ssl.SSLContext:
        """How to speak TLS as `host` (a name or an address); when the client asks for another name of ours, as that.

        Raises ValueError for what is neither.
        """
        now = time.time()
        context, fresh_until = self._contexts.get(host, (None, 0.0))
        if context is None or now > fresh_until:
            context = self._new_context(host)
            if len(self._contexts) >= _MOST_LEAVES:
                self._contexts.clear()
            self._contexts[host] = context, now + _FRESH_SECONDS
        return context

    def message_key(self) -> bytes:
        """Key and certificate, PEM, of who signs messages; made when missing."""
        return _once(self._folder / "messages-key.pem", self._mint.message_key)

    def warm(self) -> None:
        """Get ready for the first TLS connection, which would else wait for it. May be called in a thread."""
        self.context("127.0.0.1")

    @cached_property
    def _mint(self) -> "Mint":
        mint: Mint = import_module("salvia.wire.minting").Mint(self._made)
        return mint

    def _new_context(self, host: str) -> ssl.SSLContext:
        leaf = self._mint.leaf(host)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        context.sni_callback = self._as_asked
        # The ssl module takes certificates from files only.
        with tempfile.NamedTemporaryFile(dir=self._folder, suffix=".leaf") as file:
            file.write(leaf)
            file.flush()
            context.load_cert_chain(file.name)
        return context

    def _as_asked(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        if name and (is_aws(name) or name in self._mint.own_names or name.endswith((".localhost", ".internal"))):
            connection.context = self.context(name.lower())

    def _is_ours(self, path: Path) -> bool:
        return self.bundle.exists() and path.samefile(self.bundle)


def _once(path: Path, make: Callable[[], bytes]) -> bytes:
    """The key and certificate kept at `path`; whoever comes first makes them, whole or not at all."""
    if not path.exists():
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".new") as file:
            file.write(make())
            file.flush()
            os.fsync(file.fileno())
            with suppress(FileExistsError):  # another server was first: its authority is ours too
                os.link(file.name, path)
    return path.read_bytes()


def _bundles(environment: Mapping[str, str]) -> list[Path]:
    """Where a bundle may be, best first; the last comes with botocore, for machines that have none of their own."""
    names = ("SALVIA_OUTER_CA_BUNDLE", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
    named = [environment.get(name, "") for name in names]
    system = ssl.get_default_verify_paths().cafile or ""
    known = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"]
    botocore = find_spec("botocore")
    spare = (
        [str(Path(folder) / "cacert.pem") for folder in botocore.submodule_search_locations or []] if botocore else []
    )
    return [Path(path) for path in (*named, system, *known, *spare) if path]


def _replace(path: Path, content: bytes) -> None:
    """Readers see the old file or the new one, never half of one."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content)
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)
