"""Every state of Outlive's login at a server times every message the server may send."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.auth.mysql import Accepted, LoginKey, LoginOver, Refused, ServerLogin, Step
from outlive.auth.mysql.scramble import (
    CACHING_SHA2,
    CLEAR,
    ED25519,
    NATIVE,
    SHA256,
    ed25519_response,
    native_response,
    sha2_response,
)
from outlive.wire import ProtocolError
from outlive.wire.mysql.handshake import auth_switch_request
from outlive.wire.mysql.ok import ERR

FIRST, SECOND, LONG = bytes(range(1, 21)), bytes(range(21, 41)), bytes(range(41, 73))
KEY = LoginKey()

MESSAGES = {
    "ok": b"\0\0\0\x02\0\0\0",
    "err": ERR(1045, b"28000", b"Access denied").encode(),
    "err without sqlstate": b"\xff\x10\x04Too many connections",
    "switch native": auth_switch_request(NATIVE, SECOND),
    "switch sha2": auth_switch_request(CACHING_SHA2, SECOND),
    "switch ed25519": auth_switch_request(ED25519, LONG),
    "switch clear": auth_switch_request(CLEAR, b""),
    "switch sha256": auth_switch_request(SHA256, SECOND),
    "switch short native": auth_switch_request(NATIVE, b"short"),
    "switch short ed25519": auth_switch_request(ED25519, SECOND),
    "switch unknown": auth_switch_request(b"parsec", SECOND),
    "switch old": b"\xfe",
    "switch torn": b"\xfemysql_native",
    "fast": b"\x01\x03",
    "full": b"\x01\x04",
    "key": b"\x01" + KEY.public_pem,
    "no key": b"\x01nonsense",
    "more": b"\x01",
    "empty": b"",
    "torn err": b"\xff\x15",
    "greeting": b"\x0a5.5.5\0",
    "rows": b"\x03\x03def",
}
SWITCHES = {name for name in MESSAGES if name.startswith("switch")}

NATIVE_STATE, SHA2_STATE, SHA2_TLS, KEY_STATE, OK_STATE = "native", "sha2", "sha2 over tls", "key", "ok"

# What each state makes of each message; "error" (ProtocolError) is every message that a line does not name.
ENDS = {"ok": "accepted", "err": "refused", "err without sqlstate": "refused"}
FOLLOWS = {
    "switch native": "sent",
    "switch sha2": "sent",
    "switch ed25519": "sent",
    "switch clear": "refused",
    "switch sha256": "sent",
    "switch short native": "refused",
    "switch short ed25519": "refused",
    "switch unknown": "refused",
}
REPLIES = {
    NATIVE_STATE: ENDS | FOLLOWS,
    SHA2_STATE: ENDS | FOLLOWS | {"fast": "waits", "full": "sent"},
    SHA2_TLS: ENDS | FOLLOWS | {"fast": "waits", "full": "sent", "switch clear": "sent"},
    KEY_STATE: {"err": "refused", "err without sqlstate": "refused", "key": "sent"},
    OK_STATE: ENDS,
}


def login(plugin: bytes = CACHING_SHA2, *, secure: bool = False) -> ServerLogin:
    return ServerLogin(b"app", b"secret", secure=secure, scramble=FIRST, plugin=plugin)


def in_state(state: str) -> ServerLogin:
    machine = login(NATIVE if state == NATIVE_STATE else CACHING_SHA2, secure=state in (SHA2_TLS, OK_STATE))
    machine.start()
    if state in (KEY_STATE, OK_STATE):
        machine.receive(b"\x01\x04")
    return machine


def outcome(machine: ServerLogin, payload: bytes) -> str:
    try:
        step = machine.receive(payload)
    except LoginOver:
        return "over"
    except ProtocolError:
        return "error"
    if step.verdict is None:
        return "sent" if step.send else "waits"
    return "accepted" if isinstance(step.verdict, Accepted) else "refused"


def assert_over(machine: ServerLogin) -> None:
    assert {outcome(machine, payload) for payload in MESSAGES.values()} == {"over"}
    with pytest.raises(LoginOver):
        machine.start()


@pytest.mark.parametrize(("state", "message"), list(itertools.product(REPLIES, MESSAGES)))
def test_each_state_times_each_message(state: str, message: str) -> None:
    machine = in_state(state)
    expected = REPLIES[state].get(message, "error")
    assert outcome(machine, MESSAGES[message]) == expected
    if expected in ("accepted", "refused", "error"):
        assert_over(machine)


@pytest.mark.parametrize("message", MESSAGES)
def test_nothing_is_received_before_the_start(message: str) -> None:
    with pytest.raises(LoginOver):
        login().receive(MESSAGES[message])


@pytest.mark.parametrize(("state", "message"), list(itertools.product([NATIVE_STATE, SHA2_STATE, KEY_STATE], MESSAGES)))
def test_the_clear_password_is_never_sent_without_tls(state: str, message: str) -> None:
    machine = in_state(state)
    try:
        step = machine.receive(MESSAGES[message])
    except ProtocolError:
        return
    assert not any(b"secret" in payload for payload in step.send)
    if isinstance(step.verdict, Refused):
        assert b"secret" not in step.verdict.message


def test_first_responses() -> None:
    assert login(NATIVE).start() == native_response(b"secret", FIRST)
    assert login(CACHING_SHA2).start() == sha2_response(b"secret", FIRST)
    for other in (ED25519, SHA256, CLEAR, b"", b"unknown"):
        machine = login(other, secure=True)
        assert machine.plugin == NATIVE
        assert machine.start() == native_response(b"secret", FIRST)


def test_switches_answer_with_the_new_scramble() -> None:
    expected = {
        "switch native": (NATIVE, native_response(b"secret", SECOND)),
        "switch sha2": (CACHING_SHA2, sha2_response(b"secret", SECOND)),
        "switch ed25519": (ED25519, ed25519_response(b"secret", LONG)),
        "switch clear": (CLEAR, b"secret\0"),
        "switch sha256": (SHA256, b"secret\0"),
    }
    for message, (plugin, response) in expected.items():
        machine = in_state(SHA2_TLS)
        assert machine.receive(MESSAGES[message]) == Step((response,))
        assert machine.plugin == plugin
        assert machine.receive(MESSAGES["ok"]).verdict == Accepted(b"app")


def test_a_scramble_may_come_with_its_nul_or_without() -> None:
    for data in (SECOND, SECOND + b"\0"):
        machine = login()
        machine.start()
        step = machine.receive(b"\xfe" + NATIVE + b"\0" + data)
        assert step.send == (native_response(b"secret", SECOND),)


def test_full_authentication_over_tls() -> None:
    machine = in_state(SHA2_TLS)
    assert machine.receive(b"\x01\x04") == Step((b"secret\0",))
    assert machine.receive(MESSAGES["ok"]) == Step((), Accepted(b"app"))


def test_full_authentication_over_rsa_uses_the_scramble_of_the_last_switch() -> None:
    machine = in_state(NATIVE_STATE)
    machine.receive(MESSAGES["switch sha2"])
    assert machine.receive(b"\x01\x04") == Step((b"\x02",))
    (ciphertext,) = machine.receive(MESSAGES["key"]).send
    assert KEY.decrypt(ciphertext, SECOND) == b"secret\0"
    assert machine.receive(MESSAGES["ok"]).verdict == Accepted(b"app")


def test_sha256_password_over_rsa() -> None:
    machine = in_state(NATIVE_STATE)
    assert machine.receive(MESSAGES["switch sha256"]) == Step((b"\x01",))
    (ciphertext,) = machine.receive(MESSAGES["key"]).send
    assert KEY.decrypt(ciphertext, SECOND) == b"secret\0"
    assert machine.receive(MESSAGES["ok"]).verdict == Accepted(b"app")


def test_sha256_password_without_a_password_needs_no_key() -> None:
    machine = ServerLogin(b"open", b"", secure=False, scramble=FIRST, plugin=NATIVE)
    assert machine.start() == b""
    assert machine.receive(MESSAGES["switch sha256"]) == Step((b"\0",))


def test_the_servers_refusal_is_kept_as_it_came() -> None:
    assert in_state(NATIVE_STATE).receive(MESSAGES["err"]).verdict == Refused(1045, b"28000", b"Access denied")
    refusal = in_state(NATIVE_STATE).receive(MESSAGES["err without sqlstate"]).verdict
    assert refusal == Refused(1040, b"HY000", b"Too many connections")


def test_a_plugin_that_is_not_spoken_is_named() -> None:
    verdict = in_state(NATIVE_STATE).receive(MESSAGES["switch unknown"]).verdict
    assert isinstance(verdict, Refused)
    assert verdict.code == 2059
    assert b"parsec" in verdict.message


def test_a_server_cannot_switch_for_ever() -> None:
    machine = in_state(NATIVE_STATE)
    outcomes = [outcome(machine, MESSAGES["switch native"]) for _ in range(6)]
    assert outcomes == ["sent"] * 4 + ["refused", "over"]


def test_the_password_does_not_outlive_the_login() -> None:
    machine = in_state(SHA2_TLS)
    machine.receive(MESSAGES["ok"])
    assert machine._password == b""


@given(
    st.booleans(),
    st.sampled_from([NATIVE, CACHING_SHA2, b""]),
    st.lists(st.one_of(st.sampled_from(sorted(MESSAGES.values())), st.binary(max_size=100)), max_size=8),
)
def test_any_bytes_give_a_step_or_a_protocol_error(secure: bool, plugin: bytes, messages: list[bytes]) -> None:
    machine = login(plugin, secure=secure)
    machine.start()
    for payload in messages:
        try:
            step = machine.receive(payload)
        except ProtocolError:
            continue
        if not secure:
            assert not any(b"secret" in sent for sent in step.send)
