"""The server's half of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS: Outlive judges a client.

Sources: RFC 5802, RFC 7677, and for every refusal and its SQLSTATE PostgreSQL's auth-scram.c. As there, the user name
in the exchange is ignored: the startup packet's counts.
"""

import base64
import binascii
import re
from hmac import compare_digest
from typing import Final

from outlive.auth.postgres.scram import (
    KEY_BYTES,
    ScramKeys,
    ScramSecret,
    hmac_sha256,
    proven_client_key,
    sha256,
)
from outlive.auth.postgres.verdict import LoginRefused, Refused

PROTOCOL_VIOLATION: Final = b"08P01"
INVALID_AUTHORIZATION: Final = b"28000"
_FEATURE_NOT_SUPPORTED: Final = b"0A000"

_NONCE: Final = rb"[!-+\--~]+"  # printable and no comma
_EXTENSIONS: Final = rb"(?:,[A-Za-oq-z]=[^,\0]+)*"  # whose names we do not know: to be ignored; "p" is the proof
# gs2-cbind-flag, its channel binding's name, authzid, mandatory extension, nonce
_CLIENT_FIRST: Final = re.compile(
    rb"([ny]|p=([A-Za-z0-9.\-]+)),(a=[^,\0]*)?,(m=[^,\0]*,)?n=[^,\0]*,r=(" + _NONCE + rb")" + _EXTENSIONS
)
_CLIENT_FINAL: Final = re.compile(
    rb"c=([A-Za-z0-9+/]+=*),r=(" + _NONCE + rb")" + _EXTENSIONS + rb",p=([A-Za-z0-9+/]{43}=)"
)
_TLS_SERVER_END_POINT: Final = b"tls-server-end-point"


class ScramServer:
    """One exchange: `first`, then `final`. Both raise LoginRefused.

    genuine: the secret is a user's; with a mock one the proof fails whatever it is.
    plus: the client chose SCRAM-SHA-256-PLUS. certificate_hash: the channel binding of our own certificate, None where
    there is none, and so -PLUS was not offered.
    """

    __slots__ = (
        "_binding",
        "_certificate_hash",
        "_client_first_bare",
        "_genuine",
        "_nonce",
        "_own_nonce",
        "_secret",
        "_server_first",
        "plus",
    )

    def __init__(
        self, secret: ScramSecret, *, genuine: bool, plus: bool, certificate_hash: bytes | None, nonce: bytes
    ) -> None:
        self._secret = secret
        self._genuine = genuine
        self.plus = plus
        self._certificate_hash = certificate_hash
        self._own_nonce = nonce
        self._nonce = b""
        self._binding = b""
        self._client_first_bare = b""
        self._server_first = b""

    def first(self, client_first: bytes) -> bytes:
        """The client-first-message; gives the server-first-message."""
        match = _CLIENT_FIRST.fullmatch(client_first)
        if match is None:
            raise _malformed("The client-first-message is not well-formed.")
        flag, binding_name, identity, extension, client_nonce = match.groups()
        self._check_flag(flag[:1], binding_name)
        if identity is not None:
            raise _refusal(_FEATURE_NOT_SUPPORTED, "client uses authorization identity, but it is not supported")
        if extension is not None:
            raise _refusal(_FEATURE_NOT_SUPPORTED, "client requires an unsupported SCRAM extension")
        header = flag + b",,"
        bound_to = self._certificate_hash if self.plus else None
        self._binding = base64.b64encode(header + (bound_to or b""))
        self._client_first_bare = client_first[len(header) :]
        self._nonce = client_nonce + self._own_nonce
        self._server_first = b"r=%s,s=%s,i=%d" % (
            self._nonce,
            base64.b64encode(self._secret.salt),
            self._secret.iterations,
        )
        return self._server_first

    def final(self, client_final: bytes) -> tuple[bytes, ScramKeys] | None:
        """The client-final-message; gives the server-final-message and the keys, or None if the proof is wrong."""
        match = _CLIENT_FINAL.fullmatch(client_final)
        if match is None:
            raise _malformed("The client-final-message is not well-formed.")
        binding, nonce, encoded_proof = match.groups()
        if not compare_digest(binding, self._binding):
            raise self._wrong_binding()
        if not compare_digest(nonce, self._nonce):
            raise _refusal(PROTOCOL_VIOLATION, "invalid SCRAM response", "Nonce does not match.")
        try:
            proof = base64.b64decode(encoded_proof, validate=True)
        except binascii.Error:
            raise _malformed("The client's proof is no base64.") from None
        without_proof = client_final[: match.start(3) - len(b",p=")]
        auth_message = b",".join((self._client_first_bare, self._server_first, without_proof))
        client_key = proven_client_key(proof, self._secret.stored_key, auth_message)
        # Computed and compared for users that do not exist too: their refusal takes as long.
        signature = hmac_sha256(self._secret.server_key, auth_message)
        right = len(proof) == KEY_BYTES and compare_digest(sha256(client_key), self._secret.stored_key)
        if not right or not self._genuine:
            return None
        keys = ScramKeys(self._secret.iterations, self._secret.salt, client_key, self._secret.server_key)
        return b"v=" + base64.b64encode(signature), keys

    def _check_flag(self, flag: bytes, binding_name: bytes | None) -> None:
        if flag == b"p":
            if not self.plus:
                raise _malformed(
                    "The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes channel "
                    "binding data."
                )
            if binding_name != _TLS_SERVER_END_POINT:
                raise _refusal(PROTOCOL_VIOLATION, "unsupported SCRAM channel-binding type")
        elif self.plus:
            raise _malformed(
                "The client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include channel binding data."
            )
        elif flag == b"y" and self._certificate_hash is not None:
            # The client saw a list of mechanisms without -PLUS. Ours had it: somebody between us took it away.
            raise _refusal(
                INVALID_AUTHORIZATION,
                "SCRAM channel binding negotiation error",
                "The client supports SCRAM channel binding but thinks the server does not. "
                "However, this server does support channel binding.",
            )

    def _wrong_binding(self) -> LoginRefused:
        if self.plus:
            return _refusal(INVALID_AUTHORIZATION, "SCRAM channel binding check failed")
        return _refusal(PROTOCOL_VIOLATION, "unexpected SCRAM channel-binding attribute in client-final-message")


def _refusal(sqlstate: bytes, message: str, detail: str = "") -> LoginRefused:
    return LoginRefused(Refused(sqlstate, message.encode("ascii"), detail.encode("ascii")))


def _malformed(detail: str) -> LoginRefused:
    return _refusal(PROTOCOL_VIOLATION, "malformed SCRAM message", detail)
