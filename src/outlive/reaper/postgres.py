"""pg_terminate_backend on condition, and advisory locks. Source: PostgreSQL manual, 9.28 "System Administration
Functions" and 13.3.5 "Advisory Locks".
"""

from __future__ import annotations

from typing import Final

from outlive.census.connection import Connection
from outlive.census.errors import CensusError
from outlive.reaper.hands import Hands, Outcome

_SPACE: Final = 0x4F75746C  # "Outl"
_KEY: Final = 0x72656170  # "reap"
_PRIVILEGE: Final = "42501"
_OTHERS: Final = (
    "SELECT coalesce(min(pid), 0) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2"
    f" AND classid = {_SPACE} AND objid = {_KEY} AND pid <> pg_backend_pid()"
)


class PostgresHands(Hands):
    """See `Hands`."""

    remedy = "GRANT pg_signal_backend lets this role end others' connections (a superuser's only a superuser ends)."

    async def lock(self) -> bool:
        """See `Hands`.

        An advisory lock is one database's, and a reaper may have come in by any: pg_locks shows those of all. Of two
        that come at once the one with the lower process id goes on.
        """
        session = self.session
        held = await session.rows(
            f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND classid = {_SPACE}"
            f" AND objid = {_KEY} AND pid = pg_backend_pid()"
        )
        if held != [("0",)]:
            return True
        if await session.rows(_OTHERS) != [("0",)]:
            return False
        if await session.rows(f"SELECT pg_try_advisory_lock({_SPACE}, {_KEY})") != [("t",)]:
            return False
        rows = await session.rows(f"SELECT o BETWEEN 1 AND pg_backend_pid() FROM ({_OTHERS}) AS found (o)")
        if rows == [("f",)]:
            return True
        await session.rows(f"SELECT pg_advisory_unlock({_SPACE}, {_KEY})")
        return False

    async def end(self, victim: Connection) -> Outcome:
        """See `Hands`. One statement looks and ends."""
        try:
            rows = await self.session.rows(
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = {victim.id}"
                f" AND extract(epoch FROM backend_start) = {_number(victim.began)}"
                f" AND extract(epoch FROM state_change) = {_number(victim.changed)} AND state LIKE 'idle%'"
            )
        except CensusError as error:
            if error.code == _PRIVILEGE:
                return Outcome.REFUSED
            raise
        return Outcome.ENDED if rows == [("t",)] else Outcome.SPARED


def _number(text: str) -> str:
    """As the database wrote it: a numeric with microseconds, which a float would round."""
    whole, _, fraction = text.partition(".")
    if not (whole.isdecimal() and (fraction or "0").isdecimal()):
        raise ValueError("not a time that the database gave")
    return text
