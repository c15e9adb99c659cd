"""CLIENT: what a client says and asks about itself, and about the other clients of this node."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from outlive.proxy.redis import clients
from outlive.proxy.redis.hello import BAD_NAME, is_name
from outlive.wire.redis.values import OK, bulk, error, integer, null, pairs

if TYPE_CHECKING:
    from outlive.proxy.redis.client import RedisClient


def _few(client: RedisClient, what: str) -> bool:
    client.answer(error(f"ERR wrong number of arguments for '{what}' command"))
    return True


def answer(client: RedisClient, arguments: list[bytes]) -> bool:
    if len(arguments) < 2:
        return _few(client, "client")
    word = arguments[1].upper()
    found = _CLIENT.get(word)
    if found is not None:
        if len(arguments) < _LEAST.get(word, 2) or len(arguments) > _MOST.get(word, len(arguments)):
            return _few(client, f"client|{word.decode().lower()}")
        return found(client, arguments)
    shown = arguments[1].decode("ascii", "replace")[:64]
    if word in _IMPOSSIBLE:
        client.answer(error(f"ERR Outlive: CLIENT {shown} is not possible through a connection pool"))
    else:
        client.answer(error(f"ERR unknown subcommand '{shown}'. Try CLIENT HELP."))
    return True


def _client_id(client: RedisClient, arguments: list[bytes]) -> bool:
    client.answer(integer(client.channel.connection_id))
    return True


def _client_getname(client: RedisClient, arguments: list[bytes]) -> bool:
    name = client.session.name
    client.answer(bulk(name) if name else null(client.session.protocol))
    return True


def _client_setname(client: RedisClient, arguments: list[bytes]) -> bool:
    if not is_name(arguments[2]):
        client.answer(error(BAD_NAME))
        return True
    client.session.name = arguments[2]
    client.answer(OK)
    return True


def _client_setinfo(client: RedisClient, arguments: list[bytes]) -> bool:
    option = arguments[2].upper()
    if option not in (b"LIB-NAME", b"LIB-VER"):
        client.answer(error(f"ERR Unrecognized option '{arguments[2].decode('utf-8', 'replace')}'"))
    elif not is_name(arguments[3]):
        client.answer(error(f"ERR {option.decode().lower()} cannot contain spaces, newlines or special characters."))
    else:
        if option == b"LIB-NAME":
            client.session.library = arguments[3]
        else:
            client.session.library_version = arguments[3]
        client.answer(OK)
    return True


def _client_no(client: RedisClient, arguments: list[bytes]) -> bool:
    """NO-EVICT and NO-TOUCH: what they spare is the server's memory, or its statistics, not a client's data."""
    if arguments[2].upper() not in (b"ON", b"OFF"):
        client.answer(error("ERR syntax error"))
    else:
        client.answer(OK)
    return True


def _client_reply(client: RedisClient, arguments: list[bytes]) -> bool:
    mode = arguments[2].upper()
    if mode == b"ON":
        client.mute = client.mute_next = False
        client.answer(OK)
    elif mode == b"OFF":
        client.mute = True
    elif mode == b"SKIP":
        client.mute_next = not client.mute
    else:
        client.answer(error("ERR syntax error"))
    return True


def _client_tracking(client: RedisClient, arguments: list[bytes]) -> bool:
    """An invalidation belongs to the connection that read the key, and that is shared."""
    if len(arguments) == 3 and arguments[2].upper() == b"OFF":
        client.answer(OK)
    else:
        client.answer(error("ERR Outlive: CLIENT TRACKING is not possible through a connection pool"))
    return True


def _client_trackinginfo(client: RedisClient, arguments: list[bytes]) -> bool:
    flags = b"~1\r\n" if client.session.protocol == 3 else b"*1\r\n"
    items = [(b"flags", flags + bulk(b"off")), (b"redirect", integer(-1)), (b"prefixes", b"*0\r\n")]
    client.answer(pairs(items, client.session.protocol))
    return True


def _client_getredir(client: RedisClient, arguments: list[bytes]) -> bool:
    client.answer(integer(-1))
    return True


def _client_info(client: RedisClient, arguments: list[bytes]) -> bool:
    client.answer(clients.info(client))
    return True


def _client_list(client: RedisClient, arguments: list[bytes]) -> bool:
    client.answer(clients.listed(client, arguments))
    return True


def _client_kill(client: RedisClient, arguments: list[bytes]) -> bool:
    client.answer(clients.kill(client, arguments))
    return True


def _client_unblock(client: RedisClient, arguments: list[bytes]) -> bool:
    if client.is_outstanding:
        return False
    return clients.unblock(client, arguments)


_Answer = Callable[["RedisClient", list[bytes]], bool]

_CLIENT: Final[dict[bytes, _Answer]] = {
    b"ID": _client_id,
    b"GETNAME": _client_getname,
    b"SETNAME": _client_setname,
    b"SETINFO": _client_setinfo,
    b"NO-EVICT": _client_no,
    b"NO-TOUCH": _client_no,
    b"REPLY": _client_reply,
    b"TRACKING": _client_tracking,
    b"TRACKINGINFO": _client_trackinginfo,
    b"GETREDIR": _client_getredir,
    b"INFO": _client_info,
    b"LIST": _client_list,
    b"KILL": _client_kill,
    b"UNBLOCK": _client_unblock,
}

_LEAST: Final = {b"SETNAME": 3, b"SETINFO": 4, b"NO-EVICT": 3, b"NO-TOUCH": 3, b"REPLY": 3, b"KILL": 3, b"UNBLOCK": 3}
_MOST: Final = _LEAST | {b"ID": 2, b"GETNAME": 2, b"INFO": 2, b"UNBLOCK": 4, b"KILL": 1 << 20}
"""Of words, the command's name among them."""

_IMPOSSIBLE: Final = frozenset(
    (b"TRACKING", b"TRACKINGINFO", b"CACHING", b"GETREDIR", b"PAUSE", b"UNPAUSE", b"HELP", b"CAPA", b"IMPORT-SOURCE")
)
