"""Analyses statement texts of MySQL 9.7 and MariaDB 10.11, whole or in pieces."""

from __future__ import annotations

import re
from typing import Final

from . import forms
from .analysis import (
    ASK_SETTINGS,
    CONNECTION_ID,
    HOLD,
    LAST_INSERT_ID,
    VIRTUAL,
    WARNINGS,
    Analysis,
    Assignment,
    Hold,
    Kill,
    Substitution,
    Trivial,
)
from .assignments import UNSURE, mark, read_set, upper
from .columns import item_around
from .plain import plain, rows_end
from .statement import Statement, is_virtual
from .tokens import PUNCTUATION, USER_VARIABLE, VERSIONED, VERSIONED_END, WORD, Token, Tokenizer
from .vocabulary import KEYWORDS, PLAIN_VERBS, READ_VERBS, SERVER_IDS, VARIABLE_TABLES

#: Texts above this are analysed in pieces, and not cached.
WHOLE_LIMIT_BYTES: Final = 16384
_CACHE_ENTRIES: Final = 4096
_ANY_DIGIT: Final = bytes(0x30 if 0x30 <= byte <= 0x39 else byte for byte in range(256))
_CACHE_TEXT_BYTES: Final = 2048
_STATEMENTS: Final = 1024
# Remembered of a text, however many statements it has, so that a text of any length takes constant memory.
_RANGES: Final = 256
_ASSIGNMENTS: Final = 1024
# Rows of long INSERTs are left out a piece at a time: how much is read first, to come to a place where that can begin.
_WORTH_SKIPPING_BYTES: Final = 1024
_STEP_BYTES: Final = 128
_TRIES: Final = 8
_MATTERING: Final = KEYWORDS | SERVER_IDS | VARIABLE_TABLES
_WRITES_ROWS: Final = frozenset([b"INSERT", b"REPLACE", b"UPDATE", b"DELETE"])


