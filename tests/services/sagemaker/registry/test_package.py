"""Model packages and their groups: versions, approval, and the models that are made of them."""

from typing import Any

import pytest

from salvia.base.errors import AwsError, ValidationError
from salvia.services.sagemaker.registry.package import MEMBERS, batch_describe
from tests import fakes
from tests.services.sagemaker.registry.conftest import INFERENCE, TRANSFORM, Bench


@pytest.fixture
async def grouped(bench: Bench) -> Bench:
    await bench.ask("CreateModelPackageGroup", ModelPackageGroupName="Group")
    return bench


async def deployed(bench: Bench, **container: Any) -> Any:
    await bench.ask("CreateModel", ModelName="m", ExecutionRoleArn=fakes.ROLE, PrimaryContainer=container)
    return await bench.ask("DescribeModel", ModelName="m")


def test_every_member_of_the_request_is_answered_for() -> None:
    asked = fakes.MODELS.service("sagemaker").operation("CreateModelPackage").input
    assert asked is not None

    assert set(asked.members) == set(MEMBERS)


async def test_a_package_is_pending_and_then_completed(bench: Bench) -> None:
    made = await bench.ask("CreateModelPackage", ModelPackageName="p", InferenceSpecification=INFERENCE)
    before = await bench.ask("DescribeModelPackage", ModelPackageName="p")
    await bench.step("ModelPackage")

    after = await bench.ask("DescribeModelPackage", ModelPackageName=made["ModelPackageArn"])
    assert (before["ModelPackageStatus"], after["ModelPackageStatus"]) == ("Pending", "Completed")
    assert "ModelApprovalStatus" not in after


async def test_a_model_is_made_of_a_package(bench: Bench) -> None:
    arn = await bench.package()

    shown = await deployed(bench, ModelPackageName="p", Environment={"B": "3"})
    assert shown["PrimaryContainer"] == {
        "Image": "image",
        "Mode": "SingleModel",
        "ModelDataUrl": "s3://bucket/model.tar.gz",
        "ModelDataSource": shown["PrimaryContainer"]["ModelDataSource"],
        "Environment": {"A": "1", "B": "3"},
        "ModelPackageName": arn,
    }


async def test_a_package_of_several_containers_is_a_pipeline(bench: Bench) -> None:
    await bench.package(InferenceSpecification=INFERENCE | {"Containers": INFERENCE["Containers"] * 2})  # type: ignore[operator]

    shown = await deployed(bench, ModelPackageName="p")
    assert len(shown["Containers"]) == 2


async def test_a_package_is_made_of_an_algorithm_and_its_model(bench: Bench) -> None:
    await bench.algorithm()
    data = {"AlgorithmName": "trees", "ModelDataUrl": "s3://bucket/other.tar.gz"}
    source = {"SourceAlgorithms": [data]}
    await bench.package(InferenceSpecification=None, SourceAlgorithmSpecification=source)

    shown = await bench.ask("DescribeModelPackage", ModelPackageName="p")
    (container,) = shown["InferenceSpecification"]["Containers"]
    assert (container["Image"], container["ModelDataUrl"]) == ("image", "s3://bucket/other.tar.gz")
    assert shown["SourceAlgorithmSpecification"] == source


async def test_versions_are_numbered_and_no_number_is_given_twice(grouped: Bench) -> None:
    arns = [await grouped.version(), await grouped.version()]
    await grouped.ask("DeleteModelPackage", ModelPackageName=arns[1])
    arns.append(await grouped.version())

    shown = await grouped.ask("DescribeModelPackage", ModelPackageName=arns[2])
    listed = await grouped.ask("ListModelPackages", ModelPackageGroupName="group")
    assert [arn.rpartition(":")[2] for arn in arns] == [f"model-package/group/{number}" for number in (1, 2, 3)]
    assert (shown["ModelPackageGroupName"], shown["ModelPackageVersion"]) == ("Group", 3)
    assert [each["ModelPackageVersion"] for each in listed["ModelPackageSummaryList"]] in ([3, 1], [1, 3])


async def test_the_same_request_makes_one_version(grouped: Bench) -> None:
    assert await grouped.version(ClientToken="t") == await grouped.version(ClientToken="t")
    assert (await grouped.version(ClientToken="u")).endswith("/2")


async def test_lists_show_packages_without_a_group_unless_others_are_asked_for(grouped: Bench) -> None:
    await grouped.package()
    await grouped.version(ModelApprovalStatus="Approved")

    async def listed(**filters: Any) -> list[Any]:
        found = await grouped.ask("ListModelPackages", **filters)
        return sorted(each["ModelPackageArn"].partition("/")[2] for each in found["ModelPackageSummaryList"])

    assert await listed() == ["p"]
    assert await listed(ModelPackageType="Versioned") == ["group/1"]
    assert await listed(ModelPackageType="Both") == ["group/1", "p"]
    assert await listed(ModelPackageGroupName="Group", ModelApprovalStatus="Approved") == ["group/1"]
    assert await listed(ModelPackageGroupName="Group", ModelApprovalStatus="Rejected") == []


async def test_a_version_is_deployed_once_it_is_approved(grouped: Bench) -> None:
    arn = await grouped.version()
    with pytest.raises(ValidationError, match="its ModelApprovalStatus is PendingManualApproval, and must be Approved"):
        await deployed(grouped, ModelPackageName=arn)
    await grouped.ask(
        "UpdateModelPackage", ModelPackageArn=arn, ModelApprovalStatus="Approved", ApprovalDescription="ok"
    )

    shown = await grouped.ask("DescribeModelPackage", ModelPackageName=arn)
    assert (shown["ModelApprovalStatus"], shown["ApprovalDescription"]) == ("Approved", "ok")
    assert (await deployed(grouped, ModelPackageName=arn))["PrimaryContainer"]["Image"] == "image"


