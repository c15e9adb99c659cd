"""Messages that Outlive itself sends, and the reading of those it must understand, outside the hot path.

Source: "Message Formats" of the PostgreSQL documentation. A message is its type, an Int32 length that counts itself and
the payload but not the type, and the payload. Integers are big-endian, strings end with a NUL.
"""

from collections.abc import Iterable, Mapping, Sequence
from struct import Struct
from typing import NamedTuple

from outlive.wire import ProtocolError
from outlive.wire.postgres.constants import (
    AUTH_CLEARTEXT_PASSWORD,
    AUTH_MD5_PASSWORD,
    AUTH_OK,
    AUTH_SASL,
    AUTH_SASL_CONTINUE,
    AUTH_SASL_FINAL,
    AUTHENTICATION,
    BACKEND_KEY_DATA,
    BIND,
    CANCEL_REQUEST,
    CLOSE,
    COMMAND_COMPLETE,
    COPY_FAIL,
    DATA_ROW,
    DESCRIBE,
    EXECUTE,
    NEGOTIATE_PROTOCOL_VERSION,
    PARAMETER_STATUS,
    PARSE,
    PASSWORD_MESSAGE,
    QUERY,
    ROW_DESCRIPTION,
    SSL_REQUEST,
)

_pack_head = Struct(">BI").pack
_pack_column = Struct(">IHIhiH").pack  # table, attribute, type, type's size, type's modifier, format
_unpack_short = Struct(">H").unpack_from
_unpack_long = Struct(">i").unpack_from
_unpack_column = Struct(">IhIhih").unpack_from
_NULL = b"\xff\xff\xff\xff"

SIZES = {16: 1, 20: 8, 21: 2, 23: 4, 26: 4, 700: 4, 701: 8}
"""pg_type.typlen of the types that have one; -1 for all others."""
KEY_BYTES_MIN = 4
KEY_BYTES_MAX = 256
"""What protocol 3.2 allows a cancel key; in 3.0 it is always 4."""

# Messages without a payload.
PARSE_COMPLETE = b"1\0\0\0\x04"
BIND_COMPLETE = b"2\0\0\0\x04"
CLOSE_COMPLETE = b"3\0\0\0\x04"
NO_DATA = b"n\0\0\0\x04"
EMPTY_QUERY_RESPONSE = b"I\0\0\0\x04"
PORTAL_SUSPENDED = b"s\0\0\0\x04"
COPY_DONE = b"c\0\0\0\x04"
SYNC = b"S\0\0\0\x04"
FLUSH = b"H\0\0\0\x04"
TERMINATE = b"X\0\0\0\x04"


def message(kind: int, payload: bytes) -> bytes:
    """A message of this type."""
    return _pack_head(kind, len(payload) + 4) + payload


# --- what a server says ---


def ready_for_query(status: int) -> bytes:
    """ReadyForQuery with a transaction status: IDLE, IN_TRANSACTION or FAILED_TRANSACTION."""
    return b"Z\0\0\0\x05" + bytes((status,))


def command_complete(tag: bytes) -> bytes:
    """CommandComplete."""
    return message(COMMAND_COMPLETE, tag + b"\0")


def parameter_status(name: bytes, value: bytes) -> bytes:
    """ParameterStatus."""
    return message(PARAMETER_STATUS, b"%b\0%b\0" % (name, value))


def backend_key_data(pid: int, key: bytes) -> bytes:
    """BackendKeyData. `key` has 4 bytes in protocol 3.0 and up to 256 in 3.2."""
    return message(BACKEND_KEY_DATA, pid.to_bytes(4, "big") + key)


def negotiate_protocol_version(version: int, unknown_options: Sequence[bytes] = ()) -> bytes:
    """NegotiateProtocolVersion: the newest version spoken (as PROTOCOL_3_0) and the `_pq_.` options not understood."""
    payload = version.to_bytes(4, "big") + len(unknown_options).to_bytes(4, "big")
    return message(NEGOTIATE_PROTOCOL_VERSION, payload + b"".join(option + b"\0" for option in unknown_options))


def authentication(code: int, data: bytes = b"") -> bytes:
    """Any Authentication message."""
    return message(AUTHENTICATION, code.to_bytes(4, "big") + data)


def authentication_ok() -> bytes:
    """AuthenticationOk."""
    return authentication(AUTH_OK)


def authentication_cleartext() -> bytes:
    """AuthenticationCleartextPassword."""
    return authentication(AUTH_CLEARTEXT_PASSWORD)


