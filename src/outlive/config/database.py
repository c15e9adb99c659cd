"""One database's options, from a table of the file or a URL, into the model."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, cast

from outlive.config.addresses import Address, parse_address
from outlive.config.model import ANY_DATABASE, Database
from outlive.config.options import DATABASE_OPTIONS
from outlive.config.secrets import Secret, Source
from outlive.config.url import DEFAULT_PORTS, DatabaseURL, UrlError, is_client_side, parse_url

Report = Callable[[str, str, str], None]
"""report(option's path below the database, sentence, remedy)"""

_SOURCES: Final[dict[str, Source]] = {"env": "env", "file": "file", "command": "command"}
_PASSWORDS: Final = ("password", "password_env", "password_file", "password_command")
_LISTS: Final = ("hosts", "replicas")
_KNOWN: Final = frozenset(DATABASE_OPTIONS) | frozenset(_PASSWORDS) | {"url"}
_NOT_IN_URL: Final = frozenset({"scheme", "hosts", "users", "user", "database", "url"})


def name_of(url: DatabaseURL) -> str:
    """The name under which clients ask for the database of a URL of the command line; of TCP, which asks for none, the
    server's address.
    """
    return url.database or (str(url.hosts[0]) if url.scheme == "tcp" else ANY_DATABASE)


def database_of_table(name: str, table: Mapping[str, Any], report: Report) -> tuple[Database | None, frozenset[str]]:
    """The table `[databases.NAME]`; None after at least one report."""
    count = _Count(report)
    values = dict(table)
    texts: dict[str, str] = {}
    if "url" in values:
        url = _parse(values.pop("url"), count)
        if url is None:
            return None, frozenset()
        texts = _parts(url)
        if url.database == "" and "database" in values:
            del texts["database"]
        _refuse_both(values, texts, count)
    return _database(name, values, texts, count)


def database_of_url(name: str, url: DatabaseURL, report: Report) -> tuple[Database | None, frozenset[str]]:
    """A URL of the command line or the environment; None after at least one report."""
    return _database(name, {}, _parts(url), _Count(report))


class _Count:
    """A Report that knows whether it was used."""

    __slots__ = ("report", "used")

    def __init__(self, report: Report) -> None:
        self.report = report
        self.used = False

    def __call__(self, path: str, sentence: str, remedy: str) -> None:
        self.used = True
        self.report(path, sentence, remedy)


def _parse(url: object, report: Report) -> DatabaseURL | None:
    if not isinstance(url, str):
        report("url", "url must be text.", "Write postgresql://user@host/database.")
        return None
    try:
        return parse_url(url)
    except UrlError as error:
        report("url", error.sentence, error.remedy)
        return None


def _parts(url: DatabaseURL) -> dict[str, str]:
    parts = {"scheme": url.scheme, "hosts": ",".join(map(str, url.hosts)), "user": url.user, "database": url.database}
    for name in _NOT_IN_URL & url.options.keys():
        parts[f"?{name}"] = url.options[name]  # named as no option is, so that it is refused as unknown
    parts |= {name: value for name, value in url.options.items() if name not in _NOT_IN_URL}
    if url.password is not None and not any(name in parts for name in _PASSWORDS):
        parts["password"] = url.password
    elif url.password:
        parts["?password"] = ""
    return parts


def _refuse_both(values: Mapping[str, Any], texts: Mapping[str, str], report: Report) -> None:
    for name in values:
        if name in texts and not (name == "user" and not texts[name]):
            report(name, f"{name} is given twice, in the URL and beside it.", "Leave one of them out.")


def _database(
    name: str, values: dict[str, Any], texts: dict[str, str], report: _Count
) -> tuple[Database | None, frozenset[str]]:
    explicit = frozenset(values) | frozenset(texts)
    fields: dict[str, object] = {}
    _refuse_unknown([*values, *texts], report)
    _password({**texts, **values}, fields, report)
    scheme = str(values.get("scheme", texts.get("scheme", "mysql")))
    port = DEFAULT_PORTS.get(scheme)
    for option in explicit & DATABASE_OPTIONS.keys() - {"password"}:
        text = option not in values
        _field(option, values.get(option, texts.get(option)), text, fields, report, port)
    fields.setdefault("database", "")
    if scheme == "redis":
        _fill_redis(fields, explicit)
    elif scheme == "tcp" and "database" not in values:
        fields["database"] = ""  # a URL's path is the entry's name, and means nothing at the server
    elif not fields["database"] and name != ANY_DATABASE:
        fields["database"] = name
    if "hosts" not in fields and not report.used:
        report("hosts", "There is no host.", f'Add url = "mysql://user@host/database" or hosts = ["host:{port}"].')
    if report.used:
        return None, explicit
    return Database(**cast(Any, fields)), explicit


def _fill_redis(fields: dict[str, object], explicit: frozenset[str]) -> None:
    """Its databases are numbers, whatever the entry's name; and who names no user is `default`."""
    fields["database"] = fields["database"] or "0"
    if not fields.get("user") and (not fields.get("passthrough") or "password" in fields):
        fields["user"] = "default"


def _refuse_unknown(names: Iterable[str], report: Report) -> None:
    for name in names:
        if name == "?password":
            report("password", "The password is given twice, in the URL and as a parameter.", "Leave one of them out.")
        elif name.startswith("?"):
            report(name[1:], f"{name[1:]} is no parameter of a URL.", "It is a part of the URL itself, or of the file.")
        elif name not in _KNOWN:
            report(name, f"The option {name} is not known.", remedy_for_unknown(name, _KNOWN))


def remedy_for_unknown(name: str, known: Iterable[str]) -> str:
    """What to do about an unknown option: the one that was meant, or where it belongs."""
    if is_client_side(name):
        return "It belongs into the application's own connection settings; leave it out here."
    if close := difflib.get_close_matches(name, known, 1, 0.7):
        return f"Did you mean {close[0]}?"
    return "docs/configuration.md lists the options."


def _password(values: Mapping[str, Any], fields: dict[str, object], report: Report) -> None:
    given = [name for name in _PASSWORDS if name in values]
    if len(given) > 1:
        report(given[1], f"{given[0]} and {given[1]} exclude each other.", "Leave one of them out.")
    elif given:
        secret = _secret(given[0], given[0].removeprefix("password").lstrip("_"), values[given[0]], report)
        if secret is not None:
            fields["password"] = secret


def _secret(path: str, source: str, value: object, report: Report) -> Secret | None:
    if not isinstance(value, str) or "\0" in value:
        report(path, f"{path} must be text.", "Put it in quotes.")  # never with the value
        return None
    secret = Secret(_SOURCES.get(source, "literal"), value)
    missing = secret.missing()
    if missing is not None:
        report(path, missing, "Secrets must be there at the start; they are read again at each dial.")
        return None
    return secret


def _field(option: str, value: object, text: bool, fields: dict[str, object], report: Report, port: int | None) -> None:
    if option == "users":
        users = secrets_of_table("users", value, report)
        if users is not None:
            fields[option] = users
        return
    if text and isinstance(value, str) and isinstance(DATABASE_OPTIONS[option].default, tuple):
        value = [part.strip() for part in value.split(",") if part.strip()]
    try:
        if option in _LISTS:
            value = _addresses(value, port)
        elif option == "listen":
            fields[option] = listen_address(value)
            return
    except ValueError as error:
        report(option, f"{option}: {error}", "Write host or host:port.")
        return
    try:
        fields[option] = DATABASE_OPTIONS[option].convert(value, text=text)
    except ValueError as error:
        report(option, f"{option} is {shown(value)} but {error}.", "Change it, or leave it out for its default.")


def listen_address(value: object) -> Address:
    """Where to listen; port 0 takes a free one. Raises ValueError with a sentence."""
    if not isinstance(value, str):
        raise ValueError("an address is text.")
    return parse_address(value, lowest_port=0)


def _addresses(value: object, port: int | None) -> list[Address]:
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise ValueError("must be a list of HOST:PORT.")
    return [parse_address(item, port) for item in items]


def secrets_of_table(option: str, value: object, report: Report) -> dict[str, Secret] | None:
    """A table of names and their secrets, each a text or a reference. Reports what is wrong, below `option`."""
    if not isinstance(value, dict):
        report(option, f"{option} must be a table.", 'Write lines of NAME = { env = "VARIABLE" } in it.')
        return None
    found: dict[str, Secret] = {}
    for name, entry in value.items():
        path = f"{option}.{name}"
        source, reference = "literal", entry
        if isinstance(entry, dict):
            if len(entry) != 1 or next(iter(entry)) not in _SOURCES:
                report(
                    path, f"{path} is no reference.", "Write one of { env = ... }, { file = ... }, { command = ... }."
                )
                continue
            source, reference = next(iter(entry.items()))
        secret = _secret(path, source, reference, report)
        if secret is not None:
            found[name] = secret
    return found


def shown(value: object) -> str:
    """A value for an error, in TOML's spelling and not longer than a line."""
    if isinstance(value, bool):
        return str(value).lower()
    words = f'"{value}"' if isinstance(value, str) else str(value)
    return words if len(words) <= 60 else f"{words[:60]}..."
