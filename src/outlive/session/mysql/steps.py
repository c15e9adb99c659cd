"""Commands that Outlive itself sends on a server connection, between a client's commands.

A `Step` is one command and what its reply is for. Steps before a client's statement are sent in one write and awaited:
if one fails, the statement must not run under a state that is not its session's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outlive.session.mysql.server_facts import COLLATIONS_SQL
from outlive.wire.mysql.constants import (
    COM_INIT_DB,
    COM_PING,
    COM_QUERY,
    COM_RESET_CONNECTION,
    COM_SET_OPTION,
    COM_STMT_PREPARE,
)
from outlive.wire.mysql.packets import MAX_PAYLOAD, packet
from outlive.wire.mysql.reply import REPLY_OK, REPLY_PREPARE, REPLY_QUERY

if TYPE_CHECKING:
    from outlive.session.mysql.client_session import ClientSession
    from outlive.session.mysql.prepared import Statement
    from outlive.session.mysql.server_facts import ServerFacts

# What a step's reply is for. The names say it; `ClientSession.step_done` and `apply_reset` hold the meaning.
REPLAY: Final = 0
RESET: Final = 1
SNAPSHOT: Final = 2
PREPARE: Final = 3
CAPTURE_WARNINGS: Final = 4
CAPTURE_INSERT_ID: Final = 5
ASK_FOUND_ROWS: Final = 6
ASK_COLLATION: Final = 7
ASK_STATUS: Final = 8
REPLAY_INSERT_ID: Final = 9
UNDO_CHARACTERISTICS: Final = 10
PING: Final = 11
FACTS: Final = 12
ASK_READ_ONLY: Final = 13
ASK_SETTINGS: Final = 14
ENTER_SCHEMA: Final = 15
UNDO_DIAGNOSTICS: Final = 16


class Step:
    """One command of Outlive's own. `session`: whose answer it is, where it is somebody's."""

    __slots__ = ("argument", "bytes", "kind", "purpose", "session", "statement")

    def __init__(
        self,
        payload: bytes,
        purpose: int = REPLAY,
        kind: int = REPLY_OK,
        session: ClientSession | None = None,
        statement: Statement | None = None,
        argument: int = 0,
    ) -> None:
        self.bytes = packet(0, payload)
        self.kind = kind
        self.purpose = purpose
        self.session = session
        self.statement = statement
        self.argument = argument

    def with_attributes(self) -> bytes:
        """For a connection whose every COM_QUERY begins with query attributes
        (CLIENT_QUERY_ATTRIBUTES): it has none."""
        data = self.bytes
        if data[4] != COM_QUERY:
            return data
        sql = b"".join(data[at + 4 : at + 4 + MAX_PAYLOAD] for at in range(0, len(data), MAX_PAYLOAD + 4))[1:]
        return packet(0, _QUERY + _NO_ATTRIBUTES + sql)

    def __repr__(self) -> str:
        return f"Step(purpose={self.purpose})"  # the bytes may hold a client's data


_QUERY: Final = bytes((COM_QUERY,))
_NO_ATTRIBUTES: Final = b"\0\1"
"""Their number, and the number of sets of them, which is 1 always."""


def query_step(sql: bytes, purpose: int = REPLAY) -> Step:
    """A statement that answers OK."""
    return Step(_QUERY + sql, purpose)


def ask_step(sql: bytes, purpose: int, session: ClientSession | None = None) -> Step:
    """A statement that answers rows."""
    return Step(_QUERY + sql, purpose, REPLY_QUERY, session)


def schema_step(schema: bytes) -> Step:
    """COM_INIT_DB."""
    return Step(bytes((COM_INIT_DB,)) + schema, ENTER_SCHEMA)


def option_step(on: bool) -> Step:
    """COM_SET_OPTION: MYSQL_OPTION_MULTI_STATEMENTS_ON (0) or _OFF (1)."""
    return Step(bytes((COM_SET_OPTION, 0 if on else 1, 0)))


def prepare_step(statement: Statement) -> Step:
    """Prepares a statement on the leased connection; its id there is in the reply."""
    return Step(bytes((COM_STMT_PREPARE,)) + statement.sql, PREPARE, REPLY_PREPARE, None, statement)


def insert_id_step(insert_id: int) -> Step:
    """Makes LAST_INSERT_ID() what it is in the client's session (both servers take it;
    it survives SELECTs, measured)."""
    return Step(_QUERY + b"SET last_insert_id=%d" % insert_id, REPLAY_INSERT_ID, argument=insert_id)


def ping_step(purpose: int = PING, session: ClientSession | None = None) -> Step:
    """COM_PING: is it alive, and what is its status."""
    return Step(bytes((COM_PING,)), purpose, REPLY_OK, session)


def facts_steps(*, reset: bool) -> list[Step]:
    """What `server_facts.from_tables` needs, from a session as new. SHOW VARIABLES names what the server has."""
    return [
        *((Step(bytes((COM_RESET_CONNECTION,))),) if reset else ()),
        ask_step(b"SHOW SESSION VARIABLES", FACTS),
        ask_step(COLLATIONS_SQL, FACTS),
    ]


def first_steps(facts: ServerFacts, role: bytes | None) -> list[Step]:
    """After a login or a change of user. The reset makes the session's charset the server's own, as later resets do.

    Not where there is an init_connect, which only a login runs, and a reset would undo.
    """
    found = login_steps(facts) if facts.init_connect else reset_steps(facts)
    found.append(ask_step(b"SELECT @@global.read_only", ASK_READ_ONLY))
    if role is not None:
        found.append(query_step(role))
    return found


def login_steps(facts: ServerFacts) -> list[Step]:
    """After a login or a change of user."""
    return [query_step(facts.tracker_sql()), ask_step(facts.snapshot_sql(), SNAPSHOT)]


def reset_steps(facts: ServerFacts) -> list[Step]:
    """Back to a fresh session: rolls back, drops temporary tables, locks, variables and prepared statements."""
    return [Step(bytes((COM_RESET_CONNECTION,)), RESET), *login_steps(facts)]
