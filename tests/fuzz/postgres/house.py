"""A node for PostgreSQL without sockets: its clients and servers are in the test's hands."""

import logging
from typing import Any

from outlive.auth.postgres import ServerLogin
from outlive.config.addresses import Address
from outlive.config.model import Config, Database
from outlive.config.secrets import Secret
from outlive.net.certificates import Certificates
from outlive.observe.metrics import Metrics
from outlive.proxy.postgres.assembly import PostgresAssembly
from outlive.proxy.postgres.channel import PostgresChannel
from outlive.proxy.postgres.services import PostgresServices
from outlive.proxy.sweep import sweep
from outlive.wire import ProtocolError
from outlive.wire.postgres import constants as wire
from outlive.wire.postgres import messages as say
from outlive.wire.postgres.messages import message
from outlive.wire.postgres.reader import MessageReader

from ..bugs import Bugs
from ..loop import StillLoop
from ..transport import Wire
from .server import FakePostgres, FakeServers

USER, PASSWORD = b"app", b"secret"


class House:
    """Use as a context. `client()` is a new connection to the node, `servers` the other side."""

    def __init__(self, *, certificates: Certificates | None = None, **options: Any) -> None:
        self.servers = FakeServers()
        self.loop = StillLoop(self._connect)
        self._certificates = certificates
        defaults: dict[str, Any] = {"max_connections": 3, "acquire_timeout_s": 5.0}
        self.database = Database(
            scheme="postgresql",
            hosts=(Address("127.0.0.1", 5432),),
            database="test",
            user=USER.decode(),
            password=Secret("literal", PASSWORD.decode()),
            **{**defaults, **options},
        )
        self.wires: list[Wire] = []
        self._bugs = Bugs()

    def _connect(self, factory: Any) -> tuple[Wire, Any]:
        protocol = factory()
        transport = Wire(protocol, self.loop)
        server = FakePostgres(self.servers, transport)
        self.servers.opened.append(server)
        if transport.received:  # written as soon as it was connected
            self.loop.call_soon(server.data_received, bytes(transport.received))
        return transport, protocol

    def __enter__(self) -> "House":
        logging.getLogger("outlive").addHandler(self._bugs)
        self.loop.enter()
        config = Config(databases={"test": self.database}, max_clients=1000)
        self.metrics = Metrics()
        assembly = PostgresAssembly(self.metrics, 0)
        self.services = PostgresServices(config, self.metrics, assembly.routes)
        self.services.listener_certificates = self._certificates
        assembly.apply(config, assembly.certificates(config), self.loop.time())
        (self.server,) = assembly.servers.values()
        self.server.on_facts = self.services.server_known
        for route in assembly.routes.by_name.values():
            route.on_moved = self.services.route_moved
        self.loop.settle()
        self.pass_time(0.1)
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        logging.getLogger("outlive").removeHandler(self._bugs)
        try:
            for transport in [*self.wires, *(server.transport for server in self.servers.opened)]:
                transport.hang_up(reset=True)
            self.loop.settle()
        finally:
            self.loop.leave()

    def pass_time(self, seconds: float, *, step_s: float = 1.0) -> None:
        """As on a running node: the sweep comes once a second, or more rarely where a test needs no better."""
        left = seconds
        while left > 0:
            self.loop.advance(min(left, step_s))
            sweep(self.services, [self.server])
            self.loop.settle()
            left -= step_s

    def client(self) -> "FakeClient":
        found = FakeClient(self)
        self.wires.append(found.transport)
        return found

    def cancel(self, pid: int, key: bytes) -> None:
        """A CancelRequest, on a connection of its own."""
        asker = self.client()
        asker.say(say.cancel_request(pid, key))
        asker.transport.hang_up()
        self.loop.settle()

    def check(self) -> None:
        """No layer raised anything, whether into the loop or into a log."""
        assert not self.loop.errors, self.loop.errors
        assert not self._bugs.found, self._bugs.found

    def check_serves(self) -> None:
        """When all bad ends are gone, whoever comes is served, no slot is lost, nothing is left behind."""
        for transport in self.wires:
            transport.read_all()
            transport.hang_up()
        self.servers.mutation = None
        self.servers.ignores_eof = False
        self.servers.release_all()
        self.loop.settle()
        self.pass_time(10, step_s=1.0)
        for server in self.servers.open:
            if server.broken:  # a question may be open that it will never answer: as if it were restarted
                server.transport.hang_up()
        self.pass_time(100, step_s=10.0)
        self.check()
        assert not self.server.pool.states().get("leased"), repr(self.server.pool)
        assert len(self.servers.open) <= self.database.max_connections, "above the budget"
        self._check_registries()
        good = [self.client() for _ in range(self.database.max_connections)]
        for number, client in enumerate(good):
            client.log_in()
            self.pass_time(2, step_s=1.0)
            assert client.is_in, "nobody gets in any more"
            client.say(say.query(b"BEGIN"))
            client.say(say.query(b"SELECT 'good %d'" % number))
        self.pass_time(11, step_s=1.0)
        for number, client in enumerate(good):
            assert client.rows() == [(b"SELECT 'good %d'" % number, b"", b"T")], f"slot {number} does not serve"
            client.transport.hang_up()
        self.pass_time(3)
        assert all(server.session is None or server.session.locks == 0 for server in self.servers.open)
        assert not any(server.session is not None and server.session.channels for server in self.servers.open)
        self._check_registries()
        self.check()

    def _check_registries(self) -> None:
        services, canceller = self.services, self.server._canceller
        assert not services.channels
        assert not services.gates
        assert not services.closing
        assert not any(self.server.metrics.pinned.values()), self.server.metrics.pinned
        assert not self.server.pool.waiters
        for registry in (canceller._waiting, canceller._under_way, canceller._told, canceller._pressing):
            assert not registry, registry


