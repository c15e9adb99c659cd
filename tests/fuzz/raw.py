"""A client that says whatever bytes it is told to, over a real socket; and what that costs the node."""

import time
from pathlib import Path
from typing import Self

from ..raw.mysql import Packets, login_to, response_to
from ..servers.database import APP, Account
from .house import CLIENT

TIMEOUT_S = 20.0


class RawClient(Packets):
    """Connected; the greeting is read. Use as a context."""

    def __init__(self, port: int, *, receive_buffer_bytes: int = 0) -> None:
        super().__init__("127.0.0.1", port, timeout_s=TIMEOUT_S, receive_buffer_bytes=receive_buffer_bytes)

    def response(self, capabilities: int = CLIENT, password: str = APP.password) -> bytes:
        """The payload of a login."""
        account = Account(APP.user, password)
        return response_to(self.greeting, login_to(self.greeting, account), account.user, capabilities)

    def logged_in(self) -> Self:
        """This one, as the test's driver would be."""
        return self.log_in(capabilities=CLIENT)

    def command(self, payload: bytes) -> bytes:
        """The first packet of the answer."""
        self.send(payload)
        return self.read()

    def flood(self, data: bytes, seconds: float) -> int:
        """Sends `data` again and again until nothing is taken any more for a while; returns the bytes taken."""
        self.socket.setblocking(False)
        sent, until, idle_since = 0, time.monotonic() + seconds, time.monotonic()
        view = memoryview(data)
        position = 0
        while time.monotonic() < until and time.monotonic() - idle_since < 0.2:
            try:
                taken = self.socket.send(view[position:])
            except BlockingIOError:
                time.sleep(0.01)  # until it may take more, which need not come
                continue
            except OSError:
                break
            idle_since = time.monotonic()
            sent += taken
            position = (position + taken) % len(data)
        self.socket.settimeout(TIMEOUT_S)
        return sent

    def ends(self, seconds: float) -> bool:
        """Whether the node closes the connection within that time, whatever it says before."""
        self.socket.settimeout(seconds)
        return self.at_end()


def rss_bytes(pid: int) -> int:
    """The resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(pid)


def cpu_s(pid: int) -> float:
    """Seconds that a process has run on a processor, finer than /proc tells (clock_getcpuclockid(3))."""
    return time.clock_gettime(~pid << 3 | 2)
