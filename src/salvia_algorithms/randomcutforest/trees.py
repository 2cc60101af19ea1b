"""Random cut trees as flat arrays, and the three compiled loops over them: growing, enclosing, scoring.

All trees of a forest have the same number of points, `samples`, and at most `2 * samples - 1` nodes, numbered in preorder:
a node's left child is the next number.

    points     (trees, samples, d)   float32, ordered so that each node's points stand together
    cut_dim    (trees, nodes)        int32, the feature that a node cuts; -1: a leaf
    cut_value  (trees, nodes)        float32, what is larger goes right
    right      (trees, nodes)        int32, the number of the right child
    mass       (trees, nodes)        int32, points below; 0: there is no such node
    place      (trees, nodes)        int32, an inner node's row in `low` and `high`, a leaf's row in `points`
    low, high  (trees, samples, d)   float32, the bounding boxes of inner nodes
    span       (trees, nodes)        float32, the sum of a box's sides
"""

import math

import numpy as np
import numpy.typing as npt

from salvia_algorithms.compiled import compiled, part

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Words = npt.NDArray[np.uint64]

BLOCK = 512  # rows scored in one tree before the next: a tree then stays in the nearest cache

_STEP = np.uint64(0x9E3779B97F4A7C15)  # splitmix64: one 64-bit word of state for each tree
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_NONE = np.float32(0)


@part()
def _uniform(state: np.uint64) -> float:
    """A number of [0, 1) for this state."""
    z = (state ^ (state >> _S30)) * _MIX1
    z = (z ^ (z >> _S27)) * _MIX2
    return np.float64((z ^ (z >> _S31)) >> _S11) * (1.0 / 9007199254740992.0)


@part()
def _bound(points: Floats, start: int, end: int, low: Floats, high: Floats) -> float:
    """Writes the box of these points; returns the sum of its sides."""
    total = 0.0
    for j in range(points.shape[1]):
        least = points[start, j]
        most = least
        for i in range(start + 1, end):
            least = min(least, points[i, j])
            most = max(most, points[i, j])
        low[j] = least
        high[j] = most
        total += np.float64(most) - np.float64(least)
    return total


@part()
def _cut(low: Floats, high: Floats, along: float) -> tuple[int, np.float32]:
    """The feature and value at `along` of the box's sides laid end to end. Points lie on both sides of it: low <= value < high."""
    dim = -1
    for j in range(low.shape[0]):
        side = np.float64(high[j]) - np.float64(low[j])
        if side > 0:
            dim = j
            if along < side:
                break
            along -= side
    value = np.float32(np.float64(low[dim]) + along)
    if value >= high[dim]:
        value = np.nextafter(high[dim], low[dim])
    return dim, max(value, low[dim])


@part()
def _divide(points: Floats, start: int, end: int, dim: int, value: np.float32) -> int:
    """Brings the points that stay left before those that go right; returns where the right ones begin."""
    left, last = start, end - 1
    while left <= last:
        if points[left, dim] <= value:
            left += 1
        else:
            for j in range(points.shape[1]):
                kept = points[left, j]
                points[left, j] = points[last, j]
                points[last, j] = kept
            last -= 1
    return left


@part()
def _grow_one(points: Floats, state: np.uint64, cut_dim: Ints, cut_value: Floats, right: Ints, mass: Ints) -> None:
    samples = points.shape[0]
    low = np.empty(points.shape[1], np.float32)
    high = np.empty(points.shape[1], np.float32)
    waiting = np.empty((samples + 1, 3), np.int64)  # start, end, and whose right child it is, or -1
    waiting[0, 0], waiting[0, 1], waiting[0, 2] = 0, samples, -1
    depth, node = 1, 0
    while depth > 0:
        depth -= 1
        start, end, parent = waiting[depth, 0], waiting[depth, 1], waiting[depth, 2]
        if parent >= 0:
            right[parent] = node
        mass[node] = end - start
        total = _bound(points, start, end, low, high)
        if total > 0:
            state += _STEP
            dim, value = _cut(low, high, _uniform(state) * total)
            middle = _divide(points, start, end, dim, value)
            cut_dim[node] = dim
            cut_value[node] = value
            # Cell by cell: whole rows would have the compiler read half of numba's library, for seconds.
            waiting[depth, 0], waiting[depth, 1], waiting[depth, 2] = middle, end, node
            waiting[depth + 1, 0], waiting[depth + 1, 1], waiting[depth + 1, 2] = start, middle, -1
            depth += 2
        else:
            cut_dim[node] = -1
        node += 1


@compiled("void(float32[:,:,::1], uint64[::1], int32[:,::1], float32[:,::1], int32[:,::1], int32[:,::1])")
def grow(points: Floats, seeds: Words, cut_dim: Ints, cut_value: Floats, right: Ints, mass: Ints) -> None:
    """Grows every tree from its points, which it reorders, and its seed. `mass` comes in as zeros."""
    for tree in range(points.shape[0]):
        _grow_one(points[tree], seeds[tree], cut_dim[tree], cut_value[tree], right[tree], mass[tree])


