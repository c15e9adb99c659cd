"""One statement of a text, watched token by token, in constant memory."""

from __future__ import annotations

import re
from typing import Final

from .analysis import (
    ASKABLE,
    FUNCTION,
    REREAD_SETTINGS,
    SETTINGS,
    TEMPORARY_SCHEMA,
    TEMPORARY_TABLE,
    UNREADABLE,
    Assignment,
    Part,
    Substitution,
)
from .tokens import NUMBER, PUNCTUATION, QUOTED, STRING, UNICODE_NAME, WORD, Token
from .values import NAME_LIMIT_BYTES, keyword, mark, string_of
from .vocabulary import (
    CAPTURED,
    CURRENT_SETTING,
    FUNCTIONS,
    HARMLESS_CALLS,
    SET_CONFIG,
    VIRTUAL_SETTINGS,
)

# Longer SETs are not taken apart: they are read again.
_HEAD_TOKENS: Final = 256
_NAMES: Final = 64
_RANGES: Final = 64
_ARGUMENT_TOKENS: Final = 64
_NOTHING: Final = Token(PUNCTUATION, b"", 0, 0)
#: Keywords that matter wherever they stand.
NOTABLE: Final = frozenset(
    b"into temp temporary insert update delete merge execute hold commit drop atomic case end".split()
)
_TEMPORARY: Final = (b"temp", b"temporary")
_DATE_STYLE: Final = re.compile(rb"(?i:iso|sql|postgres|german), ?(?i:mdy|dmy|ymd)")
_TABLE_WORDS: Final = frozenset((b"FROM", b"JOIN", b"LATERAL"))
_TRUE: Final = frozenset(b"true t yes y on 1 tru tr ye".split())


def setting_holds(name: bytes, value: bytes | None) -> int:
    """Reasons to hold a server connection while the setting (lower case) has this value."""
    return TEMPORARY_SCHEMA if name == b"search_path" and value is not None and b"pg_temp" in value.lower() else 0


