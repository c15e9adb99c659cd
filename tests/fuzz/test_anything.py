"""Clients and servers that do anything at any moment: what they say, right or wrong, their ends, silence, time."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from .house import CLIENT, MODERN, FakeClient, House
from .inputs import anything, commands, cuts, examples
from .test_client_bytes import HELD_BYTES
from .test_server_bytes import LIES, answers

CLIENTS = 4


class Anything(RuleBasedStateMachine):
    """At its end everybody hangs up, and the node must serve whoever comes then."""

    def __init__(self) -> None:
        super().__init__()
        self.house = House(max_connections=3, acquire_timeout_s=2.0)
        self.house.__enter__()
        self.clients: list[FakeClient] = []

    def teardown(self) -> None:
        try:
            self.house.check_serves()
        finally:
            self.house.__exit__(None, None, None)

    def _client(self, which: int) -> FakeClient:
        return self.clients[which % len(self.clients)]

    @precondition(lambda self: len(self.clients) < CLIENTS)
    @rule(modern=st.booleans(), logs_in=st.sampled_from((True, True, True, False)))
    def come(self, modern: bool, logs_in: bool) -> None:
        client = self.house.client()
        self.clients.append(client)
        if logs_in:
            client.log_in(MODERN if modern else CLIENT)

    @precondition(lambda self: self.clients)
    @rule(which=st.integers(0, 9), payload=commands)
    def command(self, which: int, payload: bytes) -> None:
        self._client(which).command(payload)

    @precondition(lambda self: self.clients)
    @rule(which=st.integers(0, 9), payloads=st.lists(commands, min_size=2, max_size=8))
    def pipeline(self, which: int, payloads: list[bytes]) -> None:
        self._client(which).say(b"".join(len(one).to_bytes(3, "little") + b"\0" + one for one in payloads))

    @precondition(lambda self: self.clients)
    @rule(which=st.integers(0, 9), data=anything, by=cuts)
    def client_says(self, which: int, data: bytes, by: int) -> None:
        self._client(which).say(data, by=by)

    @precondition(lambda self: self.clients)
    @rule(which=st.integers(0, 9), reset=st.booleans())
    def client_ends(self, which: int, reset: bool) -> None:
        client = self._client(which)
        self.clients.remove(client)
        client.transport.hang_up(reset=reset)
        self.house.loop.settle()

    @precondition(lambda self: self.clients)
    @rule(which=st.integers(0, 9), reads=st.booleans())
    def client_reads(self, which: int, reads: bool) -> None:
        transport = self._client(which).transport
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
    def little_is_held(self) -> None:
        for client in self.clients:
            assert client.held_bytes <= HELD_BYTES

    @invariant()
    def the_budget_holds(self) -> None:
        assert len(self.house.servers.open) <= self.house.database.max_connections


TestAnything = Anything.TestCase
TestAnything.settings = examples(80, stateful_step_count=25)
