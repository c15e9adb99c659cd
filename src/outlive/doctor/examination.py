"""The whole examination of one database."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import isinf
from typing import Any, Final, Protocol

from outlive.census.connection import Census, Connection
from outlive.census.session import Session
from outlive.census.sessions import session_of
from outlive.census.sockets import local_sockets
from outlive.config.model import Database
from outlive.config.model import Protocol as WireProtocol
from outlive.doctor import mysql, postgres, redis
from outlive.doctor.finding import Finding, worst_first
from outlive.doctor.holders import BY, Holder, check_use, clients_of, histogram, holders
from outlive.doctor.machine import Cost, Machine, check_machine, read_machine
from outlive.doctor.sockets import Sockets, check_sockets, count_sockets


class Facts(Protocol):
    """What a protocol's file reads."""

    @property
    def limit(self) -> int:
        """max_connections."""

    def cost(self) -> Cost:
        """What connections take of the machine."""

    def limits_as_json(self) -> dict[str, Any]:
        """The limits, for scripts."""


Read = Callable[[Session, Any, Machine | None], Awaitable[Any]]
Checks = Iterable[Callable[[Any], Iterator[Finding]]]

PROTOCOLS: Final[Mapping[WireProtocol, tuple[Read, Checks]]] = {
    "mysql": (mysql.read, mysql.CHECKS),
    "postgresql": (postgres.read, postgres.CHECKS),
    "redis": (redis.read, redis.CHECKS),
}


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found; `sockets` and `machine` are None where the database is on another one."""

    product: str
    address: str
    limits: dict[str, Any]
    clients: tuple[Connection, ...]
    sockets: Sockets | None
    machine: Machine | None
    findings: tuple[Finding, ...]
    blind: tuple[str, ...]

    def holders(self, by: str) -> list[Holder]:
        """Who holds connections, those with most first."""
        return holders(self.clients, by)

    def histogram(self) -> list[tuple[float, int]]:
        """Idle since when; see `holders.histogram`."""
        return histogram(self.clients)

    def as_json(self) -> dict[str, Any]:
        """For scripts; docs/doctor.md says what each means."""
        return {
            "database": self.product,
            "address": self.address,
            "connections": len(self.clients),
            "limits": self.limits,
            "holders": {by: [holder.as_json() for holder in self.holders(by)] for by in BY},
            "idle_histogram": [
                {"up_to_s": None if isinf(bound) else bound, "connections": count} for bound, count in self.histogram()
            ],
            "sockets": None if self.sockets is None else self.sockets.as_json(),
            "machine": None if self.machine is None else self.machine.as_json(),
            "findings": [finding.as_json() for finding in self.findings],
            "blind": list(self.blind),
        }


async def examine(database: Database, *, port: int | None = None) -> Examination:
    """Asks the database, over one connection, and this machine, if it runs here. Raises CensusError."""
    session = session_of(database, port=port, plain=True)
    try:
        await session.open()
        census = await session.census()
        return await _examine(database, session, census)
    finally:
        await session.close()


async def _examine(database: Database, session: Session, census: Census) -> Examination:
    table = await local_sockets(session)
    machine = sockets = None
    if table is not None:
        inode = table.listener.inode if table.listener is not None else 0
        machine = await asyncio.to_thread(read_machine, inode)
        sockets = count_sockets(table, census.connections, session.own_end)
    read, checks = PROTOCOLS[database.scheme]
    facts: Facts = await read(session, census, machine)
    clients = clients_of(census.connections)
    findings = [finding for check in checks for finding in check(facts)]
    findings += check_use(clients, facts.limit)
    findings += check_sockets(sockets)
    if machine is not None:
        findings += check_machine(machine, facts.cost())
    return Examination(
        session.product,
        str(session.address),
        facts.limits_as_json(),
        tuple(clients),
        sockets,
        machine,
        worst_first(findings),
        census.blind,
    )
