"""The built-in LightGBM algorithm."""

import os

# Read by the OpenMP runtime when the library is loaded: waiting threads must sleep, as in salvia_algorithms.xgboost.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
