"""A container that serves through a user's script, with the defaults of a framework."""

import importlib

from salvia_container.serving.worker import serve

FRAMEWORKS = ("huggingface", "pytorch", "sklearn", "tensorflow", "xgboost")


def serve_script(framework: str) -> int:
    """Serves until SIGTERM; returns the exit code of the process. `framework` is one of FRAMEWORKS."""
    module = importlib.import_module(f"salvia_container.script_mode.serving.{framework}")
    return serve(module.handler())
