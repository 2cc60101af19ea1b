"""Hyperparameter tuning jobs: keep training jobs going until the best hyperparameters are found or the budget is spent.

A tuning job's life is a list of situations, each decided from its training jobs as they are now:

    asked to stop, or enough is known    stop what runs; when nothing runs, say how it ended    end()
    nothing succeeds                     fail, with the reason                                  reconcile()
    some runs are losing                 stop them                                              losing()
    there is room                        launch the next ones                                   launch()
    all have been launched and ended     complete                                               reconcile()
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from salvia.base.arn import Scope
from salvia.base.call import Call
from salvia.base.errors import AwsError, InUse
from salvia.ports.surrogate import Surrogate
from salvia.ports.table import Record
from salvia.resources.kind import Resource, halt
from salvia.services.sagemaker.runs import algorithms, waiting
from salvia.services.sagemaker.tuning import median, objective, tuned, warm
from salvia.services.sagemaker.tuning.completion import converged, enough, hopeless, without_improvement
from salvia.services.sagemaker.tuning.history import Choice, History, Trial
from salvia.services.sagemaker.tuning.request import Definition, admitted, definitions_of, resources_of
from salvia.services.sagemaker.tuning.space import values_at
from salvia.services.sagemaker.tuning.strategies.bayesian import Bayesian, observations
from salvia.services.sagemaker.tuning.strategies.grid import Grid
from salvia.services.sagemaker.tuning.strategies.hyperband import Hyperband, judged
from salvia.services.sagemaker.tuning.strategies.random import RandomSearch
from salvia.services.sagemaker.tuning.strategies.strategy import Strategy
from salvia.services.sagemaker.tuning.trials import name_of, observe, place_of, request_of

AT_ONCE = 0.0
FOLLOW = 1.0  # between looks at running training jobs; the end of one wakes the loop by itself
_COUNTERS = ("Completed", "InProgress", "RetryableError", "NonRetryableError", "Stopped")


class HyperParameterTuningJob(Resource):
    noun = warm.NOUN
    initial_status = "InProgress"
    unsettled = frozenset({"InProgress"})
    absent = ("ResourceNotFound", "Amazon SageMaker can't find a hyperparameter tuning job with the name {name}.")
    taken = (
        "Hyperparameter tuning job names must be unique within an AWS account and region, and a hyperparameter tuning job "
        "with this name already exists ({arn})"
    )

    # ------------------------------------------------------------- what the API asks

    async def admit(self, request: dict[str, Any], scope: Scope) -> dict[str, Any]:
        spec = admitted(request)
        definitions = definitions_of(spec)
        for definition in definitions:
            await self._check_objective(definition, scope)
            tuned.check(self.world.images, definition)
            first = {each.name: each.value(0.5) for each in definition.ranges}
            await self._check_training_job(definition, first, scope)
        if spec.get("WarmStartConfig"):
            warm.check(spec, await warm.parents_of(self.world, spec, scope))
        if len(definitions) == 1:
            tuned.check_combinations(definitions[0], spec["HyperParameterTuningJobConfig"])
        return spec

    async def _check_training_job(self, definition: Definition, values: dict[str, str], scope: Scope) -> None:
        """What would be wrong with every training job is said now."""
        like = Record(self.noun, scope.account, scope.region, "tuning", "", 0.0, 0.0, {}, name="tuning")
        await self.world.kinds["TrainingJob"].admit(request_of(like, definition, 0, values), scope)

    async def _check_objective(self, definition: Definition, scope: Scope) -> None:
        name = definition.document["AlgorithmSpecification"].get("AlgorithmName")
        known: list[dict[str, Any]] = []
        if name:
            algorithm = await algorithms.usable(self.world, name, scope)
            tuned = [each.name for each in definition.ranges]
            wanted = definition.objective
            algorithms.check_tuned(algorithm, tuned, wanted["MetricName"], wanted["Type"])
            known = algorithm.spec["TrainingSpecification"].get("MetricDefinitions", [])
        objective.check(self.world.images, definition, known)

    async def hold(self, record: Record, call: Call) -> Record:
        if record.state in self.unsettled and waiting.waits(call):
            return await waiting.settled(self.world, record, call)
        return record

    def view(self, record: Record) -> dict[str, Any]:
        shown = super().view(record)
        config = record.spec["HyperParameterTuningJobConfig"]
        defaults = {
            "Strategy": config["Strategy"],
            "ResourceLimits": config["ResourceLimits"],
            "TrainingJobStatusCounters": dict.fromkeys(_COUNTERS, 0),
            "ObjectiveStatusCounters": {"Succeeded": 0, "Pending": 0, "Failed": 0},
            "ConsumedResources": {"RuntimeInSeconds": 0},
        }
        return defaults | shown

    # ------------------------------------------------------------- what the loop does

    async def reconcile(self, tuning: Record) -> float | None:
        if tuning.state not in self.unsettled:
            return None
        config = tuning.spec["HyperParameterTuningJobConfig"]
        definitions = definitions_of(tuning.spec)
        stops = config["Strategy"] == "Hyperband" or config["TrainingJobEarlyStoppingType"] == "Auto"
        trials = await observe(self.world, tuning, config["Strategy"], definitions, series=stops)
        await self.tell(tuning, definitions, trials)
        running = [trial for trial in trials if trial.running]
        most = config["ResourceLimits"].get("MaxNumberOfTrainingJobs")  # None: as many as the time allows
        seconds = self.world.clock.now() - tuning.created
        dimensions = max(len(definition.ranges) for definition in definitions)
        if tuning.wanted == "stopped" or enough(config, trials, seconds, dimensions):
            return await self.end(tuning, definitions, trials)
        if not running and (reason := hopeless(trials, most)):
            return self.finish(tuning, "Failed", reason)
        if most is not None and len(trials) >= most and not running:
            return await self.end(tuning, definitions, trials)
        for trial in self.losing(tuning, definitions, trials) if stops else ():
            await halt(self.world.kinds["TrainingJob"], tuning.account, tuning.region, trial.name.lower())
        if hopeless(trials, most):
            return FOLLOW  # what runs may still come to something; nothing more is begun
        try:
            await self.launch(tuning, definitions, trials, most)
        except AwsError as error:
            if running:
                return FOLLOW
            return self.finish(tuning, "Failed", f"ClientError: {error.message}")
        return FOLLOW

    async def launch(
        self, tuning: Record, definitions: Sequence[Definition], trials: Sequence[Trial], most: int | None
    ) -> None:
        """As many as there is room for. Raises AwsError when a training job is refused."""
        config = tuning.spec["HyperParameterTuningJobConfig"]
        known, scope = list(trials), Scope(tuning.account, tuning.region)
        room = config["ResourceLimits"]["MaxParallelTrainingJobs"] - sum(trial.running for trial in known)
        number = max(tuning.status.get("_launched", 0), max((trial.number + 1 for trial in known), default=0))
        while room > 0 and (most is None or number < most):
            latest = await self.world.table.get(self.noun, tuning.account, tuning.region, tuning.key)
            if latest is None or latest.version != tuning.version:
                return  # a stop that came meanwhile; or this server was asleep, and another has gone on
            index, _ = place_of(number, config["Strategy"], definitions)
            choice = await self.choose(tuning, definitions, known, number)
            if choice is None:
                return
            values = values_at(definitions[index].ranges, choice.point)
            request = request_of(tuning, definitions[index], number, values)
            with suppress(InUse):  # launched before a crash
                await self.world.kinds["TrainingJob"].make(scope, request, owner=tuning.arn)
            if choice.belief:
                tuning.status.setdefault("_surrogate", {})[name_of(tuning, number)] = choice.belief
            known.append(Trial(number, request["TrainingJobName"], "InProgress", index, point=choice.point))
            number, room = number + 1, room - 1
            tuning.status["_launched"] = number
        await self.tell(tuning, definitions, known)

    async def choose(
        self, tuning: Record, definitions: Sequence[Definition], trials: Sequence[Trial], number: int
    ) -> Choice | None:
        config = tuning.spec["HyperParameterTuningJobConfig"]
        index, place = place_of(number, config["Strategy"], definitions)
        past = await warm.past_of(self.world, tuning, definitions[index])
        again = past.again(place)
        if again is not None:
            return again
        mine = [trial for trial in trials if trial.definition == index]
        history = History(definitions[index].ranges, _seed(tuning, index), place, mine, past.known(mine))
        return await self._strategy(config["Strategy"]).suggest(history)

    def losing(self, tuning: Record, definitions: Sequence[Definition], trials: Sequence[Trial]) -> list[Trial]:
        config = tuning.spec["HyperParameterTuningJobConfig"]
        if config["Strategy"] != "Hyperband":
            return median.losing(trials)
        passed = tuning.status.setdefault("_passed", {})
        found = []
        for index, definition in enumerate(definitions):
            least, most = resources_of(config, definition)
            assert most is not None
            found += judged([trial for trial in trials if trial.definition == index], least, most, passed)
        return found

    async def end(self, tuning: Record, definitions: Sequence[Definition], trials: Sequence[Trial]) -> float:
        running = [trial for trial in trials if trial.running]
        for trial in running:
            await halt(self.world.kinds["TrainingJob"], tuning.account, tuning.region, trial.name.lower())
        if running:
            return FOLLOW
        tuning.status["_importance"] = await self._importance(tuning, definitions, trials)
        return self.finish(tuning, "Stopped" if tuning.wanted == "stopped" else "Completed")

    # ------------------------------------------------------------- the smaller steps

    def finish(self, tuning: Record, status: str, reason: str = "") -> float:
        tuning.status["HyperParameterTuningEndTime"] = self.world.clock.now()
        if reason:
            tuning.status["FailureReason"] = reason[:1024]
        tuning.state = status
        return AT_ONCE

    async def tell(self, tuning: Record, definitions: Sequence[Definition], trials: Sequence[Trial]) -> None:
        """What Describe shows of the training jobs."""
        jobs, objectives, best = objective.counted(trials)
        details: dict[str, Any] = {"NumberOfTrainingJobsObjectiveNotImproving": without_improvement(trials)}
        before = tuning.status.get("TuningJobCompletionDetails", {})
        if converged(trials, max(len(definition.ranges) for definition in definitions)):
            details["ConvergenceDetectedTime"] = before.get("ConvergenceDetectedTime", self.world.clock.now())
        tuning.status |= {
            "TrainingJobStatusCounters": jobs,
            "ObjectiveStatusCounters": objectives,
            "TuningJobCompletionDetails": details,
            "ConsumedResources": {"RuntimeInSeconds": round(sum(objective.seconds(trial) for trial in trials))},
        }
        if best is not None:
            tuning.status["BestTrainingJob"] = best.summary
        config = tuning.spec.get("WarmStartConfig", {})
        if config.get("WarmStartType") == "IdenticalDataAndAlgorithm":
            parents = await warm.parents_of(self.world, tuning.spec, Scope(tuning.account, tuning.region))
            overall = warm.overall_best(tuning.status.get("BestTrainingJob"), parents, definitions[0].sign)
            if overall:
                tuning.status["OverallBestTrainingJob"] = overall

    def _strategy(self, name: str) -> Strategy:
        surrogate: Surrogate = self.world.parts["surrogate"]
        table: dict[str, Strategy] = {
            "Bayesian": Bayesian(surrogate),
            "Random": RandomSearch(),
            "Grid": Grid(),
            "Hyperband": Hyperband(),
        }
        return table[name]

    async def _importance(
        self, tuning: Record, definitions: Sequence[Definition], trials: Sequence[Trial]
    ) -> dict[str, dict[str, float]]:
        """{definition: {hyperparameter: the share of the objective's variance that it explains by itself}}"""
        surrogate: Surrogate = self.world.parts["surrogate"]
        found = {}
        for index, definition in enumerate(definitions):
            mine = [trial for trial in trials if trial.definition == index]
            known = observations(History(definition.ranges, _seed(tuning, index), 0, mine))
            shares = await surrogate.importance(known)
            found[definition.name] = dict(zip((each.name for each in definition.ranges), shares, strict=True))
        return found


def _seed(tuning: Record, definition: int) -> int:
    """The request's RandomSeed, or one of the record's own; another for each definition."""
    seed: int = tuning.spec["HyperParameterTuningJobConfig"].get("RandomSeed", int(tuning.created * 1000))
    return seed + definition * 1_000_003
