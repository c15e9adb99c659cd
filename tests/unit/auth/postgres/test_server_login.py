"""Every state of Outlive's login at a server times every message the server may send; and the two machines together."""

import base64
import hashlib
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlive.auth.postgres import (
    ALL_METHODS,
    CLEAR,
    MD5,
    NONE,
    SCRAM,
    Accepted,
    ClientLogin,
    Credential,
    LoginOver,
    MockSecrets,
    Refused,
    ScramKeys,
    ServerLogin,
    Step,
)
from outlive.auth.postgres.md5 import md5_hash, md5_response
from outlive.auth.postgres.requests import mechanism_list, parse_sasl_initial_response, request
from outlive.auth.postgres.scram import MOST_ITERATIONS, derive, hmac_sha256, sha256, xor
from outlive.wire import ProtocolError

NONCE = b"abcdefghijklmnopqrstuvwx"
HASH = b"h" * 32
SALT = b"0123456789abcdef"
KEYS = derive(b"pw", SALT, 4096)
PLAIN, PLUS = b"SCRAM-SHA-256", b"SCRAM-SHA-256-PLUS"
SASL_PLAIN, SASL_PLUS = request(10, mechanism_list((PLAIN,))), request(10, mechanism_list((PLUS, PLAIN)))
SERVER_FIRST = b"r=" + NONCE + b"server,s=" + base64.b64encode(SALT) + b",i=4096"
CONTINUE = request(11, SERVER_FIRST)


def login(
    password: bytes | None = b"pw",
    *,
    secure: bool = True,
    tls: bool = False,
    keys: ScramKeys | None = None,
    md5: bytes | None = None,
    require_channel_binding: bool = False,
    allowed: frozenset[str] = ALL_METHODS,
    least_iterations: int = 4096,
) -> ServerLogin:
    return ServerLogin(
        b"app",
        password=password,
        keys=keys,
        md5=md5,
        secure=secure or tls,
        certificate_hash=HASH if tls else None,
        require_channel_binding=require_channel_binding,
        allowed=allowed,
        least_iterations=least_iterations,
        nonce=NONCE,
    )


def server_final(step: Step, *, server_key: bytes = KEYS.server_key, server_first: bytes = SERVER_FIRST) -> bytes:
    """What a server says to the client-final-message, once it has checked the proof."""
    without_proof, _, proof = step.send[0].rpartition(b",p=")
    auth_message = b",".join((b"n=,r=" + NONCE, server_first, without_proof))
    assert sha256(xor(base64.b64decode(proof), hmac_sha256(sha256(KEYS.client_key), auth_message))) == sha256(
        KEYS.client_key
    )
    return request(12, b"v=" + base64.b64encode(hmac_sha256(server_key, auth_message)))


OK = request(0)
STARTED, AFTER_CLEAR, AFTER_MD5, WANTS_CONTINUE, WANTS_FINAL, VERIFIED = (
    "started",
    "after the clear password",
    "after md5",
    "wants continue",
    "wants final",
    "verified",
)


def in_state(state: str) -> tuple[ServerLogin, bytes]:
    """The machine, and the right AuthenticationSASLFinal where there is one."""
    machine = login()
    right_final = b""
    path = {
        STARTED: (),
        AFTER_CLEAR: (request(3),),
        AFTER_MD5: (request(5, b"salt"),),
        WANTS_CONTINUE: (SASL_PLAIN,),
        WANTS_FINAL: (SASL_PLAIN, CONTINUE),
        VERIFIED: (SASL_PLAIN, CONTINUE),
    }[state]
    for payload in path:
        step = machine.receive(payload)
        assert step.verdict is None
    if state in (WANTS_FINAL, VERIFIED):
        right_final = server_final(step)
    if state == VERIFIED:
        assert machine.receive(right_final) == Step()
    return machine, right_final


