"""The image's entry points: `python -m salvia_algorithms.pca train` or `serve`. A platform forks it after importing it."""

import sys

from salvia_algorithms.first_party.entry import main
from salvia_algorithms.first_party.serving import Serving
from salvia_algorithms.pca.model import load
from salvia_algorithms.pca.train import train

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], train, Serving(load, key="projections")))
