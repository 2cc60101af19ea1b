"""What the instances of one job know and nobody else: the key with which they speak to each other, and on which ports."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

_CONFIG = Path("/opt/ml/input/config")
_FIRST_PORT, _PORTS = 20000, 12768  # below those that the kernel gives away
_CHOICES = 3  # ports that are tried: one may be taken, by another job or by the machine


@dataclass(frozen=True, slots=True)
class Cluster:
    """`private` is an OpenSSH private key, `public` a line of authorized_keys, of servers and clients alike."""

    current: str
    hosts: frozenset[str]
    private: bytes
    public: bytes
    ports: tuple[int, ...]


def cluster(config: Path = _CONFIG) -> Cluster | None:
    """What is known of this job; None when it has one instance."""
    try:
        seed = bytes.fromhex((config / "ssh-secret").read_text())
    except FileNotFoundError:
        return None
    resources = json.loads((config / "resourceconfig.json").read_text())
    key = Ed25519PrivateKey.from_private_bytes(seed)
    chance = hashlib.sha256(b"ports" + seed).digest()
    return Cluster(
        current=resources["current_host"],
        hosts=frozenset(resources["hosts"]),
        private=key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()),
        public=key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
        ports=tuple(_FIRST_PORT + int.from_bytes(chance[n * 4 : n * 4 + 4]) % _PORTS for n in range(_CHOICES)),
    )