MESSAGES = {
    "ok": OK,
    "ok and more": OK + b"\0",
    "kerberos": request(2),
    "clear": request(3),
    "clear and more": request(3, b"x"),
    "crypt": request(4),
    "md5": request(5, b"salt"),
    "md5 without salt": request(5),
    "md5 with a long salt": request(5, b"salty"),
    "scm": request(6),
    "gss": request(7),
    "gss continue": request(8, b"token"),
    "sspi": request(9),
    "sasl": SASL_PLAIN,
    "sasl plus": SASL_PLUS,
    "sasl of none": request(10, b"\0"),
    "sasl foreign": request(10, mechanism_list((b"OAUTHBEARER", b"SCRAM-SHA-512"))),
    "sasl torn": SASL_PLAIN[:-1],
    "sasl empty": request(10),
    "sasl hole": request(10, b"\0" + PLAIN + b"\0\0"),
    "continue": CONTINUE,
    "continue empty": request(11),
    "right final": b"",  # the machine's own
    "final without a signature": request(12, b"v="),
    "final wrong": request(12, b"v=" + base64.b64encode(b"x" * 32)),
    "final error": request(12, b"e=invalid-proof"),
    "final torn": request(12, b"v=AAAA"),
    "unknown": request(13),
    "far": request(0xFFFFFFFF),
    "empty": b"",
    "torn": b"\0\0\0",
    "long": request(11, b"x" * 2000),
}

# What each state makes of each message; "error" (ProtocolError) is every message that a line does not name.
REPLIES = {
    STARTED: {
        "ok": "accepted",
        "clear": "sent",
        "md5": "sent",
        "sasl": "sent",
        "sasl plus": "sent",
        **dict.fromkeys(("kerberos", "crypt", "scm", "gss", "gss continue", "sspi", "unknown", "far"), "refused"),
        **dict.fromkeys(("sasl of none", "sasl foreign"), "refused"),
    },
    AFTER_CLEAR: {"ok": "accepted"},
    AFTER_MD5: {"ok": "accepted"},
    WANTS_CONTINUE: {"ok": "refused", "continue": "sent"},
    WANTS_FINAL: {"ok": "refused", "right final": "waits", "final wrong": "refused", "final error": "refused"},
    VERIFIED: {"ok": "accepted"},
}


def assert_over(machine: ServerLogin) -> None:
    for payload in MESSAGES.values():
        with pytest.raises(LoginOver):
            machine.receive(payload)
    assert issubclass(LoginOver, ProtocolError)


@pytest.mark.parametrize(("state", "message"), list(itertools.product(REPLIES, MESSAGES)))
def test_each_state_times_each_message(state: str, message: str) -> None:
    machine, right_final = in_state(state)
    payload = right_final if message == "right final" and right_final else MESSAGES[message]
    expected = REPLIES[state].get(message, "error")
    if expected == "error":
        with pytest.raises(ProtocolError) as caught:
            machine.receive(payload)
        assert not isinstance(caught.value, LoginOver)
        assert_over(machine)
        return
    step = machine.receive(payload)
    if expected in ("sent", "waits"):
        assert step.verdict is None
        assert len(step.send) == (1 if expected == "sent" else 0)
        return
    assert step.send == ()
    assert isinstance(step.verdict, Accepted if expected == "accepted" else Refused)
    if isinstance(step.verdict, Refused):
        assert step.verdict.sqlstate in (b"28000", b"28P01")
    assert_over(machine)


@pytest.mark.parametrize(
    ("state", "method"), [(STARTED, NONE), (AFTER_CLEAR, CLEAR), (AFTER_MD5, MD5), (VERIFIED, SCRAM)]
)
def test_the_verdict_says_how(state: str, method: str) -> None:
    verdict = in_state(state)[0].receive(OK).verdict
    assert isinstance(verdict, Accepted)
    assert (verdict.user, verdict.method, verdict.channel_bound) == (b"app", method, False)
    assert (verdict.keys is not None) == (method == SCRAM)


def test_what_is_answered() -> None:
    assert login().receive(request(3)).send == (b"pw\0",)
    assert login().receive(request(5, b"salt")).send == (md5_response(md5_hash(b"pw", b"app"), b"salt") + b"\0",)
    digits = md5_hash(b"pw", b"app")
    assert login(None, md5=digits).receive(request(5, b"salt")).send == login().receive(request(5, b"salt")).send
    for tls, offer, mechanism, header in (
        (False, SASL_PLAIN, PLAIN, b"n,,"),
        (True, SASL_PLAIN, PLAIN, b"y,,"),
        (True, SASL_PLUS, PLUS, b"p=tls-server-end-point,,"),
        (False, SASL_PLUS, PLAIN, b"n,,"),  # over TLS with a certificate that has no binding
    ):
        sent = login(tls=tls).receive(offer).send[0]
        assert parse_sasl_initial_response(sent) == (mechanism, header + b"n=,r=" + NONCE)


