"""Which environment a job's container is, when the SageMaker SDK has sent a function to run."""

import pytest

from salvia.ports.images import Image
from salvia.ports.table import Record
from salvia.services.sagemaker.training.container import fitting
from tests.services.sagemaker.training.conftest import Bench

IMAGE = Image("uri", "python", {}, {"FROM_IMAGE": "1"}, sdks={"2": "with-sdk-2", "3": "with-sdk-3"})


async def job(bench: Bench, *arguments: str) -> Record:
    algorithm = {
        "TrainingImage": "i",
        "TrainingInputMode": "File",
        "ContainerEntrypoint": ["/bin/bash", "job_driver.sh"],
    }
    return await bench.create(AlgorithmSpecification=algorithm | {"ContainerArguments": list(arguments)})


@pytest.mark.parametrize(("version", "name"), [("2.257.7", "with-sdk-2"), ("3.27.0", "with-sdk-3"), ("4.0", "python")])
async def test_a_function_of_an_sdk_runs_where_that_sdk_is(bench: Bench, version: str, name: str) -> None:
    image = fitting(await job(bench, "--region", "us-west-2", "--client_sagemaker_pysdk_version", version), IMAGE)

    assert image.name == name


async def test_its_user_is_called_root_as_in_awss_image(bench: Bench) -> None:
    image = fitting(await job(bench, "--client_sagemaker_pysdk_version", "2.1"), IMAGE)

    assert image.variables == {"FROM_IMAGE": "1", "LOGNAME": "root"}


@pytest.mark.parametrize("arguments", [["--rounds", "3"], ["--client_sagemaker_pysdk_version"]])
async def test_any_other_job_has_the_image_itself(bench: Bench, arguments: list[str]) -> None:
    assert fitting(await job(bench, *arguments), IMAGE) is IMAGE
