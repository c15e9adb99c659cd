"""What a statement touches, of its canonical text. Whatever is not known here is refused, by name.

sqlglot parses; every node, and every clause of the larger ones, must be in the lists below. Names are accounted for
twice, in the text and in the tree, so that nothing the parser overlooked can be read by a server. Runs in a process of
its own (`worker.py`), and imports sqlglot, which is large.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import sqlglot
from sqlglot import errors, exp

from outlive.gateway.rules.canon import STRING, TOKEN, Dialect, Refused
from outlive.gateway.rules.facts import ALL, Facts, Unreadable
from outlive.gateway.rules.functions import GRAMMAR, TYPES, words

logging.getLogger("sqlglot").disabled = True  # it would quote statements

_E: Final[Any] = exp


def _classes(names: str) -> tuple[type[exp.Expr], ...]:
    return tuple(getattr(_E, name) for name in names.split() if hasattr(_E, name))


_NODES: Final = frozenset(
    _classes(
        """
        Select From Join Where Group Having Order Ordered Limit Offset Fetch Distinct With CTE Subquery Union Except
        Intersect Values Tuple Table TableAlias Alias Identifier Column Star Literal Boolean Null Placeholder Parameter
        Paren Case If Cast DataType DataTypeParam Interval IntervalSpan Window WindowSpec Filter Lock Insert Update
        Delete Schema OnConflict Returning Exists Any All In Between Not Neg BitwiseNot Bracket Slice Array Var Lateral
        Unnest WithinGroup IgnoreNulls RespectNulls Cube Rollup GroupingSets Collate Escape AtTimeZone Dot JSONPath
        JSONPathRoot JSONPathKey JSONPathSubscript MatchAgainst Anonymous AnonymousAggFunc Rows
        And Or Xor EQ NEQ NullSafeEQ NullSafeNEQ GT GTE LT LTE Is Like ILike SimilarTo RegexpLike RegexpILike Glob
        Add Sub Mul Div IntDiv Mod Pow DPipe BitwiseAnd BitwiseOr BitwiseXor BitwiseLeftShift BitwiseRightShift
        ArrayContains ArrayContainsAll ArrayContainedBy ArrayOverlaps JSONExtract JSONExtractScalar JSONBExtract
        JSONBExtractScalar JSONBContains JSONBContainsAnyTopKeys JSONBContainsAllTopKeys LimitOptions
        Overlaps StrPosition Concat
        """
    )
)
_FUNCTION_REFUSED: Final = _classes("NextValueFor JSONTable OpenJSON XMLTable")

_CLAUSES: Final[dict[type[exp.Expr], frozenset[str]]] = {
    exp.Select: words(
        "with_ expressions from_ joins where group having order limit offset distinct windows locks laterals"
    ),
    exp.Union: words("with_ this expression distinct order limit offset"),
    exp.Except: words("with_ this expression distinct order limit offset"),
    exp.Intersect: words("with_ this expression distinct order limit offset"),
    exp.Subquery: words("with_ this alias joins order limit offset where"),
    exp.Values: words("expressions alias order limit offset"),
    exp.Table: words("this db alias joins only laterals"),
    exp.TableAlias: words("this columns"),
    exp.Join: words("this on using side kind method"),
    exp.With: words("expressions recursive"),
    exp.CTE: words("this alias materialized"),
    exp.Insert: words("with_ this expression conflict returning default ignore"),
    exp.OnConflict: words("duplicate expressions conflict_keys action where constraint"),
    exp.Update: words("with_ this expressions from_ where returning order limit"),
    exp.Delete: words("with_ this tables using where returning order limit"),
    exp.Returning: words("expressions"),
    exp.Schema: words("this expressions"),
    exp.Lateral: words("this alias"),
    exp.Unnest: words("expressions alias"),
    exp.Lock: words("update expressions wait key"),
    exp.Star: frozenset(),
    exp.Column: words("this table db"),
    exp.Cast: words("this to"),
    exp.Anonymous: words("this expressions"),
}
_IDENTIFIER_HOLDERS: Final = _classes("Column Table TableAlias Alias Schema Join Dot OnConflict Window CTE Anonymous")
_QUERY: Final = (exp.Select, exp.Union, exp.Except, exp.Intersect, exp.Values, exp.Subquery)
_WRITES: Final[dict[type[exp.Expr], str]] = {exp.Insert: "insert", exp.Update: "update", exp.Delete: "delete"}
_READS: Final = (exp.Select, exp.Union, exp.Except, exp.Intersect, exp.Subquery)
_OWNERS: Final = (exp.Select, exp.Insert, exp.Update, exp.Delete)
_SETS: Final = (exp.Union, exp.Except, exp.Intersect)
_SYNTAX: Final = _classes("And Or Xor Case Cast Exists Any All Interval Array Unnest In Like RegexpLike")
_VARS: Final = words("""
    microsecond second minute hour day week month quarter year century decade millennium epoch dow isodow doy isoyear
    milliseconds microseconds timezone timezone_hour timezone_minute julian update nothing both leading trailing utf8mb4
    utf8 binary minute_second hour_minute hour_second day_hour day_minute day_second year_month seconds minutes hours
    days weeks months years
    """) | {"do nothing", "do update", "default"}
_MADE: Final = words("key value ordinality")
"""Columns that functions which only compute give their rows themselves."""
_SAVEPOINT: Final = re.compile(
    r"(?:SAVEPOINT|RELEASE SAVEPOINT|RELEASE|ROLLBACK TO|ROLLBACK TO SAVEPOINT) (?:[A-Za-z_]\w*|\"[^\"]*\"|`[^`]*`)"
    r"|SET TRANSACTION ISOLATION LEVEL (?:READ UNCOMMITTED|READ COMMITTED|REPEATABLE READ|SERIALIZABLE)",
    re.IGNORECASE,
)
_WORD: Final = re.compile(r"[A-Za-z_]")
_STRING_TEXT: Final = STRING[1:-1]


def read(dialect: Dialect, text: str) -> Facts | Unreadable:
    """`text` is canonical."""
    try:
        if _SAVEPOINT.fullmatch(text):
            return Facts(frozenset(["transaction"]))
        parsed = sqlglot.parse(text, dialect=dialect, error_level=errors.ErrorLevel.RAISE)
        if len(parsed) != 1 or parsed[0] is None:
            return Unreadable("one_statement", "")
        return _Reader(dialect, text, parsed[0]).facts()
    except Refused as refused:
        return Unreadable(refused.rule, refused.what)
    except (errors.SqlglotError, RecursionError, ValueError, TypeError, KeyError, IndexError, AttributeError):
        return Unreadable("parse", "the statement could not be parsed")


class _Source:
    """What stands in FROM: a table with its path, or (None) rows that are made in the statement; `made` are the columns
    of a function's rows, None where it is no function.
    """

    def __init__(self, alias: str, path: str | None, name: str, made: frozenset[str] | None = None) -> None:
        self.alias = alias
        self.path = path
        self.name = name
        self.made = made


class _Reader:
    def __init__(self, dialect: Dialect, text: str, root: exp.Expr) -> None:
        self.mysql = dialect == "mysql"
        self.text = text
        self.root = root
        self.kinds: set[str] = set()
        self.tables: set[tuple[str, str]] = set()
        self.columns: set[tuple[str, str, str]] = set()
        self.without_where: set[str] = set()
        self.sources: dict[int, list[_Source]] = {}
        self.targets: dict[int, list[_Source]] = {}
        self.notations: set[str] = set()

    def facts(self) -> Facts:
        """Raises Refused."""
        if not isinstance(self.root, (*_QUERY, *_WRITES)):
            raise Refused("kind", type(self.root).__name__)
        if isinstance(self.root, _QUERY):
            self.kinds.add("select")
        nodes = list(self.root.walk())
        for node in nodes:
            self._known(node)
        functions = self._functions(nodes)
        for node in nodes:
            if isinstance(node, _OWNERS):
                self.sources[id(node)] = []
        for node in nodes:
            self._source(node)
        for node in nodes:
            if isinstance(node, tuple(_WRITES)):
                self._write(node)
        for node in nodes:
            self._columns(node)
        self.kinds.update(kind for _, kind in self.tables)
        return Facts(
            frozenset(self.kinds),
            frozenset(self.tables),
            frozenset(self.columns),
            functions | self.notations,
            frozenset(self.without_where),
        )

    # -- what is known -----------------------------------------------------------------------------

    def _known(self, node: exp.Expr) -> None:
        kind = type(node)
        if kind not in _NODES and not (isinstance(node, exp.Func) and kind not in _FUNCTION_REFUSED):
            raise Refused("unknown", kind.__name__)
        clauses = _CLAUSES.get(kind)
        if clauses is not None:
            for name, value in node.args.items():
                if value and name not in clauses:
                    raise Refused("unknown", f"{kind.__name__} with {name.rstrip('_')}")
        if kind is exp.Identifier:
            if not isinstance(node.parent, _IDENTIFIER_HOLDERS):
                raise Refused("unknown", "a name in this place")
            if isinstance(node.parent, exp.Anonymous) and node.arg_key != "this" and not _is_values(node.parent):
                raise Refused("unknown", "a name in this place")
        elif kind is exp.Var:
            if str(node.this).lower() not in _VARS:
                raise Refused("unknown", "a word in this place")
        elif kind is exp.DataType:
            this = getattr(node.this, "name", str(node.this))
            if this in ("USERDEFINED", "UNKNOWN", "OBJECT", "NULL") or node.args.get("kind") is not None:
                raise Refused("type")
        elif kind is exp.Dot and not isinstance(node.expression, exp.Func):
            raise Refused("unknown", "a field of a row")
        elif kind is exp.Placeholder and node.args.get("this"):
            raise Refused("unknown", "a placeholder with a name")
        elif kind is exp.Parameter and not isinstance(node.this, exp.Literal):
            raise Refused("variable")

    def _functions(self, nodes: list[exp.Expr]) -> frozenset[str]:
        """The paths before parentheses, less those that only name columns; and that nothing else went unseen."""
        tokens = TOKEN.findall(self.text)
        called: Counter[str] = Counter()
        seen: Counter[str] = Counter()
        for index, token in enumerate(tokens):
            name = self._token_name(token)
            if name is None:
                continue
            seen[name] += 1
            if tokens[index + 1 : index + 2] != ["("]:
                continue
            path = name
            quoted = token[0] in '"`'
            if index >= 2 and tokens[index - 1] == ".":
                path = f"{self._token_name(tokens[index - 2])}.{name}"
                quoted = quoted or tokens[index - 2][0] in '"`'
                if index >= 4 and tokens[index - 3] == ".":
                    raise Refused("unknown", "a long path")
            if quoted or path != name or (name.lower() not in GRAMMAR and name.lower() not in TYPES):
                called[path.lower() if self.mysql or not quoted else path] += 1
        defined: Counter[str] = Counter()
        for node in nodes:
            if isinstance(node, exp.Schema):
                alias = node.this.args.get("alias")
                path = self._path(node.this) if alias is None or alias.this is None else self._name(alias.this)
                defined[path.lower() if self.mysql else path] += 1
            elif isinstance(node, exp.TableAlias) and node.columns and node.this is not None:
                defined[self._name(node.this).lower() if self.mysql else self._name(node.this)] += 1
        self._account(nodes, tokens)
        # A word of the grammar may be the name of somebody's function all the same: then the tree has a call of it.
        grammar = seen.keys() & (GRAMMAR | TYPES)
        for node in nodes:
            if isinstance(node, (exp.Anonymous, exp.AnonymousAggFunc)):
                called.update([str(getattr(node.this, "this", node.this)).lower()] if _grammatical(node) else [])
            elif isinstance(node, exp.Func) and not isinstance(node, _SYNTAX):
                called.update(grammar & {name.lower() for name in node.sql_names()})
        return frozenset(name.removeprefix("pg_catalog.") for name in called - defined)

    def _account(self, nodes: list[exp.Expr], tokens: list[str]) -> None:
        """Each quoted name of the text is in the tree, as often: or the parser has read another statement."""
        in_tree: Counter[str] = Counter()
        strings = 0
        for node in nodes:
            if isinstance(node, exp.Identifier):
                in_tree[str(node.this)] += 1
                strings += bool(node.args.get("quoted")) and node.this == _STRING_TEXT
        quoted = Counter(token[1:-1] for token in tokens if token[0] in '"`')
        if strings > quoted[_STRING_TEXT]:
            raise Refused("unknown", "a string as a name")  # of which the text is not known here
        if any(in_tree[name] < times for name, times in quoted.items()):
            raise Refused("unknown", "a name that the parser has not seen")
        plain = Counter({str(name).lower(): 0 for name in in_tree})
        for name, times in in_tree.items():
            plain[name.lower()] += times
        plain.update(
            str(n.this).lower() for n in nodes if isinstance(n, (exp.Anonymous, exp.AnonymousAggFunc, exp.Var))
        )
        for index, token in enumerate(tokens):
            if not _WORD.match(token):
                continue
            word = token.lower()
            called = tokens[index + 1 : index + 2] == ["("]
            plain[word] -= 1
            if plain[word] < 0 and not called and word not in GRAMMAR | TYPES | _KEYWORDS:
                raise Refused("unknown", "a word that is not known")

    # -- tables ------------------------------------------------------------------------------------

    def _token_name(self, token: str) -> str | None:
        if token[0] in '"`':
            return token[1:-1]
        if _WORD.match(token):
            return token if self.mysql else token.lower()
        return None

    def _name(self, node: Any) -> str:
        if not isinstance(node, exp.Identifier):
            raise Refused("unknown", "a name")
        name = str(node.this)
        return name if self.mysql or node.args.get("quoted") else name.lower()

    def _path(self, table: Any) -> str:
        if not isinstance(table, exp.Table):
            raise Refused("unknown", "a target")
        name = self._name(table.this)
        schema = table.args.get("db")
        return f"{self._name(schema)}.{name}" if schema is not None else name

    def _source(self, node: exp.Expr) -> None:
        if isinstance(node, exp.Table):
            self._table(node)
        elif isinstance(node, (exp.Subquery, exp.Values, exp.Lateral, exp.Unnest)):
            if isinstance(node, exp.Subquery) and not isinstance(node.this, _QUERY):
                raise Refused("unknown", "a join in parentheses")
            alias = node.args.get("alias")
            name = alias.this if isinstance(alias, exp.TableAlias) else alias
            owner = self._owner(node)
            if name is not None and owner is not None:
                made = self._made(node)
                self.sources[id(owner)].append(_Source(self._fold(self._name(name)), None, "", made))

    def _table(self, node: exp.Table) -> None:
        if isinstance(node.parent, exp.Lock):
            return
        owner = self._owner(node)
        if owner is None:
            raise Refused("unknown", "a table in this place")
        alias = node.args.get("alias")
        alias_name = self._fold(self._name(alias.this)) if alias is not None and alias.this is not None else ""
        if not isinstance(node.this, exp.Identifier):
            if not isinstance(node.this, exp.Func) or node.args.get("db") is not None:
                raise Refused("unknown", "a table of another sort")
            self.sources[id(owner)].append(_Source(alias_name, None, "", self._made(node)))
            return
        path, name = self._path(node), self._name(node.this)
        role = self._role(node, owner)
        if role == "select" and node.args.get("db") is None and self._is_cte(node, name):
            self.sources[id(owner)].append(_Source(alias_name or self._fold(name), None, self._fold(name)))
            return
        if role == "listed":  # DELETE a FROM a JOIN b: the name of what stands in FROM
            return
        if self.mysql and path.lower() == "dual" and not node.this.args.get("quoted"):
            return
        source = _Source(alias_name or self._fold(name), path, self._fold(name))
        self.sources[id(owner)].append(source)
        self.tables.add((path, role))
        if alias is not None and alias.columns:  # other names for the columns, whose order the rules do not know
            self.columns.add((path, "read", ALL))
        if role != "select":
            self.targets.setdefault(id(owner), []).append(source)

    def _made(self, node: exp.Expr) -> frozenset[str] | None:
        """The columns of a function's rows, as far as the statement names them; None where it is no function."""
        if not isinstance(node, exp.Unnest) and not isinstance(node.this, exp.Func):
            return None
        alias = node.args.get("alias")
        if not isinstance(alias, exp.TableAlias):
            return _MADE
        named = alias.columns or [alias.this]  # a plain value has the name of its rows, where it has no other one
        return _MADE | {self._name(name) for name in named if isinstance(name, exp.Identifier)}

    def _fold(self, name: str) -> str:
        return name.lower() if self.mysql else name

    def _owner(self, node: exp.Expr) -> exp.Expr | None:
        above = node.parent
        while above is not None and not isinstance(above, _OWNERS):
            above = above.parent
        return above

    def _role(self, node: exp.Expr, owner: exp.Expr) -> str:
        """By which kind of statement the table is touched."""
        kind = _WRITES.get(type(owner))
        if kind is None:
            return "select"
        child: exp.Expr = node
        while child.parent is not None and child.parent is not owner:
            child = child.parent
        where = child.arg_key
        if where == "this":
            return kind
        if where == "tables":
            return "listed"
        if where == "using" and self.mysql and self._names_of(node) & self._names_of(owner.this):
            return kind  # MySQL deletes from what has the name here
        if where in ("from_", "using", "expression"):
            return "select"
        raise Refused("unknown", "a table in this place")

    def _names_of(self, node: Any) -> set[str]:
        """By which a table may be called."""
        alias = node.args.get("alias")
        names = [node.this, alias.this if alias is not None else None]
        return {self._fold(self._name(name)) for name in names if isinstance(name, exp.Identifier)}

    def _is_cte(self, node: exp.Expr, name: str) -> bool:
        """Whether the name is surely that of a WITH; where it might be a table as well, it is one."""
        child: exp.Expr | None = node
        inside: list[exp.Expr] = []
        while child is not None:
            inside.append(child)
            with_ = child.args.get("with_")
            if with_ is not None:
                for cte in reversed(with_.expressions):
                    if self._name(cte.args["alias"].this) == name:
                        return self._sees(with_, cte, inside)
            child = child.parent
        return False

    @staticmethod
    def _sees(with_: exp.Expr, cte: exp.Expr, inside: list[exp.Expr]) -> bool:
        definitions = list(with_.expressions)
        within = [index for index, other in enumerate(definitions) if any(other is node for node in inside)]
        if not within:
            return True
        own = next(index for index, other in enumerate(definitions) if other is cte)
        return own < within[0] or (own == within[0] and bool(with_.args.get("recursive")))

    # -- columns -----------------------------------------------------------------------------------

    def _write(self, node: exp.Expr) -> None:
        kind = _WRITES[type(node)]
        self.kinds.add(kind)
        targets = self.targets.get(id(node), [])
        if not targets:
            raise Refused("unknown", "a target")
        if isinstance(node, exp.Insert):
            self._insert(node, targets)
        elif node.args.get("where") is None:
            self.without_where.add(kind)
        if isinstance(node, exp.Update):
            self._assignments(node.expressions, targets)
        if node.args.get("returning") is not None:
            self.tables.update((str(target.path), "select") for target in targets)

    def _insert(self, node: exp.Insert, targets: list[_Source]) -> None:
        path = str(targets[0].path)
        if isinstance(node.this, exp.Schema):
            for column in node.this.expressions:
                self.columns.add((path, "write", self._column_name(column)))
        else:
            self.columns.add((path, "write", ALL))
        conflict = node.args.get("conflict")
        if conflict is None:
            return
        for key in conflict.args.get("conflict_keys") or ():
            if isinstance(key, exp.Identifier):
                self.columns.add((path, "read", self._column_name(key)))
        if conflict.expressions:
            self.tables.add((path, "update"))
            self._assignments(conflict.expressions, targets)

    def _assignments(self, assignments: list[exp.Expr], targets: list[_Source]) -> None:
        for assignment in assignments:
            if not isinstance(assignment, exp.EQ):
                raise Refused("unknown", "an assignment")
            left = assignment.this
            for column in left.expressions if isinstance(left, exp.Tuple) else (left,):
                if not isinstance(column, exp.Column) or isinstance(column.this, exp.Star) or column.args.get("db"):
                    raise Refused("unknown", "an assignment")
                qualifier = column.args.get("table")
                meant = targets
                if qualifier is not None:
                    name = self._fold(self._name(qualifier))
                    meant = [target for target in targets if name in (target.alias, target.name)]
                    if not meant:
                        raise Refused("unknown", "an assignment")
                for target in meant:
                    self.columns.add((str(target.path), "write", self._column_name(column.this)))

    def _column_name(self, node: Any) -> str:
        name = self._name(node.this if isinstance(node, exp.Column) else node)
        return name.lower() if self.mysql else name

    def _columns(self, node: exp.Expr) -> None:
        if isinstance(node, exp.Column):
            if not _assigned(node):
                self._column(node)
        elif isinstance(node, exp.Star):
            if not isinstance(node.parent, (exp.Column, exp.Count)):
                self._all_of(self._own(node))
        elif isinstance(node, exp.Join):
            sources = self._own(node)
            if node.args.get("method"):
                if node.args["method"] != "NATURAL":
                    raise Refused("unknown", "a join")
                self._all_of(sources)
            for column in node.args.get("using") or ():
                self._read(sources, self._column_name(column))
        elif isinstance(node, exp.Lock):
            for source in self._locked(self._owner(node)):
                if source.path is not None:
                    self.tables.add((source.path, "lock"))
            self.kinds.add("lock")

    def _locked(self, owner: exp.Expr | None) -> Iterator[_Source]:
        """PostgreSQL locks the rows of tables in a subquery of FROM as well."""
        if owner is None:
            return
        yield from self.sources[id(owner)]
        for part in (owner.args.get("from_"), *(owner.args.get("joins") or ())):
            for node in part.walk() if part is not None else ():
                yield from self.sources.get(id(node), ())

    def _own(self, node: exp.Expr) -> list[_Source]:
        owner = self._owner(node)
        return self.sources[id(owner)] if owner is not None else []

    def _visible(self, node: exp.Expr) -> Iterator[_Source]:
        """Sources of the statement around it and of those outside of that; not the target of INSERT ... SELECT, but
        that of VALUES, where MySQL knows its columns. In MySQL's ON DUPLICATE KEY UPDATE also those of the SELECT.
        """
        child: exp.Expr = node
        while child.parent is not None:
            above = child.parent
            if isinstance(above, _OWNERS) and not (isinstance(above, exp.Insert) and isinstance(child, _READS)):
                yield from self.sources[id(above)]
            if self.mysql and isinstance(child, exp.OnConflict) and isinstance(above.args.get("expression"), _READS):
                for read in above.args["expression"].walk():
                    yield from self.sources.get(id(read), ())
            child = above

    def _column(self, node: exp.Column) -> None:
        visible = list(self._visible(node))
        qualifier = node.args.get("table")
        if qualifier is None:
            if isinstance(node.this, exp.Star):
                self._all_of(visible)
                return
            name = self._column_name(node)
            if _is_output(node, name, self):
                return
            self._read(visible, name)
            # PostgreSQL: the name of a source is its whole row, where there is no such column.
            self._all_of([source for source in visible if not self.mysql and name in (source.alias, source.name)])
            return
        asked = self._fold(self._name(qualifier))
        meant = [source for source in visible if asked in (source.alias, source.name)]
        if not meant and not (asked == "excluded" and any(isinstance(a, exp.OnConflict) for a in _ancestors(node))):
            raise Refused("unknown", "a qualifier of a column")
        if isinstance(node.this, exp.Star):
            self._all_of(meant)
            return
        name = self._column_name(node)
        self._read(meant, name)
        if not self.mysql and any(source.made is not None and name not in source.made for source in meant):
            # PostgreSQL: f.name calls name(f), where a function's rows are plain values and have no such column.
            self.notations.add(name)

    def _read(self, sources: list[_Source], column: str) -> None:
        self.columns.update((source.path, "read", column) for source in sources if source.path is not None)

    def _all_of(self, sources: list[_Source]) -> None:
        self._read(sources, ALL)