def test_nonces_are_fresh() -> None:
    sent = {ServerLogin(b"app", password=b"pw", secure=False).receive(SASL_PLAIN).send[0] for _ in range(50)}
    assert len(sent) == 50


# Refusals


def refusal(machine: ServerLogin, *payloads: bytes) -> Refused:
    step = Step()
    for payload in payloads:
        step = machine.receive(payload)
    assert isinstance(step.verdict, Refused)
    assert step.send == ()
    assert_over(machine)
    return step.verdict


@pytest.mark.parametrize(
    ("code", "name"), [(2, b"Kerberos V5"), (7, b"GSSAPI"), (9, b"SSPI"), (4, b"crypt"), (6, b"SCM"), (99, b"unknown")]
)
def test_foreign_methods_are_refused_with_a_remedy(code: int, name: bytes) -> None:
    refused = refusal(login(), request(code))
    assert refused.sqlstate == b"28000"
    assert name in refused.message
    assert b"pg_hba.conf" in refused.message


def test_a_clear_password_is_sent_over_tls_only() -> None:
    assert b"over TLS only" in refusal(login(secure=False), request(3)).message


def test_plus_without_tls_is_somebody_between() -> None:
    assert b"somebody is between" in refusal(login(secure=False), SASL_PLUS).message


@pytest.mark.parametrize("payload", [request(3), request(5, b"salt"), SASL_PLAIN])
@pytest.mark.parametrize("password", [None, b"", b"p\0w"])
def test_no_password_or_none_that_can_be(payload: bytes, password: bytes | None) -> None:
    refused = refusal(login(password), payload)
    assert refused.sqlstate == b"28P01"
    assert b"p\0w" not in refused.message


def test_keys_and_hashes_serve_their_own_method_only() -> None:
    assert refusal(login(None, keys=KEYS), request(3)).sqlstate == b"28P01"
    assert refusal(login(None, keys=KEYS), request(5, b"salt")).sqlstate == b"28P01"
    assert refusal(login(None, md5=b"0" * 32), request(3)).sqlstate == b"28P01"
    assert refusal(login(None, md5=b"0" * 32), SASL_PLAIN).sqlstate == b"28P01"


@pytest.mark.parametrize(("payload", "method"), [(OK, NONE), (request(3), CLEAR), (request(5, b"salt"), MD5)])
def test_methods_that_are_not_allowed(payload: bytes, method: str) -> None:
    assert b"does not allow" in refusal(login(allowed=ALL_METHODS - {method}), payload).message
    assert b"does not allow" in refusal(login(tls=True, require_channel_binding=True), payload).message
    assert b"does not allow" in refusal(login(allowed=ALL_METHODS - {SCRAM}), SASL_PLAIN).message


def test_channel_binding_that_is_required() -> None:
    assert login(tls=True, require_channel_binding=True).receive(SASL_PLUS).verdict is None
    for machine, offer in (
        (login(tls=True, require_channel_binding=True), SASL_PLAIN),
        (login(require_channel_binding=True), SASL_PLUS),
        (login(require_channel_binding=True), SASL_PLAIN),
    ):
        assert b"channel binding is required" in refusal(machine, offer).message


# The server's SCRAM messages, attacked


@pytest.mark.parametrize("nonce", [NONCE, NONCE[:-1] + b"Xserver", b"x" + NONCE, b"server", NONCE[:-1]])
def test_a_server_nonce_that_does_not_continue_ours(nonce: bytes) -> None:
    refused = refusal(login(), SASL_PLAIN, request(11, SERVER_FIRST.replace(NONCE + b"server", nonce)))
    assert b"nonce" in refused.message


@pytest.mark.parametrize("iterations", [1, 4095, MOST_ITERATIONS + 1, 2**31 - 1, 9_999_999_999])
def test_iterations_out_of_bounds_are_refused_before_they_are_computed(
    monkeypatch: pytest.MonkeyPatch, iterations: int
) -> None:
    def computed(*_: object) -> bytes:
        raise AssertionError("computed")

    monkeypatch.setattr(hashlib, "pbkdf2_hmac", computed)
    bomb = request(11, SERVER_FIRST.replace(b"4096", b"%d" % iterations))
    for known in (None, KEYS):  # keys of another number of iterations do not help
        refused = refusal(login(keys=known), SASL_PLAIN, bomb)
        assert b"SCRAM iterations" in refused.message


