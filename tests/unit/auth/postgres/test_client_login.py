"""Every state of a client's login times every message."""

import base64
import hashlib
import hmac
import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlive.auth.postgres import (
    CERT,
    CLEAR,
    MD5,
    SCRAM,
    Accepted,
    ClientLogin,
    Credential,
    LoginOver,
    MockSecrets,
    Passthrough,
    Refused,
    ScramKeys,
    Step,
)
from outlive.auth.postgres.md5 import md5_hash, md5_response
from outlive.auth.postgres.requests import SASL_CONTINUE, SASL_FINAL, request, sasl_initial_response
from outlive.auth.postgres.scram import client_proof, derive, hmac_sha256
from outlive.wire import ProtocolError

MOCK = MockSecrets(b"m" * 32)
NONCE = b"0123456789abcdefghijklmn"
SALT = b"\0\1\2\3"
HASH = b"h" * 32
FULL = Credential.of_password(b"app", b"pw", MOCK)
assert FULL is not None
SECRET_ONLY = Credential(scram=derive(b"pw", b"another salt", 4100).secret())
MD5_ONLY = Credential(md5=md5_hash(b"pw", b"app"))
CREDENTIALS = {"clear": FULL, "secret": SECRET_ONLY, "md5": MD5_ONLY, "unknown": None}

PLAIN, PLUS = b"SCRAM-SHA-256", b"SCRAM-SHA-256-PLUS"
PLAIN_LIST = b"\0\0\0\x0a" + PLAIN + b"\0\0"
PLUS_LIST = b"\0\0\0\x0a" + PLUS + b"\0" + PLAIN + b"\0\0"
FAILED = Refused(b"28P01", b'password authentication failed for user "app"')
END_POINT = b"p=tls-server-end-point,,"


def login(
    method: str = SCRAM,
    credential: Credential | None = FULL,
    *,
    user: bytes = b"app",
    secure: bool = True,
    tls: bool = False,
    certificate_name: bytes | None = None,
    passthrough: bool = False,
) -> ClientLogin:
    return ClientLogin(
        user,
        credential,
        method=method,
        secure=secure,
        mock=MOCK,
        certificate_hash=HASH if tls else None,
        certificate_name=certificate_name,
        passthrough=passthrough,
        nonce=NONCE,
        salt=SALT,
    )


def final(
    step: Step,
    password: bytes = b"pw",
    *,
    header: bytes = b"n,,",
    binding: bytes = b"",
    bare: bytes = b"n=,r=client",
    nonce: bytes | None = None,
    extension: bytes = b"",
    keys: ScramKeys | None = None,
) -> bytes:
    """The client-final-message that answers a server-first-message."""
    server_first = step.send[0][4:]
    match = re.fullmatch(rb"r=([^,]+),s=([^,]+),i=(\d+)", server_first)
    assert match is not None
    keys = keys or derive(password, base64.b64decode(match[2]), int(match[3]))
    without_proof = b"c=%s,r=%s%s" % (base64.b64encode(header + binding), nonce or match[1], extension)
    proof = client_proof(keys.client_key, b",".join((bare, server_first, without_proof)))
    return without_proof + b",p=" + base64.b64encode(proof)


def first(message: bytes = b"n,,n=,r=client", mechanism: bytes = PLAIN) -> bytes:
    return sasl_initial_response(mechanism, message)


def sent_first(machine: ClientLogin, message: bytes = b"n,,n=,r=client", mechanism: bytes = PLAIN) -> Step:
    machine.start()
    return machine.receive(first(message, mechanism))


def assert_over(machine: ClientLogin) -> None:
    for payload in (b"", b"\0", first(), b"pw\0", md5_response(md5_hash(b"pw", b"app"), SALT) + b"\0"):
        with pytest.raises(LoginOver):
            machine.receive(payload)
    with pytest.raises(LoginOver):
        machine.start()
    assert issubclass(LoginOver, ProtocolError)


def assert_refused(step: Step, sqlstate: bytes, words: str) -> None:
    assert isinstance(step.verdict, Refused)
    assert step.verdict.sqlstate == sqlstate
    assert words in (step.verdict.message + b" " + step.verdict.detail).decode()
    assert step.send == ()


# SCRAM, as it should go


