"""A TCP relay before a server that misbehaves on request: it cuts, stalls or corrupts one connection at one byte."""

import select
import socket
import struct
import threading
from dataclasses import dataclass


@dataclass
class Fault:
    """What happens to the next connection when `offset` bytes have passed in the direction `to` (client or server)."""

    how: str  # fin, rst, corrupt, stall
    to: str
    offset: int
    happened: bool = False


class Relay:
    """Listens on `port` and passes everything on to `target`, a port on the loopback."""

    def __init__(self, target: int) -> None:
        self.target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.fault: Fault | None = None
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            for sock in (client, server):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            fault, self.fault = self.fault, None
            with self._lock:
                self._pairs.append((client, server))
            threading.Thread(target=self._pump, args=(client, server, fault), daemon=True).start()

    def _pump(self, client: socket.socket, server: socket.socket, fault: Fault | None) -> None:
        """Both directions on one thread: a socket that another thread reads cannot be reset."""
        sinks = {client: ("server", server), server: ("client", client)}
        passed = {"server": 0, "client": 0}
        try:
            while sinks:
                for source in select.select(list(sinks), [], [], 0.5)[0]:
                    to, sink = sinks[source]
                    data = source.recv(65536)
                    if not data:
                        sink.shutdown(socket.SHUT_WR)
                        del sinks[source]
                        continue
                    due = fault is not None and not fault.happened and fault.to == to
                    if fault is not None and due and passed[to] + len(data) > fault.offset:
                        cut = fault.offset - passed[to]
                        fault.happened = True
                        if fault.how == "corrupt":
                            data = data[:cut] + bytes([data[cut] ^ 0x55]) + data[cut + 1 :]
                        else:
                            sink.sendall(data[:cut])
                            if fault.how != "stall":
                                self._end(client, server, fault.how)
                                return
                            del sinks[source]
                            continue
                    passed[to] += len(data)
                    sink.sendall(data)
        except (OSError, ValueError):  # ValueError: closed by drop
            self._end(client, server, "rst")

    @staticmethod
    def _end(one: socket.socket, other: socket.socket, how: str) -> None:
        for sock in (one, other):
            try:
                if how == "rst":
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                else:
                    sock.shutdown(socket.SHUT_RDWR)
                sock.close()
            except OSError:
                pass

    def drop(self, how: str = "fin") -> None:
        """Ends all connections."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for one, other in pairs:
            self._end(one, other, how)

    def close(self) -> None:
        self._listener.close()
        self.drop()
