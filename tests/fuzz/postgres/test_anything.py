"""Clients and servers that do anything at any moment, and nobody gets what is another's.

Two machines. In the first all speak PostgreSQL's protocol, however cut, and die, cancel, freeze: beside each client
runs a session of its own directly on the server that the fakes are made of, and what the client hears must be what it
would have heard there. In the second both sides say what they like.
"""

import re

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from outlive.wire.postgres import constants as wire
from outlive.wire.postgres.errors import ErrorFields, parse_error
from outlive.wire.postgres.frontend import scan
from outlive.wire.postgres.messages import TERMINATE
from outlive.wire.postgres.reader import MessageReader

from ..inputs import cuts, examples
from .house import FakeClient, House
from .inputs import HALVES, LIES, SLEEP, answers, anything, chopped, units
from .server import Session

CLIENTS = 4
HELD_BYTES = 6_000_000
"""The longest Parse, which is held whole, what was read at once beyond it, and a reply above the high water mark."""
_OWNER = re.compile(rb"#(\d+)#")
_OUTLIVES_OWN = (b"53300", b"57014", b"08006", b"25P03", b"57P05", b"57P01", b"57P03", b"08P01")
"""SQLSTATEs of what no server said, or one of whose session nothing is known from there on."""


OPEN = [number for number, half in enumerate(HALVES) if scan(half)[1][-1] == len(half) and half != TERMINATE]
"""Of the halves those of whole messages, without Terminate."""


class Mirror:
    """One client's session as it would be without Outlive."""

    def __init__(self) -> None:
        self._said = bytearray()
        self._messages = MessageReader(1 << 26)
        self._replies = MessageReader(1 << 26)
        self._session = Session(self._said.extend, {})

    def say(self, data: bytes) -> None:
        self._messages.feed(data)
        while (found := self._messages.next()) is not None:
            self._session.receive(*found)
            self._session.wake(cancelled=False)

    def replies(self) -> list[tuple[int, bytes]]:
        self._replies.feed(bytes(self._said))
        self._said.clear()
        found = []
        while (one := self._replies.next()) is not None:
            found.append(one)
        return found


class Guest:
    """A client, its mirror, and what is known of it."""

    def __init__(self, client: FakeClient, number: int) -> None:
        self.client = client
        self.name = b"#%02d#" % number
        self.mirror = Mirror()
        self.expected: list[tuple[int, bytes]] = []
        self.was_cancelled = False

    def own(self, data: bytes) -> bytes:
        """`data` with the client's name in it, as long as the place it has there."""
        return data.replace(b"#ID#", self.name)

    def say(self, data: bytes, by: int) -> None:
        data = self.own(data)
        self.mirror.say(data)
        self.client.say(data, by=by)

    def check(self) -> None:
        """What it heard is the beginning of what it would have heard."""
        self.expected += [found for found in self.mirror.replies() if found[0] != wire.PARAMETER_STATUS]
        self.client.messages()
        heard = [found for found in self.client.heard if found[0] not in _ANY_TIME]
        for number, found in enumerate(heard):
            error = error_of(found)
            if error is not None and error.code == b"57014" and is_disturbance(found):
                assert self.was_cancelled, "a bystander was cancelled"
            if is_disturbance(found):
                return
            assert [found] == self.expected[number : number + 1], (number, heard, self.expected)

    def check_whole(self) -> None:
        """At rest, and undisturbed: nothing is missing."""
        self.check()
        heard = [found for found in self.client.heard if found[0] not in _ANY_TIME]
        if not self.client.transport.closed and not any(is_disturbance(found) for found in heard):
            assert heard == self.expected


_ANY_TIME = frozenset((wire.PARAMETER_STATUS, wire.NOTICE_RESPONSE, wire.NOTIFICATION_RESPONSE))


def error_of(found: tuple[int, bytes]) -> ErrorFields | None:
    return parse_error(found[1]) if found[0] == wire.ERROR_RESPONSE else None


def is_disturbance(found: tuple[int, bytes]) -> bool:
    error = error_of(found)
    return error is not None and error.code in _OUTLIVES_OWN and b"COPY" not in error.message


