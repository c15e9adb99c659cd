"""Functions as they are, and `outlive reap` beside them as a process of its own."""

import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from outlive.storm.children import Child, environment
from outlive.storm.errors import ScenarioError
from outlive.storm.hosts import LOOPBACK
from outlive.storm.policy import Policy
from outlive.storm.remedies.remedy import Remedy
from outlive.storm.stage import Stage

_SHORTEST_S: Final = 0.1  # what `outlive reap` takes
_ALL_KILLS: Final = 100_000


class Reaper(Remedy):
    """It gets the list of living hosts, as an operator has it from the platform. Where the database sees all functions
    under one address there is no such list, and it goes by age alone: living ones that were idle for longer lose their
    connection, too.
    """

    def __init__(self, policy: Policy, stage: Stage) -> None:
        super().__init__(policy, stage)
        self._child: Child | None = None
        self._said: list[str] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def start(self) -> None:
        arguments = ["--apply", "--json", "--max-kills", str(_ALL_KILLS)]
        idle_s, every_s = (
            f"{max(value or 0.0, _SHORTEST_S):.3f}s" for value in (self.policy.reap_idle_s, self.policy.reap_every_s)
        )
        arguments += ["--watch", every_s, "--idle", idle_s, "--transactions", idle_s]
        if self._stage.ground.masked:
            arguments += ["--age-alone", idle_s]
        else:
            self._folder = tempfile.TemporaryDirectory(prefix="outlive-storm-")
            self.living(())
            arguments += ["--alive-hosts", str(self._hosts)]
        command = [sys.executable, "-m", "outlive", "reap", self._stage.url(), *arguments]
        self._child = Child(command, self._said.append, environment={**environment(), **self._stage.secrets})
        # Its first round, a line of JSON, says that it is connected; it must be, before the database is full.
        while not any(line.startswith("{") for line in self._said) and not self._child.ended.wait(0.05):
            continue
        if self._child.ended.is_set():
            raise ScenarioError(f"outlive reap did not start: {' / '.join(self._said[-3:]) or '-'}")

    @property
    def _hosts(self) -> Path:
        assert self._folder is not None
        return Path(self._folder.name) / "alive"

    def living(self, addresses: Iterable[str]) -> None:
        if self._folder is None:
            return
        # In one step: it reads the list at any moment. The storm's own connections come from this host, which lives.
        new = self._hosts.with_suffix(".new")
        new.write_text("".join(f"{address}\n" for address in (LOOPBACK, *addresses)))
        new.rename(self._hosts)

    def close(self) -> None:
        if self._child is not None:
            self._child.kill()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None
