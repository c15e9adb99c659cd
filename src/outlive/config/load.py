"""Loads the configuration: a TOML file, then the environment, then the command line, each over the one before.

    config = load(Origin(path="outlive.toml", urls=("mysql://app@db/shop?password_env=DB_PASSWORD",)))
    config = reload(config)   # SIGHUP: the same sources, read afresh

Everything that is wrong is found in one go and raised as one ConfigError, so that nobody repairs a file line by line.
"""

from __future__ import annotations

import os
import resource
import tomllib
from collections.abc import Mapping
from typing import Any, Final, cast

from outlive.config.database import (
    database_of_table,
    database_of_url,
    listen_address,
    name_of,
    remedy_for_unknown,
    secrets_of_table,
    shown,
)
from outlive.config.errors import ConfigError, Problem
from outlive.config.http import Http, Principal
from outlive.config.jwt import Jwt
from outlive.config.locks import Locks
from outlive.config.model import Config, Database, Listen
from outlive.config.operation_rules import check_operations
from outlive.config.operations import Operation
from outlive.config.options import (
    CONFIG_OPTIONS,
    HTTP_OPTIONS,
    JWT_OPTIONS,
    LISTEN_OPTIONS,
    LOCKS_OPTIONS,
    OPERATION_OPTIONS,
    PRINCIPAL_OPTIONS,
    REQUIRED,
    Option,
)
from outlive.config.origin import Origin
from outlive.config.rules import (
    Report,
    check_database,
    check_file_limit,
    check_issuers,
    check_locks,
    check_node,
    check_one_redis,
    check_principals,
    check_protocols,
    check_users,
    share_servers,
)
from outlive.config.toml_lines import Path, line_of, lines_of
from outlive.config.url import UrlError, parse_url

MAX_FILE_BYTES: Final = 1024 * 1024  # ten thousand databases' worth; more is a wrong file
ENVIRONMENT: Final = "environment"
COMMAND_LINE: Final = "command line"
_TABLES: Final = frozenset(("databases", "listen", "http", "principals", "statements", "jwt", "locks", "operations"))
"""The names at the top of the file that are no options."""

_Target = tuple[Mapping[str, Option], dict[str, object]]  # the options that are known, and where values go


def load(origin: Origin, environ: Mapping[str, str] | None = None, *, file_limit: int | None = None) -> Config:
    """The configuration of these sources. Raises ConfigError with everything that is wrong with it.

    `environ` (default: the process's) gives OUTLIVE_CONFIG and OUTLIVE_URL where the origin names none, and
    OUTLIVE_<OPTION>. `file_limit` (default: the hard RLIMIT_NOFILE) is how many files the process may open.
    """
    environ = os.environ if environ is None else environ
    loading = _Loading(origin.path or environ.get("OUTLIVE_CONFIG") or None)
    loading.take_top(environ, origin.flags)
    loading.take_http()
    loading.take_tables()
    if origin.urls:
        loading.take_urls(origin.urls, COMMAND_LINE)
    else:
        loading.take_urls(environ.get("OUTLIVE_URL", "").split(), "OUTLIVE_URL")
    return loading.config(origin, _hard_limit() if file_limit is None else file_limit)


def reload(config: Config) -> Config:
    """The same sources, read afresh. Raises ConfigError; the configuration at hand stays as it is."""
    if config.origin is None:
        raise ConfigError([Problem("The configuration came from nowhere that can be read again.", "Restart Outlive.")])
    return load(config.origin)


def _hard_limit() -> int:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return 1 << 31 if hard == resource.RLIM_INFINITY else hard


