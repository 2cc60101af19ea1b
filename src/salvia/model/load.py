"""The AWS service models: found in botocore's data folder, compiled once, cached on disk, read on demand."""

import gzip
import hashlib
import importlib.util
import logging
import os
import re
import tempfile
from collections.abc import Mapping
from functools import cached_property
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import orjson

from salvia.model.compiled import FORMAT, Compiled, compile_model
from salvia.model.shapes import ServiceModel

_log = logging.getLogger(__name__)
_OVERLAY = Path(__file__).parent / "overlay"


class Models:
    """Every service botocore describes, with what `model/overlay` adds to it.

    botocore is never imported: its data folder is enough, and importing it costs half a second. `service` is memoised.
    `cache` is a folder for the compiled models; several processes may share it. Without one, or where it cannot be
    written, models are compiled in memory.
    """

    def __init__(self, cache: Path | None = None, overlay: Path = _OVERLAY) -> None:
        self._cache = cache
        self._overlay = overlay
        self._services: dict[str, ServiceModel] = {}

    def service(self, name: str) -> ServiceModel:
        """`name` is that of botocore's folder ("sagemaker-runtime"). Raises KeyError when there is none."""
        found = self._services.get(name)
        if found is None:
            found = self._services[name] = ServiceModel(name, self._open(name))
        return found

    def names(self) -> tuple[str, ...]:
        """The services there are, in alphabetical order."""
        return tuple(sorted(entry.name for entry in os.scandir(self._data) if entry.is_dir()))

    @cached_property
    def _data(self) -> Path:
        return _botocore() / "data"

    @cached_property
    def _version(self) -> str:
        stated = re.search(
            r"""^__version__\s*=\s*['"]([^'"]+)""", (_botocore() / "__init__.py").read_text(), re.MULTILINE
        )
        return stated.group(1) if stated else "unknown"

    def _open(self, name: str) -> Compiled:
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", name):
            raise KeyError(name)
        folder = _newest(self._data / name)
        overlay = _bytes_of(self._overlay / f"{name}.json")
        if self._cache is None:
            return Compiled(_compile(folder, overlay))
        digest = hashlib.sha256(b"%d %s " % (FORMAT, folder.name.encode()) + overlay).hexdigest()[:16]
        path = self._cache / f"botocore-{self._version}" / f"{name}-{digest}.model"
        try:
            return Compiled(_mapped(path))
        except (OSError, ValueError):  # not there yet, or not whole
            data = _compile(folder, overlay)
        try:
            _write(path, data)
            return Compiled(_mapped(path))
        except OSError as error:
            _log.warning("the model of %s is not cached: %s", name, error)
            return Compiled(data)


def described(name: str, model: Mapping[str, Any]) -> ServiceModel:
    """A service from a description at hand (the content of a service-2.json), such as a protocol test suite's."""
    return ServiceModel(name, Compiled(compile_model(model)))


def _botocore() -> Path:
    spec = importlib.util.find_spec("botocore")  # looks for the package, runs none of it
    if spec is None or spec.origin is None:
        raise FileNotFoundError("botocore is not installed: its data folder holds the AWS service models")
    return Path(spec.origin).parent


def _newest(service: Path) -> Path:
    """The folder of the newest API version; versions are dates, so the last in order is the newest."""
    versions = [path.parent for path in service.glob("*/service-2.json*")]
    if not versions:
        raise KeyError(service.name)
    return max(versions)


def _compile(folder: Path, overlay: bytes) -> bytes:
    model = _document(folder, "service-2")
    for name, key in (("paginators-1", "pagination"), ("waiters-2", "waiters")):
        model[key] = _document(folder, name).get(key, {})
    if overlay:
        _merge(model, orjson.loads(overlay))
    return compile_model(model, model["pagination"], model["waiters"])


def _document(folder: Path, name: str) -> dict[str, Any]:
    """One JSON document of a service with its `sdk-extras` merged in, as every AWS SDK for Python reads it."""
    document = _json(folder / f"{name}.json")
    _merge(document, _json(folder / f"{name}.sdk-extras.json").get("merge", {}))
    return document


def _json(path: Path) -> dict[str, Any]:
    raw = _bytes_of(path)
    if not raw:
        packed = _bytes_of(path.with_name(f"{path.name}.gz"))
        raw = gzip.decompress(packed) if packed else b"{}"
    document: dict[str, Any] = orjson.loads(raw)
    return document


def _merge(into: dict[str, Any], patch: Mapping[str, Any]) -> None:
    """JSON merge patch (RFC 7396): objects merge, null removes, anything else replaces."""
    for name, value in patch.items():
        if value is None:
            into.pop(name, None)
        elif isinstance(value, dict):
            target = into.get(name)
            if not isinstance(target, dict):
                target = into[name] = {}
            _merge(target, value)
        else:
            into[name] = value


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _mapped(path: Path) -> mmap:
    with path.open("rb") as file:
        return mmap(file.fileno(), 0, access=ACCESS_READ)


def _write(path: Path, data: bytes) -> None:
    """By rename, so that another process sees the whole file or none. After a power cut its stated size may not hold:
    then it is compiled again, so it need not be synced.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.replace(file.name, path)
        except OSError:
            os.unlink(file.name)
            raise
