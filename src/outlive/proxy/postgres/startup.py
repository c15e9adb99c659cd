"""What a client asks for in its StartupMessage: who it is, where it wants to go, and its settings.

Source: "StartupMessage" in "Message Formats" of the PostgreSQL documentation, and what the server makes of it
(backend_startup.c, postinit.c, process_postgres_switches). The settings are the client's defaults, to which RESET
returns, as if they stood in its server's configuration.
"""

from __future__ import annotations

import re
from typing import Final

from outlive.proxy.postgres import errors
from outlive.wire.postgres import constants as wire
from outlive.wire.postgres.errors import ErrorFields

_SWITCH_OFF: Final = frozenset((b"false", b"off", b"no", b"0", b"f", b"n", b""))
_ARGUMENT: Final = re.compile(rb"(?:[^\\ \t\n\r\v\f]|\\.|\\\Z)+", re.DOTALL)
_ESCAPED: Final = re.compile(rb"\\(.?)", re.DOTALL)
_NAME: Final = re.compile(rb"[A-Za-z_][A-Za-z0-9_$-]*(?:\.[A-Za-z_][A-Za-z0-9_$-]*)*\Z")
_NOT_SETTINGS: Final = frozenset((b"user", b"database", b"options", b"replication"))


class Wanted:
    """A client's wishes. `settings` are by name in lower case, as raw values; a parameter wins over `options`."""

    __slots__ = ("database", "settings", "user")

    def __init__(self, user: bytes, database: bytes, settings: dict[bytes, bytes]) -> None:
        self.user = user
        self.database = database
        self.settings = settings


class StartupRefused(Exception):
    """The startup packet asks for what cannot be had."""

    def __init__(self, error: ErrorFields) -> None:
        super().__init__(error.message)
        self.error = error


def wanted(parameters: dict[bytes, bytes]) -> Wanted:
    """Reads the parameters of a StartupMessage. Raises StartupRefused."""
    user = parameters.get(b"user", b"")
    if not user:
        raise StartupRefused(errors.NO_USER)
    if parameters.get(b"replication", b"").lower() not in _SWITCH_OFF:
        raise StartupRefused(errors.NO_REPLICATION)
    settings = settings_of_options(parameters.get(b"options", b""))
    for name, value in parameters.items():
        if name not in _NOT_SETTINGS:
            settings[_checked(name)] = value
    return Wanted(user, parameters.get(b"database") or user, settings)


def settings_of_options(options: bytes) -> dict[bytes, bytes]:
    """The settings in `options`: `-c name=value`, `-cname=value` and `--name=value`. Raises StartupRefused.

    Arguments have white space between them; a backslash takes the next byte as it is.
    """
    found: dict[bytes, bytes] = {}
    arguments = iter([_ESCAPED.sub(rb"\1", match[0]) for match in _ARGUMENT.finditer(options)])
    for argument in arguments:
        if argument.startswith(b"--"):
            assignment = argument[2:]
        elif argument == b"-c":
            assignment = next(arguments, b"")
        elif argument.startswith(b"-c"):
            assignment = argument[2:]
        else:
            raise StartupRefused(
                errors.refused(
                    wire.FEATURE_NOT_SUPPORTED,
                    b"a command-line argument in options that is no setting",
                    hint=b"Outlive takes -c name=value and --name=value.",
                )
            )
        name, equals, value = assignment.partition(b"=")
        if not equals:
            raise StartupRefused(
                errors.refused(wire.SYNTAX_ERROR, b"a setting in options has no value: write -c name=value")
            )
        # ParseLongOption: dashes of a name are underscores.
        found[_checked(name.replace(b"-", b"_"))] = value
    return found


def _checked(name: bytes) -> bytes:
    if not _NAME.match(name) or len(name) > wire.NAME_BYTES:
        raise StartupRefused(
            errors.refused(wire.UNDEFINED_OBJECT, b"a setting in the startup packet has a name that no setting has")
        )
    return name.lower()
