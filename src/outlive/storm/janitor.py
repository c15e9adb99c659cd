"""Cleans up if the storm is killed: `python -m outlive.storm.janitor SCHEME`.

It reads where the database is, connects, says `ready`, and then reads which connections functions have made, one line
for some of them. The line `done` ends it. If its input ends without that, the storm is dead: it ends these connections,
whose functions nobody can ask any more, and drops the storm's tables.
"""

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress

from outlive.storm.children import environment
from outlive.storm.errors import ScenarioError
from outlive.storm.knock import line_of, target_of
from outlive.storm.plan import Target
from outlive.storm.protocol import observer_of

_READY_TIMEOUT_S = 30.0
_PING_EVERY_S = 0.1
"""A reaper that goes by age alone must not take it for dead."""


class Janitor:
    """Its process, which must outlive this one. ScenarioError when it cannot be started."""

    def __init__(self, target: Target) -> None:
        self._lock = threading.Lock()
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "outlive.storm.janitor", target.scheme],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment(),
            start_new_session=True,  # Ctrl-C is for the storm, which then tells it that it is done
        )
        assert self._popen.stdout is not None
        self._tell(line_of(target))
        waking = threading.Timer(_READY_TIMEOUT_S, self._popen.kill)
        waking.start()
        word = self._popen.stdout.readline().strip()
        waking.cancel()
        if word != "ready":
            self.close()
            raise ScenarioError(f"The database has no place for a second connection of the storm's own: {word or '-'}")

    def note(self, numbers: Iterable[int]) -> None:
        """These connections were made."""
        self._tell(" ".join(map(str, numbers)))

    def _tell(self, line: str) -> None:
        assert self._popen.stdin is not None
        with self._lock, suppress(BrokenPipeError, ValueError):
            self._popen.stdin.write(f"{line}\n")
            self._popen.stdin.flush()

    def close(self) -> None:
        """All is clean. Idempotent."""
        self._tell("done")
        assert self._popen.stdin is not None
        with self._lock, suppress(BrokenPipeError):
            self._popen.stdin.close()
        try:
            self._popen.wait(10)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()


def main() -> None:
    """Returns when all is clean."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    lines = _lines()
    try:
        observer = observer_of(target_of(next(lines)), "")
    except ScenarioError as error:
        sys.stdout.write(f"{error}\n")
        return
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    made: set[int] = set()
    for line in lines:
        if line == "done":
            break
        if line:
            made.update(map(int, line.split()))
        else:
            observer.ping()
    else:
        observer.end(made & {backend.number for backend in observer.look()})
        observer.remove()
    observer.close()


def _lines() -> Iterator[str]:
    """Of standard input; an empty one whenever nothing has come for a while."""
    rest = b""
    while True:
        if not select.select([0], [], [], _PING_EVERY_S)[0]:
            yield ""
            continue
        chunk = os.read(0, 65536)
        if not chunk:
            return
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line.decode() for line in whole if line)


if __name__ == "__main__":
    main()
