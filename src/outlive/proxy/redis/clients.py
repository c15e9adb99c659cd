"""CLIENT LIST, INFO, KILL and UNBLOCK: about the clients of this node, by the ids that they were given here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from outlive.proxy.phases import RELAYING
from outlive.wire.redis.values import OK, command, error, integer, verbatim

if TYPE_CHECKING:
    from outlive.proxy.redis.client import RedisClient

_NO_SUCH: Final = "ERR No such client"


def _all(client: RedisClient) -> Iterator[RedisClient]:
    for channel in list(client.services.channels.values()):
        if channel.client is not None:
            yield channel.client


def _address(client: RedisClient) -> str:
    transport = client.channel.transport
    peer = None if transport is None else transport.get_extra_info("peername")
    return f"{client.channel.peer}:{peer[1]}" if isinstance(peer, tuple) else f"{client.channel.peer}:0"


def _line(client: RedisClient) -> bytes:
    session = client.session
    idle = max(0, int(client.services.time() - client.active_at))
    flags = "N"
    if "subscription" in session.pins:
        flags = "P"
    elif session.in_multi:
        flags = "x"
    elif client.phase == RELAYING:
        flags = "b"
    parts = (
        *(f"id={client.channel.connection_id}", f"addr={_address(client)}", "laddr=", "fd=-1"),
        *(f"name={session.name.decode('ascii')}", "age=0", f"idle={idle}", f"flags={flags}", f"db={session.database}"),
        *("sub=0", "psub=0", "ssub=0", f"multi={0 if session.in_multi else -1}", f"user={session.user}", "redir=-1"),
        *(f"resp={session.protocol}", f"lib-name={session.library.decode('ascii')}"),
        f"lib-ver={session.library_version.decode('ascii')}",
    )
    return " ".join(parts).encode("utf-8", "surrogateescape") + b"\n"


def info(client: RedisClient) -> bytes:
    """CLIENT INFO."""
    return verbatim(_line(client), client.session.protocol)


def listed(client: RedisClient, arguments: list[bytes]) -> bytes:
    """CLIENT LIST [TYPE type | ID id ...]."""
    found = list(_all(client))
    if len(arguments) > 3 and arguments[2].upper() == b"ID":
        wanted = set(arguments[3:])
        found = [other for other in found if b"%d" % other.channel.connection_id in wanted]
    elif len(arguments) == 4 and arguments[2].upper() == b"TYPE":
        kind = arguments[3].lower()
        found = [other for other in found if kind == (b"pubsub" if "subscription" in other.session.pins else b"normal")]
    elif len(arguments) > 2:
        return error("ERR syntax error")
    return verbatim(b"".join(_line(other) for other in found), client.session.protocol)


def kill(client: RedisClient, arguments: list[bytes]) -> bytes:
    """CLIENT KILL addr, or with ID, ADDR, USER and SKIPME: clients of one's own user only."""
    own = [other for other in _all(client) if other.session.user == client.session.user]
    if len(arguments) == 3:
        found = [other for other in own if _address(other).encode() == arguments[2]]
        for other in found:
            _end(client, other)
        return OK if found else error(_NO_SUCH)
    spares_itself = True
    options = arguments[2:]
    if not options or len(options) % 2:
        return error("ERR syntax error")
    for option, value in zip(options[::2], options[1::2], strict=True):
        word = option.upper()
        if word == b"ID":
            own = [other for other in own if b"%d" % other.channel.connection_id == value]
        elif word == b"ADDR":
            own = [other for other in own if _address(other).encode() == value]
        elif word == b"USER":
            own = [other for other in own if other.session.user.encode("utf-8", "surrogateescape") == value]
        elif word == b"SKIPME" and value.lower() in (b"yes", b"no"):
            spares_itself = value.lower() == b"yes"
        else:
            return error("ERR Outlive: CLIENT KILL knows ID, ADDR, USER and SKIPME only")
    found = [other for other in own if other is not client or not spares_itself]
    for other in found:
        _end(client, other)
    return integer(len(found))


def _end(client: RedisClient, other: RedisClient) -> None:
    if other is client:
        client.services.call_soon(client.hang_up_if_open)
    else:
        other.channel.close()


def unblock(client: RedisClient, arguments: list[bytes]) -> bool:
    """CLIENT UNBLOCK: by the server, whose id of the client's connection is known here."""
    if len(arguments) not in (3, 4):
        client.answer(error("ERR wrong number of arguments for 'client|unblock' command"))
        return True
    if not arguments[2].isdigit():
        client.answer(error("ERR value is not an integer or out of range"))
        return True
    channel = client.services.channels.get(int(arguments[2]))
    other = None if channel is None else channel.client
    blocks = other is not None and other.connection is not None and other.phase == RELAYING
    if other is None or not blocks or other.session.user != client.session.user:
        client.answer(integer(0))
        return True
    number = other.connection.number if other.connection is not None else 0
    client.share(command(b"CLIENT", b"UNBLOCK", b"%d" % number, *arguments[3:]))
    return True
