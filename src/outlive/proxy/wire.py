"""One wire protocol of a node: its listener's clients and its servers."""

from __future__ import annotations

from outlive.config.addresses import Address
from outlive.config.model import Config
from outlive.net.certificates import Certificates
from outlive.proxy.assembly import Assembly
from outlive.proxy.services import Services


class Wire:
    """`assembly` knows the servers, `services` the clients. `address` is where it listens, None where it does not."""

    def __init__(self, assembly: Assembly, services: Services) -> None:
        self.assembly = assembly
        self.services = services
        self.address: Address | None = None

    @property
    def protocol(self) -> str:
        """Its name, as in the configuration's URLs."""
        return self.assembly.protocol

    def is_served(self, config: Config) -> bool:
        """Whether the configuration has a database of this protocol."""
        return bool(config.databases_of(self.assembly.protocol))

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
