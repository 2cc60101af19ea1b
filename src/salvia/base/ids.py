"""Identifiers that are drawn, or derived from a name where every server must arrive at the same one."""

import base64
import hashlib
import secrets
from itertools import count

_DRAWN = secrets.token_hex(10)
_PROCESS = f"{_DRAWN[:8]}-{_DRAWN[8:12]}-4{_DRAWN[12:15]}-a{_DRAWN[15:18]}-"
_REQUESTS = count(secrets.randbits(47))


def request_id() -> str:
    """In the form of a UUID: what was drawn when this process began, and a number. It names requests apart, and guards nothing."""
    return f"{_PROCESS}{next(_REQUESTS):012x}"


def unique(prefix: str) -> str:
    """An id as IAM gives them: "AROA" and 17 characters."""
    return prefix + base64.b32encode(secrets.token_bytes(11)).decode()[:17]


def derived(prefix: str, *words: str) -> str:
    """An id as IAM gives them, always the same for the same words."""
    digest = hashlib.sha256("/".join(words).encode()).digest()
    return prefix + base64.b32encode(digest).decode()[:17]
