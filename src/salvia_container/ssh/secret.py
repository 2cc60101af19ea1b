"""What the instances of one job know and nobody else: with which keys they speak to each other, and on which ports."""

import hmac
import json
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

_CONFIG = Path("/opt/ml/input/config")
_FIRST_PORT, _PORTS = 20000, 12768  # below those that the kernel gives away
_CHOICES = 3  # ports that are tried: one may be taken, by another job or by the machine


@dataclass(frozen=True, slots=True)
class Key:
    """`private` is an OpenSSH private key, `public` a line of authorized_keys or known_hosts."""

    private: bytes
    public: bytes


@dataclass(frozen=True, slots=True)
class Cluster:
    """Ports and keys differ from instance to instance, for several may have one address, where a job stands on several machines."""

    current: str
    hosts: frozenset[str]
    seed: bytes = field(repr=False)

    def key(self, host: str = "") -> Key:
        """By which an instance is known; without a name, the one that opens all of them."""
        key = Ed25519PrivateKey.from_private_bytes(self._chance(f"key {host}"))
        return Key(
            key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()),
            key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
        )

    def ports(self, host: str) -> tuple[int, ...]:
        """Where an instance listens, on the first of them that is free."""
        chance = self._chance(f"ports {host}")
        return tuple(_FIRST_PORT + int.from_bytes(chance[n * 4 : n * 4 + 4]) % _PORTS for n in range(_CHOICES))

    def _chance(self, what: str) -> bytes:
        return hmac.digest(self.seed, what.encode(), "sha256")


def cluster(config: Path = _CONFIG) -> Cluster | None:
    """What is known of this job; None when it has one instance."""
    try:
        seed = bytes.fromhex((config / "ssh-secret").read_text())
    except FileNotFoundError:
        return None
    resources = json.loads((config / "resourceconfig.json").read_text())
    return Cluster(resources["current_host"], frozenset(resources["hosts"]), seed)
