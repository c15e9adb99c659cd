"""A TCP forwarder before a database, which stops one connection around a COMMIT."""

import contextlib
import socket
import threading


class Gate:
    """Forwards to `target`, a port on the loopback. `hold` says what the next COMMIT meets; `held` is set when it does.

    In MySQL's protocol COMMIT is prepared first: what counts is what its client sends `later` after the word.
    """

    def __init__(self, target: int, *, later: int = 0) -> None:
        self._target = target
        self._later = later
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.hold = ""  # "commit": it does not reach the server; "answer": what the server says to it is lost
        self.held = threading.Event()
        self._released = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                for sock in (client, server):
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                muted = threading.Event()
                threading.Thread(target=self._up, args=(client, server, muted), daemon=True).start()
                threading.Thread(target=self._down, args=(client, server, muted), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket, muted: threading.Event) -> None:
        due = -1
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                if self.hold and b"COMMIT" in data:
                    due = self._later
                elif due > 0:
                    due -= 1
                if due == 0:
                    due, how, self.hold = -1, self.hold, ""
                    if how == "answer":
                        muted.set()
                    else:
                        self.held.set()
                        self._released.wait(60)
                server.sendall(data)
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)

    def _down(self, client: socket.socket, server: socket.socket, muted: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if muted.is_set():
                    self.held.set()
                    continue
                client.sendall(data)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)

    def drop(self) -> None:
        """What is held back goes on; for one that was ended meanwhile, nowhere."""
        self._released.set()

    def close(self) -> None:
        self._released.set()
        self._listener.close()