def authentication_md5(salt: bytes) -> bytes:
    """AuthenticationMD5Password; the salt has 4 bytes."""
    return authentication(AUTH_MD5_PASSWORD, salt)


def authentication_sasl(mechanisms: Iterable[bytes]) -> bytes:
    """AuthenticationSASL, the preferred mechanism first."""
    return authentication(AUTH_SASL, b"".join(name + b"\0" for name in mechanisms) + b"\0")


def authentication_sasl_continue(data: bytes) -> bytes:
    """AuthenticationSASLContinue."""
    return authentication(AUTH_SASL_CONTINUE, data)


def authentication_sasl_final(data: bytes) -> bytes:
    """AuthenticationSASLFinal."""
    return authentication(AUTH_SASL_FINAL, data)


def row_description(columns: Iterable[tuple[bytes, int]]) -> bytes:
    """RowDescription of columns (name, type oid) in text format that belong to no table."""
    fields = [name + b"\0" + _pack_column(0, 0, oid, SIZES.get(oid, -1), -1, 0) for name, oid in columns]
    return message(ROW_DESCRIPTION, len(fields).to_bytes(2, "big") + b"".join(fields))


def data_row(values: Sequence[bytes | None]) -> bytes:
    """DataRow; None is NULL."""
    return message(DATA_ROW, _values(values))


# --- what a client says ---


def startup(version: int, parameters: Mapping[bytes, bytes]) -> bytes:
    """StartupMessage: `user`, `database` and settings."""
    body = b"".join(b"%b\0%b\0" % item for item in parameters.items())
    return (len(body) + 9).to_bytes(4, "big") + version.to_bytes(4, "big") + body + b"\0"


def ssl_request() -> bytes:
    """SSLRequest."""
    return b"\0\0\0\x08" + SSL_REQUEST.to_bytes(4, "big")


def cancel_request(pid: int, key: bytes) -> bytes:
    """CancelRequest with what BackendKeyData gave."""
    head = (12 + len(key)).to_bytes(4, "big") + CANCEL_REQUEST.to_bytes(4, "big")
    return head + pid.to_bytes(4, "big") + key


def password_message(password: bytes) -> bytes:
    """PasswordMessage, cleartext or an md5 digest."""
    return message(PASSWORD_MESSAGE, password + b"\0")


def sasl_initial_response(mechanism: bytes, data: bytes) -> bytes:
    """SASLInitialResponse."""
    return message(PASSWORD_MESSAGE, mechanism + b"\0" + len(data).to_bytes(4, "big") + data)


def sasl_response(data: bytes) -> bytes:
    """SASLResponse."""
    return message(PASSWORD_MESSAGE, data)


def query(sql: bytes) -> bytes:
    """Query."""
    return message(QUERY, sql + b"\0")


def parse(name: bytes, sql: bytes, types: bytes = b"\0\0") -> bytes:
    """Parse. `types` is what follows the text: an Int16 count, then that many type oids of 4 bytes."""
    return message(PARSE, b"%b\0%b\0%b" % (name, sql, types))


def bind(portal: bytes, statement: bytes, values: Sequence[bytes | None] = ()) -> bytes:
    """Bind with text parameters and text results."""
    return message(BIND, b"%b\0%b\0\0\0%b\0\0" % (portal, statement, _values(values)))


def describe(what: int, name: bytes) -> bytes:
    """Describe of a STATEMENT or a PORTAL."""
    return message(DESCRIBE, b"%c%b\0" % (what, name))


def execute(portal: bytes = b"", max_rows: int = 0) -> bytes:
    """Execute; 0 is no limit."""
    return message(EXECUTE, portal + b"\0" + max_rows.to_bytes(4, "big"))


def close(what: int, name: bytes) -> bytes:
    """Close of a STATEMENT or a PORTAL."""
    return message(CLOSE, b"%c%b\0" % (what, name))


def copy_fail(reason: bytes) -> bytes:
    """CopyFail."""
    return message(COPY_FAIL, reason + b"\0")


def _values(values: Sequence[bytes | None]) -> bytes:
    fields = [_NULL if value is None else len(value).to_bytes(4, "big") + value for value in values]
    return len(values).to_bytes(2, "big") + b"".join(fields)


# --- reading payloads ---


def read_string(payload: bytes, position: int) -> tuple[bytes, int]:
    """The NUL-terminated string at `position` and the position after its NUL. Raises ProtocolError."""
    end = payload.find(b"\0", position)
    if end < 0:
        raise ProtocolError("a string is not terminated")
    return payload[position:end], end + 1


