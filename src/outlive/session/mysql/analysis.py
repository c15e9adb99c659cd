"""What a MySQL or MariaDB statement text says about the session it runs in.

An :class:`Analysis` is a value: it is made once for a text, may be shared and cached, and is never changed. Everything
in it errs on the side of *holding* the server connection: what the lexer cannot prove harmless carries a :class:`Hold`
with the reason ``unsure``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

# sql_mode and charset facts that change how a text is cut into tokens (argument ``mode``).
NO_BACKSLASH_ESCAPES: Final = 1
ANSI_QUOTES: Final = 2
#: character_set_client is big5, cp932, gb18030, gbk or sjis:
#: a backslash or backtick may be the second byte of a character.
MULTIBYTE_ESCAPES: Final = 4

# Analysis.needs: what the statement reads, so must be true on the server connection (or be substituted) before it runs.
LAST_INSERT_ID: Final = 1
ROW_COUNT: Final = 2
FOUND_ROWS: Final = 4
CONNECTION_ID: Final = 8
WARNINGS: Final = 16
VIRTUAL: Final = 32
#: Its OK tells how many warnings there are, without being a statement that clears those before it (COM_INIT_DB).
NO_WARNINGS: Final = 64

# Analysis.after: what the proxy must ask the server connection for after the statement,
# before it is lent to another client.
ASK_FOUND_ROWS: Final = 1
ASK_LAST_INSERT_ID: Final = 2
#: MariaDB's SET STATEMENT: the tracker tells what was set, and not that it is taken back.
ASK_SETTINGS: Final = 4
#: SET @@name without a scope, of which MariaDB's tracker tells nothing (measured on 10.11).
ASK_UNTOLD: Final = 8

# Hold.change
HOLD: Final = 1
RELEASE: Final = -1
CLEAR: Final = 0
#: Names of this reason can no longer be trusted (a table was renamed): whoever holds now holds to the end; who does
#: not, need not.
LOSE_NAMES: Final = 2


class Hold(NamedTuple):
    """A change of what ties a session to its server connection. Changes of a text come in the order in which they run.

    ``change`` is HOLD (count one more of ``name``), RELEASE (one less; below zero means nothing), CLEAR (none left: of
    ``name``, or of the whole reason when ``name`` is None) or LOSE_NAMES. A HOLD whose ``name`` is None can be ended by
    a CLEAR without a name only.

    Reasons: ``get_lock`` (counted; names in lower case), ``temporary_table`` (name as written, ``table`` or
    ``schema.table``: an unqualified one belongs to the schema in use *now*), ``lock_tables``, ``handler``, ``xa``,
    ``text_prepare``, ``user_variable``, ``sequence``, ``binlog``, ``insert_id``, ``function`` (declared by the user),
    ``unsure``. RELEASE and CLEAR count only when the text succeeded.
    """

    reason: str
    name: bytes | None
    change: int


class Assignment(NamedTuple):
    """One assignment of a SET statement. ``start`` and ``end`` are the byte range
    of the whole assignment, without commas."""

    scope: str  # session | global | next | persist | user
    name: bytes  # lower case; of user variables as written
    value: bytes  # as written
    is_literal: bool  # a constant, a bare word such as ON, or DEFAULT
    start: int
    end: int


class Substitution(NamedTuple):
    """Bytes ``start`` to ``end`` (offsets in the text) are to be replaced by the literal value of ``what``.
    In order of offsets.

    ``label`` is set where the range is a whole item, without an alias, of the outermost select list: then write ``N AS
    label``, the label quoted (backticks in it doubled). Where ``start == end`` and ``what`` is ``label``, `` AS label``
    is to be inserted: the substitution inside the item would change its column's name.
    """

    start: int
    end: int
    what: str  # row_count | found_rows | connection_id | warning_count | error_count | the name of a virtual variable
    label: bytes | None


class Trivial(NamedTuple):
    """A text that is nothing but a question the proxy can answer itself.

    ``what`` is as in :class:`Substitution`, or ``show_warnings``, ``show_errors``, ``show_count_warnings``,
    ``show_count_errors``; ``limit`` is (offset, rows) of SHOW WARNINGS / ERRORS.
    """

    what: str
    label: bytes
    limit: tuple[int, int] | None = None


class Kill(NamedTuple):
    """KILL. ``kind`` is query | connection | query_id | user; ``id`` is None where it is an expression or a name."""

    kind: str
    id: int | None


@dataclass(frozen=True, slots=True)
class Analysis:
    """See the module. Fields are empty, False or None where the text has nothing of the sort; ``plain`` says that
    all of them are."""

    plain: bool
    read: bool  # nothing is lost if it is killed
    verb: bytes  # first keyword, upper case
    statements: int = 1
    needs: int = 0
    after: int = 0
    holds: tuple[Hold, ...] = ()
    user_variables: tuple[tuple[bytes, bytes], ...] = ()  # (name in lower case, literal): all of SET @x = literal, ...
    assignments: tuple[Assignment, ...] = ()
    charset: bytes | None = None  # of SET NAMES / CHARACTER SET, lower case
    set_role: bytes | None = None  # the text of SET ROLE
    set_transaction: bool = False  # characteristics of the next transaction only
    kill: Kill | None = None
    trivial: Trivial | None = None
    substitutions: tuple[Substitution, ...] = ()
    load_data_local: bool = False
    call: bool = False


_WRITES = (b"INSERT", b"UPDATE", b"DELETE", b"REPLACE", b"BEGIN", b"START", b"COMMIT", b"ROLLBACK")
PLAIN_READ: Final = Analysis(True, True, b"SELECT")
PLAIN_WRITE: Final = Analysis(True, False, b"INSERT")
#: A SELECT that calls functions which are not known to be harmless.
PLAIN_SELECT_WRITE: Final = Analysis(True, False, b"SELECT")
#: Shared constants of the common case, by verb.
PLAIN: Final[dict[bytes, Analysis]] = {b"SELECT": PLAIN_READ, b"INSERT": PLAIN_WRITE} | {
    verb: Analysis(True, False, verb) for verb in _WRITES if verb != b"INSERT"
}
