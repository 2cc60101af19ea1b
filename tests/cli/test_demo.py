"""The demonstration's own words; that it works is tested with the unmodified SDK by `make demo`."""

from pathlib import Path

import pytest
from rich.console import Console

from salvia.cli import demo, main


def test_the_report_names_the_error_and_every_time_beside_awss(capsys: pytest.CaptureFixture[str]) -> None:
    seen = {
        "metrics": {"validation:rmse": 2.191, "train:rmse": 1.652},
        "to_first_line": 0.05,
        "whole_job": 0.22,
        "upload": 1.6,
        "fetch": 0.05,
        "in_service": 0.81,
        "invoke": 0.0021,
        "served_rmse": 2.191,
        "transform": 0.52,
        "transformed_rmse": 2.191,
        "delete": 0.2,
        "bytes": 30_000,
        "files": ["xgboost-model"],
        "model": "s3://bucket/model.tar.gz",
        "job": "abalone-1",
    }
    demo._report(seen, Console())
    shown = " ".join(capsys.readouterr().out.split())

    assert "validation RMSE (rings) 2.19" in shown
    assert "Create to first line of log 0.05 s 178 s" in shown
    assert "Create to endpoint InService 0.81 s 240 s" in shown
    assert "one invocation 2.1 ms" in shown
    assert "the whole batch transform job 0.52 s 313 s" in shown
    assert "The model, 30 kB with xgboost-model: s3://bucket/model.tar.gz" in shown


def test_without_its_data_it_says_where_that_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--examples", str(tmp_path)]) == 1
    assert "examples/data/abalone" in capsys.readouterr().err


def test_its_data_and_script_are_in_the_repository() -> None:
    assert (demo._DATA / "abalone.csv").exists()
    assert {"train.py", "pyproject.toml", "uv.lock"} <= {path.name for path in demo._SOURCES.iterdir()}
