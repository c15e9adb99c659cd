"""The login of a client at Outlive, which plays the server: SCRAM-SHA-256 (with -PLUS over TLS), md5, a clear password
over TLS, and the client's certificate.

Source: "SASL Authentication" and "Start-up" of PostgreSQL's frontend/backend protocol documentation; words and
SQLSTATEs of refusals are the server's (auth.c, auth-scram.c). Payloads of type p come in, those of type R go out.
A user without a credential takes the same steps, and the same computation, as one with a wrong password: nobody learns
from the answer, or from its time, which names exist.
"""

import os
from hmac import compare_digest
from typing import Final

from outlive.auth.postgres import requests
from outlive.auth.postgres.credential import Credential
from outlive.auth.postgres.md5 import md5_hash, md5_response
from outlive.auth.postgres.methods import CERT, CLEAR, MD5, SCRAM
from outlive.auth.postgres.mock import MockSecrets
from outlive.auth.postgres.scram import ScramKeys, derive, new_nonce
from outlive.auth.postgres.scram_server import INVALID_AUTHORIZATION, PROTOCOL_VIOLATION, ScramServer
from outlive.auth.postgres.verdict import Accepted, LoginOver, LoginRefused, Passthrough, Refused, Step, Verdict
from outlive.wire import ProtocolError

_INVALID_PASSWORD: Final = b"28P01"

_LONGEST_SASL_BYTES: Final = 1024  # PG_MAX_SASL_MESSAGE_LENGTH
_LONGEST_PASSWORD_BYTES: Final = (
    16 * 1024
)  # before a login no more is read; tokens in place of passwords have some 4 KiB
_LONGEST_NAME_SHOWN_BYTES: Final = 63  # NAMEDATALEN - 1; the error must not echo 16 KiB of anything

# The states: what the next payload of the client is.
_UNSTARTED, _SASL_INITIAL, _SASL_FIRST, _SASL_FINAL, _MD5, _CLEAR, _OVER = range(7)


