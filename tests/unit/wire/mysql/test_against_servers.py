"""Replies of real servers, translated for lesser clients, against what the same servers send to such clients."""

import re

import pytest

from outlive.wire import ProtocolError
from outlive.wire.mysql.constants import (
    CLIENT_DEPRECATE_EOF,
    CLIENT_OPTIONAL_RESULTSET_METADATA,
    CLIENT_QUERY_ATTRIBUTES,
    CLIENT_SESSION_TRACK,
    COM_STMT_EXECUTE,
    COM_STMT_FETCH,
    COM_STMT_RESET,
    ER_WRONG_ARGUMENTS,
    SERVER_STATUS_CURSOR_EXISTS,
)
from outlive.wire.mysql.packets import packet
from outlive.wire.mysql.reply import (
    REPLY_FETCH,
    REPLY_FIELD_LIST,
    REPLY_OK,
    REPLY_PREPARE,
    REPLY_QUERY,
    ReplyReader,
)
from outlive.wire.mysql.session_track import DEFAULT_POLICY, MYSQL_DEFAULT_POLICY, parse_changes
from outlive.wire.mysql.statements import parse_execute, query_position, rebind, statement_id_of, with_statement_id
from tests.servers.database import DatabaseServer

from .raw import BASE, MODERN, RawConnection

TRACK_ALL = (
    b"\x03SET session_track_state_change=ON, session_track_schema=ON, "
    b"session_track_transaction_info='CHARACTERISTICS', "
    b"session_track_system_variables='autocommit,character_set_client,character_set_connection,character_set_results,"
    b"time_zone,sql_mode,wait_timeout'"
)
SETUP = (
    "DROP TABLE IF EXISTS wire",
    "CREATE TABLE wire (id INT PRIMARY KEY AUTO_INCREMENT, c VARCHAR(40) DEFAULT 'seven', f DOUBLE)",
    "INSERT INTO wire (c, f) VALUES ('a', 1.5), (NULL, NULL), ('', 0)",
    "DROP PROCEDURE IF EXISTS wire_two",
    "CREATE PROCEDURE wire_two(OUT o INT) BEGIN SELECT 1 AS a; SELECT c FROM wire; SET o = 5; END",
    "DROP PROCEDURE IF EXISTS wire_fails",
    "CREATE PROCEDURE wire_fails() BEGIN SELECT 1; SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'; END",
)


def query(text: str) -> tuple[int, bytes]:
    return REPLY_QUERY, b"\x03" + text.encode()


def execute(statement: int, flags: int = 0, value: int | None = None) -> tuple[int, bytes]:
    values = b"" if value is None else b"\0\1\x03\0" + value.to_bytes(4, "little")
    return REPLY_QUERY, b"\x17" + statement.to_bytes(4, "little") + bytes((flags,)) + b"\1\0\0\0" + values


def fetch(statement: int, rows: int) -> tuple[int, bytes]:
    return REPLY_FETCH, b"\x1c" + statement.to_bytes(4, "little") + rows.to_bytes(4, "little")


TRANSCRIPT = [
    query("SELECT 1"),
    query("SELECT * FROM wire"),
    query("SELECT * FROM wire WHERE id > 100"),
    query("SELECT nope"),
    query("INSERT INTO wire (c) VALUES ('x'), ('y')"),
    query("UPDATE wire SET f = 2 WHERE id > 3"),
    query("DELETE FROM wire WHERE id > 3"),
    query("SELECT 1/0"),
    query("SET time_zone='+01:00', sql_mode=''"),
    query("SET @a = 1"),
    query("BEGIN"),
    query("SELECT c FROM wire WHERE id = 1"),
    query("INSERT INTO wire (c) VALUES ('z')"),
    query("ROLLBACK"),
    query("USE other"),
    query("USE test"),
    query("SELECT 1; SELECT c FROM wire; DO 1; SELECT 3 WHERE 1 = 0"),
    query("SELECT 1; SELECT nope; SELECT 3"),
    query("SET autocommit=0; SELECT 2; SET autocommit=1"),
    query("CALL wire_two(@o)"),
    query("CALL wire_fails()"),
    (REPLY_OK, b"\x0e"),
    (REPLY_OK, b"\x02test"),
    (REPLY_OK, b"\x1b\x00\x00"),
    (REPLY_FIELD_LIST, b"\x04wire\x00"),
    (REPLY_FIELD_LIST, b"\x04wire_none\x00"),
    (REPLY_PREPARE, b"\x16SELECT id, c FROM wire WHERE id > ?"),  # 1
    (REPLY_PREPARE, b"\x16SELECT c FROM wire"),  # 2
    (REPLY_PREPARE, b"\x16INSERT INTO wire (c) VALUES (?)"),  # 3
    (REPLY_PREPARE, b"\x16DO 1"),  # 4
    (REPLY_PREPARE, b"\x16SELEC"),
    execute(1, value=0),
    execute(1, value=100),
    execute(2),
    execute(4),
    execute(1, flags=1, value=0),
    fetch(1, 1),
    fetch(1, 100),
    execute(1, flags=1, value=100),
    fetch(1, 1),
    (REPLY_OK, b"\x1a\x01\x00\x00\x00"),
    fetch(1, 1),
    execute(99),
    query(f"SELECT 'a', REPEAT('x', {(1 << 24) + 1000}), 'b' UNION ALL SELECT 1, 2, 3"),
    query(f"SELECT REPEAT('y', {(1 << 24) - 6})"),  # with its length a payload of just 16 MiB - 2, - 1, and 16 MiB
    query(f"SELECT REPEAT('y', {(1 << 24) - 5})"),
    query(f"SELECT REPEAT('y', {(1 << 24) - 4})"),
    (REPLY_OK, b"\x1f"),
]


