"""Identifiers that are drawn, or derived from a name where every server must arrive at the same one."""

import base64
import hashlib
import random
import secrets

_drawn = random.Random().getrandbits  # noqa: S311 - names requests apart, and guards nothing


def request_id() -> str:
    """A random UUID (version 4), written without making one or asking the kernel: a tenth of the cost of uuid4()."""
    digits = f"{_drawn(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def unique(prefix: str) -> str:
    """An id as IAM gives them: "AROA" and 17 characters."""
    return prefix + base64.b32encode(secrets.token_bytes(11)).decode()[:17]


def derived(prefix: str, *words: str) -> str:
    """An id as IAM gives them, always the same for the same words."""
    digest = hashlib.sha256("/".join(words).encode()).digest()
    return prefix + base64.b32encode(digest).decode()[:17]
