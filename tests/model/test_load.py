"""The models are found, slimmed, cached and read without botocore's code."""

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from salvia.model.load import Models


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


def cached(cache: Path, service: str) -> Path:
    return next(cache.glob(f"*/{service}-*.model"))


def test_reading_a_model_never_imports_botocore(cache: Path) -> None:
    code = f"""
import sys, pathlib
from salvia.model.load import Models
Models(pathlib.Path({str(cache)!r})).service("sts").operation("GetCallerIdentity").output.members
assert "botocore" not in sys.modules
"""

    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_service_is_the_same_object_each_time(cache: Path) -> None:
    models = Models(cache)

    assert models.service("sts") is models.service("sts")


def test_a_service_botocore_does_not_have_is_a_key_error(cache: Path) -> None:
    with pytest.raises(KeyError):
        Models(cache).service("no-such-service")


@pytest.mark.parametrize("name", ["", ".", "..", "../data/s3"])
def test_a_name_that_is_a_path_is_a_key_error(name: str, cache: Path) -> None:
    with pytest.raises(KeyError):
        Models(cache).service(name)


def test_the_newest_api_version_wins(cache: Path) -> None:
    assert Models(cache).service("dynamodb").metadata["apiVersion"] == "2012-08-10"


def test_names_lists_what_service_accepts(cache: Path) -> None:
    assert {"sagemaker", "s3", "sagemaker-featurestore-runtime"} <= set(Models(cache).names())


def test_no_documentation_reaches_the_cache(cache: Path) -> None:
    Models(cache).service("sts")

    assert b"<p>" not in cached(cache, "sts").read_bytes()


def test_a_member_that_is_named_documentation_is_kept(tmp_path: Path) -> None:
    overlay = {"shapes": {"GetCallerIdentityResponse": {"members": {"documentation": {"shape": "arnType"}}}}}
    (tmp_path / "sts.json").write_bytes(orjson.dumps(overlay))

    output = Models(overlay=tmp_path).service("sts").operation("GetCallerIdentity").output

    assert output is not None
    assert output.members["documentation"].type == "string"


def test_an_overlay_adds_replaces_and_removes(tmp_path: Path) -> None:
    overlay = {
        "metadata": {"signingName": "changed"},
        "operations": {"GetSessionToken": None},
        "shapes": {"Extra": {"type": "string", "max": 3}},
    }
    (tmp_path / "sts.json").write_bytes(orjson.dumps(overlay))

    service = Models(overlay=tmp_path).service("sts")

    assert service.metadata["signingName"] == "changed"
    assert "GetSessionToken" not in service.operation_names
    assert service.shape("Extra").max == 3


def test_a_changed_overlay_is_not_answered_from_the_cache(tmp_path: Path) -> None:
    (tmp_path / "sts.json").write_text('{"metadata": {"signingName": "one"}}')
    Models(tmp_path, tmp_path).service("sts")

    (tmp_path / "sts.json").write_text('{"metadata": {"signingName": "two"}}')

    assert Models(tmp_path, tmp_path).service("sts").metadata["signingName"] == "two"


def test_sdk_extras_are_part_of_the_model(cache: Path) -> None:
    assert Models(cache).service("sagemaker").paginators["Search"]["non_aggregate_keys"] == ["TotalHits"]


def test_a_warm_start_does_not_compile_again(cache: Path) -> None:
    Models(cache).service("sts")
    before = cached(cache, "sts").stat()

    Models(cache).service("sts")

    assert cached(cache, "sts").stat().st_ino == before.st_ino


@pytest.mark.parametrize("size", [0, 5, 40, -1])
def test_a_cut_cache_file_is_compiled_again(size: int, tmp_path: Path) -> None:
    Models(tmp_path).service("sts")
    path = cached(tmp_path, "sts")
    path.write_bytes(path.read_bytes()[:size])

    assert Models(tmp_path).service("sts").operation("AssumeRole").input is not None


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")

    assert Models(blocked).service("sts").metadata["protocol"] == "query"


def test_several_processes_may_compile_at_once(tmp_path: Path) -> None:
    code = f"""
import pathlib
from salvia.model.load import Models
assert len(Models(pathlib.Path({str(tmp_path)!r})).service("sts").operation_names) > 5
"""
    started = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]

    assert [process.wait() for process in started] == [0, 0, 0]
    assert len(list(tmp_path.glob("*/*"))) == 1
