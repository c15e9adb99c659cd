"""A statement without its literals and comments, in one spelling: the whole input of the rules' reader, and its key.

Statements that differ in literals only have the same text here, so one reading serves all. The reader sees nothing of
what stands in quotes, so a trick of quoting must deceive this lexer and not a parser's. It knows no doubtful case: what
the servers read differently by version or setting, or what no plain statement needs, is refused.
"""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

from outlive.gateway.rules.functions import words

Dialect = Literal["mysql", "postgres"]


class Reading(NamedTuple):
    """How the server reads a text: `backslashes` whether they escape in '...', `ansi_quotes` of MySQL."""

    dialect: Dialect
    backslashes: bool
    ansi_quotes: bool = False


class Refused(Exception):
    """`rule` is the one that the statement breaks; `what` names its part, and never a value."""

    def __init__(self, rule: str, what: str = "") -> None:
        Exception.__init__(self, rule)
        self.rule = rule
        self.what = what


TOKEN: Final = re.compile(
    r'"[^"]*"|`[^`]*`|' + r"'s'|[A-Za-z_][A-Za-z0-9_$]*|\$\d+|\d+|[^\s]"  # of a text that came out of here
)
STRING: Final = "'s'"
NUMBER: Final = "1"
_NAME_BYTES: Final = 63  # PostgreSQL cuts what is longer; two names must not become one behind the rules' back

_SPACE: Final = re.compile(r"[ \t\r\n]+")
_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")
_NUMBER: Final = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_MYSQL_BITS: Final = re.compile(r"0x[0-9a-fA-F]+|0b[01]+")
_PARAMETER: Final = re.compile(r"\$[0-9]+")
_DOLLAR: Final = re.compile(r"\$((?:[A-Za-z_][A-Za-z0-9_]*)?)\$")
_QUOTED_NAME: Final = re.compile(r"[^\x00-\x1f\x7f\"'`\\.]+")
_PLAIN: Final = {True: re.compile(r"(?:[^'\\]|\\.|'')*", re.DOTALL), False: re.compile(r"(?:[^']|'')*")}
_DOUBLE: Final = {True: re.compile(r'(?:[^"\\]|\\.|"")*', re.DOTALL), False: re.compile(r'(?:[^"]|"")*')}
_EDGE: Final = re.compile(r"/\*|\*/")

_POSTGRES_RUN: Final = re.compile(r"(?:(?!--|/\*)[-+*/<>=~!@#%^&|`?])+")  # a comment ends one
_RUN_MAX: Final = 16
"""A longer run of these characters would be looked at once more for each of them."""
_POSTGRES_SPECIAL: Final = frozenset("~!@#%^&|`?")
_POSTGRES_OPERATORS: Final = words(
    "+ - * / % ^ < > = <= >= <> != || ~ ~* !~ !~* ~~ !~~ & | # << >> -> ->> #> #>> @> <@ ? ?| ?& && @@ @"
)
_MYSQL_OPERATORS: Final = ("<=>", "->>", "<=", ">=", "<>", "!=", "&&", "||", "<<", ">>", "->", *"+-*/%^<>=&|~!")
_PREFIXES: Final = frozenset(["b", "n", "x"])


def canonical(sql: str, reading: Reading) -> str:
    """The text. Raises Refused."""
    return _Canon(sql, reading).text()