class ClientLogin:
    """One login of one client; after its verdict every call raises LoginOver (a ProtocolError).

    AuthenticationOk is not among what is sent: after Accepted it is the caller's to say.

    user: the startup packet's. credential: what is known of its password, None for a user that does not exist.
    method: SCRAM, MD5, CLEAR or CERT. A credential that is an md5 hash is judged by md5, and one that is a SCRAM secret
    by SCRAM, if the other of them is asked for. secure: the client came over TLS or a Unix socket.
    certificate_hash: channel binding of the certificate that Outlive showed on this connection (tls_server_end_point),
    None without TLS. certificate_name: the common name of the client's verified certificate.
    passthrough: with CLEAR, a password that does not prove itself here is for the server to judge.
    nonce (24 printable characters without comma), salt (4 bytes, for md5): fresh random ones but in tests.
    """

    __slots__ = (
        "_certificate_hash",
        "_certificate_name",
        "_credential",
        "_method",
        "_mock",
        "_nonce",
        "_passthrough",
        "_salt",
        "_scram",
        "_secure",
        "_state",
        "_user",
    )

    def __init__(
        self,
        user: bytes,
        credential: Credential | None,
        *,
        method: str,
        secure: bool,
        mock: MockSecrets,
        certificate_hash: bytes | None = None,
        certificate_name: bytes | None = None,
        passthrough: bool = False,
        nonce: bytes | None = None,
        salt: bytes | None = None,
    ) -> None:
        self._user = user
        self._credential = credential
        self._method = method
        self._secure = secure
        self._mock = mock
        self._certificate_hash = certificate_hash
        self._certificate_name = certificate_name
        self._passthrough = passthrough
        self._nonce = nonce
        self._salt = salt
        self._scram: ScramServer | None = None
        self._state = _UNSTARTED

    def start(self) -> Step:
        """The request to the client, or at once the verdict."""
        if self._state != _UNSTARTED:
            raise LoginOver("the login has started already")
        method = self._method
        if method == CERT:
            return self._judge_certificate()
        if method == CLEAR:
            return self._ask_for_clear()
        credential = self._credential
        if credential is not None:
            if method == MD5 and credential.md5 is None:
                method = SCRAM
            elif method == SCRAM and credential.scram is None:
                method = MD5
        return self._ask_for_md5() if method == MD5 else self._ask_for_sasl()

    def receive(self, payload: bytes) -> Step:
        """The payload of the client's next message of type p."""
        state = self._state
        if state in (_UNSTARTED, _OVER):
            raise LoginOver("the login is over" if state == _OVER else "the login has not started")
        try:
            if state == _MD5:
                return self._judge_md5(payload)
            if state == _CLEAR:
                return self._judge_clear(payload)
            if len(payload) > _LONGEST_SASL_BYTES:
                raise LoginRefused(_malformed(b"The message is longer than 1024 bytes."))
            if state == _SASL_INITIAL:
                return self._begin_sasl(payload)
            return self._first(payload) if state == _SASL_FIRST else self._judge_proof(payload)
        except LoginRefused as error:
            return self._end(error.refused)

    def _judge_certificate(self) -> Step:
        if self._certificate_name and compare_digest(self._certificate_name, self._user):
            return self._end(Accepted(self._user, CERT))
        return self._end(authentication_failed(self._user, CERT))

    def _ask_for_clear(self) -> Step:
        if not self._secure:
            return self._end(
                Refused(
                    INVALID_AUTHORIZATION, b"a clear password is asked for over TLS only: connect with sslmode=require"
                )
            )
        return self._go_on(_CLEAR, requests.request(requests.CLEARTEXT_PASSWORD))

    def _ask_for_md5(self) -> Step:
        if self._salt is None:
            self._salt = os.urandom(requests.MD5_SALT_BYTES)
        return self._go_on(_MD5, requests.request(requests.MD5_PASSWORD, self._salt))

    def _ask_for_sasl(self) -> Step:
        return self._go_on(_SASL_INITIAL, requests.request(requests.SASL, requests.mechanism_list(self._mechanisms())))

    def _mechanisms(self) -> tuple[bytes, ...]:
        if self._certificate_hash is None:
            return (requests.SCRAM_SHA_256,)
        return (requests.SCRAM_SHA_256_PLUS, requests.SCRAM_SHA_256)

    def _begin_sasl(self, payload: bytes) -> Step:
        try:
            mechanism, response = requests.parse_sasl_initial_response(payload)
        except ProtocolError:
            raise LoginRefused(_malformed(b"The SASLInitialResponse is not well-formed.")) from None
        if mechanism not in self._mechanisms():
            raise LoginRefused(Refused(PROTOCOL_VIOLATION, b"client selected an invalid SASL authentication mechanism"))
        known, mock = self._credential and self._credential.scram, self._mock.scram(self._user)
        self._scram = ScramServer(
            known or mock,
            genuine=known is not None,
            plus=mechanism == requests.SCRAM_SHA_256_PLUS,
            certificate_hash=self._certificate_hash,
            nonce=self._nonce if self._nonce is not None else new_nonce(),
        )
        if response is None:  # as the servers, ask for it then
            return self._go_on(_SASL_FIRST, requests.request(requests.SASL_CONTINUE))
        return self._first(response)

    def _first(self, client_first: bytes) -> Step:
        assert self._scram is not None
        return self._go_on(_SASL_FINAL, requests.request(requests.SASL_CONTINUE, self._scram.first(client_first)))

    def _judge_proof(self, client_final: bytes) -> Step:
        assert self._scram is not None
        proven = self._scram.final(client_final)
        if proven is None:
            return self._end(authentication_failed(self._user))
        server_final, keys = proven
        bound = self._scram.plus
        verdict = Accepted(self._user, SCRAM, channel_bound=bound, keys=keys)
        return self._end(verdict, requests.request(requests.SASL_FINAL, server_final))

    def _judge_md5(self, payload: bytes) -> Step:
        response = _password(payload)
        known, mock = self._credential and self._credential.md5, self._mock.md5(self._user)
        assert self._salt is not None
        if compare_digest(response, md5_response(known or mock, self._salt)) and known:
            return self._end(Accepted(self._user, MD5))
        return self._end(authentication_failed(self._user))

    def _judge_clear(self, payload: bytes) -> Step:
        password = _password(payload)
        credential = self._credential
        if credential is not None and credential.password is not None:
            # The common case, without deriving keys: how long a right password takes is no secret.
            if compare_digest(password, credential.password):
                return self._end(Accepted(self._user, CLEAR, password=password))
            if self._passthrough:
                return self._end(Passthrough(self._user, password))
        if credential is None and self._passthrough:
            return self._end(Passthrough(self._user, password))
        keys = self._keys_of(password)
        right_md5 = self._fits_md5(password)
        if keys is not None or right_md5:
            return self._end(Accepted(self._user, CLEAR, keys=keys, password=password))
        if self._passthrough:
            return self._end(Passthrough(self._user, password))
        return self._end(authentication_failed(self._user))

    def _keys_of(self, password: bytes) -> ScramKeys | None:
        """The keys of the clear password if it is the user's, derived for whatever user."""
        known, mock = self._credential and self._credential.scram, self._mock.scram(self._user)
        secret = known or mock
        keys = derive(password, secret.salt, secret.iterations)
        fits = compare_digest(keys.secret().stored_key, secret.stored_key)
        return keys if fits and known is not None else None

    def _fits_md5(self, password: bytes) -> bool:
        known, mock = self._credential and self._credential.md5, self._mock.md5(self._user)
        return compare_digest(md5_hash(password, self._user), known or mock) and known is not None

    def _go_on(self, state: int, send: bytes) -> Step:
        self._state = state
        return Step((send,))

    def _end(self, verdict: Verdict, *send: bytes) -> Step:
        self._state = _OVER
        self._credential = None
        self._scram = None
        return Step(send, verdict)


def authentication_failed(user: bytes, method: str = CLEAR) -> Refused:
    """The server's own words for a failed login: 28P01 for passwords, 28000 for certificates."""
    shown = user[:_LONGEST_NAME_SHOWN_BYTES].decode("utf-8", "ignore").encode("utf-8")  # cut between characters
    if method == CERT:
        return Refused(INVALID_AUTHORIZATION, b'certificate authentication failed for user "%s"' % shown)
    return Refused(_INVALID_PASSWORD, b'password authentication failed for user "%s"' % shown)


def _password(payload: bytes) -> bytes:
    """A PasswordMessage's text. Raises LoginRefused if it is malformed, too long or empty."""
    if payload.find(b"\0") != len(payload) - 1 or not payload or len(payload) > _LONGEST_PASSWORD_BYTES:
        raise LoginRefused(Refused(PROTOCOL_VIOLATION, b"invalid password packet size"))
    if payload == b"\0":
        raise LoginRefused(Refused(_INVALID_PASSWORD, b"empty password returned by client"))
    return payload[:-1]


def _malformed(detail: bytes) -> Refused:
    return Refused(PROTOCOL_VIOLATION, b"malformed SCRAM message", detail)
