"""The embedded engine: each run is a tree of processes on this machine, in namespaces of its own."""

from salvia.adapters.compute.process.engine import Process

__all__ = ["Process"]
