"""Virtual variables: what a client sets and reads of `variables.VIRTUAL` is its own record, never the server's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outlive.session.mysql.variables import VIRTUAL
from outlive.wire.mysql.constants import CLIENT_INTERACTIVE
from outlive.wire.mysql.session_track import ALL, BOUNDARIES, CHARACTERISTICS, OFF, STATE, TrackPolicy

if TYPE_CHECKING:
    from outlive.session.mysql.client_session import ClientSession

_ON: Final = frozenset((b"1", b"ON", b"TRUE"))
BOOLEANS: Final = frozenset(("session_track_schema", "session_track_state_change"))
_GTIDS: Final = b"session_track_gtids"
_TRANSACTION_INFO: Final = {b"STATE": STATE, b"1": STATE, b"CHARACTERISTICS": CHARACTERISTICS, b"2": CHARACTERISTICS}
_POLICIES_MAX: Final = 256
_policies: dict[tuple[bytes, bool, bool, int], TrackPolicy] = {}
_QUOTES: Final = (b"'", b'"')


def plain_value(literal: bytes) -> bytes:
    """A literal of a SET without its quotes; doubled quotes and escapes do not occur in values of these variables."""
    if len(literal) >= 2 and literal[:1] in _QUOTES and literal[-1:] == literal[:1]:
        return literal[1:-1]
    return literal


def value_of(session: ClientSession, name: bytes) -> bytes:
    """The value the client is to see: its own, else the one its login would have given it."""
    own = session.virtual.get(name)
    if own is not None:
        return own
    if name == b"wait_timeout":
        interactive = session.capabilities & CLIENT_INTERACTIVE
        return b"%d" % (session.facts.interactive_timeout_s if interactive else session.facts.wait_timeout_s)
    return session.facts.virtual.get(name, b"")


def literal_of(session: ClientSession, name: bytes) -> bytes:
    """`value_of` as SQL, as `@@name` would give it: booleans as 1 and 0, texts quoted."""
    value = value_of(session, name)
    if name == b"wait_timeout":
        return value
    if name.decode() in BOOLEANS:
        return b"1" if value.upper() in _ON else b"0"
    return b"'" + value.replace(b"'", b"''") + b"'"


def set_sql(session: ClientSession) -> bytes:
    """Makes the server's own values the client's for one statement that reads them where Outlive cannot step in."""
    items = []
    for name in sorted(VIRTUAL & session.facts.virtual.keys()):
        if name == _GTIDS and (name not in session.virtual or session.in_transaction):
            continue  # MySQL refuses it in a transaction; and without a client's word it is what Outlive leaves it
        value = value_of(session, name)
        items.append(name + b"=" + (value if value.isdigit() else b"'" + value.replace(b"'", b"''") + b"'"))
    return b"SET SESSION " + b",".join(items)


def policy(session: ClientSession) -> TrackPolicy:
    """What the client asked to be told of its session's changes."""
    names = value_of(session, b"session_track_system_variables")
    schema = value_of(session, b"session_track_schema").upper() in _ON
    state_change = value_of(session, b"session_track_state_change").upper() in _ON
    # MySQL tells where transactions begin and end even where it was told not to (measured on 9.7).
    unset = OFF if session.facts.mariadb else BOUNDARIES
    transaction = _TRANSACTION_INFO.get(value_of(session, b"session_track_transaction_info").upper(), unset)
    key = (names, schema, state_change, transaction)
    found = _policies.get(key)
    if found is None:
        shown = ALL if names == b"*" else frozenset(name.strip().lower() for name in names.split(b",") if name.strip())
        if len(_policies) >= _POLICIES_MAX:
            _policies.clear()
        found = _policies[key] = TrackPolicy(shown, schema, state_change, transaction)
    return found
