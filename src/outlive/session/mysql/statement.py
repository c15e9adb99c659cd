"""One statement of a text, watched token by token, in constant memory."""

from __future__ import annotations

from collections.abc import Callable

from .analysis import (
    ASK_FOUND_ROWS,
    ASK_LAST_INSERT_ID,
    CONNECTION_ID,
    FOUND_ROWS,
    HOLD,
    LAST_INSERT_ID,
    ROW_COUNT,
    VIRTUAL,
    WARNINGS,
    Hold,
)
from .assignments import UNSURE
from .tokens import MIXED, NUMBER, PUNCTUATION, QUOTED, STRING, USER_VARIABLE, WORD, Token
from .vocabulary import (
    HARMLESS_CALLS,
    KEYWORDS,
    SCOPES,
    SERVER_IDS,
    SESSION_FUNCTIONS,
    VARIABLE_TABLES,
    VIRTUAL_VARIABLES,
)

# Longer SETs are not taken apart: they hold.
_HEAD_TOKENS = 1024
_RANGES = 256
_HOLDS = 64

_LOCAL_FUNCTIONS = {
    b"ROW_COUNT": (ROW_COUNT, "row_count"),
    b"FOUND_ROWS": (FOUND_ROWS, "found_rows"),
    b"CONNECTION_ID": (CONNECTION_ID, "connection_id"),
}
_LOCAL_VARIABLES = {
    b"warning_count": (WARNINGS, "warning_count"),
    b"error_count": (WARNINGS, "error_count"),
    b"pseudo_thread_id": (CONNECTION_ID, "connection_id"),
}
_SUSPICIOUS = KEYWORDS - frozenset([b"INTO", b"VALUE", b"FOR", b"SELECT", b"RENAME", b"LOCAL"])
_SEQUENCE = frozenset([b"NEXT", b"PREVIOUS"])
_NOTHING = Token(PUNCTUATION, b"", 0, 0)


def upper_value(token: Token) -> bytes:
    """The token's value in upper case."""
    return (token.value or b"").upper()


def is_virtual(name: bytes) -> bool:
    """Whether the proxy keeps this session variable (lower case) itself."""
    return name in VIRTUAL_VARIABLES or name.startswith(b"session_track_")


def folds_to(name: bytes, functions: frozenset[bytes]) -> bool:
    """Whether a name with other bytes may be one of ``functions`` to a server
    that compares names without accents or case."""
    parts = bytearray(name.upper())
    shape: list[bytes] = [b""]
    for byte in parts:
        if byte < 0x80:
            shape[-1] += bytes((byte,))
        elif shape[-1] or len(shape) == 1:
            shape.append(b"")
    if not any(shape):
        return False
    return any(_fits(shape, function) for function in functions)


def _fits(shape: list[bytes], function: bytes) -> bool:
    if not function.startswith(shape[0]) or not function.endswith(shape[-1]):
        return False
    position = len(shape[0])
    for part in shape[1:-1]:
        position = function.find(part, position)
        if position < 0:
            return False
        position += len(part)
    return position <= len(function) - len(shape[-1])


