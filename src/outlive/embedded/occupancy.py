"""Who uses a data folder: two locks that end with their holders, however these end."""

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

from outlive.embedded.errors import EmbeddedError

_POLL_S = 0.05  # flock cannot wait for a bounded time
_OWNER_WAIT_S = 2.0  # a killed process holds its files a moment longer


class Occupancy:
    """The folder is this process's until `release`; EmbeddedError when it is another's.

    `owner.lock` is held by this process alone. `server.lock` is handed on to the server (`server_lock`), so it stays
    locked until the last process of the server has ended, also when this one was killed: nobody starts a second server
    on data that one still writes, and a stale `postmaster.pid` can be told from a true one.
    """

    def __init__(self, folder: Path, *, wait_s: float, name: str = "PostgreSQL") -> None:
        self._folder = folder
        self._name = name
        self._owner = os.open(folder / "owner.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.server_lock = -1
        try:
            self._own()
            self.server_lock = os.open(folder / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._outwait_predecessor(wait_s)
        except BaseException:
            self.release()
            raise

    def _own(self) -> None:
        if not _lock(self._owner, _OWNER_WAIT_S):
            owner = os.pread(self._owner, 20, 0).decode(errors="replace").strip()
            raise EmbeddedError(
                f"The embedded database in {self._folder} is in use by another Outlive"
                + (f" (process {owner})" if owner.isdecimal() else "")
                + ": connect to that one, stop it, or name another folder."
            )
        os.ftruncate(self._owner, 0)
        os.pwrite(self._owner, f"{os.getpid()}\n".encode(), 0)

    def _outwait_predecessor(self, wait_s: float) -> None:
        """The server of a killed Outlive is told to end by the kernel, and needs a moment for it."""
        if not _lock(self.server_lock, wait_s):
            raise EmbeddedError(
                f"The {self._name} of an earlier Outlive in {self._folder} has not ended in {wait_s:.0f} s: "
                "end its processes, then try again."
            )

    def release(self) -> None:
        """Give it up; what still runs of the server keeps its lock. Idempotent."""
        # Closed, never unlocked: unlocking would take the lock from the server too, as it shares the open file.
        for descriptor in (self.server_lock, self._owner):
            if descriptor >= 0:
                os.close(descriptor)
        self.server_lock = self._owner = -1


def _lock(descriptor: int, wait_s: float) -> bool:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_S)


def remove_remains(data: Path) -> None:
    """Remove what a killed server left: process ids and sockets.

    PostgreSQL itself would refuse to start where the process id in the file was given to another process since, as it
    happens in containers. EmbeddedError when that process is a server of `data` which somebody started by hand.
    """
    file = data / "postmaster.pid"
    pid = file.read_text().split("\n", 1)[0].strip() if file.exists() else ""
    if pid.isdecimal() and _serves(int(pid), data):
        raise EmbeddedError(
            f"A PostgreSQL that Outlive did not start (process {pid}) runs on {data}: stop it, or name another folder."
        )
    for left in (file, *data.glob(".s.PGSQL.*")):
        left.unlink(missing_ok=True)


def _serves(pid: int, data: Path) -> bool:
    with suppress(OSError):
        process = Path("/proc", str(pid))
        return process.joinpath("exe").readlink().name == "postgres" and process.joinpath("cwd").samefile(data)
    return False
