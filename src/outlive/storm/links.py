"""Links from this host, where the servers are, to hosts of functions: cut, they lose every packet without a sign.

In a room (room.py) or through a doorway (doorway.py). Needs the programs `ip` and `nsenter`.
"""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from outlive.storm.errors import ScenarioError

_TIMEOUT_S = 20.0


def open_loopback() -> None:
    """A new network comes with its loopback down."""
    _run("ip", "link", "set", "lo", "up")


@dataclass(frozen=True, slots=True)
class Ends:
    """What the two ends of a link are called, and their addresses, of one network of four: `server` is this host's."""

    near: str
    far: str
    server: str
    address: str


class Link:
    """A link to the network of the process `pid`."""

    def __init__(self, ends: Ends, pid: int) -> None:
        self.server = ends.server
        self.address = ends.address
        self._near, self._far = ends.near, ends.far
        # Held open, the host stays when its last process has ended: what is sent to it is still lost, not refused.
        self._network = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _run("ip", "link", "add", self._near, "type", "veth", "peer", "name", self._far, "netns", str(pid))
            self._configure()
        except BaseException:
            self.close()
            raise

    def _configure(self) -> None:
        """With the neighbour known for ever nobody asks for it when it is gone: a send to it is lost in silence, as
        when a host behind a router dies. (Else the failed question would show in the sender's socket after 3 s.)
        """
        near_hardware = _hardware(_run("ip", "-o", "link", "show", self._near))
        far_hardware = _hardware(self._inside("ip", "-o", "link", "show", self._far))
        _run("ip", "addr", "add", f"{self.server}/30", "dev", self._near)
        _run("ip", "link", "set", self._near, "up")
        self._inside("ip", "addr", "add", f"{self.address}/30", "dev", self._far)
        self._inside("ip", "link", "set", self._far, "up")
        permanent = ["nud", "permanent"]
        _run("ip", "neigh", "replace", self.address, "lladdr", far_hardware, "dev", self._near, *permanent)
        self._inside("ip", "neigh", "replace", self.server, "lladdr", near_hardware, "dev", self._far, *permanent)

    def open_loopback(self) -> None:
        """Of the other host: a new network comes with its loopback down."""
        self._inside("ip", "link", "set", "lo", "up")

    def forget_soon(self) -> None:
        """The other host's kernel gives its dead processes' sockets up after one try (else after some minutes, and the
        host stays that long). Whoever they were connected to sees none of it.
        """
        self._inside("sh", "-c", "echo 1 > /proc/sys/net/ipv4/tcp_orphan_retries")

    def delay(self, half_s: float) -> None:
        """Hold every packet for so long, each way, by the kernel's netem. ScenarioError where it has none."""
        netem = ["root", "netem", "delay", f"{half_s * 1e6:.0f}us", "limit", "100000"]
        self._inside("tc", "qdisc", "add", "dev", self._far, *netem)
        _run("tc", "qdisc", "add", "dev", self._near, *netem)

    def cut(self) -> None:
        """From now on every packet on the link is lost, without any sign to either end."""
        self._inside("ip", "link", "set", self._far, "down")

    def close(self) -> None:
        """The other host may go; the link goes with it. Idempotent."""
        network, self._network = self._network, -1
        if network >= 0:
            os.close(network)

    def remove(self) -> None:
        """`close`, and the link is gone when this returns: else the kernel takes it away some time after the host."""
        _run("ip", "link", "delete", self._near)
        self.close()

    def _inside(self, *command: str) -> str:
        return _run("nsenter", f"--net=/proc/self/fd/{self._network}", "--", *command, keep=[self._network])


def _hardware(shown: str) -> str:
    return shown.split("link/ether ")[1].split(maxsplit=1)[0]


def _run(*command: str, keep: Sequence[int] = ()) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False, pass_fds=tuple(keep)
        )
    except OSError as error:
        raise ScenarioError(f"{command[0]} cannot be run: {error.strerror}.") from None
    if done.returncode:
        raise ScenarioError(f"{' '.join(command)}: {done.stderr.strip()}.")
    return done.stdout
