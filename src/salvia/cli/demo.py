"""Train and serve a real model: the unmodified SageMaker SDK trains XGBoost, scores a file, deploys, asks and deletes."""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import uv
from rich.console import Console
from rich.table import Table

from salvia.adapters.images import build
from salvia.cli import Refusal, servers, starting
from salvia.cli.environment import applied, variables
from salvia.settings import Settings

_SOURCES = Path(__file__).with_name("demonstration")
_CHECKOUT, _INSTALLED = Path(__file__).parents[3] / "examples/data/abalone", _SOURCES / "abalone"
_DATA = _CHECKOUT if _CHECKOUT.exists() else _INSTALLED

# What AWS's own example notebooks show in their stored outputs (github.com/aws/amazon-sagemaker-examples).
_AWS_TRAIN_RMSE = "1.71"
_AWS_FIRST_LINE = "178 s"
_AWS_WHOLE_JOB = "206 s"
_AWS_IN_SERVICE = "240 s"
_AWS_TRANSFORM = "313 s"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--examples", type=Path, default=_DATA, help="the folder that holds abalone.csv")


def main(args: argparse.Namespace) -> int:
    if not (args.examples / "abalone.csv").exists():
        raise Refusal(f"{args.examples} has no abalone.csv: it is in the repository under examples/data/abalone")
    settings = Settings.load(port=args.port, data=args.data)
    console = Console(highlight=False, soft_wrap=True)
    python = _sdk(settings, console)
    build.build("xgboost", settings.environments, lambda message: console.print(f"XGBoost's environment: {message}"))
    server = servers.find(settings, args.port)
    if server is None:
        began = time.monotonic()
        server = starting.serve_apart(settings)
        console.print(f"Started a server at {server.url} in {time.monotonic() - began:.1f} s")
    else:
        console.print(f"Using the server at {server.url}")
    environment = applied(variables(settings, server, os.environ), os.environ)
    seen = _train(python, args.examples, environment, console)
    _report(seen, console)
    return 0


def _sdk(settings: Settings, console: Console) -> Path:
    """The interpreter of an environment with the unmodified SDK, built from its lock at the first time."""
    content = (_SOURCES / "uv.lock").read_bytes() + sys.version.encode()
    folder = settings.environments / f"demonstration-{hashlib.sha256(content).hexdigest()[:12]}"
    finished = folder / "finished"
    if finished.exists():
        return folder / "bin" / "python"
    console.print("Building an environment with the SageMaker SDK, once; it comes from PyPI")
    with tempfile.TemporaryDirectory() as project:
        for name in ("pyproject.toml", "uv.lock"):
            shutil.copy(_SOURCES / name, project)
        command = [
            uv.find_uv_bin(),
            "sync",
            "--frozen",
            "--no-config",
            "--project",
            project,
            "--python",
            sys.executable,
        ]
        chosen = build.uv_environment(os.environ) | {"UV_PROJECT_ENVIRONMENT": str(folder)}
        quiet = [] if console.is_terminal else ["--quiet"]
        if subprocess.run([*command, *quiet], env=chosen, check=False).returncode:
            raise Refusal(
                "the environment of the SageMaker SDK could not be built; is PyPI reachable from this machine?"
            )
    finished.touch()
    return folder / "bin" / "python"


def _train(python: Path, data: Path, environment: Mapping[str, str], console: Console) -> dict[str, Any]:
    """What the script saw; its output, which is the job's log, goes on as it comes."""
    console.rule("demonstration/train.py: what any SageMaker user writes")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [str(python), "-u", str(_SOURCES / "train.py"), str(data), str(report)]
        done = subprocess.run(command, env=dict(environment), check=False)
        console.rule()
        if done.returncode:
            raise Refusal("the demonstration failed; what went wrong stands above. Is everything well? salvia doctor")
        seen: dict[str, Any] = json.loads(report.read_text())
        return seen


def _report(seen: Mapping[str, Any], console: Console) -> None:
    table = Table("", "here", "AWS", box=None, pad_edge=False, header_style="bold")
    metrics = seen["metrics"]
    table.add_row("validation RMSE (rings)", f"{metrics['validation:rmse']:.2f}", "")
    table.add_row("training RMSE (rings)", f"{metrics['train:rmse']:.2f}", f"{_AWS_TRAIN_RMSE} [dim](all rows)[/]")
    table.add_row("Create to first line of log", f"{seen['to_first_line']:.2f} s", _AWS_FIRST_LINE)
    table.add_row("the whole job", f"{seen['whole_job']:.2f} s", _AWS_WHOLE_JOB)
    table.add_row("Create to endpoint InService", f"{seen['in_service']:.2f} s", _AWS_IN_SERVICE)
    table.add_row("one invocation", f"{seen['invoke'] * 1000:.1f} ms", "")
    table.add_row("RMSE of what the endpoint says", f"{seen['served_rmse']:.2f}", "")
    table.add_row("the whole batch transform job", f"{seen['transform']:.2f} s", _AWS_TRANSFORM)
    table.add_row("RMSE of what it writes", f"{seen['transformed_rmse']:.2f}", "")
    table.add_row("delete endpoint, configuration, model", f"{seen['delete']:.2f} s", "")
    table.add_row("upload of the data", f"{seen['upload']:.2f} s", "")
    table.add_row("download of the model", f"{seen['fetch']:.2f} s", "")
    console.print(table)
    console.print(
        "[dim]AWS: the notebook of this example, and medians of the runs stored in AWS's example notebooks[/]",
        end="\n\n",
    )
    console.print(f"The model, {seen['bytes'] / 1000:.0f} kB with {', '.join(seen['files'])}: {seen['model']}")
    console.print("Next, try:")
    console.print(f"  salvia logs {seen['job']}")
    console.print("  salvia run -- aws sagemaker list-training-jobs   [dim]or any script that uses boto3 or the SDK[/]")
    console.print('  eval "$(salvia env)"                             [dim]for the whole shell[/]')
    console.print("  salvia down")