async def test_properties_and_specifications_are_added_and_removed(grouped: Bench) -> None:
    arn = await grouped.version(CustomerMetadataProperties={"a": "1", "b": "2"})
    more = {"Name": "small", "Containers": [{"Image": "small", "ModelDataUrl": "s3://bucket/model.tar.gz"}]}
    await grouped.ask(
        "UpdateModelPackage",
        ModelPackageArn=arn,
        ModelApprovalStatus="Approved",
        CustomerMetadataProperties={"b": "3"},
        CustomerMetadataPropertiesToRemove=["a"],
        AdditionalInferenceSpecificationsToAdd=[more],
    )

    shown = await grouped.ask("DescribeModelPackage", ModelPackageName=arn)
    model = await deployed(grouped, ModelPackageName=arn, InferenceSpecificationName="small")
    await grouped.ask("UpdateModelPackage", ModelPackageArn=arn, CustomerMetadataPropertiesToRemove=["b"])
    await grouped.ask("UpdateModelPackage", ModelPackageArn=arn, CustomerMetadataProperties={"c": "4"})
    after = await grouped.ask("DescribeModelPackage", ModelPackageName=arn)
    assert shown["CustomerMetadataProperties"] == {"b": "3"}
    assert after["CustomerMetadataProperties"] == {"c": "4"}
    assert model["PrimaryContainer"]["Image"] == "small"


async def test_a_group_is_deleted_when_it_is_empty(grouped: Bench) -> None:
    arn = await grouped.version()
    with pytest.raises(AwsError, match="it has model package versions") as refused:
        await grouped.ask("DeleteModelPackageGroup", ModelPackageGroupName="Group")
    await grouped.ask("DeleteModelPackage", ModelPackageName=arn)
    await grouped.ask("DeleteModelPackageGroup", ModelPackageGroupName="Group")

    assert refused.value.code == "ConflictException"
    assert (await grouped.ask("ListModelPackageGroups"))["ModelPackageGroupSummaryList"] == []


async def test_several_are_described_at_once(grouped: Bench) -> None:
    arn, missing = await grouped.version(), "arn:aws:sagemaker:us-west-2:000000000000:model-package/group/9"

    found = await batch_describe(
        grouped.world, fakes.call("BatchDescribeModelPackage", ModelPackageArnList=[arn, missing])
    )
    assert list(found["ModelPackageSummaries"]) == [arn]
    assert "does not exist" in found["BatchDescribeModelPackageErrorMap"][missing]["ErrorResponse"]


async def test_a_package_is_validated_by_a_transform_job(bench: Bench) -> None:
    profiles = [{"ProfileName": "once", "TransformJobDefinition": TRANSFORM}]
    asked = {"ValidationRole": fakes.ROLE, "ValidationProfiles": profiles}
    await bench.package(ValidationSpecification=asked)
    before = await bench.ask("DescribeModelPackage", ModelPackageName="p")
    await bench.end("TransformJob", "Failed", FailureReason="AlgorithmError: no")
    await bench.step("ModelPackage")

    after = await bench.ask("DescribeModelPackage", ModelPackageName="p")
    (found,) = after["ModelPackageStatusDetails"]["ValidationStatuses"]
    assert (before["ModelPackageStatus"], after["ModelPackageStatus"]) == ("InProgress", "Failed")
    assert found["FailureReason"].endswith("AlgorithmError: no")
    assert await bench.records("Model") == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"ModelPackageGroupName": "Group"}, "Exactly one of ModelPackageName and ModelPackageGroupName"),
        ({"ModelPackageName": None}, "Exactly one of ModelPackageName and ModelPackageGroupName"),
        ({"ModelPackageName": None, "ModelPackageGroupName": "x"}, "ModelPackageGroup arn:.*/x does not exist"),
        ({"InferenceSpecification": None}, "Either InferenceSpecification or SourceAlgorithmSpecification"),
        (
            {"SourceAlgorithmSpecification": {"SourceAlgorithms": [{"AlgorithmName": "x"}]}},
            "cannot be specified together",
        ),
        ({"ManagedStorageType": "Restricted"}, "ManagedStorageType is not supported"),
    ],
)
async def test_what_cannot_be_a_package_is_refused(bench: Bench, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        await bench.package(**changes)


@pytest.mark.parametrize(
    ("container", "sentence"),
    [
        ({"ModelPackageName": "x"}, "ModelPackage arn:.*:model-package/x does not exist"),
        ({"ModelPackageName": "arn:aws:sagemaker:us-west-2:111111111111:model-package/p"}, "does not exist"),
        ({"ModelPackageName": "arn:aws:sagemaker:us-west-2:000000000000:endpoint/p"}, "endpoint/p does not exist"),
        ({"ModelPackageName": "p", "Image": "image"}, "Image cannot be given together with ModelPackageName"),
        ({"ModelPackageName": "p", "InferenceSpecificationName": "x"}, "has no InferenceSpecification x"),
    ],
)
async def test_what_cannot_be_deployed_is_refused(bench: Bench, container: dict[str, Any], sentence: str) -> None:
    await bench.package()

    with pytest.raises(ValidationError, match=sentence):
        await deployed(bench, **container)
