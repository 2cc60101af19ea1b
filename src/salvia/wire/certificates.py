"""Our own certificate authority: clients that insist on https://….amazonaws.com are answered under a name they trust.

The authority is made once for each data folder. Its certificate is constrained to AWS's names and this machine's and
private addresses, so that whoever gets hold of its key still cannot speak for the rest of the world.
"""

import datetime as dt
import ipaddress
import os
import re
import socket
import ssl
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AWS_SUFFIXES = (".amazonaws.com", ".amazonaws.com.cn", ".sagemaker.aws", ".api.aws")
PRIVATE_NETWORKS = [
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
]

_DAY = 86400.0
_LEAF_DAYS = 365
_MOST_LEAVES = 512
_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")


def is_aws(host: str) -> bool:
    """Whether `host` is one of AWS's own service names."""
    return host.lower().endswith(AWS_SUFFIXES)


class Authority:
    """The authority kept in `folder`, made when missing; several servers may share the folder.

    `certificate` is the file that clients must trust. The key never leaves `folder` (mode 0600, the folder 0700).
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self.certificate = folder / "ca.pem"
        self.bundle = folder / "bundle.pem"
        made = _once(folder / "ca-key.pem")
        self._key = serialization.load_pem_private_key(made, password=None)
        self._issuer = x509.load_pem_x509_certificate(made)
        # The machine may have another name by now, for which this authority may not speak.
        self._own_names = {"localhost", _hostname()} & _permitted_names(self._issuer)
        self._leaf_key = ec.generate_private_key(ec.SECP256R1())
        self._contexts: dict[str, tuple[ssl.SSLContext, float]] = {}
        _replace(self.certificate, self._issuer.public_bytes(serialization.Encoding.PEM))

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
            self._contexts[host] = context, now + (_LEAF_DAYS - 30) * _DAY
        return context

    def _new_context(self, host: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        context.sni_callback = self._as_asked
        # The ssl module takes certificates from files only.
        with tempfile.NamedTemporaryFile(dir=self._folder, suffix=".leaf") as file:
            file.write(_key_pem(self._leaf_key) + self._leaf(host).public_bytes(serialization.Encoding.PEM))
            file.flush()
            context.load_cert_chain(file.name)
        return context

    def _leaf(self, host: str) -> x509.Certificate:
        names = [_general_name(host)]
        if isinstance(names[0], x509.IPAddress):  # reached by address, this machine also goes by its names
            names += [x509.DNSName(name) for name in sorted(self._own_names)]
        assert isinstance(self._key, ec.EllipticCurvePrivateKey)
        return (
            _builder(_LEAF_DAYS)
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])]))
            .issuer_name(self._issuer.subject)
            .public_key(self._leaf_key.public_key())
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._leaf_key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def _as_asked(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        if name and (is_aws(name) or name in self._own_names or name.endswith((".localhost", ".internal"))):
            connection.context = self.context(name.lower())

    def _is_ours(self, path: Path) -> bool:
        return self.bundle.exists() and path.samefile(self.bundle)


def _once(path: Path) -> bytes:
    """The key and certificate kept at `path`; whoever comes first makes them, whole or not at all."""
    if not path.exists():
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".new") as file:
            file.write(_new_authority())
            file.flush()
            os.fsync(file.fileno())
            with suppress(FileExistsError):  # another server was first: its authority is ours too
                os.link(file.name, path)
    return path.read_bytes()


def _new_authority() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Salvia"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"Salvia on {_hostname()}"[:64]),
            # Tells the authorities of several data folders apart.
            x509.NameAttribute(NameOID.SERIAL_NUMBER, os.urandom(8).hex()),
        ]
    )
    signs = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        _builder(10 * 365)
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(signs, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.NameConstraints(permitted_subtrees=_permitted(), excluded_subtrees=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return _key_pem(key) + certificate.public_bytes(serialization.Encoding.PEM)


def _permitted() -> list[x509.GeneralName]:
    names = [suffix.removeprefix(".") for suffix in AWS_SUFFIXES] + ["localhost", "internal", "local", _hostname()]
    networks = [x509.IPAddress(ipaddress.ip_network(network)) for network in PRIVATE_NETWORKS]
    return [*(x509.DNSName(name) for name in names), *networks]


def _permitted_names(issuer: x509.Certificate) -> set[str]:
    constraints = issuer.extensions.get_extension_for_class(x509.NameConstraints).value
    return {name.value for name in constraints.permitted_subtrees or () if isinstance(name, x509.DNSName)}


def _builder(days: int) -> x509.CertificateBuilder:
    """From yesterday on, because the clocks of a client in a container or a virtual machine may lag."""
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=days))
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        if not _HOST.fullmatch(host) or len(host) > 253:
            raise ValueError(f"{host!r} is not the name of a host") from None
        return x509.DNSName(host)


def _hostname() -> str:
    name = socket.gethostname().lower()
    return name if _HOST.fullmatch(name) else "localhost"


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


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
