"""The entry point of the images of AWS's own algorithms."""

import pytest

from salvia_algorithms.first_party.entry import main
from salvia_algorithms.kmeans.serve import SERVING
from salvia_container.training import TrainingEnvironment


def never(environment: TrainingEnvironment) -> None:
    raise AssertionError(environment)


@pytest.mark.parametrize("arguments", [[], ["dance"], ["train", "twice"]])
def test_what_an_image_cannot_do_is_said(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments, never, SERVING) == 64
    assert "this image can train and serve" in capsys.readouterr().out
