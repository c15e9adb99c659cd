"""HELLO: what it asks for, and its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outlive.wire.redis.values import bulk, integer, pairs

if TYPE_CHECKING:
    from outlive.wire.redis.values import Value

_SYNTAX: Final = "ERR Syntax error in HELLO option '%s'"


class Hello:
    """`protocol`: None where none is asked for. `error`: what is wrong with it, in the server's own words."""

    __slots__ = ("error", "name", "password", "protocol", "user")

    def __init__(self, arguments: list[bytes]) -> None:
        self.protocol: int | None = None
        self.user: bytes | None = None
        self.password: bytes | None = None
        self.name: bytes | None = None
        self.error = ""
        if len(arguments) > 1:
            self._read(arguments)

    def _read(self, arguments: list[bytes]) -> None:
        if not arguments[1].isdigit():
            self.error = "ERR Protocol version is not an integer or out of range"
            return
        self.protocol = int(arguments[1])
        if self.protocol not in (2, 3):
            self.error = "NOPROTO unsupported protocol version"
            return
        at = 2
        while at < len(arguments):
            word = arguments[at].upper()
            if word == b"AUTH" and at + 2 < len(arguments):
                self.user, self.password = arguments[at + 1], arguments[at + 2]
                at += 3
            elif word == b"SETNAME" and at + 1 < len(arguments):
                self.name = arguments[at + 1]
                if not is_name(self.name):
                    self.error = BAD_NAME
                at += 2
            else:
                self.error = _SYNTAX % arguments[at].decode("utf-8", "replace")
                return


BAD_NAME: Final = "ERR Client names cannot contain spaces, newlines or special characters."


def is_name(name: bytes) -> bool:
    """Whether CLIENT SETNAME takes it."""
    return all(33 <= byte <= 126 for byte in name)


def answer(server: dict[bytes, Value], number: int, protocol: int) -> bytes:
    """As the server would say it, with the client's own id."""
    version, product = server.get(b"version"), server.get(b"server")
    return pairs(
        [
            (b"server", bulk(product if isinstance(product, bytes) else b"redis")),
            (b"version", bulk(version if isinstance(version, bytes) else b"7.0.0")),
            (b"proto", integer(protocol)),
            (b"id", integer(number)),
            (b"mode", bulk(b"standalone")),
            (b"role", bulk(b"master")),
            (b"modules", b"*0\r\n"),
        ],
        protocol,
    )
