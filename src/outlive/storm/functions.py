"""One host full of functions, as a program: `python -m outlive.storm.functions SCHEME`.

It says `ready` when its driver is loaded, reads one line, the generation (plan.py), and lets the functions live: each
connects with an unmodified driver, makes its requests, and then idles with its connection open, as a frozen function
does. One JSON object for each connection and each request on standard output, then the line `done`; after that the
program waits to be killed.
"""

import asyncio
import json
import signal
import sys
import time
from typing import Any

from outlive.storm.plan import Generation
from outlive.storm.protocol import Connection, Driver, driver_of

# Connections must not be closed by the collector of garbage: a function that vanishes closes nothing.
_kept: list[Connection] = []


def _say(**event: Any) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


class _Function:
    def __init__(self, number: int, generation: Generation, driver: Driver) -> None:
        self._number = number
        self._target = generation.target
        self._life = generation.life
        self._driver = driver
        self._connection: Connection | None = None

    async def live(self, start: float) -> None:
        """From `start`, a time of the loop, to its last request."""
        loop = asyncio.get_running_loop()
        for turn in range(self._life.requests):
            await asyncio.sleep(start + turn * self._life.spacing_s - loop.time())
            await self._request(turn)
        if self._connection is not None and self._number % self._life.unfinished_every == 0:
            try:
                async with asyncio.timeout(self._life.timeout_s):
                    await self._connection.leave_open(self._number)
            except Exception as error:
                self._lost(error)

    async def _request(self, turn: int) -> None:
        began = time.monotonic()
        outcome, code = "answered", ""
        try:
            async with asyncio.timeout(self._life.timeout_s):
                connection = self._connection or await self._connect()
                await connection.request(self._number, turn)
        # Whatever the driver raises is an answer that the function did not get.
        except Exception as error:
            outcome, code = self._lost(error)
        _say(event="request", outcome=outcome, code=code, began=began, seconds=time.monotonic() - began)

    async def _connect(self) -> Connection:
        connection = self._connection = await self._driver.connect(self._target)
        _kept.append(connection)
        address, port = connection.endpoint
        _say(event="connected", address=address, port=port)
        return connection

    def _lost(self, error: Exception) -> tuple[str, str]:
        """The next request takes a new connection; what became of this one."""
        self._connection = None
        return "refused" if self._driver.is_full(error) else "failed", self._driver.code(error)


async def _live(generation: Generation, driver: Driver) -> None:
    start = asyncio.get_running_loop().time()
    gap_s = generation.life.arrival_s / generation.count
    functions = [_Function(generation.first + number, generation, driver) for number in range(generation.count)]
    await asyncio.gather(*(function.live(start + number * gap_s) for number, function in enumerate(functions)))


def main() -> None:
    """Never returns."""
    driver = driver_of(sys.argv[1])
    _say(event="ready")
    generation = Generation.of(sys.stdin.readline())
    asyncio.run(_live(generation, driver))
    _say(event="done")
    signal.pause()


if __name__ == "__main__":
    main()
