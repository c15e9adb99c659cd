"""One wire protocol of a node: its listeners' clients and its servers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import NamedTuple

from outlive.config.addresses import Address
from outlive.config.model import Config
from outlive.net.certificates import Certificates
from outlive.proxy.assembly import Assembly
from outlive.proxy.services import Services


class Door(NamedTuple):
    """A listener that the configuration asks for: its name in the log, where, and what its clients' sockets become."""

    name: str
    address: Address
    new_channel: Callable[[], asyncio.Protocol]


class Listener(NamedTuple):
    """One that is open, and where."""

    name: str
    address: Address
    server: asyncio.Server


class Wire:
    """`assembly` knows the servers, `services` the clients. `listeners` are open, each for the door of its key."""

    def __init__(self, assembly: Assembly, services: Services) -> None:
        self.assembly = assembly
        self.services = services
        self.listeners: dict[Hashable, Listener] = {}

    @property
    def protocol(self) -> str:
        """Its name, as in the configuration's URLs."""
        return self.assembly.protocol

    def doors(self, config: Config) -> dict[Hashable, Door]:
        """One, where the configuration has a database of this protocol."""
        protocol = self.protocol
        if not config.databases_of(self.assembly.protocol):
            return {}
        return {protocol: Door(protocol, config.listen.of(protocol), self.services.new_channel)}

    def apply(self, config: Config, certificates: dict[Address, Certificates | None], now: float) -> None:
        """See `Assembly.apply`."""
        self.assembly.apply(config, certificates, now)
        for server in self.assembly.servers.values():
            server.on_facts = self._server_known
        for route in self.assembly.routes.by_name.values():
            route.on_moved = self.services.route_moved

    def _server_known(self) -> None:
        self.assembly.keep_idle()
        self.services.server_known()
