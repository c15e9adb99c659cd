"""Views of commands' payloads: where the parts of COM_QUERY and COM_STMT_* lie, and how ids and types are replaced.

Source: "COM_QUERY", "COM_STMT_EXECUTE" and the other "Prepared Statements" pages of the MySQL protocol documentation.
A payload may be given in part, as long as what is asked for lies in it: parameters of many MiB are streamed.
"""

from outlive.wire import ProtocolError
from outlive.wire.mysql.constants import (
    COM_STMT_EXECUTE,
    MYSQL_TYPE_DATE,
    MYSQL_TYPE_DATETIME,
    MYSQL_TYPE_DOUBLE,
    MYSQL_TYPE_FLOAT,
    MYSQL_TYPE_INT24,
    MYSQL_TYPE_LONG,
    MYSQL_TYPE_LONGLONG,
    MYSQL_TYPE_NULL,
    MYSQL_TYPE_SHORT,
    MYSQL_TYPE_TIME,
    MYSQL_TYPE_TIMESTAMP,
    MYSQL_TYPE_TINY,
    MYSQL_TYPE_YEAR,
    PARAMETER_COUNT_AVAILABLE,
)
from outlive.wire.mysql.packets import read_fixed, read_fixed_int, read_lenenc_number

LAST_PREPARED_ID = 0xFFFFFFFF  # MariaDB: "the statement prepared last", for a PREPARE and EXECUTE sent together.
PARAMETERS_LIMIT = 65535
_EXECUTE_HEAD_BYTES = 10

_FIXED_BYTES = {
    MYSQL_TYPE_TINY: 1,
    MYSQL_TYPE_SHORT: 2,
    MYSQL_TYPE_YEAR: 2,
    MYSQL_TYPE_LONG: 4,
    MYSQL_TYPE_INT24: 4,
    MYSQL_TYPE_FLOAT: 4,
    MYSQL_TYPE_LONGLONG: 8,
    MYSQL_TYPE_DOUBLE: 8,
    MYSQL_TYPE_NULL: 0,
}


class Execute:
    """What the head of a COM_STMT_EXECUTE says.

    `parameters` counts query attributes too, where the client sends them. `types` are the bytes that describe the
    parameters when `types_bound`, else empty; `bound_position` is where the flag lies (0: there are no parameters),
    `values_position` where the values begin.
    """

    __slots__ = ("bound_position", "flags", "parameters", "statement_id", "types", "types_bound", "values_position")

    def __init__(
        self,
        statement_id: int,
        flags: int,
        parameters: int,
        bound_position: int,
        types_bound: bool,
        types: bytes,
        values_position: int,
    ) -> None:
        self.statement_id = statement_id
        self.flags = flags
        self.parameters = parameters
        self.bound_position = bound_position
        self.types_bound = types_bound
        self.types = types
        self.values_position = values_position


def parse_execute(payload: bytes, parameters: int, query_attributes: bool = False) -> Execute:
    """Reads the head of a COM_STMT_EXECUTE of a statement with so many parameters.

    `query_attributes`: the capability was negotiated. Raises ProtocolError, also when the head is cut short.
    """
    if len(payload) < _EXECUTE_HEAD_BYTES or payload[0] != COM_STMT_EXECUTE:
        raise ProtocolError("this is no COM_STMT_EXECUTE")
    statement_id = statement_id_of(payload)
    flags = payload[5]
    position = _EXECUTE_HEAD_BYTES
    if not parameters and not (query_attributes and flags & PARAMETER_COUNT_AVAILABLE):
        return Execute(statement_id, flags, 0, 0, False, b"", position)
    if query_attributes:  # Also when the flag is clear and the statement has parameters: measured on MySQL 9.7.
        given, position = read_lenenc_number(payload, position)
        if not parameters <= given <= PARAMETERS_LIMIT:
            raise ProtocolError("COM_STMT_EXECUTE with an impossible number of parameters")
        parameters = given
    if not parameters:
        return Execute(statement_id, flags, 0, 0, False, b"", position)
    bound_position = position + (parameters + 7) // 8
    bound, position = read_fixed_int(payload, bound_position, 1)
    end = _types_end(payload, position, parameters, query_attributes) if bound else position
    return Execute(statement_id, flags, parameters, bound_position, bool(bound), payload[position:end], end)


def rebind(payload: bytes, execute: Execute, types: bytes) -> bytes:
    """The payload with remembered types put in, for a server connection that never saw them bound.

    `payload` may be the beginning only; it comes back unchanged when it binds types itself or has no parameters.
    """
    if execute.types_bound or not execute.bound_position:
        return payload
    return payload[: execute.bound_position] + b"\x01" + types + payload[execute.bound_position + 1 :]


def statement_id_of(payload: bytes) -> int:
    """The statement id of any COM_STMT_* that names one. Raises ProtocolError when it is cut short."""
    if len(payload) < 5:
        raise ProtocolError("a statement id is missing")
    return int.from_bytes(payload[1:5], "little")


def with_statement_id(payload: bytes, statement_id: int) -> bytes:
    """The payload, or its beginning, of a COM_STMT_* under another id."""
    return payload[:1] + statement_id.to_bytes(4, "little") + payload[5:]


def query_position(payload: bytes) -> int:
    """Where the text of a COM_QUERY begins that was sent under CLIENT_QUERY_ATTRIBUTES. Raises ProtocolError."""
    if payload[1:3] == b"\x00\x01":
        return 3
    count, position = read_lenenc_number(payload, 1)
    sets, position = read_lenenc_number(payload, position)
    if sets != 1 or count > PARAMETERS_LIMIT:
        raise ProtocolError("malformed query attributes")
    if not count:
        return position
    nulls, position = read_fixed(payload, position, (count + 7) // 8)
    bound, position = read_fixed_int(payload, position, 1)
    if bound != 1:
        raise ProtocolError("query attributes without types")
    kinds: list[int] = []
    for _ in range(count):
        kind, position = read_fixed_int(payload, position, 2)
        kinds.append(kind & 0xFF)
        position = _skip_lenenc(payload, position)
    for index, kind in enumerate(kinds):
        if not nulls[index >> 3] >> (index & 7) & 1:
            position = _skip_value(payload, position, kind)
    return position


def _types_end(payload: bytes, position: int, parameters: int, named: bool) -> int:
    if not named:
        return read_fixed(payload, position, 2 * parameters)[1]
    for _ in range(parameters):
        position = _skip_lenenc(payload, read_fixed(payload, position, 2)[1])
    return position


def _skip_lenenc(payload: bytes, position: int) -> int:
    length, position = read_lenenc_number(payload, position)
    if position + length > len(payload):
        raise ProtocolError("a parameter is cut short")
    return position + length


def _skip_value(payload: bytes, position: int, kind: int) -> int:
    length = _FIXED_BYTES.get(kind)
    if length is not None:
        return read_fixed(payload, position, length)[1]
    if kind in (MYSQL_TYPE_DATE, MYSQL_TYPE_DATETIME, MYSQL_TYPE_TIMESTAMP, MYSQL_TYPE_TIME):
        length, position = read_fixed_int(payload, position, 1)
        return read_fixed(payload, position, length)[1]
    return _skip_lenenc(payload, position)
