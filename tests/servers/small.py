"""Small servers of other protocols, as Debian ships them: memcached and beanstalkd."""

import re
import socket
import time
from collections.abc import Sequence
from pathlib import Path

from .namespaces import Namespace
from .processes import Process, ServerError, free_port, program

_HELD = ("01", "08")  # ESTABLISHED, CLOSE_WAIT (the client has closed, the server has not): what a server still has


class SmallServer:
    """One on a free port; `namespace` is the host of a `Network` on which it runs."""

    program = ""
    end_of_statistics = b"END\r\n"

    def __init__(self, *, host: str = "127.0.0.1", port: int | None = None, namespace: Namespace | None = None) -> None:
        self.host = host
        self.port = port or free_port()
        self._namespace = namespace
        command = [program(self.program, self.program), *self.arguments()]
        name = None if namespace is None else namespace.name
        self.process = Process(command, name=self.program, namespace=name)
        self._wait()

    def arguments(self) -> Sequence[str]:
        """Of its command line."""
        raise NotImplementedError

    def url(self, **options: object) -> str:
        """For `outlive serve`, with options as its query."""
        query = "&".join(f"{name}={value}" for name, value in options.items())
        return f"tcp://{self.host}:{self.port}" + (f"?{query}" if query else "")

    def statistic(self, connection: socket.socket) -> int:
        """How many connections it counts itself, this one among them."""
        connection.sendall(b"stats\r\n")
        answer = b""
        while not answer.endswith(self.end_of_statistics):
            answer += connection.recv(1 << 16)
        found = re.search(rb"curr(?:ent-|_)connections:? (\d+)", answer)
        assert found is not None
        return int(found[1])

    def connect(self) -> socket.socket:
        """A connection straight to it."""
        if self._namespace is not None:
            return self._namespace.connect(self.host, self.port)
        return socket.create_connection((self.host, self.port), 10)

    def connections(self) -> int:
        """How many it has now, by the kernel's word: those that it has not closed."""
        rows = Path(f"/proc/{self.process.pid}/net/tcp").read_text().splitlines()[1:]
        port = f":{self.port:04X}"
        return sum(row.split()[1].endswith(port) and row.split()[3] in _HELD for row in rows)

    def _wait(self) -> None:
        deadline = time.monotonic() + 10
        while True:
            try:
                self.connect().close()
                return
            except OSError:
                if not self.process.wait_change(0.02) or time.monotonic() > deadline:
                    raise ServerError(f"{self.program} does not listen:\n{self.process.log}") from None

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()

    def close(self) -> None:
        self.process.close()

    def __enter__(self) -> "SmallServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Memcached(SmallServer):
    """Asks and answers by lines and lengths; values of up to 1 MiB."""

    program = "memcached"

    def arguments(self) -> Sequence[str]:
        """See `SmallServer`."""
        return ("-u", "nobody", "-l", self.host, "-p", str(self.port), "-m", "256", "-c", "4000", "-t", "2")


class Beanstalkd(SmallServer):
    """A queue of jobs, on whose answers clients may have to wait."""

    program = "beanstalkd"
    end_of_statistics = b"\n\r\n"

    def arguments(self) -> Sequence[str]:
        """See `SmallServer`."""
        return ("-l", self.host, "-p", str(self.port))
