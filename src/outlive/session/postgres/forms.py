"""What whole statements do to the session, by their first keyword."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from . import settings
from .analysis import (
    ASKABLE,
    BEGIN,
    COMMIT,
    COPY_IN,
    COPY_OUT,
    CURSOR,
    DEALLOCATE_ALL,
    DISCARD_ALL,
    DISCARD_PLANS,
    DISCARD_SEQUENCES,
    DISCARD_TEMPORARY,
    FINISH_PREPARED,
    LISTEN,
    LOAD,
    PREPARE_TRANSACTION,
    PREPARED,
    RELEASE,
    ROLLBACK,
    ROLLBACK_TO,
    SAVEPOINT,
    TEMPORARY_TABLE,
)
from .statement import Statement
from .tokens import STRING, WORD, Tokenizer
from .values import Tokens, keyword, keywords, mark, name_at
from .vocabulary import DEFINITIONS


def _begin(statement: Statement, tokens: Tokens) -> None:
    statement.control = BEGIN


def _commit(statement: Statement, tokens: Tokens) -> None:
    _end(statement, tokens, COMMIT)


def _rollback(statement: Statement, tokens: Tokens) -> None:
    _end(statement, tokens, ROLLBACK)


def _end(statement: Statement, tokens: Tokens, control: int) -> None:
    if keyword(tokens, 1) == b"PREPARED":
        statement.control = FINISH_PREPARED
        return
    index = 2 if keyword(tokens, 1) in (b"WORK", b"TRANSACTION") else 1
    if control == ROLLBACK and keyword(tokens, index) == b"TO":
        statement.control = ROLLBACK_TO
        return
    statement.control = control
    statement.chain = keywords(tokens, index, b"AND", b"CHAIN")


def _savepoint(statement: Statement, tokens: Tokens) -> None:
    statement.control = SAVEPOINT


def _release(statement: Statement, tokens: Tokens) -> None:
    statement.control = RELEASE


def _prepare(statement: Statement, tokens: Tokens) -> None:
    if len(tokens) == 3 and keyword(tokens, 1) == b"TRANSACTION" and tokens[2].kind != WORD:
        statement.control = PREPARE_TRANSACTION
        return
    statement.name = name_at(tokens, 1)
    statement.holds |= PREPARED
    if statement.rereads:
        statement.lose_settings()  # EXECUTE does not show which


def _execute(statement: Statement, tokens: Tokens) -> None:
    statement.name = name_at(tokens, 1)
    statement.distrust()


def _deallocate(statement: Statement, tokens: Tokens) -> None:
    index = 2 if keyword(tokens, 1) == b"PREPARE" and len(tokens) > 2 else 1
    statement.asks |= PREPARED
    if keyword(tokens, index) == b"ALL":
        statement.discard = DEALLOCATE_ALL
    else:
        statement.name = name_at(tokens, index)


def _declare(statement: Statement, tokens: Tokens) -> None:
    statement.name = name_at(tokens, 1)
    if statement.hold:
        statement.holds |= CURSOR


def _close(statement: Statement, tokens: Tokens) -> None:
    statement.asks |= CURSOR
    statement.name = None if keyword(tokens, 1) == b"ALL" else name_at(tokens, 1)


def _listen(statement: Statement, tokens: Tokens) -> None:
    statement.holds |= LISTEN
    statement.name = name_at(tokens, 1)


def _unlisten(statement: Statement, tokens: Tokens) -> None:
    statement.asks |= LISTEN
    statement.name = name_at(tokens, 1)


def _load(statement: Statement, tokens: Tokens) -> None:
    statement.holds |= LOAD


def _discard(statement: Statement, tokens: Tokens) -> None:
    word = keyword(tokens, 1)
    statement.discard = _DISCARDS.get(word, DISCARD_ALL)
    if word == b"ALL":
        statement.asks |= ASKABLE
    elif statement.discard == DISCARD_TEMPORARY:
        statement.asks |= TEMPORARY_TABLE


def _copy(statement: Statement, tokens: Tokens) -> None:
    depth = 0
    for index, token in enumerate(tokens):
        depth += (mark(tokens, index) == b"(") - (mark(tokens, index) == b")")
        if depth == 0 and token.kind == WORD and keyword(tokens, index) in (b"FROM", b"TO"):
            if keyword(tokens, index + 1) in (b"STDIN", b"STDOUT"):
                statement.copy = COPY_IN if keyword(tokens, index) == b"FROM" else COPY_OUT
            return


def _create(statement: Statement, tokens: Tokens) -> None:
    """CREATE [OR REPLACE] [LOCAL | GLOBAL] [TEMPORARY] ..., or of something in pg_temp."""
    index = 3 if keywords(tokens, 1, b"OR", b"REPLACE") else 1
    index += keyword(tokens, index) in (b"LOCAL", b"GLOBAL")
    temporary = keyword(tokens, index) in (b"TEMP", b"TEMPORARY")
    index += temporary or keyword(tokens, index) in (b"UNLOGGED", b"CONSTRAINT", b"RECURSIVE", b"TRUSTED")
    index += keyword(tokens, index) == b"RECURSIVE"
    if keyword(tokens, index) in DEFINITIONS:
        statement.forget_calls()
    if temporary and not statement.drops_on_commit:
        statement.holds |= TEMPORARY_TABLE
    if statement.pg_temp:
        statement.holds |= TEMPORARY_TABLE
        statement.asks |= TEMPORARY_TABLE
    if statement.executes:
        statement.distrust()  # AS EXECUTE


def _drop(statement: Statement, tokens: Tokens) -> None:
    statement.asks |= TEMPORARY_TABLE


def _select(statement: Statement, tokens: Tokens) -> None:
    if statement.into_temporary or (statement.into and statement.pg_temp):
        statement.holds |= TEMPORARY_TABLE
        statement.asks |= TEMPORARY_TABLE
    if statement.rereads and statement.complete:
        settings.read_set_config(statement, tokens)


def _explain(statement: Statement, tokens: Tokens) -> None:
    """EXPLAIN ANALYZE runs what it explains."""
    _select(statement, tokens)
    if any(
        keyword(tokens, index) == b"CREATE"
        and keyword(tokens, index + 1) in (b"TEMP", b"TEMPORARY", b"LOCAL", b"GLOBAL")
        for index in range(len(tokens))
    ) or (statement.pg_temp and any(keyword(tokens, index) == b"CREATE" for index in range(len(tokens)))):
        statement.holds |= TEMPORARY_TABLE
        statement.asks |= TEMPORARY_TABLE
    if statement.executes:
        statement.distrust()


def _call(statement: Statement, tokens: Tokens) -> None:
    statement.distrust()


def _do(statement: Statement, tokens: Tokens) -> None:
    """A block may do anything. Its text is searched for the settings that the server does not list."""
    statement.distrust()
    bodies = [token for token in tokens if token.kind != WORD]
    body = bodies[0].value if len(bodies) == 1 and bodies[0].kind == STRING else None
    if body is None:
        statement.lose_settings()
        statement.holds |= LOAD
        return
    inner = Statement(statement.declared)
    inner.body = True
    words = Tokenizer().feed(body, True)
    for token in words:
        inner.see(token)
    statement.holds |= inner.holds
    for name in inner.rereads:
        statement.reread(name)
    if inner.executes or inner.obscure or not inner.complete:
        statement.lose_settings()
        statement.holds |= LOAD
    elif any(keyword(words, index) == b"LOAD" for index in range(len(words))):
        statement.holds |= LOAD
    settings.body_settings(statement, words)


_DISCARDS: Final = {
    b"PLANS": DISCARD_PLANS,
    b"SEQUENCES": DISCARD_SEQUENCES,
    b"TEMP": DISCARD_TEMPORARY,
    b"TEMPORARY": DISCARD_TEMPORARY,
}
FORMS: Final[dict[bytes, Callable[[Statement, Tokens], None]]] = {
    b"ABORT": _rollback,
    b"ALTER": _drop,
    b"BEGIN": _begin,
    b"CALL": _call,
    b"CLOSE": _close,
    b"COMMIT": _commit,
    b"COPY": _copy,
    b"CREATE": _create,
    b"DEALLOCATE": _deallocate,
    b"DECLARE": _declare,
    b"DISCARD": _discard,
    b"DO": _do,
    b"DROP": _drop,
    b"END": _commit,
    b"EXECUTE": _execute,
    b"EXPLAIN": _explain,
    b"LISTEN": _listen,
    b"LOAD": _load,
    b"PREPARE": _prepare,
    b"RELEASE": _release,
    b"RESET": settings.read_reset,
    b"ROLLBACK": _rollback,
    b"SAVEPOINT": _savepoint,
    b"SELECT": _select,
    b"SET": settings.read_set,
    b"SHOW": settings.read_show,
    b"START": _begin,
    b"TABLE": _select,
    b"UNLISTEN": _unlisten,
    b"VALUES": _select,
    b"WITH": _select,
}
