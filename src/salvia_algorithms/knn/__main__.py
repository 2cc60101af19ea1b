"""The image's entry points: `python -m salvia_algorithms.knn train`, or serve. A platform forks it after importing it."""

import sys

from salvia_algorithms.first_party.entry import main
from salvia_algorithms.knn.serve import SERVING
from salvia_algorithms.knn.train import train

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], train, SERVING))
