"""Through Outlive: functions as they are, with its port in place of the database's."""

from dataclasses import replace
from typing import Final

from outlive.storm.hosts import LOOPBACK
from outlive.storm.node import Node
from outlive.storm.plan import Target
from outlive.storm.policy import Policy
from outlive.storm.remedies.remedy import Remedy
from outlive.storm.stage import Stage, free_port

OPTIONS: Final = {"mysql": "--mysql", "postgresql": "--postgres"}
"""The listener's, by scheme."""


class Proxy(Remedy):
    """`outlive serve`, started by the storm with a budget."""

    def __init__(self, policy: Policy, stage: Stage) -> None:
        super().__init__(policy, stage)
        self._node: Node | None = None

    def start(self) -> None:
        options = {
            "max_connections": self.policy.budget,
            "acquire_timeout_s": self.policy.queue_timeout_s,
            # Its functions live for seconds where others live for minutes.
            "transaction_idle_timeout_s": self.policy.transaction_idle_s,
        }
        option = OPTIONS[self._stage.observed.scheme]
        source = [self._stage.url(options)]
        listen = self._stage.ground.listen
        self._node = Node(source, option, listen, free_port(), free_port(), secrets=self._stage.secrets)

    @property
    def target(self) -> Target:
        assert self._node is not None
        return replace(self._stage.target, host=LOOPBACK, port=self._node.port, tls="disabled")

    @property
    def shares(self) -> bool:
        return True

    def end(self) -> None:
        if self._node is not None:
            self._node.drain()

    def close(self) -> None:
        if self._node is not None:
            self._node.kill()
