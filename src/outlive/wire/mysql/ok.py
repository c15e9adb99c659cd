"""OK, ERR and EOF packets, outside the hot path.

Source: "Generic Response Packets" of the MySQL protocol documentation. It calls an OK's info a string to the end of the
packet where CLIENT_SESSION_TRACK is off, but both servers send it length-encoded, and leave it out when it is empty and
no session state follows; so does this module.
"""

from outlive.wire import ProtocolError
from outlive.wire.mysql.constants import (
    CLIENT_SESSION_TRACK,
    EOF_HEADER,
    ERR_HEADER,
    OK_HEADER,
    SERVER_SESSION_STATE_CHANGED,
)
from outlive.wire.mysql.packets import (
    lenenc_bytes,
    lenenc_int,
    read_fixed_int,
    read_lenenc_bytes,
    read_lenenc_number,
)

GENERAL_ERROR_SQLSTATE = b"HY000"


class OK:
    """OK_Packet. `changes` is the session-state information as it came, empty when there is none."""

    __slots__ = ("affected_rows", "changes", "info", "insert_id", "status", "warnings")

    def __init__(
        self,
        affected_rows: int = 0,
        insert_id: int = 0,
        status: int = 0,
        warnings: int = 0,
        info: bytes = b"",
        changes: bytes = b"",
    ) -> None:
        self.affected_rows = affected_rows
        self.insert_id = insert_id
        self.status = status
        self.warnings = warnings
        self.info = info
        self.changes = changes


def parse_ok(payload: bytes, session_track: bool = True) -> OK:
    """Reads an OK, also one that begins with 0xFE in place of an EOF. Raises ProtocolError."""
    if not payload or payload[0] not in (OK_HEADER, EOF_HEADER):
        raise ProtocolError("this is no OK packet")
    affected_rows, position = read_lenenc_number(payload, 1)
    insert_id, position = read_lenenc_number(payload, position)
    status, position = read_fixed_int(payload, position, 2)
    warnings, position = read_fixed_int(payload, position, 2)
    info: bytes | None = b""
    changes: bytes | None = b""
    if position < len(payload):
        info, position = read_lenenc_bytes(payload, position)
    if session_track and status & SERVER_SESSION_STATE_CHANGED and position < len(payload):
        changes, position = read_lenenc_bytes(payload, position)
    return OK(affected_rows, insert_id, status, warnings, info or b"", changes or b"")


def encode_ok(ok: OK, capabilities: int, header: int = OK_HEADER) -> bytes:
    """The payload for a client of these capabilities; `header` 0xFE makes it one in place of an EOF.

    Without CLIENT_SESSION_TRACK, or without changes, neither they nor their status bit are sent.
    """
    changes = ok.changes if capabilities & CLIENT_SESSION_TRACK else b""
    status = ok.status & ~SERVER_SESSION_STATE_CHANGED
    if changes:
        status |= SERVER_SESSION_STATE_CHANGED
    pieces = [
        bytes((header,)),
        lenenc_int(ok.affected_rows),
        lenenc_int(ok.insert_id),
        status.to_bytes(2, "little"),
        ok.warnings.to_bytes(2, "little"),
    ]
    if changes or ok.info:
        pieces.append(lenenc_bytes(ok.info))
    if changes:
        pieces.append(lenenc_bytes(changes))
    return b"".join(pieces)


class ERR:
    """ERR_Packet. `sqlstate` is five bytes."""

    __slots__ = ("code", "message", "sqlstate")

    def __init__(self, code: int, sqlstate: bytes, message: bytes) -> None:
        self.code = code
        self.sqlstate = sqlstate
        self.message = message

    @classmethod
    def parse(cls, payload: bytes) -> "ERR":
        """Raises ProtocolError. A server that refuses before the login may leave the SQLSTATE out: HY000 then."""
        if len(payload) < 3 or payload[0] != ERR_HEADER:
            raise ProtocolError("this is no ERR packet")
        code = int.from_bytes(payload[1:3], "little")
        if payload[3:4] == b"#" and len(payload) >= 9:
            return cls(code, payload[4:9], payload[9:])
        return cls(code, GENERAL_ERROR_SQLSTATE, payload[3:])

    def encode(self) -> bytes:
        """The payload."""
        return bytes((ERR_HEADER,)) + self.code.to_bytes(2, "little") + b"#" + self.sqlstate + self.message

    def __repr__(self) -> str:
        return f"<ERR {self.code} {self.sqlstate!r}>"


def encode_eof(status: int, warnings: int = 0) -> bytes:
    """EOF_Packet, for clients without CLIENT_DEPRECATE_EOF."""
    return b"\xfe" + (warnings & 0xFFFF).to_bytes(2, "little") + status.to_bytes(2, "little")


def parse_eof(payload: bytes) -> tuple[int, int]:
    """Status and warnings of an EOF_Packet of five bytes. Raises ProtocolError."""
    if len(payload) != 5 or payload[0] != EOF_HEADER:
        raise ProtocolError("this is no EOF packet")
    return int.from_bytes(payload[3:5], "little"), int.from_bytes(payload[1:3], "little")


def is_ok(payload: bytes) -> bool:
    """Whether a payload is an OK that begins with 0x00."""
    return payload[:1] == b"\x00"


def is_err(payload: bytes) -> bool:
    """Whether a payload is an ERR."""
    return payload[:1] == b"\xff"


def is_eof(payload: bytes) -> bool:
    """Whether a payload ends rows: an EOF, or an OK in its place. A row that begins so has 16 MiB at least."""
    return payload[:1] == b"\xfe" and len(payload) < 0xFFFFFF
