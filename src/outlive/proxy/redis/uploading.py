"""A command that is too large to be held (SET of half a GiB): passed on in the pieces in which it comes, over a
connection of its own, so that nobody waits behind it.
"""

from __future__ import annotations

from typing import Final

from outlive.config.redis_commands import ALONE, LOCAL, ORDINARY, kind_of_name
from outlive.proxy.phases import READY, UPLOADING
from outlive.proxy.redis.leasing import LeasingClient
from outlive.session.redis import client_session as steps
from outlive.upstream.redis.key import UPLOAD
from outlive.wire import ProtocolError
from outlive.wire.redis.commands import CommandStream, head_of

_LARGE_LOCAL: Final = (b"PING", b"ECHO")


class UploadingClient(LeasingClient):
    """The part of a client that uploads."""

    __slots__ = ()

    def data_received(self, data: bytes) -> None:
        """See `ProxiedClient`."""
        if self._stream is not None:
            self.activity += 1
            try:
                data = self._upload(data)
            except ProtocolError:
                # Half a command cannot be taken back: its connection ends with the client.
                self.services.metrics.errors.add("protocol")
                self.channel.close()
                return
            if not data:
                return
        LeasingClient.data_received(self, data)

    def begin_upload(self, data: bytes, at: int) -> int:
        """See `SharingClient`."""
        arguments = head_of(data, at)
        kind = kind_of_name(arguments[0]) if arguments else LOCAL
        plain = kind in (ORDINARY, ALONE) or (arguments and arguments[0].upper() in _LARGE_LOCAL)
        if not plain or self.confined or self._raw or not self.authenticated:
            raise ProtocolError(f"more than {self.services.client_buffer_bytes} bytes in this command")
        if not self.lease(UPLOAD):
            if self._refusal:
                raise ProtocolError(self._refusal)
            return at
        self._stream = CommandStream()
        self._scanner.reset()
        self.send_step(b"", steps.PLAIN)
        self.flush()
        self.phase = UPLOADING
        rest = self._upload(data[at:])
        return len(data) - len(rest)

    def _upload(self, data: bytes) -> bytes:
        """Passes on a piece; what is left behind the end of the command."""
        connection, stream = self.connection, self._stream
        if connection is None or stream is None:
            return b""
        end = stream.feed(data)
        piece = data if end < 0 else data[:end]
        self.server.metrics.bytes_to_server += len(piece)
        connection.send(piece)
        if not connection.writable:
            self.channel.pause_reading(True)
        if end < 0:
            return b""
        self._stream = None
        self.phase = READY
        return data[end:]
