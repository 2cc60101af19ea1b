"""The image's entry points: `python -m salvia_algorithms.catboost train <problem>`, or serve. A platform forks it after importing it."""

import sys

from salvia_algorithms.catboost.serve import SERVING
from salvia_algorithms.catboost.train import train
from salvia_algorithms.tabular.entry import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], train, SERVING))
