"""The reaper: once, or in rounds until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final

from outlive.census.errors import CensusError
from outlive.census.session import Session
from outlive.census.sessions import session_of
from outlive.config.model import Database, Protocol
from outlive.observe.log import fields
from outlive.reaper.alive_hosts import Hosts, HostsError, read_hosts
from outlive.reaper.hands import Hands, Outcome
from outlive.reaper.metrics import ReaperMetrics
from outlive.reaper.mysql import MySQLHands
from outlive.reaper.postgres import PostgresHands
from outlive.reaper.redis import RedisHands
from outlive.reaper.round import Plan, Round, run_round

log = logging.getLogger("outlive.reaper")

HANDS: Final[Mapping[Protocol, type[Hands]]] = {"mysql": MySQLHands, "postgresql": PostgresHands, "redis": RedisHands}

LONGEST_WAIT_S: Final = 30.0
"""Between tries to get in, which double: a login that is refused takes a place for a moment, too."""
AT_WORK: Final = "Another reaper is at work on this database."


class Reaper:
    """Of one database. Its one connection stays open between the rounds: it needs no other when the database is full.

    `admin_port` is tried where the ordinary one is full; `alive_hosts` is a file that is read at each round, or None.
    """

    def __init__(
        self,
        database: Database,
        plan: Plan,
        *,
        alive_hosts: str | None = None,
        admin_port: int | None = None,
        every_s: float = 0.0,
    ) -> None:
        self.plan = plan
        self.metrics = ReaperMetrics()
        self._database = database
        self._alive_hosts = alive_hosts
        self._admin_port = admin_port
        self._every_s = every_s
        self._session: Session | None = None

    @property
    def session(self) -> Session:
        """The one that is open, or was tried last."""
        assert self._session is not None
        return self._session

    async def once(self) -> Round:
        """One round. Raises CensusError (also where another reaper is at work and this one was to end something) and
        HostsError.
        """
        alive = await self._alive()
        hands = await self._ready()
        if hands is None:
            raise CensusError(AT_WORK, "Leave the work to it, or end it first.")
        return await run_round(self.session, hands, self.plan, alive)

    async def watch(self, stop: asyncio.Event, show: Callable[[Round], None]) -> None:
        """Rounds until `stop`. What a round lacks (the database, the list of hosts) is logged and waited for.

        Raises CensusError where the very first login is refused for good.
        """
        failures = 0
        while not stop.is_set():
            try:
                await self._one_of_many(show)
                failures = 0
            except HostsError as error:
                self._failed("hosts", str(error))
            except CensusError as error:
                if error.final and not self.metrics.rounds:
                    raise
                self._failed("database", str(error))
                failures += 1
                await self.close()
            try:
                async with asyncio.timeout(max(self._every_s, min(2.0**failures, LONGEST_WAIT_S) if failures else 0.0)):
                    await stop.wait()
            except TimeoutError:
                pass

    async def _one_of_many(self, show: Callable[[Round], None]) -> None:
        alive = await self._alive()
        hands = await self._ready()
        if hands is None:
            if not self.metrics.standing_by:
                log.info("standing by", extra=fields(reason=AT_WORK))
            self.metrics.standing_by = 1
            return
        done = await run_round(self.session, hands, self.plan, alive)
        self.metrics.took(done)
        self._tell(done, hands)
        show(done)

    def _tell(self, done: Round, hands: Hands) -> None:
        if done.dangling:
            counts = {outcome.value: done.count(outcome) for outcome in Outcome if done.count(outcome)}
            log.info(
                "round",
                extra=fields(
                    connections=done.connections, dangling=len(done.dangling), left_by_limit=done.left, **counts
                ),
            )
        if done.count(Outcome.REFUSED):
            log.warning("kills refused", extra=fields(reason=hands.remedy))

    def _failed(self, missing: str, why: str) -> None:
        self.metrics.failures.add(missing)
        log.warning("round skipped", extra=fields(reason=why))

    async def _alive(self) -> Hosts | None:
        """Raises HostsError."""
        return None if self._alive_hosts is None else await asyncio.to_thread(read_hosts, self._alive_hosts)

    async def _ready(self) -> Hands | None:
        """Connected, and with the lock where something is to be ended; None where another reaper has that."""
        if self._session is None or not self._session.is_open:
            await self.close()
            await self._connect()
        hands = HANDS[self._database.scheme](self.session)
        return None if self.plan.apply and not await hands.lock() else hands

    async def _connect(self) -> None:
        for port in (None, self._admin_port):
            self._session = session_of(self._database, port=port, stays_s=self._every_s)
            try:
                await self._session.open()
            except CensusError as error:
                if not error.full or port is not None or self._admin_port is None:
                    raise
                log.info("full", extra=fields(reason=f"{error.sentence} Trying port {self._admin_port}."))
                continue
            return

    async def close(self) -> None:
        """The connection ends, and the lock with it. May be called again."""
        if self._session is not None:
            await self._session.close()