class Lexer:
    """One text in pieces: ``feed`` them, then ``finish``. Linear time, constant memory;
    the result is that of :func:`analyse`."""

    __slots__ = (
        "_after",
        "_any_versioned",
        "_assignments",
        "_call",
        "_charset",
        "_declared",
        "_fragile",
        "_holds",
        "_inside_versioned",
        "_kill",
        "_load_local",
        "_mode",
        "_needs",
        "_ranges",
        "_read",
        "_role",
        "_set_transaction",
        "_statement",
        "_statements",
        "_text",
        "_tokenizer",
        "_trivial",
        "_user_variables",
        "_verb",
    )

    def __init__(self, mode: int = 0, pin_functions: frozenset[bytes] = frozenset()) -> None:
        """``pin_functions``: upper-case names of functions that change the session, as the user declared."""
        self._mode = mode
        self._declared = pin_functions
        self._tokenizer = Tokenizer(mode)
        self._text = bytearray()
        self._statement = Statement(pin_functions, True)
        self._statements = 0
        self._verb = b""
        self._read = True
        self._needs = 0
        self._after = 0
        self._holds: list[Hold] = []
        self._assignments: list[Assignment] = []
        self._user_variables: list[tuple[bytes, bytes]] = []
        self._charset: bytes | None = None
        self._role: bytes | None = None
        self._set_transaction = False
        self._kill: Kill | None = None
        self._trivial: Trivial | None = None
        self._ranges: list[Substitution] = []
        self._load_local = False
        self._call = False
        self._fragile = False
        self._inside_versioned = False
        self._any_versioned = False

    def feed(self, piece: bytes) -> None:
        """The next bytes of the text."""
        self._take(piece, False)

    def finish(self) -> Analysis:
        """The text is complete."""
        self._take(b"", True)
        self._end()
        if self._tokenizer.ambiguous:
            self._hold(UNSURE)
            self._forget_exactness()
        return self._analysis()

    def _take(self, piece: bytes, final: bool) -> None:
        room = WHOLE_LIMIT_BYTES - len(self._text)
        if room > 0:
            self._text += piece[:room]
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
        """Leaves the rows of a long statement unread where that cannot change the result.
        Returns what is to be read."""
        tokenizer = self._tokenizer
        data = tokenizer.rest + piece
        end = rows_end(data, _MATTERING | self._declared, upper(self._statement.head, 0) in _WRITES_ROWS)
        if end <= len(tokenizer.rest):
            return piece
        self._statement.skip(tokenizer.skip(end))
        return data[end:]

    def _see(self, piece: bytes, final: bool) -> None:
        for token in self._tokenizer.feed(piece, final):
            if token.kind == VERSIONED:
                self._open_versioned()
            elif token.kind == VERSIONED_END:
                self._inside_versioned = False
            elif token.kind == PUNCTUATION and token.value == b";":
                self._end()
            else:
                self._statement.see(token)

    def _open_versioned(self) -> None:
        self._inside_versioned = True
        self._any_versioned = True
        self._statement.versioned = True
        if self._statement.count == 0:
            self._statement.hold(UNSURE)  # whether its verb is what runs is the server's affair

    def _raw(self, start: int, end: int) -> bytes | None:
        return bytes(self._text[start:end]) if end <= len(self._text) else None

    def _hold(self, hold: Hold) -> None:
        if len(self._holds) < 256:
            self._holds.append(hold)
        elif self._holds[-1] != UNSURE:
            self._holds.append(UNSURE)

    def _forget_exactness(self) -> None:
        """What was read may not be what runs: nothing may be replayed, answered or released on its strength."""
        self._user_variables.clear()
        self._trivial = None
        self._kill = None if self._kill is None else Kill(self._kill.kind, None)
        self._holds = [hold for hold in self._holds if hold.change not in (-1, 0)]

    def _end(self) -> None:
        """A statement ended."""
        statement = self._statement
        if self._inside_versioned:
            statement.versioned = True
            statement.hold(UNSURE)  # one statement or two
        self._statement = Statement(self._declared, self._statements == 0 and statement.count == 0)
        if statement.count == 0:
            return
        self._statements += 1
        if self._fragile:
            self._hold(UNSURE)  # an earlier SET in this text may have changed how this one is cut into tokens
        self._judge(statement)
        if self._statements > _STATEMENTS:
            self._hold(UNSURE)

    def _judge(self, statement: Statement) -> None:
        tokens = statement.head
        complete = statement.count == len(tokens)
        first = 0
        while mark(tokens, first) == b"(":
            first += 1
        verb = upper(tokens, first)
        if self._statements == 1:
            self._verb = verb
        if verb == b"SET" and upper(tokens, 1) == b"STATEMENT" and first == 0:
            self._after |= ASK_SETTINGS
            tokens = _after_set_statement(tokens)
            verb = upper(tokens, 0)
        if (
            verb not in PLAIN_VERBS
            or (first and verb not in READ_VERBS)
            or (statement.mixed and verb not in _MAY_BE_MIXED)
        ):
            statement.hold(UNSURE)
        if statement.versioned and (verb not in _MAY_BE_VERSIONED or statement.suspicious):
            # Each versioned comment may run or not, so tokens on both sides of one may be neighbours.
            statement.hold(UNSURE)
        if verb == b"CREATE" and complete and forms.defines_routine(tokens) and not statement.versioned:
            self._read = False
            return  # up to the first semicolon it is all definition, and none of it runs
        self._read &= verb in READ_VERBS and not statement.calls_unknown and not _writes(verb, tokens)
        exact = complete and not statement.mixed and not statement.versioned
        holds = self._forms(verb, tokens, statement, exact)
        for hold in (*statement.holds, *holds):
            self._hold(hold)
        self._needs |= statement.needs
        self._after |= statement.after
        self._substitute(statement, tokens, exact)

    def _substitute(self, statement: Statement, tokens: list[Token], exact: bool) -> None:
        if statement.real_ids and any(what == "connection_id" for _, _, what, _, _ in statement.ranges):
            statement.ranges = [entry for entry in statement.ranges if entry[2] != "connection_id"]
            if not self._ranges:
                self._needs &= ~CONNECTION_ID
        for start, end, what, first, last in statement.ranges:
            if len(self._ranges) >= _RANGES:
                self._hold(UNSURE)  # a text of thousands of statements: what is not written in, the server answers
                break
            item = item_around(tokens, first) if exact else None
            label = self._raw(tokens[item[0]].start, tokens[item[1]].end) if item else None
            if item == (first, last) or item is None:
                self._ranges.append(Substitution(start, end, what, label))
                continue
            self._ranges.append(Substitution(start, end, what, None))
            around = tokens[item[1]].end
            if label is not None and (around, "label") not in [(other.end, other.what) for other in self._ranges]:
                self._ranges.append(Substitution(around, around, "label", label))
        self._ranges.sort(key=_position)

    def _forms(self, verb: bytes, tokens: list[Token], statement: Statement, exact: bool) -> list[Hold]:
        """Holds of the whole statement. Releases only of what is read with certainty."""
        holds: list[Hold] = []
        if verb == b"SET":
            holds = self._set(tokens, statement, exact)
        elif verb in (b"SELECT", b"DO"):
            functions = forms.lock_functions(tokens) if exact else None
            if functions is not None:
                statement.holds = [hold for hold in statement.holds if hold.reason != "get_lock"]
                holds = functions
        elif verb == b"SHOW":
            if forms.shows_variables(tokens):
                self._needs |= VIRTUAL
            if upper(tokens, 1) in (b"WARNINGS", b"ERRORS", b"COUNT"):
                self._needs |= WARNINGS if statement.first else 0
                self._trivial = forms.show(tokens) if exact and statement.first else None
        elif verb == b"KILL":
            self._kill = forms.kill(tokens) if exact else Kill("connection", None)
        elif verb == b"CALL":
            self._call = True
            self._needs |= LAST_INSERT_ID
            if any(token.kind == USER_VARIABLE for token in tokens) or statement.count > len(tokens):
                holds = [Hold("user_variable", None, HOLD)]
        elif verb == b"GET":
            self._needs |= WARNINGS if statement.first else 0
            holds = [Hold("user_variable", None, HOLD)]
        elif verb == b"LOAD":
            self._load_local |= any(upper(tokens, index) == b"LOCAL" for index in range(1, 6))
            if any(token.kind == USER_VARIABLE for token in tokens) or statement.count > len(tokens):
                holds = [Hold("user_variable", None, HOLD)]
        elif verb == b"BEGIN":
            holds = [] if forms.is_bare_begin(tokens) and not statement.mixed else [UNSURE]
        elif verb in (b"PREPARE", b"EXECUTE"):
            form = forms.prepare if verb == b"PREPARE" else forms.execute
            holds = form(tokens, self._inner_is_plain)
            if len(holds) > (verb == b"PREPARE"):
                self._needs |= LAST_INSERT_ID
        elif verb in _HOLDING_FORMS:
            holds = _HOLDING_FORMS[verb](tokens)
        if not exact:
            holds = [hold for hold in holds if hold.change not in (-1, 0)]
            if verb in _HOLDING_FORMS and statement.versioned and verb not in (b"CREATE", b"ALTER", b"DROP", b"RENAME"):
                holds.append(UNSURE)
        return holds

    def _inner_is_plain(self, text: bytes) -> bool:
        inner = analyse(text, self._mode)
        return inner.plain and inner.statements == 1 and not self._declared

    def _set(self, tokens: list[Token], statement: Statement, exact: bool) -> list[Hold]:
        if not exact:
            return [UNSURE]
        if tokens and upper(tokens, 0) == b"SET":
            tokens = tokens[1:]
        settings = read_set(tokens, self._raw)
        targets = {assignment.start for assignment in settings.assignments}
        if any(entry[0] in targets for entry in statement.ranges):
            # @@name at the left of an assignment is no question.
            statement.ranges = [entry for entry in statement.ranges if entry[0] not in targets]
            if not any(is_virtual(entry[2].encode()) for entry in statement.ranges):
                statement.needs &= ~VIRTUAL
        # := in a list of assignments is an assignment like any other, judged there.
        if settings.user_variables:
            statement.holds = [hold for hold in statement.holds if hold.reason != "user_variable"]
        self._assignments += settings.assignments
        self._user_variables += settings.user_variables
        if len(self._assignments) + len(self._user_variables) > _ASSIGNMENTS:
            # Thousands of SETs in one text: nothing of it is replayed.
            self._user_variables.clear()
            del self._assignments[_ASSIGNMENTS:]
            self._hold(UNSURE)
        self._charset = settings.charset or self._charset
        self._role = settings.role or self._role
        self._set_transaction |= settings.next_transaction
        self._needs |= settings.needs
        self._after |= settings.after
        self._fragile |= settings.charset is not None or any(
            assignment.name in (b"sql_mode", b"character_set_client") for assignment in settings.assignments
        )
        return settings.holds

    def _analysis(self) -> Analysis:
        trivial = self._trivial if self._statements == 1 else None
        if self._statements == 1 and len(self._ranges) == 1 and not self._holds and not self._after:
            trivial = trivial or self._lone_question()
        is_plain = not (
            self._needs
            or self._after
            or self._holds
            or self._assignments
            or self._charset
            or self._role
            or self._set_transaction
            or self._kill
            or trivial
            or self._ranges
            or self._load_local
            or self._call
            or self._statements > 1  # its reply tells of the last one only
        )
        return Analysis(
            is_plain,
            self._read and self._statements > 0,
            self._verb,
            self._statements,
            self._needs,
            self._after,
            tuple(self._holds),
            tuple(self._user_variables),
            tuple(self._assignments),
            self._charset,
            self._role,
            self._set_transaction,
            self._kill,
            trivial,
            tuple(self._ranges),
            self._load_local,
            self._call,
        )

    def _lone_question(self) -> Trivial | None:
        """SELECT ROW_COUNT() [[AS] label] and the like."""
        only = self._ranges[0]
        text = bytes(self._text)
        if self._any_versioned or self._tokenizer.ambiguous or len(text) >= WHOLE_LIMIT_BYTES:
            return None
        if not _SELECT_ONLY.fullmatch(text[: only.start]):
            return None
        rest = _ALIAS.fullmatch(text[only.end :])
        if rest is None:
            return None
        label = rest.group(1) or rest.group(2)
        if label is None:
            return Trivial(only.what, text[only.start : only.end])
        if label[:1] in b"'\"`":
            label = label[1:-1]
        return Trivial(only.what, label)