class _Loading:
    """One load: what was read so far, and every problem found."""

    def __init__(self, path: str | None) -> None:
        self.path = path
        self.problems: list[Problem] = []
        self.tree: dict[str, Any] = {}
        self.lines: dict[Path, int] = {}
        self.top: dict[str, object] = {}
        self.listen: dict[str, object] = {}
        self.http: dict[str, object] = {}
        self.locks: dict[str, object] = {}
        self.principals: dict[str, Principal] = {}
        self.statements: dict[str, str] = {}
        self.jwt: dict[str, Jwt] = {}
        self.operations: dict[str, Operation] = {}
        self.databases: dict[str, Database] = {}
        self.explicit: dict[str, frozenset[str]] = {}
        self.sources: dict[str, str] = {}
        if path is not None:
            self._read(path)

    # -- Sources

    def _read(self, path: str) -> None:
        try:
            with open(path, "rb") as file:
                content = file.read(MAX_FILE_BYTES + 1)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "not a file name"
            raise ConfigError(
                [Problem(f"The configuration cannot be read: {reason}.", "Correct the path.", "", path)]
            ) from None
        if len(content) > MAX_FILE_BYTES:
            raise ConfigError(
                [Problem(f"The file has more than {MAX_FILE_BYTES} bytes.", "Is it a configuration?", "", path)]
            )
        try:
            text = content.decode()
            self.tree = tomllib.loads(text)
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise ConfigError([Problem("The file is not UTF-8.", "Save it as UTF-8.", "", path, line)]) from None
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise ConfigError([_syntax_problem(path, text, error)]) from None
        self.lines = lines_of(text)

    def take_top(self, environ: Mapping[str, str], flags: Mapping[str, str]) -> None:
        """The node's own options and listeners, from all three sources."""
        for name, value in self.tree.items():
            if name not in _TABLES:
                self._take_one(name, value, False, (CONFIG_OPTIONS, self.top), self._in_file(name))
        listen = self.tree.get("listen", {})
        if not isinstance(listen, dict):
            self._in_file("listen")("", "listen must be a table.", 'Write [listen] and then mysql = "HOST:PORT".')
            listen = {}
        for name, value in listen.items():
            self._take_one(name, value, False, (LISTEN_OPTIONS, self.listen), self._in_file("listen", name))
        for prefix, options, values in (("", CONFIG_OPTIONS, self.top), ("listen.", LISTEN_OPTIONS, self.listen)):
            for name in options:
                # Only names of options are looked up: platforms put variables of their own under any prefix.
                variable = f"OUTLIVE_{name.upper()}"
                if environ.get(variable):
                    report = self._at(ENVIRONMENT, variable)
                    self._take_one(name, environ[variable], True, (options, values), report)
                if prefix + name in flags:
                    report = self._at(COMMAND_LINE, f"--{name.replace('_', '-')}")
                    self._take_one(name, flags[prefix + name], True, (options, values), report)

    def take_http(self) -> None:
        """The file's `[http]`, `[principals.NAME]` and `[statements]`."""
        statements = self.tree.get("statements", {})
        if not isinstance(statements, dict) or not all(isinstance(sql, str) and sql for sql in statements.values()):
            self._in_file("statements")("", "statements must be a table of SQL.", 'Write [statements], NAME = "SQL".')
            return
        self.statements = statements
        self._take_jwt()
        self._take_operations()
        self._take_table(self.tree.get("http", {}), HTTP_OPTIONS, self.http, "http")
        self._take_table(self.tree.get("locks", {}), LOCKS_OPTIONS, self.locks, "locks")
        principals = self.tree.get("principals", {})
        if not isinstance(principals, dict):
            self._in_file("principals")("", "principals must be tables.", "Write [principals.NAME].")
            return
        for name, table in principals.items():
            values: dict[str, object] = {}
            before = len(self.problems)
            self._take_table(table, PRINCIPAL_OPTIONS, values, "principals", name)
            for option in PRINCIPAL_OPTIONS.values():
                if option.default is REQUIRED and option.name not in values and len(self.problems) == before:
                    sentence = f"The principal {name} has no {option.name}."
                    self._in_file("principals", name)("", sentence, f"Add {option.name}, {option.words}.")
            if len(self.problems) == before:
                self.principals[name] = Principal(name=name, **cast(Any, values))

    def _take_jwt(self) -> None:
        issuers = self.tree.get("jwt", {})
        if not isinstance(issuers, dict):
            self._in_file("jwt")("", "jwt must be tables.", "Write [jwt.NAME].")
            return
        for name, table in issuers.items():
            values: dict[str, object] = {}
            before = len(self.problems)
            self._take_table(table, JWT_OPTIONS, values, "jwt", name)
            for option in JWT_OPTIONS.values():
                if option.default is REQUIRED and option.name not in values and len(self.problems) == before:
                    sentence = f"The issuer {name} has no {option.name}."
                    self._in_file("jwt", name)("", sentence, f"Add {option.name}, {option.words}.")
            if len(self.problems) == before:
                self.jwt[name] = Jwt(**cast(Any, values))

    def _take_operations(self) -> None:
        operations = self.tree.get("operations", {})
        if not isinstance(operations, dict):
            self._in_file("operations")("", "operations must be tables.", "Write [operations.NAME].")
            return
        for name, table in operations.items():
            values: dict[str, object] = {}
            before = len(self.problems)
            self._take_table(table, OPERATION_OPTIONS, values, "operations", name)
            for option in OPERATION_OPTIONS.values():
                if option.default is REQUIRED and option.name not in values and len(self.problems) == before:
                    sentence = f"The operation {name} has no {option.name}."
                    self._in_file("operations", name)("", sentence, f"Add {option.name}, {option.words}.")
            if len(self.problems) == before:
                self.operations[name] = Operation(name=name, **cast(Any, values))

    def _take_table(self, table: object, options: Mapping[str, Option], into: dict[str, object], *path: str) -> None:
        if not isinstance(table, dict):
            where = ".".join(path)
            self._in_file(*path)("", f"{where} must be a table.", f"Write [{where}].")
            return
        for name, value in table.items():
            if name == "access_keys" and options is PRINCIPAL_OPTIONS:
                into[name] = secrets_of_table(name, value, self._in_file(*path))
                continue
            self._take_one(name, value, False, (options, into), self._in_file(*path, name))

    def take_tables(self) -> None:
        """The file's `[databases.NAME]`."""
        tables = self.tree.get("databases", {})
        if not isinstance(tables, dict):
            self._in_file("databases")("", "databases must be tables.", "Write [databases.NAME].")
            return
        for name, table in tables.items():
            report = self._in_file("databases", name)
            if not isinstance(table, dict):
                report("", f"databases.{name} must be a table.", f"Write [databases.{name}].")
                continue
            self._add(name, *database_of_table(name, table, report), source=self.path or "")

    def take_urls(self, urls: tuple[str, ...] | list[str], source: str) -> None:
        """The URLs of the command line or the environment."""
        for number, text in enumerate(urls, 1):
            place = f"{source}, URL {number}" if len(urls) > 1 else source
            try:
                url = parse_url(text)
            except UrlError as error:
                self._at(place, error.parameter)("", error.sentence, error.remedy)
                continue
            name = name_of(url)
            report = self._at(place, "")
            if name in self.databases:
                report("", f"The database {name} is given twice.", "Give it once, or name it under [databases.NAME].")
                continue
            self._add(name, *database_of_url(name, url, report), source=place)

    def _add(self, name: str, database: Database | None, explicit: frozenset[str], *, source: str) -> None:
        self.sources[name] = source
        if database is None:
            return
        self.databases[name] = database
        self.explicit[name] = explicit
        check_database(name, database, explicit, self._of_database(name))

    # -- The result

    def config(self, origin: Origin, file_limit: int) -> Config:
        """The model, when there was no problem."""
        report = self._rule_report
        if not any(problem.path.startswith("databases") for problem in self.problems):
            check_protocols(self.databases, self._databases_report)
            check_one_redis(self.databases, self._databases_report)
            self.databases = share_servers(self.databases, self.explicit, self._databases_report)
            check_users(self.databases, self._databases_report)
        if not self.problems:
            found = Config(
                **cast(Any, self.top),
                listen=Listen(**cast(Any, self.listen)),
                http=Http(**cast(Any, self.http)),
                databases=self.databases,
                principals=self.principals,
                statements=self.statements,
                jwt=self.jwt,
                locks=Locks(**cast(Any, self.locks)),
                operations=self.operations,
                origin=origin,
            )
            check_issuers(found, report)
            check_principals(found, report)
            check_locks(found, report)
            check_operations(found, report)
            check_node(found, report)
            check_file_limit(found, file_limit, report)
        if self.problems:
            raise ConfigError(self.problems)
        return found

    # -- Options

    def _take_one(self, name: str, value: object, text: bool, target: _Target, report: Report) -> None:
        options, into = target
        if name not in options:
            report("", f"The option {name} is not known.", remedy_for_unknown(name, options))
            return
        option = options[name]
        if options is LISTEN_OPTIONS:
            try:
                into[name] = listen_address(value)
            except ValueError as error:
                report("", f"{name}: {error}", "Write HOST:PORT, as 127.0.0.1:6432.")
            return
        if text and isinstance(value, str) and isinstance(option.default, tuple):
            value = [part.strip() for part in value.split(",") if part.strip()]
        try:
            into[name] = option.convert(value, text=text)
        except ValueError as error:
            report("", f"{name} is {shown(value)} but {error}.", "Change it, or leave it out for its default.")

    # -- Where a problem stands

    def _at(self, source: str, path: str) -> Report:
        def report(below: str, sentence: str, remedy: str) -> None:
            self.problems.append(Problem(sentence, remedy, ".".join(filter(None, (path, below))), source))

        return report

    def _in_file(self, *path: str) -> Report:
        def report(below: str, sentence: str, remedy: str) -> None:
            full = (*path, *filter(None, below.split(".")))
            line = line_of(self.lines, full)
            self.problems.append(Problem(sentence, remedy, ".".join(full), self.path or "", line))

        return report

    def _of_database(self, name: str) -> Report:
        if self.path is not None and self.sources[name] == self.path:
            return self._in_file("databases", name)
        return self._at(self.sources[name], "")

    def _databases_report(self, path: str, sentence: str, remedy: str) -> None:
        name = max((known for known in self.databases if path.startswith(f"{known}.")), key=len)
        self._of_database(name)(path.removeprefix(f"{name}."), sentence, remedy)

    def _rule_report(self, path: str, sentence: str, remedy: str) -> None:
        line = line_of(self.lines, tuple(path.split(".")))
        self.problems.append(Problem(sentence, remedy, path, self.path if line and self.path else "", line))


def _syntax_problem(path: str, text: str, error: Exception) -> Problem:
    # tomllib's message ends in "(at line 3, column 7)"; the rest of it never quotes more than a key.
    words, _, place = str(error).rpartition(" (at ")
    line = next((int(word) for word in place.replace(",", " ").split() if word.isdigit()), None)
    if place.startswith("end of document"):
        line = text.rstrip("\n").count("\n") + 1
    return Problem(f"This is not TOML: {words or error}.", "Correct that line.", "", path, line)