@compiled(
    "void(float32[:,:,::1], int32[:,::1], int32[:,::1], int32[:,::1], int32[:,::1],"
    " float32[:,:,::1], float32[:,:,::1], float32[:,::1])"
)
def enclose(
    points: Floats, cut_dim: Ints, right: Ints, mass: Ints, place: Ints, low: Floats, high: Floats, span: Floats
) -> None:
    """Fills `place`, `low`, `high` and `span` from the others: children stand behind their parents, so from the back."""
    trees, samples, features = points.shape
    for tree in range(trees):
        count = 0
        while count < mass.shape[1] and mass[tree, count] > 0:
            count += 1
        box, first = 0, samples
        for node in range(count - 1, -1, -1):
            if cut_dim[tree, node] < 0:
                first -= mass[tree, node]
                place[tree, node] = first
                continue
            place[tree, node] = box
            total = 0.0
            for j in range(features):
                least, most = np.float32(np.inf), np.float32(-np.inf)
                for side in range(2):
                    child = np.int64(right[tree, node]) if side else node + 1
                    at = place[tree, child]
                    leaf = cut_dim[tree, child] < 0
                    least = min(least, points[tree, at, j] if leaf else low[tree, at, j])
                    most = max(most, points[tree, at, j] if leaf else high[tree, at, j])
                low[tree, box, j] = least
                high[tree, box, j] = most
                total += np.float64(most) - np.float64(least)
            span[tree, node] = total
            box += 1


@part(fast=True)
def _outside(row: Floats, low: Floats, high: Floats) -> np.float32:
    """By how much a box has to grow to hold the row, summed over its sides."""
    away = _NONE
    for j in range(row.shape[0]):
        away += max(low[j] - row[j], _NONE) + max(row[j] - high[j], _NONE)
    return away


@part(fast=True)
def _score_block(
    rows: Floats, start: int, end: int, points: Floats, cut_dim: Ints, cut_value: Floats, right: Ints, mass: Ints,
    place: Ints, low: Floats, high: Floats, span: Floats, path: Ints, out: Floats,
) -> None:  # fmt: skip
    """Adds one tree's scores of rows[start:end]. `path` is scratch."""
    whole = np.float64(mass[0])
    scale = np.float32(math.log2(whole + 1.0))
    one = np.float32(1)
    for i in range(start, end):
        row = rows[i]
        node, depth = np.int32(0), 0
        dim = cut_dim[0]
        while dim >= 0:
            path[depth] = node
            depth += 1
            node = right[node] if row[dim] > cut_value[node] else node + np.int32(1)
            dim = cut_dim[node]
        away = _outside(row, points[place[node]], points[place[node]])
        if away > 0:
            score = one / np.float32(depth + 1)
        else:
            same = np.float64(mass[node])
            score = np.float32((1.0 - same / (2.0 * whole)) / (depth + math.log2(same + 1.0)))
        # A box that holds the row leaves its score as it is, and so do all boxes around that one.
        while depth > 0 and away > 0:
            depth -= 1
            node = path[depth]
            away = _outside(row, low[place[node]], high[place[node]])
            score += away / (away + span[node]) * (one / np.float32(depth + 1) - score)
        out[i] += score * scale


@compiled(
    "void(float32[:,::1], float32[:,:,::1], int32[:,::1], float32[:,::1], int32[:,::1], int32[:,::1], int32[:,::1],"
    " float32[:,:,::1], float32[:,:,::1], float32[:,::1], float32[::1])",
)
def score(
    rows: Floats, points: Floats, cut_dim: Ints, cut_value: Floats, right: Ints, mass: Ints, place: Ints,
    low: Floats, high: Floats, span: Floats, out: Floats,
) -> None:  # fmt: skip
    """Writes each row's anomaly score, the mean over trees, into `out`, which comes in as zeros.

    As in AWS's open Random Cut Forest: a leaf gives 1 / (depth + 1), or, where it equals the row, less the more points it
    holds; going up, each node gives 1 / (depth + 1) with the probability that a random cut of its box, stretched to hold the
    row, parts the row from it. A tree's score is scaled by log2(points + 1).
    """
    trees = points.shape[0]
    path = np.empty(points.shape[1] + 1, np.int32)
    for start in range(0, rows.shape[0], BLOCK):
        end = min(rows.shape[0], start + BLOCK)
        for tree in range(trees):
            _score_block(
                rows, start, end, points[tree], cut_dim[tree], cut_value[tree], right[tree], mass[tree], place[tree],
                low[tree], high[tree], span[tree], path, out,
            )  # fmt: skip
    for i in range(rows.shape[0]):
        out[i] /= np.float32(trees)
