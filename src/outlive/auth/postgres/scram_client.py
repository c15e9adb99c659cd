"""The client's half of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS: Outlive proves itself to a server, and it to Outlive.

Sources: RFC 5802, RFC 7677, and libpq's fe-auth-scram.c.
"""

import base64
import binascii
import re
from hmac import compare_digest
from typing import Final

from outlive.auth.postgres.scram import MOST_ITERATIONS, ScramKeys, client_proof, derive, hmac_sha256
from outlive.auth.postgres.verdict import LoginRefused, Refused
from outlive.wire import ProtocolError

_EXTENSIONS: Final = rb"(?:,[A-Za-z]=[^,\0]+)*"  # whose names we do not know: to be ignored
_SERVER_FIRST: Final = re.compile(rb"r=([!-+\--~]+),s=([A-Za-z0-9+/]+=*),i=([1-9][0-9]{0,9})" + _EXTENSIONS)
_SERVER_FINAL: Final = re.compile(rb"(?:v=([A-Za-z0-9+/]{43}=)|(e)=[^,\0]+)" + _EXTENSIONS)

_INVALID_PASSWORD: Final = b"28P01"
_INVALID_AUTHORIZATION: Final = b"28000"


class ScramClient:
    """One exchange: `first`, `final`, `verify`. The last two raise ProtocolError for what is malformed, and
    LoginRefused for what is not acceptable.

    keys: serve where the server's secret has their salt and iterations; else the password is needed.
    plus: with SCRAM-SHA-256-PLUS, bound to the server's certificate by certificate_hash. Without, but with a hash, the
    server is told that we could have, so that it finds out who took -PLUS off its list.
    """

    __slots__ = (
        "_auth_message",
        "_binding",
        "_header",
        "_keys",
        "_least_iterations",
        "_nonce",
        "_password",
        "plus",
    )

    def __init__(
        self,
        *,
        password: bytes | None,
        keys: ScramKeys | None,
        plus: bool,
        certificate_hash: bytes | None,
        least_iterations: int,
        nonce: bytes,
    ) -> None:
        self._password = password
        self._keys = keys
        self._least_iterations = least_iterations
        self._nonce = nonce
        self._auth_message = b""
        self._header = b"n,,"
        self._binding = b""
        self.plus = plus
        if plus and certificate_hash is not None:
            self._header, self._binding = b"p=tls-server-end-point,,", certificate_hash
        elif certificate_hash is not None:
            self._header = b"y,,"

    def first(self) -> bytes:
        """The client-first-message. Its user name is empty, as libpq's: servers take the startup packet's."""
        return self._header + self._first_bare()

    def final(self, server_first: bytes) -> bytes:
        """The server-first-message; gives the client-final-message."""
        match = _SERVER_FIRST.fullmatch(server_first)
        if match is None:
            raise ProtocolError("the server's first SCRAM message is malformed")
        nonce, encoded_salt, iterations = match.groups()
        if not nonce.startswith(self._nonce) or len(nonce) == len(self._nonce):
            raise _refusal(_INVALID_AUTHORIZATION, "the server's SCRAM nonce does not continue Outlive's")
        try:
            salt = base64.b64decode(encoded_salt, validate=True)
        except binascii.Error:
            raise ProtocolError("the salt in the server's first SCRAM message is malformed") from None
        keys = self._keys = self._keys_under(salt, int(iterations))
        self._password = None
        without_proof = b"c=%s,r=%s" % (base64.b64encode(self._header + self._binding), nonce)
        self._auth_message = b",".join((self._first_bare(), server_first, without_proof))
        proof = client_proof(keys.client_key, self._auth_message)
        return b"%s,p=%s" % (without_proof, base64.b64encode(proof))

    def verify(self, server_final: bytes) -> ScramKeys:
        """The server-final-message; gives the keys that both sides have proven."""
        match = _SERVER_FINAL.fullmatch(server_final)
        if match is None or self._keys is None:
            raise ProtocolError("the server's final SCRAM message is malformed")
        if match[2] is not None:
            raise _refusal(_INVALID_PASSWORD, "the server refused the password (SCRAM error)")
        try:
            signature = base64.b64decode(match[1], validate=True)
        except binascii.Error:
            raise ProtocolError("the signature in the server's final SCRAM message is malformed") from None
        if not compare_digest(signature, hmac_sha256(self._keys.server_key, self._auth_message)):
            raise _refusal(
                _INVALID_AUTHORIZATION, "the server's SCRAM signature is wrong: it does not know the user's password"
            )
        return self._keys

    def _first_bare(self) -> bytes:
        return b"n=,r=" + self._nonce

    def _keys_under(self, salt: bytes, iterations: int) -> ScramKeys:
        keys = self._keys
        if keys is not None and (keys.salt, keys.iterations) == (salt, iterations):
            return keys
        if self._password is None:
            raise _refusal(
                _INVALID_PASSWORD, "the server's SCRAM secret is not the one the client was judged by: it was changed"
            )
        if not self._least_iterations <= iterations <= MOST_ITERATIONS:
            raise _refusal(
                _INVALID_AUTHORIZATION,
                f"the server asks for {iterations} SCRAM iterations, and Outlive computes {self._least_iterations} to "
                f"{MOST_ITERATIONS}: set scram_iterations there and give the password anew",
            )
        return derive(self._password, salt, iterations)


def _refusal(sqlstate: bytes, message: str) -> LoginRefused:
    return LoginRefused(Refused(sqlstate, message.encode("ascii")))
