"""What stands in for a socket: bytes go to `received`, and nothing comes but what a test says."""

import asyncio
import socket
from typing import Any

HIGH_WATER_BYTES = 64 * 1024


class _Socket:
    family = socket.AF_UNIX

    def fileno(self) -> int:
        return -1


class Wire(asyncio.Transport):
    """The transport of `protocol`, and the other end of it in one.

    The other end takes what is written at once, unless `reads` is False: then it piles up as it would in a socket, and
    the protocol is told. `say` is data from the other end, `hang_up` its end.
    """

    def __init__(self, protocol: Any, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.protocol = protocol
        self.loop = loop
        self.reads = True
        self.received = bytearray()
        self.closed = False
        self.lost = False
        self.reading = True
        self.eof_sent = False
        self._unsent = bytearray()
        self._unheard: list[bytes] = []
        self._told = False
        self.most_unsent = 0
        self.listener: Any = None
        protocol.connection_made(self)

    # -- what the protocol calls

    def write(self, data: Any) -> None:
        if self.lost or self.closed:
            return
        if self.reads:
            self._deliver(bytes(data))
            return
        self._unsent += data
        self.most_unsent = max(self.most_unsent, len(self._unsent))
        if len(self._unsent) > HIGH_WATER_BYTES and not self._told:
            self._told = True
            self.protocol.pause_writing()

    def _deliver(self, data: bytes) -> None:
        self.received += data
        if self.listener is not None and data:
            self.loop.call_soon(self.listener, data)

    def get_write_buffer_size(self) -> int:
        return len(self._unsent)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            if not self._unsent:
                self.loop.call_soon(self._lose, None)

    def abort(self) -> None:
        self.closed = True
        self._unsent.clear()
        self.loop.call_soon(self._lose, None)

    def write_eof(self) -> None:
        self.eof_sent = True
        if self.listener is not None:
            self.loop.call_soon(self.listener, None)

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        if not self.reading:
            self.reading = True
            self.loop.call_soon(self._hear)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("192.0.2.7", 4711), "socket": _Socket()}.get(name, default)

    # -- the other end

    def say(self, data: bytes) -> None:
        self._unheard.append(data)
        self._hear()

    @property
    def unheard_bytes(self) -> int:
        return sum(map(len, self._unheard))

    def _hear(self) -> None:
        while self._unheard and self.reading and not self.closed and not self.lost:
            self.protocol.data_received(self._unheard.pop(0))

    def read_all(self) -> None:
        """The other end reads what has piled up, and goes on reading."""
        self.reads = True
        data, self._unsent = bytes(self._unsent), bytearray()
        self._deliver(data)
        if self._told:
            self._told = False
            self.protocol.resume_writing()
        if self.closed:
            self._lose(None)

    def hang_up(self, *, reset: bool = False) -> None:
        if self.lost:
            return
        if reset:
            self._lose(ConnectionResetError(104, "reset"))
        else:
            self.protocol.eof_received()
            self.close()

    def _lose(self, error: Exception | None) -> None:
        if not self.lost:
            self.lost = self.closed = True
            self.protocol.connection_lost(error)
