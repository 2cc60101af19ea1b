"""The built-in XGBoost algorithm."""

import os

# Read by the OpenMP runtime when the library is loaded. Waiting threads must sleep: where other work wants the CPUs, threads
# that spin at each barrier make training many times slower (measured: 0.1 s become 2-5 s).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
