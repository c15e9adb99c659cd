"""A Query in the place of a Sync, behind an error: the server skips it, and the unit goes on to the Sync."""

import pytest

from outlive.wire.postgres import messages as say

from .house import FakeClient, House

FAILED = say.bind(b"", b"nonesuch") + say.FLUSH
SKIPPED = say.query(b"SELECT 'skipped'")


def ready(house: House) -> FakeClient:
    client = house.client()
    client.log_in()
    return client


@pytest.mark.parametrize("held", [False, True])
def test_who_goes_on(held: bool) -> None:
    with House() as house:
        client = ready(house)
        house.servers.held = held
        client.say(FAILED)
        client.say(SKIPPED)
        house.servers.release()
        client.say(say.SYNC + say.query(b"SELECT 'next'"))
        house.pass_time(1)
        assert [chr(kind) for kind, _ in client.messages()] == ["E", "Z", "T", "D", "C", "Z"]
        house.check_serves()


@pytest.mark.parametrize("held", [False, True])
def test_who_is_gone(held: bool) -> None:
    with House() as house:
        client = ready(house)
        house.servers.held = held
        client.say(FAILED)
        client.say(SKIPPED)
        client.transport.hang_up(reset=True)
        house.servers.release()
        house.check_serves()
