"""A store with two nodes for each file of tests, of each kind in turn."""

from collections.abc import Iterator
from typing import Any

import pytest

from .place import HOUSES, Place


@pytest.fixture(scope="module", params=list(HOUSES))
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    found = Place(request.param)
    yield found
    found.close()


@pytest.fixture
def key(request: pytest.FixtureRequest, place: Any) -> str:
    """A lock of the test's own."""
    return request.node.name.replace("[", "-").replace("]", "")
