"""Prepared statements, shared by all clients that prepare the same text under the same circumstances.

On server connections they have names of Outlive's own, so that two clients may call different statements by one name,
and that a statement which one client prepared need not be prepared again for the next.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from itertools import count
from typing import Final
from weakref import WeakValueDictionary

from outlive.session.postgres.analysis import Analysis

PREFIX: Final = b"outlive_%b_" % secrets.token_hex(3).encode()
"""Of the names on server connections. No client's own name begins so, by chance or after another's example."""


class Statement:
    """A text that was prepared: `sql` as it goes to the server, `types` as a Parse ends with them.

    Compared by identity.
    """

    __slots__ = ("__weakref__", "analysis", "name", "source", "sql", "targets", "types")

    def __init__(
        self,
        name: bytes,
        sql: bytes,
        types: bytes,
        analysis: Analysis,
        source: bytes | None = None,
        targets: tuple[Statement | None, ...] = (),
    ) -> None:
        self.name = name
        self.sql = sql
        self.types = types
        self.analysis = analysis
        self.source = source
        """The client's text where it names other statements (EXECUTE, DEALLOCATE, PREPARE), None elsewhere."""
        self.targets = targets
        """Those statements, in the text's order; None where it has no such."""

    @property
    def size_bytes(self) -> int:
        """What it weighs against a client's limit."""
        return len(self.sql if self.source is None else self.source) + len(self.types)

    def __repr__(self) -> str:
        return f"Statement({self.name!r})"


_statements: WeakValueDictionary[tuple[bytes, bytes, object], Statement] = WeakValueDictionary()
_numbers = count(1)


def interned(sql: bytes, types: bytes, context: object, analysis: Analysis) -> Statement:
    """The one Statement of this text and these types. `context` is what else its parsing depends on: search_path,
    encoding, role; the servers would read one text differently under another.
    """
    key = (sql, types, context)
    found = _statements.get(key)
    if found is None:
        found = _statements[key] = Statement(PREFIX + b"%d" % next(_numbers), sql, types, analysis)
    return found


def private(
    sql: bytes,
    types: bytes,
    analysis: Analysis,
    source: bytes | None = None,
    targets: tuple[Statement | None, ...] = (),
) -> Statement:
    """A Statement of its own: what its parsing depends on is not known, or is its client's."""
    return Statement(PREFIX + b"%d" % next(_numbers), sql, types, analysis, source, targets)


_QUOTED: Final = re.compile(rb'"(%b\d+)"' % PREFIX)


def in_clients_words(text: bytes, *names: Mapping[bytes, Statement]) -> bytes:
    """What a server says, with the client's names for its statements, the last ones by preference; the very object
    where none is named.
    """
    if PREFIX not in text:
        return text
    known = {statement.name: name for some in names for name, statement in some.items()}
    return _QUOTED.sub(lambda found: b'"%b"' % known.get(found[1], found[1]), text)


def forget_all() -> None:
    """Tables or views changed: whoever prepares a text from here on has it parsed again, as without Outlive.

    Those who hold a statement get what they would get without Outlive, too.
    """
    _statements.clear()


def forget(statement: Statement) -> None:
    """Whoever prepares this text from here on gets another Statement.

    After "cached plan must not change result type" the server keeps failing the old one; a driver that prepares the
    text again must not be given it. Those who hold it still get the error that they would get without Outlive.
    """
    for key, found in list(_statements.items()):
        if found is statement:
            del _statements[key]
