"""The question that tells which of its reasons to hold still tie a server connection to its client."""

from __future__ import annotations

from typing import Final

from .analysis import ADVISORY_LOCK, ASKABLE, CURSOR, LISTEN, PREPARED, TEMPORARY_TABLE

# Every name is qualified: the client's search_path may hide the server's own.
_EQUALS: Final = b" OPERATOR(pg_catalog.=) "
_SOURCES: Final = (
    # Outside a transaction the only ones left are the session's.
    (
        ADVISORY_LOCK,
        b"pg_catalog.pg_locks WHERE locktype"
        + _EQUALS
        + b"'advisory' AND pid"
        + _EQUALS
        + b"pg_catalog.pg_backend_pid()",
    ),
    # All that a schema holds depends on it: functions and types too.
    (
        TEMPORARY_TABLE,
        b"pg_catalog.pg_depend WHERE refclassid" + _EQUALS + b"'pg_catalog.pg_namespace'::pg_catalog.regclass"
        b" AND refobjid" + _EQUALS + b"pg_catalog.pg_my_temp_schema()",
    ),
    (LISTEN, b"pg_catalog.pg_listening_channels()"),
    (CURSOR, b"pg_catalog.pg_cursors WHERE is_holdable"),
    (PREPARED, b"pg_catalog.pg_prepared_statements WHERE from_sql"),
)


def question(reasons: int) -> bytes:
    """SQL whose answer is one row of one column: the sum of those of ``reasons`` (bits of ``Part.holds``, those in
    ASKABLE) that still hold. To be asked outside a transaction."""
    cases = [
        b"CASE WHEN EXISTS (SELECT FROM %s) THEN %d ELSE 0 END" % (source, reason)
        for reason, source in _SOURCES
        if reasons & ASKABLE & reason
    ]
    return b"SELECT " + (b" OPERATOR(pg_catalog.+) ".join(cases) or b"0")
