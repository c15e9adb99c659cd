"""Simulated hosts that can vanish: network namespaces on links that can be cut, so that no FIN or RST is ever sent.

Needs root and the `ip` program. The hosts have addresses of the range for documentation (RFC 5737) and no route to
anywhere but each other, so that no packet can leave, not even when a link is gone.
"""

import contextlib
import ctypes
import itertools
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

_numbers = itertools.count()
_CLONE_NEWNET = 0x40000000  # Python has os.setns from 3.12 on
_MOST_CLIENTS = 63  # networks of four addresses in 192.0.2.0/24


class HostError(Exception):
    """A host or link could not be made; the message is what `ip` said."""


@dataclass(frozen=True, slots=True)
class ClientHost:
    """A host with one link to the server host.

    `name` is its network namespace; `server` the server host's address on its link.
    """

    name: str
    device: str
    address: str
    server: str

    def cut(self) -> None:
        """From now on every packet on the link is lost, without any sign to either end."""
        _ip("-n", self.name, "link", "set", self.device, "down")

    def restore(self) -> None:
        """Undo `cut`: what either end still has to send arrives now."""
        _ip("-n", self.name, "link", "set", self.device, "up")


class Hosts:
    """A server host, whose network namespace is `server`, and the client hosts that `add_client` joins to it.

    A context manager; `close` removes all of them (programs that still run there keep theirs until they end).
    """

    def __init__(self) -> None:
        # A process makes several in its life, and several processes at once: names must differ, and devices have 15
        # bytes.
        self._tag = f"{os.getpid()}-{next(_numbers)}"
        self.server = f"outlive-s{self._tag}"
        self.clients: list[ClientHost] = []
        try:
            _ip("netns", "add", self.server)
            _ip("-n", self.server, "link", "set", "lo", "up")
        except HostError:
            self.close()
            raise

    @staticmethod
    def possible() -> bool:
        """Whether this process may make hosts. Tried, as containers deny it to root too."""
        if os.geteuid() != 0:
            return False
        try:
            Hosts().close()
        except HostError:
            return False
        return True

    def add_client(self) -> ClientHost:
        """A new client host, linked to the server host; addresses are never used twice."""
        number = len(self.clients)
        if number >= _MOST_CLIENTS:
            raise HostError(f"at most {_MOST_CLIENTS} client hosts")
        near, far = f"ols{self._tag}.{number}"[-15:], f"olc{self._tag}.{number}"[-15:]
        client = ClientHost(
            f"outlive-c{self._tag}-{number}", far, f"192.0.2.{4 * number + 2}", f"192.0.2.{4 * number + 1}"
        )
        self.clients.append(client)
        _ip("netns", "add", client.name)
        _ip("-n", client.name, "link", "set", "lo", "up")
        _ip("-n", self.server, "link", "add", near, "type", "veth", "peer", "name", far, "netns", client.name)
        ends = ((self.server, near, client.server), (client.name, far, client.address))
        for namespace, device, address in ends:
            _ip("-n", namespace, "addr", "add", f"{address}/30", "dev", device)
            _ip("-n", namespace, "link", "set", device, "up")
        # With the neighbour known for ever nobody asks for it when it is gone: a send to it is lost in silence, as
        # when a
        # host behind a router dies. (Else the failed question would show in the sender's socket after 3 s.)
        for (namespace, device, _), (other, other_device, address) in (ends, ends[::-1]):
            link_address = _link_address(other, other_device)
            _ip("-n", namespace, "neigh", "replace", address, "lladdr", link_address, "dev", device, "nud", "permanent")
        return client

    def close(self) -> None:
        """Remove every host. Idempotent."""
        for name in [*(client.name for client in self.clients), self.server]:
            with contextlib.suppress(HostError):
                _ip("netns", "del", name)

    def __enter__(self) -> "Hosts":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def in_namespace(namespace: str, function: Callable[..., T], *arguments: object) -> T:
    """Run `function` on a thread that is inside a network namespace, and return its result: sockets it makes stay
    there.
    """
    result: Future[T] = Future()

    def enter_and_run() -> None:
        try:
            descriptor = os.open(f"/run/netns/{namespace}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                if ctypes.CDLL(None, use_errno=True).setns(descriptor, _CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), f"setns {namespace}")
            finally:
                os.close(descriptor)
            result.set_result(function(*arguments))
        except BaseException as error:
            result.set_exception(error)

    # The thread ends with the call, and with it its stay in the namespace.
    thread = threading.Thread(target=enter_and_run, daemon=True)
    thread.start()
    thread.join()
    return result.result()


def _ip(*arguments: str) -> str:
    program = shutil.which("ip", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if program is None:
        raise HostError("the program ip is missing: install the Debian package iproute2")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=20, check=False)
    if done.returncode:
        raise HostError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def _link_address(namespace: str, device: str) -> str:
    return _ip("-n", namespace, "-o", "link", "show", device).split("link/ether ")[1].split()[0]
