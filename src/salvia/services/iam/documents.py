"""Policy documents as clients send them: refused when malformed or too long, parsed once however often they are used."""

from functools import lru_cache

from salvia.services.iam.errors import LimitExceeded, MalformedPolicyDocument
from salvia.services.iam.policy import MalformedPolicyError, Policy, Use, parse


@lru_cache(maxsize=2048)
def parsed(text: str, use: Use, name: str = "", kind: str = "") -> Policy:
    """Raises MalformedPolicyDocument."""
    try:
        return parse(text, use, name=name, kind=kind)
    except MalformedPolicyError as error:
        raise MalformedPolicyDocument(str(error)) from error


def size(text: str) -> int:
    """IAM does not count white space."""
    return len("".join(text.split()))


def checked(text: str, use: Use, limit: int, refusal: str, already: int = 0) -> str:
    """The document itself when it is valid and, with `already` other characters, no longer than `limit`."""
    parsed(text, use)
    if already + size(text) > limit:
        raise LimitExceeded(refusal)
    return text
