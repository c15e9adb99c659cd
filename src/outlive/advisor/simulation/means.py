"""How a request comes to a connection: one class for each kind of policy."""

from collections.abc import Iterable
from typing import Protocol

from outlive.advisor.simulation.direct import KeptConnections, RequestConnections
from outlive.advisor.simulation.model import Instance, Request
from outlive.advisor.simulation.queued import ClientConnections, ProcessPools, TransactionLeases
from outlive.advisor.simulation.setting import Setting


class Means(Protocol):
    """One kind of policy at work."""

    def start(self, request: Request) -> None:
        """The function has come to the point at which it wants its connection."""

    @property
    def held_by_dead(self) -> int:
        """Connections of what shares them that dead clients hold."""

    def vanish(self, instances: Iterable[Instance]) -> None:
        """All of `instances` die, now; some inside a transaction."""


def means_of(setting: Setting) -> Means:
    """What the policy of `setting` asks for."""
    policy = setting.policy
    if policy.multiplexed == "transaction":
        return TransactionLeases(setting)
    if policy.multiplexed == "session":
        return ClientConnections(setting)
    if policy.connection == "pool":
        return ProcessPools(setting)
    return RequestConnections(setting) if policy.connection == "request" else KeptConnections(setting)