def packets(data: bytes) -> list[tuple[int, bytes]]:
    found, position = [], 0
    while position < len(data):
        end = position + 4 + int.from_bytes(data[position : position + 3], "little")
        found.append((data[position + 3], data[position + 4 : end]))
        position = end
    return found


def comparable(data: bytes, kind: int) -> list[tuple[int, bytes]]:
    """The packets, without the status of EOFs after definitions: of it servers know more than a translator can."""
    found = packets(data)
    if kind == REPLY_PREPARE and found[0][1][0] == 0:
        found[0] = (found[0][0], with_statement_id(found[0][1], 0))
    if found[0][1][0] == 0xFF:  # Messages name statements by the id that MariaDB gave them.
        found[0] = (found[0][0], re.sub(rb"\(\d+\)", b"(id)", found[0][1]))
    for index, (number, payload) in enumerate(found):
        after_definition = index and found[index - 1][1].startswith(b"\x03def")
        opens_cursor = payload[3:4] and payload[3] & SERVER_STATUS_CURSOR_EXISTS
        if (
            len(payload) == 5
            and payload[0] == 0xFE
            and after_definition
            and kind != REPLY_FIELD_LIST
            and not opens_cursor
        ):
            found[index] = (number, b"\xfe")
    return found


@pytest.mark.parametrize(
    "missing", [0, CLIENT_DEPRECATE_EOF, CLIENT_SESSION_TRACK, CLIENT_DEPRECATE_EOF | CLIENT_SESSION_TRACK]
)
def test_translated_replies_are_what_the_server_itself_would_send(server: DatabaseServer, missing: int) -> None:
    capabilities = MODERN & ~missing
    reader = ReplyReader(capabilities, MYSQL_DEFAULT_POLICY if server.flavour == "mysql" else DEFAULT_POLICY)
    translated = []
    ids = {}
    prepare(server)
    with RawConnection(server.host, server.port, MODERN) as through:
        through.number_statements_from(100)
        through.command(TRACK_ALL, ReplyReader(MODERN))
        for kind, payload in TRANSCRIPT:
            translated.append(through.command(with_ids(payload, ids), reader, kind)[1])
            if kind == REPLY_PREPARE and not reader.error:
                ids[len(ids) + 1] = reader.statement_id
    prepare(server)
    with RawConnection(server.host, server.port, capabilities) as direct:
        direct.number_statements_from(100)
        ids = {}
        for (kind, payload), reply in zip(TRANSCRIPT, translated, strict=True):
            expected = direct.classic_reply(with_ids(payload, ids), len(reply))
            if kind == REPLY_PREPARE and expected[4] == 0:
                ids[len(ids) + 1] = statement_id_of(expected[4:])
            assert comparable(reply, kind) == comparable(expected, kind), payload
        assert len(direct.classic_reply(b"\x0e", 1)) == 11, "the server had more to send"


def with_ids(payload: bytes, ids: dict[int, int]) -> bytes:
    """The transcript numbers statements as they are prepared; MariaDB numbers those of all its clients."""
    if payload[0] not in (COM_STMT_EXECUTE, COM_STMT_FETCH, COM_STMT_RESET):
        return payload
    return with_statement_id(payload, ids.get(statement_id_of(payload), 0xFFFFFF))


def prepare(server: DatabaseServer) -> None:
    for statement in SETUP:
        server.query(statement)


def test_an_untranslated_reply_is_passed_as_the_same_object(server: DatabaseServer) -> None:
    reader = ReplyReader(MODERN)
    with RawConnection(server.host, server.port, MODERN) as connection:
        connection.send_bytes(packet(0, b"\x03SELECT 1, 2"))
        reader.start(REPLY_QUERY)
        data = connection.receive()
        assert reader.feed(data) is data


def test_changes_of_session_state_are_reported(server: DatabaseServer) -> None:
    reader = ReplyReader(BASE)
    with RawConnection(server.host, server.port, MODERN) as connection:
        connection.command(TRACK_ALL, reader)
        connection.command(b"\x03SET time_zone='+02:00'; USE other; BEGIN; SELECT 1", reader)
        found = [parse_changes(raw) for raw in reader.changes]
        assert found[0].variables == [(b"time_zone", b"+02:00")]
        assert found[0].state_changed
        assert found[1].schema == b"other"
        assert found[2].characteristics == b"START TRANSACTION;"
        assert found[2].transaction_state is not None
        assert found[2].transaction_state.startswith(b"T")
        connection.command(b"\x03SELECT 1", reader)
        assert reader.changes == []


