"""Every state of a client's login times every message."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.auth.mysql import (
    Accepted,
    ClientLogin,
    Credential,
    LoginKey,
    LoginOver,
    Passthrough,
    Refused,
    Step,
)
from outlive.auth.mysql.rsa import encrypt_password
from outlive.auth.mysql.scramble import CACHING_SHA2, CLEAR, NATIVE, native_response, sha2_response
from outlive.wire import ProtocolError
from outlive.wire.mysql.handshake import parse_auth_switch_request

SCRAMBLE = bytes(range(1, 21))
KEY = LoginKey()
USERS = {b"app": Credential(b"secret"), b"open": Credential(b"")}
RIGHT_NATIVE = native_response(b"secret", SCRAMBLE)
RIGHT_SHA2 = sha2_response(b"secret", SCRAMBLE)

MESSAGES = {
    "empty": b"",
    "nul": b"\0",
    "one": b"\x01",
    "key request": b"\x02",
    "ok": b"\0\0\0\x02\0\0\0",
    "query": b"\x03SELECT 1",
    "right native": RIGHT_NATIVE,
    "right sha2": RIGHT_SHA2,
    "wrong native": native_response(b"other", SCRAMBLE),
    "wrong sha2": sha2_response(b"other", SCRAMBLE),
    "right clear": b"secret\0",
    "right clear, no nul": b"secret",
    "wrong clear": b"other\0",
    "right rsa": encrypt_password(KEY.public_pem, b"secret", SCRAMBLE),
    "wrong rsa": encrypt_password(KEY.public_pem, b"other", SCRAMBLE),
    "rsa of another key": encrypt_password(LoginKey().public_pem, b"secret", SCRAMBLE),
    "16 KiB": b"x" * 16384,
}

SWITCHED_NATIVE, SWITCHED_SHA2, SWITCHED_CLEAR = "switched to native", "switched to sha2", "switched to clear"
CLEAR_STATE, KEY_STATE, RSA_STATE = "clear password", "key request", "rsa password"

# What each state makes of each message; "refused" is every message that a line does not name.
# A clear password may be any bytes, so the server is the one to refuse it.
PASSES_ALL = dict.fromkeys(MESSAGES, "passthrough") | {"right clear": "accepted", "right clear, no nul": "accepted"}
REPLIES = {
    SWITCHED_NATIVE: {"right native": "accepted"},
    SWITCHED_SHA2: {"right sha2": "accepted"},
    SWITCHED_CLEAR: PASSES_ALL,
    CLEAR_STATE: PASSES_ALL,
    KEY_STATE: {"key request": "more", "right rsa": "accepted", "wrong rsa": "passthrough"},
    RSA_STATE: {"right rsa": "accepted", "wrong rsa": "passthrough"},
}


def login(
    plugin: bytes = CACHING_SHA2, *, secure: bool = False, passthrough: bool = False, key: LoginKey | None = KEY
) -> ClientLogin:
    return ClientLogin(
        scramble=SCRAMBLE,
        plugin=plugin,
        secure=secure,
        lookup=USERS.get,
        passthrough=passthrough,
        rsa_key=key,
        host=b"10.0.0.9",
    )


def in_state(state: str, user: bytes = b"app") -> ClientLogin:
    machine = login(
        secure=state in (CLEAR_STATE, SWITCHED_CLEAR),
        passthrough=state in (CLEAR_STATE, KEY_STATE, RSA_STATE, SWITCHED_CLEAR),
    )
    wrong = MESSAGES["wrong sha2"]
    if state == SWITCHED_NATIVE:
        step = machine.start(user, NATIVE, b"", True)
    elif state == SWITCHED_SHA2:
        step = machine.start(user, CACHING_SHA2, b"", True)
    elif state == SWITCHED_CLEAR:
        step = machine.start(user, NATIVE, MESSAGES["wrong native"], True)
    else:
        step = machine.start(user, CACHING_SHA2, wrong, True)
    if state == RSA_STATE:
        step = machine.receive(b"\x02")
    assert step.verdict is None
    assert len(step.send) == 1
    return machine


def outcome(step: Step) -> str:
    names = {Accepted: "accepted", Passthrough: "passthrough", Refused: "refused", type(None): "more"}
    return names[type(step.verdict)]


def assert_over(machine: ClientLogin) -> None:
    for payload in MESSAGES.values():
        with pytest.raises(LoginOver):
            machine.receive(payload)
        with pytest.raises(LoginOver):
            machine.start(b"app", CACHING_SHA2, RIGHT_SHA2, True)
    assert issubclass(LoginOver, ProtocolError)


@pytest.mark.parametrize(("state", "message"), list(itertools.product(REPLIES, MESSAGES)))
def test_each_state_times_each_message(state: str, message: str) -> None:
    machine = in_state(state)
    step = machine.receive(MESSAGES[message])
    assert outcome(step) == REPLIES[state].get(message, "refused")
    if step.verdict is not None:
        assert_over(machine)


@pytest.mark.parametrize(("state", "message"), list(itertools.product(REPLIES, MESSAGES)))
def test_an_unknown_user_is_never_accepted_and_sees_what_a_wrong_password_sees(state: str, message: str) -> None:
    unknown, known = in_state(state, b"nobody"), in_state(state, b"app")
    step = unknown.receive(MESSAGES[message])
    assert outcome(step) != "accepted"
    expected = known.receive(MESSAGES[message])
    if outcome(expected) != "accepted":
        assert step.send == expected.send
        assert outcome(step) == outcome(expected)


@pytest.mark.parametrize("state", REPLIES)
def test_a_login_starts_once(state: str) -> None:
    machine = in_state(state)
    with pytest.raises(LoginOver):
        machine.start(b"app", CACHING_SHA2, RIGHT_SHA2, True)


@pytest.mark.parametrize("message", MESSAGES)
def test_nothing_is_received_before_the_start(message: str) -> None:
    machine = login()
    with pytest.raises(LoginOver):
        machine.receive(MESSAGES[message])


@pytest.mark.parametrize(
    ("plugin", "response", "send"),
    [(NATIVE, RIGHT_NATIVE, ()), (CACHING_SHA2, RIGHT_SHA2, (b"\x01\x03",))],
)
@pytest.mark.parametrize("greeting", [NATIVE, CACHING_SHA2])
@pytest.mark.parametrize("passthrough", [False, True])
def test_a_right_response_is_accepted_at_once(
    plugin: bytes, response: bytes, send: tuple[bytes, ...], greeting: bytes, passthrough: bool
) -> None:
    machine = login(greeting, passthrough=passthrough)
    assert machine.start(b"app", plugin, response, True) == Step(send, Accepted(b"app"))
    assert_over(machine)


@pytest.mark.parametrize("user", [b"app", b"nobody", b"open", b""])
@pytest.mark.parametrize("plugin", [NATIVE, CACHING_SHA2])
@pytest.mark.parametrize("name", [name for name in MESSAGES if name not in ("empty", "nul")])
def test_a_wrong_response_is_refused_at_once_and_for_good(user: bytes, plugin: bytes, name: str) -> None:
    if user == b"app" and (plugin, name) in ((NATIVE, "right native"), (CACHING_SHA2, "right sha2")):
        return
    machine = login()
    step = machine.start(user, plugin, MESSAGES[name], True)
    message = b"Access denied for user '" + user + b"'@'10.0.0.9' (using password: YES)"
    assert step == Step((), Refused(1045, b"28000", message))
    assert_over(machine)


@pytest.mark.parametrize(("plugin", "response"), [(NATIVE, b""), (CACHING_SHA2, b""), (CACHING_SHA2, b"\0")])
@pytest.mark.parametrize("passthrough", [False, True])
def test_an_empty_password_of_an_account_without_one(plugin: bytes, response: bytes, passthrough: bool) -> None:
    machine = login(passthrough=passthrough)
    assert machine.start(b"open", plugin, response, True) == Step((), Accepted(b"open"))
    assert_over(machine)


@pytest.mark.parametrize("user", [b"app", b"nobody"])
@pytest.mark.parametrize("plugin", [NATIVE, CACHING_SHA2])
def test_an_empty_response_gets_one_switch_and_is_then_refused(user: bytes, plugin: bytes) -> None:
    machine = login()
    step = machine.start(user, plugin, b"", True)
    assert [parse_auth_switch_request(payload) for payload in step.send] == [(plugin, SCRAMBLE)]
    step = machine.receive(b"")
    assert isinstance(step.verdict, Refused)
    assert step.verdict.message.endswith(b"(using password: NO)")
    assert_over(machine)


@pytest.mark.parametrize("plugin", [b"", b"sha256_password", b"client_ed25519", b"dialog", CLEAR, b"x" * 500])
@pytest.mark.parametrize("greeting", [NATIVE, CACHING_SHA2])
def test_a_plugin_that_is_not_spoken_is_switched_to_the_greetings(plugin: bytes, greeting: bytes) -> None:
    machine = login(greeting)
    step = machine.start(b"app", plugin, b"secret\0", True)
    assert [parse_auth_switch_request(payload) for payload in step.send] == [(greeting, SCRAMBLE)]
    step = machine.receive(RIGHT_NATIVE if greeting == NATIVE else RIGHT_SHA2)
    assert step.verdict == Accepted(b"app")


def test_a_clear_password_is_taken_over_tls_only() -> None:
    assert login(secure=True).start(b"app", CLEAR, b"secret\0", True) == Step((), Accepted(b"app"))
    assert isinstance(login(secure=True).start(b"app", CLEAR, b"other\0", True).verdict, Refused)
    assert isinstance(login(secure=True).start(b"open", CLEAR, b"\0", True).verdict, Accepted)
    assert isinstance(login(secure=True).start(b"app", CLEAR, b"\0", True).verdict, Refused)
    assert login(secure=False).start(b"app", CLEAR, b"secret\0", True).verdict is None


def test_a_client_without_plugins_speaks_native_and_is_never_switched() -> None:
    assert login().start(b"app", b"", RIGHT_NATIVE, False).verdict == Accepted(b"app")
    assert login().start(b"app", CLEAR, RIGHT_NATIVE, False).verdict == Accepted(b"app")
    assert login().start(b"open", b"", b"", False).verdict == Accepted(b"open")
    for passthrough in (False, True):
        for user in (b"app", b"nobody"):
            wrong = login(passthrough=passthrough).start(user, b"", MESSAGES["wrong native"], False)
            assert isinstance(wrong.verdict, Refused)
            assert wrong.send == ()
    assert isinstance(login().start(b"app", b"", b"", False).verdict, Refused)


@pytest.mark.parametrize("user", [b"nobody", b"app"])
class TestPassthrough:
    """The password is not known here: the client is asked for the clear one, known user or not."""

    @pytest.mark.parametrize("secure", [False, True])
    def test_caching_sha2(self, user: bytes, secure: bool) -> None:
        machine = login(secure=secure, passthrough=True)
        assert machine.start(user, CACHING_SHA2, MESSAGES["wrong sha2"], True) == Step((b"\x01\x04",))
        if secure:
            assert machine.receive(b"other\0") == Step((), Passthrough(user, b"other"))
        else:
            assert machine.receive(b"\x02") == Step((b"\x01" + KEY.public_pem,))
            assert machine.receive(MESSAGES["wrong rsa"]) == Step((), Passthrough(user, b"other"))
        assert_over(machine)

    def test_native_when_the_greeting_was_native_is_switched_to_caching_sha2(self, user: bytes) -> None:
        machine = login(NATIVE, secure=True, passthrough=True)
        step = machine.start(user, NATIVE, MESSAGES["wrong native"], True)
        assert [parse_auth_switch_request(payload) for payload in step.send] == [(CACHING_SHA2, SCRAMBLE)]
        assert machine.receive(MESSAGES["wrong sha2"]) == Step((b"\x01\x04",))
        assert machine.receive(b"other\0").verdict == Passthrough(user, b"other")

    def test_native_chosen_over_an_offered_caching_sha2_is_switched_to_clear_over_tls(self, user: bytes) -> None:
        machine = login(secure=True, passthrough=True)
        step = machine.start(user, NATIVE, MESSAGES["wrong native"], True)
        assert [parse_auth_switch_request(payload) for payload in step.send] == [(CLEAR, b"")]
        assert machine.receive(b"other\0").verdict == Passthrough(user, b"other")

    def test_native_without_tls_is_switched_to_caching_sha2_and_rsa(self, user: bytes) -> None:
        machine = login(passthrough=True)
        step = machine.start(user, NATIVE, MESSAGES["wrong native"], True)
        assert [parse_auth_switch_request(payload) for payload in step.send] == [(CACHING_SHA2, SCRAMBLE)]
        assert machine.receive(MESSAGES["wrong sha2"]) == Step((b"\x01\x04",))
        assert machine.receive(MESSAGES["wrong rsa"]).verdict == Passthrough(user, b"other")

    def test_without_tls_and_without_a_key_no_clear_password_is_asked_for(self, user: bytes) -> None:
        machine = login(passthrough=True, key=None)
        assert isinstance(machine.start(user, CACHING_SHA2, MESSAGES["wrong sha2"], True).verdict, Refused)

    def test_a_clear_password_sent_at_once(self, user: bytes) -> None:
        machine = login(secure=True, passthrough=True)
        assert machine.start(user, CLEAR, b"other\0", True) == Step((), Passthrough(user, b"other"))

    def test_one_switch_is_all_that_any_client_gets(self, user: bytes) -> None:
        for greeting, plugin in itertools.product((NATIVE, CACHING_SHA2), (NATIVE, CACHING_SHA2, b"dialog", b"")):
            machine = login(greeting, passthrough=True)
            step = machine.start(user, plugin, b"", True)
            assert parse_auth_switch_request(step.send[0]) == (CACHING_SHA2, SCRAMBLE)
            step = machine.receive(b"")
            assert step == Step((), Passthrough(user, b""))

    def test_a_password_never_shows(self, user: bytes) -> None:
        assert "other" not in repr(Passthrough(user, b"other"))


def test_verifiers_alone_suffice() -> None:
    known = USERS[b"app"]
    verifiers = Credential(None, native=known.native, sha2=known.sha2)
    for plugin, response in ((NATIVE, RIGHT_NATIVE), (CACHING_SHA2, RIGHT_SHA2), (CLEAR, b"secret\0")):
        machine = ClientLogin(scramble=SCRAMBLE, plugin=CACHING_SHA2, secure=True, lookup=lambda _: verifiers)
        assert machine.start(b"app", plugin, response, True).verdict == Accepted(b"app")


def test_the_error_shows_no_more_than_the_beginning_of_a_name() -> None:
    step = login().start(b"u" * 16000, NATIVE, b"x", True)
    assert isinstance(step.verdict, Refused)
    assert len(step.verdict.message) < 300


payloads = st.one_of(
    st.sampled_from(sorted({m for n, m in MESSAGES.items() if "right" not in n})), st.binary(max_size=300)
)


@given(
    secure=st.booleans(),
    passthrough=st.booleans(),
    greeting=st.sampled_from([NATIVE, CACHING_SHA2]),
    plugin=st.one_of(st.sampled_from([NATIVE, CACHING_SHA2, CLEAR, b""]), st.binary(max_size=30)),
    user=st.sampled_from([b"app", b"nobody"]),
    has_plugins=st.booleans(),
    messages=st.lists(payloads, min_size=1, max_size=6),
)
def test_whatever_comes_nobody_gets_in_without_the_password(
    *,
    secure: bool,
    passthrough: bool,
    greeting: bytes,
    plugin: bytes,
    user: bytes,
    has_plugins: bool,
    messages: list[bytes],
) -> None:
    machine = login(greeting, secure=secure, passthrough=passthrough)
    step = machine.start(user, plugin, messages[0], has_plugins)
    for payload in messages[1:]:
        if step.verdict is not None:
            with pytest.raises(LoginOver):
                machine.receive(payload)
        else:
            step = machine.receive(payload)
    assert not isinstance(step.verdict, Accepted)
