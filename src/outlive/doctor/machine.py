"""The machine, where the database runs on this one: its kernel's limits and the server process's own.

Sources: proc(5), tcp(7), ip(7), listen(2), getrlimit(2).
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from outlive.doctor.finding import Finding, Severity, by_share
from outlive.doctor.words import size, span

_SYSCTL: Final = Path("/proc/sys")
C10K: Final = 10_000


@dataclass(frozen=True, slots=True)
class Machine:
    """What was read; None where this user may not, or this kernel does not have it."""

    server_pid: int | None = None
    open_files: int | None = None
    """How many descriptors the server has open."""
    open_files_limit: int | None = None
    """The soft limit of the server's process (RLIMIT_NOFILE)."""
    memory_bytes: int | None = None
    somaxconn: int | None = None
    keepalive: tuple[int, int, int] | None = None
    """Seconds until the first probe, seconds between probes, and how many."""
    ports: tuple[int, int] | None = None
    """The ports from which one address may connect to one other."""
    threads_max: int | None = None
    pid_max: int | None = None
    file_max: int | None = None

    @property
    def keepalive_s(self) -> int | None:
        """After how long keepalive ends a connection whose peer is gone, in seconds."""
        if self.keepalive is None:
            return None
        first, every, count = self.keepalive
        return first + every * count

    @property
    def port_count(self) -> int | None:
        """How many connections one address may have to one port of another."""
        return None if self.ports is None else self.ports[1] - self.ports[0] + 1

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {name: getattr(self, name) for name in self.__slots__}


def read_machine(listener_inode: int) -> Machine:
    """Of this machine, and of the process that has the listening socket of this inode."""
    pid = _owner(listener_inode) if listener_inode else None
    first, every, count = (_number(f"net/ipv4/tcp_keepalive_{name}") for name in ("time", "intvl", "probes"))
    keepalive = None if first is None or every is None or count is None else (first, every, count)
    return Machine(
        server_pid=pid,
        open_files=_open_files(pid),
        open_files_limit=_open_files_limit(pid),
        memory_bytes=_memory(),
        somaxconn=_number("net/core/somaxconn"),
        keepalive=keepalive,
        ports=_ports(),
        threads_max=_number("kernel/threads-max"),
        pid_max=_number("kernel/pid_max"),
        file_max=_number("fs/file-max"),
    )