@pytest.mark.parametrize(("credential", "method"), [("clear", SCRAM), ("secret", SCRAM), ("secret", MD5)])
@pytest.mark.parametrize("tls", [False, True])
def test_scram(credential: str, method: str, *, tls: bool) -> None:
    known = CREDENTIALS[credential]
    assert known is not None
    machine = login(method, known, tls=tls)
    assert machine.start() == Step((PLUS_LIST if tls else PLAIN_LIST,))
    step = machine.receive(first())
    assert known.scram is not None
    salt = base64.b64encode(known.scram.salt)
    assert step == Step((request(SASL_CONTINUE, b"r=client%s,s=%s,i=%d" % (NONCE, salt, known.scram.iterations)),))
    answer = final(step)
    verdict = machine.receive(answer)
    auth_message = b",".join((b"n=,r=client", step.send[0][4:], answer[: answer.index(b",p=")]))
    signature = base64.b64encode(hmac_sha256(known.scram.server_key, auth_message))
    assert verdict.send == (request(SASL_FINAL, b"v=" + signature),)
    assert isinstance(verdict.verdict, Accepted)
    assert (verdict.verdict.user, verdict.verdict.method, verdict.verdict.channel_bound) == (b"app", SCRAM, False)
    keys = verdict.verdict.keys
    assert keys is not None
    expected = derive(b"pw", known.scram.salt, known.scram.iterations)
    assert (keys.client_key, keys.server_key, keys.salt, keys.iterations) == (
        expected.client_key,
        expected.server_key,
        known.scram.salt,
        known.scram.iterations,
    )
    assert_over(machine)


def test_scram_plus() -> None:
    machine = login(tls=True)
    step = sent_first(machine, END_POINT + b"n=,r=client", PLUS)
    verdict = machine.receive(final(step, header=END_POINT, binding=HASH)).verdict
    assert isinstance(verdict, Accepted)
    assert verdict.channel_bound
    assert_over(machine)


def test_a_client_that_could_bind_and_was_not_offered_it() -> None:
    machine = login()
    step = sent_first(machine, b"y,,n=,r=client")
    assert isinstance(machine.receive(final(step, header=b"y,,")).verdict, Accepted)


def test_a_client_without_an_initial_response_is_asked_for_it() -> None:
    machine = login()
    machine.start()
    assert machine.receive(PLAIN + b"\0\xff\xff\xff\xff") == Step((request(SASL_CONTINUE),))
    step = machine.receive(b"n,,n=,r=client")
    assert isinstance(machine.receive(final(step)).verdict, Accepted)


def test_extensions_and_user_names_are_ignored() -> None:
    machine = login()
    bare = b"n=someone=2Celse,r=client,x=optional,Y=too"
    step = sent_first(machine, b"n,," + bare)
    assert isinstance(machine.receive(final(step, bare=bare, extension=b",z=1,a=b=c")).verdict, Accepted)


# SCRAM, attacked


@pytest.mark.parametrize(
    ("message", "mechanism", "tls", "sqlstate", "words"),
    [
        (b"y,,n=,r=client", PLAIN, True, b"28000", "However, this server does support channel binding"),
        (b"y,,n=,r=client", PLUS, True, b"08P01", "does not include channel binding data"),
        (b"n,,n=,r=client", PLUS, True, b"08P01", "does not include channel binding data"),
        (END_POINT + b"n=,r=client", PLAIN, True, b"08P01", "without channel binding"),
        (END_POINT + b"n=,r=client", PLAIN, False, b"08P01", "without channel binding"),
        (b"p=tls-unique,,n=,r=client", PLUS, True, b"08P01", "unsupported SCRAM channel-binding type"),
        (b"p=tls-exporter,,n=,r=client", PLUS, True, b"08P01", "unsupported SCRAM channel-binding type"),
        (b"n,,n=,r=client", PLUS, False, b"08P01", "invalid SASL authentication mechanism"),
        (b"n,,n=,r=client", b"SCRAM-SHA-1", False, b"08P01", "invalid SASL authentication mechanism"),
        (b"n,,n=,r=client", b"", False, b"08P01", "invalid SASL authentication mechanism"),
        (b"n,a=admin,n=,r=client", PLAIN, False, b"0A000", "authorization identity"),
        (b"n,,m=must,n=,r=client", PLAIN, False, b"0A000", "unsupported SCRAM extension"),
    ],
)
def test_a_first_message_that_is_refused(
    message: bytes, mechanism: bytes, tls: bool, sqlstate: bytes, words: str
) -> None:
    for credential in (FULL, None):
        machine = login(credential=credential, tls=tls)
        assert_refused(sent_first(machine, message, mechanism), sqlstate, words)
        assert_over(machine)