class _Canon:
    def __init__(self, sql: str, reading: Reading) -> None:
        self.sql = sql
        self.at = 0
        self.reading = reading
        self.mysql = reading.dialect == "mysql"
        self.out: list[str] = []

    def text(self) -> str:
        if "\0" in self.sql:
            raise Refused("text", "NUL")
        while self.at < len(self.sql):
            self._next()
        if self.out and self.out[-1] == ";":
            self.out.pop()
        if ";" in self.out:
            raise Refused("one_statement")
        return " ".join(self.out)

    def _next(self) -> None:
        sql, at = self.sql, self.at
        here = sql[at]
        if found := _SPACE.match(sql, at):
            self.at = found.end()
        elif sql.startswith("/*", at):
            self._block()
        elif (here == "#" and self.mysql) or (
            sql.startswith("--", at) and (not self.mysql or at + 2 == len(sql) or sql[at + 2] in " \t\r\n")
        ):
            self._line()
        elif here == "'":
            self._string(at + 1, self.reading.backslashes)
        elif here == '"':
            if self.mysql and not self.reading.ansi_quotes:
                self._string(at + 1, self.reading.backslashes, _DOUBLE)
            else:
                self._name(at)
        elif here == "`" and self.mysql:
            self._name(at)
        elif found := _WORD.match(sql, at):
            self._word(found[0], found.end())
        elif _NUMBER.match(sql, at):
            self._number()
        elif here == "$" and not self.mysql:
            self._dollar()
        elif here in "(),.[]:;":
            self._punctuation(here)
        elif here == "?" and self.mysql:
            self._emit("?", at + 1)
        else:
            self._operator()

    def _emit(self, token: str, at: int) -> None:
        self.out.append(token)
        self.at = at

    # -- comments ----------------------------------------------------------------------------------

    def _block(self) -> None:
        sql, at = self.sql, self.at + 2
        if sql[at : at + 1] in ("!", "+") or sql[at : at + 2] in ("M!", "m!"):
            raise Refused("comment", "a comment that servers or extensions act on")
        depth = 1
        while depth:
            edge = _EDGE.search(sql, at)
            if edge is None:
                raise Refused("comment", "a comment without end")
            if edge[0] == "/*" and self.mysql:
                raise Refused("comment", "a comment in a comment")
            depth += 1 if edge[0] == "/*" else -1
            at = edge.end()
        self.at = at

    def _line(self) -> None:
        end = self.sql.find("\n", self.at)
        end = len(self.sql) if end < 0 else end
        if "\r" in self.sql[self.at : end].removesuffix("\r"):
            raise Refused("comment", "a carriage return in a comment")  # it ends one in PostgreSQL, and not in MySQL
        self.at = end

    # -- literals ----------------------------------------------------------------------------------

    def _string(self, start: int, escapes: bool, patterns: dict[bool, re.Pattern[str]] = _PLAIN) -> None:
        found = patterns[escapes].match(self.sql, start)
        assert found is not None
        quote = "'" if patterns is _PLAIN else '"'
        if self.sql[found.end() : found.end() + 1] != quote:
            raise Refused("text", "a string without end")
        if self.out and self.out[-1] == STRING:
            raise Refused("text", "two strings in a row")  # which of them escapes is read differently
        self._emit(STRING, found.end() + 1)

    def _dollar(self) -> None:
        if found := _PARAMETER.match(self.sql, self.at):
            if _WORD.match(self.sql, found.end()):
                raise Refused("text", "a parameter that runs into a word")
            self._emit(found[0], found.end())
            return
        opening = _DOLLAR.match(self.sql, self.at)
        end = self.sql.find(opening[0], opening.end()) if opening else -1
        if opening is None or end < 0:
            raise Refused("text", "a dollar quote without end")
        if self.out and self.out[-1] == STRING:
            raise Refused("text", "two strings in a row")
        self._emit(STRING, end + len(opening[0]))

    def _number(self) -> None:
        sql, at = self.sql, self.at
        found = (_MYSQL_BITS.match(sql, at) if self.mysql else None) or _NUMBER.match(sql, at)
        assert found is not None
        after = sql[found.end() : found.end() + 1]
        if after and (after.isalnum() or after in "_$." or not after.isascii()):
            raise Refused("text", "a number that runs into a word")
        if sql[at] == "." and self.out and (_WORD.fullmatch(self.out[-1]) or self.out[-1][0] in '"`)]'):
            raise Refused("text", "a number behind a name")
        self._emit(NUMBER, found.end())

    # -- names and the rest ------------------------------------------------------------------------

    def _word(self, word: str, end: int) -> None:
        sql, lower = self.sql, word.lower()
        after = sql[end : end + 1]
        if after and not after.isascii():
            raise Refused("text", "a name with other letters than ASCII's that stands without quotes")
        if len(word) > _NAME_BYTES:
            raise Refused("text", "a long name")
        if after == "'":
            if not self.mysql and lower == "e":
                self._string(end + 1, True)
                return
            if lower in _PREFIXES:
                self._string(end + 1, self.reading.backslashes)
                return
        if self.mysql and word[0] == "_" and _introduces(sql, end):
            raise Refused("text", "a string with a character set")
        if not self.mysql and lower == "u" and sql[end : end + 1] == "&" and sql[end + 1 : end + 2] in ("'", '"'):
            raise Refused("text", "U&")
        self._emit(word, end)

    def _name(self, at: int) -> None:
        quote = self.sql[at]
        end = self.sql.find(quote, at + 1)
        name = self.sql[at + 1 : end]
        if end < 0 or self.sql[end + 1 : end + 2] == quote or not _QUOTED_NAME.fullmatch(name) or name != name.strip():
            raise Refused("text", "a name with special characters")
        if len(name.encode("utf-8", "replace")) > _NAME_BYTES:
            raise Refused("text", "a long name")
        self._emit(f"`{name}`" if self.mysql else f'"{name}"', end + 1)

    def _punctuation(self, here: str) -> None:
        if here == ":":
            if self.sql.startswith("::", self.at) and not self.mysql:
                self._emit("::", self.at + 2)
                return
            if self.mysql or self.sql.startswith(":=", self.at):
                raise Refused("text", "a colon")
        self._emit(here, self.at + 1)

    def _operator(self) -> None:
        if self.mysql:
            if self.sql[self.at] == "@":
                raise Refused("variable")
            for operator in _MYSQL_OPERATORS:
                if self.sql.startswith(operator, self.at):
                    self._emit(operator, self.at + len(operator))
                    return
            raise Refused("text", "a character that is not known")
        found = _POSTGRES_RUN.match(self.sql, self.at)
        if found is None:
            raise Refused("text", "a character that is not known")
        run = found[0]
        if len(run) > _RUN_MAX:
            raise Refused("operator")
        # An operator of several characters ends in + or - only where it has one of the special ones (PostgreSQL manual,
        # Operators).
        if not _POSTGRES_SPECIAL & set(run[:-1]):
            run = run.rstrip("+-") or run[0]
        if run not in _POSTGRES_OPERATORS:
            raise Refused("operator")
        self._emit(run, self.at + len(run))


def _introduces(sql: str, at: int) -> bool:
    """Whether a string, or a number that is one, follows: `_gbk'...'`."""
    rest = sql[at:].lstrip()
    return rest[:1] in ("'", '"') or rest[:2].lower() in ("x'", "b'", "0x", "0b", "n'") or rest[:2] == "/*"