_SELECT_ONLY = re.compile(rb"\s*(?i:SELECT)\s+")
_NAME = rb"[A-Za-z_][A-Za-z0-9_]*|`[^`\\]+`|'[^'\\]+'|\"[^\"\\]+\""
_ALIAS = re.compile(
    rb"(?:\s+(?i:AS)\s*("
    + _NAME
    + rb")|\s+((?!(?i:FROM|LIMIT|WHERE|INTO|UNION|ORDER|GROUP|HAVING|FOR)\b)"
    + _NAME
    + rb"))?\s*;?\s*"
)
_MAY_BE_MIXED = frozenset(
    b"SELECT INSERT UPDATE DELETE REPLACE CREATE ALTER DROP TRUNCATE RENAME WITH TABLE VALUES SHOW DESC DESCRIBE"
    b" EXPLAIN ANALYZE OPTIMIZE CHECK GRANT REVOKE SAVEPOINT RELEASE USE".split()
)
_MAY_BE_VERSIONED = frozenset(b"SELECT INSERT UPDATE DELETE REPLACE CREATE ALTER DROP".split())
_HOLDING_FORMS = {
    b"CREATE": forms.create,
    b"DROP": forms.drop,
    b"RENAME": forms.rename,
    b"ALTER": forms.alter,
    b"LOCK": forms.lock,
    b"UNLOCK": forms.unlock,
    b"FLUSH": forms.flush,
    b"BACKUP": forms.backup,
    b"HANDLER": forms.handler,
    b"XA": forms.xa,
    b"DEALLOCATE": forms.deallocate,
}