class FakeClient:
    """One client of the node. `heard` are the messages that came behind its login."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.channel = PostgresChannel(house.services)
        self.transport = Wire(self.channel, house.loop)
        self.heard: list[tuple[int, bytes]] = []
        self.pid, self.key = 0, b""
        self._messages = MessageReader(1 << 26)
        self._read = 0

    def say(self, data: bytes, *, by: int = 0) -> None:
        """Sends `data`, in pieces of `by` bytes where that is not 0."""
        for start in range(0, len(data), by or len(data) or 1):
            if self.transport.lost:
                return
            self.transport.say(data[start : start + (by or len(data))])
            self.house.loop.settle()

    def startup(self, parameters: dict[bytes, bytes] | None = None) -> bytes:
        return say.startup(wire.PROTOCOL_3_0, {b"user": USER, b"database": b"test", **(parameters or {})})

    def log_in(self, parameters: dict[bytes, bytes] | None = None, *, by: int = 0) -> None:
        """Logs in as a good client does."""
        self.say(self.startup(parameters), by=by)
        login = ServerLogin(USER, password=PASSWORD, secure=False)
        while not self.is_in and not self.transport.lost:
            found = self.messages()
            if not found:
                break
            for kind, payload in found:
                if kind == wire.AUTHENTICATION:
                    send, _ = login.receive(payload)
                    for answer in send:
                        self.say(message(wire.PASSWORD_MESSAGE, answer), by=by)
        if not self.is_in:
            self.house.pass_time(6)
        for kind, payload in self.messages():
            if kind == wire.BACKEND_KEY_DATA:
                self.pid, self.key = say.parse_backend_key_data(payload)
        self.heard.clear()

    @property
    def is_in(self) -> bool:
        return self.channel.client is not None

    def messages(self) -> list[tuple[int, bytes]]:
        """What has come since this was asked last; ProtocolError where it is none of PostgreSQL's."""
        received = self.transport.received
        self._messages.feed(bytes(received[self._read :]))
        self._read = len(received)
        found = []
        while (one := self._messages.next()) is not None:
            found.append(one)
        self.heard += found
        return found

    def rows(self) -> list[tuple[bytes | None, ...]]:
        """All rows that came behind the login."""
        try:
            self.messages()
        except ProtocolError:
            pass  # its server says what it likes
        return [say.parse_data_row(payload) for kind, payload in self.heard if kind == wire.DATA_ROW]

    @property
    def held_bytes(self) -> int:
        """What the node holds of this client's."""
        held = len(self.transport._unsent)
        client, gate = self.channel.client, self.channel.gate
        if client is not None:
            held += len(client._inbox) + len(client._outgoing)
        if gate is not None:
            held += gate._first.pending + gate._messages.pending
        return held
