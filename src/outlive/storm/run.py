"""One remedy under the storm: generations live and vanish, one after the other, and the database is looked at."""

import threading
import time
from typing import Final

from outlive.storm.errors import ScenarioError
from outlive.storm.janitor import Janitor
from outlive.storm.protocol import Backend, Observer
from outlive.storm.record import Record
from outlive.storm.remedies import Remedy
from outlive.storm.stage import Stage
from outlive.storm.wave import Wave, processes_of

LOOK_EVERY_S: Final = 0.1
SETTLE_S: Final = 2.5
"""How long after the last death the database is looked at."""
_GONE_TIMEOUT_S: Final = 30.0
_CLOSED_TIMEOUT_S: Final = 1.0
_LOADING: Final = 4
"""So many generations start their programs at a time: more would only wait for each other."""
_MOST_LOADED: Final = 48  # processes, of some 40 MB each


class Run:
    """One remedy's. `others` are connections that were there before; they are not counted."""

    def __init__(
        self,
        stage: Stage,
        remedy: Remedy,
        observer: Observer,
        janitor: Janitor,
        record: Record,
        others: frozenset[int],
    ) -> None:
        self._stage = stage
        self._remedy = remedy
        self._observer = observer
        self._janitor = janitor
        self._record = record
        self._others = others
        self._waves: list[Wave] = []
        self._dead: set[int] = set()
        self._known: set[int] = set()
        self._held: set[int] = set()
        """Of shared connections those in a transaction of a dead function, until they were seen out of it."""
        self._looking = threading.Lock()
        self.server_connections: set[int] = set()
        """Every connection that the database was seen to have."""

    def run(self) -> None:
        """To its end. ScenarioError when it cannot run here."""
        self._observer.prepare()
        self._remedy.start()
        self._load()
        self._record.began = time.monotonic()
        over = threading.Event()
        looking = threading.Thread(target=self._look_on, args=(over,), name="observer", daemon=True)
        looking.start()
        try:
            for number in range(self._stage.load.generations):
                self._generation(number)
            # What is looked at is what the dead leave behind after a stated time: this waits for exactly that time.
            over.wait(SETTLE_S)
        finally:
            over.set()
            looking.join()
        if self._remedy.shares:
            # Every function is dead: a transaction that is open now is one of theirs, and so is its connection.
            self._dead |= {backend.number for backend in self._backends() if backend.in_transaction}
        self._look()
        last = self._record.looks[-1]
        self._record.open_transactions, self._record.dangling = last.in_transaction, last.dangling
        self._record.seconds = self._record.at
        if self._remedy.shares:
            # The others are there for the next functions; those that outlast their proxy are nobody's.
            self._remedy.end()
            self._record.dangling = max(last.dangling, self._left())

    def _load(self) -> None:
        """Before the first one lives: starting programs would take the processors from what is measured. All of them,
        as far as this host's memory allows it without a thought.
        """
        load = self._stage.load
        self._stage.tell(f"  {load.generations} generations of functions are being loaded")
        processes = processes_of(self._remedy.policy, len(load.members(load.generations - 1)))
        ahead = min(load.generations, max(1, _MOST_LOADED // processes))
        while len(self._waves) < ahead:
            self._load_more(min(_LOADING, ahead - len(self._waves)))

    def _load_more(self, count: int) -> None:
        first = len(self._waves)
        for number in range(first, min(first + count, self._stage.load.generations)):
            self._waves.append(Wave(number, self._remedy, self._stage, self._record, self._note))
        for wave in self._waves[first:]:
            wave.load()

    def _note(self, numbers: list[int]) -> None:
        if not self._remedy.shares:
            self._known.update(numbers)
            self._janitor.note(numbers)

    def _generation(self, number: int) -> None:
        before = self._record.outcomes.copy()
        wave = self._waves[number]
        self._remedy.living(wave.addresses)
        wave.live()
        # Before they vanish: a look between must not take the dead for living.
        if not self._remedy.shares:
            self._dead |= wave.connections
        wave.vanish()
        if self._remedy.shares:
            # No function lives now: every transaction that is open is a dead one's.
            self._held |= {backend.number for backend in self._look() if backend.in_transaction}
        self._remedy.living(())
        now = ", ".join(f"{count} {outcome}" for outcome, count in sorted((self._record.outcomes - before).items()))
        count = self._stage.load.generations
        self._stage.tell(f"  generation {number + 1} of {count}: {now}; then all of it vanishes")
        self._load_more(1)

    def _look_on(self, over: threading.Event) -> None:
        while not over.wait(LOOK_EVERY_S):
            self._look()

    def _look(self) -> list[Backend]:
        with self._looking:
            backends = self._backends()
            self.server_connections.update(backend.number for backend in backends)
            self._held &= {backend.number for backend in backends if backend.in_transaction}
            dead = self._dead | self._held
            self._record.see(backends, sum(backend.number in dead for backend in backends))
        return backends

    def _left(self) -> int:
        """How many connections there are when the database has seen that a proxy has closed its own."""
        deadline = time.monotonic() + _CLOSED_TIMEOUT_S
        while (left := len(self._backends())) and time.monotonic() < deadline:
            time.sleep(0.05)
        return left

    def _backends(self) -> list[Backend]:
        return [backend for backend in self._observer.look() if backend.number not in self._others]

    def _numbers(self) -> set[int]:
        return {backend.number for backend in self._backends()}

    def close(self) -> None:
        """End all functions, what stands between, and every connection that they had. Idempotent."""
        for wave in self._waves:
            wave.close()
        self._remedy.close()
        self._end_connections()

    def _end_connections(self) -> None:
        """Those that functions said they had, and no others: the database may have more users."""
        deadline = time.monotonic() + _GONE_TIMEOUT_S
        while left := self._known & self._numbers():
            if time.monotonic() > deadline:
                raise ScenarioError(f"{len(left)} connections of dead functions are still there: end them by hand.")
            self._observer.end(left)
            time.sleep(0.1)
