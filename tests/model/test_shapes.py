"""Operations and shapes say what the model says, with a reference's traits over its target's."""

from typing import Any

import pytest

from salvia.model.load import Models, described
from salvia.model.shapes import OperationModel, ServiceModel, Shape


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return Models(tmp_path_factory.mktemp("models"))


def given(operation: OperationModel) -> Shape:
    assert operation.input is not None
    return operation.input


def small(**shapes: Any) -> ServiceModel:
    return described("small", {"metadata": {"protocol": "json"}, "shapes": shapes})


def test_an_operation_knows_its_request(models: Models) -> None:
    put = models.service("s3").operation("PutObject")

    assert (put.http_method, put.request_uri, put.response_code) == ("PUT", "/{Bucket}/{Key+}", 200)
    assert given(put).payload == "Body"
    assert given(put).members["Body"].streaming
    assert given(put).members["Key"].location == "uri"
    assert given(put).members["Metadata"].location == "headers"


def test_an_unknown_operation_is_a_key_error(models: Models) -> None:
    with pytest.raises(KeyError):
        models.service("s3").operation("PutObjects")


def test_constraints_are_those_of_the_model(models: Models) -> None:
    create = given(models.service("sagemaker").operation("CreateTrainingJob"))

    assert create.required == ("TrainingJobName", "RoleArn", "OutputDataConfig")
    assert create.members["TrainingJobName"].max == 63
    assert create.members["InputDataConfig"].member.members["ChannelName"].pattern == "[A-Za-z0-9\\.\\-_]+"
    assert "File" in create.members["AlgorithmSpecification"].members["TrainingInputMode"].enum


def test_a_list_has_no_key(models: Models) -> None:
    tags = given(models.service("sagemaker").operation("CreateTrainingJob")).members["Tags"]

    assert tags.type == "list"
    assert tags.members == {}
    with pytest.raises(AttributeError):
        _ = tags.key


def test_a_reference_overrides_its_target() -> None:
    service = small(
        Text={"type": "string", "locationName": "target", "max": 5},
        Top={"type": "structure", "members": {"A": {"shape": "Text", "locationName": "here"}, "B": {"shape": "Text"}}},
    )

    top = service.shape("Top")

    assert (top.members["A"].location_name, top.members["A"].max) == ("here", 5)
    assert top.members["B"].location_name == "target"


def test_a_shape_may_contain_itself() -> None:
    service = small(
        Tree={"type": "structure", "members": {"Left": {"shape": "Tree"}, "Right": {"shape": "Tree", "box": True}}}
    )

    tree = service.shape("Tree")

    assert tree.members["Left"].members["Left"] is tree
    assert tree.members["Right"].members is tree.members


def test_references_without_traits_share_one_shape(models: Models) -> None:
    service = models.service("sagemaker")
    create = given(service.operation("CreateTrainingJob"))
    describe = service.operation("DescribeTrainingJob").output

    assert describe is not None
    assert create.members["VpcConfig"] is describe.members["VpcConfig"]


def test_query_results_name_their_wrapper(models: Models) -> None:
    assert models.service("sts").operation("GetCallerIdentity").result_wrapper == "GetCallerIdentityResult"


def test_an_operation_without_output_has_none(models: Models) -> None:
    assert models.service("sagemaker").operation("StopTrainingJob").output is None


@pytest.mark.parametrize("name", ["NoSuchEntity", "NoSuchEntityException"])
def test_an_error_is_found_by_shape_or_code(name: str, models: Models) -> None:
    error = models.service("iam").error(name)

    assert (error.name, error.code, error.http_status) == ("NoSuchEntityException", "NoSuchEntity", 404)


def test_a_service_that_moved_from_query_has_two_codes(models: Models) -> None:
    error = models.service("cloudwatch").error("DashboardNotFoundError")

    assert (error.code, error.query_code) == ("DashboardNotFoundError", "ResourceNotFound")


def test_a_shape_that_is_no_error_is_a_key_error(models: Models) -> None:
    with pytest.raises(KeyError):
        models.service("iam").error("CreateUserRequest")


def test_namespaces_are_always_an_object() -> None:
    service = small(
        A={"type": "string", "xmlNamespace": "urn:x"}, B={"type": "string", "xmlNamespace": {"uri": "urn:y"}}
    )

    assert service.shape("A").xml_namespace == {"uri": "urn:x"}
    assert service.shape("B").xml_namespace == {"uri": "urn:y"}


@pytest.mark.parametrize("name", ["sagemaker", "s3", "iam", "sts", "logs", "cloudwatch", "lambda", "dynamodb"])
def test_every_shape_of_every_operation_resolves(name: str, models: Models) -> None:
    service = models.service(name)
    seen: set[str] = set()
    waiting = [
        shape
        for operation in map(service.operation, service.operation_names)
        for shape in (operation.input, operation.output)
        if shape is not None
    ]
    while waiting:
        shape = waiting.pop()
        if shape.name in seen:
            continue
        seen.add(shape.name)
        waiting += shape.members.values()
        waiting += [shape.member] if shape.type == "list" else []
        waiting += [shape.key, shape.value] if shape.type == "map" else []

    assert len(seen) > 40
