"""k-fold cross validation: how rows are split, and the record of what each fold predicted for the rows it had not seen."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Index = npt.NDArray[np.int64]


def splits(
    label: npt.NDArray[np.float32], folds: int, repeats: int, seed: int, *, stratified: bool
) -> Iterator[tuple[Index, Index]]:
    """(rows to train on, rows held out), `folds` times for each repeat. Stratified: each fold has every class's share."""
    random = np.random.default_rng(abs(seed))
    for _ in range(repeats):
        fold = _stratified(label, folds, random) if stratified else _shuffled(len(label), folds, random)
        for number in range(folds):
            yield np.flatnonzero(fold != number), np.flatnonzero(fold == number)


def _shuffled(rows: int, folds: int, random: np.random.Generator) -> Index:
    return random.permutation(np.arange(rows) % folds)


def _stratified(label: npt.NDArray[np.float32], folds: int, random: np.random.Generator) -> Index:
    fold = np.empty(len(label), np.int64)
    dealt = 0  # classes are dealt one after the other, so that folds differ by one row at most
    for value in np.unique(label):
        rows = np.flatnonzero(label == value)
        fold[random.permutation(rows)] = (np.arange(len(rows)) + dealt) % folds
        dealt += len(rows)
    return fold


class Predictions:
    """What was predicted for each row while it was held out, once per repeat."""

    def __init__(self, label: npt.NDArray[np.float32], repeats: int, *, classification: bool) -> None:
        self.label = label
        self.classification = classification
        self._values = np.zeros((len(label), repeats))
        self._probabilities = np.zeros((len(label), repeats))
        self._seen = np.zeros(len(label), np.int64)

    def record(self, rows: Index, predicted: npt.NDArray[np.float32]) -> None:
        """`predicted` is (n,), or (n, classes) with probabilities."""
        place = self._seen[rows]
        self._seen[rows] += 1
        if not self.classification:
            self._values[rows, place] = predicted
        elif predicted.ndim > 1:
            self._values[rows, place] = predicted.argmax(axis=-1)
            self._probabilities[rows, place] = predicted.max(axis=-1)
        else:
            self._values[rows, place] = predicted > 0.5
            self._probabilities[rows, place] = predicted

    def save(self, path: Path) -> None:
        """CSV without header: label, probability (classification only), prediction; mean or most frequent of repeats."""
        path.parent.mkdir(parents=True, exist_ok=True)
        columns: list[npt.NDArray[Any]] = [self.label]
        if self.classification:
            columns += [self._probabilities.mean(axis=1), _most_frequent(self._values)]
        else:
            columns += [self._values.mean(axis=1)]
        np.savetxt(path, np.column_stack(columns), delimiter=",", fmt="%f")


def _most_frequent(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Of each row; the smallest among equals."""
    classes = np.unique(values)
    counts = (values[:, :, None] == classes).sum(axis=1)
    frequent: npt.NDArray[np.float64] = classes[counts.argmax(axis=1)]
    return frequent
