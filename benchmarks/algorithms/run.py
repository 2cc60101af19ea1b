"""The built-in algorithms beside their peers from PyPI: CPU seconds, and how good the result is.

python -m benchmarks.algorithms.run [CLAIM...]
"""

import sys

from benchmarks.algorithms import peers

CLAIMS = ("random_cut_forest", "k_means", "k_nearest_neighbours", "linear_learner", "recordio", "memory")


def main() -> None:
    for claim in sys.argv[1:] or CLAIMS:
        peers.run(f"benchmarks.algorithms.{claim}")
        print(flush=True)


if __name__ == "__main__":
    main()
