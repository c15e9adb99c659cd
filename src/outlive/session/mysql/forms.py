"""What whole statements do to the session, by their first keyword."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .analysis import CLEAR, HOLD, LOSE_NAMES, RELEASE, Hold, Kill, Trivial
from .assignments import UNSURE, mark, upper
from .tokens import NUMBER, QUOTED, STRING, USER_VARIABLE, WORD, Token

Tokens = Sequence[Token]


def _words(tokens: Tokens, index: int, *expected: bytes) -> bool:
    return all(upper(tokens, index + offset) == word for offset, word in enumerate(expected))


def _contains(tokens: Tokens, *expected: bytes) -> bool:
    return any(_words(tokens, index, *expected) for index in range(len(tokens) - len(expected) + 1))


def table_name(tokens: Tokens, index: int) -> tuple[bytes | None, int]:
    """``table`` or ``schema.table`` at ``index``, and the index after it."""
    if index >= len(tokens) or tokens[index].kind not in (WORD, QUOTED):
        return None, index
    name = tokens[index].value or b""
    index += 1
    if mark(tokens, index) == b"." and index + 1 < len(tokens) and tokens[index + 1].kind in (WORD, QUOTED):
        # A point inside a quoted name cannot be told from the one between: give such names up.
        if b"." in name or b"." in (tokens[index + 1].value or b""):
            return None, index + 2
        return name + b"." + (tokens[index + 1].value or b""), index + 2
    if index < len(tokens) and tokens[index].kind == NUMBER:
        return None, index + 1
    return (None if b"." in name else name), index


def create(tokens: Tokens) -> list[Hold]:
    index = 3 if _words(tokens, 1, b"OR", b"REPLACE") else 1
    if upper(tokens, index) != b"TEMPORARY":
        return [UNSURE] if index >= len(tokens) or tokens[index].kind != WORD else []
    index += 2
    if _words(tokens, index, b"IF", b"NOT", b"EXISTS"):
        index += 3
    return [Hold("temporary_table", table_name(tokens, index)[0], HOLD)]


def defines_routine(tokens: Tokens) -> bool:
    """CREATE of what runs later: a procedure, function, trigger or view (not an event:
    its schedule is evaluated now)."""
    for index in range(1, min(len(tokens), 24)):
        word = upper(tokens, index) if mark(tokens, index - 1) != b"=" else b""  # not the name in DEFINER = name
        if word in (b"PROCEDURE", b"FUNCTION", b"TRIGGER", b"VIEW"):
            return True
        if word in (
            b"TABLE",
            b"EVENT",
            b"INDEX",
            b"DATABASE",
            b"SCHEMA",
            b"USER",
            b"SEQUENCE",
            b"TEMPORARY",
            b"SELECT",
        ):
            return False
    return False


def drop(tokens: Tokens) -> list[Hold]:
    index = 1
    if upper(tokens, index) == b"PREPARE":
        return deallocate(tokens)
    temporary = upper(tokens, index) == b"TEMPORARY"
    index += temporary
    if upper(tokens, index) not in (b"TABLE", b"TABLES", b"SEQUENCE"):
        # DROP DATABASE takes temporary tables in it along, or not: they stay held.
        return []
    index += 1
    if _words(tokens, index, b"IF", b"EXISTS"):
        index += 2
    holds: list[Hold] = []
    while True:
        name, index = table_name(tokens, index)
        if name is None:
            return holds
        holds.append(Hold("temporary_table", name, CLEAR))
        if mark(tokens, index) != b",":
            return holds
        index += 1


def rename(tokens: Tokens) -> list[Hold]:
    return [Hold("temporary_table", None, LOSE_NAMES)] if upper(tokens, 1) in (b"TABLE", b"TABLES") else []


def alter(tokens: Tokens) -> list[Hold]:
    for index in range(2, len(tokens)):
        if upper(tokens, index) == b"RENAME" and upper(tokens, index + 1) not in (b"COLUMN", b"INDEX", b"KEY"):
            return [Hold("temporary_table", None, LOSE_NAMES)]
    return []


def lock(tokens: Tokens) -> list[Hold]:
    if _words(tokens, 1, b"INSTANCE"):
        return [Hold("lock_tables", b"instance", HOLD)]
    return [Hold("lock_tables", b"tables", HOLD)]


def unlock(tokens: Tokens) -> list[Hold]:
    if _words(tokens, 1, b"INSTANCE"):
        return [Hold("lock_tables", b"instance", CLEAR)]
    if upper(tokens, 1) in (b"TABLE", b"TABLES") and len(tokens) == 2:
        return [Hold("lock_tables", b"tables", CLEAR)]
    return []


def flush(tokens: Tokens) -> list[Hold]:
    if _contains(tokens, b"READ", b"LOCK") or _contains(tokens, b"FOR", b"EXPORT"):
        return [Hold("lock_tables", b"tables", HOLD)]
    return []


def backup(tokens: Tokens) -> list[Hold]:
    kind = upper(tokens, 1)
    if kind == b"STAGE":
        return [Hold("lock_tables", b"stage", CLEAR if upper(tokens, 2) == b"END" else HOLD)]
    if kind == b"UNLOCK":
        return [Hold("lock_tables", b"backup", CLEAR)]
    return [Hold("lock_tables", b"backup", HOLD)]


def handler(tokens: Tokens) -> list[Hold]:
    name, index = table_name(tokens, 1)
    action = upper(tokens, index)
    if action == b"READ":
        return []
    name = name.rpartition(b".")[2] if name else None
    if action == b"CLOSE":
        return [Hold("handler", name, CLEAR)] if name else []
    if action == b"OPEN":
        index += 1
        index += upper(tokens, index) == b"AS"
        if index < len(tokens):
            name = tokens[index].value if tokens[index].kind in (WORD, QUOTED) else None
        return [Hold("handler", name, HOLD)]
    return [UNSURE]


def xa(tokens: Tokens) -> list[Hold]:
    action = upper(tokens, 1)
    if action in (b"START", b"BEGIN"):
        return [Hold("xa", None, HOLD)]
    return [Hold("xa", None, CLEAR)] if action in (b"COMMIT", b"ROLLBACK") else []


def prepared_name(tokens: Tokens, index: int) -> bytes | None:
    if index < len(tokens) and tokens[index].kind in (WORD, QUOTED):
        return (tokens[index].value or b"").lower()
    return None


def prepare(tokens: Tokens, inner_is_plain: Callable[[bytes], bool]) -> list[Hold]:
    holds = [Hold("text_prepare", prepared_name(tokens, 1), HOLD)]
    if not (len(tokens) == 4 and upper(tokens, 2) == b"FROM" and _plain_text(tokens[3], inner_is_plain)):
        holds.append(Hold("unsure", b"prepared text", HOLD))
    return holds


def execute(tokens: Tokens, inner_is_plain: Callable[[bytes], bool]) -> list[Hold]:
    if upper(tokens, 1) == b"IMMEDIATE":
        return [] if len(tokens) > 2 and _plain_text(tokens[2], inner_is_plain) else [UNSURE]
    # What it runs was judged at PREPARE; but a CALL may assign to what USING names.
    return [Hold("user_variable", None, HOLD)] if any(token.kind == USER_VARIABLE for token in tokens) else []


def _plain_text(token: Token, inner_is_plain: Callable[[bytes], bool]) -> bool:
    text = token.value
    return (
        token.kind == STRING
        and text is not None
        and b"\\" not in text
        and b"''" not in text
        and b'""' not in text
        and inner_is_plain(text)
    )


def deallocate(tokens: Tokens) -> list[Hold]:
    name = prepared_name(tokens, 2)
    return [Hold("text_prepare", name, CLEAR)] if name is not None and len(tokens) == 3 else []


def kill(tokens: Tokens) -> Kill:
    index = 1
    index += upper(tokens, index) in (b"HARD", b"SOFT")
    kind = "connection"
    if upper(tokens, index) in (b"CONNECTION", b"QUERY"):
        kind = upper(tokens, index).decode("ascii").lower()
        index += 1
    if upper(tokens, index) == b"ID" and kind == "query":
        kind = "query_id"
        index += 1
    elif upper(tokens, index) == b"USER":
        return Kill("user", None)
    negative = mark(tokens, index) == b"-"
    index += negative
    if len(tokens) == index + 1 and tokens[index].kind == WORD and (tokens[index].value or b"").isdigit():
        number = int((tokens[index].value or b"")[:20])
        # MariaDB Connector/J 2 keeps the id of its connection in 32 bits with a sign, and sends it so.
        return Kill(kind, -number & 0xFFFFFFFF if negative else number)
    return Kill(kind, None)


def lock_functions(tokens: Tokens) -> list[Hold] | None:
    """Exactly SELECT or DO of GET_LOCK('name', n), RELEASE_LOCK('name') or RELEASE_ALL_LOCKS(), with or without an
    alias. Else None."""
    if len(tokens) < 4 or tokens[1].kind not in (WORD, QUOTED) or mark(tokens, 2) != b"(":
        return None
    function = (tokens[1].value or b"").upper()
    if function == b"RELEASE_ALL_LOCKS":
        return [Hold("get_lock", None, CLEAR)] if _closes(tokens, 3) else None
    name = _lock_name(tokens[3])
    if name is None:
        return None
    if function == b"RELEASE_LOCK":
        return [Hold("get_lock", name, RELEASE)] if _closes(tokens, 4) else None
    if function != b"GET_LOCK" or mark(tokens, 4) != b",":
        return None
    index = 6 if mark(tokens, 5) == b"-" else 5
    return [Hold("get_lock", name, HOLD)] if index < len(tokens) and _closes(tokens, index + 1) else None


def _lock_name(token: Token) -> bytes | None:
    name = token.value
    if token.kind != STRING or not name or b"\\" in name or b"'" in name or b'"' in name or not name.isascii():
        return None
    return name.lower()


def _closes(tokens: Tokens, index: int) -> bool:
    """A closing parenthesis at ``index``, an alias perhaps, and the end."""
    if mark(tokens, index) != b")":
        return False
    index += 1
    if upper(tokens, index) == b"AS":
        index += 1
    elif upper(tokens, index) in (b"FROM", b"WHERE", b"LIMIT", b"INTO", b"UNION"):
        return False
    if index < len(tokens) and tokens[index].kind in (WORD, QUOTED, STRING):
        index += 1
    return index == len(tokens)


def show(tokens: Tokens) -> Trivial | None:
    """SHOW WARNINGS, SHOW ERRORS and their counts."""
    word = upper(tokens, 1)
    if word == b"COUNT":
        what = upper(tokens, 5)
        marks = (mark(tokens, 2), mark(tokens, 3), mark(tokens, 4))
        if len(tokens) == 6 and marks == (b"(", b"*", b")") and what in (b"WARNINGS", b"ERRORS"):
            label = b"@@session.warning_count" if what == b"WARNINGS" else b"@@session.error_count"
            return Trivial("show_count_" + what.decode("ascii").lower(), label)
        return None
    if word not in (b"WARNINGS", b"ERRORS"):
        return None
    what_is_shown = "show_" + word.decode("ascii").lower()
    if len(tokens) == 2:
        return Trivial(what_is_shown, b"", None)
    numbers = [
        int(token.value or b"0") for token in tokens[3:] if token.kind == WORD and (token.value or b"").isdigit()
    ]
    if upper(tokens, 2) != b"LIMIT":
        return None
    if len(tokens) == 4 and len(numbers) == 1:
        return Trivial(what_is_shown, b"", (0, numbers[0]))
    if len(tokens) == 6 and len(numbers) == 2:
        if mark(tokens, 4) == b",":
            return Trivial(what_is_shown, b"", (numbers[0], numbers[1]))
        if upper(tokens, 4) == b"OFFSET":
            return Trivial(what_is_shown, b"", (numbers[1], numbers[0]))
    return None


def shows_variables(tokens: Tokens) -> bool:
    index = 2 if upper(tokens, 1) in (b"SESSION", b"LOCAL") else 1
    return upper(tokens, index) == b"VARIABLES"


def is_bare_begin(tokens: Tokens) -> bool:
    """BEGIN [WORK], which opens a transaction, and not a compound statement."""
    return len(tokens) == 1 or (len(tokens) == 2 and upper(tokens, 1) == b"WORK")
