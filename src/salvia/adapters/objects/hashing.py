"""Checksums as S3 names them: taken while bytes come in, compared, and combined when parts become one object."""

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Any, Protocol


@cache
def _crt() -> Any:
    """Loaded when the first checksum is asked for: it is a tenth of what a server loads to start."""
    return import_module("awscrt.checksums")


class Hash(Protocol):
    """Takes bytes, gives the digest as S3 writes it before base64: big-endian."""

    def update(self, data: bytes, /) -> object: ...

    def digest(self) -> bytes: ...


class _Crc:
    def __init__(self, step: Callable[[bytes, int], int], width: int) -> None:
        self._step, self._width, self._value = step, width, 0

    def update(self, data: bytes) -> None:
        self._value = self._step(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._width, "big")


class _XxHash:
    def __init__(self, made: Any) -> None:
        self._made = made

    def update(self, data: bytes) -> None:
        self._made.update(data)

    def digest(self) -> bytes:
        return bytes(self._made.finalize())


def _md5() -> Hash:
    return hashlib.md5(usedforsecurity=False)


def _sha1() -> Hash:
    return hashlib.sha1(usedforsecurity=False)


ALGORITHMS: Mapping[str, Callable[[], Hash]] = {
    "CRC32": lambda: _Crc(_crt().crc32, 4),
    "CRC32C": lambda: _Crc(_crt().crc32c, 4),
    "CRC64NVME": lambda: _Crc(_crt().crc64nvme, 8),
    "SHA1": _sha1,
    "SHA256": hashlib.sha256,
    "SHA512": hashlib.sha512,
    "MD5": _md5,
    "XXHASH64": lambda: _XxHash(_crt().XXHash.new_xxhash64()),
    "XXHASH3": lambda: _XxHash(_crt().XXHash.new_xxhash3_64()),
    "XXHASH128": lambda: _XxHash(_crt().XXHash.new_xxhash3_128()),
}
_COMBINE: Mapping[str, Callable[[int, int, int], int]] = {
    "CRC32": lambda first, second, size: _crt().combine_crc32(first, second, size),
    "CRC32C": lambda first, second, size: _crt().combine_crc32c(first, second, size),
    "CRC64NVME": lambda first, second, size: _crt().combine_crc64nvme(first, second, size),
}


class Hashes:
    """The MD5 that becomes the ETag, and every checksum that was asked for."""

    def __init__(self, algorithms: Iterable[str]) -> None:
        self._md5 = _md5()
        self._others = {name: ALGORITHMS[name]() for name in algorithms}

    def update(self, data: bytes) -> None:
        self._md5.update(data)
        for other in self._others.values():
            other.update(data)

    def md5(self) -> str:
        return self._md5.digest().hex()

    def checksums(self) -> dict[str, str]:
        return {name: base64.b64encode(other.digest()).decode() for name, other in self._others.items()}


def etag_of_parts(etags: Sequence[str]) -> str:
    joined = hashlib.md5(b"".join(bytes.fromhex(etag) for etag in etags), usedforsecurity=False)
    return f"{joined.hexdigest()}-{len(etags)}"


def full_object(algorithm: str, parts: Sequence[tuple[str, int]]) -> str:
    """The checksum of the whole from the (checksum, size) of its parts. Only the CRCs can do that."""
    combine = _COMBINE[algorithm]
    width = 8 if algorithm == "CRC64NVME" else 4
    whole = 0
    for checksum, size in parts:
        whole = combine(whole, int.from_bytes(base64.b64decode(checksum), "big"), size)
    return base64.b64encode(whole.to_bytes(width, "big")).decode()


def composite(algorithm: str, checksums: Sequence[str]) -> str:
    """The checksum of the parts' checksums, with their number."""
    made = ALGORITHMS[algorithm]()
    made.update(b"".join(base64.b64decode(checksum) for checksum in checksums))
    return f"{base64.b64encode(made.digest()).decode()}-{len(checksums)}"
