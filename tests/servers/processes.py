"""Child processes that never outlive the tests: each dies with this process, whatever ends it."""

import atexit
import contextlib
import fcntl
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import IO, Any


class ServerError(Exception):
    """A server could not be started, or ended when it should not have. The message carries the end of its log."""


def cache_folder() -> Path:
    """Where things are kept that take long to make: `$OUTLIVE_TESTS_CACHE`, else `outlive-tests` in the user's
    cache folder.
    """
    named = os.environ.get("OUTLIVE_TESTS_CACHE")
    folder = (
        Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "outlive-tests"
    )
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file: two test runs at once must not make the same template."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


_FIRST_PORT, _PORTS_A_BLOCK = 10_000, 250
_REFUSED_BY_FETCH = frozenset((10_080,))
"""Of those in reach. Source: the ports that the Fetch standard blocks, which node's clients over HTTP go by."""
_ports: Iterator[int] | None = None


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port on which nothing listens, never the same twice in a process, and in no two test processes at once.

    It stays free until somebody is told to use it, also while a server that has it is down: the kernel gives none of
    these to outgoing connections, of which tests with a thousand clients open many.
    """
    global _ports
    if _ports is None:
        _ports = _own_ports()
    for port in _ports:
        if port in _REFUSED_BY_FETCH:
            continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((host, port))
            found: int = probe.getsockname()[1]
            return found
    raise AssertionError("unreachable: the ports have no end")


def _own_ports() -> Iterator[int]:
    """Blocks of ports below those of outgoing connections, each locked until this process ends; any port (0) where
    there are none, as on machines whose ip_local_port_range begins far down.
    """
    first_of_kernel = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    folder = cache_folder() / "ports"
    folder.mkdir(exist_ok=True)
    for first in range(_FIRST_PORT, first_of_kernel - _PORTS_A_BLOCK, _PORTS_A_BLOCK):
        file = (folder / str(first)).open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            continue
        _locked_blocks.append(file)
        yield from range(first, first + _PORTS_A_BLOCK)
    while True:
        yield 0


_locked_blocks: list[IO[str]] = []


def in_time(seconds: float) -> float:
    """`seconds` on a machine with a processor for each who wants to run; where more want to, so much longer.

    For bounds that are promised to users.
    """
    return seconds * min(4.0, max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)))


def eventually(condition: Callable[[], object], timeout_s: float = 20.0, what: str = "") -> None:
    """Returns when `condition()` is true; ServerError when the time is up first. For states of other processes that
    announce nothing.

    The default is far above what anything takes: a machine that is busy with other tests must not fail it.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise ServerError(f"did not come true in {timeout_s} s: {what or condition}")
        time.sleep(0.01)  # the others need the processor


# PR_SET_PDEATHSIG fires when the *thread* that forked ends, so one thread that never ends starts every child.
_spawn_requests: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = queue.SimpleQueue()
_spawner: threading.Thread | None = None
_spawner_lock = threading.Lock()


def _spawn_forever() -> None:
    while True:
        function, future = _spawn_requests.get()
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)


