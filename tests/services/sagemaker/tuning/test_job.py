"""A tuning job's life: what it launches, what it makes of how that ended, and when it has had enough."""

from typing import Any

import pytest

from salvia.services.sagemaker.tuning.listing import list_trials
from tests import fakes
from tests.services.sagemaker.tuning.conftest import METRIC, Bench, categories, config, ranges, request


def rate(values: dict[str, str]) -> float:
    return float(values["rate"])


async def test_training_jobs_run_side_by_side_up_to_the_limit(bench: Bench) -> None:
    await bench.create()
    await bench.step()
    await bench.step()

    assert len(await bench.running()) == 2


async def test_the_end_of_one_makes_room_for_the_next(bench: Bench) -> None:
    await bench.create()
    await bench.step()
    await bench.end((await bench.running())[0], 1.0)
    await bench.step()

    assert [job.state for job in await bench.jobs()] == ["Completed", "InProgress", "InProgress"]


async def test_a_training_job_has_the_definition_and_hyperparameters_of_its_own(bench: Bench) -> None:
    tuning = await bench.create(definition={"CheckpointConfig": {"S3Uri": "s3://bucket/checkpoints/"}})
    await bench.step()

    first, second = await bench.jobs()
    assert first.name.startswith("tune-001-")
    assert first.owner == tuning.arn
    assert first.spec["HyperParameters"].keys() == {"steps", "rate", "_tuning_objective_metric"}
    assert first.spec["HyperParameters"]["rate"] != second.spec["HyperParameters"]["rate"]
    assert first.spec["CheckpointConfig"]["S3Uri"] == f"s3://bucket/checkpoints/{first.name}"
    assert bench.world.kinds["TrainingJob"].view(first)["TuningJobArn"] == tuning.arn


async def test_it_completes_when_all_have_ended_and_names_the_best(bench: Bench) -> None:
    await bench.create()
    tuning = await bench.run(rate)

    shown = await bench.describe()
    values = {job.name: rate(job.spec["HyperParameters"]) for job in await bench.jobs()}
    assert tuning.state == "Completed"
    assert len(values) == 6
    assert shown["BestTrainingJob"]["TrainingJobName"] == min(values, key=lambda name: values[name])
    assert shown["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"] == {
        "Type": "Minimize",
        "MetricName": METRIC,
        "Value": min(values.values()),
    }
    assert shown["TrainingJobStatusCounters"]["Completed"] == 6
    assert shown["ObjectiveStatusCounters"] == {"Succeeded": 6, "Pending": 0, "Failed": 0}
    assert shown["ConsumedResources"] == {"RuntimeInSeconds": 60}


