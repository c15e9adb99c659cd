"""One generation of functions: its process and its host."""

import json
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from outlive.storm.children import Child, environment
from outlive.storm.errors import ScenarioError
from outlive.storm.place import Host, Place
from outlive.storm.plan import Generation
from outlive.storm.record import Record, Request

READY_TIMEOUT_S = 30.0
SPARE_S = 20.0
"""How much longer than its requests may take at most a generation may be busy: the machine may be."""


class Crowd:
    """The functions of `generation`, the `number`-th: loaded, and not yet alive. What they do goes to `record`."""

    def __init__(self, number: int, generation: Generation, place: Place, record: Record) -> None:
        self._number = number
        self._generation = generation
        self._record = record
        self._host: Host | None = None
        self._place = place
        self._ready = threading.Event()
        self._done = threading.Event()
        self._said: list[str] = []
        self.endpoints: set[tuple[str, int]] = set()
        self._events: Mapping[str, Callable[[dict[str, Any]], None]] = {
            "ready": lambda event: self._ready.set(),
            "done": lambda event: self._done.set(),
            "connected": self._connected,
            "request": self._requested,
        }
        command = [sys.executable, "-m", "outlive.storm.functions", generation.target.scheme]
        self._child = Child(command, self._on_line, before=place.before, environment=environment())

    def load(self) -> None:
        """Returns when nothing is left to do but to live. ScenarioError when they cannot be started."""
        self._wait(self._ready, READY_TIMEOUT_S, "start")

    def live(self) -> None:
        """Returns when every function has made its last request. ScenarioError when they cannot."""
        self._host = self._place.host(self._child)
        generation = replace(self._generation, target=replace(self._generation.target, host=self._host.server))
        self._record.functions += generation.count
        self._child.tell(generation.line())
        life = generation.life
        longest_s = life.arrival_s + (life.requests + 1) * (life.spacing_s + life.timeout_s)
        self._wait(self._done, longest_s + SPARE_S, "end")

    def vanish(self) -> None:
        """Without a word to anybody."""
        assert self._host is not None
        self._host.vanish()
        self._record.deaths.append(self._record.at)

    def close(self) -> None:
        """Remove what is left of it. Idempotent."""
        self._child.kill()
        if self._host is not None:
            self._host.close()

    def _wait(self, event: threading.Event, timeout_s: float, what: str) -> None:
        deadline = time.monotonic() + timeout_s
        while not event.wait(0.1):
            if self._child.ended.is_set() or time.monotonic() > deadline:
                raise ScenarioError(f"A generation of functions did not {what}: {' / '.join(self._said[-3:]) or '-'}")

    def _on_line(self, line: str) -> None:
        if line.startswith('{"event"'):
            event = json.loads(line)
            self._events[event["event"]](event)
        else:
            self._said.append(line)

    def _connected(self, event: dict[str, Any]) -> None:
        self.endpoints.add((event["address"], event["port"]))
        self._record.handshakes += 1

    def _requested(self, event: dict[str, Any]) -> None:
        at = event["began"] - self._record.began
        self._record.add(Request(at, self._number, event["outcome"], event["code"], event["seconds"]))