def spawn(command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
    """`subprocess.Popen` in a session of its own, killed by the kernel when this process ends for whatever reason."""
    global _spawner
    with _spawner_lock:
        if _spawner is None or not _spawner.is_alive():
            _spawner = threading.Thread(target=_spawn_forever, name="spawner", daemon=True)
            _spawner.start()
    # `ip netns exec` executes its command in place, so the signal set before it stays set.
    guarded = ["setpriv", "--pdeathsig", "KILL", "--", *command]
    future: Future[subprocess.Popen[bytes]] = Future()
    _spawn_requests.put((lambda: subprocess.Popen(guarded, start_new_session=True, **options), future))
    return future.result()


class Process:
    """A running child with its standard error (and output) captured as lines.

    `namespace` is the name of a network namespace to run in. `folder` is the child's own folder, removed by `close`.
    """

    live: "set[Process]" = set()

    def __init__(
        self,
        command: Sequence[str],
        *,
        name: str,
        namespace: str | None = None,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        self.name = name
        self.folder = folder
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        if namespace is not None:
            command = ["ip", "netns", "exec", namespace, *command]
        self.command = list(command)
        self.popen = spawn(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
        )
        self.pid = self.popen.pid
        Process.live.add(self)
        self._reader = threading.Thread(target=self._read, name=f"{name}-log", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            with self._changed:
                self.lines.append(line.decode(errors="replace").rstrip("\n"))
                self._changed.notify_all()
        self.popen.wait()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def log(self) -> str:
        """What it wrote so far."""
        with self._changed:
            return "\n".join(self.lines)

    @property
    def running(self) -> bool:
        return self.popen.poll() is None

    def wait_line(self, pattern: str, timeout_s: float = 30.0, *, start: int = 0) -> str:
        """The first line from index `start` on that matches; ServerError when it ends or the time is up first."""
        deadline = time.monotonic() + timeout_s
        seen = start
        with self._changed:
            while True:
                while seen < len(self.lines):
                    if re.search(pattern, self.lines[seen]):
                        return self.lines[seen]
                    seen += 1
                if self._ended or not self._changed.wait(max(0.0, deadline - time.monotonic())):
                    if seen < len(self.lines):
                        continue
                    raise ServerError(
                        self._report("ended" if self._ended else f"wrote no line like {pattern!r} in {timeout_s} s")
                    )

    def wait_change(self, timeout_s: float) -> bool:
        """Wait until it writes a line or ends, at most `timeout_s`. Tells whether it still runs."""
        with self._changed:
            if not self._ended:
                self._changed.wait(timeout_s)
            return not self._ended

    def _report(self, what: str) -> str:
        tail = "\n".join(self.lines[-40:])
        return f"{self.name} {what} (exit status {self.popen.poll()}); the end of its log:\n{tail}"

    def signal(self, number: int) -> None:
        if self.popen.poll() is None:
            self.popen.send_signal(number)

    def pause(self) -> None:
        """SIGSTOP: alive, its sockets open, and silent."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.signal(signal.SIGCONT)

    def wait(self, timeout_s: float = 30.0) -> int:
        """Its exit status; ServerError when it still runs after `timeout_s`."""
        try:
            status = self.popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise ServerError(self._report(f"still runs after {timeout_s} s")) from None
        self._reader.join(5)
        return status

    def stop(self, timeout_s: float = 40.0) -> int:
        """SIGTERM, then its exit status. When it does not end in time it is killed, and ServerError raised."""
        self.signal(signal.SIGTERM)
        try:
            return self.wait(timeout_s)
        except ServerError:
            self.kill()
            raise

    def kill(self) -> None:
        """SIGKILL to it and to what it started (its own session), waited for."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self.popen.wait()
        self._reader.join(5)

    def close(self) -> None:
        """Kill it if it runs, and remove its folder. Idempotent."""
        self.kill()
        Process.live.discard(self)
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_folders: set[Path] = set()


def own_folder(name: str) -> Path:
    """A new folder for one server, removed at exit at the latest."""
    # Unix sockets are made in it, and their paths may have 107 bytes: the name stays short.
    folder = Path(tempfile.mkdtemp(prefix=f"outlive-{name}-"))
    _folders.add(folder)
    return folder


def run(command: Sequence[str], *, timeout_s: float = 300.0, environment: Mapping[str, str] | None = None) -> str:
    """Run to the end and return what it wrote; ServerError when it fails."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=timeout_s,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    text = done.stdout.decode(errors="replace")
    if done.returncode:
        raise ServerError(f"{' '.join(command[:4])} ... failed with {done.returncode}:\n{text[-4000:]}")
    return text


def program(name: str, package: str) -> str:
    """The path of a program; ServerError names the Debian package that has it."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if found is None:
        raise ServerError(
            f"{name} is missing: install the Debian package {package} (`make setup` does it when run as root)"
        )
    return found


@atexit.register
def _close_everything() -> None:
    for process in list(Process.live):
        with contextlib.suppress(Exception):
            process.close()
    for folder in _folders:
        shutil.rmtree(folder, ignore_errors=True)