async def test_the_best_of_a_maximised_objective_is_the_largest(bench: Bench) -> None:
    objective = {"Type": "Maximize", "MetricName": METRIC}
    await bench.create(HyperParameterTuningJobConfig=config(HyperParameterTuningJobObjective=objective))
    await bench.run(rate)

    best = (await bench.describe())["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
    assert best == max([rate(job.spec["HyperParameters"]) for job in await bench.jobs()])


async def test_the_same_seed_draws_the_same_hyperparameters(bench: Bench) -> None:
    await bench.create("one")
    await bench.create("two")
    await bench.run(rate, "one")
    await bench.run(rate, "two")

    drawn = [job.spec["HyperParameters"]["rate"] for job in await bench.jobs()]
    assert drawn[:6] == drawn[6:]
    assert len(set(drawn)) == 6


async def test_what_was_launched_before_a_crash_is_not_launched_again(bench: Bench) -> None:
    await bench.create()
    await bench.kind.reconcile(await bench.record())  # killed before it could save
    await bench.step()
    names = [job.name for job in await bench.jobs()]
    await bench.run(rate)

    assert len(names) == 2
    assert [job.name for job in await bench.jobs()][:2] == names
    assert len(await bench.jobs()) == 6


async def test_a_server_that_slept_launches_nothing(bench: Bench) -> None:
    await bench.create()
    asleep = await bench.record()
    await bench.kind.stop(fakes.call("Stop", HyperParameterTuningJobName="tune"))
    await bench.kind.reconcile(asleep)

    assert await bench.jobs() == []


async def test_a_deleted_training_job_is_not_made_anew(bench: Bench) -> None:
    await bench.create()
    await bench.step()
    first = (await bench.jobs())[0]
    await bench.end(first, 1.0)
    await bench.world.table.delete(first)
    await bench.step()

    assert [job.name[:8] for job in await bench.jobs()] == ["tune-002", "tune-003"]


async def test_a_grid_tries_every_combination_once(bench: Bench) -> None:
    grid = categories(colour=["red", "blue"], size=["s", "m", "l"])
    await bench.create(HyperParameterTuningJobConfig=config("Grid", 6, ParameterRanges=grid))
    await bench.run(lambda values: 1.0)

    tried = {(job.spec["HyperParameters"]["colour"], job.spec["HyperParameters"]["size"]) for job in await bench.jobs()}
    assert tried == {(colour, size) for colour in ("red", "blue") for size in ("s", "m", "l")}
    assert len(await bench.jobs()) == 6


async def test_several_definitions_take_turns_and_share_one_best(bench: Bench) -> None:
    await create_two(bench)
    await bench.run(lambda values: float(values["rate"]) + float(values["handicap"]))

    shown = await bench.describe()
    handicaps = [job.spec["HyperParameters"]["handicap"] for job in await bench.jobs()]
    assert handicaps == ["0", "5", "0", "5"]
    assert shown["BestTrainingJob"]["TrainingJobDefinitionName"] == "good"


async def create_two(bench: Bench) -> None:
    asked = request()
    one, tuning = asked.pop("TrainingJobDefinition"), config(jobs=4)
    own = {"TuningObjective": tuning.pop("HyperParameterTuningJobObjective")}
    own |= {"HyperParameterRanges": tuning.pop("ParameterRanges")}
    two = [
        one | own | {"DefinitionName": name, "StaticHyperParameters": {"handicap": handicap}}
        for name, handicap in (("good", "0"), ("bad", "5"))
    ]
    asked |= {"HyperParameterTuningJobConfig": tuning, "TrainingJobDefinitions": two}
    await bench.kind.create(fakes.call("CreateHyperParameterTuningJob", **asked))


async def test_a_stop_ends_what_runs_and_then_itself(bench: Bench) -> None:
    await bench.create()
    await bench.step()
    await bench.kind.stop(fakes.call("Stop", HyperParameterTuningJobName="tune"))
    asked = await bench.step()
    running = await bench.running()
    for job in running:
        await bench.end(job, 1.0, "Stopped")
    stopped = await bench.step()

    assert asked.state == "InProgress"
    assert [job.wanted for job in running] == ["stopped", "stopped"]
    assert stopped.state == "Stopped"
    assert (await bench.describe())["TrainingJobStatusCounters"]["Stopped"] == 2
    assert len(await bench.jobs()) == 2


@pytest.mark.parametrize(
    ("criteria", "value", "most"),
    [
        ({"TargetObjectiveMetricValue": 0.5}, 0.4, 2),
        ({"BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 3}}, 0.7, 4),
        ({"ConvergenceDetected": {"CompleteOnConvergence": "Enabled"}}, 0.7, 12),
    ],
)
async def test_it_stops_when_enough_is_known(bench: Bench, criteria: dict[str, Any], value: float, most: int) -> None:
    await bench.create(HyperParameterTuningJobConfig=config(jobs=40, TuningJobCompletionCriteria=criteria))
    tuning = await bench.run(lambda values: value)

    assert tuning.state == "Completed"
    assert len(await bench.jobs()) == most


async def test_it_ends_when_its_time_is_over(bench: Bench) -> None:
    limits = {"MaxParallelTrainingJobs": 2, "MaxRuntimeInSeconds": 120}
    await bench.create(HyperParameterTuningJobConfig=config(ResourceLimits=limits))
    await bench.step()
    bench.clock.advance(120)
    await bench.step()

    assert [job.wanted for job in await bench.running()] == ["stopped", "stopped"]


async def test_it_fails_after_five_failures_in_a_row(bench: Bench) -> None:
    await bench.create(HyperParameterTuningJobConfig=config(jobs=20, parallel=1))
    tuning = await bench.run(lambda values: None)

    assert tuning.state == "Failed"
    assert len(await bench.jobs()) == 5
    assert tuning.status["FailureReason"].startswith("No training job succeeded after 5 attempts.")
    assert (await bench.describe())["TrainingJobStatusCounters"]["NonRetryableError"] == 5


async def test_it_fails_when_no_training_job_reports_the_objective(bench: Bench) -> None:
    await bench.create()
    await bench.step()
    while (await bench.record()).state == "InProgress":
        for job in await bench.running():
            await bench.end(job)
        await bench.step()

    assert (await bench.record()).status["FailureReason"].startswith("No objective metrics found after running")
    assert (await bench.describe())["ObjectiveStatusCounters"]["Failed"] >= 5


async def test_one_success_keeps_it_going(bench: Bench) -> None:
    await bench.create(HyperParameterTuningJobConfig=config(jobs=9, parallel=1))
    tuning = await bench.run(lambda values: 1.0 if rate(values) < 0.4 else None)

    assert tuning.state == "Completed"
    assert len(await bench.jobs()) == 9


async def test_early_stopping_ends_a_training_job_that_does_worse_than_the_median(bench: Bench) -> None:
    await bench.create(HyperParameterTuningJobConfig=config(TrainingJobEarlyStoppingType="Auto"))
    await bench.step()
    first, second = await bench.running()
    bench.metric_data.series = {first.name: [3.0, 2.0, 1.0], second.name: [3.0, 2.9]}
    await bench.end(first, 1.0)
    await bench.step()

    assert {job.name: job.wanted for job in await bench.running()}[second.name] == "stopped"


async def test_hyperband_ends_those_that_are_not_among_the_best_third(bench: Bench) -> None:
    strategy = {"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 3}}
    await bench.create(HyperParameterTuningJobConfig=config("Hyperband", 3, 3, StrategyConfig=strategy))
    await bench.step()
    jobs = await bench.running()
    bench.metric_data.series = {job.name: [float(number)] for number, job in enumerate(jobs)}
    await bench.step()

    assert [job.wanted for job in await bench.running()] == ["running", "stopped", "stopped"]


async def test_a_bayesian_search_knows_what_has_ended_and_what_runs(bench: Bench) -> None:
    both = ranges(rate=("0", "1")) | categories(kind=["a", "b"])
    await bench.create(HyperParameterTuningJobConfig=config("Bayesian", parallel=2, ParameterRanges=both))
    await bench.step()
    await bench.end((await bench.running())[0], 0.25)
    await bench.step()

    known = bench.surrogate.asked[-1]
    assert (known.number, known.seed) == (2, 7)
    assert known.dimensions == [{}, {"categories": 2}]
    assert (known.points, known.values) == ([[0.5, 0.75]], [0.25])
    assert known.pending == [[0.5, 0.75]]


async def test_a_maximised_objective_is_made_small(bench: Bench) -> None:
    objective = {"Type": "Maximize", "MetricName": METRIC}
    await bench.create(HyperParameterTuningJobConfig=config("Bayesian", HyperParameterTuningJobObjective=objective))
    await bench.step()
    await bench.end((await bench.running())[0], 0.25)
    await bench.step()

    assert bench.surrogate.asked[-1].values == [-0.25]


async def test_what_the_model_thought_and_what_matters_is_kept(bench: Bench) -> None:
    await bench.create(HyperParameterTuningJobConfig=config("Bayesian"))
    tuning = await bench.run(rate)

    assert tuning.status["_importance"] == {"": {"rate": 0.25}}
    assert len(tuning.status["_surrogate"]) == 6


async def test_a_parent_s_values_are_where_a_warm_start_begins(bench: Bench) -> None:
    await bench.create("parent")
    await bench.run(rate, "parent")
    await bench.create(
        "child", HyperParameterTuningJobConfig=config("Bayesian"), WarmStartConfig=warm("IdenticalDataAndAlgorithm")
    )
    await bench.step("child")

    assert sorted(bench.surrogate.asked[0].values) == sorted(
        [rate(job.spec["HyperParameters"]) for job in await parents(bench)]
    )


async def test_the_overall_best_may_be_a_parent_s(bench: Bench) -> None:
    await bench.create("parent")
    await bench.run(rate, "parent")
    await bench.create("child", WarmStartConfig=warm("IdenticalDataAndAlgorithm"))
    await bench.run(lambda values: 5.0, "child")

    shown = await bench.describe("child")
    assert shown["BestTrainingJob"]["TuningJobName"] == "child"
    assert shown["OverallBestTrainingJob"]["TuningJobName"] == "parent"


async def test_transfer_learning_tries_the_parent_s_best_again_and_shifts_its_values(bench: Bench) -> None:
    await bench.create("parent")
    await bench.run(rate, "parent")
    await bench.create(
        "child", HyperParameterTuningJobConfig=config("Bayesian"), WarmStartConfig=warm("TransferLearning")
    )
    await bench.run(lambda values: rate(values) + 10, "child")

    before = sorted(rate(job.spec["HyperParameters"]) for job in await parents(bench))
    again = [rate(job.spec["HyperParameters"]) for job in await bench.jobs() if job.name.startswith("child")][:4]
    assert again == pytest.approx(before[:4])
    assert {round(value, 6) for value in bench.surrogate.asked[-1].values} >= {round(value + 10, 6) for value in before}


async def parents(bench: Bench) -> list[Any]:
    return [job for job in await bench.jobs() if job.name.startswith("parent")]


def warm(kind: str) -> dict[str, Any]:
    return {"WarmStartType": kind, "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "parent"}]}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "Could not find the parent"),
        ({"parent": {}}, "a parent must have ended"),
        (
            {"ended": {}, "config": {"ParameterRanges": ranges(other=("0", "1"))}},
            "must be the same as those of its parent",
        ),
        (
            {"ended": {}, "config": {"ParameterRanges": ranges("Integer", rate=("0", "1"))}},
            "The type of the hyperparameters",
        ),
        (
            {"ended": {}, "config": {"HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": METRIC}}},
            "must be that of its parent",
        ),
    ],
)
async def test_a_parent_must_fit(bench: Bench, changes: dict[str, Any], words: str) -> None:
    if changes:
        await bench.create("parent")
    if "ended" in changes:
        await bench.run(rate, "parent")

    with pytest.raises(Exception, match=words):
        await bench.create(
            "child",
            HyperParameterTuningJobConfig=config(**changes.get("config", {})),
            WarmStartConfig=warm("IdenticalDataAndAlgorithm"),
        )


async def test_training_jobs_are_listed_by_what_they_reached(bench: Bench) -> None:
    await bench.create()
    await bench.run(lambda values: rate(values) if rate(values) < 0.8 else None)
    listed = await names(bench, SortBy="FinalObjectiveMetricValue", SortOrder="Descending")

    values = {job.name: rate(job.spec["HyperParameters"]) for job in await bench.jobs()}
    assert listed == sorted((name for name in values if values[name] < 0.8), key=lambda name: -values[name])
    assert await names(bench) == sorted(values)
    assert await names(bench, StatusEquals="Failed") == sorted(name for name in values if values[name] >= 0.8)


async def test_pages_join(bench: Bench) -> None:
    await bench.create()
    await bench.run(rate)
    call = fakes.call("List", HyperParameterTuningJobName="tune", MaxResults=4)
    first = await list_trials(bench.world, call)
    second = await list_trials(
        bench.world, fakes.call("List", HyperParameterTuningJobName="tune", MaxResults=4, NextToken=first["NextToken"])
    )

    found = [one["TrainingJobName"] for page in (first, second) for one in page["TrainingJobSummaries"]]
    assert found == [job.name for job in await bench.jobs()]
    assert second["NextToken"] is None


async def names(bench: Bench, **asked: Any) -> list[str]:
    found = await list_trials(bench.world, fakes.call("List", HyperParameterTuningJobName="tune", **asked))
    return [one["TrainingJobName"] for one in found["TrainingJobSummaries"]]
