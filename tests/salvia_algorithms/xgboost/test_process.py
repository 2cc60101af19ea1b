"""The image's entry point as a process: signals, kills, exit codes, and several instances."""

import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
import xgboost as xgb

from salvia_algorithms.xgboost import __main__ as program
from tests.salvia_algorithms.tree import as_csv
from tests.salvia_algorithms.xgboost.tree import Tree, scores, small

HOSTS = ("127.0.23.1", "127.0.23.2", "127.0.23.3")
ENDLESS = {"num_round": "1000000", "max_depth": "1", "nthread": "1"}


def start(tree: Tree, *arguments: str, job: str = "job") -> "subprocess.Popen[str]":
    tree.configure()
    environment = {**os.environ, "SM_BASE_PATH": str(tree.base), "OMP_NUM_THREADS": "1", "TRAINING_JOB_NAME": job}
    return subprocess.Popen(
        [sys.executable, "-m", "salvia_algorithms.xgboost", *(arguments or ("train",))],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def until_round(process: "subprocess.Popen[str]", number: int) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(f"[{number}]\t"):
            return
    raise AssertionError(f"round {number} never came")


def test_a_killed_job_goes_on_where_it_was(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    tree.hyperparameters = dict(ENDLESS)
    tree.checkpoints = True
    tree.channel("train", as_csv(small()))
    with start(tree) as process:
        until_round(process, 7)
        process.kill()
    last = max(int(path.suffix[1:]) for path in tree.checkpoint_dir.glob("xgboost-checkpoint.*"))
    tree.hyperparameters["num_round"] = str(last + 5)

    assert tree.train() == 0

    assert process.returncode == -signal.SIGKILL
    assert len(scores(capsys.readouterr().out, "train-rmse")) == 4
    assert xgb.Booster(model_file=str(tree.model)).num_boosted_rounds() == last + 5


def test_a_stopped_job_saves_its_model_when_asked(tree: Tree) -> None:
    tree.hyperparameters = {**ENDLESS, "save_model_on_termination": "true"}
    tree.channel("train", as_csv(small()))
    with start(tree) as process:
        until_round(process, 3)
        process.terminate()
        process.communicate()

    assert process.returncode == 0
    assert xgb.Booster(model_file=str(tree.model)).num_boosted_rounds() >= 4


def test_a_stopped_job_ends_at_once_without_a_model_otherwise(tree: Tree) -> None:
    tree.hyperparameters = dict(ENDLESS)
    tree.channel("train", as_csv(small()))
    with start(tree) as process:
        until_round(process, 3)
        process.terminate()
        process.communicate()

    assert process.returncode == 143
    assert not tree.model.exists()


def test_an_unknown_wish_is_refused_clearly(tree: Tree) -> None:
    with start(tree, "fly") as process:
        output, _ = process.communicate()

    assert process.returncode != 0
    assert "this image knows `train` and `serve`" in output


def test_several_instances_train_one_model_as_good_as_one_instance(
    tmp_path: Path, tree: Tree, abalone: list[list[float]], capsys: pytest.CaptureFixture[str]
) -> None:
    hyperparameters = {"num_round": "20", "max_depth": "5", "eta": "0.2", "eval_metric": "rmse,r2"}
    train, validation = abalone[:2922], abalone[2922:3548]
    trees = [Tree(tmp_path / host, dict(hyperparameters), hosts=HOSTS, current_host=host) for host in HOSTS]
    for place, one in enumerate(trees):  # the third has no data
        one.channel("train", as_csv(train[place::2]) if place < 2 else "")
        one.channel("validation", as_csv(validation[place::2]) if place < 2 else "", file="other")
    job = uuid.uuid4().hex
    processes = [start(one, job=job) for one in trees]
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    tree.hyperparameters = dict(hyperparameters)
    tree.channel("train", as_csv(train))
    tree.channel("validation", as_csv(validation), file="other")

    assert tree.train() == 0

    alone = capsys.readouterr().out
    assert [process.returncode for process in processes] == [0, 0, 0], outputs
    assert [one.model.exists() for one in trees] == [True, False, False]
    for name in ("train-rmse", "train-r2", "validation-rmse"):
        assert scores(outputs[0], name)[-1] == pytest.approx(scores(alone, name)[-1], abs=0.05)
    assert scores(outputs[1], "train-rmse") == []
    assert "not being used for distributed training" in outputs[2]


def test_when_one_instance_is_killed_the_others_fail_at_once(tmp_path: Path) -> None:
    hosts = ("127.0.24.1", "127.0.24.2")
    trees = [Tree(tmp_path / host, dict(ENDLESS), hosts=hosts, current_host=host) for host in hosts]
    for one in trees:
        one.channel("train", as_csv(small()))
    job = uuid.uuid4().hex
    first, second = (start(one, job=job) for one in trees)
    with first, second:
        until_round(first, 3)
        second.kill()
        first.communicate(timeout=60)

    assert first.returncode == 1
    assert trees[0].failure.startswith("AlgorithmError: ")
    assert "Stack trace" not in trees[0].failure


def test_a_job_that_names_a_script_runs_it_instead_of_the_algorithm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "input/config"
    config.mkdir(parents=True)
    (config / "hyperparameters.json").write_text('{"sagemaker_program": "\\"train.py\\""}')
    monkeypatch.setenv("SM_BASE_PATH", str(tmp_path))
    monkeypatch.setattr(program, "train_script", lambda: 42)

    assert program.main(["train"]) == 42


def test_a_container_that_names_a_script_serves_it_instead_of_the_algorithm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "serve", lambda handler: 1)
    monkeypatch.setattr(program, "serve_script", lambda framework: 42)
    algorithm = program.main(["serve"])
    monkeypatch.setenv("SAGEMAKER_PROGRAM", "inference.py")

    assert (algorithm, program.main(["serve"])) == (1, 42)
