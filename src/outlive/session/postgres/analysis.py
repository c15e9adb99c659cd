"""What a PostgreSQL statement text says about the session it runs in.

An :class:`Analysis` is a value: it is made once for a text, may be shared and cached, and is never changed.
Everything in it errs on the side of *holding* the server connection, and of asking the server again. The one thing
that no text tells is what a user's function, trigger or rule does inside (``pin_functions`` declares those).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

# How a text is cut into tokens (argument ``mode``).
#: standard_conforming_strings is off: a backslash escapes in '...' too.
BACKSLASH_ESCAPES: Final = 1
#: client_encoding is one whose characters may hold ASCII bytes (:data:`UNSAFE_ENCODINGS`).
UNSAFE_ENCODING: Final = 2

#: In these client encodings (none of them can be a server's) the second byte of a character may be a backslash, a
#: quote's neighbour or a letter. Lower case, letters and digits
#: alone, as PostgreSQL compares their names.
UNSAFE_ENCODINGS: Final = frozenset(
    b"sjis mskanji shiftjis shiftjis2004 win932 windows932 big5 win950 windows950 gbk win936 windows936 gb18030 uhc"
    b" win949 windows949 johab".split()
)

# Part.holds, Part.asks: reasons why a server connection belongs to one client. Those in ASKABLE the server can tell of.
ADVISORY_LOCK: Final = 1
TEMPORARY_TABLE: Final = 2
LISTEN: Final = 4
CURSOR: Final = 8
PREPARED: Final = 16
ASKABLE: Final = 31
#: A library that was loaded stays.
LOAD: Final = 32
#: A function of the user's ``pin_functions``, or one known to leave something (dblink_connect).
FUNCTION: Final = 64
#: setseed(): later random() of this session follow from it.
SEED: Final = 128
#: Settings that only this connection knows: the name is in no text, and pg_settings does not list custom settings
#: (measured on 15). RESET ALL and DISCARD ALL end it.
SETTINGS: Final = 256
#: search_path names pg_temp, so that any CREATE may make a temporary object. DISCARD ALL ends it.
TEMPORARY_SCHEMA: Final = 512
REASONS: Final = {
    ADVISORY_LOCK: "advisory_lock",
    TEMPORARY_TABLE: "temporary_table",
    LISTEN: "listen",
    CURSOR: "cursor",
    PREPARED: "prepare",
    LOAD: "load",
    FUNCTION: "function",
    SEED: "seed",
    SETTINGS: "settings",
    TEMPORARY_SCHEMA: "temporary_schema",
}

# Part.control
BEGIN: Final = 1
COMMIT: Final = 2
ROLLBACK: Final = 3
SAVEPOINT: Final = 4
RELEASE: Final = 5
ROLLBACK_TO: Final = 6
PREPARE_TRANSACTION: Final = 7
#: COMMIT PREPARED, ROLLBACK PREPARED: of another transaction than the session's own.
FINISH_PREPARED: Final = 8

# Part.discard
RESET_ALL: Final = 1
DISCARD_ALL: Final = 2
DISCARD_PLANS: Final = 3
DISCARD_SEQUENCES: Final = 4
DISCARD_TEMPORARY: Final = 5
#: DEALLOCATE ALL: those of the protocol's Parse as well.
DEALLOCATE_ALL: Final = 6

# Part.flags
#: Any setting that pg_settings lists may have changed: read ``source = 'session'`` again.
REREAD_SETTINGS: Final = 1
#: nextval(), setval(): what currval() and lastval() mean from now on.
SEQUENCE_SET: Final = 2
#: currval(), lastval(): means an earlier statement of this session.
SEQUENCE_ASKED: Final = 4
#: Analysis only: the text has more statements than :attr:`Analysis.parts` lists. Holds, asks and flags are of all.
CUT: Final = 8
#: Has a statement that the server may cut or read in another way than the lexer: everything is possible.
UNREADABLE: Final = 16

# Part.copy
COPY_IN: Final = 1
COPY_OUT: Final = 2


class Assignment(NamedTuple):
    """A SET or RESET of one setting, read with certainty.

    ``value`` is the setting's text, as ``set_config(name, value, false)`` takes it and pg_settings shows it (list
    items quoted as names where the setting is a list of names); None is the default. So one value has one spelling,
    whatever the quotes, and a backslash means itself. ``local``: SET LOCAL, gone with the transaction.
    """

    name: bytes  # lower case
    value: bytes | None
    local: bool


class Substitution(NamedTuple):
    """``current_setting('name')`` of a virtual setting stands at ``start`` to ``end`` (offsets in the text).
    ``(SELECT 'value'::text AS current_setting)`` in its place means the same, and keeps the column's name."""

    start: int
    end: int
    name: bytes