def test_fewer_iterations_where_they_are_expected() -> None:
    machine = login(least_iterations=1)
    machine.receive(SASL_PLAIN)
    assert machine.receive(request(11, SERVER_FIRST.replace(b"4096", b"1"))).verdict is None


@pytest.mark.parametrize(
    "message",
    [SERVER_FIRST[:length] for length in range(len(SERVER_FIRST) - 3)]
    + [
        b"m=must," + SERVER_FIRST,
        SERVER_FIRST.replace(b"r=", b"R="),
        SERVER_FIRST.replace(b",i=4096", b",i=0"),
        SERVER_FIRST.replace(b",i=4096", b",i=-4096"),
        SERVER_FIRST.replace(b",i=4096", b",i= 4096"),
        SERVER_FIRST.replace(b",i=4096", b",i=04096"),
        SERVER_FIRST.replace(b",i=4096", b",i=4_096"),
        SERVER_FIRST.replace(b",i=4096", b",i=" + b"9" * 1000),
        SERVER_FIRST + b",",
        SERVER_FIRST + b"\0",
        SERVER_FIRST + b"\n",
        SERVER_FIRST.replace(b"s=", b"s=="),
        SERVER_FIRST.replace(b"s=", b"s=A"),
        SERVER_FIRST.replace(b"s=" + base64.b64encode(SALT), b"s="),
        SERVER_FIRST.replace(b"server", b"ser\0ver"),
        SERVER_FIRST.replace(b"server", b"ser ver"),
        b"e=other-error",
        b"\xff" * 1990,
    ],
)
def test_a_malformed_first_message_of_the_server(message: bytes) -> None:
    machine = login()
    machine.receive(SASL_PLAIN)
    with pytest.raises(ProtocolError):
        machine.receive(request(11, message))
    assert_over(machine)


def test_unknown_extensions_are_ignored() -> None:
    machine = login()
    machine.receive(SASL_PLAIN)
    extended = SERVER_FIRST + b",x=optional"
    right = server_final(machine.receive(request(11, extended)), server_first=extended)
    assert machine.receive(right + b",y=z") == Step()


def test_a_salt_of_any_length() -> None:
    for size in (1, 3, 64, 1000):
        machine = login()
        machine.receive(SASL_PLAIN)
        salted = SERVER_FIRST.replace(base64.b64encode(SALT), base64.b64encode(b"s" * size))
        assert machine.receive(request(11, salted)).verdict is None


def test_each_changed_byte_of_a_signature_is_an_error_or_refused() -> None:
    right = in_state(WANTS_FINAL)[1]
    spare = len(right) - 2  # the last digit has bits that say nothing
    positions = [position for position in range(4, len(right)) if position != spare]
    for position, flip in itertools.product(positions, (0x01, 0x20, 0x80)):
        changed = right[:position] + bytes([right[position] ^ flip]) + right[position + 1 :]
        machine, _ = in_state(WANTS_FINAL)
        try:
            step = machine.receive(changed)
        except ProtocolError:
            pass
        else:
            assert isinstance(step.verdict, Refused)
        assert_over(machine)


def test_the_servers_key_is_proven_too() -> None:
    machine = login()
    machine.receive(SASL_PLAIN)
    wrong = server_final(machine.receive(CONTINUE), server_key=b"x" * 32)
    assert b"signature is wrong" in refusal(machine, wrong).message


def test_a_signature_of_another_exchange() -> None:
    recorded = in_state(WANTS_FINAL)[1]
    machine = ServerLogin(b"app", password=b"pw", secure=True)
    _, first = parse_sasl_initial_response(machine.receive(SASL_PLAIN).send[0])
    assert first is not None
    own_nonce = first.rpartition(b"r=")[2]
    machine.receive(request(11, SERVER_FIRST.replace(NONCE, own_nonce)))
    assert b"signature is wrong" in refusal(machine, recorded).message


# Keys


