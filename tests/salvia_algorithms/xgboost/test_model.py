"""The artefact: what is written, and every older form that is read."""

import pickle
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import xgboost as xgb

from salvia_algorithms.xgboost import model
from salvia_container.failure import UserError

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated binary model format")
FEATURES = np.arange(20, dtype=np.float32).reshape(10, 2)


def booster() -> xgb.Booster:
    return xgb.train({"max_depth": 2, "nthread": 1}, xgb.DMatrix(FEATURES, label=np.arange(10)), 3)


def same(one: xgb.Booster, other: xgb.Booster) -> bool:
    return bool(np.array_equal(one.predict(xgb.DMatrix(FEATURES)), other.predict(xgb.DMatrix(FEATURES))))


def pickled(handle: bytearray, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """As the images before 1.3 saved it: the Booster of their day, with its bytes as `handle`."""
    module = types.ModuleType("xgboost.core")

    class Booster:
        pass

    Booster.__module__, Booster.__qualname__ = "xgboost.core", "Booster"
    module.Booster = Booster  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "xgboost.core", module)
    old = Booster()
    old.__dict__.update(handle=handle, feature_names=None, feature_types=None)
    content = pickle.dumps(old, protocol=3)
    monkeypatch.undo()
    return content


def test_the_artefact_is_ubjson_that_the_library_reads(tmp_path: Path) -> None:
    path = tmp_path / "model" / "xgboost-model"
    trained = booster()

    model.save(trained, path)

    assert path.read_bytes()[:2] == b"{L"
    assert same(xgb.Booster(model_file=str(path)), trained)
    assert [child.name for child in path.parent.iterdir()] == ["xgboost-model"]


@pytest.mark.parametrize("form", ["ubj", "json", "deprecated"])
def test_every_form_of_the_library_is_read(tmp_path: Path, form: str) -> None:
    trained = booster()
    (tmp_path / "m").write_bytes(trained.save_raw(form))

    assert same(model.load(tmp_path / "m"), trained)


def test_a_pickle_of_an_old_image_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = booster()
    (tmp_path / "m").write_bytes(pickled(trained.save_raw("deprecated"), monkeypatch))

    assert same(model.load(tmp_path / "m"), trained)


def test_a_pickle_with_training_state_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = booster()
    raw = bytes(trained.save_raw("deprecated"))
    raw = raw.removeprefix(b"binf")
    state = b"CONFIG-offset:" + len(raw).to_bytes(8, "little") + raw + b'{"learner":{}}'
    (tmp_path / "m").write_bytes(pickled(bytearray(state), monkeypatch))

    assert same(model.load(tmp_path / "m"), trained)


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return print, ("ran",)

    (tmp_path / "m").write_bytes(pickle.dumps(Evil()))

    with pytest.raises(UserError, match=r"builtins\.print is not part of a model"):
        model.load(tmp_path / "m")


@pytest.mark.parametrize("content", [b"", b"hello", b"{L", b"\x80\x03N."])
def test_what_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m").write_bytes(content)

    with pytest.raises(UserError, match="m is not a"):
        model.load(tmp_path / "m")
