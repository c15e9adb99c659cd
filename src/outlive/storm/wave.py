"""One generation of a storm: its processes and their hosts."""

import json
import sys
import threading
import time
from collections.abc import Callable
from math import ceil
from typing import Any, Final

from outlive.storm.children import Child, environment
from outlive.storm.errors import ScenarioError
from outlive.storm.hosts import FarHost, Host
from outlive.storm.instances import Orders
from outlive.storm.policy import Policy
from outlive.storm.record import Record, Request
from outlive.storm.remedies import Remedy
from outlive.storm.stage import Stage

READY_TIMEOUT_S: Final = 60.0
SPARE_S: Final = 30.0
"""How much longer than its requests may take at most a generation may be busy: the machine may be."""
_FUNCTIONS_A_PROCESS: Final = 250
_MOST_PROCESSES: Final = 4
_LEAD_S: Final = 0.1  # between telling the processes and the beginning: all must have read it
_SIGTERM_S: Final = 10.0


def processes_of(policy: Policy, functions: int) -> int:
    """How many processes a generation of so many functions has."""
    if policy.pool_processes is not None:
        return policy.pool_processes
    return max(1, min(_MOST_PROCESSES, ceil(functions / _FUNCTIONS_A_PROCESS)))


class Wave:
    """Its processes, loaded and not yet alive; what they do goes to `record`, and new connections to `note` too."""

    def __init__(
        self, number: int, remedy: Remedy, stage: Stage, record: Record, note: Callable[[list[int]], None]
    ) -> None:
        self._number = number
        self._remedy = remedy
        self._policy = remedy.policy
        self._stage = stage
        self._record = record
        self._note = note
        self._parts: list[_Part] = []
        self.connections: set[int] = set()
        for _ in range(processes_of(self._policy, len(stage.load.members(number)))):
            self._parts.append(_Part(stage, remedy.driver, self._happened))

    def load(self) -> None:
        """Returns when nothing is left to do but to live. ScenarioError when they cannot be started."""
        for part in self._parts:
            part.load()

    @property
    def addresses(self) -> list[str]:
        """Its hosts, as servers see them, where they see them apart."""
        return [part.host.address for part in self._parts if isinstance(part.host, FarHost)]

    def live(self) -> None:
        """Returns when its life is over, and every request. ScenarioError when that does not happen."""
        load = self._stage.load
        begins = time.monotonic() + _LEAD_S
        self._record.births.append(begins - self._record.began)
        self._record.functions += len(load.members(self._number))
        for number, part in enumerate(self._parts):
            seen = self._stage.ground.seen(self._remedy.target, part.host)
            relay_s = self._stage.ground.relay_s
            orders = Orders(load, self._policy, seen, self._number, number, len(self._parts), begins, relay_s)
            part.child.tell(orders.line())
        deadline = begins + load.lifetime_s + 2 * load.timeout_s + SPARE_S
        for part in self._parts:
            part.wait(part.done, deadline, "end")

    def vanish(self) -> None:
        """Without a word to anybody; containers are told before, and close what they have."""
        self._record.deaths.append(self._record.at)
        if self._policy.closes_at_end:
            for part in self._parts:
                part.child.ask_to_end()
            for part in self._parts:
                part.child.ended.wait(_SIGTERM_S)
        for part in self._parts:
            if part.host is not None:
                part.host.vanish()

    def close(self) -> None:
        """Remove what is left of it. Idempotent."""
        for part in self._parts:
            part.close()

    def _happened(self, event: dict[str, Any]) -> None:
        if event["connected"]:
            self.connections.update(event["connected"])
            self._record.handshakes += len(event["connected"])
            self._note(event["connected"])
        self._record.unfinished += event["unfinished"]
        for came, outcome, code, seconds in event["requests"]:
            self._record.add(Request(came - self._record.began, self._number, outcome, code, seconds))


class _Part:
    """One process and its host."""

    def __init__(self, stage: Stage, driver: str, happened: Callable[[dict[str, Any]], None]) -> None:
        self._stage = stage
        self._happened = happened
        self._ready = threading.Event()
        self.done = threading.Event()
        self._said: list[str] = []
        self.host: Host | None = None
        command = [sys.executable, "-m", "outlive.storm.instances", driver]
        self.child = Child(command, self._on_line, before=stage.ground.before, environment=environment())

    def load(self) -> None:
        self.wait(self._ready, time.monotonic() + READY_TIMEOUT_S, "start")
        self.host = self._stage.ground.host(self.child)

    def wait(self, event: threading.Event, deadline: float, what: str) -> None:
        while not event.wait(0.1):
            if self.child.ended.is_set() or time.monotonic() > deadline:
                raise ScenarioError(f"A generation of functions did not {what}: {' / '.join(self._said[-3:]) or '-'}")

    def close(self) -> None:
        self.child.kill()
        if self.host is not None:
            self.host.close()

    def _on_line(self, line: str) -> None:
        if not line.startswith('{"event"'):
            self._said.append(line)
            return
        event = json.loads(line)
        if event["event"] == "happened":
            self._happened(event)
        else:
            {"ready": self._ready, "done": self.done}[event["event"]].set()