class Statement:
    """What its tokens showed so far. ``exact`` forms are read from ``head`` when the statement ends."""

    __slots__ = (
        "_callee",
        "_declared",
        "_opened",
        "_previous",
        "_scope",
        "_system",
        "after",
        "calls_unknown",
        "count",
        "first",
        "head",
        "holds",
        "mixed",
        "needs",
        "ranges",
        "real_ids",
        "suspicious",
        "versioned",
    )

    def __init__(self, declared: frozenset[bytes], first: bool) -> None:
        self._declared = declared
        self.first = first
        self.head: list[Token] = []
        self.count = 0
        self.needs = 0
        self.after = 0
        self.holds: list[Hold] = []
        #: (start, end, what, first token, last token)
        self.ranges: list[tuple[int, int, str, int, int]] = []
        self.mixed = False
        self.real_ids = False
        #: Parts of it are in versioned comments.
        self.versioned = False
        #: Has any word or sign that could touch the session, wherever it stands.
        self.suspicious = False
        self.calls_unknown = False
        self._previous = (_NOTHING, _NOTHING)
        self._callee: Token | None = None
        self._opened = 0
        self._system: Token | None = None
        self._scope = b""

    def hold(self, hold: Hold) -> None:
        """Adds a hold, unless it is there or there are too many (then all of it is unsure)."""
        if hold in self.holds:
            return
        if len(self.holds) < _HOLDS:
            self.holds.append(hold)
        elif self.holds[-1] != UNSURE:
            self.holds.append(UNSURE)

    def see(self, token: Token) -> None:
        """The next token."""
        kind = token.kind
        if self.count < _HEAD_TOKENS:
            self.head.append(token)
        before, last = self._previous
        if (
            kind == USER_VARIABLE
            or (kind == PUNCTUATION and token.value in (b"@@", b":="))
            or (kind in (WORD, QUOTED) and (token.value or b"").upper() in _SUSPICIOUS)
        ):
            self.suspicious = True
        if self._system is not None and self._system_variable(token):
            pass
        elif kind == PUNCTUATION:
            self._punctuation(token.value or b"", token, before, last)
        elif kind == WORD:
            self._word((token.value or b"").upper(), before, last)
        elif kind == USER_VARIABLE:
            if last.kind == WORD and (last.value or b"").upper() == b"INTO":
                self.hold(Hold("user_variable", token.value, HOLD))
                # Its reply says how many rows it took, which is not what FOUND_ROWS() says of it (10.11: 0 without a
                # table, measured).
                self.after |= ASK_FOUND_ROWS
        elif kind == QUOTED:
            self._name((token.value or b"").upper(), last)
        elif kind == MIXED:
            self._mixed((token.value or b"").upper())
        if self._callee is not None and last.value == b"(" and kind != PUNCTUATION:
            self._call_with_argument()
        self._previous = (last, token)
        self.count += 1

    @property
    def settled(self) -> bool:
        """Between values, with enough seen of the beginning:
        what follows may be skipped if it names nothing that matters."""
        last = self._previous[1]
        return (
            self.count > _HEAD_TOKENS
            and self._callee is None
            and self._system is None
            and (
                last.kind in (NUMBER, STRING)
                or (last.value is not None and (last.value in b",()" or last.value.isdigit()))
            )
        )

    def skip(self, end: int) -> None:
        """Values up to ``end`` were skipped; the last sign is a comma."""
        self.count += 1
        self._previous = (_NOTHING, Token(PUNCTUATION, b",", end - 1, end))

    def _punctuation(self, value: bytes, token: Token, before: Token, last: Token) -> None:
        callee = self._callee
        if callee is not None and last.value == b"(":
            if value == b")":
                self._call_without_argument(callee, token.end)
            else:
                self._call_with_argument()
        if value == b"(":
            if last.kind in (WORD, QUOTED, MIXED):
                self._call(last, before)
        elif value == b":=":
            if last.kind == USER_VARIABLE:
                self.hold(Hold("user_variable", last.value, HOLD))
        elif value == b"@@":
            self._system = token
            self._scope = b""

    def _call(self, name: Token, before: Token) -> None:
        function = (name.value or b"").upper()
        if function in SESSION_FUNCTIONS or (not function.isascii() and folds_to(function, SESSION_FUNCTIONS)):
            if not function.isascii():
                self.hold(UNSURE)
            self._callee = name
            self._opened = self.count - 1
        if function in self._declared:
            self.hold(Hold("function", function.lower(), HOLD))
        if function not in HARMLESS_CALLS or before.value == b".":
            self.calls_unknown = True

    def _call_without_argument(self, callee: Token, end: int) -> None:
        function = (callee.value or b"").upper()
        self._callee = None
        if function == b"LAST_INSERT_ID":
            self.needs |= LAST_INSERT_ID
        elif function in _LOCAL_FUNCTIONS:
            needs, what = _LOCAL_FUNCTIONS[function]
            self._range(needs, what, callee.start, end, self._opened)
        elif function != b"RELEASE_ALL_LOCKS":
            self._hold_for(function)

    def _call_with_argument(self) -> None:
        function = (self._callee.value or b"").upper() if self._callee else b""
        self._callee = None
        if function == b"LAST_INSERT_ID":
            self.after |= ASK_LAST_INSERT_ID
        else:
            self._hold_for(function)

    def _hold_for(self, function: bytes) -> None:
        if function == b"GET_LOCK":
            self.hold(Hold("get_lock", None, HOLD))
        elif function in (b"NEXTVAL", b"LASTVAL", b"SETVAL", b"CURRVAL"):
            self.hold(Hold("sequence", None, HOLD))

    def _range(self, needs: int, what: str, start: int, end: int, opened: int) -> None:
        if needs & (ROW_COUNT | FOUND_ROWS | WARNINGS) and not self.first:
            return  # means a statement earlier in the same text: the server knows
        self.needs |= needs
        if len(self.ranges) < _RANGES:
            self.ranges.append((start, end, what, opened, self.count))
        else:
            self.hold(UNSURE)

    def _system_variable(self, token: Token) -> bool:
        """Tokens after @@: [scope .] name. Returns whether the token was part of it."""
        start = self._system
        if start is None:
            return False
        value = (token.value or b"").upper()
        if token.kind == PUNCTUATION and value == b"." and self._scope:
            return True
        if token.kind not in (WORD, QUOTED):
            self._system = None
            if token.kind == MIXED:
                self.hold(UNSURE)
            return False
        if value in SCOPES and not self._scope:
            self._scope = value
            return True
        self._system = None
        name = value.lower()
        if not name.isascii():
            self.hold(UNSURE)
        opened = self.count - (3 if self._scope else 1)
        if self._scope in (b"GLOBAL", b"PERSIST", b"PERSIST_ONLY"):
            return True
        if name in (b"last_insert_id", b"identity"):
            self.needs |= LAST_INSERT_ID
        elif name in _LOCAL_VARIABLES:
            needs, what = _LOCAL_VARIABLES[name]
            self._range(needs, what, start.start, token.end, opened)
        elif is_virtual(name):
            self._range(VIRTUAL, name.decode("ascii"), start.start, token.end, opened)
        return True

    def _word(self, word: bytes, before: Token, last: Token) -> None:
        self._name(word, last)
        if word == b"SQL_CALC_FOUND_ROWS":
            self.after |= ASK_FOUND_ROWS
        elif word == b"FOR" and upper_value(last) == b"VALUE" and upper_value(before) in _SEQUENCE:
            self.hold(Hold("sequence", None, HOLD))

    def _name(self, name: bytes, last: Token) -> None:
        if name in SERVER_IDS:
            self.real_ids = True
        elif name in VARIABLE_TABLES:
            self.needs |= VIRTUAL
        elif name in (b"NEXTVAL", b"CURRVAL") and last.value == b".":
            self.hold(Hold("sequence", None, HOLD))  # sql_mode=ORACLE

    def _mixed(self, word: bytes) -> None:
        self.mixed = True
        part = bytearray()
        for byte in word + b"\xff":
            if byte < 0x80:
                part.append(byte)
                continue
            if bytes(part) in KEYWORDS:
                self.hold(UNSURE)
            part.clear()


Raw = Callable[[int, int], "bytes | None"]