GOOD_FIRST = b"n,,n=,r=client"


@pytest.mark.parametrize(
    "message",
    [GOOD_FIRST[:length] for length in range(len(GOOD_FIRST) - 5)]
    + [
        b"z,,n=,r=client",
        b"n,,n=,r=",
        b"n,,n=,r=cli\0ent",
        b"n,,n=,r=cli ent",
        b"n,,n=,r=cli\xc3\xa9nt",
        b"n,,r=client,n=",
        b"n,,n=,r=client,",
        b"n,,n=,r=client,1=x",
        b"n,,n=,r=client,x",
        b"n,,n=,r=client,p=x",
        b"n,,n=a\0b,r=client",
        b"n,,n=,r=client\n",
        b"p=,,n=,r=client",
        b"p=" + b"\xff" * 10 + b",,n=,r=client",
        b"\0" * 300,
        b"c=biws,r=client,p=" + b"A" * 43 + b"=",
    ],
)
def test_a_first_message_that_is_malformed(message: bytes) -> None:
    machine = login()
    assert_refused(sent_first(machine, message), b"08P01", "malformed SCRAM message")
    assert_over(machine)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        PLAIN,
        PLAIN + b"\0",
        PLAIN + b"\0\0\0\0",
        PLAIN + b"\0\0\0\0\x05n,,",
        PLAIN + b"\0\x7f\xff\xff\xffn,,",
        PLAIN + b"\0\xff\xff\xff\xfen,,",
        PLAIN + b"\0\xff\xff\xff\xffn,,",
        PLAIN + b"\0\0\0\0\x02n,,n=,r=client",
        b"pw\0",
        b"x" * 1025,
    ],
)
def test_an_initial_response_that_is_malformed(payload: bytes) -> None:
    machine = login()
    machine.start()
    assert_refused(machine.receive(payload), b"08P01", "malformed SCRAM message")
    assert_over(machine)


def test_a_nonce_as_long_as_a_message_may_be_and_a_byte_more() -> None:
    for size, accepted in ((1024, True), (1025, False)):
        nonce = b"x" * (size - len(first(b"n,,n=,r=")))
        machine = login()
        step = sent_first(machine, b"n,,n=,r=" + nonce)
        assert (step.verdict is None) is accepted
    machine = login()
    step = sent_first(machine)
    assert_refused(machine.receive(final(step, extension=b",x=" + b"y" * 1024)), b"08P01", "malformed SCRAM message")


def test_truncated_final_messages() -> None:
    for length in range(len(final(sent_first(login())))):
        machine = login()
        answer = final(sent_first(machine))
        assert_refused(machine.receive(answer[:length]), b"08P01", "malformed SCRAM message")
        assert_over(machine)


def test_each_changed_byte_of_a_final_message_is_refused() -> None:
    answer = final(sent_first(login()))
    spare = len(answer) - 2  # the last digit has bits that say nothing
    positions = [position for position in range(len(answer)) if position != spare]
    for position, flip in itertools.product(positions, (0x01, 0x20, 0x80)):
        machine = login()
        assert final(sent_first(machine)) == answer
        changed = answer[:position] + bytes([answer[position] ^ flip]) + answer[position + 1 :]
        verdict = machine.receive(changed).verdict
        assert isinstance(verdict, Refused), (position, flip)
        assert verdict.sqlstate in (b"08P01", b"28P01")


def test_a_replayed_exchange_fails_as_the_nonce_is_another() -> None:
    recorded = final(sent_first(login()))
    machine = ClientLogin(b"app", FULL, method=SCRAM, secure=True, mock=MOCK)
    step = sent_first(machine)
    assert step.send[0] != sent_first(login()).send[0]
    assert_refused(machine.receive(recorded), b"08P01", "Nonce does not match")


@pytest.mark.parametrize("nonce", [b"client", NONCE, b"client" + NONCE + b"x", b"client" + NONCE[:-1], b"x" * 30])
def test_a_nonce_that_is_not_both(nonce: bytes) -> None:
    machine = login()
    step = sent_first(machine)
    assert_refused(machine.receive(final(step, nonce=nonce)), b"08P01", "Nonce does not match")
    assert_over(machine)


