"""Values of the settings that Outlive keeps to itself, as a server takes and shows them (measured on 15 and 18)."""

from __future__ import annotations

import pytest

from outlive.session.postgres.durations import DEFAULTS, shown


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        (b"idle_session_timeout", b"30000", b"30s"),
        (b"idle_session_timeout", b"30s", b"30s"),
        (b"idle_session_timeout", b"90s", b"90s"),
        (b"idle_session_timeout", b"60000", b"1min"),
        (b"idle_session_timeout", b"1.5h", b"90min"),
        (b"idle_session_timeout", b" 2 d ", b"2d"),
        (b"idle_session_timeout", b"1500", b"1500ms"),
        (b"idle_session_timeout", b"0x10", b"16ms"),
        (b"idle_session_timeout", b"1e3", b"1s"),
        (b"idle_session_timeout", b"0", b"0"),
        (b"idle_session_timeout", b"-1", None),
        (b"idle_session_timeout", b"long", None),
        (b"idle_session_timeout", b"5 parsecs", None),
        (b"idle_session_timeout", b"2147483648", None),
        (b"idle_session_timeout", b"", None),
        (b"idle_session_timeout", b"9" * 100, None),
        (b"client_connection_check_interval", b"1000", b"1s"),
        (b"tcp_keepalives_idle", b"60", b"60"),
        (b"tcp_keepalives_idle", b"1min", b"60"),
        (b"tcp_keepalives_idle", b"0", b"7200"),
        (b"tcp_keepalives_count", b"4", b"4"),
        (b"tcp_keepalives_count", b"4s", None),
        (b"tcp_user_timeout", b"2s", b"2000"),
        (b"tcp_user_timeout", b"0", b"0"),
    ],
)
def test_shown(name: bytes, value: bytes, expected: bytes | None) -> None:
    assert shown(name, value) == expected


@pytest.mark.parametrize("name", DEFAULTS)
def test_what_is_shown_is_shown_so_again(name: bytes) -> None:
    for value in (b"1", b"59", b"60", b"3600", b"86400", b"1000", b"60000", DEFAULTS[name]):
        once = shown(name, value)
        assert once is not None
        assert shown(name, once) == once
