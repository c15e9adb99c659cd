"""What a server sends under given capabilities, byte by byte."""

from outlive.wire.mysql.constants import (
    CLIENT_DEPRECATE_EOF,
    CLIENT_LOCAL_FILES,
    CLIENT_PS_MULTI_RESULTS,
    CLIENT_SESSION_TRACK,
)
from outlive.wire.mysql.packets import packet
from outlive.wire.mysql.reply import REPLY_QUERY, ReplyReader
from tests.raw.mysql import CLASSIC, Packets
from tests.servers.database import ROOT

BASE = CLASSIC | CLIENT_PS_MULTI_RESULTS | CLIENT_LOCAL_FILES
MODERN = BASE | CLIENT_DEPRECATE_EOF | CLIENT_SESSION_TRACK


class RawConnection(Packets):
    """root without a password; `capabilities` go into the login as they are."""

    def __init__(self, host: str, port: int, capabilities: int) -> None:
        super().__init__(host, port)
        self.capabilities = capabilities
        self.log_in(ROOT, capabilities)

    def number_statements_from(self, number: int) -> None:
        """Prepares until the ids are that high.

        MariaDB counts a connection's statements on from those of an ended one whose memory it takes over, and names the
        number in errors: replies are as long as their ids.
        """
        last = 0
        while last < number:
            self.send(b"\x16DO 1")
            head = self.read()
            last = int.from_bytes(head[1:5], "little")
            self.send(b"\x19" + head[1:5])

    def receive(self) -> bytes:
        """Whatever comes."""
        data = self.socket.recv(1 << 16)
        if not data:
            raise ConnectionResetError("the server closed")
        return data

    def command(
        self, payload: bytes, reader: ReplyReader, kind: int = REPLY_QUERY, **options: int
    ) -> tuple[bytes, bytes]:
        """What the server sent and what `reader` made of it."""
        self.send_bytes(packet(0, payload))
        reader.start(kind, **options)
        reader.file_expected = True
        return self.follow(reader)

    def follow(self, reader: ReplyReader) -> tuple[bytes, bytes]:
        raw = translated = b""
        while not reader.done and not reader.local_infile:
            data = self.receive()
            raw += data
            translated += reader.feed(data)
        return raw, translated

    def classic_reply(self, payload: bytes, ends: int) -> bytes:
        """The reply on a connection without CLIENT_DEPRECATE_EOF, read until `ends` bytes of it are here."""
        self.send_bytes(packet(0, payload))
        data = b""
        while len(data) < ends:
            data += self.receive()
        return data
