"""KILL on condition, and GET_LOCK. Sources: MySQL manual, "KILL Statement" and "Locking Functions"."""

from __future__ import annotations

from typing import Final

from outlive.census.connection import Connection
from outlive.census.errors import CensusError
from outlive.census.mysql import MySQLSession
from outlive.reaper.hands import Hands, Outcome

LOCK: Final = "outlive reap"
_NO_SUCH_THREAD: Final = "1094"
_NOT_OWNER: Final = ("1095", "1227")


class MySQLHands(Hands):
    """See `Hands`."""

    session: MySQLSession
    remedy = "GRANT CONNECTION_ADMIN ON *.* (SUPER on MariaDB before 10.5) lets this user end others' connections."

    async def lock(self) -> bool:
        """See `Hands`. The lock is the server's, for all schemas; held already it is taken once more, and that counts
        as one: it ends with the session.
        """
        held = await self.session.rows(f"SELECT IS_USED_LOCK('{LOCK}') = CONNECTION_ID()")
        if held == [("1",)]:
            return True
        return await self.session.rows(f"SELECT GET_LOCK('{LOCK}', 0)") == [("1",)]

    async def end(self, victim: Connection) -> Outcome:
        """See `Hands`.

        KILL takes an expression but no subquery, so the condition is evaluated into a variable first, and both
        statements are sent in one write: the server runs one straight after the other.
        """
        try:
            found = await self.session.guarded(
                f"SET @outlive_victim = (SELECT ID FROM {self.session.list_table} WHERE {_same(victim, self.session)})",
                "KILL CONNECTION @outlive_victim",
                "SELECT @outlive_victim",
            )
        except CensusError as error:
            if error.code in _NOT_OWNER:
                return Outcome.REFUSED
            if error.code == _NO_SUCH_THREAD:
                return Outcome.SPARED
            raise
        return Outcome.ENDED if found == [(str(victim.id),)] else Outcome.SPARED


def _same(victim: Connection, session: MySQLSession) -> str:
    """Every statement begins its time anew: with at least the time of the list it was not used since."""
    return (
        f"ID = {victim.id} AND HOST = {_literal(victim.began)} AND USER = {_literal(victim.user)}"
        f" AND COMMAND = 'Sleep' AND {session.time_column} >= {float(victim.changed)!r}"
    )


def _literal(text: str) -> str:
    """In hexadecimal: no sql_mode reads it otherwise."""
    return f"CONVERT(x'{text.encode().hex()}' USING utf8mb4)"
