"""The image's entry points: `python -m salvia_algorithms.factorization_machines train` or `serve`. A platform forks it."""

import sys

from salvia_algorithms.factorization_machines.model import load
from salvia_algorithms.factorization_machines.train import train
from salvia_algorithms.first_party.entry import main
from salvia_algorithms.first_party.serving import Serving

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], train, Serving(load)))
