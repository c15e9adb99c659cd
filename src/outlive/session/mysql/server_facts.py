"""What one database server told about itself: version, variables, collations. Shared by all its connections."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from outlive.session.mysql.set_effects import Effect, Name
from outlive.session.mysql.settings import CHARSET_NAMES, EMPTY, Settings, updated
from outlive.session.mysql.variables import SYNONYMS, TRACKED, VIRTUAL
from outlive.wire import ProtocolError

COLLATIONS_SQL: Final = (
    b"SELECT ID, COLLATION_NAME, c.CHARACTER_SET_NAME, DEFAULT_COLLATE_NAME, MAXLEN"
    b" FROM information_schema.COLLATIONS c JOIN information_schema.CHARACTER_SETS s"
    b" ON s.CHARACTER_SET_NAME = c.CHARACTER_SET_NAME"
)
_VERSION: Final = re.compile(rb"(\d{1,4})\.(\d{1,4})\.(\d{1,4})")
DEAD_MAN_S: Final = 60
"""Until the server's own setting is known to its facts."""
_BOOLEAN: Final = {b"1": b"ON", b"0": b"OFF"}
_DIGITS_MAX: Final = 20


class Collation:
    """A collation: the id of the handshake, its name, its character set, and the most bytes a character takes there."""

    __slots__ = ("bytes_per_character", "charset", "id", "name")

    def __init__(self, name: bytes, charset: bytes, number: int = 0, bytes_per_character: int = 4) -> None:
        self.id = number
        self.name = name
        self.charset = charset
        self.bytes_per_character = bytes_per_character


SYSTEM_COLLATION: Final = Collation(b"utf8mb3_general_ci", b"utf8mb3", 33, 3)
"""Of both servers' own texts, where results are not converted."""