def _read(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text(encoding="ascii", errors="replace")
    return ""


def _number(name: str) -> int | None:
    text = _read(_SYSCTL / name).strip()
    return int(text) if text.isdecimal() else None


def _ports() -> tuple[int, int] | None:
    words = _read(_SYSCTL / "net/ipv4/ip_local_port_range").split()
    return (int(words[0]), int(words[1])) if len(words) == 2 else None


def _memory() -> int | None:
    found = re.search(r"^MemTotal:\s+(\d+) kB", _read(Path("/proc/meminfo")), re.M)
    return int(found[1]) * 1024 if found else None


def _owner(inode: int) -> int | None:
    """The process that has this socket open; only root sees that of others."""
    wanted = f"socket:[{inode}]"
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal():
            continue
        with contextlib.suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                with contextlib.suppress(OSError):
                    if os.readlink(descriptor) == wanted:
                        return int(process.name)
    return None


def _open_files(pid: int | None) -> int | None:
    with contextlib.suppress(OSError):
        return None if pid is None else len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return None


def _open_files_limit(pid: int | None) -> int | None:
    found = re.search(r"^Max open files\s+(\d+)", _read(Path(f"/proc/{pid}/limits")), re.M) if pid else None
    return int(found[1]) if found else None


# -- checks ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cost:
    """What a server takes of its machine. `limit` is max_connections, `backlog` what it asks listen(2) for, `each` what
    one connection is ("threads" or "processes"), `bytes_each` its memory at worst, as far as settings bound it;
    `shares_files`: all connections are open files of one process.
    """

    limit: int
    backlog: int | None
    each: str
    bytes_each: int
    shares_files: bool


def check_machine(machine: Machine, cost: Cost) -> Iterator[Finding]:
    """The machine's limits, as far as it is this one."""
    if cost.shares_files:
        yield from _files(machine)
    yield from _queue(machine, cost.limit, cost.backlog)
    if machine.keepalive is not None:
        first, every, count = machine.keepalive
        kept = machine.keepalive_s or 0
        yield Finding(
            Severity.NOTE if kept > 900 else Severity.GOOD,
            "the kernel's keepalive",
            f"first probe after {span(first)} of silence, then {count} of them {every} s apart: {span(kept)} in all",
            "Until then a connection whose peer vanished is ESTABLISHED like any other, where the server itself sets"
            " nothing shorter.",
            "sysctl -w net.ipv4.tcp_keepalive_time=60 net.ipv4.tcp_keepalive_intvl=10 net.ipv4.tcp_keepalive_probes=3"
            if kept > 900
            else "",
            "Linux manual, tcp(7)",
        )
    yield _arithmetic(machine, cost)


def _files(machine: Machine) -> Iterator[Finding]:
    if machine.open_files is None or machine.open_files_limit is None:
        return
    yield Finding(
        by_share(machine.open_files, machine.open_files_limit),
        "open files of the server",
        f"{machine.open_files} of {machine.open_files_limit} descriptors are open",
        "Each connection takes one, and so does each open table: without a descriptor no connection is accepted.",
        "systemctl edit the server's unit: LimitNOFILE=65535, then restart it"
        if by_share(machine.open_files, machine.open_files_limit) is not Severity.GOOD
        else "",
        "Linux manual, getrlimit(2)",
    )


def _queue(machine: Machine, limit: int, backlog: int | None) -> Iterator[Finding]:
    if machine.somaxconn is None:
        return
    queue = machine.somaxconn if backlog is None else min(backlog, machine.somaxconn)
    short = queue < min(limit, 128)
    asked = "" if backlog is None else f", of {backlog} that the server asks for"
    yield Finding(
        Severity.NOTE if short else Severity.GOOD,
        "queue of new connections",
        f"{queue} connections wait to be accepted (somaxconn {machine.somaxconn}{asked})",
        "A thousand functions that start at once come within milliseconds; what does not fit is tried again by TCP"
        " after a second, and then two, and four.",
        "sysctl -w net.core.somaxconn=4096, and the server's own back_log beside it" if short else "",
        "Linux manual, listen(2)",
    )


def _arithmetic(machine: Machine, cost: Cost) -> Finding:
    """The C10k arithmetic: what ten thousand connections would take here."""
    parts = [f"{C10K} {cost.each}"]
    severity = Severity.GOOD
    if machine.open_files_limit is not None and cost.shares_files:
        parts.append(f"{C10K} descriptors of the {machine.open_files_limit} that the server may open")
        severity = Severity.NOTE if machine.open_files_limit < C10K else severity
    for name, most in (("threads-max", machine.threads_max), ("pid_max", machine.pid_max)):
        if most is not None and most < 2 * C10K:
            parts.append(f"kernel.{name} is {most}")
            severity = Severity.NOTE
    if machine.port_count is not None:
        parts.append(f"from one address at most {machine.port_count} of them, so many ports it has")
    if machine.memory_bytes is not None:
        wanted = C10K * cost.bytes_each
        parts.append(f"{size(wanted)} of memory at worst, of {size(machine.memory_bytes)} that the machine has")
        severity = Severity.NOTE if wanted > machine.memory_bytes else severity
    return Finding(
        severity,
        "ten thousand connections",
        f"would be {', '.join(parts)}",
        "Functions come in such numbers. What each costs here says whether the database can have a connection for each,"
        " or whether they must share.",
        "outlive serve URL: ten thousand clients on a few connections" if severity is not Severity.GOOD else "",
        "The C10K problem (D. Kegel); Linux manual, ip(7) on ip_local_port_range",
    )
