"""Replies are complete by the model."""

from salvia.resources.reply import complete
from tests.fakes import MODELS

DESCRIBED = MODELS.service("sagemaker").shape("DescribeTrainingJobResponse")


def test_members_the_model_does_not_know_stay_inside() -> None:
    assert "_attempt" not in complete(DESCRIBED, {"_attempt": 1})


def test_required_members_are_there_even_when_they_have_nothing_to_say() -> None:
    reply = complete(DESCRIBED, {})

    assert reply["ModelArtifacts"] == {"S3ModelArtifacts": ""}
    assert reply["StoppingCondition"] == {}


def test_required_times_and_numbers_are_never_invented() -> None:
    assert "CreationTime" not in complete(DESCRIBED, {})


def test_nested_lists_are_completed_too() -> None:
    reply = complete(DESCRIBED, {"SecondaryStatusTransitions": [{"Status": "Training", "StartTime": 1.0, "Own": 1}]})

    assert reply["SecondaryStatusTransitions"] == [{"Status": "Training", "StartTime": 1.0}]


def test_none_is_absence() -> None:
    assert "FailureReason" not in complete(DESCRIBED, {"FailureReason": None})
