"""A proxy that others make, started by the storm on a port of the loopback."""

import os
import socket
import time
from dataclasses import replace

from outlive.storm.children import Child, environment
from outlive.storm.errors import ScenarioError
from outlive.storm.hosts import LOOPBACK
from outlive.storm.plan import Target
from outlive.storm.policy import Policy
from outlive.storm.remedies.remedy import Remedy
from outlive.storm.stage import Stage, free_port

_READY_TIMEOUT_S = 15.0
_END_TIMEOUT_S = 3.0


class Neighbour(Remedy):
    """`command` says how it is started."""

    name = ""

    def __init__(self, policy: Policy, stage: Stage) -> None:
        super().__init__(policy, stage)
        self._child: Child | None = None
        self._port = 0
        self._said: list[str] = []

    def command(self, port: int) -> tuple[list[str], list[int]]:
        """How to start it on this port, and the descriptors that it is to have."""
        raise NotImplementedError

    def start(self) -> None:
        self._port = free_port()
        command, descriptors = self.command(self._port)
        try:
            self._child = Child(command, self._said.append, environment=environment(), keep=descriptors)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        deadline = time.monotonic() + _READY_TIMEOUT_S
        while not self._listens():
            if self._child.ended.wait(0.05) or time.monotonic() > deadline:
                self.close()
                raise ScenarioError(f"{self.name} did not start: {' / '.join(self._said[-3:]) or '-'}")

    def _listens(self) -> bool:
        try:
            socket.create_connection((LOOPBACK, self._port), 1).close()
        except OSError:
            return False
        return True

    @property
    def target(self) -> Target:
        return replace(self._stage.target, host=LOOPBACK, port=self._port)

    def end(self) -> None:
        if self._child is not None and self.shares:
            self._child.stop(_END_TIMEOUT_S)

    def close(self) -> None:
        if self._child is not None:
            self._child.kill()
