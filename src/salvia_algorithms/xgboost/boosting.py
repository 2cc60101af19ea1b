"""The rounds of boosting: update, evaluate, print, and decide whether to go on."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import xgboost as xgb

from salvia_algorithms.xgboost import metrics
from salvia_algorithms.xgboost.checkpoints import Checkpoints
from salvia_algorithms.xgboost.metric_names import maximized

KEEP_SECONDS = 10.0  # how old the model kept for a termination may become during long training

History = dict[str, dict[str, float]]  # data name -> metric -> its value


@dataclass(slots=True)
class Boosting:
    """One model's training. `evaluated` pairs matrices with the names they are printed under, train first.

    `own_metrics` are computed by us after XGBoost's. `patience` rounds without improvement of `stopping_metric` (None: the
    last one printed) on the last matrix end training with the best model. `keep`, if any, stores a model that is good
    enough should the job be terminated; `terminated` asks whether it was.
    """

    parameters: Mapping[str, Any]
    rounds: int
    evaluated: Sequence[tuple[xgb.DMatrix, str]]
    own_metrics: Sequence[str] = ()
    patience: int | None = None
    stopping_metric: str | None = None
    checkpoints: Checkpoints | None = None
    keep: Callable[[xgb.Booster], None] | None = None
    terminated: Callable[[], bool] = lambda: False
    print_line: Callable[[str], None] = print
    scores: History = field(default_factory=dict)

    def run(self, start: xgb.Booster | None, first: int) -> xgb.Booster:
        """Trains rounds `first` to `rounds`, going on from `start`. Returns the model to save."""
        matrices = [matrix for matrix, _ in self.evaluated]
        booster = xgb.Booster(dict(self.parameters), matrices, model_file=start)
        best = _Best(maximize=False)
        kept = time.monotonic()
        for number in range(first, self.rounds):
            booster.update(matrices[0], number)
            self.scores = self._evaluate(booster, number)
            if self.checkpoints is not None:
                self.checkpoints.save(booster, number)
            if self.patience is not None and self._stops(best, number):
                return self._best_of(booster, best)
            if self.terminated():
                break
            if self.keep is not None and time.monotonic() - kept > KEEP_SECONDS:
                self.keep(booster)
                kept = time.monotonic()
        return self._best_of(booster, best) if self.patience is not None and best.number >= 0 else booster

    def _evaluate(self, booster: xgb.Booster, number: int) -> History:
        scores: History = {name: {} for _, name in self.evaluated}
        for item in booster.eval_set(self.evaluated, number).split()[1:]:
            label, value = item.rsplit(":", 1)
            data, metric = label.split("-", 1)
            scores[data][metric] = float(value)
        if self.own_metrics:
            classes = self.parameters.get("num_class", 2)
            for matrix, data in self.evaluated:
                scores[data] |= metrics.evaluate(self.own_metrics, booster, matrix, classes)
        self.print_line(line(number, scores))
        return scores

    def _stops(self, best: "_Best", number: int) -> bool:
        watched = self.scores[self.evaluated[-1][1]]
        metric = self.stopping_metric or list(watched)[-1]
        best.maximize = maximized(metric)
        best.see(number, watched[metric])
        return number - best.number >= (self.patience or 0)

    def _best_of(self, booster: xgb.Booster, best: "_Best") -> xgb.Booster:
        if self.parameters.get("booster") == "gblinear":  # no trees to cut off: the last weights are all there is
            return booster
        rounds = best.number + 1
        kept = booster if rounds >= booster.num_boosted_rounds() else booster[:rounds]
        kept.set_attr(best_iteration=str(best.number), best_score=str(best.score))
        return kept


@dataclass(slots=True)
class _Best:
    maximize: bool
    number: int = -1
    score: float = 0.0

    def see(self, number: int, score: float) -> None:
        better = score > self.score if self.maximize else score < self.score
        if self.number < 0 or better:
            self.number, self.score = number, score


def line(number: int, scores: History) -> str:
    """A round's line, which metric definitions match once the log shows its tabs as #011."""
    values = (f"\t{data}-{metric}:{value:.5f}" for data, row in scores.items() for metric, value in row.items())
    return f"[{number}]" + "".join(values)
