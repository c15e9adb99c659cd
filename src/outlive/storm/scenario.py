"""One run: generations of functions live and vanish, one after the other, and the database is looked at meanwhile."""

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from outlive.storm.crowd import Crowd
from outlive.storm.node import Node
from outlive.storm.place import Place
from outlive.storm.plan import Generation, Life, Target
from outlive.storm.protocol import Backend, Observer
from outlive.storm.record import Look, Record

LOOK_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class Size:
    """How large the scenario is: `functions` in all, as evenly over the generations as it goes."""

    functions: int = 300
    generations: int = 10
    life: Life = field(default_factory=Life)
    settle_s: float = 2.5
    """How long after the last death the database is looked at: Outlive's bound (`transaction_idle_timeout_s`, as it is
    set in the demo, and the second that its sweep takes) is below it."""

    def generations_of(self, target: Target) -> Sequence[Generation]:
        """Who lives when. `target.host` is only known when a host is there."""
        edges = [self.functions * number // self.generations for number in range(self.generations + 1)]
        return [
            Generation(first, end - first, target, self.life) for first, end in itertools.pairwise(edges) if end > first
        ]


class Scenario:
    """One run of the functions of `size` against `target`, in `place`.

    `node` is the Outlive that `target` names, if it does: the database's connections are that one's, and alive as long
    as it is. Else they are the functions' own. `tell` gets a line for people about each generation.
    """

    def __init__(
        self,
        size: Size,
        target: Target,
        place: Place,
        observer: Observer,
        record: Record,
        *,
        node: Node | None = None,
        tell: Callable[[str], None],
    ) -> None:
        self._size = size
        self._target = target
        self._place = place
        self._observer = observer
        self._record = record
        self._node = node
        self._tell = tell
        self._crowds: list[Crowd] = []
        self._dead: set[tuple[str, int]] = set()

    def run(self) -> None:
        """Run it to its end. ScenarioError when it cannot run here."""
        planned = self._size.generations_of(self._target)
        self._load(0, planned[0]).load()
        self._record.began = time.monotonic()
        over = threading.Event()
        looking = threading.Thread(target=self._look_on, args=(over,), name="observer", daemon=True)
        looking.start()
        try:
            for number in range(len(planned)):
                self._generation(number, planned)
            # What is looked at is what the dead leave behind after a stated time: this waits for exactly that time.
            over.wait(self._size.settle_s)
        finally:
            over.set()
            looking.join()
        self._record.open_transactions = self._look().in_transaction
        if self._node is not None:
            # Its own connections, open for the next functions, are no orphans; what is left after its end would be.
            self._node.drain()
        self._record.dangling = self._look().dangling
        self._record.seconds = self._record.at

    def _generation(self, number: int, planned: Sequence[Generation]) -> None:
        before = self._record.outcomes.copy()
        crowd = self._crowds[number]
        # Loading a driver takes as long as a life: the next ones are loaded meanwhile.
        if number + 1 < len(planned):
            self._load(number + 1, planned[number + 1])
        crowd.load()
        crowd.live()
        # Before they vanish: a look between must not take the dead for living.
        self._dead |= crowd.endpoints
        crowd.vanish()
        now = ", ".join(f"{count} {outcome}" for outcome, count in sorted((self._record.outcomes - before).items()))
        self._tell(f"  generation {number + 1} of {len(planned)}: {now}; then all of it vanishes")

    def _load(self, number: int, generation: Generation) -> Crowd:
        self._crowds.append(Crowd(number, generation, self._place, self._record))
        return self._crowds[-1]

    def _look_on(self, over: threading.Event) -> None:
        while not over.wait(LOOK_EVERY_S):
            self._look()

    def _look(self) -> Look:
        backends = self._observer.look()
        return self._record.see(backends, self._dangling(backends))

    def _dangling(self, backends: Sequence[Backend]) -> int:
        if self._node is not None:
            return 0 if self._node.running else len(backends)
        return sum((backend.address, backend.port) in self._dead for backend in backends)

    def close(self) -> None:
        """End all functions. Idempotent."""
        for crowd in self._crowds:
            crowd.close()
