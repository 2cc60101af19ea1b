"""Models: what CreateModel admits, and what it says of the rest."""

from pathlib import Path
from typing import Any

import pytest

from salvia.base.errors import AwsError
from salvia.services.sagemaker.hosting.model import CONTAINER_MEMBERS, MEMBERS, Model
from tests import fakes

IMAGE = "000000000000.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:1.7-1"
CONTAINER = {"Image": IMAGE, "ModelDataUrl": "s3://bucket/model.tar.gz", "Environment": {"A": "1"}}


@pytest.fixture
def kind(tmp_path: Path) -> Model:
    world = fakes.world(tmp_path, "bucket")
    world.objects.buckets["bucket"]["model.tar.gz"] = b"tar"  # type: ignore[attr-defined]
    return Model(world, fakes.MODELS.service("sagemaker"))


async def create(kind: Model, **changes: Any) -> Any:
    request = {"ModelName": "m", "ExecutionRoleArn": fakes.ROLE, "PrimaryContainer": CONTAINER} | changes
    kept = {name: value for name, value in request.items() if value is not None}
    return await kind.create(fakes.call("CreateModel", **kept))


def test_every_member_of_the_request_is_answered_for() -> None:
    asked = fakes.MODELS.service("sagemaker").operation("CreateModel").input
    assert asked is not None
    container = asked.members["PrimaryContainer"]

    assert set(asked.members) == set(MEMBERS)
    assert set(container.members) == set(CONTAINER_MEMBERS)


async def test_a_model_is_shown_as_it_was_made(kind: Model) -> None:
    await create(kind)

    shown: Any = await kind.describe(fakes.call("DescribeModel", ModelName="m"))
    assert shown["ModelArn"].endswith(":model/m")
    assert shown["PrimaryContainer"]["Environment"] == {"A": "1"}
    assert shown["PrimaryContainer"]["Mode"] == "SingleModel"
    assert shown["EnableNetworkIsolation"] is False


async def test_a_name_is_taken_and_missed_in_the_words_that_clients_look_for(kind: Model) -> None:
    await create(kind)

    with pytest.raises(AwsError, match="Cannot create already existing model") as taken:
        await create(kind)
    with pytest.raises(AwsError, match=r'Could not find model "arn:aws:sagemaker:.*:model/x"') as missing:
        await kind.describe(fakes.call("DescribeModel", ModelName="x"))
    assert {taken.value.code, missing.value.code} == {"ValidationException"}


async def test_a_pipeline_is_serial_unless_it_says_otherwise(kind: Model) -> None:
    await create(kind, PrimaryContainer=None, Containers=[CONTAINER, CONTAINER])

    shown: Any = await kind.describe(fakes.call("DescribeModel", ModelName="m"))
    assert shown["InferenceExecutionConfig"] == {"Mode": "Serial"}
    assert len(shown["Containers"]) == 2


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"PrimaryContainer": None}, "Exactly one of PrimaryContainer and Containers"),
        ({"Containers": [CONTAINER]}, "Exactly one of PrimaryContainer and Containers"),
        ({"ExecutionRoleArn": None}, "ExecutionRoleArn is needed"),
        ({"PrimaryContainer": CONTAINER | {"Image": "unknown"}}, "Requested image unknown not found"),
        ({"PrimaryContainer": {"ModelDataUrl": "s3://bucket/model.tar.gz"}}, "Image is needed"),
        (
            {"PrimaryContainer": CONTAINER | {"ModelDataUrl": "s3://bucket/none"}},
            "Could not find model data at s3://bucket/none",
        ),
        ({"InferenceExecutionConfig": {"Mode": "Direct"}}, "only with Containers"),
        ({"PrimaryContainer": {"Image": IMAGE, "Mode": "MultiModel"}}, "needs a ModelDataUrl"),
        (
            {"PrimaryContainer": None, "Containers": [CONTAINER | {"ContainerHostname": "a"}] * 2},
            "ContainerHostname must be unique",
        ),
    ],
)
async def test_what_cannot_be_a_model_is_refused(kind: Model, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(AwsError, match=sentence):
        await create(kind, **changes)


async def test_a_role_that_may_not_read_the_data_is_told_so(kind: Model) -> None:
    kind.world.parts["refused"].add("GetObject model.tar.gz")

    with pytest.raises(AwsError, match='the role has "s3:GetObject" permissions'):
        await create(kind)
