"""One peer behind a line of JSON in and a line of JSON out; runs in the peer's own environment, with nothing of Salvia.

`python engine.py NAME` reads {"ranges": [...], "seed": n}, which begins a search, then {"ask": true} and {"tell": id, "value": v}.
"""

import json
import sys
from typing import Any


class Optuna:
    """`sampler` is TPE (multivariate, with a constant liar for what runs) or GP."""

    def __init__(self, sampler: str, ranges: list[dict[str, Any]], seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        if sampler == "TPE":
            chosen = optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)
        else:
            chosen = optuna.samplers.GPSampler(seed=seed)
        self.study = optuna.create_study(sampler=chosen)
        self.ranges = ranges
        self.trials: dict[int, Any] = {}

    def ask(self) -> tuple[int, dict[str, Any]]:
        trial = self.study.ask()
        self.trials[trial.number] = trial
        return trial.number, {each["name"]: self._one(trial, each) for each in self.ranges}

    @staticmethod
    def _one(trial: Any, each: dict[str, Any]) -> Any:
        if each["kind"] == "Categorical":
            return trial.suggest_categorical(each["name"], each["values"])
        log = each["scaling"] == "Logarithmic"
        if each["kind"] == "Integer":
            return trial.suggest_int(each["name"], int(each["low"]), int(each["high"]), log=log)
        return trial.suggest_float(each["name"], each["low"], each["high"], log=log)

    def tell(self, number: int, value: float) -> None:
        self.study.tell(self.trials.pop(number), value)


class Smac:
    """SMAC3's hyperparameter optimisation facade, asked and told."""

    def __init__(self, ranges: list[dict[str, Any]], seed: int) -> None:
        import logging
        import tempfile
        from pathlib import Path

        from ConfigSpace import Categorical, ConfigurationSpace, Float, Integer
        from smac import HyperparameterOptimizationFacade, Scenario

        logging.disable(logging.CRITICAL)
        space = ConfigurationSpace(seed=seed)
        for each in ranges:
            log = each["scaling"] == "Logarithmic"
            if each["kind"] == "Categorical":
                space.add(Categorical(each["name"], each["values"]))
            elif each["kind"] == "Integer":
                space.add(Integer(each["name"], (int(each["low"]), int(each["high"])), log=log))
            else:
                space.add(Float(each["name"], (each["low"], each["high"]), log=log))
        scenario = Scenario(
            space, n_trials=1000, seed=seed, deterministic=True, output_directory=Path(tempfile.mkdtemp())
        )
        initial = HyperparameterOptimizationFacade.get_initial_design(scenario, n_configs=10)
        self.facade = HyperparameterOptimizationFacade(
            scenario, _never_called, initial_design=initial, overwrite=True, logging_level=False
        )
        self.asked: dict[int, Any] = {}

    def ask(self) -> tuple[int, dict[str, Any]]:
        info = self.facade.ask()
        number = len(self.asked)
        self.asked[number] = info
        return number, {name: _plain(value) for name, value in dict(info.config).items()}

    def tell(self, number: int, value: float) -> None:
        from smac.runhistory.dataclasses import TrialValue

        self.facade.tell(self.asked[number], TrialValue(cost=value))


class SyneTune:
    """Syne Tune's conformal quantile regression, its strongest searcher that is not another library's."""

    def __init__(self, ranges: list[dict[str, Any]], seed: int) -> None:
        from syne_tune.config_space import choice, lograndint, loguniform, randint, uniform
        from syne_tune.optimizer.baselines import CQR

        space: dict[str, Any] = {}
        for each in ranges:
            log = each["scaling"] == "Logarithmic"
            if each["kind"] == "Categorical":
                space[each["name"]] = choice(each["values"])
            elif each["kind"] == "Integer":
                space[each["name"]] = (lograndint if log else randint)(int(each["low"]), int(each["high"]))
            else:
                space[each["name"]] = (loguniform if log else uniform)(each["low"], each["high"])
        self.scheduler = CQR(space, metric="value", do_minimize=True, random_seed=seed)
        self.trials: dict[int, Any] = {}

    def ask(self) -> tuple[int, dict[str, Any]]:
        from datetime import datetime

        from syne_tune.backend.trial_status import Trial

        number = len(self.trials)
        suggestion = self.scheduler.suggest()
        config = suggestion.config
        self.trials[number] = Trial(trial_id=number, config=config, creation_time=datetime.now())  # noqa: DTZ005
        self.scheduler.on_trial_add(self.trials[number])
        return number, {name: _plain(value) for name, value in config.items()}

    def tell(self, number: int, value: float) -> None:
        self.scheduler.on_trial_complete(self.trials[number], {"value": value})


def _never_called(config: Any, seed: int = 0) -> float:
    raise NotImplementedError


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def main() -> None:
    engine: Any = None
    for line in sys.stdin:
        said = json.loads(line)
        if "ranges" in said:
            engine = _engine(sys.argv[1], said["ranges"], said["seed"])
        elif "ask" in said:
            number, values = engine.ask()
            print(json.dumps({"id": number, "values": values}), flush=True)
        else:
            engine.tell(said["tell"], said["value"])


def _engine(name: str, ranges: list[dict[str, Any]], seed: int) -> Any:
    if name.startswith("optuna"):
        return Optuna(name.partition("-")[2], ranges, seed)
    return {"smac": Smac, "syne-tune": SyneTune}[name](ranges, seed)


if __name__ == "__main__":
    main()
