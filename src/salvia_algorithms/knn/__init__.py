"""The built-in k-nearest-neighbours algorithm."""

import os

# Read by the OpenMP runtime when faiss is loaded: waiting threads must sleep, as in salvia_algorithms.xgboost.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
