"""The rounds of boosting: each is validated and printed, and the best one is kept."""

from dataclasses import dataclass
from typing import Any

import lightgbm as lgb

from salvia_algorithms.lightgbm.checkpoints import Checkpoints

VALIDATION = "val"


@dataclass(eq=False)  # lgb.train keeps callbacks in a set, and notes their order in them
class Watch:
    """A callback of lgb.train. `patience` rounds without a better score end training; 0: they do not.

    `prints`: this host tells the log, and saves checkpoints. `best` is the round (from 0) with the best score so far.
    """

    patience: int
    checkpoints: Checkpoints
    prints: bool = True
    best: int = -1
    score: float = 0.0

    def __call__(self, env: lgb.callback.CallbackEnv) -> None:
        assert env.evaluation_result_list
        assert isinstance(env.model, lgb.Booster)
        (result,) = env.evaluation_result_list
        better = result.metric_value > self.score if result.maximize else result.metric_value < self.score
        if self.best < 0 or better:
            self.best, self.score = env.iteration, result.metric_value
        if self.prints:
            print(_line(env.iteration, result.metric_name, result.metric_value), flush=True)
            if self.checkpoints.due:
                self.checkpoints.save(self.document(env.model))
        if self.patience > 0 and env.iteration - self.best >= self.patience:
            if self.prints:
                best = _line(self.best, result.metric_name, self.score)
                print(f"Early stopping, best iteration is:\n{best}", flush=True)
            raise lgb.EarlyStopException(self.best, [result])

    def document(self, booster: lgb.Booster) -> dict[str, Any]:
        return {"model": booster.model_to_string(num_iteration=-1), "best": self.best, "score": self.score}


def _line(number: int, metric: str, value: float) -> str:
    """A round's line, as AWS's metric definitions match it: they know no exponents."""
    return f"[{number + 1}]\t{VALIDATION}'s {metric}: {value:.6f}"
