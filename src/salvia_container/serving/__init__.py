"""Answers requests for a model: the worker processes of a container, and how what they serve plugs in (see docs/serving-containers.md)."""
