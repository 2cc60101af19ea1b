"""Compute on the nodes of a Ray cluster. The server itself never imports ray: see driver."""

from salvia.adapters.compute.ray.driver import Driver
from salvia.adapters.compute.ray.engine import Ray

__all__ = ["Driver", "Ray"]
