"""The server's sockets, where it runs on this machine, beside what the database itself lists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from outlive.census.connection import Connection
from outlive.census.sockets import Fate, SocketTable, plain_address
from outlive.doctor.finding import Finding, Severity

_DIFFERENCE = (
    "ESTABLISHED with a dead peer: no FIN ever came, as when a function is destroyed or its network is cut; the kernel"
    " learns it only from a probe or from data that nobody acknowledges, and the server waits. CLOSE_WAIT: the FIN"
    " came, the client has closed in order, and it is the server that has not closed yet, as a statement still runs."
)


@dataclass(frozen=True, slots=True)
class Sockets:
    """`states` counts the server's side by TCP state; the rest are numbers of its ESTABLISHED ones."""

    states: dict[str, int]
    silent: int
    """Whose peer does not answer."""
    quiet: int
    """Of which the kernel knows nothing: nothing was sent that could have gone unanswered."""
    here: int
    """Whose peer is a socket of this machine."""
    unlisted: int
    """That the database does not list: being accepted, or logging in."""

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {name: getattr(self, name) for name in self.__slots__}


def count_sockets(table: SocketTable, connections: Iterable[Connection], own: tuple[str, int]) -> Sockets:
    """`own` is the doctor's own end, which is left out."""
    own = (plain_address(own[0]), own[1])
    listed = {(plain_address(found.host), found.port) for found in connections}
    states: Counter[str] = Counter()
    fates: Counter[Fate] = Counter()
    unlisted = 0
    for peer, socket in table.server_side.items():
        if peer == own or socket.state == "TIME_WAIT":  # that one is no connection any more
            continue
        states[socket.state] += 1
        if socket.state == "ESTABLISHED":
            fates[table.fate(*peer)[0]] += 1
            unlisted += peer not in listed
    return Sockets(dict(states), fates[Fate.SILENT], fates[Fate.UNKNOWN], fates[Fate.LIVES], unlisted)


def check_sockets(sockets: Sockets | None) -> Iterator[Finding]:
    """None: the database is on another machine."""
    source = "Linux manual, tcp(7); RFC 9293, 3.3.2 State Machine Overview"
    if sockets is None:
        yield Finding(
            Severity.NOTE,
            "sockets",
            "the database's sockets are not on this machine, or in another network namespace (a container)",
            "Which connections are ESTABLISHED with a dead peer and which are in CLOSE_WAIT only their own kernel"
            " knows.",
            "run outlive doctor on the database's machine; for a container: nsenter --net --target PID outlive"
            " doctor URL",
            source,
        )
        return
    waiting = sockets.states.get("CLOSE_WAIT", 0)
    established = sockets.states.get("ESTABLISHED", 0)
    bad = sockets.silent or waiting
    yield Finding(
        Severity.WARNING if bad else Severity.GOOD,
        "sockets",
        f"{established} ESTABLISHED: {sockets.here} to clients on this machine, {sockets.silent} whose peer does not"
        f" answer, {sockets.quiet} of which the kernel knows nothing; {waiting} in CLOSE_WAIT",
        _DIFFERENCE,
        "outlive reap URL --apply ends those whose peer does not answer; KILL ends the statement of one in CLOSE_WAIT"
        if bad
        else "",
        source,
    )
