"""Analyses statement texts of PostgreSQL 15 to 18, whole or in pieces."""

from __future__ import annotations

from typing import Final

from .analysis import (
    ASKABLE,
    CUT,
    PLAIN,
    REREAD_SETTINGS,
    SETTINGS,
    UNREADABLE,
    Analysis,
    Part,
    Substitution,
)
from .forms import FORMS
from .plain import plain, rows_end
from .statement import NOTABLE, Statement
from .tokens import PUNCTUATION, Tokenizer
from .values import NAME_LIMIT_BYTES, keyword, mark
from .vocabulary import CAPTURED, FUNCTIONS, KNOWN_VERBS, READ_VERBS

#: Texts above this are analysed in pieces, and not cached.
WHOLE_LIMIT_BYTES: Final = 16384
_CACHE_ENTRIES: Final = 4096
_CACHE_TEXT_BYTES: Final = 2048
# Remembered of a text, however many statements it has, so that a text of any length takes constant memory.
_PARTS: Final = 256
_RANGES: Final = 256
_NAMES: Final = 256
# Rows of long INSERTs are left out a piece at a time: how much is read first, to come to a place where that can begin.
_WORTH_SKIPPING_BYTES: Final = 1024
_STEP_BYTES: Final = 128
_TRIES: Final = 8
_MATTERING: Final = NOTABLE | CAPTURED | frozenset(FUNCTIONS)
# Where a subquery may stand for a function.
_QUERIES: Final = frozenset(b"SELECT INSERT UPDATE DELETE MERGE WITH VALUES".split())
_ANY_DIGIT: Final = bytes(0x30 if 0x30 <= byte <= 0x39 else byte for byte in range(256))


class Lexer:
    """One text in pieces: ``feed`` them, then ``finish``. Linear time, constant memory; the result is that of
    :func:`analyse`."""

    __slots__ = (
        "_asks",
        "_controls",
        "_count",
        "_declared",
        "_flags",
        "_holds",
        "_parts",
        "_plain",
        "_ranges",
        "_read",
        "_renames",
        "_rereads",
        "_statement",
        "_tokenizer",
        "_verb",
    )

    def __init__(self, mode: int = 0, pin_functions: frozenset[bytes] = frozenset()) -> None:
        """``pin_functions``: lower-case names of functions that change the session, as the user declared."""
        self._declared = pin_functions
        self._tokenizer = Tokenizer(mode)
        self._statement = Statement(pin_functions)
        self._verb = b""
        self._count = 0
        self._read = True
        self._plain = True
        self._controls = 0
        self._holds = 0
        self._asks = 0
        self._flags = 0
        self._rereads: set[bytes] = set()
        self._parts: list[Part] = []
        self._ranges: list[Substitution] = []
        self._renames: list[Substitution] = []

    def feed(self, piece: bytes) -> None:
        """The next bytes of the text."""
        self._take(piece, False)

    def finish(self) -> Analysis:
        """The text is complete."""
        self._take(b"", True)
        self._end()
        if self._tokenizer.unreadable:
            self._flags |= REREAD_SETTINGS | UNREADABLE
            self._holds |= ASKABLE | SETTINGS
            self._asks |= ASKABLE
            self._plain = self._read = False
        return self._analysis()

    def _take(self, piece: bytes, final: bool) -> None:
        for _ in range(_TRIES):
            if len(piece) < _WORTH_SKIPPING_BYTES:
                break
            if self._statement.settled and self._tokenizer.idle:
                piece = self._skip_rows(piece)
                break
            self._see(piece[:_STEP_BYTES], False)
            piece = piece[_STEP_BYTES:]
        self._see(piece, final)

    def _skip_rows(self, piece: bytes) -> bytes:
        """Leaves the rows of a long statement unread where that cannot change the result. Returns what is to be
        read."""
        tokenizer = self._tokenizer
        data = tokenizer.rest + piece
        calls = keyword(self._statement.head, 0) not in READ_VERBS
        end, depth = rows_end(data, _MATTERING | self._declared, calls)
        if end <= len(tokenizer.rest):
            return piece
        self._statement.skip(tokenizer.skip(end), depth)
        return data[end:]

    def _see(self, piece: bytes, final: bool) -> None:
        statement = self._statement
        for token in self._tokenizer.feed(piece, final):
            if token.kind == PUNCTUATION and token.value == b";" and not statement.open:
                self._end()
                statement = self._statement
            else:
                statement.see(token)

    def _end(self) -> None:
        """A statement ended."""
        statement = self._statement
        if statement.count == 0:
            return
        self._statement = Statement(self._declared)
        self._count += 1
        tokens = statement.head
        first = 0
        while mark(tokens, first) == b"(":
            first += 1
        verb = keyword(tokens, first)
        if self._count == 1:
            self._verb = verb
        form = FORMS.get(verb)
        if form is not None and first == 0:
            form(statement, tokens)
        elif form is not None:
            FORMS[b"SELECT"](statement, tokens)
        if not statement.complete and verb in (b"SET", b"RESET", b"DO"):
            statement.lose_settings()
        if (
            verb not in KNOWN_VERBS
            or (first and verb not in READ_VERBS)
            or statement.obscure
            or statement.atomic
            or statement.unfinished
        ):
            statement.unreadable()
        # A WITH that writes must stand at the beginning.
        writes = statement.calls_unknown or statement.into or (statement.modifies and verb != b"SELECT")
        self._read &= verb in READ_VERBS and not writes
        self._add(statement, verb)

    def _add(self, statement: Statement, verb: bytes) -> None:
        self._holds |= statement.holds
        self._asks |= statement.asks
        self._flags |= statement.flags
        self._controls += statement.control != 0
        self._rereads.update(statement.rereads)
        if len(self._rereads) > _NAMES:
            self._rereads.clear()
            self._holds |= SETTINGS
            self._flags |= REREAD_SETTINGS
        part = statement.part(verb)
        self._plain &= part.is_plain
        if len(self._parts) < _PARTS:
            self._parts.append(part)
        else:
            self._flags |= CUT
        if verb in _QUERIES:
            self._ranges += statement.ranges[: _RANGES - len(self._ranges)]
        if len(self._renames) + len(statement.renames) <= _RANGES:
            self._renames += statement.renames
        elif statement.renames:
            self._flags |= UNREADABLE
            self._plain = False

    def _analysis(self) -> Analysis:
        lone = self._parts[0] if self._count == 1 and self._parts else None
        is_plain = self._plain and not (self._ranges or self._renames) and (self._count <= 1 or not self._controls)
        if is_plain and lone is not None:
            known = PLAIN.get(self._verb)
            if known is not None and known.read == self._read and known.control == lone.control:
                return known
        return Analysis(
            is_plain,
            self._read and self._count > 0,
            self._verb,
            self._count,
            lone.control if lone is not None else 0,
            () if is_plain else tuple(self._parts),
            self._holds,
            self._asks,
            self._flags,
            frozenset(self._rereads),
            lone.show if lone is not None else None,
            tuple(self._ranges),
            tuple(self._renames),
        )


