"""Certificates for the tests of this folder: an authority, what it signed, and one it did not."""

import pytest
from tests.servers.certificates import Certificates


@pytest.fixture(scope="session")
def issued() -> Certificates:
    return Certificates.shared()
