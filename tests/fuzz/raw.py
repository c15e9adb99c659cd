"""A client that says whatever bytes it is told to, over a real socket."""

import socket
import time
from pathlib import Path

from outlive.auth.mysql.scramble import native_response
from outlive.wire.mysql.handshake import Greeting, HandshakeResponse
from outlive.wire.mysql.packets import packet

from ..servers.database import APP
from .house import CLIENT

TIMEOUT_S = 20.0


class RawClient:
    """Connected; the greeting is read. Use as a context."""

    def __init__(self, port: int, *, receive_buffer_bytes: int = 0) -> None:
        self.socket = socket.socket()
        if receive_buffer_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self.socket.settimeout(TIMEOUT_S)
        self.socket.connect(("127.0.0.1", port))
        self._buffer = b""
        self.greeting = Greeting.parse(self.payload())

    def _fill(self, size: int) -> None:
        while len(self._buffer) < size:
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionResetError("closed")
            self._buffer += data

    def payload(self) -> bytes:
        """The next packet's."""
        self._fill(4)
        end = 4 + int.from_bytes(self._buffer[:3], "little")
        self._fill(end)
        payload, self._buffer = self._buffer[4:end], self._buffer[end:]
        return payload

    def response(self, capabilities: int = CLIENT, password: bytes = b"") -> bytes:
        answer = native_response(password or APP.password.encode(), self.greeting.scramble)
        plugin = b"mysql_native_password"
        return HandshakeResponse(capabilities, 1 << 24, 45, APP.user.encode(), answer, b"test", plugin).encode()

    def log_in(self, capabilities: int = CLIENT) -> "RawClient":
        self.say(packet(1, self.response(capabilities)))
        answer = self.payload()
        assert answer[0] == 0, answer
        return self

    def say(self, data: bytes) -> None:
        self.socket.sendall(data)

    def command(self, payload: bytes) -> bytes:
        """The first packet of the answer."""
        self.say(packet(0, payload))
        return self.payload()

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
        try:
            while self.socket.recv(65536):
                pass
        except TimeoutError:
            return False
        except OSError:
            return True
        return True

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> "RawClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def rss_bytes(pid: int) -> int:
    """The resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(pid)


def cpu_s(pid: int) -> float:
    """Seconds that a process has run on a processor, finer than /proc tells (clock_getcpuclockid(3))."""
    return time.clock_gettime(~pid << 3 | 2)