class Honest(RuleBasedStateMachine):
    """All speak the protocol. At its end everybody hangs up, and the node must serve whoever comes then."""

    options: dict[str, object] = {}

    def __init__(self) -> None:
        super().__init__()
        self.house = House(max_connections=3, acquire_timeout_s=3.0, prepared_statements=2, **self.options)
        self.house.__enter__()
        self.guests: list[Guest] = []
        self.came = 0

    def teardown(self) -> None:
        try:
            self.check_guests()
            self.house.check_serves()
        finally:
            self.house.__exit__(None, None, None)

    def check_guests(self) -> None:
        self.house.servers.release_all()
        for guest in self.guests:
            guest.client.transport.read_all()
        self.house.loop.settle()
        self.house.pass_time(2.5)
        for guest in self.guests:
            guest.check_whole()

    def guest(self, which: int) -> Guest:
        return self.guests[which % len(self.guests)]

    @precondition(lambda self: len(self.guests) < CLIENTS)
    @rule(by=cuts)
    def come(self, by: int) -> None:
        client = self.house.client()
        client.log_in(by=by)
        if client.is_in:
            self.came += 1
            self.guests.append(Guest(client, self.came))

    @precondition(lambda self: self.guests)
    @rule(which=st.integers(0, 9), unit=units, by=cuts)
    def unit(self, which: int, unit: bytes, by: int) -> None:
        self.guest(which).say(unit, by)

    @precondition(lambda self: self.guests)
    @rule(which=st.integers(0, 9), number=st.sampled_from(OPEN), by=cuts)
    def part(self, which: int, number: int, by: int) -> None:
        """What follows is the rest of it."""
        self.guest(which).say(HALVES[number], by if len(HALVES[number]) < 20_000 else 0)

    @precondition(lambda self: self.guests)
    @rule(which=st.integers(0, 9), several=st.lists(units, min_size=2, max_size=6), by=cuts)
    def pipeline(self, which: int, several: list[bytes], by: int) -> None:
        self.guest(which).say(b"".join(several), by)

    @precondition(lambda self: self.guests)
    @rule(which=st.integers(0, 9), unit=units, end=st.integers(1, 200), reset=st.booleans())
    def end_in_the_middle(self, which: int, unit: bytes, end: int, reset: bool) -> None:
        guest = self.guest(which)
        guest.client.say(guest.own(unit)[:end])
        self.guests.remove(guest)
        guest.client.transport.hang_up(reset=reset)
        self.house.loop.settle()

    @precondition(lambda self: self.guests)
    @rule(which=st.integers(0, 9), reset=st.booleans())
    def end(self, which: int, reset: bool) -> None:
        guest = self.guest(which)
        guest.check()
        self.guests.remove(guest)
        guest.client.transport.hang_up(reset=reset)
        self.house.loop.settle()

    @precondition(lambda self: self.guests)
    @rule(which=st.integers(0, 9), sleeps=st.booleans())
    def cancel(self, which: int, sleeps: bool) -> None:
        guest = self.guest(which)
        if sleeps:
            guest.say(SLEEP, 0)
        guest.was_cancelled = True
        self.house.cancel(guest.client.pid, guest.client.key)

    @precondition(lambda self: self.guests)
    @rule(which=st.integers(0, 9))
    def cancel_with_a_wrong_key(self, which: int) -> None:
        guest = self.guest(which)
        self.house.cancel(guest.client.pid, b"none" if guest.client.key != b"none" else b"nine")

    @rule(held=st.booleans())
    def hold_cancels(self, held: bool) -> None:
        if held:
            self.house.servers.holds_cancels = True
        else:
            self.house.servers.release_cancels()
            self.house.loop.settle()

    @precondition(lambda self: self.guests)
    @rule(which=st.integers(0, 9), reads=st.booleans())
    def read(self, which: int, reads: bool) -> None:
        transport = self.guest(which).client.transport
        if reads:
            transport.read_all()
        else:
            transport.reads = False
        self.house.loop.settle()

    @rule(held=st.booleans())
    def hold(self, held: bool) -> None:
        if held:
            self.house.servers.held = True
        else:
            self.house.servers.release()
            self.house.loop.settle()

    @rule(by=st.sampled_from((0, 1, 3, 7)))
    def cut_answers(self, by: int) -> None:
        self.house.servers.mutation = lambda data: chopped(data, by)

    @precondition(lambda self: self.house.servers.open)
    @rule(which=st.integers(0, 9), reset=st.booleans())
    def server_ends(self, which: int, reset: bool) -> None:
        opened = self.house.servers.open
        opened[which % len(opened)].transport.hang_up(reset=reset)
        self.house.loop.settle()

    @rule(seconds=st.sampled_from((0.01, 1.0, 3.0, 11.0, 61.0)))
    def time_passes(self, seconds: float) -> None:
        self.house.pass_time(seconds)

    @invariant()
    def nothing_was_raised(self) -> None:
        self.house.check()

    @invariant()
    def all_hear_their_own(self) -> None:
        for guest in self.guests:
            guest.check()

    @invariant()
    def little_is_held(self) -> None:
        for guest in self.guests:
            assert guest.client.held_bytes <= HELD_BYTES

    @invariant()
    def the_budget_holds(self) -> None:
        assert len(self.house.servers.open) <= self.house.database.max_connections


