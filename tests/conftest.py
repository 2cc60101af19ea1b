"""For every test: drawn inputs have no deadline, because no test measures time; and a test that hangs ends, and says where."""

import pytest
from hypothesis import settings

SLOW_SECONDS = 1200  # more than any client is waited for; pyproject.toml has the limit of the others

settings.register_profile("salvia", deadline=None)
settings.load_profile("salvia")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """`--timeout`, 0 for none, is for all tests alike."""
    for item in items:
        if config.getoption("timeout") is None and item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.timeout(SLOW_SECONDS))
