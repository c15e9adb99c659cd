"""The `tcp://` entries of a node: a listener for each, since their protocols name no database."""

from __future__ import annotations

from collections.abc import Hashable
from functools import partial
from typing import Any

from outlive.config.model import Config
from outlive.proxy.wire import Door, Wire


class TCPWire(Wire):
    """See `Wire`."""

    services: Any

    def doors(self, config: Config) -> dict[Hashable, Door]:
        """See `Wire`. An entry that moves to another address has another door."""
        found: dict[Hashable, Door] = {}
        for name, database in config.databases_of("tcp").items():
            address = database.listen or config.listen.tcp
            found[name, database.listen] = Door(f"tcp.{name}", address, partial(self.services.new_channel, name))
        return found
