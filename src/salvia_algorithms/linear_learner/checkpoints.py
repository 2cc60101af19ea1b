"""What a job has to keep of its models, and of what it knows of them, to go on later."""

from salvia_algorithms.first_party.checkpoint import Checkpoint, Saved
from salvia_algorithms.linear_learner.fitting import Fit
from salvia_algorithms.linear_learner.selection import Selection

NAME = "linear-learner"
MAY_DIFFER = ("epochs", "early_stopping_patience")


def save(checkpoint: Checkpoint, fit: Fit, selection: Selection, epoch: int) -> None:
    state = {
        "steps": fit.optimizer.steps,
        "model": selection.model,
        "best": [selection.worth, selection.loss, *selection.reference],
        "stale": selection.stale,
    }
    arrays = {"parameters": fit.parameters, "averaged": fit.averaged, "selected": selection.parameters}
    checkpoint.save(epoch, arrays | fit.optimizer.arrays, state)


def put_back(saved: Saved, fit: Fit, selection: Selection) -> None:
    arrays, state = saved.arrays, saved.state
    fit.parameters, fit.averaged, selection.parameters = (arrays[one] for one in ("parameters", "averaged", "selected"))
    fit.optimizer.arrays = {name: arrays[name] for name in fit.optimizer.arrays}
    fit.optimizer.steps, selection.model, selection.stale = state["steps"], state["model"], state["stale"]
    selection.worth, selection.loss, *reference = state["best"]
    selection.reference = (reference[0], reference[1])
