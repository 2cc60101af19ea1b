"""What is derived from SageMaker's model, against the facts AWS's own tools state by hand."""

import pytest

from salvia.resources.derive import Derived, derive
from tests.fakes import MODELS

MODEL = MODELS.service("sagemaker")
NOUNS = sorted(name.removeprefix("Create") for name in MODEL.operation_names if name.startswith("Create"))


def derived(noun: str) -> Derived:
    return derive(noun, MODEL, {})


@pytest.mark.parametrize("noun", NOUNS)
def test_every_noun_that_can_be_created_derives(noun: str) -> None:
    found = derived(noun)

    assert found.verbs["Create"] == f"Create{noun}"
    assert found.arn_type == found.arn_type.lower()


def test_a_training_job_is_named_by_its_name() -> None:
    found = derived("TrainingJob")

    assert (found.identity, found.assigned) == (("TrainingJobName",), ())
    assert (found.arn_member, found.arn_type) == ("TrainingJobArn", "training-job")
    assert found.status_member == "TrainingJobStatus"
    assert (found.list_operation, found.result_key) == ("ListTrainingJobs", "TrainingJobSummaries")
    assert found.sorts == ("Name", "CreationTime", "Status")


@pytest.mark.parametrize(
    ("noun", "arn_type"),
    [
        ("AutoMLJob", "automl-job"),
        ("Trial", "experiment-trial"),
        ("TrialComponent", "experiment-trial-component"),
        ("Model", "model"),
    ],
)
def test_the_arn_type_is_what_the_models_pattern_says(noun: str, arn_type: str) -> None:
    assert derived(noun).arn_type == arn_type


def test_an_identity_that_the_service_assigns_is_known_as_such() -> None:
    assert derived("Domain").assigned == ("DomainId",)


def test_a_compound_identity_has_all_its_parts() -> None:
    assert derived("UserProfile").identity == ("DomainId", "UserProfileName")


def test_a_stated_fact_wins_over_the_derived_one() -> None:
    assert derive("TrainingJob", MODEL, {"arn_type": "job"}).arn_type == "job"