@pytest.mark.parametrize("binding", [b"", b"x" * 32, HASH[:-1], HASH + b"h"])
def test_the_binding_of_another_certificate(binding: bytes) -> None:
    for credential in (FULL, None):
        machine = login(credential=credential, tls=True)
        step = sent_first(machine, END_POINT + b"n=,r=client", PLUS)
        refused = machine.receive(final(step, header=END_POINT, binding=binding))
        assert_refused(refused, b"28000", "SCRAM channel binding check failed")
        assert_over(machine)


@pytest.mark.parametrize("header", [b"y,,", b"n,,x", END_POINT, b"n,a=x,"])
def test_another_header_at_the_end_than_at_the_beginning(header: bytes) -> None:
    machine = login(tls=True)
    step = sent_first(machine)
    assert_refused(machine.receive(final(step, header=header)), b"08P01", "unexpected SCRAM channel-binding attribute")


@pytest.mark.parametrize("credential", CREDENTIALS)
def test_a_wrong_password_and_an_unknown_user(credential: str) -> None:
    machine = login(credential=CREDENTIALS[credential], tls=True)
    machine.start()
    if credential != "md5":
        step = machine.receive(first())
        assert machine.receive(final(step, b"other")) == Step((), FAILED)
    else:
        assert machine.receive(md5_response(md5_hash(b"other", b"app"), SALT) + b"\0") == Step((), FAILED)
    assert_over(machine)


def test_a_stolen_stored_secret_does_not_log_in() -> None:
    assert FULL is not None
    assert FULL.scram is not None
    for key in (FULL.scram.stored_key, FULL.scram.server_key):
        machine = login()
        stolen = ScramKeys(4096, FULL.scram.salt, key, FULL.scram.server_key)
        assert machine.receive(final(sent_first(machine), keys=stolen)).verdict == FAILED


def test_who_knows_the_mock_secret_still_does_not_log_in() -> None:
    """The verdict does not rest on nobody's having the key alone."""

    class Leaky(MockSecrets):
        def scram(self, user: bytes):
            return derive(b"pw", self.salt(user), 4096).secret()

        def md5(self, user: bytes) -> bytes:
            return md5_hash(b"pw", user)

    def unknown(method: str) -> ClientLogin:
        return ClientLogin(b"app", None, method=method, secure=True, mock=Leaky(), nonce=NONCE, salt=SALT)

    machine = unknown(SCRAM)
    assert machine.receive(final(sent_first(machine))) == Step((), FAILED)
    for method, answer in ((MD5, md5_response(md5_hash(b"pw", b"app"), SALT) + b"\0"), (CLEAR, b"pw\0")):
        machine = unknown(method)
        machine.start()
        assert machine.receive(answer) == Step((), FAILED)


# Unknown users


def test_an_unknown_user_sees_what_a_known_one_sees() -> None:
    for tls in (False, True):
        known, unknown = login(tls=tls), login(credential=None, tls=tls)
        assert known.start() == unknown.start()
        # With the same mock key even the salt of a user whose password is known is the one it would have without.
        assert known.receive(first()) == unknown.receive(first())


def test_an_unknown_users_salt_is_its_own_and_stays() -> None:
    assert sent_first(login(credential=None)) == sent_first(login(credential=None))
    assert sent_first(login(credential=None)) != sent_first(login(credential=None, user=b"other"))


