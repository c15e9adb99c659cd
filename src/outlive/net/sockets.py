"""Socket options and limits of the operating system (Linux), for TCP and Unix sockets alike."""

import os
import resource
import select
import socket
import struct
import sys
from typing import Protocol

_PROBE_INTERVAL_S = 1
_TCP_FAMILIES = (socket.AF_INET, socket.AF_INET6)


class SocketLike(Protocol):
    """What asyncio's and uvloop's transports give as their "socket"."""

    @property
    def family(self) -> int: ...

    def fileno(self) -> int: ...

    def setsockopt(self, level: int, name: int, value: int | bytes, /) -> None: ...

    def getsockopt(self, level: int, name: int, size: int, /) -> bytes: ...


def set_no_delay(sock: SocketLike) -> None:
    """Send small packets at once. Raises OSError on a socket that is gone."""
    if sock.family in _TCP_FAMILIES:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def end_writing(sock: SocketLike) -> None:
    """FIN, behind what was written: for a socket that is about to be closed while its peer may be saying something.

    Closing one with unread bytes is a RST alone, at which clients throw away the error they were just sent.
    Raises OSError on a socket that is gone.
    """
    # The transports of uvloop give no socket to shut down, and end what they are still asked to do when they close.
    with socket.socket(fileno=os.dup(sock.fileno())) as twin:
        twin.shutdown(socket.SHUT_WR)


def arm_probe(sock: SocketLike, *, limit_s: int) -> None:
    """Learn within limit_s (seconds, and one more) that the peer vanished without a word.

    An idle peer is probed each second; data that stays unacknowledged ends the connection after the same time. The
    kernel counts a peer that acknowledges but never reads (a closed window) as gone too: for one that is only slow to
    read, give the longer time it may take. Takes effect at once on a connection that is already idle.
    Raises OSError on a socket that is gone.
    """
    if sock.family not in _TCP_FAMILIES:
        return
    # With a user timeout the kernel ends idle connections by it too, and no longer by the count (tcp(7)).
    every_s = _PROBE_INTERVAL_S
    _set_keepalive(sock, idle_s=every_s, every_s=every_s, count=max(1, limit_s - 1), user_timeout_ms=limit_s * 1000)


def watch_peer(sock: SocketLike, *, limit_s: int) -> None:
    """Learn within limit_s (seconds, and one more) that an idle peer vanished without a word.

    As `arm_probe`, but for a connection that may stay for long with data on its way: keepalive is silent then, and the
    kernel's own limit would end a peer that is only slow to read. Ask `unacknowledged_s` for that.
    Raises OSError on a socket that is gone.
    """
    if sock.family not in _TCP_FAMILIES:
        return
    # One probe goes out each second; the kernel ends the connection when as many have had no answer. More than 127 it
    # does not count: then they go out less often.
    every_s = -(-limit_s // 120)
    _set_keepalive(sock, idle_s=every_s, every_s=every_s, count=max(1, limit_s // every_s - 1), user_timeout_ms=0)


def reset_at_close(sock: SocketLike) -> None:
    """Let the close of this socket be a RST: its peer must not take what it has got for all there is.

    Raises OSError on a socket that is gone.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def relax_probe(sock: SocketLike, *, keepalive_s: int) -> None:
    """Probe only after keepalive_s (seconds) of silence, to keep a load balancer from forgetting the connection.

    Raises OSError on a socket that is gone.
    """
    if sock.family not in _TCP_FAMILIES:
        return
    every_s = max(1, min(keepalive_s, 15))
    _set_keepalive(sock, idle_s=keepalive_s, every_s=every_s, count=4, user_timeout_ms=0)


def _set_keepalive(sock: SocketLike, *, idle_s: int, every_s: int, count: int, user_timeout_ms: int) -> None:
    # What uvloop's transports give as a socket makes one anew for each option: one for all of them costs half.
    with socket.socket(sock.family, socket.SOCK_STREAM, 0, fileno=os.dup(sock.fileno())) as twin:
        twin.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, user_timeout_ms)
        twin.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, idle_s)
        twin.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, every_s)
        twin.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, count)
        twin.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def is_vanished(sock: SocketLike) -> bool:
    """Whether the kernel knows that the peer closed, reset or timed out, although nothing of it was read yet.

    For connections whose reading is paused: data that came before the end does not hide it. About 2 us.
    """
    descriptor = sock.fileno()
    if descriptor < 0:
        return True
    poll = select.poll()
    poll.register(descriptor, select.POLLRDHUP)
    return bool(poll.poll(0))


def unacknowledged_s(sock: SocketLike) -> float:
    """For how long (seconds) nothing was acknowledged while data, or a probe of a closed window, is on its way.

    0.0 where nothing is.

    A peer that is alive acknowledges either, even if it does not read. One measurement may fall between a probe and its
    acknowledgement: take the second one in a row. Raises OSError on a socket that is gone.
    """
    if sock.family not in _TCP_FAMILIES:
        return 0.0
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    retransmits, probes, unacknowledged, last_acknowledgement_ms = info[2], info[3], info[24:28], info[56:60]
    if not probes and not (retransmits and any(unacknowledged)):
        return 0.0
    return int.from_bytes(last_acknowledgement_ms, sys.byteorder) / 1000.0


def raise_open_files_limit(wanted: int) -> int:
    """Raise RLIMIT_NOFILE towards `wanted` descriptors, and beyond the hard limit where that is allowed.

    Returns the limit now in force, which may be lower (or higher, it is never lowered).
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return _finite(soft)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
            return wanted
        except (ValueError, OSError):
            wanted = hard  # not privileged: what the hard limit allows
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ValueError, OSError):
        return _finite(soft)
    return wanted


def _finite(limit: int) -> int:
    return 1 << 30 if limit == resource.RLIM_INFINITY else limit
