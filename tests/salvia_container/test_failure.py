"""How a job's failure reaches the user."""

from collections.abc import Callable
from pathlib import Path

import pytest

from salvia_container.failure import REASON_LENGTH, AlgorithmError, PlatformError, UserError, run


def raising(error: Exception) -> Callable[[], None]:
    def job() -> None:
        raise error

    return job


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (UserError("no label"), 2, "ClientError: no label"),
        (UserError("no number", ValueError("x")), 2, "ClientError: no number (caused by ValueError)"),
        (AlgorithmError("diverged"), 1, "AlgorithmError: diverged"),
        (PlatformError("no hosts"), 3, "InternalServerError: no hosts"),
        (RuntimeError("oh"), 1, "AlgorithmError: framework error: RuntimeError: oh"),
        (
            MemoryError(),
            2,
            "ClientError: Out of memory. Please use a larger instance or less data. (caused by MemoryError)",
        ),
    ],
)
def test_a_failure_has_an_exit_code_and_a_reason(tmp_path: Path, error: Exception, code: int, reason: str) -> None:
    file = tmp_path / "output" / "failure"

    assert run(raising(error), file) == code

    assert file.read_text() == reason


def test_success_leaves_no_reason(tmp_path: Path) -> None:
    assert run(lambda: None, tmp_path / "failure") == 0

    assert not (tmp_path / "failure").exists()


def test_a_reason_is_cut_to_what_reaches_the_user(tmp_path: Path) -> None:
    run(raising(UserError("x" * 5000)), tmp_path / "failure")

    assert len((tmp_path / "failure").read_text()) == REASON_LENGTH


def test_a_failure_is_a_line_of_the_log_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(raising(UserError("no label")), tmp_path / "failure")

    assert capsys.readouterr().out.endswith(":ERROR] ClientError: no label\n")