class Statement:
    """What its tokens showed so far. Whole forms are read from ``head`` when the statement ends (forms.py)."""

    __slots__ = (
        "_argument",
        "_argument_depth",
        "_arguments",
        "_before",
        "_callee",
        "_callee_start",
        "_earlier",
        "_into",
        "_last",
        "asks",
        "assignments",
        "atomic",
        "body",
        "calls_unknown",
        "chain",
        "control",
        "copy",
        "count",
        "declared",
        "depth",
        "discard",
        "drops_on_commit",
        "executes",
        "flags",
        "head",
        "hold",
        "holds",
        "into",
        "into_temporary",
        "modifies",
        "name",
        "obscure",
        "pg_temp",
        "ranges",
        "renames",
        "rereads",
        "show",
    )

    def __init__(self, declared: frozenset[bytes]) -> None:
        #: Lower-case names of functions that change the session, as the user declared.
        self.declared = declared
        self.head: list[Token] = []
        self.count = 0
        self.depth = 0  # of parentheses
        self.atomic = 0  # of BEGIN ATOMIC and CASE in the body of a function
        self.control = 0
        self.chain = False
        self.assignments: list[Assignment] = []
        self.rereads: list[bytes] = []
        self.discard = 0
        self.holds = 0
        self.asks = 0
        self.flags = 0
        self.copy = 0
        self.show: bytes | None = None
        self.name: bytes | None = None
        self.ranges: list[Substitution] = []
        self.renames: list[Substitution] = []
        self.body = False  # of DO: what follows SET may be anything
        self.calls_unknown = False
        self.drops_on_commit = False
        self.executes = False
        self.hold = False
        self.into = False
        self.into_temporary = False
        self.modifies = False
        self.obscure = False  # has names that were not read
        self.pg_temp = False
        self._into = False
        self._last = _NOTHING
        self._before = _NOTHING
        self._earlier = _NOTHING
        self._callee: Token | None = None
        self._callee_start = 0
        self._argument: list[Token] = []
        self._arguments: list[list[Token]] = []
        self._argument_depth = 0

    @property
    def open(self) -> bool:
        """A semicolon here does not end the statement."""
        return self.depth > 0 or self.atomic > 0

    @property
    def unfinished(self) -> bool:
        """Ended inside the arguments of a function whose arguments matter."""
        return self._callee is not None

    @property
    def complete(self) -> bool:
        """All of its tokens are in ``head``."""
        return self.count == len(self.head)

    @property
    def settled(self) -> bool:
        """Between values, with enough seen of the beginning: what follows may be skipped if it names nothing that
        matters."""
        last = self._last
        return (
            self.count > _HEAD_TOKENS
            and self._callee is None
            and not self.atomic
            and (last.kind in (NUMBER, STRING) or (last.kind == PUNCTUATION and last.value in (b",", b"(", b")")))
        )

    def skip(self, end: int, depth: int) -> None:
        """Values up to ``end`` were skipped; the last sign is a comma. ``depth``: parentheses opened in them."""
        self.count += 1
        self.depth = max(self.depth + depth, 0)
        self._earlier = self._before = _NOTHING
        self._last = Token(PUNCTUATION, b",", end - 1, end)

    def assign(self, assignment: Assignment) -> None:
        """A setting is set, or reset, with certainty."""
        if assignment.name == b"datestyle" and assignment.value and not _DATE_STYLE.fullmatch(assignment.value):
            self.reread(assignment.name)  # what it does not say stays as it was
            return
        self.assignments.append(assignment)
        if assignment.local:
            if setting_holds(assignment.name, assignment.value):
                self.holds |= TEMPORARY_TABLE
                self.asks |= TEMPORARY_TABLE
        else:
            self.holds |= setting_holds(assignment.name, assignment.value)

    def reread(self, name: bytes) -> None:
        """The setting may have changed."""
        if name in self.rereads:
            return
        if len(self.rereads) < _NAMES:
            self.rereads.append(name)
        else:
            self.lose_settings()

    def lose_settings(self) -> None:
        """Settings may have changed whose names are unknown."""
        self.flags |= REREAD_SETTINGS
        self.holds |= SETTINGS

    def distrust(self) -> None:
        """It may do whatever a statement can that runs others, but for settings without a name."""
        self.calls_unknown = True
        self.flags |= REREAD_SETTINGS
        self.holds |= ASKABLE
        self.asks |= ASKABLE

    def unreadable(self) -> None:
        """It may do anything."""
        self.distrust()
        self.lose_settings()
        self.flags |= UNREADABLE

    def forget_calls(self) -> None:
        """What it calls runs later, if ever."""
        self.holds = self.asks = self.flags = 0
        self.rereads.clear()
        self.ranges.clear()
        self.renames.clear()

    def see(self, token: Token) -> None:
        """The next token."""
        kind = token.kind
        if self.count < _HEAD_TOKENS:
            self.head.append(token)
        self.count += 1
        value = token.value
        if self._callee is not None:
            self._collect(token)
        if kind == PUNCTUATION:
            if value == b"(":
                self.depth += 1
                last = self._last
                if last.kind in (WORD, QUOTED):
                    self._call(last)
            elif value == b")":
                if self.depth:
                    self.depth -= 1
            elif value == b"." and (self._last.value or b"")[:7].lower() == b"pg_temp":
                self.pg_temp = True
        elif kind == WORD:
            word = (value or b"").lower()
            if word in NOTABLE:
                self._note(word)
            if word in self.declared:
                self.holds |= FUNCTION
        elif kind == QUOTED:
            if self.declared and value in self.declared:
                self.holds |= FUNCTION
        elif kind == UNICODE_NAME:
            self.obscure = True
        self._earlier = self._before
        self._before = self._last
        self._last = token

    def _note(self, word: bytes) -> None:
        last = (self._last.value or b"").lower() if self._last.kind == WORD else b""
        if word == b"into":
            self._into = last not in (b"insert", b"merge")
            self.into |= self._into
        elif word in _TEMPORARY:
            before = (self._before.value or b"").lower()
            if self._into and (last == b"into" or (last in (b"local", b"global") and before == b"into")):
                self.into_temporary = True
        elif word in (b"insert", b"update", b"delete", b"merge"):
            if last not in (b"for", b"key"):
                self.modifies = True
        elif word == b"execute":
            self.executes |= self.body or last == b"as" or keyword(self.head, 0) == b"EXPLAIN"
        elif word == b"hold":
            self.hold |= last == b"with"
        elif word == b"drop":
            self.drops_on_commit |= last == b"commit" and self.depth == 0
        elif word == b"atomic":
            if last == b"begin" and not self.atomic and keyword(self.head, 0) == b"CREATE":
                self.atomic = 1
        elif self.atomic and last != b"as" and mark((self._last,), 0) != b".":
            if word == b"case":
                self.atomic += 1
            elif word == b"end":
                self.atomic -= 1

    def _call(self, name: Token) -> None:
        function = (name.value or b"")[:NAME_LIMIT_BYTES]
        if name.kind == WORD:
            function = function.lower()
        effect = FUNCTIONS.get(function)
        if effect is not None:
            self.holds |= effect[0]
            self.asks |= effect[1]
            self.flags |= effect[2]
            self.calls_unknown = True
        elif function in CAPTURED:
            self.calls_unknown |= function == SET_CONFIG
            if self._callee is not None:
                if function == SET_CONFIG:
                    self.lose_settings()  # one in the other
                return
            self._callee = name
            self._callee_start = self._start_of(name)
            self._argument = []
            self._arguments = [self._argument]
            self._argument_depth = 1
        elif function not in HARMLESS_CALLS or self._of_schema():
            self.calls_unknown = True

    def _start_of(self, name: Token) -> int:
        """Where the name of the function begins, with its schema; -1 where it stands for a table."""
        before = self._before
        start = name.start
        if before.value == b"." and before.kind == PUNCTUATION:
            before, start = _NOTHING, self._earlier.start
        return -1 if before.kind == WORD and (before.value or b"").upper() in _TABLE_WORDS else start

    def _of_schema(self) -> bool:
        """The function is one of a schema other than pg_catalog."""
        return self._before.value == b"." and (self._earlier.value or b"").lower() != b"pg_catalog"

    def _collect(self, token: Token) -> None:
        """A token inside the parentheses of set_config() or current_setting()."""
        sign = token.value if token.kind == PUNCTUATION else b""
        if sign == b"(":
            self._argument_depth += 1
        elif sign == b")":
            self._argument_depth -= 1
            if self._argument_depth == 0:
                self._called(token.end)
                return
        elif sign == b"," and self._argument_depth == 1:
            self._argument = []
            if len(self._arguments) < 4:
                self._arguments.append(self._argument)
            return
        if len(self._argument) < _ARGUMENT_TOKENS:
            self._argument.append(token)

    def _called(self, end: int) -> None:
        callee = self._callee
        self._callee = None
        if callee is None:
            return
        arguments = self._arguments
        name = _literal(arguments[0])
        if (callee.value or b"").lower() == CURRENT_SETTING:
            if name is not None and name.lower() in VIRTUAL_SETTINGS:
                self._substitute(end, name.lower())
            return
        if name is not None and name.lower() in VIRTUAL_SETTINGS:
            self._rename(arguments[0][0], name.lower())
        if len(arguments) == 3 and _is_true(arguments[2]):
            # Gone with the transaction, but for what was made while it was set.
            if name is not None and setting_holds(name.lower(), _literal(arguments[1])):
                self.holds |= TEMPORARY_TABLE
                self.asks |= TEMPORARY_TABLE
            return
        if name is None or len(arguments) != 3:
            self.lose_settings()
        else:
            self.reread(name.lower())

    def _substitute(self, end: int, name: bytes) -> None:
        if len(self.ranges) < _RANGES and self._callee_start >= 0:
            self.ranges.append(Substitution(self._callee_start, end, name))

    def _rename(self, constant: Token, name: bytes) -> None:
        if len(self.renames) < _RANGES:
            self.renames.append(Substitution(constant.start, constant.end, name))
        else:
            self.obscure = True

    def part(self, verb: bytes) -> Part:
        """The finished statement."""
        head = self.head
        return Part(
            verb,
            head[0].start,
            self._last.end,
            self.control,
            self.chain,
            tuple(self.assignments),
            tuple(self.rereads),
            self.discard,
            self.holds,
            self.asks,
            self.flags,
            self.copy,
            self.show,
            self.name,
        )


def _literal(tokens: list[Token]) -> bytes | None:
    """A string constant, with a cast to text or without."""
    if not tokens:
        return None
    if len(tokens) == 1 or (
        len(tokens) == 4 and mark(tokens, 1) == mark(tokens, 2) == b":" and keyword(tokens, 3) == b"TEXT"
    ):
        return string_of(tokens[0])
    return None


def _is_true(tokens: list[Token]) -> bool:
    if len(tokens) != 1:
        return False
    if tokens[0].kind == WORD:
        return keyword(tokens, 0) == b"TRUE"
    return (string_of(tokens[0]) or b"").lower() in _TRUE
