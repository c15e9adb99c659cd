"""Any bytes before a login is over, from clients and from servers: an error or a close, and no server hears it."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.wire.postgres import constants as wire
from outlive.wire.postgres import messages as say
from outlive.wire.postgres.messages import message

from ..inputs import cuts, examples, garbage
from ..test_client_bytes import certificates
from .house import USER, FakeClient, House
from .inputs import UNITS, anything, mutations

LOGIN_BYTES = 16_384


def at_first(client: FakeClient) -> None:
    """Nothing was said."""


def after_ssl_request(client: FakeClient) -> None:
    client.say(say.ssl_request())


def after_gssenc_request(client: FakeClient) -> None:
    client.say(b"\0\0\0\x08" + wire.GSSENC_REQUEST.to_bytes(4, "big"))


def after_startup(client: FakeClient) -> None:
    client.say(client.startup())


def after_first_proof(client: FakeClient) -> None:
    client.say(client.startup() + say.sasl_initial_response(b"SCRAM-SHA-256", b"n,,n=,r=" + b"x" * 24))


firsts = st.one_of(
    st.builds(
        lambda code, rest: (8 + len(rest)).to_bytes(4, "big") + code.to_bytes(4, "big") + rest,
        st.sampled_from(
            (
                wire.PROTOCOL_3_0,
                wire.PROTOCOL_3_2,
                wire.PROTOCOL_3_0 + 999,
                2 << 16,
                wire.SSL_REQUEST,
                wire.GSSENC_REQUEST,
                wire.CANCEL_REQUEST,
            )
        ),
        st.one_of(
            garbage,
            st.sampled_from(
                (
                    b"user\0app\0\0",
                    b"user\0app\0database\0test\0options\0-c x=\\\0\0",
                    b"user\0app\0replication\0true\0\0",
                    b"user\0app\0database\0nonesuch\0\0",
                    b"user\0app\0_pq_.x\0y\0client_encoding\0nonsense\0\0",
                    b"user\0\0\0",
                    b"database\0test\0\0",
                    b"user\0app\0",
                )
            ),
        ),
    ),
    st.builds(
        lambda kind, payload: message(kind, payload),
        st.just(wire.PASSWORD_MESSAGE),
        st.one_of(
            garbage,
            st.sampled_from(
                (
                    b"secret\0",
                    b"SCRAM-SHA-256\0\xff\xff\xff\xff",
                    b"SCRAM-SHA-256\0\0\0\0\x08n,,n=,r=",
                    b"SCRAM-SHA-256-PLUS\0\0\0\0\x08p=tls-se",
                    b"c=biws,r=x,p=AAAA",
                )
            ),
        ),
    ),
    anything,
)


@pytest.mark.parametrize("phase", [at_first, after_ssl_request, after_gssenc_request, after_startup, after_first_proof])
@pytest.mark.parametrize("tls", [False, True])
@examples(15)
@given(data=st.lists(firsts, max_size=5).map(b"".join), by=cuts)
def test_clients(phase: Callable[[FakeClient], None], tls: bool, data: bytes, by: int) -> None:
    with House(certificates=certificates() if tls else None) as house:
        client = house.client()
        phase(client)
        asked, logins = len(house.servers.messages), house.servers.logins
        client.say(data, by=by if len(data) < 20_000 else 0)
        house.check()
        assert not client.is_in
        assert client.held_bytes <= LOGIN_BYTES + 4
        assert len(house.servers.messages) == asked
        assert house.servers.logins == logins
        house.pass_time(12)
        assert client.transport.closed
        house.check_serves()


def test_a_failed_login_is_final() -> None:
    with House() as house:
        asked = len(house.servers.messages)
        client = house.client()
        after_first_proof(client)
        client.say(message(wire.PASSWORD_MESSAGE, b"c=biws,r=x,p=AAAA") + say.query(b"SELECT 1") * 3)
        assert b"28P01" in client.transport.received or b"08P01" in client.transport.received
        assert client.transport.closed
        assert len(house.servers.messages) == asked
        house.check_serves()


def test_an_unknown_user_is_told_nothing_else() -> None:
    """The same steps, and the same words, as with a wrong password."""
    with House() as house:
        heard = []
        for user in (USER, b"who"):
            client = house.client()
            client.say(client.startup({b"user": user}))
            client.say(say.sasl_initial_response(b"SCRAM-SHA-256", b"n,,n=,r=" + b"x" * 24))
            first = next(payload for kind, payload in client.messages() if payload[:4] == b"\0\0\0\x0b")
            nonce = first[4:].split(b",")[0]
            client.say(message(wire.PASSWORD_MESSAGE, b"c=biws," + nonce + b",p=" + b"A" * 43 + b"="))
            assert client.transport.closed
            heard.append([payload.replace(user, b"") for kind, payload in client.messages()])
        assert heard[0] == heard[1]
        assert b"28P01" in heard[0][0]
        house.check_serves()


@examples(60)
@given(
    mutation=mutations(),
    asked=st.lists(st.sampled_from(UNITS), max_size=6),
    settings=st.sampled_from(({}, {b"application_name": b"me"})),
)
def test_servers_from_their_first_word_on(
    mutation: Callable[[bytes], list[bytes]], asked: list[bytes], settings: dict[bytes, bytes]
) -> None:
    house = House()
    house.servers.mutation = mutation
    with house:
        client = house.client()
        client.log_in(settings)
        for unit in asked:
            client.say(unit)
            house.check()
        house.pass_time(3)
        house.check()
        house.check_serves()
