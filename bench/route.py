"""A way to a database, and what the process on it has used."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Route:
    """One way to the database. `pid` is the relay's process; None when there is none."""

    name: str
    host: str
    port: int
    pid: int | None = None

    def cpu_s(self) -> float:
        """CPU seconds, user and system, that the relay's process has used so far with all its threads; 0.0 without
        one.
        """
        if self.pid is None:
            return 0.0
        # Fields 14 and 15 of proc(5), counted behind the name, which may contain anything.
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_bytes(self) -> int:
        """Resident memory of the relay's process."""
        if self.pid is None:
            return 0
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024
