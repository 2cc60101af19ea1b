"""The order of keys: bytes of UTF-8, which is the order of code points, and so of Python's strings and SQLite's."""

_LAST = "\U0010ffff"


def prefix_end(prefix: str) -> str:
    """The least string that is greater than every string with this prefix (but for those of U+10FFFF alone)."""
    stripped = prefix.rstrip(_LAST)
    if not stripped:
        return _LAST * 512
    following = ord(stripped[-1]) + 1
    # between them lie the surrogates, which are no characters
    return stripped[:-1] + chr(0xE000 if following == 0xD800 else following)
