"""@remote of the unmodified SageMaker SDK v2 and v3: a function's value, and its exception, come back from a training job."""

import sys

import pytest

from tests.clients.conftest import Client

pytestmark = pytest.mark.slow

# What a user writes, but for the import. The default image is for Python 3.10 alone (the SDK says so), therefore one is named.
CODE = """
import pandas, sys
IMAGE = "236514542706.dkr.ecr.us-west-2.amazonaws.com/sagemaker-base-python-310:1.0"

@remote(instance_type="ml.m5.large", image_uri=IMAGE, role="SalviaExecutionRole", keep_alive_period_in_seconds=0)
def divide(a, b):
    return {"quotient": a / b, "frame": pandas.DataFrame({"x": [a, b]}), "python": sys.version_info[:2]}

value = divide(7, 2)
try:
    divide(7, 0)
except ZeroDivisionError as error:
    raised = str(error)
result = {"quotient": value["quotient"], "sum": int(value["frame"].x.sum()), "python": value["python"], "raised": raised}
"""


@pytest.mark.parametrize(
    ("sdk", "package"), [("sdk2", "sagemaker.remote_function"), ("sdk3", "sagemaker.core.remote_function")]
)
def test_a_remote_function_returns_its_value_and_raises_its_exception(
    request: pytest.FixtureRequest, sdk: str, package: str
) -> None:
    client: Client = request.getfixturevalue(sdk)
    result = client.python(f"from {package} import remote\n{CODE}", timeout=600)

    assert result == {
        "quotient": 3.5,
        "sum": 9,
        "python": list(sys.version_info[:2]),
        "raised": "division by zero",
    }
