"""Making certificates: the authority's own, and those of the hosts it speaks for.

Apart from certificates.py because its library is slow to import, and a server is ready before anybody needs it.
"""

import datetime as dt
import ipaddress
import os
import re
import socket

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# Beyond these and this machine's own name, the authority cannot speak for anybody.
DOMAINS = ("amazonaws.com", "amazonaws.com.cn", "sagemaker.aws", "api.aws", "localhost", "internal", "local")
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
LEAF_DAYS = 365
SENDER = "sns.amazonaws.com"  # whom AWS's certificates for messages name

_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")


class Mint:
    """Makes certificates with the key and certificate of `authority` (PEM). All have one key, which is nowhere on disk."""

    def __init__(self, authority: bytes) -> None:
        key = serialization.load_pem_private_key(authority, password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._key = key
        self._issuer = x509.load_pem_x509_certificate(authority)
        self._leaf_key = ec.generate_private_key(ec.SECP256R1())
        # The machine may have another name by now, for which this authority may not speak.
        self.own_names = {"localhost", _hostname()} & _permitted_names(self._issuer)

    def leaf(self, host: str) -> bytes:
        """Key and certificate of `host`, a name or an address. Raises ValueError for what is neither."""
        names = [_general_name(host)]
        if isinstance(names[0], x509.IPAddress):  # reached by address, this machine also goes by its names
            names += [x509.DNSName(name) for name in sorted(self.own_names)]
        leaf = self._issued(host, names, self._leaf_key.public_key())
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        leaf = leaf.not_valid_after(_in_days(LEAF_DAYS)).add_extension(usage, critical=False)
        certificate = leaf.sign(self._key, hashes.SHA256())
        return _key_pem(self._leaf_key) + certificate.public_bytes(serialization.Encoding.PEM)

    def message_key(self) -> bytes:
        """Key and certificate of SENDER, good for as long as the authority's. RSA: the format of messages knows nothing else."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        issued = self._issued(SENDER, [x509.DNSName(SENDER)], key.public_key())
        certificate = issued.not_valid_after(self._issuer.not_valid_after_utc).sign(self._key, hashes.SHA256())
        return _key_pem(key) + certificate.public_bytes(serialization.Encoding.PEM)

    def _issued(
        self, name: str, names: list[x509.GeneralName], key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey
    ) -> x509.CertificateBuilder:
        return (
            _builder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])]))
            .issuer_name(self._issuer.subject)
            .public_key(key)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )


class MessageKey:
    """Signs with the key of `made`, key and certificate in PEM."""

    def __init__(self, made: bytes) -> None:
        key = serialization.load_pem_private_key(made, password=None)
        assert isinstance(key, rsa.RSAPrivateKey)
        self._key = key
        self.certificate = x509.load_pem_x509_certificate(made).public_bytes(serialization.Encoding.PEM)

    def sign(self, text: bytes, digest: str) -> bytes:
        # SHA-1 is what the format's first version has; whoever minds chooses the second.
        chosen = {"SHA1": hashes.SHA1(), "SHA256": hashes.SHA256()}[digest]  # noqa: S303
        return self._key.sign(text, padding.PKCS1v15(), chosen)


def new_authority() -> bytes:
    """Key and certificate, PEM, of an authority constrained to DOMAINS, PRIVATE_NETWORKS and this machine's name."""
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
        _builder()
        .not_valid_after(_in_days(10 * 365))
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
    networks = [x509.IPAddress(ipaddress.ip_network(network)) for network in PRIVATE_NETWORKS]
    return [*(x509.DNSName(name) for name in dict.fromkeys([*DOMAINS, _hostname()])), *networks]


def _permitted_names(issuer: x509.Certificate) -> set[str]:
    constraints = issuer.extensions.get_extension_for_class(x509.NameConstraints).value
    return {name.value for name in constraints.permitted_subtrees or () if isinstance(name, x509.DNSName)}


def _builder() -> x509.CertificateBuilder:
    """From yesterday on, because the clocks of a client in a container or a virtual machine may lag."""
    return x509.CertificateBuilder().serial_number(x509.random_serial_number()).not_valid_before(_in_days(-1))


def _in_days(days: int) -> dt.datetime:
    return dt.datetime.now(dt.UTC) + dt.timedelta(days=days)


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


def _key_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