def test_local_infile(server: DatabaseServer) -> None:
    server.query("CREATE TABLE IF NOT EXISTS wire_load (c VARCHAR(40))")
    reader = ReplyReader(BASE)
    with RawConnection(server.host, server.port, MODERN) as connection:
        _, seen = connection.command(
            b"\x03SELECT 1; LOAD DATA LOCAL INFILE 'some' INTO TABLE wire_load; SELECT 2", reader
        )
        assert reader.local_infile
        assert not reader.done
        assert seen.endswith(b"\xfbsome")
        # The client counts one EOF more than the server.
        assert reader.sequence_shift == 1
        number = (seen[-6] + 1 - reader.sequence_shift) & 0xFF
        connection.send_bytes(packet(number, b"one\ntwo\n") + packet(number + 1, b""))
        reader.resume_after_infile(number + 1)
        _, seen = connection.follow(reader)
        assert seen[3] == number + 2 + 1
        assert reader.done
        assert (reader.rows, reader.error) == (1, 0)
        with pytest.raises(ProtocolError):
            reader.resume_after_infile()


def test_prepared_ids_are_replaced_and_types_remembered(server: DatabaseServer) -> None:
    reader = ReplyReader(BASE)
    with RawConnection(server.host, server.port, MODERN) as connection:
        _, seen = connection.command(b"\x16SELECT ? + ?", reader, REPLY_PREPARE, client_id=77)
        assert seen[4:9] == b"\x00\x4d\x00\x00\x00"
        assert (reader.parameters, reader.columns) == (2, 1)
        head = b"\x17" + reader.statement_id.to_bytes(4, "little") + b"\0\1\0\0\0\0"
        numbers = (20).to_bytes(8, "little") + (22).to_bytes(8, "little")
        bound = parse_execute(head + b"\x01\x08\0\x08\0" + numbers, 2)
        unbound = head + b"\x00" + numbers
        assert bound.types_bound
        payload = rebind(unbound, parse_execute(unbound, 2), bound.types)
        raw, _ = connection.command(payload, reader)
        assert reader.rows == 1
        assert packets(raw)[2][1][-8:-7] in (b"\x2a", b"\x00"), "42, as an integer or the end of a double"


def test_query_attributes(mysql97: DatabaseServer) -> None:
    capabilities = MODERN | CLIENT_QUERY_ATTRIBUTES
    reader = ReplyReader(capabilities)
    attribute = b"\x01\x01\x00\x01\xfd\x00\x05trace\x03abc"
    with RawConnection(mysql97.host, mysql97.port, capabilities) as connection:
        for prefix in (b"\x00\x01", attribute):
            payload = b"\x03" + prefix + b"SELECT 'plain'"
            assert payload[query_position(payload) :] == b"SELECT 'plain'"
            connection.command(payload, reader)
            assert (reader.error, reader.rows) == (0, 1)
        connection.command(b"\x16SELECT ?", reader, REPLY_PREPARE)
        head = b"\x17" + reader.statement_id.to_bytes(4, "little")
        plain = head + b"\x08\1\0\0\0\x01\x00\x01\x03\x00\x00\x07\0\0\0"
        with_attribute = head + b"\x08\1\0\0\0\x02\x00\x01\x03\x00\x00\xfd\x00\x05trace\x07\0\0\0\x03abc"
        for payload in (plain, with_attribute):
            execution = parse_execute(payload, 1, query_attributes=True)
            assert execution.types_bound
            assert payload[execution.values_position :].startswith(b"\x07\0\0\0")
            connection.command(payload, reader)
            assert (reader.error, reader.rows) == (0, 1)
        # The flag may be clear: the count of a statement with parameters is there all the same.
        unannounced = head + b"\x00\1\0\0\0" + b"\x00\x01\x03\x00\x00\x07\0\0\0"
        connection.command(unannounced, reader)
        assert reader.error == ER_WRONG_ARGUMENTS
        unannounced = head + b"\x00\1\0\0\0" + b"\x01\x00\x01\x03\x00\x00\x07\0\0\0"
        connection.command(unannounced, reader)
        assert parse_execute(unannounced, 1, query_attributes=True).types == b"\x03\x00\x00"
        assert (reader.error, reader.rows) == (0, 1)


def test_results_without_metadata(mysql97: DatabaseServer) -> None:
    capabilities = MODERN | CLIENT_OPTIONAL_RESULTSET_METADATA
    reader = ReplyReader(capabilities)
    with RawConnection(mysql97.host, mysql97.port, capabilities) as connection:
        connection.command(b"\x03SELECT 1, 2", reader)
        assert (reader.rows, reader.columns) == (1, 2)
        connection.command(b"\x03SET resultset_metadata = NONE", reader)
        raw, _ = connection.command(b"\x03SELECT 1, 2", reader)
        assert (reader.rows, reader.columns) == (1, 2)
        assert len(packets(raw)) == 3
        connection.command(b"\x16SELECT ?, 2", reader, REPLY_PREPARE)
        assert (reader.parameters, reader.columns) == (1, 2)
