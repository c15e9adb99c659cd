"""Session-state information of OK packets: what the server says has changed in the session.

Source: "OK_Packet, Session State Information" of the MySQL protocol documentation. Outlive asks servers for more than
its clients asked for, so what goes on to a client is filtered by what that client wants (TrackPolicy).
"""

from collections.abc import Iterator
from typing import Final

from outlive.wire import ProtocolError
from outlive.wire.mysql.constants import (
    SESSION_TRACK_SCHEMA,
    SESSION_TRACK_STATE_CHANGE,
    SESSION_TRACK_SYSTEM_VARIABLES,
    SESSION_TRACK_TRANSACTION_CHARACTERISTICS,
    SESSION_TRACK_TRANSACTION_STATE,
)
from outlive.wire.mysql.packets import lenenc_bytes, read_lenenc_bytes

# What is shown of transactions (session_track_transaction_info). Under OFF MySQL still reports the begin and the end of
# an explicit transaction, without detail (measured on 9.7; MariaDB does not): BOUNDARIES.
OFF: Final = 0
BOUNDARIES: Final = 1
STATE: Final = 2
CHARACTERISTICS: Final = 3

_BOUNDARY_STATES: Final = (b"\x08T_______", b"\x08________")


class SessionChanges:
    """What one reply reported. `other` keeps types without treatment here as (type, raw data)."""

    __slots__ = ("characteristics", "other", "schema", "state_changed", "transaction_state", "variables")

    def __init__(self) -> None:
        self.variables: list[tuple[bytes, bytes]] = []
        self.schema: bytes | None = None
        self.state_changed = False
        self.characteristics: bytes | None = None
        self.transaction_state: bytes | None = None
        self.other: list[tuple[int, bytes]] = []


class TrackPolicy:
    """What a client asked to see, by the variables of the server that say so.

    `variables`: session_track_system_variables (None is ALL, `*`); session_track_schema; session_track_state_change;
    `transaction`: session_track_transaction_info (OFF, BOUNDARIES, STATE, CHARACTERISTICS); `other` lets the remaining
    types, such as GTIDs, pass. Immutable by convention: many clients share one.
    """

    __slots__ = ("other", "schema", "state_change", "transaction", "variables")

    def __init__(
        self,
        variables: frozenset[bytes] | None = frozenset(),
        schema: bool = False,
        state_change: bool = False,
        transaction: int = OFF,
        other: bool = True,
    ) -> None:
        self.variables = variables
        self.schema = schema
        self.state_change = state_change
        self.transaction = transaction
        self.other = other

    def shows_variable(self, name: bytes) -> bool:
        """Whether a change of this system variable is shown."""
        return self.variables is ALL or name in self.variables

    def shows_state(self, data: bytes) -> bool:
        """Whether a transaction state, as the data of its entry, is shown."""
        return self.transaction >= STATE or (self.transaction == BOUNDARIES and data in _BOUNDARY_STATES)

    def shows(self, kind: int) -> bool:
        """Whether a type of information is shown (of system variables: any at all)."""
        if kind == SESSION_TRACK_SYSTEM_VARIABLES:
            return self.variables is ALL or bool(self.variables)
        if kind == SESSION_TRACK_SCHEMA:
            return self.schema
        if kind == SESSION_TRACK_STATE_CHANGE:
            return self.state_change
        if kind == SESSION_TRACK_TRANSACTION_STATE:
            return self.transaction >= BOUNDARIES
        if kind == SESSION_TRACK_TRANSACTION_CHARACTERISTICS:
            return self.transaction == CHARACTERISTICS
        return self.other


ALL: Final = None

_DEFAULT_VARIABLES: Final = frozenset(
    (b"autocommit", b"character_set_client", b"character_set_connection", b"character_set_results", b"time_zone")
)
# What servers show to a client that sets nothing: MariaDB 10.3 to 11, and MySQL 5.7 to 9.
DEFAULT_POLICY: Final = TrackPolicy(_DEFAULT_VARIABLES, schema=True)
MYSQL_DEFAULT_POLICY: Final = TrackPolicy(_DEFAULT_VARIABLES, schema=True, transaction=BOUNDARIES)


