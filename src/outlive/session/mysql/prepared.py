"""Prepared statements: one `Statement` for all clients that prepare the same text in the same context."""

from __future__ import annotations

from weakref import WeakValueDictionary

from outlive.session.mysql.analysis import Analysis
from outlive.session.mysql.settings import PARSING_NAMES, SCHEMA, Settings


class Statement:
    """A statement by what decides its meaning: text, schema, charset and sql_mode. Compared by identity."""

    __slots__ = ("__weakref__", "analysis", "columns", "parameters", "sql")

    def __init__(self, sql: bytes, analysis: Analysis) -> None:
        self.sql = sql
        self.analysis = analysis
        self.parameters = 0
        self.columns = 0


class ClientStatement:
    """One client's handle of a `Statement`: the id it was given, and the parameter types it bound last.

    A client may leave the types out of later executions (`new_params_bound = 0`); they are then the ones it sent last.
    """

    __slots__ = ("cursor_open", "id_bytes", "long_data", "statement", "types")

    def __init__(self, statement: Statement, id_bytes: bytes) -> None:
        self.statement = statement
        self.id_bytes = id_bytes
        self.types: bytes | None = None
        self.cursor_open = False
        self.long_data = False


_statements: WeakValueDictionary[tuple[bytes, frozenset[tuple[bytes, bytes]]], Statement] = WeakValueDictionary()
_CONTEXT = PARSING_NAMES | {SCHEMA}


def intern_statement(sql: bytes, analysis: Analysis, settings: Settings) -> Statement:
    """The one `Statement` of this text under these settings; it lives as long as a client or a connection holds it."""
    values = settings.values
    key = (sql, frozenset((name, values[name]) for name in _CONTEXT if name in values))
    found = _statements.get(key)
    if found is None:
        found = _statements[key] = Statement(sql, analysis)
    return found
