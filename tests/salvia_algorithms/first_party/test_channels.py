"""Channels of AWS's own algorithms: what is accepted, and what is said of the rest."""

import pytest

from salvia_algorithms.first_party.channels import CSV, RECORDIO, SHARDED, Accepted, Channel, validate
from salvia_container.failure import UserError

ACCEPTED = (Accepted("train", required=True, distributions=(SHARDED,)), Accepted("test", formats=(RECORDIO,)))
TRAIN = {"S3DistributionType": SHARDED}


def refusal(**given: dict[str, str]) -> str:
    with pytest.raises(UserError) as caught:
        validate(ACCEPTED, given)
    return str(caught.value)


@pytest.mark.parametrize(
    ("content_type", "kind", "labels"),
    [
        ("text/csv", CSV, 1),
        ("text/csv;label_size=0", CSV, 0),
        ('Text/CSV; charset=utf-8; label_size="1"', CSV, 1),
        ("application/x-recordio-protobuf", RECORDIO, 1),
    ],
)
def test_content_types(content_type: str, kind: str, labels: int) -> None:
    channels = validate(ACCEPTED, {"train": {"ContentType": content_type, **TRAIN}})

    assert channels == {"train": Channel("train", kind, content_type, labels, sharded=True)}


def test_recordio_is_assumed() -> None:
    assert validate(ACCEPTED, {"train": TRAIN})["train"].format == RECORDIO


def test_a_required_channel_that_is_missing_is_named() -> None:
    assert refusal(test={}) == (
        "Unable to initialize the algorithm. Failed to validate input data configuration. (caused by ValidationError)\n\n"
        "Caused by: 'train' is a required property"
    )


def test_a_channel_that_does_not_exist_is_named() -> None:
    assert "Additional properties are not allowed ('training' was unexpected)" in refusal(train=TRAIN, training={})


@pytest.mark.parametrize("content_type", ["csv", "application/json", "text/libsvm"])
def test_a_format_that_cannot_be_read_is_named(content_type: str) -> None:
    message = refusal(train={"ContentType": content_type, **TRAIN})

    assert message == f"No iterator has been registered for ContentType ({content_type!r}, '1.0')"


def test_a_format_that_only_other_channels_take_is_refused() -> None:
    assert "No iterator has been registered" in refusal(train=TRAIN, test={"ContentType": "text/csv"})


def test_the_wrong_distribution_is_refused_with_the_right_one() -> None:
    message = refusal(train={"S3DistributionType": "FullyReplicated"})

    assert "'FullyReplicated' is not one of ['ShardedByS3Key']" in message
    assert "schema['properties']['train']['S3DistributionType']" in message
