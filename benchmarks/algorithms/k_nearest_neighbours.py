"""k-nearest neighbours: CPU seconds to learn and to answer, and accuracy, beside scikit-learn and faiss itself.

Salvia's figures include the votes and the distances of its answer; faiss only searches.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from benchmarks.measured.report import machine, table, verdict

from salvia_algorithms.knn import projection
from salvia_algorithms.knn.neighbours import Neighbours

ROWS, ASKED, FEATURES, CLASSES, K = 100_000, 2_000, 50, 20, 10
CPU_GOAL = 1.2
HERE, FAISS = "Salvia, faiss.Flat", "faiss.IndexFlatL2 alone"
Answers = Callable[[Any], Any]


def salvia(index_type: str, reduced_to: int | None = None) -> Callable[[Any, Any], Answers]:
    """What a job does with its sample, and what its handler does with a request."""

    def learn(rows: Any, labels: Any) -> Answers:
        given = {
            "k": K,
            "predictor_type": "classifier",
            "index_type": index_type,
            "index_metric": "L2",
            "feature_dim": FEATURES,
            "dimension_reduction_type": "sign" if reduced_to else None,
            "dimension_reduction_target": reduced_to,
            "faiss_index_ivf_nlists": None,
            "faiss_index_pq_m": 10,
        }
        matrix = None
        if reduced_to:
            matrix = projection.matrix("sign", FEATURES, reduced_to, np.random.default_rng(0))
        found = Neighbours.of(given, rows, labels, matrix)
        return lambda asked: found.predict(asked)[0]

    return learn


def scikit_learn(algorithm: str) -> Callable[[Any, Any], Answers]:
    def learn(rows: Any, labels: Any) -> Answers:
        from sklearn.neighbors import KNeighborsClassifier

        answers: Answers = KNeighborsClassifier(K, algorithm=algorithm).fit(rows, labels).predict
        return answers

    return learn


def faiss(rows: Any, labels: Any) -> Answers:
    import faiss as library

    index = library.IndexFlatL2(rows.shape[1])
    index.add(rows)

    def answer(asked: Any) -> Any:
        near = labels[index.search(asked, K)[1]].astype(np.int64)
        return np.array([np.bincount(row).argmax() for row in near])

    return answer


ENGINES: dict[str, Callable[[Any, Any], Answers]] = {
    HERE: salvia("faiss.Flat"),
    "Salvia, faiss.Flat, 16 dimensions by sign": salvia("faiss.Flat", 16),
    "Salvia, faiss.IVFFlat": salvia("faiss.IVFFlat"),
    "Salvia, faiss.IVFPQ": salvia("faiss.IVFPQ"),
    FAISS: faiss,
    "scikit-learn, brute": scikit_learn("brute"),
    "scikit-learn, kd_tree": scikit_learn("kd_tree"),
}


def data() -> tuple[Any, Any]:
    """Rows around 60 centres that overlap, three of them to a class."""
    random = np.random.default_rng(0)
    centers = random.normal(size=(3 * CLASSES, FEATURES))
    place = random.integers(0, len(centers), ROWS + ASKED)
    rows = (centers[place] + 2 * random.normal(size=(len(place), FEATURES))).astype(np.float32)
    return rows, (place % CLASSES).astype(np.float32)


def main() -> None:
    rows, labels = data()
    train, its, asked, true = rows[:ROWS], labels[:ROWS], rows[ROWS:], labels[ROWS:]
    seconds: dict[str, float] = {}
    lines = []
    for name, learn in ENGINES.items():
        began = time.process_time()
        answers = learn(train, its)
        learnt = time.process_time()
        found = answers(asked)
        seconds[name] = time.process_time() - learnt
        accuracy = float((found == true).mean())
        share = seconds[HERE] / seconds[name]
        lines.append([name, f"{learnt - began:.2f}", f"{seconds[name]:.2f}", f"{share:.2f}x", f"{accuracy:.4f}"])
    print(machine())
    print(f"{ROWS:,} rows of {FEATURES} features, {CLASSES} classes, k = {K}; {ASKED:,} rows asked")
    print(table(["engine", "learn, CPU s", "answer, CPU s", "Salvia is", "accuracy"], lines))
    ratio = seconds[HERE] / seconds[FAISS]
    print(f"goal: {CPU_GOAL:g}x the CPU of faiss alone: {verdict(ratio, CPU_GOAL)} ({ratio:.2f}x)")


if __name__ == "__main__":
    main()
