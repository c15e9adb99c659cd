"""Bytes that clients and servers of PostgreSQL might send: right ones, damaged ones, garbage."""

from collections.abc import Callable, Sequence

from hypothesis import strategies as st

from outlive.wire.postgres import constants as wire
from outlive.wire.postgres import messages as say
from outlive.wire.postgres.errors import error_response, notice_response
from outlive.wire.postgres.messages import message

from ..inputs import damaged, garbage


def prepared(name: bytes, sql: bytes) -> bytes:
    """Parse, Bind, Describe, Execute; no Sync."""
    return say.parse(name, sql) + executed(name)


def executed(name: bytes, portal: bytes = b"") -> bytes:
    """Bind, Describe, Execute of what was prepared; no Sync."""
    return say.bind(portal, name) + say.describe(wire.PORTAL, portal) + say.execute(portal)


COPIED = message(wire.COPY_DATA, b"1\n") * 3 + say.COPY_DONE
SLEEP = say.query(b"SELECT pg_sleep(1)")

UNITS: Sequence[bytes] = (
    say.query(b"SELECT '#ID#'"),
    say.query(b"SELECT '#ID#'"),
    say.query(b"BEGIN"),
    say.query(b"COMMIT"),
    say.query(b"ROLLBACK"),
    say.query(b"BEGIN; SELECT '#ID#'; COMMIT"),
    say.query(b"INSERT INTO t VALUES ('#ID#')"),
    say.query(b"SELECT '#ID#'; SELECT '#ID# again'"),
    say.query(b"BAD '#ID#'"),
    say.query(b""),
    SLEEP,
    say.query(b"SET application_name TO '#ID#'"),
    say.query(b"SET work_mem TO '1MB'"),
    say.query(b"RESET application_name"),
    say.query(b"DISCARD ALL"),
    say.query(b"SELECT pg_advisory_lock(1), '#ID#'"),
    say.query(b"SELECT pg_advisory_unlock_all(), '#ID#'"),
    say.query(b"LISTEN here"),
    say.query(b"UNLISTEN *"),
    say.query(b"SELECT set_config('work_mem', '2MB', false), '#ID#'"),
    say.query(b"COPY t FROM STDIN") + COPIED,
    say.query(b"COPY t FROM STDIN") + message(wire.COPY_DATA, b"1\n") + say.copy_fail(b"no more"),
    say.query(b"COPY (SELECT '#ID#') TO STDOUT"),
    prepared(b"", b"SELECT '#ID#'") + say.SYNC,
    prepared(b"", b"BEGIN") + say.SYNC,
    prepared(b"", b"COMMIT") + say.SYNC,
    say.parse(b"s", b"SELECT 'shared'") + say.SYNC,
    say.parse(b"t", b"SELECT '#ID#'") + say.describe(wire.STATEMENT, b"t") + say.SYNC,
    executed(b"s") + say.SYNC,
    executed(b"t") + say.SYNC,
    executed(b"t") + say.FLUSH + executed(b"s") + say.SYNC,
    executed(b"") + say.SYNC,
    say.parse(b"", b"SELECT '#ID#'") + say.SYNC,
    say.close(wire.STATEMENT, b"s") + say.close(wire.STATEMENT, b"t") + say.SYNC,
    prepared(b"", b"BAD '#ID#'") + executed(b"s") + say.SYNC,
    prepared(b"", b"INSERT INTO t VALUES ('#ID#')") + prepared(b"", b"SELECT '#ID#'") + say.SYNC,
    prepared(b"", b"SET application_name TO '#ID# too'") + say.SYNC,
    prepared(b"", b"COPY t FROM STDIN") + COPIED + say.SYNC,
    say.parse(b"", b"SELECT '#ID#'") + say.query(b"SELECT '#ID#'"),
    say.SYNC,
    say.query(b"SELECT '#ID# " + b"x" * 9000 + b"'"),
    message(wire.FUNCTION_CALL, b"\0\0\0\x01\0\0\0\0\0\0"),
)
"""Whole units, `#ID#` in place of the name of their client."""

HALVES: Sequence[bytes] = (
    say.parse(b"", b"SELECT '#ID#'"),
    say.parse(b"u", b"SELECT '#ID#'") + say.bind(b"p", b"u"),
    executed(b"s"),
    executed(b"t") + say.FLUSH,
    say.parse(b"", b"BAD") + say.FLUSH,
    say.SYNC,
    say.FLUSH,
    say.query(b"COPY t FROM STDIN"),
    prepared(b"", b"COPY t FROM STDIN"),
    prepared(b"", b"COPY t FROM STDIN") + say.SYNC,
    COPIED,
    message(wire.COPY_DATA, b"1\n"),
    say.copy_fail(b"no more"),
    say.query(b"SELECT '#ID#'")[:-3],
    say.query(b"SELECT '#ID# " + b"x" * 300_000 + b"'"),
    say.query(b"SELECT '#ID# " + b"x" * 300_000 + b"'")[:-3],
    say.parse(b"big", b"SELECT '#ID# " + b"x" * 300_000 + b"'"),
    say.bind(b"", b"t", [b"x" * 300_000]),
    message(wire.COPY_DATA, b"x" * 300_000),
    say.TERMINATE,
)
"""What is no unit, or only a part of one; whatever follows counts for its rest."""

