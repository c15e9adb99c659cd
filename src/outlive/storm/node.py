"""Outlive, as the scenario starts it."""

import http.client
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from outlive.storm.children import Child, environment
from outlive.storm.errors import ScenarioError

READY_TIMEOUT_S = 30.0
DRAIN_TIMEOUT_S = 30.0
_POLL_S = 0.05


class Node:
    """`outlive serve` of `source` (a URL, or `--config FILE`) with its listener of `option` (`--postgres`) at
    `host`:`port`, and HTTP on the loopback, ready when constructed.

    `secrets` are variables of its environment to which the source refers, `keep` descriptors that it gets.
    """

    def __init__(
        self,
        source: Sequence[str],
        option: str,
        host: str,
        port: int,
        http_port: int,
        *,
        secrets: Mapping[str, str] | None = None,
        keep: Sequence[int] = (),
    ) -> None:
        self.port = port
        self.http_port = http_port
        self._log: list[str] = []
        listeners = [option, f"{host}:{port}", "--http", f"127.0.0.1:{http_port}", "--log-level", "warning"]
        # Nobody balances load before it: it need not wait until that has seen that it is to end.
        settings = {**environment(), "OUTLIVE_DRAIN_DELAY_S": "0", **(secrets or {})}
        command = [sys.executable, "-m", "outlive", "serve", *source, *listeners]
        self._child = Child(command, self._log.append, environment=settings, keep=keep)
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not self._is_ready():
            if self._child.ended.wait(_POLL_S) or time.monotonic() > deadline:
                self.kill()
                raise ScenarioError(f"Outlive did not start: {' / '.join(self._log[-3:])}")

    def _is_ready(self) -> bool:
        with suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=5)
            try:
                connection.request("GET", "/readyz")
                return connection.getresponse().status == 200
            finally:
                connection.close()
        return False

    def drain(self) -> None:
        """SIGTERM; returns when it has ended."""
        self._child.stop(DRAIN_TIMEOUT_S)
        self._child.ended.wait(DRAIN_TIMEOUT_S)

    def kill(self) -> None:
        """SIGKILL. Idempotent."""
        self._child.kill()