class ServerFacts:
    """Read once from the first connection; `defaults` follows each later login and reset.

    `baseline` stays the first login's variables for as long as the server runs, since all `Settings` are relative to
    it. `defaults` is what a session starts with today: someone may have said SET GLOBAL since.
    """

    __slots__ = (
        "_booleans",
        "_by_charset",
        "_by_name",
        "baseline",
        "collations",
        "dead_man_s",
        "defaults",
        "init_connect",
        "interactive_timeout_s",
        "mariadb",
        "set_effects",
        "tracked",
        "version",
        "virtual",
        "wait_timeout_s",
    )

    def __init__(
        self,
        version: bytes,
        variables: Mapping[bytes, bytes],
        collations: Mapping[int, Collation],
        by_charset: Mapping[bytes, Collation] | None = None,
    ) -> None:
        self.version = version
        self._by_charset = by_charset or {}
        self._by_name = {collation.name: collation for collation in collations.values()}
        self.dead_man_s = DEAD_MAN_S
        self.set_effects: dict[Name, Effect] = {}
        self.mariadb = b"MariaDB" in version
        self.tracked = tracked_names(variables)
        self.baseline: dict[bytes, bytes] = {name: variables[name] for name in self.tracked}
        self.collations = collations
        self.defaults: Settings = EMPTY
        self._booleans: frozenset[bytes] = frozenset()
        self.virtual: dict[bytes, bytes] = {name: variables[name] for name in VIRTUAL if name in variables}
        """The values of virtual variables that a client's own login would find."""
        self.init_connect = bool(variables.get(b"init_connect"))
        self.wait_timeout_s = _number(variables.get(b"wait_timeout", b"28800"))
        self.interactive_timeout_s = _number(variables.get(b"interactive_timeout", b"28800"))

    def tracker_sql(self) -> bytes:
        """What makes the server report its session's changes, and end the session by itself if Outlive vanishes.

        COM_RESET_CONNECTION turns the trackers off again (measured on both servers), so this follows each.
        """
        return (
            b"SET SESSION session_track_state_change=ON,session_track_schema=ON,"
            b"session_track_transaction_info='CHARACTERISTICS',session_track_system_variables='"
            + b",".join(self.tracked)
            + b"',wait_timeout=%d" % self.dead_man_s
        )

    def snapshot_sql(self) -> bytes:
        """Reads every tracked variable of a session, in the order of `tracked`."""
        return b"SELECT " + b",".join(b"@@" + name for name in self.tracked)

    def calibrate(self, row: Sequence[bytes | None]) -> None:
        """Compares a first `snapshot_sql` row with the baseline of SHOW VARIABLES, which the trackers' texts follow.

        Booleans read as 1 and 0 but are shown and tracked as ON and OFF. A variable that reads otherwise than it is
        shown is not tracked: its change then pins.
        """
        if len(row) != len(self.tracked):
            raise ProtocolError("an answer of another width than was asked for")
        read = dict(zip(self.tracked, (value or b"" for value in row), strict=True))
        shown = self.baseline
        self._booleans = frozenset(name for name, value in read.items() if _BOOLEAN.get(value) == shown[name])
        self.tracked = tuple(name for name in self.tracked if name in self._booleans or read[name] == shown[name])
        self.baseline = {name: shown[name] for name in self.tracked}

    def read_snapshot(self, row: Sequence[bytes | None]) -> Settings:
        """The settings that `snapshot_sql` found, relative to the baseline. NULL is the empty text."""
        if len(row) != len(self.tracked):
            raise ProtocolError("an answer of another width than was asked for")
        booleans = self._booleans
        values = (
            (name, _BOOLEAN.get(value or b"", b"") if name in booleans else value or b"")
            for name, value in zip(self.tracked, row, strict=True)
        )
        return updated(EMPTY, values, self.baseline)

    def result_collation(self, settings: Settings) -> Collation:
        """What the columns of a text result are said to be in: the collation that SET NAMES gave, or a default one."""
        client, connection, results, collation = (
            settings.values.get(name, self.baseline.get(name, b"")) for name in CHARSET_NAMES
        )
        if not results:
            return SYSTEM_COLLATION
        named = self._by_name.get(collation)
        if named is not None and client == connection == results == named.charset:
            return named
        return self._by_charset.get(results, SYSTEM_COLLATION)

    @property
    def deprecates_found_rows(self) -> bool:
        """FOUND_ROWS() and SQL_CALC_FOUND_ROWS give warning 1287 since MySQL 8.0.17."""
        found = _VERSION.match(self.version)
        return not self.mariadb and found is not None and tuple(map(int, found.groups())) >= (8, 0, 17)

    def login_settings(self, collation_id: int) -> dict[bytes, bytes]:
        """The variables a login with this handshake collation sets; empty where the server does not know the id.

        The server then takes its own default (character_set_server), as the defaults already say.
        """
        collation = self.collations.get(collation_id)
        if collation is None:
            return {}
        values = dict.fromkeys(
            (b"character_set_client", b"character_set_connection", b"character_set_results"), collation.charset
        )
        values[b"collation_connection"] = collation.name
        return values


def tracked_names(variables: Mapping[bytes, bytes]) -> tuple[bytes, ...]:
    """The tracked names this server has; of two names for one variable, the one that is not an alias."""
    return tuple(name for name in TRACKED if name in variables and SYNONYMS.get(name) not in variables)


def from_tables(
    version: bytes, variables: Iterable[tuple[bytes | None, ...]], collations: Iterable[tuple[bytes | None, ...]]
) -> ServerFacts:
    """From the rows of SHOW SESSION VARIABLES and of `COLLATIONS_SQL`.

    Raises ProtocolError where they are no such rows.
    """
    named = {row[0].lower(): row[1] or b"" for row in _wide(variables, 2) if row[0]}
    known: dict[int, Collation] = {}
    defaults: dict[bytes, Collation] = {}
    for number, name, charset, default, size in _wide(collations, 5):
        if number and name and charset:
            collation = known[_number(number)] = Collation(name, charset, _number(number), _number(size or b"4"))
            if default == name:
                defaults[charset] = collation
    return ServerFacts(version, named, known, defaults)


def _wide(rows: Iterable[tuple[bytes | None, ...]], columns: int) -> Iterable[tuple[bytes | None, ...]]:
    for row in rows:
        if len(row) != columns:
            raise ProtocolError("an answer of another width than was asked for")
        yield row


def _number(value: bytes) -> int:
    if not value.isdigit() or len(value) > _DIGITS_MAX:
        raise ProtocolError("an answer that is not a number")
    return int(value)