class Part(NamedTuple):
    """One statement of a text. Each gives exactly one CommandComplete, in this order.

    ``holds`` ties the session to its server connection from now on, and counts even if the statement fails: a lock
    that was taken before the error stays. ``asks`` are reasons of which only the server can say whether they (still)
    hold: ask it before the release, if they are held by then. A transaction that rolls back asks the same of
    whatever it held. Both are bits above.

    ``rereads`` are settings (lower case) whose value must be read by name: ``current_setting(name, true)``.
    """

    verb: bytes  # first keyword, upper case; of EXPLAIN too
    start: int  # of the statement in the text, without white space, comments and semicolon around it
    end: int
    control: int = 0
    chain: bool = False  # COMMIT or ROLLBACK AND CHAIN
    assignments: tuple[Assignment, ...] = ()
    rereads: tuple[bytes, ...] = ()
    discard: int = 0
    holds: int = 0
    asks: int = 0
    flags: int = 0
    copy: int = 0
    show: bytes | None = None  # SHOW: the setting, lower case; b"all"
    name: bytes | None = None  # PREPARE, EXECUTE, DEALLOCATE, DECLARE, CLOSE, LISTEN, UNLISTEN: folded; None is all

    @property
    def is_plain(self) -> bool:
        """Leaves nothing in the session, and asks nothing of it."""
        return (
            not (
                self.assignments
                or self.rereads
                or self.discard
                or self.holds
                or self.asks
                or self.flags
                or self.copy
                or self.chain
            )
            and self.show is None
            and self.control in PLAIN_CONTROLS
        )


#: Lone statements of these kinds change the transaction's status alone, as ReadyForQuery and the tag tell.
PLAIN_CONTROLS: Final = frozenset((0, BEGIN, COMMIT, ROLLBACK, SAVEPOINT, RELEASE, FINISH_PREPARED))


@dataclass(frozen=True, slots=True)
class Analysis:
    """See the module. ``plain``: nothing below ``control`` is set, and the session has nothing to do but to forward.

    ``count`` is how many statements there are (0: EmptyQueryResponse). ``control`` is that of a lone statement.
    ``parts`` has one for each statement, the first 256 at most; none where the text is plain. ``holds``, ``asks``,
    ``flags`` and ``rereads`` are of all parts together.
    """

    plain: bool
    read: bool  # nothing is lost if it is killed
    verb: bytes  # first keyword, upper case
    count: int = 1
    control: int = 0
    parts: tuple[Part, ...] = ()
    holds: int = 0
    asks: int = 0
    flags: int = 0
    rereads: frozenset[bytes] = frozenset()
    show: bytes | None = None  # of a text that is nothing but one SHOW
    substitutions: tuple[Substitution, ...] = ()
    #: String constants that name a virtual setting to set_config(): another name in their place, and the real setting
    #: stays as it is.
    renames: tuple[Substitution, ...] = ()


PLAIN_READ: Final = Analysis(True, True, b"SELECT")
#: A SELECT that calls functions which are not known to be harmless.
PLAIN_SELECT_WRITE: Final = Analysis(True, False, b"SELECT")
#: Shared constants of the common case, by verb.
PLAIN: Final[dict[bytes, Analysis]] = {
    b"SELECT": PLAIN_READ,
    b"WITH": Analysis(True, True, b"WITH"),
} | {
    verb: Analysis(True, False, verb, control=control)
    for verb, control in (
        (b"INSERT", 0),
        (b"UPDATE", 0),
        (b"DELETE", 0),
        (b"BEGIN", BEGIN),
        (b"START", BEGIN),
        (b"COMMIT", COMMIT),
        (b"END", COMMIT),
        (b"ROLLBACK", ROLLBACK),
        (b"ABORT", ROLLBACK),
        (b"SAVEPOINT", SAVEPOINT),
        (b"RELEASE", RELEASE),
    )
}
