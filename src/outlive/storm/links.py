"""Links from this host, where the servers are, to hosts of functions: cut, they lose every packet without a sign.

Only in a room (room.py). Needs the programs `ip` and `nsenter`.
"""

import os
import subprocess
from collections.abc import Sequence

from outlive.storm.errors import ScenarioError

MOST_LINKS = 63  # networks of four addresses in 192.0.2.0/24, the range for documentation (RFC 5737)
_TIMEOUT_S = 20.0


def open_loopback() -> None:
    """A new network comes with its loopback down."""
    _run("ip", "link", "set", "lo", "up")


class Link:
    """A link to the network of the process `pid`; `server` is this host's address on it, and `address` the other's."""

    def __init__(self, number: int, pid: int) -> None:
        if number >= MOST_LINKS:
            raise ScenarioError(f"At most {MOST_LINKS} generations of functions: name fewer.")
        self.server = f"192.0.2.{4 * number + 1}"
        self.address = f"192.0.2.{4 * number + 2}"
        self._near, self._far = f"near{number}", f"far{number}"
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

    def cut(self) -> None:
        """From now on every packet on the link is lost, without any sign to either end."""
        self._inside("ip", "link", "set", self._far, "down")

    def close(self) -> None:
        """The other host may go; the link goes with it. Idempotent."""
        network, self._network = self._network, -1
        if network >= 0:
            os.close(network)

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
