"""What a request to the locks may say."""

import msgspec
import pytest

from outlive.locks.requests import FENCE_MAX, ReleaseRequest


def test_a_fence_is_a_number_that_the_stores_can_keep() -> None:
    """A larger one is refused as the request's fault, before any store is asked."""
    body = b'{"grant_id": "g", "fence": %d}'
    assert msgspec.json.decode(body % FENCE_MAX, type=ReleaseRequest).fence == FENCE_MAX
    for fence in (FENCE_MAX + 1, 1 << 64, 10**30):
        with pytest.raises(msgspec.ValidationError, match="fence"):
            msgspec.json.decode(body % fence, type=ReleaseRequest)
