"""One process of function instances: `python -m outlive.storm.instances DRIVER`.

It says `ready` when its driver is loaded, reads one line, its orders, and lets its share of a generation live: requests
come at the load's times, and each instance serves one at a time, with an unmodified driver. What happens is told on
standard output, one JSON object a line; the last is `done`. After that the process idles with its connections open, as
frozen functions do, until it is killed, or SIGTERM tells it to close them.
"""

import asyncio
import json
import signal
import sys
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Any

import uvloop

from outlive.storm.load import Invocation, Load
from outlive.storm.plan import Target
from outlive.storm.policy import Policy
from outlive.storm.protocol import Connection, Driver, driver_of
from outlive.storm.relay import Relay
from outlive.storm.supply import supply_of

_TELL_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class Orders:
    """What a process is to do: the `part`-th of `parts` of a generation, from `begins`, a time of the monotonic clock
    (Linux: the same in all processes). `relay_s`: the round-trip time that its own relay is to add.
    """

    load: Load
    policy: Policy
    target: Target
    generation: int
    part: int
    parts: int
    begins: float
    relay_s: float

    def line(self) -> str:
        """For the standard input of the process. It holds the password: it goes through a pipe and nowhere else."""
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, line: str) -> "Orders":
        """What `line` made."""
        fields = json.loads(line)
        kinds = {"load": Load, "policy": Policy, "target": Target}
        return cls(**{**fields, **{name: kind(**fields[name]) for name, kind in kinds.items()}})

    @property
    def pooled(self) -> bool:
        """Whether requests go to any process, and not to the instance that they are for."""
        return self.policy.connection == "pool"

    def share(self) -> list[Invocation]:
        """The requests that come here."""
        mine = range(self.part, self.load.functions * self.parts, self.parts)
        return [each for each in self.load.arrivals(self.generation) if each.function in mine]


class _Teller:
    """Collects what happened: a line for each event would cost more than the event."""

    def __init__(self) -> None:
        self.connected: list[int] = []
        self.requests: list[tuple[float, str, str, float]] = []
        self.unfinished = 0

    def flush(self) -> None:
        if self.connected or self.requests or self.unfinished:
            _say(event="happened", connected=self.connected, requests=self.requests, unfinished=self.unfinished)
            self.connected, self.requests, self.unfinished = [], [], 0

    async def keep_telling(self) -> None:
        while True:
            await asyncio.sleep(_TELL_EVERY_S)
            self.flush()


def _say(**event: Any) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


class _Instances:
    def __init__(self, orders: Orders, driver: Driver, target: Target) -> None:
        self._orders = orders
        self._driver = driver
        self._target = target
        self._teller = _Teller()
        self._supply = supply_of(orders.policy, self._connect)
        # Kept: the collector of garbage would close them, and a function that vanishes closes nothing.
        self._left_open: list[Connection] = []
        self._turns: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def live(self) -> None:
        """Until the last request is over."""
        telling = asyncio.get_running_loop().create_task(self._teller.keep_telling())
        load = self._orders.load
        share = self._orders.share()
        async with asyncio.TaskGroup() as group:
            for invocation in share:
                await asyncio.sleep(self._orders.begins + invocation.at_s - time.monotonic())
                group.create_task(self._serve(invocation))
            # Between the last request and the end of its life an instance idles.
            await asyncio.sleep(self._orders.begins + load.lifetime_s - time.monotonic())
        if not self._orders.policy.closes_at_end:
            members = {invocation.function for invocation in share}
            await asyncio.gather(*(self._begin(function) for function in members if load.unfinished(function)))
        telling.cancel()
        self._teller.flush()

    async def close(self) -> None:
        """After SIGTERM."""
        await self._supply.close()

    async def _connect(self) -> Connection:
        connection = await self._driver.connect(self._target)
        self._teller.connected.append(connection.number)
        return connection

    async def _serve(self, invocation: Invocation) -> None:
        came = self._orders.begins + invocation.at_s
        timeout_s = self._orders.load.timeout_s
        outcome, code = "failed", "timeout"
        try:
            # From when the request came: what waits behind a slow one is slow, too.
            async with asyncio.timeout_at(asyncio.get_running_loop().time() + timeout_s + invocation.function_s):
                if self._orders.pooled:
                    outcome, code = await self._transact(invocation)
                else:
                    async with self._turns[invocation.function]:
                        outcome, code = await self._transact(invocation)
        except TimeoutError:
            pass
        seconds = time.monotonic() - came - invocation.function_s
        self._teller.requests.append((came, outcome, code, max(0.0, seconds)))

    async def _transact(self, invocation: Invocation) -> tuple[str, str]:
        """How it went. Cancelled, it was the time that ran out."""
        await asyncio.sleep(invocation.function_s)
        function = invocation.function
        try:
            connection = await self._supply.lend(function)
        except asyncio.CancelledError:
            return "refused", "timeout"
        except Exception as error:
            # Whatever it was that the driver met, there was no connection.
            return "refused", self._driver.code(error)
        sound = False
        try:
            await connection.request(function, invocation.turn, invocation.database_s)
            sound = True
        except asyncio.CancelledError:
            return "failed", "timeout"
        except Exception as error:
            return "refused" if self._driver.is_full(error) else "failed", self._driver.code(error)
        finally:
            self._supply.back(function, connection, sound=sound)
        return "answered", ""

    async def _begin(self, function: int) -> None:
        """A transaction that nobody will finish."""
        try:
            async with asyncio.timeout(self._orders.load.timeout_s):
                connection = await self._supply.lend(function)
                self._left_open.append(connection)
                await connection.leave_open(function)
                self._teller.unfinished += 1
        except Exception:
            return  # it has no connection: it dies without, and is not counted


async def _run(orders: Orders, driver: Driver) -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    target = orders.target
    if orders.relay_s > 0:
        port = await Relay(target.host, target.port, orders.relay_s).listen()
        target = Target(**{**asdict(target), "host": "127.0.0.1", "port": port})
    instances = _Instances(orders, driver, target)
    await instances.live()
    _say(event="done")
    await ended.wait()
    await instances.close()


def main() -> None:
    """Returns after SIGTERM only."""
    driver = driver_of(sys.argv[1])
    _say(event="ready")
    orders = Orders.of(sys.stdin.readline())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(orders, driver))


if __name__ == "__main__":
    main()
