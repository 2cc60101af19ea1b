"""A user's inference script: found, called as AWS's toolkits call it, and completed by a framework's defaults."""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from salvia_container.failure import UserError
from salvia_container.script_mode.serving.arrays import decode, encode
from salvia_container.script_mode.serving.functions import Defaults, ScriptHandler
from salvia_container.script_mode.serving.sklearn import SklearnDefaults
from salvia_container.script_mode.serving.xgboost import XgboostDefaults
from salvia_container.serving.handler import Answer, Refusal, Request


@pytest.fixture(autouse=True)
def own_modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a script brings to sys.path and sys.modules goes with its test."""
    import sys

    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


def served(folder: Path, script: str, defaults: Defaults, body: bytes, **headers: str) -> Answer:
    """The answer of a model whose code/inference.py is `script` to one request."""
    (folder / "code").mkdir()
    (folder / "code/inference.py").write_text(script)
    handler = ScriptHandler(defaults, folder / "fetched")
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    (answer,) = handler.answer(handler.load(folder), [Request(body, named)])
    return answer


ROWS = "class Model:\n    def predict(self, rows): return rows.sum(axis=1)\ndef model_fn(folder): return Model()\n"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"[[1, 2], [3, 4]]"),
        ("text/csv; charset=utf-8", b"1,2\n3,4"),
        ("application/x-npy", encode(np.array([[1.0, 2.0], [3.0, 4.0]]), "application/x-npy")[0]),
    ],
)
@pytest.mark.parametrize(
    ("accept", "answer"),
    [
        ("application/json", (b"[3.0, 7.0]", "application/json")),
        ("*/*", (b"[3.0, 7.0]", "application/json")),
        ("text/csv", (b"3.0\n7.0\n", "text/csv")),
    ],
)
def test_scikit_learns_defaults_read_predict_and_write(
    tmp_path: Path, content_type: str, body: bytes, accept: str, answer: tuple[bytes, str]
) -> None:
    found = served(tmp_path, ROWS, SklearnDefaults(), body, content_type=content_type, accept=accept)

    assert (found.body, found.content_type) == answer


def test_npy_answers_npy(tmp_path: Path) -> None:
    found = served(
        tmp_path, ROWS, SklearnDefaults(), b"[[1, 2]]", content_type="application/json", accept="application/x-npy"
    )

    assert decode(found.body, "application/x-npy").tolist() == [3.0]  # type: ignore[arg-type]


def test_every_function_of_a_script_takes_the_place_of_its_default(tmp_path: Path) -> None:
    script = (
        "def model_fn(folder): return 2\n"
        "def input_fn(body, content_type): return int(body)\n"
        "def predict_fn(data, model): return data * model\n"
        "def output_fn(prediction, accept): return f'<{prediction}>', 'text/html'\n"
    )
    found = served(tmp_path, script, Defaults(), b"21", content_type="text/plain")

    assert (found.body, found.content_type) == (b"<42>", "text/html")


def test_transform_fn_does_it_all_and_text_comes_as_text(tmp_path: Path) -> None:
    script = (
        "def model_fn(folder): return 'm'\n"
        "def transform_fn(model, body, content_type, accept): return f'{model} {body} {content_type} {accept}'\n"
    )
    found = served(tmp_path, script, Defaults(), b"{}", content_type="application/json", accept="text/csv")

    assert (found.body, found.content_type) == (b"m {} application/json text/csv", "text/csv")


def test_a_function_with_one_parameter_more_gets_the_context(tmp_path: Path) -> None:
    script = (
        "def model_fn(folder, context): return context.system_properties['model_dir'] == folder\n"
        "def transform_fn(model, body, content_type, accept, context):\n"
        "    return f'{model} {context.get_request_header(0, \"X-Colour\")}'\n"
    )

    assert served(tmp_path, script, Defaults(), b"", x_colour="blue").body == b"True blue"


def test_a_function_says_headers_of_the_answer_to_the_context(tmp_path: Path) -> None:
    script = (
        "def model_fn(folder): return 0\n"
        "def transform_fn(model, body, content_type, accept, context):\n"
        "    context.set_response_header(0, 'X-Colour', 'blue')\n"
        "    return b''\n"
    )

    assert served(tmp_path, script, Defaults(), b"").headers == {"x-colour": "blue"}


def test_transform_fn_beside_the_others_is_refused(tmp_path: Path) -> None:
    script = "def model_fn(f): pass\ndef transform_fn(m, b, c, a): pass\ndef input_fn(b, c): pass\n"

    with pytest.raises(ValueError, match="Cannot use transform_fn implementation in conjunction with"):
        served(tmp_path, script, Defaults(), b"")


def test_without_a_model_fn_it_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(NotImplementedError, match="Please provide a model_fn implementation"):
        served(tmp_path, "", SklearnDefaults(), b"")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content_type": "image/png"}, 415),
        ({"content_type": "application/json", "accept": "image/png"}, 406),
    ],
)
def test_types_that_the_defaults_cannot_do_are_refused(tmp_path: Path, headers: dict[str, str], status: int) -> None:
    with pytest.raises(Refusal) as refused:
        served(tmp_path, ROWS, SklearnDefaults(), b"[[1]]", **headers)

    assert refused.value.status == status


@pytest.mark.parametrize(
    ("body", "content_type"), [(b"[1,", "application/json"), (b"x", "application/x-npy"), (b"\xff", "text/csv")]
)
def test_a_body_that_cannot_be_read_is_the_clients_mistake(tmp_path: Path, body: bytes, content_type: str) -> None:
    with pytest.raises(Refusal) as refused:
        served(tmp_path, ROWS, SklearnDefaults(), body, content_type=content_type)

    assert refused.value.status == 400


def test_a_named_program_that_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGEMAKER_PROGRAM", "serve_me.py")

    with pytest.raises(UserError, match=r"SAGEMAKER_PROGRAM serve_me\.py is not in"):
        served(tmp_path, "", Defaults(), b"")


def test_code_comes_from_the_folder_or_archive_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "sourcedir.tar.gz"
    text = b"import beside\ndef model_fn(f): return beside.word\ndef transform_fn(m, b, c, a): return m"
    with tarfile.open(archive, "w:gz") as tar:
        for name, content in (("mine.py", text), ("beside.py", b"word = 'here'")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    monkeypatch.setenv("SAGEMAKER_SUBMIT_DIRECTORY", str(archive))
    monkeypatch.setenv("SAGEMAKER_PROGRAM", "mine.py")

    assert served(tmp_path, "raise SystemExit", Defaults(), b"").body == b"here"


@pytest.mark.parametrize(
    ("result", "body"),
    [("iter(['a', b'b'])", b"ab"), ("bytearray(b'x')", b"x"), ("[1, 2]", b"[1, 2]"), ("(b'y', 'text/plain')", b"y")],
)
def test_a_script_may_return_what_it_likes(tmp_path: Path, result: str, body: bytes) -> None:
    script = f"def model_fn(f): pass\ndef transform_fn(m, b, c, a): return {result}"
    found: Any = served(tmp_path, script, Defaults(), b"", accept="application/json").body

    assert (found if isinstance(found, bytes) else b"".join(found)) == body


@pytest.mark.parametrize(
    ("content_type", "body"),
    [("text/csv", b"1,2\n3,4"), ("text/libsvm", b"9 0:1 1:2\n9 0:3 1:4"), ("text/x-libsvm", b"0:1 1:2\n0:3 1:4")],
)
def test_xgboosts_defaults_make_a_matrix(tmp_path: Path, content_type: str, body: bytes) -> None:
    script = (
        "class Model:\n"
        "    def predict(self, rows, validate_features): return rows.get_data().toarray().sum(axis=1)\n"
        "def model_fn(folder): return Model()\n"
    )
    found = served(tmp_path, script, XgboostDefaults(), body, content_type=content_type)

    assert found.body == b"[3.0, 7.0]"
