"""The server's processes: none of them outlives this one."""

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from outlive.embedded.account import Account
from outlive.embedded.errors import EmbeddedError

_LAUNCHER = Path(__file__).with_name("launcher.py")
_KEPT_LINES = 40
# As root the server's user may be unable to pass the folders above the data (root's home); a process needs no right
# to the path of the folder that it is already in.
_HERE = "/proc/self/cwd"


def data_argument(data: Path, account: Account | None) -> str:
    """How the data folder is named to a program that is started in it."""
    return str(data) if account is None else _HERE


def _command(account: Account | None, number: signal.Signals, command: Sequence[str]) -> list[str]:
    uid, gid = (account.uid, account.gid) if account is not None else (-1, -1)
    launcher = [sys.executable, "-I", "-S", str(_LAUNCHER)]
    return [*launcher, str(os.getpid()), str(int(number)), str(uid), str(gid), *command]


def _environment() -> dict[str, str]:
    """No more than is needed: this process's own may hold secrets, and PG* variables would change settings."""
    path = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
    zone = {"TZ": os.environ["TZ"]} if "TZ" in os.environ else {}
    return {"PATH": path, "LC_ALL": "C", **zone}


def run(
    command: Sequence[str],
    *,
    folder: Path,
    account: Account | None,
    server_lock: int,
    given: str = "",
    timeout_s: float = 300.0,
) -> None:
    """Run a program in `folder` to its end, with `given` on its standard input.

    EmbeddedError with the end of what it wrote when it fails.
    """
    try:
        done = subprocess.run(
            _command(account, signal.SIGKILL, command),
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=_environment(),
            pass_fds=[server_lock],
            start_new_session=True,
            timeout=timeout_s,
            text=True,
            errors="replace",
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise EmbeddedError(f"{Path(command[0]).name} was not done in {timeout_s:.0f} s.") from None
    if done.returncode:
        raise EmbeddedError(f"{Path(command[0]).name} failed: {_summary(done.stdout.splitlines())}")


class ServerProcess:
    """The running server. It gets SIGINT from the kernel when this process ends in any way: a shutdown in order.

    Each line that it writes goes to `on_line`, on another thread.
    """

    def __init__(
        self,
        command: Sequence[str],
        on_line: Callable[[str], None],
        *,
        folder: Path,
        account: Account | None,
        server_lock: int,
        namespace: str | None = None,
        name: str = "PostgreSQL",
    ) -> None:
        self._folder = folder
        self._server_lock = server_lock
        # `ip netns exec` becomes the launcher, which becomes the server: it stays this process's child.
        inside = ["ip", "netns", "exec", namespace] if namespace is not None else []
        self._command = [*inside, *_command(account, signal.SIGINT, command)]
        self._on_line = on_line
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._popen: subprocess.Popen[str] | None = None
        self._failure: OSError | None = None
        self._started = threading.Event()
        self.ended = threading.Event()
        # The signal comes when the *thread* that started it ends, so this one stays as long as the server.
        threading.Thread(target=self._live, name=f"embedded-{name}", daemon=True).start()
        self._started.wait()
        if self._failure is not None:
            raise EmbeddedError(f"{name} cannot be started: {self._failure}")

    def _live(self) -> None:
        try:
            self._popen = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                pass_fds=[self._server_lock],
                env=_environment(),
                # Ctrl-C in a terminal is for Outlive: it drains first, and needs its database for that.
                start_new_session=True,
                text=True,
                errors="replace",
            )
        except OSError as error:
            self._failure = error
            return
        finally:
            self._started.set()
        assert self._popen is not None
        assert self._popen.stdout is not None
        for line in self._popen.stdout:
            self._lines.append(line.rstrip("\n"))
            self._on_line(self._lines[-1])
        self._popen.wait()
        self.ended.set()

    @property
    def pid(self) -> int:
        assert self._popen is not None
        return self._popen.pid

    @property
    def summary(self) -> str:
        """The last lines that say why it ended."""
        return _summary(list(self._lines))

    def stop(self, steps: Sequence[tuple[signal.Signals, float]]) -> None:
        """Send each signal and wait so many seconds, until it has ended. Idempotent."""
        assert self._popen is not None
        for number, seconds in steps:
            if self.ended.is_set():
                return
            with suppress(ProcessLookupError):
                self._popen.send_signal(number)
            self.ended.wait(seconds)


def _summary(lines: list[str]) -> str:
    telling = [line for line in lines if any(word in line for word in ("FATAL", "PANIC", "ERROR", "HINT", "rror:"))]
    return " / ".join((telling or lines)[-4:]) or "it said nothing"
