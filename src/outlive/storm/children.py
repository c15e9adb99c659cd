"""Programs that the scenario starts; none of them outlives it."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import IO


class Child:
    """A running program, killed by the kernel when the thread that started it ends.

    `on_line` gets each line that it writes, on another thread. `before` is put before the command (`unshare --net`).
    `keep` are descriptors that it gets.
    """

    def __init__(
        self,
        command: Sequence[str],
        on_line: Callable[[str], None],
        *,
        before: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        keep: Sequence[int] = (),
    ) -> None:
        self._popen = subprocess.Popen(
            [*before, "setpriv", "--pdeathsig", "KILL", "--", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=environment,
            pass_fds=tuple(keep),
            # Ctrl-C in a terminal is for the scenario: it ends its programs itself.
            start_new_session=True,
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

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._popen.pid

    def tell(self, line: str) -> None:
        """One line on its standard input. A child that has ended meanwhile hears nothing; `ended` says so."""
        assert self._popen.stdin is not None
        with suppress(BrokenPipeError):
            self._popen.stdin.write(f"{line}\n")
            self._popen.stdin.flush()

    def freeze(self) -> None:
        """SIGSTOP: it stays, with all its sockets, and does nothing."""
        self._popen.send_signal(signal.SIGSTOP)

    def ask_to_end(self) -> None:
        """SIGTERM."""
        self._popen.terminate()

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
        assert self._popen.stdin is not None
        with suppress(BrokenPipeError):
            self._popen.stdin.close()


def environment() -> dict[str, str]:
    """This process's without the settings of Outlive and of drivers: they must not change what is shown."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("OUTLIVE_", "PG"))}
