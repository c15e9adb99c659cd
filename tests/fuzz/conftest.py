"""How thorough the fuzzing is."""

import pytest

from .inputs import be_thorough


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--full"):
        be_thorough()
