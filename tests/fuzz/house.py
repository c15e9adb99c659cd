"""A node without sockets: its clients and servers are in the test's hands."""

import logging
from typing import Any

from outlive.auth.mysql.scramble import native_response
from outlive.config.addresses import Address
from outlive.config.model import Config, Database
from outlive.config.secrets import Secret
from outlive.net.certificates import Certificates
from outlive.observe.metrics import Metrics
from outlive.proxy.mysql.assembly import MySQLAssembly
from outlive.proxy.mysql.channel import MySQLChannel
from outlive.proxy.mysql.services import MySQLServices
from outlive.proxy.sweep import sweep
from outlive.wire.mysql import constants as wire
from outlive.wire.mysql.handshake import Greeting, HandshakeResponse, auth_switch_request
from outlive.wire.mysql.packets import packet

from ..raw.mysql import CLASSIC
from .bugs import Bugs
from .loop import StillLoop
from .server import FakeMySQL, FakeServers
from .transport import Wire

USER, PASSWORD = b"app", b"secret"
CLIENT = CLASSIC | wire.CLIENT_LOCAL_FILES
MODERN = CLIENT | wire.CLIENT_DEPRECATE_EOF | wire.CLIENT_SESSION_TRACK | wire.CLIENT_QUERY_ATTRIBUTES

switch_header = auth_switch_request(b"", b"")[:1]


class House:
    """Use as a context. `client()` is a new connection to the node, `servers` the other side."""

    def __init__(self, *, certificates: Certificates | None = None, passthrough: bool = False, **options: Any) -> None:
        self.servers = FakeServers()
        self.loop = StillLoop(self._connect)
        self._certificates = certificates
        defaults: dict[str, Any] = {"max_connections": 3, "acquire_timeout_s": 5.0}
        self.database = Database(
            hosts=(Address("127.0.0.1", 3306),),
            database="test",
            user=USER.decode(),
            password=Secret("literal", PASSWORD.decode()),
            passthrough=passthrough,
            **{**defaults, **options},
        )
        self.wires: list[Wire] = []
        self._bugs = Bugs()

    def _connect(self, factory: Any) -> tuple[Wire, Any]:
        protocol = factory()
        transport = Wire(protocol, self.loop)
        self.servers.opened.append(FakeMySQL(self.servers, transport))
        return transport, protocol

    def __enter__(self) -> "House":
        logger = logging.getLogger("outlive")
        logger.addHandler(self._bugs)
        self.loop.enter()
        config = Config(databases={"test": self.database}, max_clients=1000)
        self.config = config
        self.metrics = Metrics()
        assembly = MySQLAssembly(self.metrics, 0)
        self.services = MySQLServices(config, self.metrics, assembly.routes)
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

    def check(self) -> None:
        """No layer raised anything, whether into the loop or into a log."""
        assert not self.loop.errors, self.loop.errors
        assert not self._bugs.found, self._bugs.found

    def check_serves(self) -> None:
        """When all bad ends are gone, whoever comes is served, and no slot is lost."""
        for transport in self.wires:
            transport.read_all()
            transport.hang_up()
        self.servers.mutation = None
        self.servers.ignores_eof = False
        self.servers.release()
        self.loop.settle()
        self.pass_time(10, step_s=5.0)
        for server in self.servers.open:
            if server.broken:  # a question may be open that it will never answer: as if it were restarted
                server.transport.hang_up()
        self.pass_time(100, step_s=10.0)
        self.check()
        pool = self.server.pool
        states = pool.states()
        assert not states.get("leased"), repr(pool)
        assert len(self.servers.open) <= self.database.max_connections, "above the budget"
        assert not self.services.channels
        assert not self.services.gates
        good = self.client()
        good.log_in()
        self.pass_time(11, step_s=2.0)
        assert good.is_in, "nobody gets in any more"
        good.command(b"\x03SELECT 1")
        self.pass_time(6)
        assert good.answers(), "nobody is answered any more"
        self.check()


class FakeClient:
    """One client of the node."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.channel = MySQLChannel(house.services)
        self.transport = Wire(self.channel, house.loop)

    def say(self, data: bytes, *, by: int = 0) -> None:
        """Sends `data`, in pieces of `by` bytes where that is not 0."""
        for start in range(0, len(data), by or len(data) or 1):
            if self.transport.lost:
                return
            self.transport.say(data[start : start + (by or len(data))])
            self.house.loop.settle()

    def response(self, capabilities: int = MODERN, *, plugin: bytes = b"mysql_native_password") -> bytes:
        """A right login."""
        greeting = Greeting.parse(bytes(self.transport.received[4:]))
        answer = native_response(PASSWORD, greeting.scramble)
        return HandshakeResponse(capabilities, 1 << 24, 45, USER, answer, b"test", plugin).encode()

    def log_in(self, capabilities: int = MODERN) -> None:
        """Logs in as a good client does."""
        self.house.loop.settle()
        if not self.transport.received:
            self.house.pass_time(6)
        if self.transport.received and self.transport.received[4] == 10:
            self.say(packet(1, self.response(capabilities)))
            if self.channel.client is None:
                self.house.pass_time(0.2)  # a connection is changed over to its user

    @property
    def is_in(self) -> bool:
        return self.channel.client is not None

    def command(self, payload: bytes) -> None:
        self.transport.received.clear()
        self.say(packet(0, payload))

    def answers(self) -> bytes:
        return bytes(self.transport.received)

    @property
    def held_bytes(self) -> int:
        """What the node holds of this client's."""
        held = len(self.transport._unsent)
        client, gate = self.channel.client, self.channel.gate
        if client is not None:
            held += len(client._inbox) + len(client._outgoing)
        if gate is not None:
            held += gate._packets.pending
        return held
