"""The same account as IAM's tests have."""

from tests.services.iam.conftest import account

__all__ = ["account"]
