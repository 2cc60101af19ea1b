"""What a model is for, as the image that trains it says; and the classes that there are."""

from collections.abc import Iterable

from salvia_container.failure import UserError

CLASSIFICATION, REGRESSION = "classification", "regression"
PROBLEMS = (CLASSIFICATION, REGRESSION)


def classes(labels: Iterable[float]) -> list[int]:
    """The distinct labels of a classification, in order. Raises UserError unless they are two or more whole numbers."""
    found = sorted(set(labels))
    broken = [label for label in found if not float(label).is_integer()]
    if broken:
        raise UserError(
            f"Labels of a classification must be integers, but the training data has the label {broken[0]:g}"
        )
    if len(found) < 2:
        raise UserError("A classification needs at least two different labels in the training data")
    return [int(label) for label in found]
