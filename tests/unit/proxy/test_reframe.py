"""Whatever the sizes, the packets that come out are those of the longer payload, and little is held back."""

from collections.abc import Iterator

import pytest

from outlive.proxy.mysql import reframe
from outlive.proxy.mysql.reframe import Reframer
from outlive.wire.mysql import packets

LIMIT = 50


@pytest.fixture(autouse=True)
def _small_packets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reframe, "MAX_PAYLOAD", LIMIT)
    monkeypatch.setattr(packets, "MAX_PAYLOAD", LIMIT)


def pieces(payload: bytes, inserted: bytes, step: int) -> Iterator[tuple[bytes, int, bool]]:
    """As an upload feeds it: the head with what was put in, then pieces of each of the client's packets."""
    length = min(len(payload), LIMIT)
    left = length
    data = inserted
    position = 0
    while True:
        piece = payload[position : position + min(step, left)]
        position += len(piece)
        left -= len(piece)
        yield data + piece, left, length < LIMIT
        data = b""
        if left:
            continue
        if length < LIMIT:
            return
        length = left = min(len(payload) - position, LIMIT)
        yield b"", left, length < LIMIT
        if not left:
            return


@pytest.mark.parametrize("inserted", [1, 7, LIMIT - 1])
@pytest.mark.parametrize("step", [1, 7, LIMIT, 1000])
def test_the_packets_are_those_of_the_longer_payload(inserted: int, step: int) -> None:
    for size in range(1, 4 * LIMIT):
        payload, extra = bytes(index % 251 for index in range(size)), b"+" * inserted
        reframer = Reframer()
        out = b""
        for data, more, last in pieces(payload, extra, step):
            out += reframer.feed(data, more, last)
            assert len(reframer._pending) <= inserted
        assert out == packets.packet(0, extra + payload), size
        assert reframer.sequence == (size + inserted) // LIMIT + 1