def _ancestors(node: exp.Expr) -> Iterator[exp.Expr]:
    above = node.parent
    while above is not None:
        yield above
        above = above.parent


def _assigned(node: exp.Column) -> bool:
    """Whether it stands at the left of an assignment of UPDATE or ON CONFLICT."""
    holder: exp.Expr = node
    if isinstance(holder.parent, exp.Tuple):
        holder = holder.parent
    equals = holder.parent
    return (
        isinstance(equals, exp.EQ)
        and holder.arg_key == "this"
        and equals.arg_key == "expressions"
        and isinstance(equals.parent, (exp.Update, exp.OnConflict))
    )


def _is_output(node: exp.Column, name: str, reader: _Reader) -> bool:
    """ORDER BY a bare name of the select list: both kinds of servers look there first."""
    ordered = node.parent
    if not isinstance(ordered, exp.Ordered) or not isinstance(ordered.parent, exp.Order):
        return False
    query = ordered.parent.parent
    if isinstance(query, _SETS):
        return True  # only its output can be named there
    if not isinstance(query, exp.Select) or ordered.parent.arg_key != "order":
        return False
    aliases = [item.args["alias"] for item in query.expressions if isinstance(item, exp.Alias)]
    return any(reader._column_name(alias) == name for alias in aliases if isinstance(alias, exp.Identifier))


def _grammatical(node: exp.Expr) -> bool:
    return isinstance(node.this, str) and node.this.lower() in GRAMMAR | TYPES


def _is_values(node: exp.Anonymous) -> bool:
    """MySQL's VALUES(column): the row that was to be inserted."""
    return str(node.this).upper() == "VALUES"


_KEYWORDS: Final = words("""
    asc desc nulls first last true false null default current row unbounded preceding following ties exclude others
    share nowait skip locked no do nothing cross left right at time zone local current_date current_time
    current_timestamp localtime localtimestamp current_user session_user user current_role utc_date utc_time
    utc_timestamp boolean bool date json jsonb uuid bytea inet cidr macaddr xml money serial year unknown collate
    against mode language query expansion symmetric asymmetric isnull notnull both leading trailing separator to
    duplicate sounds array int2 int4 int8 float4 float8 name constraint without duplicates microsecond second minute
    hour day week month quarter dow doy epoch century decade isodow isoyear using straight_join binary charset
    tsvector tsquery void e n b x replace
    """)
