"""The login of a client at Outlive, which plays the server: mysql_native_password, caching_sha2_password (fast, and
full over TLS or RSA) and mysql_clear_password over TLS.

Source: "Connection Phase" of MySQL's client/server protocol documentation. Payloads go in and out without framing.
A user without a credential takes the same steps, and the same computation, as one with a wrong password: nobody
learns from the answer, or from its time, which names exist.
"""

import os
from collections.abc import Callable
from hmac import compare_digest

from outlive.auth.mysql.credential import Credential
from outlive.auth.mysql.rsa import LoginKey
from outlive.auth.mysql.scramble import (
    CACHING_SHA2,
    CLEAR,
    NATIVE,
    NATIVE_RESPONSE_BYTES,
    SHA2_RESPONSE_BYTES,
    native_matches,
    sha2_matches,
    sha2_verifier,
)
from outlive.auth.mysql.verdict import Accepted, LoginOver, Passthrough, Refused, Step, Verdict
from outlive.wire.mysql.constants import ER_ACCESS_DENIED_ERROR
from outlive.wire.mysql.handshake import auth_switch_request

_FAST_AUTH_SUCCESS = b"\x01\x03"
_PERFORM_FULL_AUTHENTICATION = b"\x01\x04"
_REQUEST_PUBLIC_KEY = b"\x02"

_ACCESS_DENIED_SQLSTATE = b"28000"

_LONGEST_NAME_SHOWN_BYTES = 128  # a name has at most 32 characters; the error must not echo 16 KiB of anything

# The states: what the next payload of the client is.
_HANDSHAKE, _SWITCHED, _CLEAR_PASSWORD, _KEY_REQUEST, _RSA_PASSWORD, _OVER = range(6)

# Checked in place of a credential that does not exist. Nobody knows its password, this process included.
_NOBODY = Credential(None, native=os.urandom(20), sha2=os.urandom(32))


