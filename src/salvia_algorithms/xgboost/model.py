"""The artefact `xgboost-model`: written as XGBoost writes it, read in every form SageMaker has left behind."""

import io
import os
import pickle
from pathlib import Path
from typing import Any

import xgboost as xgb

from salvia_container.failure import UserError

MODEL_NAME = "xgboost-model"
SNAPSHOT = b"CONFIG-offset:"

_OLD_HEADER = 136  # bytes of parameters before the objective's name in the old binary format


def save(model: xgb.Booster, path: Path) -> None:
    """Writes UBJSON, whole or not at all: a reader never sees half a model."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(model.save_raw("ubj"))
    os.replace(partial, path)


def load(path: Path) -> xgb.Booster:
    """Reads UBJSON, JSON, XGBoost's old binary format, and the pickles that SageMaker's images before 1.3 saved."""
    raw = path.read_bytes()
    if raw[:1] == b"\x80":
        raw = _unpickled(path.name, raw)
    if not _whole(raw):
        raise UserError(f"{path.name} is not an XGBoost model")
    try:
        return xgb.Booster(model_file=bytearray(raw))
    except xgb.core.XGBoostError as error:
        raise UserError(f"{path.name} is not an XGBoost model", error) from error


def _whole(raw: bytes) -> bool:
    """Whether this is worth giving to the library, which crashes on what is torn or foreign."""
    if raw[:1] == b"{":
        return raw.rstrip()[-1:] == b"}" and b"learner" in raw[:4096]
    old = raw.removeprefix(b"binf")
    name = old[_OLD_HEADER + 8 :][: int.from_bytes(old[_OLD_HEADER : _OLD_HEADER + 8], "little")]
    return b":" in name and name.isascii()  # the objective, such as reg:linear


class _Shell:
    """Stands in for the Booster of another version: only its saved bytes are wanted."""

    handle: bytes | bytearray = b""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.handle = state.get("handle") or b""


class _Unpickler(pickle.Unpickler):
    """Knows a Booster and the bytes in it. Any other class is refused: a pickle could run code."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("xgboost.core", "Booster"):
            return _Shell
        if (module, name) in {("builtins", "bytearray"), ("__builtin__", "bytearray")}:
            return bytearray
        if (module, name) == ("_codecs", "encode"):  # how protocol 2 writes bytes
            return lambda text, encoding: text.encode(encoding)
        if (module, name) in {("copy_reg", "_reconstructor"), ("copyreg", "_reconstructor")}:
            return lambda kind, _base, _state: kind()
        if (module, name) in {("builtins", "object"), ("__builtin__", "object")}:
            return object
        raise pickle.UnpicklingError(f"{module}.{name} is not part of a model")


def _unpickled(name: str, raw: bytes) -> bytes:
    try:
        booster = _Unpickler(io.BytesIO(raw)).load()
    except (pickle.UnpicklingError, EOFError, AttributeError, IndexError, UnicodeDecodeError, ValueError) as error:
        raise UserError(f"{name} is not a pickled XGBoost model: {error}") from error
    if not isinstance(booster, _Shell) or not booster.handle:
        raise UserError(f"{name} is not a pickled XGBoost model")
    return _without_configuration(bytes(booster.handle))


def _without_configuration(raw: bytes) -> bytes:
    """XGBoost 1.0 to 1.2 pickled a model together with its training state, behind the model; the model's length stands first."""
    if not raw.startswith(SNAPSHOT):
        return raw
    begins = len(SNAPSHOT) + 8
    length = int.from_bytes(raw[len(SNAPSHOT) : begins], "little")
    return raw[begins : begins + length]
