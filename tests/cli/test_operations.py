"""The table of operations, as lines and as a page."""

from dataclasses import dataclass

import pytest

from salvia import app
from salvia.cli import main, operations


@dataclass(frozen=True)
class Row:
    service: str
    operation: str
    state: str
    where: str = ""


ROWS = [
    Row("sagemaker", "AddTags", "behaves", "salvia/resources/tags.py:14"),
    Row("sagemaker", "CreateApp", "recorded only", "salvia/resources/kind.py:9"),
    Row("sagemaker", "CreateEdgeDeploymentPlan", "refused"),
    Row("s3", "PutObject", "behaves", "salvia/services/s3/objects.py:1"),
]


def test_the_page_counts_and_names_every_operation_without_lines_that_move() -> None:
    page = operations.markdown(ROWS)

    assert "| [sagemaker](#sagemaker) | 1 | 1 | 1 |" in page
    assert "| AddTags | behaves | `salvia/resources/tags.py` |" in page
    assert "Refused: CreateEdgeDeploymentPlan." in page
    assert all(row.operation in page for row in ROWS)


def test_lines_can_be_chosen_by_service_and_state(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "operations", lambda: ROWS)
    main(["operations", "--service", "sagemaker", "--state", "behaves"])

    assert capsys.readouterr().out == "sagemaker\tAddTags\tbehaves\tsalvia/resources/tags.py:14\n"


def test_a_noun_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "TrainingJob"]) == 0
    shown = capsys.readouterr().out

    assert "ListTrainingJobs" in shown
    assert "named by     TrainingJobName" in shown
    assert "NameContains" in shown


def test_a_noun_that_is_misspelt_is_answered_with_those_near_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "TrainingJub"]) == 1
    assert "TrainingJob" in capsys.readouterr().err
