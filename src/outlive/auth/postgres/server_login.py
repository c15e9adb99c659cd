"""Outlive's login at a server, where it plays the client: SCRAM-SHA-256 (with -PLUS over TLS), md5, and over TLS a
clear password. With a client certificate, or `trust`, the server asks for nothing.

Source: "Start-up" and "SASL Authentication" of PostgreSQL's frontend/backend protocol documentation. Payloads of type R
come in, those of type p go out; ErrorResponse and NegotiateProtocolVersion are the caller's.
A clear password is never sent without TLS, whatever the server asks for.
"""

from collections.abc import Set
from typing import Final

from outlive.auth.postgres import requests
from outlive.auth.postgres.md5 import md5_hash, md5_response
from outlive.auth.postgres.methods import ALL_METHODS, CLEAR, MD5, NONE, SCRAM
from outlive.auth.postgres.scram import DEFAULT_ITERATIONS, ScramKeys, new_nonce
from outlive.auth.postgres.scram_client import ScramClient
from outlive.auth.postgres.verdict import Accepted, LoginOver, LoginRefused, Refused, Step, Verdict
from outlive.wire import ProtocolError

_INVALID_AUTHORIZATION: Final = b"28000"
_INVALID_PASSWORD: Final = b"28P01"

_LONGEST_REQUEST_BYTES: Final = 2000  # as libpq: no honest request comes near it

_METHODS: Final = {
    requests.OK: NONE,
    requests.CLEARTEXT_PASSWORD: CLEAR,
    requests.MD5_PASSWORD: MD5,
    requests.SASL: SCRAM,
}
_FOREIGN: Final = {
    requests.KERBEROS_V5: "Kerberos V5",
    requests.CRYPT_PASSWORD: "crypt",
    requests.SCM_CREDENTIAL: "SCM credential",
    requests.GSS: "GSSAPI",
    requests.GSS_CONTINUE: "GSSAPI",
    requests.SSPI: "SSPI",
}
_REMEDY: Final = "let its pg_hba.conf ask Outlive for scram-sha-256, or for password over TLS, or for cert"

# The states: what the server may send next.
_STARTED, _WANTS_CONTINUE, _WANTS_FINAL, _WANTS_OK, _OVER = range(5)


