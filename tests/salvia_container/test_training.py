"""What a job finds in /opt/ml."""

import json
from pathlib import Path
from typing import Any

import pytest

from salvia_container import training
from salvia_container.failure import PlatformError
from salvia_container.training import TrainingEnvironment


def read(base: Path, **documents: Any) -> TrainingEnvironment:
    config = base / "input" / "config"
    config.mkdir(parents=True)
    for name, document in documents.items():
        (config / f"{name}.json").write_text(document if isinstance(document, str) else json.dumps(document))
    return TrainingEnvironment.read(base)


def test_an_empty_tree_is_one_instance_without_anything(tmp_path: Path) -> None:
    environment = read(tmp_path)

    assert (environment.hosts, environment.current_host) == (("algo-1",), "algo-1")
    assert (environment.hyperparameters, environment.channels, environment.checkpoint_dir) == ({}, {}, None)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("0.2", "0.2"),
        ("reg:linear", "reg:linear"),
        ('"reg:linear"', "reg:linear"),
        ("true", "true"),
        ('"', '"'),
        ('"a', '"a'),
    ],
)
def test_hyperparameters_are_what_was_typed_without_the_quotes_of_an_sdk(
    tmp_path: Path, typed: str, meant: str
) -> None:
    assert read(tmp_path, hyperparameters={"name": typed}).hyperparameters == {"name": meant}


def test_hosts_come_in_the_same_order_everywhere(tmp_path: Path) -> None:
    environment = read(tmp_path, resourceconfig={"current_host": "algo-1", "hosts": ["algo-2", "algo-1"]})

    assert environment.hosts == ("algo-1", "algo-2")


@pytest.mark.parametrize(("document", "below"), [({"LocalPath": "/opt/ml/points"}, "/opt/ml/points"), ({}, None)])
def test_checkpoints_are_kept_when_the_job_asks_for_them(
    tmp_path: Path, document: dict[str, str], below: str | None
) -> None:
    environment = read(tmp_path, checkpointconfig=document)

    assert environment.checkpoint_dir == Path(below or tmp_path / "checkpoints")


def test_the_base_path_can_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SM_BASE_PATH", str(tmp_path))

    environment = TrainingEnvironment.read()

    assert environment.model_dir == tmp_path / "model"
    assert environment.output_data_dir == tmp_path / "output" / "data"
    assert environment.channel_path("train") == tmp_path / "input" / "data" / "train"
    assert environment.pipe_path("train", 1) == tmp_path / "input" / "data" / "train_1"
    assert training.failure_file() == environment.failure_file == tmp_path / "output" / "failure"


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_broken_configuration_is_the_platforms_fault(tmp_path: Path, text: str) -> None:
    with pytest.raises(PlatformError, match=r"^inputdataconfig\.json is not"):
        read(tmp_path, inputdataconfig=text)


def test_threads_are_the_share_of_the_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert training.cpus() == 3

    monkeypatch.setenv("OMP_NUM_THREADS", "")
    assert training.cpus() >= 1


def test_memory_is_the_share_of_the_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SM_MEMORY_BYTES", "1000")
    assert training.memory() == 1000

    monkeypatch.delenv("SM_MEMORY_BYTES")
    assert training.memory() > 1000
