"""What is wrong with an input is said in AWS's words, all of it at once."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salvia.base.errors import AwsError, ValidationError
from salvia.model.load import Models, described
from salvia.model.shapes import Shape
from salvia.wire.validate import check, code_for, validator

SHAPES: dict[str, Any] = {
    "Top": {
        "type": "structure",
        "required": ["Name", "Stream"],
        "members": {
            "Name": {"shape": "Name"},
            "Stream": {"shape": "Bytes", "streaming": True},
            "Mode": {"shape": "Mode"},
            "Count": {"shape": "Count"},
            "Big": {"shape": "Big"},
            "Ratio": {"shape": "Ratio"},
            "On": {"shape": "On"},
            "At": {"shape": "At"},
            "Data": {"shape": "Bytes"},
            "Words": {"shape": "Words"},
            "Modes": {"shape": "Modes"},
            "Tags": {"shape": "Tags"},
            "Labels": {"shape": "Labels"},
            "Inner": {"shape": "Inner"},
            "Inners": {"shape": "Inners"},
            "ByName": {"shape": "ByName"},
            "Secret": {"shape": "Secret"},
            "Secrets": {"shape": "Secrets"},
            "Free": {"shape": "Free"},
            "Either": {"shape": "Either"},
        },
    },
    "Name": {"type": "string", "min": 2, "max": 5, "pattern": "[a-z]+"},
    "Mode": {"type": "string", "enum": ["File", "Pipe"]},
    "Count": {"type": "integer", "min": 1, "max": 9},
    "Big": {"type": "long"},
    "Ratio": {"type": "double", "min": 0, "max": 1},
    "On": {"type": "boolean"},
    "At": {"type": "timestamp"},
    "Bytes": {"type": "blob", "min": 1, "max": 3},
    "Words": {"type": "list", "member": {"shape": "Name"}, "max": 3},
    "Modes": {"type": "list", "member": {"shape": "Mode"}},
    "Tags": {"type": "list", "member": {"shape": "Tag"}, "min": 1},
    "Tag": {"type": "structure", "required": ["Key"], "members": {"Key": {"shape": "Name"}}},
    "Labels": {"type": "map", "key": {"shape": "Name"}, "value": {"shape": "Count"}, "max": 2},
    "Inner": {"type": "structure", "members": {"Deep": {"shape": "Inner"}, "S3Uri": {"shape": "Name"}}},
    "Inners": {"type": "list", "member": {"shape": "Words"}},
    "ByName": {"type": "map", "key": {"shape": "Name"}, "value": {"shape": "Tag"}},
    "Secret": {"type": "string", "max": 3, "sensitive": True},
    "Secrets": {"type": "list", "member": {"shape": "Secret"}},
    "Free": {"type": "structure", "document": True, "members": {}},
    "Either": {"type": "structure", "union": True, "members": {"A": {"shape": "Name"}, "B": {"shape": "Name"}}},
}
TOP = described("probe", {"metadata": {"protocol": "json"}, "shapes": SHAPES}).shape("Top")


def findings(**params: Any) -> list[str]:
    return validator(TOP)({"Name": "abc", **params})


def test_a_good_input_has_no_findings() -> None:
    good = findings(
        Mode="Pipe",
        Count=3,
        Big=2**62,
        Ratio=0.5,
        On=True,
        At=1.5,
        Data=b"ab",
        Words=["ab"],
        Tags=[{"Key": "ab"}],
        Labels={"ab": 1},
        Inner={"Deep": {"Deep": {"S3Uri": "abc"}}},
        Free={"any": [1, {"thing": None}]},
        Either={"A": "ab"},
    )

    assert good == []


def test_a_missing_required_member_is_null() -> None:
    assert validator(TOP)({}) == ["Value null at 'name' failed to satisfy constraint: Member must not be null"]


def test_a_null_member_is_an_absent_one() -> None:
    assert findings(Mode=None) == []
    assert len(validator(TOP)({"Name": None})) == 1


def test_members_the_model_does_not_know_are_ignored() -> None:
    assert findings(Whatever={"a": object()}) == []


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"Name": "ABC"}, ["Value 'ABC' at 'name'|Member must satisfy regular expression pattern: [a-z]+"]),
        ({"Name": "abcdef"}, ["Value 'abcdef' at 'name'|Member must have length less than or equal to 5"]),
        (
            {"Name": "-"},
            [
                "Value '-' at 'name'|Member must satisfy regular expression pattern: [a-z]+",
                "Value '-' at 'name'|Member must have length greater than or equal to 2",
            ],
        ),
        ({"Mode": "Fast"}, ["Value 'Fast' at 'mode'|Member must satisfy enum value set: [File, Pipe]"]),
        ({"Count": 0}, ["Value '0' at 'count'|Member must have value greater than or equal to 1"]),
        ({"Count": 2**40}, [f"Value '{2**40}' at 'count'|Member must have value less than or equal to 9"]),
        ({"Ratio": 1.5}, ["Value '1.5' at 'ratio'|Member must have value less than or equal to 1"]),
        (
            {"Data": b"abcd"},
            [
                (
                    "Value 'java.nio.HeapByteBuffer[pos=0 lim=4 cap=4]' at 'data'"
                    "|Member must have length less than or equal to 3"
                )
            ],
        ),
        (
            {"Words": ["ab", "A"]},
            [
                (
                    "Value '[ab, A]' at 'words'|Member must satisfy constraint: [Member must have length less than or equal to 5, "
                    "Member must have length greater than or equal to 2, Member must satisfy regular expression pattern: [a-z]+]"
                )
            ],
        ),
        (
            {"Modes": ["File", "X"]},
            [
                (
                    "Value '[File, X]' at 'modes'"
                    "|Member must satisfy constraint: [Member must satisfy enum value set: [File, Pipe]]"
                )
            ],
        ),
        (
            {"Modes": ["File", None]},
            [
                (
                    "Value '[File, null]' at 'modes'"
                    "|Member must satisfy constraint: [Member must satisfy enum value set: [File, Pipe], Member must not be null]"
                )
            ],
        ),
        (
            {"Words": ["ab"] * 4},
            ["Value '[ab, ab, ab, ab]' at 'words'|Member must have length less than or equal to 3"],
        ),
        ({"Tags": [{"Key": "ab"}, {}]}, ["Value null at 'tags.2.member.key'|Member must not be null"]),
        (
            {"Labels": {"ab": 1, "cd": 10}},
            [
                (
                    "Value '{ab=1, cd=10}' at 'labels'|Map value must satisfy constraint: "
                    "[Member must have value less than or equal to 9, Member must have value greater than or equal to 1]"
                )
            ],
        ),
        (
            {"Labels": {"A": 1}},
            [
                (
                    "Value '{A=1}' at 'labels'|Map keys must satisfy constraint: "
                    "[Member must have length less than or equal to 5, Member must have length greater than or equal to 2, "
                    "Member must satisfy regular expression pattern: [a-z]+]"
                )
            ],
        ),
        (
            {"Inner": {"Deep": {"S3Uri": "UP"}}},
            ["Value 'UP' at 'inner.deep.s3Uri'|Member must satisfy regular expression pattern: [a-z]+"],
        ),
        (
            {"ByName": {"ab": {"Key": "UP"}}},
            ["Value 'UP' at 'byName.ab.member.key'|Member must satisfy regular expression pattern: [a-z]+"],
        ),
        (
            {"Inners": [["ab"], ["ab", "UP"]]},
            [
                (
                    "Value '[[ab], [ab, UP]]' at 'inners'|Member must satisfy constraint: [Member must have length less than or equal "
                    "to 3, Member must satisfy constraint: [Member must have length less than or equal to 5, "
                    "Member must have length greater than or equal to 2, Member must satisfy regular expression pattern: [a-z]+]]"
                )
            ],
        ),
        ({"Secret": "hidden"}, ["Value at 'secret'|Member must have length less than or equal to 3"]),
        (
            {"Secrets": ["hidden"]},
            ["Value at 'secrets'|Member must satisfy constraint: [Member must have length less than or equal to 3]"],
        ),
        ({"Name": "a" * 5000}, ["Value at 'name'|Member must have length less than or equal to 5"]),
    ],
)
def test_a_finding_is_worded_as_aws_words_it(params: dict[str, Any], expected: list[str]) -> None:
    assert findings(**params) == [text.replace("|", " failed to satisfy constraint: ") for text in expected]


def test_all_findings_make_one_message() -> None:
    with pytest.raises(ValidationError) as raised:
        check(TOP, {"Mode": "X", "Count": 0})

    assert raised.value.code == "ValidationException"
    assert raised.value.http_status == 400
    assert raised.value.message == (
        "3 validation errors detected: "
        "Value null at 'name' failed to satisfy constraint: Member must not be null; "
        "Value 'X' at 'mode' failed to satisfy constraint: Member must satisfy enum value set: [File, Pipe]; "
        "Value '0' at 'count' failed to satisfy constraint: Member must have value greater than or equal to 1"
    )


def test_one_finding_is_one_error() -> None:
    with pytest.raises(ValidationError, match=r"^1 validation error detected: Value null at 'name'"):
        check(TOP, {}, code="ValidationError")


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"Name": 1}, "NUMBER_VALUE can not be converted to a String"),
        ({"Name": True}, "TRUE_VALUE can not be converted to a String"),
        ({"Name": {}}, "Start of structure or map found where not expected."),
        ({"Name": []}, "Start of list found where not expected"),
        ({"Count": "1"}, "STRING_VALUE can not be converted to an Integer"),
        ({"Count": 1.5}, "NUMBER_VALUE can not be converted to an Integer"),
        ({"Count": False}, "FALSE_VALUE can not be converted to an Integer"),
        ({"Big": 2**63}, "NUMBER_VALUE can not be converted to a Long"),
        ({"Ratio": True}, "TRUE_VALUE can not be converted to a Double"),
        ({"On": 1}, "NUMBER_VALUE can not be converted to a Boolean"),
        ({"Inner": "x"}, "Expected null"),
        ({"Inner": []}, "Start of list found where not expected"),
        ({"Words": "x"}, "Expected list or null"),
        ({"Labels": 3}, "Expected map or null"),
        ({"Either": {"A": "ab", "B": "cd"}}, "Only one member of a union may be set"),
    ],
)
def test_a_wrong_type_is_a_serialization_error_before_anything_else(params: dict[str, Any], words: str) -> None:
    with pytest.raises(AwsError) as raised:
        check(TOP, {"Mode": "not a mode", **params})

    assert (raised.value.code, raised.value.http_status) == ("SerializationException", 400)
    assert raised.value.message == words


def test_nesting_beyond_all_reason_is_refused() -> None:
    nested: dict[str, Any] = {}
    for _ in range(20_000):
        nested = {"Deep": nested}

    with pytest.raises(AwsError, match="structure or map"):
        findings(Inner=nested)


def test_a_list_that_is_much_too_long_is_not_looked_through() -> None:
    with pytest.raises(ValidationError) as caught:
        check(TOP, {"Name": "abc", "Words": ["!"] * 5000})

    assert str(caught.value).startswith("1 validation error detected: Value at 'words' failed")


def test_findings_without_end_are_not_all_told() -> None:
    assert len(findings(Tags=[{}] * 20_000)) == 1001


@pytest.mark.parametrize(
    ("service", "code"),
    [
        ("sagemaker", "ValidationException"),
        ("sagemaker-runtime", "ValidationError"),
        ("iam", "ValidationError"),
        ("sts", "ValidationError"),
        ("logs", "InvalidParameterException"),
    ],
)
def test_each_service_has_its_code(service: str, code: str) -> None:
    assert code_for(Models().service(service)) == code


def test_a_real_training_job_is_understood() -> None:
    shape = Models().service("sagemaker").operation("CreateTrainingJob").input
    assert isinstance(shape, Shape)
    job = {
        "TrainingJobName": "under_score",
        "RoleArn": "arn:aws:iam::000000000000:role/Role",
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
        "HyperParameters": {"num_round": "10", "objective": "reg:squarederror\n"},
        "InputDataConfig": [{"ChannelName": "train set", "DataSource": {}}],
        "Tags": [{"Key": "größe", "Value": "Ⅳ"}],
    }

    assert [text.split(" failed")[0] for text in validator(shape)(job)] == [
        "Value 'under_score' at 'trainingJobName'",
        "Value '{num_round=10, objective=reg:squarederror\n}' at 'hyperParameters'",
        "Value 'train set' at 'inputDataConfig.1.member.channelName'",
    ]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text("aB9 é", max_size=8) | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*SHAPES["Top"]["members"], "x"]), inner)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(list(SHAPES["Top"]["members"])), json_values))
def test_no_input_raises_anything_but_an_aws_error(params: dict[str, Any]) -> None:
    with suppress(AwsError):
        assert all("failed to satisfy constraint" in text for text in validator(TOP)(params))