def parse_parameter_status(payload: bytes) -> tuple[bytes, bytes]:
    """Name and value. Raises ProtocolError."""
    name, position = read_string(payload, 0)
    value, position = read_string(payload, position)
    if position != len(payload):
        raise ProtocolError("a ParameterStatus with more than a name and a value")
    return name, value


def parse_backend_key_data(payload: bytes) -> tuple[int, bytes]:
    """Process id and cancel key. Raises ProtocolError."""
    if not 4 + KEY_BYTES_MIN <= len(payload) <= 4 + KEY_BYTES_MAX:
        raise ProtocolError("a BackendKeyData of impossible length")
    return int.from_bytes(payload[:4], "big"), payload[4:]


def parse_negotiate_protocol_version(payload: bytes) -> tuple[int, list[bytes]]:
    """The newest version spoken and the options that were not understood. Raises ProtocolError."""
    if len(payload) < 8:
        raise ProtocolError("a NegotiateProtocolVersion is cut short")
    options, position = [], 8
    while position < len(payload):
        option, position = read_string(payload, position)
        options.append(option)
    if len(options) != int.from_bytes(payload[4:8], "big"):
        raise ProtocolError("a NegotiateProtocolVersion with another number of options than it says")
    return int.from_bytes(payload[:4], "big"), options


def parse_authentication(payload: bytes) -> tuple[int, bytes]:
    """The request's code and its data. Raises ProtocolError."""
    if len(payload) < 4:
        raise ProtocolError("an Authentication message is cut short")
    return int.from_bytes(payload[:4], "big"), payload[4:]


def parse_sasl_mechanisms(data: bytes) -> list[bytes]:
    """The mechanisms in the data of an AuthenticationSASL. Raises ProtocolError."""
    if data[-1:] != b"\0":
        raise ProtocolError("a list of SASL mechanisms is not terminated")
    names = data[:-1].split(b"\0")
    if names.pop() or not all(names):
        raise ProtocolError("a list of SASL mechanisms is malformed")
    return names


def parse_password_message(payload: bytes) -> bytes:
    """The password or digest of a PasswordMessage. Raises ProtocolError."""
    password, position = read_string(payload, 0)
    if position != len(payload):
        raise ProtocolError("a PasswordMessage with more than a password")
    return password


def parse_sasl_initial_response(payload: bytes) -> tuple[bytes, bytes | None]:
    """Mechanism and data, None where it has none. Raises ProtocolError."""
    mechanism, position = read_string(payload, 0)
    if position + 4 > len(payload):
        raise ProtocolError("a SASLInitialResponse is cut short")
    (length,) = _unpack_long(payload, position)
    data = payload[position + 4 :]
    if length != len(data) and (length != -1 or data):
        raise ProtocolError("a SASLInitialResponse of another length than it says")
    return mechanism, None if length < 0 else data


class ColumnDescription(NamedTuple):
    """A column as a RowDescription has it. `table` and `number` are 0 where it is no column of a table."""

    name: bytes
    table: int
    number: int
    type: int
    size: int
    modifier: int
    format: int


def parse_row_description(payload: bytes) -> list[tuple[bytes, int]]:
    """Name and type oid of each column. Raises ProtocolError."""
    return [(column.name, column.type) for column in parse_columns(payload)]


def parse_columns(payload: bytes) -> list[ColumnDescription]:
    """All that a RowDescription says. Raises ProtocolError."""
    if len(payload) < 2:
        raise ProtocolError("a RowDescription is cut short")
    (count,) = _unpack_short(payload)
    position = 2
    columns: list[ColumnDescription] = []
    for _ in range(count):
        name, position = read_string(payload, position)
        if position + 18 > len(payload):
            raise ProtocolError("a RowDescription is cut short")
        columns.append(ColumnDescription(name, *_unpack_column(payload, position)))
        position += 18
    if position != len(payload):
        raise ProtocolError("a RowDescription of another length than its columns")
    return columns


def parse_data_row(payload: bytes) -> tuple[bytes | None, ...]:
    """The values of a row, None for NULL. Raises ProtocolError."""
    if len(payload) < 2:
        raise ProtocolError("a DataRow is cut short")
    (count,) = _unpack_short(payload)
    position = 2
    values: list[bytes | None] = []
    for _ in range(count):
        if position + 4 > len(payload):
            raise ProtocolError("a DataRow is cut short")
        (length,) = _unpack_long(payload, position)
        position += 4
        if length < 0:
            if length != -1:
                raise ProtocolError("a value of negative length")
            values.append(None)
            continue
        values.append(payload[position : position + length])
        position += length
    if position != len(payload):
        raise ProtocolError("a DataRow of another length than its values")
    return tuple(values)
