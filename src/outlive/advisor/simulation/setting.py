"""Where a run happens: what every kind of policy works with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from outlive.advisor.simulation.events import Events
from outlive.advisor.simulation.model import Places, Request, Timing
from outlive.storm.load import Load
from outlive.storm.policy import Policy

Outcome = Literal["answered", "refused", "failed"]

DEAD_CLIENT_S: Final = 3.0
"""After which Outlive knows of a client that vanished while it held a server connection (docs/promises.md, 5)."""


@dataclass(slots=True)
class Setting:
    """Where all this happens. `finish(request, outcome)` tells that a request is over, now."""

    events: Events
    load: Load
    policy: Policy  # its lifetimes in seconds of the run
    timing: Timing
    places: Places
    sees_hosts: bool
    finish: Callable[[Request, Outcome], None]
    handshakes: int = 0
    """Connections that functions have opened."""

    def handshake_s(self) -> float:
        """How long a handshake with the database that begins now takes; it is counted."""
        self.handshakes += 1
        return self.timing.handshake_s + self.places.login(self.events.now, self.timing.login_s)

    def finish_at(self, when_s: float, request: Request, outcome: Outcome, late: Outcome = "failed") -> None:
        """The request is over at `when_s`; where its function has given it up before, it was over then, and `late`."""
        if when_s > request.gives_up_s:
            when_s, outcome = max(self.events.now, request.gives_up_s), late
        self.events.at(when_s, self._over, (request, outcome))

    def _over(self, over: tuple[Request, Outcome]) -> None:
        self.finish(*over)
