"""K-Means: CPU seconds and mean squared distance of unseen rows, beside scikit-learn's MiniBatch and Lloyd, and faiss."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from benchmarks.measured.report import machine, table, verdict

from salvia_algorithms.kmeans import seeding
from salvia_algorithms.kmeans.hyperparameters import EXTRA_CENTERS
from salvia_algorithms.kmeans.lloyd import Plan, shrink
from salvia_algorithms.kmeans.nearest import Nearest
from salvia_algorithms.kmeans.streaming import Stream

K, FEATURES, BATCH, SEEDS = 100, 50, 5000, 2
CPU_GOAL, MSD_GOAL = 0.5, 1.02


def salvia(rows: Any, seed: int) -> Any:
    """What a job does with AWS's defaults."""
    random = np.random.default_rng(seed)
    stream = Stream.start(rows[:BATCH], K * EXTRA_CENTERS, seeding.RANDOM, random)
    for start in range(0, len(rows), BATCH):
        stream.update(rows[start : start + BATCH])
    return shrink(*stream.used(), Plan(K), random, lambda *_: None)[0]


def mini_batch(rows: Any, seed: int) -> Any:
    from sklearn.cluster import MiniBatchKMeans

    return MiniBatchKMeans(K, batch_size=BATCH, n_init=3, random_state=seed).fit(rows).cluster_centers_


def lloyd(rows: Any, seed: int) -> Any:
    from sklearn.cluster import KMeans

    return KMeans(K, n_init=1, max_iter=30, random_state=seed).fit(rows).cluster_centers_


def faiss(rows: Any, seed: int) -> Any:
    import faiss as library

    clustering = library.Kmeans(rows.shape[1], K, niter=20, seed=seed, max_points_per_centroid=10**7)
    clustering.train(rows)
    return clustering.centroids


def blobs(count: int) -> Any:
    """Rows around 100 centres with a spread of 1 in each feature: the mean squared distance cannot be below 50."""
    random = np.random.default_rng(0)
    centers = (2 * random.normal(size=(K, FEATURES))).astype(np.float32)
    return centers[random.integers(0, K, count)] + random.normal(size=(count, FEATURES)).astype(np.float32)


def main() -> None:
    rows = blobs(350_000)
    train, unseen = rows[:300_000], rows[300_000:]
    engines: dict[str, tuple[Callable[[Any, int], Any], int]] = {
        "Salvia, 1 pass": (salvia, SEEDS),
        "scikit-learn MiniBatchKMeans": (mini_batch, SEEDS),
        "faiss.Kmeans, 20 rounds": (faiss, 1),
        "scikit-learn KMeans (Lloyd), 30 rounds": (lloyd, 1),
    }
    lines, seconds, distances = [], {}, {}
    for name, (fit, seeds) in engines.items():
        used, reached = [], []
        for seed in range(seeds):
            began = time.process_time()
            centers = fit(train, seed)
            used.append(time.process_time() - began)
            reached.append(float(Nearest(centers.astype(np.float32)).distances(unseen)[1].mean()))
        seconds[name], distances[name] = float(np.mean(used)), float(np.mean(reached))
        share = seconds["Salvia, 1 pass"] / seconds[name]
        lines.append([name, f"{seconds[name]:.2f}", f"{share:.2f}x", f"{distances[name]:.3f}"])
    print(machine())
    print(
        f"{len(train):,} rows of {FEATURES} features, k = {K}; mean squared distance of {len(unseen):,} unseen rows (floor: 50)"
    )
    print(table(["engine", "CPU s", "Salvia is", "msd"], lines))
    cpu = seconds["Salvia, 1 pass"] / seconds["scikit-learn MiniBatchKMeans"]
    msd = distances["Salvia, 1 pass"] / distances["scikit-learn KMeans (Lloyd), 30 rounds"]
    print(f"goal: {CPU_GOAL:g}x the CPU of MiniBatchKMeans: {verdict(cpu, CPU_GOAL)} ({cpu:.2f}x)")
    print(f"goal: {MSD_GOAL:g}x the distance of Lloyd: {verdict(msd, MSD_GOAL)} ({msd:.3f}x)")


if __name__ == "__main__":
    main()
