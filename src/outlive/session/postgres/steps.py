"""Queries that Outlive itself sends on a server connection, between a client's units.

A `Step` is one message, or several with one Sync, that the server answers with one ReadyForQuery. Steps before a
client's unit are awaited: if one fails, the unit must not run under a state that is not its session's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from outlive.session.postgres.replay import literal
from outlive.session.postgres.vocabulary import TRANSACTION_SETTINGS, VIRTUAL_SETTINGS
from outlive.wire import ProtocolError
from outlive.wire.postgres.messages import SYNC, query

# What a step is for.
REPLAY: Final = 0
PING: Final = 1
ROLLBACK: Final = 2
DISCARD: Final = 3
ASK_SETTINGS: Final = 4
ASK_HOLDS: Final = 5
FACTS: Final = 6
LOOKUP: Final = 7

Rows = list[tuple[bytes | None, ...]]
TakeRows = Callable[[Rows], None]
TakeSettings = Callable[[dict[bytes, bytes]], None]


class Step:
    """One question or command of Outlive's own. `take` is given its rows when it was answered without an error;
    `may_fail`: an error is as good as none.
    """

    __slots__ = ("may_fail", "message", "purpose", "take")

    def __init__(
        self, message: bytes, purpose: int = REPLAY, take: TakeRows | None = None, *, may_fail: bool = False
    ) -> None:
        self.message = message
        self.purpose = purpose
        self.take = take
        self.may_fail = may_fail

    def __repr__(self) -> str:
        return f"Step(purpose={self.purpose})"  # the message may hold a client's data


def query_step(sql: bytes, purpose: int = REPLAY) -> Step:
    """A Query of one or more statements without a result."""
    return Step(query(sql), purpose)


def ask_step(sql: bytes, purpose: int, take: TakeRows) -> Step:
    """A Query of one statement that answers rows."""
    return Step(query(sql), purpose, take)


_PING: Final = Step(SYNC, PING)
_ROLLBACK: Final = Step(query(b"ROLLBACK"), ROLLBACK)
_DISCARD: Final = Step(query(b"DISCARD ALL"), DISCARD)
_MEND: Final = Step(query(b""), may_fail=True)


def ping_step(closes: bytes = b"") -> Step:
    """Sync: the server answers ReadyForQuery and nothing else. Behind `closes`, messages whose answers are dropped."""
    return Step(closes + SYNC, PING) if closes else _PING


def mend_step() -> Step:
    """An empty Query. Where a client has sent Bind, Execute and a Query before its Sync, servers 18 fail what comes
    next, whoever sends it (XX000, "unexpected state STARTED": measured), and are well again after that.
    """
    return _MEND


def rollback_step() -> Step:
    """Ends the transaction. Only inside one: outside, the server logs a warning."""
    return _ROLLBACK


def discard_step() -> Step:
    """DISCARD ALL, outside a transaction: the session is as after a login, but for what `ServerState.loaded` means."""
    return _DISCARD


# Names are qualified throughout: the client's search_path may hide the server's own.
_EQUALS: Final = b" OPERATOR(pg_catalog.=) "
# In one encoding, whatever client_encoding is: there it may have no name for a character of a value.
_SHOWN: Final = b"pg_catalog.encode(pg_catalog.convert_to(%b,'UTF8'),'hex')"
_SETTINGS: Final = (
    b"SELECT s.name,"
    + _SHOWN % b"s.setting"
    + b" FROM pg_catalog.pg_settings AS s WHERE s.source"
    + _EQUALS
    + b"'session'"
    b" UNION ALL SELECT 'role'," + _SHOWN % b"r" + b" FROM pg_catalog.current_setting('role') AS r"
    b" WHERE r OPERATOR(pg_catalog.<>) 'none'"
    # Hidden from pg_settings, and always there: set where it is not who logged in, as pg_stat_activity shows it.
    b" UNION ALL SELECT 'session_authorization',"
    + _SHOWN
    % b"SESSION_USER::pg_catalog.text"
    + b" FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) AS a"
    b" WHERE pg_catalog.pg_get_userbyid(a.usesysid) OPERATOR(pg_catalog.<>) SESSION_USER"
)
_CUSTOM: Final = (
    b" UNION ALL SELECT %b," + _SHOWN % b"c" + b" FROM pg_catalog.current_setting(%b,true) AS c WHERE c IS NOT NULL"
)
# A function may have set them where no text showed it; with them set the dead man's switch would be off.
_ARM: Final = b"".join(b";RESET %b" % name for name in sorted(VIRTUAL_SETTINGS))


def settings_step(take: TakeSettings, custom: Iterable[bytes] = ()) -> Step:
    """Reads which settings are in force that no login sets, for `intern`: in UTF-8. Outside a transaction.

    pg_settings lists no custom settings (those with a point in their names): the names to look for are given. A virtual
    setting that was set for real is set back, and its value given under Outlive's own name for it.
    """
    sql = b"".join([_SETTINGS, *(_CUSTOM % (literal(name), literal(name)) for name in sorted(custom)), _ARM])
    return Step(query(sql), ASK_SETTINGS, lambda rows: take(_values(rows)))


def _values(rows: Rows) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    armed: dict[bytes, bytes] = {}
    for row in rows:
        if len(row) != 2:
            raise ProtocolError("settings in another form than was asked for")
        name, value = row
        if name is None or value is None:
            continue
        lower = name.lower()
        try:
            text = bytes.fromhex(value.decode("ascii"))
        except ValueError as error:
            raise ProtocolError("a setting's value in another form than was asked for") from error
        if lower in VIRTUAL_SETTINGS:
            armed[b"outlive." + lower] = text
        elif lower not in TRANSACTION_SETTINGS:  # of a transaction that is over
            found[lower] = text
    return {**found, **armed}
