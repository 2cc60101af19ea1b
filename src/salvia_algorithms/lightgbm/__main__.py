"""The image's entry points: `python -m salvia_algorithms.lightgbm train <problem>`, or serve. A platform forks it after importing it."""

import sys

from salvia_algorithms.lightgbm.serve import SERVING
from salvia_algorithms.lightgbm.train import train
from salvia_algorithms.tabular.entry import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], train, SERVING))
