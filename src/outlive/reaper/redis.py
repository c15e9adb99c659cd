"""CLIENT KILL by id, after another look. Source: the commands' documentation, "CLIENT KILL", "CLIENT LIST"."""

from __future__ import annotations

from typing import Final

from outlive.census.connection import Connection
from outlive.census.errors import CensusError
from outlive.census.redis import RedisSession, fields_of
from outlive.reaper.hands import Hands, Outcome

_NAME: Final = "outlive-reaper"


class RedisHands(Hands):
    """See `Hands`."""

    session: RedisSession
    remedy = "ACL SETUSER user +client|list +client|kill +client|setname lets this user end others' connections."

    async def lock(self) -> bool:
        """See `Hands`.

        There is no lock without a key in somebody's data, so a reaper is known by its connection's name. Of two that
        come at once the one with the lower id goes on; and who is there already stays.
        """
        named = await self._named()
        own = self.session.number
        if own in named:
            return min(named) == own
        if named:
            return False
        await self.session.ask("CLIENT", "SETNAME", _NAME)
        if min(await self._named()) == own:
            return True
        await self.session.ask("CLIENT", "SETNAME", "outlive")
        return False

    async def _named(self) -> set[int]:
        listed = [fields_of(row[0] or "") for row in await self.session.rows("CLIENT LIST")]
        return {int(each["id"]) for each in listed if each.get("name") == _NAME}

    async def end(self, victim: Connection) -> Outcome:
        """See `Hands`. Redis takes no condition on use with CLIENT KILL: a look goes right before it, and the kill
        names id, address and user, so that it ends this very connection or none.
        """
        found = (await self.session.listed([victim.id])).get(victim.id)
        if found is None or not _same(found, victim):
            return Outcome.SPARED
        try:
            words = ("ID", str(victim.id), "ADDR", victim.began, "USER", victim.user, "SKIPME", "yes")
            ended = await self.session.ask("CLIENT", "KILL", *words)
        except CensusError as error:
            if error.code == "NOPERM":
                return Outcome.REFUSED
            raise
        return Outcome.ENDED if ended == 1 else Outcome.SPARED


def _same(found: Connection, victim: Connection) -> bool:
    """Every command begins its idle time anew: with at least that of the list it was not used since."""
    same = (found.began, found.user, found.kind, found.state) == (victim.began, victim.user, victim.kind, victim.state)
    return same and float(found.changed) >= float(victim.changed)
