"""Programs that the scenario starts; none of them outlives it."""

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import IO


class ScenarioError(Exception):
    """The scenario cannot run here. The message is one sentence with the remedy."""


class Child:
    """A running program, killed by the kernel when the thread that started it ends.

    `on_line` gets each line that it writes, on another thread.
    """

    def __init__(
        self,
        command: Sequence[str],
        on_line: Callable[[str], None],
        *,
        namespace: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        inside = ["ip", "netns", "exec", namespace] if namespace is not None else []
        guarded = ["setpriv", "--pdeathsig", "KILL", "--", *inside, *command]
        self._popen = subprocess.Popen(
            guarded,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, **(environment or {})},
        )
        assert self._popen.stdout is not None
        self.ended = threading.Event()
        self._reader = threading.Thread(target=self._read, args=(self._popen.stdout, on_line), daemon=True)
        self._reader.start()

    def _read(self, output: IO[str], on_line: Callable[[str], None]) -> None:
        for line in output:
            on_line(line.rstrip("\n"))
        self._popen.wait()
        self.ended.set()

    def freeze(self) -> None:
        """SIGSTOP: it stays, with all its sockets, and does nothing."""
        self._popen.send_signal(signal.SIGSTOP)

    def stop(self, timeout_s: float) -> None:
        """SIGTERM, and SIGKILL after `timeout_s`."""
        self._popen.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(timeout_s)
        self.kill()

    def kill(self) -> None:
        """SIGKILL. Idempotent."""
        self._popen.kill()
        self._popen.wait()


def program(name: str, package: str) -> str:
    """The path of a program; ScenarioError names the Debian package that has it."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if found is None:
        raise ScenarioError(f"{name} is missing: install the Debian package {package}")
    return found