def _position(substitution: Substitution) -> tuple[int, int]:
    return substitution.start, substitution.end


def _after_set_statement(tokens: list[Token]) -> list[Token]:
    """The statement after SET STATEMENT ... FOR (MariaDB); the variables are the server's again when it ends."""
    depth = 0
    for index, token in enumerate(tokens):
        if token.kind == PUNCTUATION:
            depth += (token.value == b"(") - (token.value == b")")
        elif depth == 0 and index > 2 and upper(tokens, index) == b"FOR":
            return tokens[index + 1 :]
    return []


def _writes(verb: bytes, tokens: list[Token]) -> bool:
    """A SELECT INTO, a WITH that ends in an UPDATE, an EXPLAIN ANALYZE:
    what a read verb begins that leaves something behind."""
    words = _INTO if verb == b"SELECT" else _WRITING_WORDS
    return any(
        token.kind == WORD and (token.value or b"").upper() in words and upper(tokens, index - 1) != b"FOR"
        for index, token in enumerate(tokens)
    )


_INTO = frozenset([b"INTO"])
_WRITING_WORDS = frozenset([b"INTO", b"UPDATE", b"DELETE", b"INSERT", b"REPLACE", b"ANALYZE"])


class Analyser:
    """Analyses whole texts, with a bounded cache. ``pin_functions`` are names of functions that change the session,
    in any case."""

    __slots__ = ("_caches", "_declared", "_shapes")

    def __init__(self, pin_functions: frozenset[bytes] = frozenset()) -> None:
        self._declared = frozenset(name.upper() for name in pin_functions)
        self._caches: list[dict[bytes, Analysis]] = [{} for _ in range(8)]
        self._shapes: list[dict[bytes, Analysis]] = [{} for _ in range(8)]

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
        if not self._declared:
            proved = plain(sql, mode)
            if proved is not None:
                self._remember_shape(shape, proved, mode)
                return proved
        analysis = self._closely(sql, mode)
        if len(sql) <= _CACHE_TEXT_BYTES:
            if len(cache) >= _CACHE_ENTRIES:
                cache.clear()
            cache[sql] = analysis
        return analysis

    def _remember_shape(self, shape: bytes, proved: Analysis, mode: int) -> None:
        """The proof of a plain statement looks at no digit but in names before a parenthesis: without one, every text
        that differs in digits alone is plain as well."""
        if len(shape) <= _CACHE_TEXT_BYTES and b"(" not in shape:
            shapes = self._shapes[mode]
            if len(shapes) >= _CACHE_ENTRIES:
                shapes.clear()
            shapes[shape] = proved

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