def test_keys_log_in_without_deriving_any(monkeypatch: pytest.MonkeyPatch) -> None:
    def computed(*_: object) -> bytes:
        raise AssertionError("computed")

    monkeypatch.setattr(hashlib, "pbkdf2_hmac", computed)
    for password in (None, b"pw"):
        machine = login(password, keys=KEYS)
        machine.receive(SASL_PLAIN)
        machine.receive(server_final(machine.receive(CONTINUE)))
        verdict = machine.receive(OK).verdict
        assert isinstance(verdict, Accepted)
        assert verdict.keys is KEYS


@pytest.mark.parametrize(
    "stale", [derive(b"pw", b"another salt", 4096), derive(b"pw", SALT, 5000)], ids=["salt", "iterations"]
)
def test_stale_keys_need_the_password(stale: ScramKeys) -> None:
    assert refusal(login(None, keys=stale), SASL_PLAIN, CONTINUE).sqlstate == b"28P01"
    machine = login(keys=stale)
    machine.receive(SASL_PLAIN)
    machine.receive(server_final(machine.receive(CONTINUE)))
    verdict = machine.receive(OK).verdict
    assert isinstance(verdict, Accepted)
    assert verdict.keys is not None
    assert (verdict.keys.client_key, verdict.keys.salt) == (KEYS.client_key, SALT)


# Both machines


MOCK = MockSecrets()


def meet(client: ServerLogin, server: ClientLogin) -> tuple[object, object]:
    """The verdict of each: first of who logs in, then of who judges."""
    step = server.start()
    mine = None
    while True:
        answers = [client.receive(payload) for payload in step.send]
        mine = next((answer.verdict for answer in answers if answer.verdict is not None), mine)
        if isinstance(step.verdict, Accepted) and mine is None:
            mine = client.receive(OK).verdict
        if step.verdict is not None or mine is not None:
            return mine, step.verdict
        (payload,) = [payload for answer in answers for payload in answer.send]
        step = server.receive(payload)


@settings(deadline=None, max_examples=60)
@given(
    method=st.sampled_from([SCRAM, MD5, CLEAR]),
    tls=st.booleans(),
    known=st.text(min_size=1, max_size=20).filter(lambda text: "\0" not in text),
    given_=st.none() | st.text(min_size=1, max_size=20).filter(lambda text: "\0" not in text),
    user=st.sampled_from([b"app", "J\u00fcrgen".encode()]),
)
def test_the_two_machines_agree(*, method: str, tls: bool, known: str, given_: str | None, user: bytes) -> None:
    password = known.encode("utf-8", "replace")
    tried = password if given_ is None else given_.encode("utf-8", "replace")
    certificate_hash = HASH if tls else None
    server = ClientLogin(
        user,
        Credential.of_password(user, password, MOCK),
        method=method,
        secure=True,
        mock=MOCK,
        certificate_hash=certificate_hash,
    )
    client = ServerLogin(user, password=tried, secure=True, certificate_hash=certificate_hash)
    mine, theirs = meet(client, server)
    if tried == password:
        assert isinstance(theirs, Accepted)
        assert isinstance(mine, Accepted)
        assert mine.method == theirs.method == method
        assert mine.channel_bound == theirs.channel_bound == (tls and method == SCRAM)
    else:
        assert mine is None or isinstance(mine, Accepted) == isinstance(theirs, Accepted)


def test_a_clients_keys_log_in_where_its_secret_is() -> None:
    secret = derive(b"pw", b"the server's salt", 4096).secret().encode()

    def judge() -> ClientLogin:
        return ClientLogin(b"app", Credential.of_stored(secret), method=SCRAM, secure=True, mock=MOCK)

    _, accepted = meet(login(), judge())
    assert isinstance(accepted, Accepted)
    mine, theirs = meet(login(None, keys=accepted.keys), judge())
    assert isinstance(mine, Accepted)
    assert isinstance(theirs, Accepted)


@settings(deadline=None)
@given(st.lists(st.sampled_from(sorted(MESSAGES.values())) | st.binary(max_size=60), min_size=1, max_size=6))
def test_any_messages_lead_to_a_step_or_a_protocol_error(messages: list[bytes]) -> None:
    machine = login(tls=True, allowed=ALL_METHODS - {NONE})
    for payload in messages:
        try:
            step = machine.receive(payload)
        except ProtocolError:
            continue
        for sent in step.send:
            assert not sent.startswith(b"pw") or payload == request(3)
        assert not isinstance(step.verdict, Accepted) or step.verdict.method in (MD5, CLEAR)
