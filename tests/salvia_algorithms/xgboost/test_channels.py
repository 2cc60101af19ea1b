"""Which channels are taken, and in which words others are refused."""

import pytest

from salvia_algorithms.xgboost.channels import CSV, LIBSVM, PARQUET, RECORDIO, Channel, content_format, validate
from salvia_container.failure import UserError

FILE = {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}


def refusal(**channels: dict[str, str]) -> str:
    with pytest.raises(UserError) as caught:
        validate(channels)
    return str(caught.value)


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("csv", CSV),
        ("text/csv", CSV),
        ("text/csv;label_size=1", CSV),
        ("Text/CSV; label_size=1; charset=utf8", CSV),
        ("libsvm", LIBSVM),
        ("text/libsvm", LIBSVM),
        ("text/x-libsvm", LIBSVM),
        ("parquet", PARQUET),
        ("application/x-parquet", PARQUET),
        ("recordio-protobuf", RECORDIO),
        ("application/x-recordio-protobuf", RECORDIO),
    ],
)
def test_a_content_type_names_a_format(content_type: str, expected: str) -> None:
    assert content_format(content_type) == expected


def test_a_channel_without_content_type_is_libsvm() -> None:
    assert validate({"train": FILE}) == {"train": Channel("train", LIBSVM)}


def test_a_validation_channel_is_read_like_the_train_channel() -> None:
    assert validate({"train": {**FILE, "ContentType": "text/csv"}, "validation": FILE})["validation"].format == CSV


@pytest.mark.parametrize("distribution", ["FullyReplicated", "ShardedByS3Key"])
@pytest.mark.parametrize("mode", ["File", "FastFile"])
def test_folders_are_taken_in_both_modes_and_distributions(mode: str, distribution: str) -> None:
    config = {"ContentType": "csv", "TrainingInputMode": mode, "S3DistributionType": distribution}

    assert validate({"train": config}) == {"train": Channel("train", CSV)}


def test_a_pipe_may_carry_csv_but_not_libsvm() -> None:
    pipe = {**FILE, "TrainingInputMode": "Pipe", "ContentType": "text/csv"}

    assert validate({"train": pipe})["train"].pipe
    assert refusal(train={**pipe, "ContentType": "text/libsvm"}).startswith(
        "Channel configuration for 'train' channel is not supported: "
    )


def test_the_train_channel_is_required() -> None:
    assert refusal(validation=FILE) == "Missing required channel: train"


def test_an_unknown_channel_is_refused() -> None:
    assert refusal(train=FILE, test=FILE) == "Extraneous channel found: test"


def test_the_code_channel_is_let_through() -> None:
    assert list(validate({"train": FILE, "code": {**FILE, "ContentType": "text/python"}})) == ["train"]


def test_an_unknown_content_type_is_told_what_would_be_right() -> None:
    message = refusal(train={**FILE, "ContentType": "application/json"})

    assert message.startswith(
        "Channel configuration for 'train' channel is not supported: {'TrainingInputMode': 'File'"
    )
    assert "text/csv" in message.rpartition("}")[2]


def test_csv_has_one_label_column() -> None:
    assert refusal(train={**FILE, "ContentType": "text/csv;label_size=0"}) == (
        "text/csv;label_size=0 is not an accepted csv ContentType. Optional parameter label_size must be equal to 1"
    )