class Analyser:
    """Analyses whole texts, with a bounded cache. ``pin_functions`` are names of functions that change the session,
    in any case."""

    __slots__ = ("_caches", "_declared", "_shape_declared", "_shapes")

    def __init__(self, pin_functions: frozenset[bytes] = frozenset()) -> None:
        self._declared = frozenset(name.lower()[:NAME_LIMIT_BYTES] for name in pin_functions)
        # Looked for in texts whose digits are all 0.
        self._shape_declared = [name.translate(_ANY_DIGIT) for name in self._declared]
        self._caches: list[dict[bytes, Analysis]] = [{} for _ in range(4)]
        self._shapes: list[dict[bytes, Analysis]] = [{} for _ in range(4)]

    def analyse(self, sql: bytes, mode: int = 0) -> Analysis:
        """What ``sql`` says about the session. Never raises, whatever the bytes."""
        shape = sql.translate(_ANY_DIGIT)
        known = self._shapes[mode].get(shape)
        if known is not None:
            return known
        cache = self._caches[mode]
        known = cache.get(sql)
        if known is not None:
            return known
        if len(sql) > WHOLE_LIMIT_BYTES:
            return self._closely(sql, mode)
        proved = plain(shape, mode)
        if proved is not None and not self._names_declared(shape):
            if len(shape) <= _CACHE_TEXT_BYTES:
                shapes = self._shapes[mode]
                if len(shapes) >= _CACHE_ENTRIES:
                    shapes.clear()
                shapes[shape] = proved
            return proved
        analysis = self._closely(sql, mode)
        if len(sql) <= _CACHE_TEXT_BYTES:
            if len(cache) >= _CACHE_ENTRIES:
                cache.clear()
            cache[sql] = analysis
        return analysis

    def _names_declared(self, shape: bytes) -> bool:
        if not self._shape_declared:
            return False
        code = shape.lower()
        return any(name in code for name in self._shape_declared)

    def lexer(self, mode: int = 0) -> Lexer:
        """For a text that comes in pieces."""
        return Lexer(mode, self._declared)

    def _closely(self, sql: bytes, mode: int) -> Analysis:
        lexer = Lexer(mode, self._declared)
        for start in range(0, len(sql), WHOLE_LIMIT_BYTES):
            lexer.feed(sql[start : start + WHOLE_LIMIT_BYTES])
        return lexer.finish()


DEFAULT_ANALYSER: Final = Analyser()
analyse = DEFAULT_ANALYSER.analyse
