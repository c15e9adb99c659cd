"""The server's log: two files of bounded size."""

import os
from pathlib import Path

MAX_LOG_BYTES = 4 * 1024 * 1024  # enough for a day of a busy server's errors; twice that is the most on the disk


class LogFile:
    """Lines are appended to `path`; at `limit_bytes` it becomes `path.1`. Mode 0600: errors quote statements."""

    def __init__(self, path: Path, limit_bytes: int = MAX_LOG_BYTES) -> None:
        self._path = path
        self._limit_bytes = limit_bytes
        self._open()

    def _open(self) -> None:
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size_bytes = os.fstat(self._descriptor).st_size

    def write(self, line: str) -> None:
        """Append one line. A full disk must not stop the reading, on which the server waits: the line is lost."""
        data = f"{line}\n".encode(errors="replace")
        try:
            if self._size_bytes + len(data) > self._limit_bytes:
                self._turn()
            self._size_bytes += os.write(self._descriptor, data)
        except OSError:
            pass

    def _turn(self) -> None:
        self._path.replace(self._path.with_name(f"{self._path.name}.1"))
        os.close(self._descriptor)
        self._open()

    def close(self) -> None:
        """Close the file. Lines after that are lost."""
        os.close(self._descriptor)
        self._descriptor = -1
