"""Managed spot jobs: interrupted when the settings say so, begun again from their checkpoints, and not for ever."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from salvia.ports.table import Record
from tests.services.sagemaker.training.conftest import Bench

SPOT: dict[str, Any] = {
    "EnableManagedSpotTraining": True,
    "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 100},
    "CheckpointConfig": {"S3Uri": "s3://bucket/ck"},
}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.world.settings = replace(bench.world.settings, spot_interruption_seconds=10.0, spot_discount=0.6)
    return bench


async def interrupted(bench: Bench) -> Record:
    """The job, as soon as its instances are told that they are taken back after ten seconds."""
    await bench.running()
    bench.clock.advance(10)
    job = await bench.until_in("Interrupted")
    await bench.step()
    return job


async def test_an_interrupted_job_is_told_to_end_and_begins_again_with_its_checkpoints(bench: Bench) -> None:
    await bench.create(**SPOT)
    await interrupted(bench)
    assert bench.compute.stopped == [bench.compute.launched[0].name]
    (bench.ml() / "checkpoints/step").write_bytes(b"7")  # what the script saves when it is told
    bench.compute.end(143)
    await bench.until_in("Training")

    assert [run.name for run in bench.compute.launched] == list(
        dict.fromkeys(run.name for run in bench.compute.launched)
    )
    assert len(bench.compute.launched) == 2
    assert (bench.ml(1) / "checkpoints/step").read_bytes() == b"7"


async def test_the_story_of_an_interruption_and_the_time_of_all_attempts(bench: Bench) -> None:
    await bench.create(**SPOT)
    await interrupted(bench)
    bench.compute.end(143)
    await bench.until_in("Training")
    bench.clock.advance(20)
    bench.compute.end()
    job = await bench.ended()

    assert [step["Status"] for step in job.status["SecondaryStatusTransitions"]] == [
        *("Starting", "Downloading", "Training", "Interrupted"),
        *("Starting", "Downloading", "Training", "Uploading", "Completed"),
    ]
    assert (job.status["TrainingTimeInSeconds"], job.status["BillableTimeInSeconds"]) == (30, 12)
    assert job.status["TrainingEndTime"] - job.status["TrainingStartTime"] == 30


async def test_a_job_is_interrupted_as_often_as_the_setting_says(bench: Bench) -> None:
    await bench.create(**SPOT)
    await interrupted(bench)
    bench.compute.end(143)
    await bench.running()
    bench.clock.advance(30)
    await bench.step()

    assert (await bench.record()).status["SecondaryStatus"] == "Training"
    assert len(bench.compute.stopped) == 1


async def test_a_job_that_is_not_on_spot_instances_is_never_interrupted(bench: Bench) -> None:
    await bench.create()
    await bench.running()
    bench.clock.advance(30)
    await bench.step()

    assert (await bench.record()).status["SecondaryStatus"] == "Training"


async def test_an_interruption_decided_before_a_crash_happens_after_it(bench: Bench) -> None:
    await bench.create(**SPOT)
    await bench.running()
    bench.clock.advance(10)
    await bench.until_in("Interrupted")
    bench.world.settings = replace(bench.world.settings, spot_interruption_seconds=0.0)  # another server's
    await bench.step()

    assert bench.compute.stopped == [bench.compute.launched[0].name]


async def test_a_beginning_that_was_never_recorded_begins_once(bench: Bench) -> None:
    await bench.create(**SPOT)
    await interrupted(bench)
    bench.compute.end(143)
    await bench.kind.reconcile(await bench.record())  # the server dies before it saves
    await bench.running()
    bench.clock.advance(20)
    bench.compute.end()
    job = await bench.ended()

    assert len(bench.compute.launched) == 2
    assert job.status["TrainingTimeInSeconds"] == 30


async def test_the_longest_run_time_is_that_of_all_attempts(bench: Bench) -> None:
    await bench.create(**SPOT)
    await interrupted(bench)
    bench.compute.end(143)
    await bench.running()
    bench.clock.advance(50)
    await bench.step()
    bench.compute.end(143)
    job = await bench.ended()

    assert (job.state, job.status["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")


async def test_a_job_that_has_waited_too_long_stops_without_having_run(bench: Bench) -> None:
    await bench.create("older")
    await bench.running("older")
    await bench.create(**SPOT)
    bench.clock.advance(100)
    job = await bench.ended()

    assert (job.state, job.status["SecondaryStatus"]) == ("Stopped", "MaxWaitTimeExceeded")
    assert len(bench.compute.launched) == 1


async def test_a_job_that_runs_when_its_wait_is_over_is_stopped_with_what_it_left(bench: Bench) -> None:
    await bench.create(**SPOT)
    bench.clock.advance(60)
    await interrupted(bench)
    bench.compute.end(143)
    await bench.running()
    bench.clock.advance(30)
    await bench.step()
    (bench.ml() / "model/half").write_bytes(b"h")
    bench.compute.end(143)
    job = await bench.ended()

    assert (job.state, job.status["SecondaryStatus"]) == ("Stopped", "MaxWaitTimeExceeded")
    assert bench.tar("out/job/output/model.tar.gz") == {"half": b"h"}


async def test_a_stop_during_an_interruption_is_the_end(bench: Bench) -> None:
    await bench.create(**SPOT)
    await interrupted(bench)
    await bench.stop()
    bench.compute.end(143)
    job = await bench.ended()

    assert (job.state, job.status["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert len(bench.compute.launched) == 1


async def test_an_interruption_uses_up_no_retry(bench: Bench) -> None:
    await bench.create(**SPOT, RetryStrategy={"MaximumRetryAttempts": 1})
    await interrupted(bench)
    bench.compute.end(143)
    await bench.running()
    bench.compute.end(-9, "Lost")
    await bench.step()
    await bench.running()

    assert len(bench.compute.launched) == 3


async def test_billable_seconds_do_not_count_instances(bench: Bench) -> None:
    await bench.create(ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 2})
    await bench.running()
    bench.clock.advance(5)
    bench.compute.end(number=0)
    bench.compute.end(number=1)
    job = await bench.ended()

    assert (job.status["TrainingTimeInSeconds"], job.status["BillableTimeInSeconds"]) == (5, 5)