class ServerLogin:
    """One login at one server, begun by the startup packet; after its verdict every call raises LoginOver
    (a ProtocolError).

    What is known of the user, each of it optional: password; keys, which a client's proof or an earlier login gave, and
    that serve as long as the server's secret keeps its salt; md5, the digits of the stored hash.
    secure: the connection is TLS or a Unix socket. certificate_hash: channel binding of the server's certificate
    (tls_server_end_point), None without TLS. require_channel_binding: refuse whatever is not SCRAM-SHA-256-PLUS.
    allowed: the methods that the server may ask for (libpq's `require_auth`).
    least_iterations: of SCRAM, where keys must be derived; RFC 7677's least unless the server's scram_iterations is
    known to be lower. At most MOST_ITERATIONS are computed (0.2 s): do keep the verdict's keys.
    """

    __slots__ = (
        "_allowed",
        "_certificate_hash",
        "_keys",
        "_least_iterations",
        "_md5",
        "_method",
        "_nonce",
        "_password",
        "_require_channel_binding",
        "_scram",
        "_secure",
        "_state",
        "_user",
    )

    def __init__(
        self,
        user: bytes,
        *,
        password: bytes | None = None,
        keys: ScramKeys | None = None,
        md5: bytes | None = None,
        secure: bool,
        certificate_hash: bytes | None = None,
        require_channel_binding: bool = False,
        allowed: Set[str] = ALL_METHODS,
        least_iterations: int = DEFAULT_ITERATIONS,
        nonce: bytes | None = None,
    ) -> None:
        self._user = user
        self._password = password or None
        self._keys = keys
        self._md5 = md5
        self._secure = secure
        self._certificate_hash = certificate_hash
        self._require_channel_binding = require_channel_binding
        self._allowed = allowed
        self._least_iterations = least_iterations
        self._nonce = nonce
        self._scram: ScramClient | None = None
        self._method = NONE
        self._state = _STARTED

    def receive(self, payload: bytes) -> Step:
        """The payload of the server's next message of type R. Raises ProtocolError for one that has no place here."""
        state = self._state
        if state == _OVER:
            raise LoginOver("the login is over")
        self._state = _OVER  # and that is final, also where this raises, unless a step leads on
        if len(payload) > _LONGEST_REQUEST_BYTES:
            raise ProtocolError("an authentication request is too long")
        code, data = requests.parse_request(payload)
        try:
            if state == _STARTED:
                return self._follow(code, data)
            return self._go_through_sasl(state, code, data)
        except LoginRefused as error:
            return self._end(error.refused)

    def _follow(self, code: int, data: bytes) -> Step:
        """The server's first request."""
        method = _METHODS.get(code)
        if method is None:
            if code in (requests.SASL_CONTINUE, requests.SASL_FINAL):
                raise ProtocolError("a SASL message that nothing was said before")
            name = _FOREIGN.get(code, "an unknown kind of")
            raise self._refusal(f"the server asks for {name} authentication, which Outlive does not speak: {_REMEDY}")
        self._check_allowed(method)
        self._method = method
        if method == SCRAM:
            return self._begin_sasl(requests.parse_mechanism_list(data))
        if method == MD5:
            return self._answer_md5(data)
        if data:
            raise ProtocolError("an authentication request has bytes that do not belong to it")
        return self._end(Accepted(self._user, NONE)) if method == NONE else self._answer_clear()

    def _check_allowed(self, method: str) -> None:
        if method not in self._allowed or (self._require_channel_binding and method != SCRAM):
            asked = "no authentication" if method == NONE else f"the authentication method {method}"
            raise self._refusal(f"the server asks for {asked}, which the configuration does not allow")

    def _answer_clear(self) -> Step:
        if not self._secure:
            raise self._refusal(
                "the server asks for a clear password, which is sent over TLS only: connect to it with TLS, "
                "or let its pg_hba.conf ask for scram-sha-256"
            )
        return self._go_on(_WANTS_OK, self._known_password() + b"\0")

    def _answer_md5(self, salt: bytes) -> Step:
        if len(salt) != requests.MD5_SALT_BYTES:
            raise ProtocolError("the salt in a request for an md5 password is not of 4 bytes")
        stored = self._md5 if self._md5 is not None else md5_hash(self._known_password(), self._user)
        return self._go_on(_WANTS_OK, md5_response(stored, salt) + b"\0")

    def _begin_sasl(self, mechanisms: list[bytes]) -> Step:
        offers_plus = requests.SCRAM_SHA_256_PLUS in mechanisms
        if offers_plus and not self._secure:
            raise self._refusal("the server offers SCRAM-SHA-256-PLUS without TLS: somebody is between it and Outlive")
        plus = offers_plus and self._certificate_hash is not None
        if self._require_channel_binding and not plus:
            raise self._refusal("channel binding is required, and the server does not offer it on this connection")
        if not plus and requests.SCRAM_SHA_256 not in mechanisms:
            raise self._refusal(f"the server offers no SASL mechanism that Outlive speaks: {_REMEDY}")
        if self._keys is None:
            self._known_password()
        self._scram = ScramClient(
            password=self._password and self._known_password(),
            keys=self._keys,
            plus=plus,
            certificate_hash=self._certificate_hash,
            least_iterations=self._least_iterations,
            nonce=self._nonce if self._nonce is not None else new_nonce(),
        )
        mechanism = requests.SCRAM_SHA_256_PLUS if plus else requests.SCRAM_SHA_256
        return self._go_on(_WANTS_CONTINUE, requests.sasl_initial_response(mechanism, self._scram.first()))

    def _go_through_sasl(self, state: int, code: int, data: bytes) -> Step:
        """What follows an answer: the exchange of SASL, if that was asked for, and AuthenticationOk."""
        scram = self._scram
        if code == requests.OK and not data:
            if state != _WANTS_OK:
                raise self._refusal("the server ended SCRAM without a proof that it knows the user's password")
            return self._end(
                Accepted(
                    self._user,
                    self._method,
                    channel_bound=scram is not None and scram.plus,
                    keys=self._keys if scram is not None else None,
                )
            )
        if scram is not None and state == _WANTS_CONTINUE and code == requests.SASL_CONTINUE:
            return self._go_on(_WANTS_FINAL, scram.final(data))
        if scram is not None and state == _WANTS_FINAL and code == requests.SASL_FINAL:
            self._keys = scram.verify(data)
            return self._go_on(_WANTS_OK)
        raise ProtocolError("an authentication request that has no place here")

    def _known_password(self) -> bytes:
        if self._password is None:
            raise self._refusal("the server asks for a password, and none is known", _INVALID_PASSWORD)
        if b"\0" in self._password:
            raise self._refusal("the password holds a NUL, which no password of PostgreSQL does", _INVALID_PASSWORD)
        return self._password

    def _refusal(self, message: str, sqlstate: bytes = _INVALID_AUTHORIZATION) -> LoginRefused:
        return LoginRefused(Refused(sqlstate, message.encode("ascii")))

    def _go_on(self, state: int, *send: bytes) -> Step:
        self._state = state
        return Step(send)

    def _end(self, verdict: Verdict) -> Step:
        self._state = _OVER
        self._password = self._md5 = self._keys = self._scram = None
        return Step((), verdict)
