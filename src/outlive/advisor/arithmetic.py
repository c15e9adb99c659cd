"""The figures that all remedies are judged by, each with the line that shows how it came to be."""

from dataclasses import dataclass
from functools import cached_property
from math import ceil

from outlive.advisor.question import Question
from outlive.advisor.queueing import most_at_once

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Line:
    """One line of arithmetic: what it is about, how it is computed, and what it comes to."""

    what: str
    how: str
    result: str


class Arithmetic:
    """What follows from a question, before any remedy. Times in seconds."""

    def __init__(self, question: Question) -> None:
        self.question = question

    @property
    def busy(self) -> float:
        """Instances busy at once, in the mean (Little's law)."""
        return self.question.requests_per_s * self.question.function_ms / 1000

    @cached_property
    def alive(self) -> int:
        """Instances alive: the platform starts another when all are busy, and keeps it for its life."""
        if self.question.instances is not None:
            return self.question.instances
        started = ceil(self.question.requests_per_s * self.question.lifetime_s)
        return max(1, min(most_at_once(self.busy), started))

    @property
    def deaths_per_s(self) -> float:
        """Instances that end a second, one after the other (Little's law, turned round)."""
        return self.alive / self.question.lifetime_s

    @property
    def generations(self) -> float:
        """Generations of instances within the time for which the database keeps their connections."""
        return self.question.timeout_s / self.question.lifetime_s

    @property
    def deployed(self) -> int:
        """Deployments within that time, at worst."""
        per_s = self.question.deployments_per_day / DAY_S
        return ceil(per_s * self.question.timeout_s) if per_s else 0

    def dangling(self, kept_s: float) -> int:
        """Connections of the dead at worst, where each is kept for `kept_s`: those of one life after the other, and
        all at once at a deployment.
        """
        at_once = ceil(self.question.deployments_per_day / DAY_S * kept_s) if self.question.deployments_per_day else 0
        return ceil(self.deaths_per_s * kept_s) + self.alive * at_once

    @property
    def rtt_s(self) -> float:
        """A round trip."""
        return self.question.rtt_ms / 1000

    @property
    def handshake_s(self) -> float:
        """A new connection, by its round trips."""
        return self.question.server.handshake_round_trips(tls=self.question.tls) * self.rtt_s

    @property
    def transaction_s(self) -> float:
        """One request's time in the database, round trips included."""
        return self.question.function_ms / 1000 * self.question.database_share

    @property
    def working_s(self) -> float:
        """Of that, what is no round trip."""
        return max(0.0, self.transaction_s - self.question.statements * self.rtt_s)

    @property
    def lease_s(self) -> float:
        """How long a transaction takes a proxy's server connection: all of it but half a round trip at either end."""
        return self.working_s + (self.question.statements - 1) * self.rtt_s

    def lines(self) -> list[Line]:
        """From the load to the connections."""
        q = self.question
        return [
            Line(
                "instances busy",
                f"Little's law, rate x time of each: {number(q.requests_per_s)} a second x {number(q.function_ms)} ms",
                number(self.busy),
            ),
            self._alive_line(),
            Line(
                "instances that end",
                f"alive / lifetime: {self.alive} / {number(q.lifetime_s)} s",
                f"{number(self.deaths_per_s)} a second",
            ),
            Line(
                "places in the database",
                f"max_connections - reserved - others: {q.limit} - {q.server.reserved} - {q.others}",
                str(q.places),
            ),
            Line(
                "generations kept",
                f"the database's timeout for the dead / lifetime: {number(q.timeout_s)} s / {number(q.lifetime_s)} s",
                number(self.generations),
            ),
            Line(
                "dangling, if nothing is done",
                f"ending x timeout + alive x deployments within it: {number(self.deaths_per_s)} x "
                f"{number(q.timeout_s)} s + {self.alive} x {self.deployed}",
                str(self.dangling(q.timeout_s)),
            ),
            *self._handshake_lines(),
            Line(
                "a transaction holds its connection",
                f"{number(q.function_ms)} ms x {number(q.database_share)}, with {q.statements} round trips of "
                f"{number(q.rtt_ms)} ms",
                milliseconds(self.transaction_s),
            ),
        ]

    def _alive_line(self) -> Line:
        if self.question.instances is not None:
            return Line("instances alive", "as given", str(self.alive))
        how = "busy at once except for 0.1 % of the time (Poisson): an instance is started when all are busy"
        return Line("instances alive", how, str(self.alive))

    def _handshake_lines(self) -> list[Line]:
        q = self.question
        lines = []
        for tls in (False, True):
            steps = " + ".join(f"{trips} {step}" for step, trips in q.server.handshake(tls=tls))
            took = q.server.handshake_round_trips(tls=tls)
            name = f"handshake, {q.server.title} {'with' if tls else 'without'} TLS"
            lines.append(
                Line(
                    name, f"({steps}) x {number(q.rtt_ms)} ms", f"{took} round trips, {milliseconds(took * self.rtt_s)}"
                )
            )
        return lines


def number(value: float) -> str:
    """For people: three significant digits below a thousand, none after the point above."""
    if value == 0:
        return "0"
    if abs(value) >= 1000 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def milliseconds(seconds: float) -> str:
    """For people."""
    return "never" if seconds == float("inf") else f"{number(seconds * 1000)} ms"


def percent(share: float) -> str:
    """For people; a share that is not 0 is not shown as 0."""
    if 0 < share < 0.0005:
        return "below 0.1 %"
    return f"{share * 100:.3g} %"
