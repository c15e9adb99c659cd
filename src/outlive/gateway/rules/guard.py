"""Lets a principal's statements pass, or refuses them with 403, before they take a connection."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Final

from outlive.config.content import ContentRules
from outlive.config.http import Principal
from outlive.config.model import Config
from outlive.gateway.failure import Failure, bad_request
from outlive.gateway.placeholders import numbered, questions
from outlive.gateway.rules.canon import Dialect, Reading, Refused, canonical
from outlive.gateway.rules.facts import Facts, Unreadable
from outlive.gateway.rules.judge import judge
from outlive.gateway.rules.parsing import TOO_LONG, Parsing
from outlive.gateway.statement import Statement
from outlive.observe.log import fields
from outlive.observe.metrics import Tally

log = logging.getLogger("outlive.gateway.rules")

WAITING_EACH: Final = 64
"""Statements of one principal that wait to be parsed: below what the process has room for, so that others have some."""
LOG_LINES: Final = 50
LOG_WINDOW_S: Final = 10.0


class Guard:
    """Of one node. `refused` counts by rule."""

    def __init__(self, config: Callable[[], Config], refused: Tally) -> None:
        self._loop = asyncio.get_running_loop()
        self._config = config
        self._refused = refused
        self._parsing = Parsing()
        self._read: OrderedDict[tuple[Dialect, str], Facts | Unreadable] = OrderedDict()
        self._last: tuple[Reading, str, Facts | Unreadable] | None = None
        self._waiting: Counter[str] = Counter()
        self._window_end = 0.0
        self._lines = 0

    async def admit(self, principal: Principal, reading: Reading, statement: Statement) -> Statement:
        """The statement as it is to run: its name replaced by its SQL, and where there are rules its named parameters
        by positions, because exactly what was judged must run. Raises Failure.
        """
        rules = principal.rules
        if statement.name:
            return self._named(principal, statement)
        if rules is None:
            return statement
        facts: Facts | Unreadable | None = None
        try:
            if rules.named_only:
                raise Refused("named_only")
            statement = _placed(statement, reading)
            if len(statement.sql.encode("utf-8", "replace")) > self._config().http.rules_sql_max_bytes:
                raise Refused("rules_sql_max_bytes")
            facts = await self._facts(principal.name, reading, statement.sql)
            if isinstance(facts, Unreadable):
                raise Refused(facts.rule, facts.what)
            judge(rules, reading.dialect, facts)
        except Refused as refused:
            kinds = sorted(facts.kinds) if isinstance(facts, Facts) else []
            raise self._refuse(principal, refused, "+".join(kinds) or "unknown") from None
        return statement

    def _named(self, principal: Principal, statement: Statement) -> Statement:
        rules: ContentRules | None = principal.rules
        sql = self._config().statements.get(statement.name)
        if rules is None or statement.name not in rules.statements or sql is None:
            raise self._refuse(principal, Refused("statements"), "named")
        if statement.sql:
            raise bad_request("A statement has either sql or a name.")
        return statement._replace(sql=sql, name="")

    async def _facts(self, name: str, reading: Reading, sql: str) -> Facts | Unreadable:
        if self._last is not None and self._last[:2] == (reading, sql):  # many parameter sets of one statement
            return self._last[2]
        http = self._config().http
        text = canonical(sql, reading)
        key = (reading.dialect, text)
        found = self._read.get(key)
        if found is not None:
            self._read.move_to_end(key)
            self._last = (reading, sql, found)
            return found
        if self._waiting[name] >= WAITING_EACH:
            raise Failure(503, "rules_busy", f"{WAITING_EACH} statements of {name} wait to be parsed for its rules.")
        self._waiting[name] += 1
        try:
            found = await self._parsing.read(reading.dialect, text, http.rules_parse_timeout_s)
        finally:
            self._waiting[name] -= 1
        if not isinstance(found, Unreadable) or found.rule != TOO_LONG:
            self._read[key] = found
            while len(self._read) > http.rules_cache_entries:
                self._read.popitem(last=False)
        return found

    def _refuse(self, principal: Principal, refused: Refused, kind: str) -> Failure:
        self._refused.add(refused.rule)
        now = self._loop.time()
        if now >= self._window_end:
            if self._lines > LOG_LINES:
                log.warning("refusals not logged", extra=fields(count=self._lines - LOG_LINES))
            self._window_end, self._lines = now + LOG_WINDOW_S, 0
        self._lines += 1
        if self._lines <= LOG_LINES:
            log.warning("refused", extra=fields(principal=principal.name, rule=refused.rule, kind=kind))
        what = f": {refused.what}" if refused.what else ""
        return Failure(
            403, "rule", f"The principal's rules refuse it ({refused.rule}{what}).", details={"rule": refused.rule}
        )


def _placed(statement: Statement, reading: Reading) -> Statement:
    if not isinstance(statement.parameters, dict):
        return statement
    place = questions if reading.dialect == "mysql" else numbered
    sql, values = place(statement.sql, statement.parameters)
    return statement._replace(sql=sql, parameters=values)
