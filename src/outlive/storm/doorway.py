"""A way from networks of functions to one address of this host's loopback, where the database and the proxies listen.

The links end in this host's own network, so this needs root here. What it adds vanishes by itself, even if the storm is
killed: a link goes with the functions' network, its setting (route_localnet) with the link, and the table of nftables
belongs to a process that the kernel ends with the storm (flag `owner`).
"""

import ipaddress
import os
import random
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Final

from outlive.storm.children import Child
from outlive.storm.errors import ScenarioError
from outlive.storm.links import Ends, Link

PROGRAMS: Final = ("ip", "nft", "nsenter", "unshare", "setpriv")
_RANGE: Final = ipaddress.IPv4Network("198.18.0.0/15")  # for benchmarks (RFC 2544): routed nowhere
_PREFIX: Final = 22
_LINKS: Final = 256  # networks of four addresses in one of 1024
_TIMEOUT_S: Final = 10.0


def obstacle() -> str:
    """Why there can be no doorway here, in a few words; empty if it may be tried."""
    if os.geteuid() != 0:
        return "only root may lead links into this host's network"
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    return f"the program {missing[0]} is missing" if missing else ""


class Doorway:
    """Links made by it reach `loopback` of this host, an address of 127.0.0.0/8, under the link's own `server` address.

    `masked`: the servers see the functions as `loopback`, as they see every client on this host; else under the links'
    own addresses. ScenarioError when this host does not allow it.
    """

    def __init__(self, loopback: str, *, masked: bool) -> None:
        self._name = f"olv{os.getpid()}"
        self._base = _free_network()
        self._free = list(range(_LINKS))
        self._said: list[str] = []
        self._open = threading.Event()
        self._nft = Child(["nft", "-i"], self._on_line)
        try:
            for line in _rules(self._name, self._base, loopback, masked=masked):
                self._nft.tell(line)
            self._nft.tell(f"list table ip {self._name}")
            if not self._open.wait(_TIMEOUT_S):
                raise ScenarioError(f"nftables does not take the storm's table: {' / '.join(self._said[-3:])}")
        except BaseException:
            self._nft.kill()
            raise

    def _on_line(self, line: str) -> None:
        self._said.append(line)
        # The last words of what was asked for.
        if "counter" in line and "comment" in line:
            self._open.set()

    def link(self, pid: int) -> Link:
        """A link to the network of this process. ScenarioError when there are too many, or it cannot be made."""
        if not self._free:
            raise ScenarioError(f"At most {_LINKS} hosts of functions at a time: name fewer generations.")
        number = self._free.pop(0)
        first = int(self._base.network_address) + 4 * number
        server, address = (str(ipaddress.IPv4Address(first + host)) for host in (1, 2))
        near = f"{self._name}x{number}"
        made = Link(Ends(near, "far", server, address), pid)
        # Packets to 127.0.0.0/8 are taken from no link but these.
        Path(f"/proc/sys/net/ipv4/conf/{near}/route_localnet").write_text("1")
        made.open_loopback()
        made.forget_soon()
        return made

    def remove(self, link: Link) -> None:
        """Its addresses may be used again."""
        link.remove()
        number = (int(ipaddress.IPv4Address(link.server)) - int(self._base.network_address)) // 4
        self._free.append(number)

    def close(self) -> None:
        """Take the rules away. Idempotent."""
        # What the servers' kernel would go on to say to the dead: a while yet, and to nobody.
        subprocess.run(["ss", "-K", "dst", str(self._base)], capture_output=True, timeout=_TIMEOUT_S, check=False)
        self._nft.kill()


def _rules(name: str, base: ipaddress.IPv4Network, loopback: str, *, masked: bool) -> list[str]:
    lines = [
        f"add table ip {name} {{ flags owner; }}",
        f"add chain ip {name} in {{ type nat hook prerouting priority -100; }}",
        f'add rule ip {name} in iifname "{name}x*" ip daddr {base} meta l4proto tcp dnat to {loopback}',
        f"add chain ip {name} mask {{ type nat hook input priority 100; }}",
    ]
    if masked:
        lines.append(f'add rule ip {name} mask iifname "{name}x*" snat to {loopback}')
    # When a link is gone, what servers still send to its dead must not look for them elsewhere.
    lines += [
        f"add chain ip {name} out {{ type filter hook postrouting priority 0; }}",
        f'add rule ip {name} out ip daddr {base} oifname != "{name}x*" drop',
    ]
    return [*lines, f'add rule ip {name} mask iifname "{name}x*" counter comment "ready"']


def _free_network() -> ipaddress.IPv4Network:
    """One of 1024 addresses of which this host has none: another storm may run beside this one."""
    shown = subprocess.run(
        ["ip", "-o", "-4", "addr", "show"], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
    ).stdout
    taken = [ipaddress.IPv4Interface(line.split()[3]).ip for line in shown.splitlines()]
    networks = [each for each in _RANGE.subnets(new_prefix=_PREFIX) if not any(address in each for address in taken)]
    return random.choice(networks)