class ClientLogin:
    """One login of one client; after its verdict every call raises LoginOver (a ProtocolError).

    scramble: the 20 bytes of the greeting. plugin: the greeting's plugin (native or caching_sha2).
    secure: the client came over TLS or a Unix socket. lookup: the credential of a user, or None.
    passthrough: users whose password is not known, or did not match, are asked for the clear one, for the server to
    judge. rsa_key: takes clear passwords from clients without TLS; without it they cannot be asked for one.
    host: the client's address, for the error's text.
    """

    __slots__ = (
        "_answers_plugins",
        "_credential",
        "_host",
        "_lookup",
        "_passthrough",
        "_plugin",
        "_rsa_key",
        "_scramble",
        "_secure",
        "_state",
        "_used_password",
        "_user",
    )

    def __init__(
        self,
        *,
        scramble: bytes,
        plugin: bytes,
        secure: bool,
        lookup: Callable[[bytes], Credential | None],
        passthrough: bool = False,
        rsa_key: LoginKey | None = None,
        host: bytes = b"localhost",
    ) -> None:
        self._scramble = scramble
        self._plugin = plugin
        self._secure = secure
        self._lookup = lookup
        self._passthrough = passthrough
        self._rsa_key = rsa_key
        self._host = host
        self._user = b""
        self._credential: Credential | None = None
        self._answers_plugins = False
        self._used_password = False
        self._state = _HANDSHAKE

    def start(self, user: bytes, plugin: bytes, auth_response: bytes, client_has_plugin_auth: bool) -> Step:
        """The handshake response's (or COM_CHANGE_USER's) part of the login."""
        if self._state != _HANDSHAKE:
            raise LoginOver("the login has started already")
        self._user = user
        self._credential = self._lookup(user)
        self._answers_plugins = client_has_plugin_auth
        if not client_has_plugin_auth:
            plugin = NATIVE
        if not self._speaks(plugin):
            return self._first_switch(self._plugin)
        # An empty response is an empty password, or a client that waits for the data of a switch: libmysqlclient
        # sends one when its own default plugin is not the greeting's, and with COM_CHANGE_USER.
        if not auth_response and client_has_plugin_auth and not self._has_empty_password():
            return self._first_switch(plugin)
        return self._judge(plugin, auth_response)

    def receive(self, payload: bytes) -> Step:
        """The client's next payload."""
        state = self._state
        if state == _SWITCHED:
            return self._judge(self._plugin, payload)
        if state == _CLEAR_PASSWORD:
            return self._judge_clear(payload)
        if state == _KEY_REQUEST and payload == _REQUEST_PUBLIC_KEY and self._rsa_key is not None:
            self._state = _RSA_PASSWORD
            return Step((b"\x01" + self._rsa_key.public_pem,))
        if state in (_KEY_REQUEST, _RSA_PASSWORD):  # a client that has the key already does not ask for it
            return self._judge_encrypted(payload)
        raise LoginOver("the login is over" if state == _OVER else "the login has not started")

    def _speaks(self, plugin: bytes) -> bool:
        return plugin in (NATIVE, CACHING_SHA2) or (plugin == CLEAR and self._secure)

    def _has_empty_password(self) -> bool:
        return self._credential is not None and not self._credential.native

    def _first_switch(self, plugin: bytes) -> Step:
        # Clients follow one switch, so it goes straight to the plugin that can give a clear password.
        return self._switch(CACHING_SHA2 if self._passthrough else plugin)

    def _switch(self, plugin: bytes) -> Step:
        if not self._answers_plugins:
            return self._refuse()
        self._plugin = plugin
        self._state = _SWITCHED
        return Step((auth_switch_request(plugin, b"" if plugin == CLEAR else self._scramble),))

    def _judge(self, plugin: bytes, response: bytes) -> Step:
        if plugin == CLEAR:
            return self._judge_clear(response)
        if plugin == CACHING_SHA2 and response == b"\0":
            response = b""  # how libmysqlclient writes an empty password with this plugin
        self._used_password = bool(response)
        credential = self._credential or _NOBODY
        if plugin == CACHING_SHA2:
            matches = sha2_matches(response, self._scramble, credential.sha2)
        else:
            matches = native_matches(response, self._scramble, credential.native)
        if matches:
            # With an empty password the client reads the OK next, as the server sends no fast success for it.
            return self._accept((_FAST_AUTH_SUCCESS,) if response and plugin == CACHING_SHA2 else ())
        if not self._passthrough:
            return self._refuse()
        if not response:
            return self._pass_through(b"")
        return self._ask_for_clear(plugin, response)

    def _ask_for_clear(self, plugin: bytes, response: bytes) -> Step:
        """Passthrough: a response that proves nothing here; the same for known and unknown users."""
        if len(response) != (SHA2_RESPONSE_BYTES if plugin == CACHING_SHA2 else NATIVE_RESPONSE_BYTES):
            return self._refuse()
        if plugin == CACHING_SHA2:
            if not self._secure and self._rsa_key is None:
                return self._refuse()
            self._state = _CLEAR_PASSWORD if self._secure else _KEY_REQUEST
            return Step((_PERFORM_FULL_AUTHENTICATION,))
        if self._secure and self._plugin == CACHING_SHA2:
            return self._switch(CLEAR)  # offered caching_sha2 by the greeting, it chose native: it has nothing else
        return self._switch(CACHING_SHA2)

    def _judge_encrypted(self, payload: bytes) -> Step:
        clear = self._rsa_key.decrypt(payload, self._scramble) if self._rsa_key is not None else None
        if clear is None or not clear.endswith(b"\0"):
            return self._refuse()
        return self._judge_clear(clear)

    def _judge_clear(self, payload: bytes) -> Step:
        password = payload.removesuffix(b"\0")
        self._used_password = bool(password)
        credential = self._credential or _NOBODY
        if compare_digest(sha2_verifier(password), credential.sha2):
            return self._accept(())
        if self._passthrough:
            return self._pass_through(password)
        return self._refuse()

    def _accept(self, send: tuple[bytes, ...]) -> Step:
        return self._end(Accepted(self._user), send)

    def _pass_through(self, password: bytes) -> Step:
        return self._end(Passthrough(self._user, password))

    def _refuse(self) -> Step:
        return self._end(access_denied(self._user, self._host, used_password=self._used_password))

    def _end(self, verdict: Verdict, send: tuple[bytes, ...] = ()) -> Step:
        self._state = _OVER
        self._credential = None
        return Step(send, verdict)


def access_denied(user: bytes, host: bytes, *, used_password: bool) -> Refused:
    """The servers' own words for a failed login (ER_ACCESS_DENIED_ERROR)."""
    message = b"Access denied for user '%s'@'%s' (using password: %s)" % (
        user[:_LONGEST_NAME_SHOWN_BYTES],
        host,
        b"YES" if used_password else b"NO",
    )
    return Refused(ER_ACCESS_DENIED_ERROR, _ACCESS_DENIED_SQLSTATE, message)
