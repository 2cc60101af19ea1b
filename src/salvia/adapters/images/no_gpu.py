"""Shared libraries that stand in for those of a GPU, so that PyTorch of PyPI runs without them.

PyPI's Linux wheels of PyTorch are built for CUDA and name 2.3 GB of NVIDIA's libraries, which a machine without a GPU never
calls but the dynamic linker wants to see. What stands in for one has the functions that PyTorch names, and each says: no
CUDA-capable device is detected. Source: the ELF specification, and the GNU symbol versions of the Linux Standard Base.
"""

import mmap
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

_OF_GPU = ("libcu", "libnv", "libnccl")
_CALLS = ("cu", "__cuda", "nccl", "nvrtc", "nvshmem")  # how the names of their functions begin
_OF_GPU_PACKAGES = ("Requires-Dist: nvidia-", "Requires-Dist: cuda-", "Requires-Dist: triton")
_SENTENCE = b"CUDA is not part of this environment\0"
_PAGE = 0x10000  # the largest that either machine uses
_X86, _ARM = 62, 183
_SYMBOLS, _NEEDED_VERSIONS, _VERSIONS, _DYNAMIC = 11, 0x6FFFFFFE, 0x6FFFFFFF, 6  # types of sections
_NEEDED = 1  # a tag of the dynamic section
_GLOBAL_FUNCTION, _WEAK = 0x12, 2


@dataclass(slots=True)
class _Library:
    """What the dynamic linker reads of a shared library. `undefined` maps a symbol to the library and version it wants, or ("", "")."""

    machine: int
    needed: list[str] = field(default_factory=list)
    defined: set[str] = field(default_factory=set)
    undefined: dict[str, tuple[str, str]] = field(default_factory=dict)


def free(site: Path) -> None:
    """Makes the PyTorch in the folder of packages `site` one that needs no GPU, and says so in what pip reads of it."""
    stand_in(site / "torch/lib", (site / "torchvision",))
    for metadata in site.glob("torch-*.dist-info/METADATA"):
        lines = metadata.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = (line for line in lines if not line.startswith(_OF_GPU_PACKAGES))
        metadata.unlink()  # it may be a link to uv's cache
        metadata.write_text("".join(kept), encoding="utf-8")
        metadata.chmod(0o644)


def stand_in(folder: Path, others: Iterable[Path] = ()) -> list[str]:
    """Writes to `folder`, which has the shared libraries of PyTorch, those that they need and no machine without a GPU has.

    `others` are folders of extensions that use them too. Returns the names of what was written.
    """
    paths = [path for place in (folder, *others) for path in sorted(place.glob("*.so*")) if path.is_file()]
    libraries = [_read(path) for path in paths]
    needed = {name for library in libraries for name in library.needed}
    missing = sorted(name for name in needed - {path.name for path in paths} if name.startswith(_OF_GPU))
    wanted: dict[str, dict[str, str]] = {name: {} for name in missing}  # of each missing library: symbol to version
    defined: set[str] = set().union(*(library.defined for library in libraries))
    for library in libraries:
        for symbol, (file, version) in library.undefined.items():
            if file in wanted:
                wanted[file][symbol] = version
            elif not file and missing and symbol not in defined and symbol.startswith(_CALLS):
                wanted[missing[0]].setdefault(symbol, "")
    for name, symbols in wanted.items():
        (folder / name).write_bytes(_library(name, symbols, libraries[0].machine))
        (folder / name).chmod(0o755)
    return missing


# ------------------------------------------------------------- reading


def _read(path: Path) -> _Library:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        library = _Library(struct.unpack_from("<H", data, 18)[0])
        sections = list(_sections(data))
        kinds = {section[1]: section for section in sections}
        _, _, _, _, offset, size, link, _, _, _ = kinds[_DYNAMIC]
        strings = sections[link][4]
        library.needed = [
            _text(data, strings + value)
            for tag, value in struct.iter_unpack("<QQ", data[offset : offset + size])
            if tag == _NEEDED
        ]
        _read_symbols(data, sections, kinds, library)
        return library


def _sections(data: mmap.mmap) -> Iterator[tuple[int, ...]]:
    (start,) = struct.unpack_from("<Q", data, 40)
    size, count = struct.unpack_from("<HH", data, 58)
    for number in range(count):
        yield struct.unpack_from("<IIQQQQIIQQ", data, start + number * size)