class Computations:
    """Counts what costs time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.counts: dict[str, int] = {}
        for module, name in ((hashlib, "pbkdf2_hmac"), (hashlib, "sha256"), (hashlib, "md5"), (hmac, "digest")):
            self._watch(monkeypatch, module, name)

    def _watch(self, monkeypatch: pytest.MonkeyPatch, module, name: str) -> None:
        real = getattr(module, name)

        def counting(*args, **kwargs):
            self.counts[name] = self.counts.get(name, 0) + 1
            return real(*args, **kwargs)

        monkeypatch.setattr(module, name, counting)

    def of(self, machine: ClientLogin, answer) -> dict[str, int]:
        self.counts.clear()
        step = machine.start()
        counted = dict(self.counts)
        while step.verdict is None:
            payload = answer(step)
            self.counts.clear()
            step = machine.receive(payload)
            for name, count in self.counts.items():
                counted[name] = counted.get(name, 0) + count
        assert step.verdict == FAILED
        return counted


@pytest.mark.parametrize(
    ("method", "credentials"),
    [(SCRAM, ["clear", "secret"]), (MD5, ["clear", "md5"]), (CLEAR, ["clear", "secret", "md5"])],
)
def test_an_unknown_user_costs_what_a_wrong_password_costs(
    monkeypatch: pytest.MonkeyPatch, method: str, credentials: list[str]
) -> None:
    watch = Computations(monkeypatch)

    def answer(step: Step) -> bytes:
        if method == CLEAR:
            return b"wrong\0"
        if method == MD5:
            return md5_response(md5_hash(b"wrong", b"app"), SALT) + b"\0"
        return first() if step.send[0].startswith(b"\0\0\0\x0a") else final(step, b"wrong")

    unknown = watch.of(login(method, None), answer)
    assert sum(unknown.values()) > 0
    for name in credentials:
        assert watch.of(login(method, CREDENTIALS[name]), answer) == unknown


# md5 and clear passwords


RIGHT_MD5 = md5_response(md5_hash(b"pw", b"app"), SALT) + b"\0"


@pytest.mark.parametrize(("method", "credential"), [(MD5, "clear"), (MD5, "md5"), (SCRAM, "md5")])
def test_md5(method: str, credential: str) -> None:
    machine = login(method, CREDENTIALS[credential], secure=False)
    assert machine.start() == Step((b"\0\0\0\x05" + SALT,))
    assert machine.receive(RIGHT_MD5) == Step((), Accepted(b"app", MD5))
    assert_over(machine)


def test_salts_are_fresh() -> None:
    salts = {ClientLogin(b"app", None, method=MD5, secure=True, mock=MOCK).start().send[0] for _ in range(50)}
    assert len(salts) == 50
    assert {len(payload) for payload in salts} == {8}


@pytest.mark.parametrize(
    "answer",
    [
        b"md5\0",
        b"pw\0",
        RIGHT_MD5[:-2] + b"\0",
        RIGHT_MD5[:-1].upper() + b"\0",
        b"x" + RIGHT_MD5,
        md5_response(md5_hash(b"pw", b"app"), b"\0\1\2\4") + b"\0",
        md5_hash(b"pw", b"app") + b"\0",
        b"md5" + b"\xff" * 32 + b"\0",
    ],
)
@pytest.mark.parametrize("credential", ["clear", "md5", "unknown"])
def test_a_wrong_md5_answer(answer: bytes, credential: str) -> None:
    machine = login(MD5, CREDENTIALS[credential])
    machine.start()
    assert machine.receive(answer) == Step((), FAILED)
    assert_over(machine)


@pytest.mark.parametrize("credential", ["clear", "secret", "md5"])
@pytest.mark.parametrize("passthrough", [False, True])
def test_a_clear_password(credential: str, *, passthrough: bool) -> None:
    machine = login(CLEAR, CREDENTIALS[credential], passthrough=passthrough)
    assert machine.start() == Step((b"\0\0\0\x03",))
    verdict = machine.receive(b"pw\0").verdict
    assert isinstance(verdict, Accepted)
    assert (verdict.user, verdict.method, verdict.password) == (b"app", CLEAR, b"pw")
    assert (verdict.keys is not None) == (credential == "secret")
    assert_over(machine)
    for shown in (repr(verdict), str(verdict)):
        assert "pw" not in shown.replace("password", "")


@pytest.mark.parametrize("credential", CREDENTIALS)
def test_a_wrong_clear_password_is_refused_or_for_the_server_to_judge(credential: str) -> None:
    machine = login(CLEAR, CREDENTIALS[credential])
    machine.start()
    assert machine.receive(b"other\0") == Step((), FAILED)
    machine = login(CLEAR, CREDENTIALS[credential], passthrough=True)
    machine.start()
    assert machine.receive(b"other\0") == Step((), Passthrough(b"app", b"other"))
    assert_over(machine)
    assert "other" not in repr(Passthrough(b"app", b"other"))


def test_passthrough_is_of_clear_passwords_only() -> None:
    machine = login(SCRAM, None, passthrough=True)
    assert machine.receive(final(sent_first(machine))) == Step((), FAILED)
    machine = login(MD5, None, passthrough=True)
    machine.start()
    assert machine.receive(RIGHT_MD5) == Step((), FAILED)


@pytest.mark.parametrize("credential", CREDENTIALS)
def test_no_clear_password_is_asked_for_without_tls(credential: str) -> None:
    machine = login(CLEAR, CREDENTIALS[credential], secure=False, passthrough=True)
    assert_refused(machine.start(), b"28000", "over TLS only")
    assert_over(machine)


@pytest.mark.parametrize("method", [MD5, CLEAR])
@pytest.mark.parametrize("credential", CREDENTIALS)
@pytest.mark.parametrize(
    ("payload", "sqlstate", "words"),
    [
        (b"", b"08P01", "invalid password packet size"),
        (b"pw", b"08P01", "invalid password packet size"),
        (b"p\0w\0", b"08P01", "invalid password packet size"),
        (b"\0pw\0", b"08P01", "invalid password packet size"),
        (b"pw\0\0", b"08P01", "invalid password packet size"),
        (b"x" * 16384 + b"\0", b"08P01", "invalid password packet size"),
        (b"\0", b"28P01", "empty password returned by client"),
    ],
)
def test_a_malformed_password_message(
    method: str, credential: str, payload: bytes, sqlstate: bytes, words: str
) -> None:
    known = CREDENTIALS[credential]
    if method == MD5 and known is not None and known.md5 is None:
        method = CLEAR
    machine = login(method, known, passthrough=True)
    machine.start()
    assert_refused(machine.receive(payload), sqlstate, words)
    assert_over(machine)


# Certificates


@pytest.mark.parametrize(
    ("user", "name", "accepted"),
    [
        (b"app", b"app", True),
        (b"app", b"App", False),
        (b"app", b"app2", False),
        (b"app", b"", False),
        (b"app", None, False),
        (b"", b"", False),
        (b"\xc3\xbc", b"\xc3\xbc", True),
    ],
)
def test_certificates(user: bytes, name: bytes | None, *, accepted: bool) -> None:
    for credential in (FULL, None):
        machine = login(CERT, credential, user=user, certificate_name=name)
        step = machine.start()
        if accepted:
            assert step == Step((), Accepted(user, CERT))
        else:
            assert_refused(step, b"28000", "certificate authentication failed for user")
        assert_over(machine)


def test_a_certificate_does_not_stand_in_for_a_password() -> None:
    machine = login(SCRAM, FULL, certificate_name=b"app")
    assert machine.receive(final(sent_first(machine), b"other")) == Step((), FAILED)


# Any order


def test_nothing_is_received_before_the_start() -> None:
    for method in (SCRAM, MD5, CLEAR, CERT):
        with pytest.raises(LoginOver):
            login(method).receive(b"pw\0")


def test_the_error_shows_no_more_than_the_beginning_of_a_name() -> None:
    machine = login(credential=None, user="\u00fc".encode() * 8000)
    step = machine.receive(final(sent_first(machine)))
    assert isinstance(step.verdict, Refused)
    assert step.verdict.message.decode() == f'password authentication failed for user "{"ü" * 31}"'


MESSAGES = [
    b"",
    b"\0",
    b"other\0",
    first(),
    first(b"y,,n=,r=client"),
    first(END_POINT + b"n=,r=client", PLUS),
    PLAIN + b"\0\xff\xff\xff\xff",
    b"n,,n=,r=client",
    b"c=biws,r=client" + NONCE + b",p=" + b"A" * 43 + b"=",
    md5_response(md5_hash(b"other", b"app"), SALT) + b"\0",
    b"x" * 20000,
]


@settings(deadline=None)
@given(
    method=st.sampled_from([SCRAM, MD5, CLEAR]),
    credential=st.sampled_from(sorted(CREDENTIALS)),
    secure=st.booleans(),
    tls=st.booleans(),
    messages=st.lists(st.sampled_from(MESSAGES) | st.binary(max_size=100), min_size=1, max_size=5),
)
def test_whatever_comes_nobody_gets_in_without_the_password(
    *, method: str, credential: str, secure: bool, tls: bool, messages: list[bytes]
) -> None:
    machine = login(method, CREDENTIALS[credential], secure=secure, tls=tls)
    step = machine.start()
    for payload in messages:
        if step.verdict is not None:
            with pytest.raises(LoginOver):
                machine.receive(payload)
        else:
            step = machine.receive(payload)
    assert not isinstance(step.verdict, Accepted | Passthrough)


@given(st.from_regex(rb"[nyp](=[a-z-]{0,20})?,(a=.?)?,(m=.,)?n=.{0,5},r=[!-~]{0,40}(,.=.{0,4}){0,3}", fullmatch=True))
def test_whatever_resembles_a_first_message_is_answered_or_refused(message: bytes) -> None:
    for tls, mechanism in ((False, PLAIN), (True, PLAIN), (True, PLUS)):
        step = sent_first(login(tls=tls), message, mechanism)
        assert (step.verdict is None) == bool(step.send)
