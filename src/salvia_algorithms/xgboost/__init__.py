"""The built-in XGBoost algorithm."""

import os
import sys

from salvia_container.launch import partial

# Read by the OpenMP runtime when the library is loaded. Waiting threads must sleep: where other work wants the CPUs, threads
# that spin at each barrier make training many times slower (measured: 0.1 s become 2-5 s).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# XGBoost imports scikit-learn where that is installed: 56 MB, and a second. The image has it for users' scripts; the
# algorithm has no use for it. Pandas (32 MB) stays: the library asks for it again whenever it makes a matrix.
if "sklearn" not in sys.modules:
    sys.modules["sklearn"] = None  # type: ignore[assignment]
    try:
        import xgboost  # noqa: F401
    finally:
        del sys.modules["sklearn"]
    partial.add("xgboost")
