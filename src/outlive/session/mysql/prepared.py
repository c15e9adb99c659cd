"""Prepared statements: one `Statement` for all clients that prepare the same text in the same context."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from weakref import WeakValueDictionary

from outlive.session.mysql.analysis import Analysis
from outlive.session.mysql.settings import MULTI_STATEMENTS, SCHEMA, Settings, difference, updated

Context = frozenset[tuple[bytes, bytes]]
"""The settings that decide what a text means, as far as they are not the baseline's.

Schema, charsets and sql_mode, and nearly all others: MySQL makes much of a plan when it prepares a statement, and keeps
it, with div_precision_increment, group_concat_max_len, default_week_format, lc_time_names and more (measured on 9.7).
"""
_OF_EXECUTION: Final = frozenset(
    b"""
    autocommit auto_increment_increment auto_increment_offset completion_type foreign_key_checks
    idle_transaction_timeout idle_readonly_transaction_timeout idle_write_transaction_timeout innodb_lock_wait_timeout
    interactive_timeout lock_wait_timeout long_query_time max_error_count max_execution_time max_statement_time
    net_read_timeout net_retry_count net_write_timeout sql_notes sql_warnings transaction_isolation
    transaction_read_only tx_isolation tx_read_only unique_checks
    """.split()
) | {MULTI_STATEMENTS}
"""Settings that count when a statement runs, however it was prepared."""


class Statement:
    """A statement by what decides its meaning: text and settings. Compared by identity."""

    __slots__ = ("__weakref__", "context", "parameters", "sql")

    def __init__(self, sql: bytes, context: Context) -> None:
        self.sql = sql
        self.context = context
        self.parameters = 0

    def settings_to_prepare(self, settings: Settings, baseline: Mapping[bytes, bytes]) -> Settings:
        """The settings of a session, but with those under which this statement was prepared, as the servers keep them.

        One that was prepared without a schema names its tables in full, so that any schema will do.
        """
        current = context_of(settings)
        if current == self.context:
            return settings
        own = dict(self.context)
        changes = [(name, own.get(name, baseline.get(name))) for name in own.keys() | dict(current).keys()]
        there = updated(settings, [(name, value) for name, value in changes if value is not None], baseline)
        if (
            difference(settings, there, baseline).unreachable or difference(there, settings, baseline).unreachable
        ) and SCHEMA in settings.values:
            there = updated(there, ((SCHEMA, settings.values[SCHEMA]),), baseline)
        return there


class ClientStatement:
    """One client's handle of a `Statement`: the id it was given, and the parameter types it bound last.

    A client may leave the types out of later executions (`new_params_bound = 0`); they are then the ones it sent last.
    """

    __slots__ = ("analysis", "cursor_open", "id_bytes", "long_data", "signature", "statement", "types")

    def __init__(self, statement: Statement, id_bytes: bytes, analysis: Analysis) -> None:
        self.statement = statement
        self.analysis = analysis
        self.id_bytes = id_bytes
        self.types: bytes | None = None
        self.signature: bytes | None = None
        """The types without their flags and names, a byte a parameter."""
        self.cursor_open = False
        self.long_data = False


_statements: WeakValueDictionary[tuple[bytes, Context], Statement] = WeakValueDictionary()


def context_of(settings: Settings) -> Context:
    """What decides the meaning of a text in a session of these settings."""
    return frozenset(
        item for item in settings.values.items() if item[0] not in _OF_EXECUTION and not item[0].startswith(b"@")
    )


def intern_statement(sql: bytes, settings: Settings) -> Statement:
    """The one `Statement` of this text under these settings; it lives as long as a client or a connection holds it."""
    key = sql, context_of(settings)
    found = _statements.get(key)
    if found is None:
        found = _statements[key] = Statement(sql, key[1])
    return found
