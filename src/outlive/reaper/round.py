"""One round: look, gather evidence, judge, and, if told so, end what is dangling."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any, Final

from outlive.census.connection import Census, Connection, Kind
from outlive.census.session import Session
from outlive.census.sockets import local_sockets, plain_address
from outlive.reaper.alive_hosts import Hosts, HostsError, is_address
from outlive.reaper.evidence import Evidence
from outlive.reaper.hands import Hands, Outcome
from outlive.reaper.probe import TIMEOUT_S, probe_all
from outlive.reaper.rules import Rules, Verdict, judge

ENDED_WITHIN_S: Final = 5.0
"""How long the end of what was killed is awaited."""
_NAMES_MAX: Final = 500
_NAMES_S: Final = 5.0
_POLL_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Plan:
    """What a round is to do. `max_kills` bounds one round; the longest idle go first."""

    rules: Rules = field(default_factory=Rules)
    apply: bool = False
    max_kills: int = 100
    probe: bool = False
    probe_port: int | None = None
    probe_timeout_s: float = TIMEOUT_S


@dataclass(frozen=True, slots=True)
class Round:
    """What a round found and did. `outcomes` is by connection id; `left` were over `max_kills`."""

    verdicts: tuple[Verdict, ...]
    blind: tuple[str, ...]
    outcomes: dict[int, Outcome]
    left: int
    applied: bool
    seconds: float

    @property
    def dangling(self) -> list[Verdict]:
        """Those that end, or would."""
        return [verdict for verdict in self.verdicts if verdict.ends]

    @property
    def connections(self) -> int:
        """How many are listed, without the server's own threads and processes, which take nobody's place."""
        return sum(verdict.connection.kind is not Kind.SERVER for verdict in self.verdicts)

    @property
    def doubtful(self) -> int:
        """How many were idle long enough, and of whose owner nothing is known."""
        return sum(verdict.doubtful for verdict in self.verdicts)

    def count(self, outcome: Outcome) -> int:
        """How many kills went so."""
        return sum(found is outcome for found in self.outcomes.values())

    @property
    def failed(self) -> bool:
        """Whether something that should have ended has not."""
        return bool(self.count(Outcome.REFUSED) or self.count(Outcome.REMAINS))

    def as_json(self) -> dict[str, Any]:
        """For scripts; docs/remedies/reap.md says what each means."""
        return {
            "applied": self.applied,
            "connections": self.connections,
            "dangling": len(self.dangling),
            **{outcome.value: self.count(outcome) for outcome in Outcome},
            "left_by_limit": self.left,
            "doubtful": self.doubtful,
            "seconds": round(self.seconds, 3),
            "blind": list(self.blind),
            "verdicts": [self._verdict(verdict) for verdict in self.verdicts],
        }

    def _verdict(self, verdict: Verdict) -> dict[str, Any]:
        found = verdict.connection
        outcome = self.outcomes.get(found.id)
        return {
            "id": found.id,
            "kind": found.kind.value,
            "user": found.user,
            "database": found.database,
            "host": found.host,
            "port": found.port,
            "program": found.program,
            "state": found.state.value,
            "idle_s": _rounded(found.idle_s),
            "age_s": _rounded(found.age_s),
            "transaction_s": None if found.transaction is None else _rounded(found.transaction.age_s),
            "ends": verdict.ends,
            "doubtful": verdict.doubtful,
            "outcome": None if outcome is None else outcome.value,
            "reasons": list(verdict.reasons),
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


async def run_round(session: Session, hands: Hands, plan: Plan, alive: Hosts | None) -> Round:
    """Over an open session, with the lock held where `plan.apply`. `alive` is the list of this round.

    Raises CensusError, and HostsError where a listed name has no address.
    """
    began = monotonic()
    census = await session.census()
    shown = {found.host for found in census.connections}
    rules = replace(plan.rules, never_hosts=await _by_address(plan.rules.never_hosts, shown))
    evidence = await gather(session, census, plan, None if alive is None else await _by_address(alive, shown))
    verdicts = tuple(judge(connection, rules, evidence) for connection in census.connections)
    outcomes: dict[int, Outcome] = {}
    victims = sorted(
        (verdict.connection for verdict in verdicts if verdict.ends), key=lambda found: -(found.idle_s or 0.0)
    )
    chosen = victims[: plan.max_kills] if plan.apply else []
    for victim in chosen:
        outcomes[victim.id] = await hands.end(victim)
    await _await_ends(session, outcomes)
    left = len(victims) - len(chosen) if plan.apply else 0
    return Round(verdicts, census.blind, outcomes, left, plan.apply, monotonic() - began)


async def _await_ends(session: Session, outcomes: dict[int, Outcome]) -> None:
    """A kill is a request; whoever waits for the place wants to know that it is free."""
    remaining = {number for number, outcome in outcomes.items() if outcome is Outcome.ENDED}
    deadline = monotonic() + ENDED_WITHIN_S
    while remaining:
        remaining = await session.remaining(remaining)
        if monotonic() > deadline:
            break
        if remaining:
            await asyncio.sleep(_POLL_S)
    outcomes.update(dict.fromkeys(remaining, Outcome.REMAINS))


# -- evidence --------------------------------------------------------------------------------------


async def gather(session: Session, census: Census, plan: Plan, alive: Hosts | None) -> Evidence:
    """All that can be known of the owners of these connections."""
    clients = [found for found in census.connections if found.kind is Kind.CLIENT and found.host]
    addresses = await _addresses({found.host for found in clients})
    answers = {}
    if plan.probe:
        answers = await probe_all(_places(clients, addresses), port=plan.probe_port, timeout_s=plan.probe_timeout_s)
    return Evidence(alive, answers, await local_sockets(session), addresses)


def _places(clients: Iterable[Connection], addresses: dict[str, tuple[str, ...]]) -> list[tuple[str, int]]:
    return [(place, found.port) for found in clients for place in (addresses.get(found.host) or (found.host,))]


async def _addresses(hosts: set[str]) -> dict[str, tuple[str, ...]]:
    """Of those that the database shows by name (MySQL without skip_name_resolve)."""
    names = sorted(host for host in hosts if not is_address(host))[:_NAMES_MAX]
    found: dict[str, tuple[str, ...]] = {}

    async def look_up(name: str) -> None:
        try:
            infos = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except OSError:
            return
        found[name] = tuple(dict.fromkeys(plain_address(str(info[4][0])) for info in infos))

    if names:
        await asyncio.wait([asyncio.ensure_future(look_up(name)) for name in names], timeout=_NAMES_S)
    return found


async def _by_address(listed: Hosts, shown: set[str]) -> Hosts:
    """With the addresses of its names. One that has none, and that the database does not show, may be anybody: without
    it, a host that is listed by name would be taken for one that is not listed.
    """
    if not listed.by_name:
        return listed
    found = await _addresses(set(listed.by_name))
    unknown = listed.by_name - found.keys() - {plain_address(host) for host in shown}
    if unknown:
        raise HostsError(
            f"The host {min(unknown)} is listed by a name that has no address here ({len(unknown)} such), so that it"
            " cannot be found among the connections: list its address, or leave it out."
        )
    return listed.with_addresses(found)