def parse_changes(raw: bytes) -> SessionChanges:
    """Raises ProtocolError."""
    changes = SessionChanges()
    for kind, data in _entries(raw):
        if kind == SESSION_TRACK_SYSTEM_VARIABLES:
            changes.variables += _variables(data)
        elif kind == SESSION_TRACK_SCHEMA:
            changes.schema = _string(data)
        elif kind == SESSION_TRACK_STATE_CHANGE:
            changes.state_changed = data == b"1"  # No length inside, unlike all others: measured on both servers.
        elif kind == SESSION_TRACK_TRANSACTION_CHARACTERISTICS:
            changes.characteristics = _string(data)
        elif kind == SESSION_TRACK_TRANSACTION_STATE:
            changes.transaction_state = _string(data)
        else:
            changes.other.append((kind, data))
    return changes


def encode_changes(changes: SessionChanges, policy: TrackPolicy) -> bytes:
    """The raw information that a client of this policy sees, in the order servers use; empty when there is none."""
    pieces: list[bytes] = []
    for name, value in changes.variables:
        if policy.shows_variable(name):
            pieces.append(_entry(SESSION_TRACK_SYSTEM_VARIABLES, lenenc_bytes(name) + lenenc_bytes(value)))
    if changes.schema is not None and policy.schema:
        pieces.append(_entry(SESSION_TRACK_SCHEMA, lenenc_bytes(changes.schema)))
    if changes.state_changed and policy.state_change:
        pieces.append(_entry(SESSION_TRACK_STATE_CHANGE, b"1"))
    if policy.other:
        pieces += [_entry(kind, data) for kind, data in changes.other]
    if changes.transaction_state is not None:
        data = lenenc_bytes(changes.transaction_state)
        if policy.shows_state(data):
            pieces.append(_entry(SESSION_TRACK_TRANSACTION_STATE, data))
    if changes.characteristics is not None and policy.transaction == CHARACTERISTICS:
        pieces.append(_entry(SESSION_TRACK_TRANSACTION_CHARACTERISTICS, lenenc_bytes(changes.characteristics)))
    return b"".join(pieces)


def filter_changes(raw: bytes, policy: TrackPolicy) -> bytes:
    """`raw` without what the policy hides: the same order, each entry as it came. Raises ProtocolError."""
    pieces: list[bytes] = []
    for kind, data in _entries(raw):
        if not policy.shows(kind):
            continue
        if kind == SESSION_TRACK_TRANSACTION_STATE and not policy.shows_state(data):
            continue
        if kind == SESSION_TRACK_SYSTEM_VARIABLES and policy.variables is not ALL:
            shown = [pair for pair in _variables(data) if pair[0] in policy.variables]
            if shown:
                pieces.append(_entry(kind, b"".join(lenenc_bytes(name) + lenenc_bytes(value) for name, value in shown)))
        else:
            pieces.append(_entry(kind, data))
    return b"".join(pieces)


def _entry(kind: int, data: bytes) -> bytes:
    return bytes((kind,)) + lenenc_bytes(data)


def _entries(raw: bytes) -> Iterator[tuple[int, bytes]]:
    position, end = 0, len(raw)
    while position < end:
        kind = raw[position]
        data, position = read_lenenc_bytes(raw, position + 1)
        if data is None:
            raise ProtocolError("session state information without data")
        yield kind, data


def _variables(data: bytes) -> list[tuple[bytes, bytes]]:
    pairs: list[tuple[bytes, bytes]] = []
    position, end = 0, len(data)
    while position < end:
        name, position = read_lenenc_bytes(data, position)
        value, position = read_lenenc_bytes(data, position)
        pairs.append((name or b"", value or b""))
    return pairs


def _string(data: bytes) -> bytes:
    return read_lenenc_bytes(data, 0)[0] or b""
