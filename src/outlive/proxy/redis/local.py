"""Commands that are about the session, answered without the server, or by asking it on the client's behalf."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from outlive.proxy.phases import BUSY, CLOSED, READY
from outlive.proxy.redis import clients
from outlive.proxy.redis.hello import BAD_NAME, Hello, is_name
from outlive.proxy.redis.hello import answer as hello_answer
from outlive.upstream.redis.dial import DEFAULT_USER
from outlive.upstream.redis.key import Key, key_of
from outlive.wire.redis.values import OK, bulk, command, error, integer, null

if TYPE_CHECKING:
    from outlive.proxy.redis.client import RedisClient

_FEW: Final = "ERR wrong number of arguments for '%s' command"


def answer(client: RedisClient, name: bytes, arguments: list[bytes]) -> bool:
    """Answers a command of kind LOCAL; False if it has to wait until nothing is outstanding."""
    return _ANSWERS[name](client, arguments)


def _few(client: RedisClient, what: str) -> bool:
    client.answer(error(_FEW % what))
    return True


def _ping(client: RedisClient, arguments: list[bytes]) -> bool:
    if len(arguments) > 2:
        return _few(client, "ping")
    client.answer(b"+PONG\r\n" if len(arguments) == 1 else bulk(arguments[1]))
    return True


def _echo(client: RedisClient, arguments: list[bytes]) -> bool:
    if len(arguments) != 2:
        return _few(client, "echo")
    client.answer(bulk(arguments[1]))
    return True


def _quit(client: RedisClient, arguments: list[bytes]) -> bool:
    client.answer(OK)
    client.hang_up()
    return True


def _reset(client: RedisClient, arguments: list[bytes]) -> bool:
    if client.is_outstanding:
        return False
    client.end_lease()
    services = client.services
    client.session.reset(DEFAULT_USER, client.route.database_number)
    client.authenticated = services.users_of(client.route).default_is_open
    client.mute = client.mute_next = False
    _rekey(client)
    client.answer(b"+RESET\r\n")
    return True


def _rekey(client: RedisClient) -> None:
    session = client.session
    client.key = key_of(session.user, session.database, session.protocol)


def _may_change(client: RedisClient, what: str) -> bool:
    """Whether the session may go elsewhere; says so if not."""
    if client.connection is None or not client.session.holds:
        return True
    client.answer(error(f"ERR Outlive: {what} is not possible while keys are watched"))
    return False


def _select(client: RedisClient, arguments: list[bytes]) -> bool:
    if len(arguments) != 2:
        return _few(client, "select")
    if not arguments[1].isdigit():
        client.answer(error("ERR value is not an integer or out of range"))
        return True
    if client.is_outstanding:
        return False
    if not _may_change(client, "SELECT"):
        return True
    number = int(arguments[1])
    session = client.session
    if number == session.database:
        client.answer(OK)
        return True
    if number > 0xFFFF:
        client.answer(error("ERR DB index is out of range"))
        return True
    _rekey(client)
    client.phase = BUSY
    Question(client, key_of(session.user, number, session.protocol), lambda why: _selected(client, number, why)).ask()
    return True


def _selected(client: RedisClient, number: int, why: str) -> None:
    if client.phase == CLOSED:
        return
    client.phase = READY
    if why:
        client.answer(error(why))
    else:
        client.session.database = number
        _rekey(client)
        client.answer(OK)
    client.read_on()


class Question:
    """A PING over the line of a key: whether the server lets its user in there. Done with "" or the error."""

    def __init__(self, client: RedisClient, key: Key, done: Callable[[str], None]) -> None:
        self.route = client.route
        self._client = client
        self._key = key
        self._done = done

    def ask(self) -> None:
        """Once."""
        lines = self._client.server.lines
        if self._key in lines.known:
            self._client.services.call_soon(lambda: self._done(""))
            return
        lines.pick(self._key).add(self, command(b"PING"), 1, True)

    def line_data(self, data: bytes, entry: object) -> None:
        """See `Sharer`."""

    def line_done(self, entry: object) -> None:
        """See `Sharer`."""
        self._client.server.lines.known.add(self._key)
        self._done("")

    def line_failed(self, entry: object, why: str, *, cut: bool) -> None:
        """See `Sharer`."""
        first = why.split(" ", 1)[0]
        self._done(why if first.isupper() else f"ERR Outlive: {why}")

    def line_paused(self, paused: bool) -> None:
        """See `Sharer`."""


def _auth(client: RedisClient, arguments: list[bytes]) -> bool:
    if len(arguments) < 2:
        return _few(client, "auth")
    if len(arguments) > 3:
        client.answer(error("ERR syntax error"))
        return True
    if client.is_outstanding:
        return False
    if not _may_change(client, "AUTH"):
        return True
    user = arguments[1] if len(arguments) == 3 else None
    _judge(client, user, arguments[-1], lambda: client.answer(OK))
    return True


def _judge(client: RedisClient, user: bytes | None, password: bytes, done: Callable[[], None]) -> None:
    client.phase = BUSY
    name = DEFAULT_USER if user is None else user.decode("utf-8", "surrogateescape")

    def judged(refusal: str | None) -> None:
        client.trial = None
        if client.phase == CLOSED:
            return
        client.phase = READY
        if refusal is not None:
            client.services.metrics.logins_refused.add("access_denied")
            client.answer(error(refusal))
        else:
            client.session.user = name
            client.authenticated = True
            _rekey(client)
            done()
        client.services.call_soon(client.read_on)

    client.trial = client.services.judge.judge(client.route, user, password, judged)


def _hello(client: RedisClient, arguments: list[bytes]) -> bool:
    hello = Hello(arguments)
    if hello.error:
        client.answer(error(hello.error))
        return True
    if client.is_outstanding:
        return False
    session = client.session
    changes = hello.password is not None or (hello.protocol or session.protocol) != session.protocol
    if changes and not _may_change(client, "HELLO"):
        return True
    if not client.authenticated and hello.password is None:
        client.answer(error("NOAUTH HELLO must be called with the client already authenticated"))
        return True
    if hello.password is not None:
        _judge(client, hello.user, hello.password, lambda: _greet(client, hello))
    else:
        _greet(client, hello)
    return True


def _greet(client: RedisClient, hello: Hello) -> None:
    if not client.server.is_known:
        client.phase = BUSY
        session = client.session
        key = key_of(session.user, session.database, session.protocol)
        Question(client, key, lambda why: _met(client, hello, why)).ask()
        return
    session = client.session
    session.protocol = hello.protocol or session.protocol
    if hello.name is not None:
        session.name = hello.name
    _rekey(client)
    client.answer(hello_answer(client.server.hello, client.channel.connection_id, session.protocol))


def _met(client: RedisClient, hello: Hello, why: str) -> None:
    if client.phase == CLOSED:
        return
    client.phase = READY
    if why:
        client.answer(error(why))
    else:
        _greet(client, hello)
    client.read_on()


# -- CLIENT ----------------------------------------------------------------------------------------


def _client(client: RedisClient, arguments: list[bytes]) -> bool:
    word = arguments[1].upper() if len(arguments) > 1 else b""
    found = _CLIENT.get(word)
    if found is None:
        shown = word.decode("ascii", "replace")[:64]
        client.answer(error(f"ERR Outlive: CLIENT {shown} is not possible through a connection pool"))
        return True
    return found(client, arguments)


def _client_id(client: RedisClient, arguments: list[bytes]) -> bool:
    client.answer(integer(client.channel.connection_id))
    return True


def _client_getname(client: RedisClient, arguments: list[bytes]) -> bool:
    name = client.session.name
    client.answer(bulk(name) if name else null(client.session.protocol))
    return True


def _client_setname(client: RedisClient, arguments: list[bytes]) -> bool:
    if len(arguments) != 3:
        return _few(client, "client|setname")
    if not is_name(arguments[2]):
        client.answer(error(BAD_NAME))
        return True
    client.session.name = arguments[2]
    client.answer(OK)
    return True


def _client_setinfo(client: RedisClient, arguments: list[bytes]) -> bool:
    if len(arguments) != 4:
        return _few(client, "client|setinfo")
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
    if len(arguments) != 3 or arguments[2].upper() not in (b"ON", b"OFF"):
        client.answer(error("ERR syntax error"))
    else:
        client.answer(OK)
    return True


def _client_reply(client: RedisClient, arguments: list[bytes]) -> bool:
    mode = arguments[2].upper() if len(arguments) == 3 else b""
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
    b"INFO": _client_info,
    b"LIST": _client_list,
    b"KILL": _client_kill,
    b"UNBLOCK": _client_unblock,
}

_ANSWERS: Final[dict[bytes, _Answer]] = {
    b"PING": _ping,
    b"ECHO": _echo,
    b"QUIT": _quit,
    b"RESET": _reset,
    b"SELECT": _select,
    b"AUTH": _auth,
    b"HELLO": _hello,
    b"CLIENT": _client,
}
