"""Outlive's login at a server, where it plays the client.

Plugins: mysql_native_password, caching_sha2_password (fast; full over TLS or RSA), sha256_password (over TLS or RSA;
MySQL asks for it where there is no such user), client_ed25519 (MariaDB), and over TLS mysql_clear_password, the way of
short-lived tokens. Source: "Connection Phase" of MySQL's client/server protocol documentation.
Payloads go in and out without framing.
A clear password is never sent without TLS, whatever the server asks for.
"""

from outlive.auth.mysql.rsa import encrypt_password
from outlive.auth.mysql.scramble import (
    CACHING_SHA2,
    CLEAR,
    ED25519,
    ED25519_SCRAMBLE_BYTES,
    NATIVE,
    SCRAMBLE_BYTES,
    SHA256,
    ed25519_response,
    native_response,
    sha2_response,
)
from outlive.auth.mysql.verdict import Accepted, LoginOver, Refused, Step, Verdict
from outlive.wire import ProtocolError
from outlive.wire.mysql.handshake import parse_auth_switch_request
from outlive.wire.mysql.ok import ERR

_OK, _AUTH_MORE_DATA, _AUTH_SWITCH, _ERR = 0x00, 0x01, 0xFE, 0xFF
_FAST_AUTH_SUCCESS = b"\x01\x03"
_PERFORM_FULL_AUTHENTICATION = b"\x01\x04"
_REQUEST_PUBLIC_KEY = b"\x02"
_REQUEST_SHA256_PUBLIC_KEY = b"\x01"

# The client library's own codes: these refusals are made here, not by the server.
_CR_AUTH_PLUGIN_CANNOT_LOAD = 2059
_CR_AUTH_PLUGIN_ERR = 2061
_GENERAL_SQLSTATE = b"HY000"

# MariaDB tries each of an account's plugins in turn ("IDENTIFIED VIA a OR b"); MySQL switches once.
_MOST_SWITCHES = 4
_SCRAMBLE_BYTES = {
    NATIVE: SCRAMBLE_BYTES,
    CACHING_SHA2: SCRAMBLE_BYTES,
    SHA256: SCRAMBLE_BYTES,
    ED25519: ED25519_SCRAMBLE_BYTES,
}
_LONGEST_NAME_SHOWN_BYTES = 64

# The states: what the server may send next besides ERR.
_UNSTARTED, _RESPONDED, _WANTS_KEY, _WANTS_OK, _OVER = range(5)


class ServerLogin:
    """One login at one server; after its verdict every call raises LoginOver (a ProtocolError).

    secure: the connection is TLS or a Unix socket. scramble, plugin: the greeting's.
    """

    __slots__ = ("_password", "_scramble", "_secure", "_state", "_switches", "_user", "plugin")

    def __init__(self, user: bytes, password: bytes, *, secure: bool, scramble: bytes, plugin: bytes) -> None:
        self._user = user
        self._password = password
        self._secure = secure
        self._scramble = scramble[:SCRAMBLE_BYTES]
        self._switches = 0
        self._state = _UNSTARTED
        # Another plugin's data is not in the greeting: begin with one that every server knows how to switch from.
        self.plugin = plugin if plugin in (NATIVE, CACHING_SHA2) else NATIVE
        """The plugin to name in the handshake response; follows the server's switches."""

    def start(self) -> bytes:
        """The auth response for the handshake response (or COM_CHANGE_USER)."""
        if self._state != _UNSTARTED:
            raise LoginOver("the login has started already")
        self._state = _RESPONDED
        if self.plugin == CACHING_SHA2:
            return sha2_response(self._password, self._scramble)
        return native_response(self._password, self._scramble)

    def receive(self, payload: bytes) -> Step:
        """The server's next payload. Raises ProtocolError for one that has no place here."""
        state = self._state
        if state in (_UNSTARTED, _OVER):
            raise LoginOver("the login is over" if state == _OVER else "the login has not started")
        self._state = _OVER  # and that is final, also where this raises, unless a step leads on
        first = payload[0] if payload else -1
        if first == _ERR:
            error = ERR.parse(payload)
            return self._end(Refused(error.code, error.sqlstate, error.message))
        if first == _OK and state != _WANTS_KEY:
            return self._end(Accepted(self._user))
        if first == _AUTH_SWITCH and state == _RESPONDED:
            return self._follow_switch(payload)
        if first == _AUTH_MORE_DATA and state == _WANTS_KEY:
            return self._go_on(_WANTS_OK, encrypt_password(payload[1:], self._password, self._scramble))
        if state == _RESPONDED and self.plugin == CACHING_SHA2:
            if payload == _FAST_AUTH_SUCCESS:
                return self._go_on(_WANTS_OK)
            if payload == _PERFORM_FULL_AUTHENTICATION and self._secure:
                return self._go_on(_WANTS_OK, self._password + b"\0")
            if payload == _PERFORM_FULL_AUTHENTICATION:
                return self._go_on(_WANTS_KEY, _REQUEST_PUBLIC_KEY)
        raise ProtocolError("a packet that has no place in a login")

    def _follow_switch(self, payload: bytes) -> Step:
        self._switches += 1
        if self._switches > _MOST_SWITCHES:
            return self._refuse(_CR_AUTH_PLUGIN_ERR, b"the server keeps switching authentication plugins")
        plugin, data = parse_auth_switch_request(payload)
        self.plugin = plugin
        if len(data) < _SCRAMBLE_BYTES.get(plugin, 0):
            return self._refuse(_CR_AUTH_PLUGIN_ERR, b"the server's scramble is too short")
        if plugin in (NATIVE, CACHING_SHA2):
            self._scramble = data[:SCRAMBLE_BYTES]
            respond = native_response if plugin == NATIVE else sha2_response
            return self._go_on(_RESPONDED, respond(self._password, self._scramble))
        if plugin == ED25519:
            return self._go_on(_RESPONDED, ed25519_response(self._password, data[:ED25519_SCRAMBLE_BYTES]))
        if plugin not in (CLEAR, SHA256):
            shown = plugin[:_LONGEST_NAME_SHOWN_BYTES]
            return self._refuse(_CR_AUTH_PLUGIN_CANNOT_LOAD, b"the server asks for an unknown plugin '%s'" % shown)
        if plugin == SHA256 and not self._secure and self._password:
            self._scramble = data[:SCRAMBLE_BYTES]
            return self._go_on(_WANTS_KEY, _REQUEST_SHA256_PUBLIC_KEY)
        if plugin == CLEAR and not self._secure:
            return self._refuse(_CR_AUTH_PLUGIN_ERR, b"the server asks for %s, which needs TLS" % plugin)
        return self._go_on(_RESPONDED, self._password + b"\0")

    def _go_on(self, state: int, *send: bytes) -> Step:
        self._state = state
        return Step(send)

    def _refuse(self, code: int, message: bytes) -> Step:
        return self._end(Refused(code, _GENERAL_SQLSTATE, message))

    def _end(self, verdict: Verdict) -> Step:
        self._state = _OVER
        self._password = b""
        return Step((), verdict)
