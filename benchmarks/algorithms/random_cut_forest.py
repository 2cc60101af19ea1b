"""Random Cut Forest: rows scored a CPU second, and how well anomalies are found, beside AWS's Java and Rust and others."""

import importlib.util
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.measured.report import machine, table, verdict

from salvia_algorithms.randomcutforest.forest import Forest

TREES, SAMPLES, TRAINED = 100, 256, 25_600
JAVA_GOAL, AUC_GOAL = 3.0, 0.01
Scorer = Callable[[Any, Any], tuple[Any, float, int]]


def salvia(train: Any, rows: Any) -> tuple[Any, float, int]:
    forest = Forest.grow(train, num_trees=TREES, samples_per_tree=SAMPLES, seed=0)
    return timed(lambda: forest.score(rows), len(rows))


def java(train: Any, rows: Any) -> tuple[Any, float, int]:
    jars = Path(importlib.util.find_spec("jrcf").origin).parent / "lib"  # type: ignore[union-attr, arg-type]
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("train", "rows", "scores")]
        train.astype("<f4").tofile(files[0])
        rows.astype("<f4").tofile(files[1])
        source = str(Path(__file__).with_name("ScoreForest.java"))
        arguments = [str(files[0]), str(files[1]), str(rows.shape[1]), str(files[2])]
        command = ["java", "-cp", ":".join(map(str, jars.glob("*.jar"))), source, *arguments]
        seconds = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        return np.fromfile(files[2], "<f8"), seconds, len(rows)


def krcf(train: Any, rows: Any) -> tuple[Any, float, int]:
    from krcf import RandomCutForest

    options = {
        "dimensions": rows.shape[1],
        "shingle_size": 1,
        "num_trees": TREES,
        "sample_size": SAMPLES,
        "random_seed": 0,
    }
    forest = RandomCutForest(options)
    for row in train:
        forest.update(row)
    return timed(lambda: np.array([forest.score(row) for row in rows]), len(rows))


def rrcf(train: Any, rows: Any) -> tuple[Any, float, int]:
    """Five trees and a hundred rows: a whole forest would take minutes. The rate is that of a hundred trees."""
    from rrcf import RCTree

    random = np.random.default_rng(0)
    trees = [RCTree(train[random.choice(len(train), SAMPLES, replace=False)].astype(float)) for _ in range(5)]
    some = rows[:100].astype(float)

    def score() -> Any:
        found = np.zeros(len(some))
        for tree in trees:
            for place, row in enumerate(some):
                tree.insert_point(row, index=-1)
                found[place] += tree.codisp(-1) / len(trees)
                tree.forget_point(-1)
        return found

    found, seconds, _ = timed(score, len(some))
    return found, seconds * TREES / len(trees), len(some)


def isolation_forest(train: Any, rows: Any) -> tuple[Any, float, int]:
    from sklearn.ensemble import IsolationForest

    forest = IsolationForest(n_estimators=TREES, max_samples=SAMPLES, random_state=0).fit(train)
    return timed(lambda: -forest.score_samples(rows), len(rows))


def timed(score: Callable[[], Any], rows: int) -> tuple[Any, float, int]:
    began = time.process_time()
    found = score()
    return found, time.process_time() - began, rows


def shuttle() -> tuple[Any, Any, Any]:
    """The first half to train on, the second to judge and its labels: 7 per cent are anomalies."""
    import river

    data = np.genfromtxt(Path(river.__file__).parent / "datasets" / "shuttle.csv.gz", delimiter=",", skip_header=1)
    data = data[np.random.default_rng(0).permutation(len(data))]
    features, label = data[:, :-1].astype(np.float32), data[:, -1]
    half = len(data) // 2
    return features[:half], features[half:], label[half:]


def auc(scores: Any, label: Any) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(label[: len(scores)], scores))


def main() -> None:
    noise = np.random.default_rng(0).normal(size=(60_000, 10)).astype(np.float32)
    train, judged, label = shuttle()
    engines: dict[str, Scorer] = {
        "Salvia": salvia,
        "AWS Java (jrcf's jars)": java,
        "AWS Rust (krcf)": krcf,
        "rrcf": rrcf,
        "IsolationForest": isolation_forest,
    }
    if shutil.which("java") is None:
        print("no Java on this machine: AWS Java is left out", file=sys.stderr)
        del engines["AWS Java (jrcf's jars)"]
    rows, rates, areas = [], {}, {}
    for name, engine in engines.items():
        scores, seconds, count = engine(noise[:TRAINED], noise[TRAINED:])
        rates[name] = count / seconds
        found, _, many = engine(train, judged)
        areas[name] = auc(found, label) if many == len(judged) else float("nan")
        mean = "" if name in ("rrcf", "IsolationForest") else f"{scores.mean():.3f}"
        rows.append([name, f"{rates[name]:,.0f}", f"{rates['Salvia'] / rates[name]:.2f}x", mean, f"{areas[name]:.4f}"])
    print(machine())
    print(f"{TREES} trees of {SAMPLES}; rate: rows of 10 features scored a CPU second; AUC: held-out half of Shuttle")
    print(table(["engine", "rows / CPU s", "Salvia is", "mean score", "AUC"], rows))
    if "AWS Java (jrcf's jars)" in rates:
        ratio = rates["Salvia"] / rates["AWS Java (jrcf's jars)"]
        print(f"goal: {JAVA_GOAL:g}x AWS Java: {verdict(-ratio, -JAVA_GOAL)} ({ratio:.2f}x)")
    apart = abs(areas["Salvia"] - areas["AWS Rust (krcf)"])
    print(f"goal: AUC within {AUC_GOAL:g} of krcf's: {verdict(apart, AUC_GOAL)} ({apart:.4f} apart)")


if __name__ == "__main__":
    main()
