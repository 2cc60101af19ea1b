"""Compute for real container images, through the socket of Docker or Podman."""

from salvia.adapters.compute.docker.engine import Docker

__all__ = ["Docker"]
