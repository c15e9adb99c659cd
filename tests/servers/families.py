"""A process and its children, where these are in sessions of their own (as PostgreSQL's are)."""

import contextlib
import os
import select
import signal
from pathlib import Path


class Family:
    """The process `pid` and its children of this moment. It is stopped first, so that no child is born unseen."""

    def __init__(self, pid: int) -> None:
        self._parent = pid

    def pause(self) -> None:
        """SIGSTOP to each; returns when the parent has stopped."""
        _signal(self._parent, signal.SIGSTOP)
        _wait_stopped(self._parent)
        for child in self._children():
            _signal(child, signal.SIGSTOP)

    def resume(self) -> None:
        for pid in (*self._children(), self._parent):
            _signal(pid, signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL to each; returns when all of the children have ended."""
        _signal(self._parent, signal.SIGSTOP)
        _wait_stopped(self._parent)
        children = self._children()
        descriptors = []
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                descriptors.append(os.pidfd_open(pid))
        for pid in (self._parent, *children):
            _signal(pid, signal.SIGKILL)
        for descriptor in descriptors:
            select.select([descriptor], [], [], 10)
            os.close(descriptor)

    def _children(self) -> list[int]:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            return [int(pid) for pid in Path(f"/proc/{self._parent}/task/{self._parent}/children").read_text().split()]
        return []


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _wait_stopped(pid: int) -> None:
    """The kernel stops a process a moment after the signal. waitid only tells it of the caller's own children."""
    with contextlib.suppress(ChildProcessError):
        os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