def _read_symbols(
    data: mmap.mmap, sections: list[tuple[int, ...]], kinds: dict[int, tuple[int, ...]], library: _Library
) -> None:
    _, _, _, _, offset, size, link, _, _, _ = kinds[_SYMBOLS]
    strings = sections[link][4]
    versions = dict(_needed_versions(data, sections, kinds))
    numbers: Iterable[int] = [0] * (size // 24)
    if _VERSIONS in kinds:
        at, length = kinds[_VERSIONS][4:6]
        numbers = (number for (number,) in struct.iter_unpack("<H", data[at : at + length]))
    symbols = struct.iter_unpack("<IBBHQQ", data[offset : offset + size])
    for (name, info, _, section, _, _), number in zip(symbols, numbers, strict=False):
        if not name:
            continue
        if section:
            library.defined.add(_text(data, strings + name))
        elif info >> 4 != _WEAK:
            library.undefined[_text(data, strings + name)] = versions.get(number & 0x7FFF, ("", ""))


def _needed_versions(
    data: mmap.mmap, sections: list[tuple[int, ...]], kinds: dict[int, tuple[int, ...]]
) -> Iterator[tuple[int, tuple[str, str]]]:
    if _NEEDED_VERSIONS not in kinds:
        return
    _, _, _, _, entry, _, link, count, _, _ = kinds[_NEEDED_VERSIONS]
    strings = sections[link][4]
    for _ in range(count):
        _, parts, file, first, after = struct.unpack_from("<HHIII", data, entry)
        part = entry + first
        for _ in range(parts):
            _, _, number, name, following = struct.unpack_from("<IHHII", data, part)
            yield number & 0x7FFF, (_text(data, strings + file), _text(data, strings + name))
            part += following
        entry += after


def _text(data: mmap.mmap, at: int) -> str:
    return data[at : data.find(b"\0", at)].decode("latin-1")


# ------------------------------------------------------------- writing


class _Strings:
    def __init__(self) -> None:
        self.data = bytearray(b"\0")

    def add(self, text: str) -> int:
        at = len(self.data)
        self.data += text.encode("latin-1") + b"\0"
        return at


def _library(name: str, symbols: dict[str, str], machine: int) -> bytes:
    """A shared library of that name with a function for each of `symbols` (to its version, "" for none)."""
    strings = _Strings()
    soname = strings.add(name)
    versions = {version: number for number, version in enumerate(sorted(set(symbols.values()) - {""}), 2)}
    order = sorted(symbols)
    names = [strings.add(symbol) for symbol in order]
    definitions = _definitions(strings, name, soname, versions)
    code, error, sentence = _code(machine)
    parts: dict[str, int] = {}
    body = bytearray(64 + 4 * 56)

    def put(part: str, content: bytes) -> None:
        body.extend(bytes(-len(body) % 16))
        parts[part] = len(body)
        body.extend(content)

    put("code", code)
    addresses = [parts["code"] + (sentence if symbol.endswith(("String", "Name")) else error) for symbol in order]
    entries = [struct.pack("<IBBHQQ", 0, 0, 0, 0, 0, 0)]
    entries += [
        struct.pack("<IBBHQQ", at, _GLOBAL_FUNCTION, 0, 1, value, 16)
        for at, value in zip(names, addresses, strict=True)
    ]
    put("symbols", b"".join(entries))
    put("strings", bytes(strings.data))
    chain = [*range(2, len(entries)), 0] if order else []
    put("hash", struct.pack(f"<{3 + len(entries)}I", 1, len(entries), 1 if order else 0, 0, *chain))
    put("versions", struct.pack(f"<{len(entries)}H", 0, *(versions.get(symbols[symbol], 1) for symbol in order)))
    put("definitions", definitions)
    body.extend(bytes(-len(body) % _PAGE))
    tags = [
        (14, soname),
        (4, parts["hash"]),
        (5, parts["strings"]),
        (6, parts["symbols"]),
        (10, len(strings.data)),
        (11, 24),
    ]
    tags += [
        (0x6FFFFFF0, parts["versions"]),
        (0x6FFFFFFC, parts["definitions"]),
        (0x6FFFFFFD, len(versions) + 1),
        (0, 0),
    ]
    dynamic = b"".join(struct.pack("<QQ", *tag) for tag in tags)
    body[:64] = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 3, machine, 1, 0, 64, 0, 0, 64, 56, 4, 0, 0, 0)
    at = len(body)
    segments = [
        (1, 5, 0, at, _PAGE),
        (1, 6, at, len(dynamic), _PAGE),
        (2, 6, at, len(dynamic), 8),
        (0x6474E551, 6, 0, 0, 16),
    ]
    body[64 : 64 + 4 * 56] = b"".join(
        struct.pack("<IIQQQQQQ", kind, flags, where, where, where, size, size, align)
        for kind, flags, where, size, align in segments
    )
    return bytes(body) + dynamic


def _definitions(strings: _Strings, name: str, soname: int, versions: dict[str, int]) -> bytes:
    entries = [(1, 1, name, soname)] + [
        (0, number, version, strings.add(version)) for version, number in versions.items()
    ]
    packed = [
        struct.pack("<HHHHIII", 1, base, number, 1, _elf_hash(text), 20, 28 if number <= len(versions) else 0)
        + struct.pack("<II", at, 0)
        for base, number, text, at in entries
    ]
    return b"".join(packed)


def _elf_hash(text: str) -> int:
    value = 0
    for byte in text.encode():
        value = (value << 4) + byte
        high = value & 0xF0000000
        value = (value ^ (high >> 24)) & ~high & 0xFFFFFFFF
    return value


def _code(machine: int) -> tuple[bytes, int, int]:
    """Instructions, and where in them two functions begin: one returns 100 (cudaErrorNoDevice), one the sentence's address."""
    if machine == _X86:
        error = bytes.fromhex("b864000000c3").ljust(16, b"\x90")  # mov eax, 100; ret
        sentence = bytes.fromhex("488d0509000000c3").ljust(16, b"\x90")  # lea rax, [rip + 9]; ret
    elif machine == _ARM:
        error = bytes.fromhex("800c8052c0035fd6").ljust(16, b"\0")  # mov w0, #100; ret
        sentence = bytes.fromhex("80000010c0035fd6").ljust(16, b"\0")  # adr x0, . + 16; ret
    else:
        raise ValueError(f"no stand-in can be written for the machine {machine}")
    return error + sentence + _SENTENCE, 0, 16
