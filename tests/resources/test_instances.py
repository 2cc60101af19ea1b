"""Shares of instance types, against AWS's published tables."""

import pytest

from salvia.resources.instances import GIB, Share, share_of
from tests.fakes import MODELS


@pytest.mark.parametrize(
    ("name", "cpus", "gib"),
    [
        ("ml.m5.large", 2, 8),
        ("ml.m5.xlarge", 4, 16),
        ("ml.c5.2xlarge", 8, 16),
        ("ml.r5.4xlarge", 16, 128),
        ("ml.t3.medium", 2, 4),
        ("ml.m5.24xlarge", 96, 384),
        ("ml.p3.2xlarge", 8, 61),
        ("ml.g4dn.xlarge", 4, 16),
    ],
)
def test_a_type_has_the_share_that_aws_publishes(name: str, cpus: int, gib: int) -> None:
    assert share_of(name) == Share(cpus, gib * GIB)


def test_every_type_of_the_model_has_a_share() -> None:
    types = MODELS.service("sagemaker").shape("TrainingInstanceType").enum

    assert [name for name in types if share_of(name).cpus < 1] == []