units = st.sampled_from(UNITS)
halves = st.integers(0, len(HALVES) - 1).map(HALVES.__getitem__)  # not their texts: hypothesis writes them out
headers = st.builds(
    lambda kind, length, payload: bytes((kind,)) + length.to_bytes(4, "big") + payload,
    st.sampled_from(tuple(b"QPBDECSHXFpdcfTZ1KR\0\xff")),
    st.sampled_from((0, 3, 4, 5, 8, 9, 100, 16_384, 262_140, 1_000_000, 0x3FFFFFFF, 0x7FFFFFFF, 0xFFFFFFFF)),
    garbage,
)
_short = st.sampled_from([half for half in HALVES if len(half) < 1000])
anything = st.one_of(units, halves, damaged(units), damaged(_short), headers, garbage)

REPLY = say.command_complete(b"SELECT 0") + say.ready_for_query(wire.IDLE)
LIES: Sequence[bytes] = (
    REPLY,
    REPLY * 2,
    say.ready_for_query(wire.IDLE),
    say.ready_for_query(wire.IN_TRANSACTION),
    say.ready_for_query(wire.FAILED_TRANSACTION),
    message(wire.READY_FOR_QUERY, b"Q"),
    say.command_complete(b""),
    say.command_complete(b"BEGIN"),
    say.PARSE_COMPLETE,
    say.BIND_COMPLETE * 3,
    say.NO_DATA,
    say.row_description([]),
    say.data_row([b"a"]),
    say.data_row([None]) * 100,
    say.PORTAL_SUSPENDED + say.ready_for_query(wire.IDLE),
    message(wire.COPY_IN_RESPONSE, b"\0\0\0"),
    message(wire.COPY_OUT_RESPONSE, b"\0\0\0"),
    message(wire.COPY_BOTH_RESPONSE, b"\0\0\0"),
    say.COPY_DONE,
    error_response(b"ERROR", b"42601", b"x" * 600),
    error_response(b"ERROR", b"42601", b"") + say.ready_for_query(wire.IDLE),
    error_response(b"FATAL", b"57P01", b"terminating connection"),
    error_response(b"FATAL", b"57P01", b"terminating connection") + REPLY,
    message(wire.ERROR_RESPONSE, b""),
    message(wire.ERROR_RESPONSE, b"S"),
    message(wire.ERROR_RESPONSE, b"\0"),
    notice_response(b"NOTICE", b"00000", b"by the way"),
    message(wire.NOTIFICATION_RESPONSE, b"\0\0\0\x07here\0\0"),
    message(wire.NOTIFICATION_RESPONSE, b""),
    say.parameter_status(b"application_name", b"a liar's"),
    say.parameter_status(b"client_encoding", b"SJIS"),
    say.parameter_status(b"standard_conforming_strings", b"off"),
    say.parameter_status(b"in_hot_standby", b"on"),
    say.parameter_status(b"\xff", b"\xff" * 500),
    message(wire.PARAMETER_STATUS, b"none"),
    say.authentication_ok(),
    say.authentication_cleartext(),
    say.authentication(wire.AUTH_GSS),
    say.authentication_sasl([b"SCRAM-SHA-256"]),
    say.authentication_sasl([]),
    say.authentication_md5(b"salt"),
    message(wire.AUTHENTICATION, b"\0\0"),
    say.backend_key_data(7, b"key7"),
    message(wire.BACKEND_KEY_DATA, b"\0"),
    say.negotiate_protocol_version(wire.PROTOCOL_3_0),
    b"S",
    b"N",
    b"Z\0\0\0\x05",
    b"D\x3f\xff\xff\xff\0\0",
    b"E\x7f\xff\xff\xff",
    b"T\0\x10\0\0" + b"\0" * 1000,
    b"\0\0\0\0\0",
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
)
"""What a hostile server might say in place of an answer, or unasked."""

answers = st.one_of(st.sampled_from(LIES), st.sampled_from(LIES), garbage, headers)


@st.composite
def mutations(draw: st.DrawFn) -> Callable[[bytes], list[bytes]]:
    """Makes something else of some of a server's answers."""
    plan = iter(
        draw(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 200), st.integers(0, 255), answers), max_size=12))
    )

    def mutate(data: bytes) -> list[bytes]:
        kind, position, value, other = next(plan, (0, 0, 0, b""))
        if kind == 1:
            return [other]
        if kind == 2:
            return [data + other]
        if kind == 3:
            return [data, other]
        if kind == 4:
            return [other + data]
        if kind == 5 and position < len(data):
            return [data[:position] + bytes((value,)) + data[position + 1 :]]
        if kind == 6:
            return [data[:position]]
        if kind == 7:
            return chopped(data, 1)
        if kind == 8:
            return []
        return [data]

    return mutate


def chopped(data: bytes, by: int) -> list[bytes]:
    """Pieces of `by` bytes, and no more than three thousand of them; 0: one."""
    by = max(by, len(data) // 3000) if by else len(data) or 1
    return [data[start : start + by] for start in range(0, len(data), by)]
