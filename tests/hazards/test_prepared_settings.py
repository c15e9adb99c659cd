"""One text, prepared by two clients with different settings, is two statements: MySQL keeps what it found then."""

from __future__ import annotations

import pytest

from ..raw.mysql import CLASSIC, Raw
from ..servers import OutliveProcess
from ..servers.database import DatabaseServer

SETTINGS = {
    "div_precision_increment = 8": "SELECT 1 / 3",
    "group_concat_max_len = 4": "SELECT GROUP_CONCAT(a) FROM (SELECT 'abc' AS a UNION SELECT 'defgh') AS x",
    "default_week_format = 3": "SELECT WEEK('2008-02-20')",
    "lc_time_names = 'de_DE'": "SELECT MONTHNAME('2024-03-01')",
    "time_zone = '+09:00'": "SELECT FROM_UNIXTIME(0)",
    "sql_select_limit = 1": "SELECT 1 UNION ALL SELECT 2",
    "default_collation_for_utf8mb4 = utf8mb4_general_ci": "SELECT COLLATION(_utf8mb4'a')",
    "old_mode = ''": "SELECT COLLATION(CONVERT('a' USING utf8))",
}


def play(target: DatabaseServer | OutliveProcess, setting: str, text: str) -> list[list[bytes]]:
    """Rows as both see them in turn; the first one takes the other's setting in the end."""
    usual = Raw(target.host, target.port, capabilities=CLASSIC)
    other = Raw(target.host, target.port, capabilities=CLASSIC)
    seen = [other.query(f"SET {setting}")]
    statements = usual.prepare(text)[0], other.prepare(text)[0]
    for _ in range(2):
        seen += [connection.execute(number) for connection, number in zip((usual, other), statements, strict=True)]
    seen.append(usual.query(f"SET {setting}"))
    seen.append(usual.execute(statements[0]))
    for connection in (usual, other):
        connection.socket.close()
    return [[payload for payload in reply if payload[0] != 0xFE] for reply in seen]  # no EOF: only what is told


@pytest.mark.parametrize("setting", SETTINGS)
def test_each_sees_its_own(server: DatabaseServer, node: OutliveProcess, setting: str) -> None:
    expected = play(server, setting, SETTINGS[setting])
    if expected[0][0][0] == 0xFF:
        pytest.skip("this server has no such variable")
    assert play(node, setting, SETTINGS[setting]) == expected
