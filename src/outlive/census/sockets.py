"""What the kernel of this machine knows of TCP sockets, where the database runs on it.

Of an idle connection whose peer vanished the kernel knows nothing (ESTABLISHED, and silent) until it has something to
send: a keepalive probe, or data. Sources: proc(5) and the kernel's documentation of proc_net_tcp; tcp(7).
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import struct
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from outlive.census.session import Session

_TABLES: Final = ("/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6")
_STATES: Final = (
    "",
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
)
_DEAD_RETRANSMITS: Final = 3
"""After 3 retransmissions, each after twice the time of the one before, and 200 ms at least, 1.4 s have passed."""
_DEAD_PROBES: Final = 2
"""One probe is always unanswered for a round trip; two mean that a whole keepalive interval passed in silence."""


@dataclass(frozen=True, slots=True)
class Socket:
    """One line of the kernel's table. `unacked` are bytes sent and not acknowledged; `probes` unanswered probes."""

    local: str
    local_port: int
    peer: str
    peer_port: int
    state: str
    unacked: int = 0
    retransmits: int = 0
    probes: int = 0
    inode: int = 0


class Fate(StrEnum):
    """What the kernel's table says of a client."""

    LIVES = "lives"
    GONE = "gone"
    """Certain: it has closed, or its socket is not there any more."""
    SILENT = "silent"
    """It does not answer what the kernel sent."""
    UNKNOWN = "unknown"


def parse_table(text: str, port: int) -> list[Socket]:
    """The sockets of /proc/net/tcp or tcp6 with this port on either side; lines that are none are left out.

    Only those are parsed: on a busy machine most of the table are others', and TIME_WAIT.
    """
    found = []
    wanted = f":{port:04X} "
    for line in text.splitlines()[1:]:
        if wanted not in line:
            continue
        fields = line.split()
        with contextlib.suppress(ValueError, IndexError, struct.error):
            found.append(_socket(fields))
    return found


def _socket(fields: list[str]) -> Socket:
    local, local_port = _address(fields[1])
    peer, peer_port = _address(fields[2])
    return Socket(
        local,
        local_port,
        peer,
        peer_port,
        _STATES[int(fields[3], 16)] if int(fields[3], 16) < len(_STATES) else "NEW_SYN_RECV",
        int(fields[4].partition(":")[0], 16),
        int(fields[6], 16),
        int(fields[8]),
        int(fields[9]),
    )


def _address(text: str) -> tuple[str, int]:
    """Words of 32 bits, each in the byte order of the machine."""
    host, _, port = text.partition(":")
    words = [int(host[at : at + 8], 16) for at in range(0, len(host), 8)]
    return plain_address(str(ipaddress.ip_address(struct.pack(f"={len(words)}I", *words)))), int(port, 16)


def plain_address(text: str) -> str:
    """One spelling of an address: IPv4 also where it came as IPv6; what is none (a name) stays, in lower case."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text.lower()
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def read_sockets(port: int) -> list[Socket]:
    """Those of this network namespace with this port on either side; none where the kernel has no such table.

    Read twice: the table is no snapshot.
    """
    found: dict[tuple[str, int, str, int], Socket] = {}
    for _ in range(2):
        for path in _TABLES:
            with contextlib.suppress(OSError):
                for one in parse_table(Path(path).read_text(encoding="ascii"), port):
                    found[one.local, one.local_port, one.peer, one.peer_port] = one
    return list(found.values())


def read_stopped() -> set[int]:
    """The inodes of the sockets of stopped processes (SIGSTOP), as far as this user may see them.

    Such a process neither works nor ends, and its kernel answers for it.
    """
    found: set[int] = set()
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            with contextlib.suppress(OSError):
                if (process / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[
                    0
                ] == "T":
                    found |= _sockets_of(process)
    return found


def _sockets_of(process: Path) -> set[int]:
    """Raises OSError where this user may not see them."""
    found = set()
    for descriptor in (process / "fd").iterdir():
        with contextlib.suppress(OSError):
            target = os.readlink(descriptor)
            if target.startswith("socket:["):
                found.add(int(target[8:-1]))
    return found


class SocketTable:
    """The server's side of its connections, by the client's host and port; empty where the server is elsewhere.

    `stopped` are the inodes of sockets whose processes are stopped: see `read_stopped`.
    """

    def __init__(self, sockets: Iterable[Socket], server_port: int, stopped: Collection[int] = ()) -> None:
        listed = list(sockets)
        self.listener = next((one for one in listed if one.state == "LISTEN" and one.local_port == server_port), None)
        self.server_side: Mapping[tuple[str, int], Socket] = {
            (one.peer, one.peer_port): one
            for one in listed
            if one.local_port == server_port and one.state != "LISTEN" and self.listener is not None
        }
        self._client_side = {
            (one.local, one.local_port): one.inode in stopped
            for one in listed
            if one.peer_port == server_port and one.state == "ESTABLISHED"
        }

    def holds(self, host: str, port: int) -> bool:
        """Whether the server's side of the connection from there is in this table: then it is the right one."""
        return (plain_address(host), port) in self.server_side

    def fate(self, host: str, port: int) -> tuple[Fate, str]:
        """What is known of the client at this host and port, and in words how."""
        peer = (plain_address(host), port)
        found = self.server_side.get(peer)
        if found is None:
            return Fate.UNKNOWN, ""
        if found.state in ("CLOSE_WAIT", "LAST_ACK", "CLOSE"):
            return Fate.GONE, f"its socket is in {found.state}: the client has closed, and the server has not noticed"
        # That there is none says nothing: address translation shows clients elsewhere under an address of ours.
        stopped = self._client_side.get(peer)
        if stopped:
            return Fate.UNKNOWN, "the client's process is stopped, as a frozen function is"
        if stopped is not None:
            return Fate.LIVES, "the client's socket is open on this machine"
        if found.unacked and found.retransmits >= _DEAD_RETRANSMITS:
            said = f"{found.unacked} bytes were sent {found.retransmits + 1} times, and nobody acknowledged them"
            return Fate.SILENT, said
        if found.probes >= _DEAD_PROBES:
            return Fate.SILENT, f"{found.probes} keepalive probes had no answer"
        return Fate.UNKNOWN, ""


async def local_sockets(session: Session) -> SocketTable | None:
    """The table of now, where the database's sockets are in it: where the other end of `session`'s own connection is.

    That is known by its port, so that a forwarded port or another server with this number is not taken for the
    database. Raises CensusError.
    """
    host, port = session.own_end
    number = session.address.port
    sockets, stopped = await asyncio.to_thread(lambda: (read_sockets(number), read_stopped()))
    table = SocketTable(sockets, number, stopped)
    if not table.holds(host, port) or (await session.seen_as())[1] != port:
        return None
    return table
