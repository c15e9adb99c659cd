"""Does a host live: one TCP connection is tried to it. To the client's own port, where nobody listens: RST is a yes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from errno import ECONNREFUSED, ECONNRESET, EHOSTDOWN, EHOSTUNREACH, ENETUNREACH
from typing import Final

from outlive.census.sockets import plain_address
from outlive.reaper.evidence import Answer

AT_ONCE: Final = 64
MOST: Final = 2000
"""Hosts a round: at 64 at once and 2.5 s each, all of them silent, that is 80 s."""
TIMEOUT_S: Final = 2.5
"""The kernel sends its SYN again after a second, so that one lost packet is not taken for a death."""


async def probe_all(
    places: Iterable[tuple[str, int]], *, port: int | None = None, timeout_s: float = TIMEOUT_S
) -> dict[str, Answer]:
    """Each host's answer, by address. `port` in place of the clients' own ports."""
    wanted: dict[str, int] = {}
    for host, own_port in places:
        if len(wanted) < MOST:
            wanted.setdefault(plain_address(host), port or own_port)
    gate = asyncio.Semaphore(AT_ONCE)

    async def ask(host: str, number: int) -> Answer:
        async with gate:
            return await probe(host, number, timeout_s)

    answers = await asyncio.gather(*(ask(host, number) for host, number in wanted.items()))
    return dict(zip(wanted, answers, strict=True))


async def probe(host: str, port: int, timeout_s: float = TIMEOUT_S) -> Answer:
    """One host's."""
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return Answer.SILENT
    except OSError as error:
        if error.errno in (ECONNREFUSED, ECONNRESET):
            return Answer.LIVES
        return Answer.UNREACHABLE if error.errno in (EHOSTUNREACH, ENETUNREACH, EHOSTDOWN) else Answer.UNKNOWN
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return Answer.LIVES
