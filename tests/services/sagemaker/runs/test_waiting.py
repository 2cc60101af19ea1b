"""How long Describe waits for a client that does nothing but wait."""

from pathlib import Path

import pytest

from salvia.base.clock import SetClock
from salvia.ports.table import Record
from salvia.services.sagemaker.runs import waiting
from tests import fakes

SDK2, SDK3 = "AWS-SageMaker-Python-SDK/2.257.1", "AWS-SageMaker-Python-SDK/3.2.0"


class PassingClock(SetClock):
    """Half a second later each time it is looked at."""

    def now(self) -> float:
        self.advance(0.5)
        return self.time


@pytest.mark.parametrize(
    ("agent", "steps", "waited"),
    [
        (SDK2, {0: "Training"}, 20),
        (SDK2, {0: "Starting"}, 50),  # an environment that is built for minutes
        (SDK2, {0: "Starting", 15: "Downloading"}, 35),
        (SDK2, {0: "Starting", 45: "Downloading"}, 50),
        (SDK3, {0: "Starting"}, 4),
    ],
)
async def test_what_has_not_begun_is_waited_for_longer_but_never_until_the_client_gives_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, agent: str, steps: dict[int, str], waited: float
) -> None:
    monkeypatch.setattr(waiting, "_BETWEEN_LOOKS", 0)
    world = fakes.world(tmp_path)
    clock = world.clock = PassingClock()
    began = clock.time

    def status() -> dict[str, str]:
        return {"SecondaryStatus": next(step for at, step in reversed(steps.items()) if clock.time - began >= at)}

    class Table:
        async def get(self, *_: str) -> Record:
            return record(status())

    world.table = Table()  # type: ignore[assignment]
    await waiting.settled(world, record(status()), fakes.call("DescribeTrainingJob", agent))

    assert clock.time - began == pytest.approx(waited, abs=2)


def record(status: dict[str, str]) -> Record:
    return Record("TrainingJob", "0", "r", "job", "arn", 0.0, 0.0, {}, status, state="InProgress")