class HonestSessions(Honest):
    """As above, each client with a connection of its own."""

    options = {"pool_mode": "session"}


class Anything(RuleBasedStateMachine):
    """Clients and servers say what they like."""

    def __init__(self) -> None:
        super().__init__()
        self.house = House(max_connections=3, acquire_timeout_s=2.0)
        self.house.__enter__()
        self.clients: list[FakeClient] = []
        self.names: dict[FakeClient, bytes] = {}

    def teardown(self) -> None:
        try:
            self.house.servers.release_all()
            self.house.check_serves()
        finally:
            self.house.__exit__(None, None, None)

    def client(self, which: int) -> FakeClient:
        return self.clients[which % len(self.clients)]

    @precondition(lambda self: len(self.clients) < CLIENTS)
    @rule(logs_in=st.sampled_from((True, True, True, False)))
    def come(self, logs_in: bool) -> None:
        client = self.house.client()
        self.names[client] = b"#%02d#" % len(self.names)
        self.clients.append(client)
        if logs_in:
            client.log_in()

    @precondition(lambda self: self.clients)
    @rule(which=st.integers(0, 9), several=st.lists(anything, min_size=1, max_size=6), by=cuts)
    def client_says(self, which: int, several: list[bytes], by: int) -> None:
        client = self.client(which)
        data = b"".join(several).replace(b"#ID#", self.names[client])
        client.say(data, by=by if len(data) < 20_000 else 0)

    @precondition(lambda self: self.clients)
    @rule(which=st.integers(0, 9), reset=st.booleans())
    def client_ends(self, which: int, reset: bool) -> None:
        client = self.client(which)
        self.clients.remove(client)
        client.transport.hang_up(reset=reset)
        self.house.loop.settle()

    @precondition(lambda self: self.clients)
    @rule(which=st.integers(0, 9), reads=st.booleans())
    def client_reads(self, which: int, reads: bool) -> None:
        transport = self.client(which).transport
        if reads:
            transport.read_all()
        else:
            transport.reads = False
        self.house.loop.settle()

    @precondition(lambda self: self.clients)
    @rule(which=st.integers(0, 9))
    def cancel(self, which: int) -> None:
        client = self.client(which)
        self.house.cancel(client.pid, client.key or b"none")

    @rule(held=st.booleans(), cancels=st.booleans())
    def hold(self, held: bool, cancels: bool) -> None:
        servers = self.house.servers
        if held:
            servers.held, servers.holds_cancels = True, cancels
        else:
            servers.release_all()
            self.house.loop.settle()

    @precondition(lambda self: self.house.servers.open)
    @rule(which=st.integers(0, 9), data=answers)
    def server_says(self, which: int, data: bytes) -> None:
        opened = self.house.servers.open
        opened[which % len(opened)].blurt(data)
        self.house.loop.settle()

    @rule(lie=st.sampled_from(LIES))
    def server_lies_once(self, lie: bytes) -> None:
        lies = iter([lie])
        self.house.servers.mutation = lambda data: [next(lies, data)]

    @precondition(lambda self: self.house.servers.open)
    @rule(which=st.integers(0, 9), reset=st.booleans())
    def server_ends(self, which: int, reset: bool) -> None:
        opened = self.house.servers.open
        opened[which % len(opened)].transport.hang_up(reset=reset)
        self.house.loop.settle()

    @rule(seconds=st.sampled_from((0.01, 1.0, 3.0, 11.0, 61.0)))
    def time_passes(self, seconds: float) -> None:
        self.house.pass_time(seconds)

    @invariant()
    def nothing_was_raised(self) -> None:
        self.house.check()

    @invariant()
    def nobody_hears_anothers_rows(self) -> None:
        if any(server.broken for server in self.house.servers.opened):
            return  # who says too much says it to whoever comes next
        for client in self.clients:
            for row in client.rows():
                for value in row:
                    for owner in _OWNER.findall(value or b""):
                        assert b"#%b#" % owner == self.names[client]

    @invariant()
    def little_is_held(self) -> None:
        for client in self.clients:
            assert client.held_bytes <= HELD_BYTES

    @invariant()
    def the_budget_holds(self) -> None:
        assert len(self.house.servers.open) <= self.house.database.max_connections


TestHonest = Honest.TestCase
TestHonest.settings = examples(60, stateful_step_count=25)
TestHonestSessions = HonestSessions.TestCase
TestHonestSessions.settings = examples(15, stateful_step_count=20)
TestAnything = Anything.TestCase
TestAnything.settings = examples(60, stateful_step_count=25)
