"""A forest: grown from a sample, asked for anomaly scores, described as AWS's log does."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from salvia_algorithms.randomcutforest import trees
from salvia_algorithms.randomcutforest.trees import Floats, Ints

ROWS_PER_THREAD = 256  # below it, handing rows over costs more than scoring them


@dataclass(frozen=True, slots=True)
class Forest:
    """The arrays are those of `trees`; the last three follow from the others."""

    points: Floats
    cut_dim: Ints
    cut_value: Floats
    right: Ints
    mass: Ints
    place: Ints = field(init=False)
    boxes: tuple[Floats, Floats] = field(init=False)
    span: Floats = field(init=False)

    def __post_init__(self) -> None:
        boxes = np.empty_like(self.points), np.empty_like(self.points)
        object.__setattr__(self, "place", np.zeros(self.mass.shape, np.int32))
        object.__setattr__(self, "boxes", boxes)
        object.__setattr__(self, "span", np.zeros(self.mass.shape, np.float32))
        trees.enclose(self.points, self.cut_dim, self.right, self.mass, self.place, *boxes, self.span)

    @classmethod
    def grow(cls, sample: Floats, *, num_trees: int, samples_per_tree: int, seed: int) -> "Forest":
        """A forest whose trees share no row of `sample` (n, d): each has min(samples_per_tree, n // num_trees) of them.

        The same arguments give the same forest. Needs n >= num_trees and finite values.
        """
        random = np.random.default_rng(seed)
        size = min(samples_per_tree, len(sample) // num_trees)
        chosen = random.permutation(len(sample))[: num_trees * size]
        points = np.ascontiguousarray(sample[chosen], np.float32).reshape(num_trees, size, -1)
        nodes = (num_trees, 2 * size - 1)
        cut_dim, right, mass = (np.zeros(nodes, np.int32) for _ in range(3))
        cut_value = np.zeros(nodes, np.float32)
        seeds = random.integers(0, 2**63, num_trees, np.uint64)
        trees.grow(points, seeds, cut_dim, cut_value, right, mass)
        return cls(points, cut_dim, cut_value, right, mass)

    @property
    def features(self) -> int:
        return int(self.points.shape[2])

    def score(self, rows: Floats, threads: int = 1) -> Floats:
        """Anomaly scores (n,) of rows (n, d): around 1 and below is common, the higher the stranger."""
        rows = np.ascontiguousarray(rows, np.float32)
        out = np.zeros(len(rows), np.float32)
        parts = max(1, min(threads, len(rows) // ROWS_PER_THREAD))
        if parts == 1:
            self._score(rows, out)
            return out
        with ThreadPoolExecutor(parts) as pool:
            list(pool.map(self._score, np.array_split(rows, parts), np.array_split(out, parts)))
        return out

    def describe(self) -> str:
        """What AWS's log says of a forest that was built."""
        count = (self.mass > 0).sum(axis=1)
        depth = np.array([_depth(cut, right) for cut, right in zip(self.cut_dim, self.right, strict=True)])
        size = sum(array.nbytes for array in (self.points, self.cut_dim, self.cut_value, self.right, self.mass))
        facts = {
            "num_trees": len(self.points),
            "num_samples_in_forest": self.points.shape[0] * self.points.shape[1],
            "num_samples_per_tree": self.points.shape[1],
            "sample_dim": self.features,
            "shingle_size": 1,
            "trees_num_nodes": f"[{''.join(f'{number}, ' for number in count)}]",
            "trees_depth": f"[{''.join(f'{number}, ' for number in depth)}]",
            "max_num_nodes": count.max(),
            "min_num_nodes": count.min(),
            "avg_num_nodes": int(count.mean()),
            "max_tree_depth": depth.max(),
            "min_tree_depth": depth.min(),
            "avg_tree_depth": int(depth.mean()),
            "mem_size": size,
        }
        return f"ForestInfo{{{', '.join(f'{name}: {value}' for name, value in facts.items())}}}"

    def _score(self, rows: Floats, out: Floats) -> None:
        trees.score(
            rows,
            self.points,
            self.cut_dim,
            self.cut_value,
            self.right,
            self.mass,
            self.place,
            *self.boxes,
            self.span,
            out,
        )


def _depth(cut_dim: Ints, right: Ints) -> int:
    """The most cuts between the root and a leaf of one tree."""
    deepest, waiting = 0, [(0, 0)]
    while waiting:
        node, depth = waiting.pop()
        deepest = max(deepest, depth)
        if cut_dim[node] >= 0:
            waiting += [(node + 1, depth + 1), (int(right[node]), depth + 1)]
    return deepest
