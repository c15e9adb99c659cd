"""Whether a principal's rules allow what a statement touches. Pure."""

from __future__ import annotations

from outlive.config.content import ContentRules, TableRules
from outlive.gateway.rules.canon import Dialect, Refused
from outlive.gateway.rules.facts import Facts
from outlive.gateway.rules.functions import HARMLESS

_ALL_OF = "*"


def judge(rules: ContentRules, dialect: Dialect, facts: Facts) -> None:
    """Raises Refused, with the first rule that is broken."""
    for kind in sorted(facts.kinds):
        if not _kind_somewhere(rules, kind):
            raise Refused("kinds", kind)
    for path, kind in sorted(facts.tables):
        found = table_rules(rules, path)
        if found is None:
            raise Refused("tables", f"{kind} on a table that is not listed")
        if kind not in (found.kinds or rules.kinds):
            raise Refused("tables", f"{kind} on {path}")
    for path, access, column in sorted(facts.columns):
        found = table_rules(rules, path)
        listed = None if found is None else found.read if access == "read" else found.write
        if listed is not None and column not in _folded(listed, dialect):
            what = f"all columns of {path}" if column == _ALL_OF else f"a column of {path}"
            raise Refused("columns", f"{access} {what}")
    allowed = HARMLESS[dialect]
    listed_functions = _folded(rules.functions, dialect)
    for function in sorted(facts.functions):
        if function not in allowed and function not in listed_functions:
            raise Refused("functions", "a function that is not listed")
    if rules.require_where and facts.without_where:
        raise Refused("require_where", f"{' and '.join(sorted(facts.without_where))} without WHERE")


def _folded(names: tuple[str, ...], dialect: Dialect) -> tuple[str, ...]:
    """MySQL's columns and functions have no case."""
    return tuple(name.lower() for name in names) if dialect == "mysql" else names


def _kind_somewhere(rules: ContentRules, kind: str) -> bool:
    return kind in rules.kinds or any(kind in table.kinds for table in rules.tables.values())


def table_rules(rules: ContentRules, path: str) -> TableRules | None:
    """The entry for a table: its own, else that of all others. System tables have to be listed themselves."""
    found = rules.tables.get(path)
    if found is not None:
        return found
    schema, dot, _ = path.rpartition(".")
    if not dot:
        return None if path.lower().startswith("pg_") else rules.tables.get(_ALL_OF)
    return rules.tables.get(f"{schema}.{_ALL_OF}")
