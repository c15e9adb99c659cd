"""What every remedy has."""

from collections.abc import Iterable

from outlive.storm.plan import Target
from outlive.storm.policy import Policy
from outlive.storm.stage import Stage


class Remedy:
    """Nothing beside the functions and nothing between: what is done is in their own code, by `policy` (supply.py)."""

    def __init__(self, policy: Policy, stage: Stage) -> None:
        self.policy = policy
        self._stage = stage

    def obstacle(self) -> str:
        """Why it cannot run here, in a sentence; empty if it can."""
        return ""

    def start(self) -> None:
        """Start what is beside or between. ScenarioError when that does not start."""

    @property
    def target(self) -> Target:
        """Where functions connect."""
        return self._stage.target

    @property
    def driver(self) -> str:
        """What functions speak, as `driver_of` has it."""
        return self._stage.target.scheme

    @property
    def shares(self) -> bool:
        """Whether the database's connections are not the functions' own: then none of them dangles while what shares
        them runs, and all that are left when that has ended do.
        """
        return False

    def living(self, addresses: Iterable[str]) -> None:
        """The hosts that live now; called when some come, and after some have vanished."""

    def end(self) -> None:
        """Let it end in order."""

    def close(self) -> None:
        """Remove what is left of it. Idempotent."""
