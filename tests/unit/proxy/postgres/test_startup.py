"""What a client's StartupMessage asks for, as the servers read it."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.proxy.postgres.startup import StartupRefused, settings_of_options, wanted


def refusal(parameters: dict[bytes, bytes]) -> tuple[bytes, bytes]:
    with pytest.raises(StartupRefused) as caught:
        wanted(parameters)
    error = caught.value.error
    assert error.severity == b"FATAL"
    return error.code, error.message


def test_user_database_and_settings() -> None:
    asked = wanted({b"user": b"u", b"database": b"d", b"DateStyle": b"German", b"application_name": b"a b"})
    assert (asked.user, asked.database) == (b"u", b"d")
    assert asked.settings == {b"datestyle": b"German", b"application_name": b"a b"}


def test_the_database_is_called_as_the_user_by_default() -> None:
    assert wanted({b"user": b"u"}).database == b"u"
    assert wanted({b"user": b"u", b"database": b""}).database == b"u"


def test_a_user_is_needed() -> None:
    for parameters in ({}, {b"user": b""}, {b"database": b"d"}):
        assert refusal(parameters)[0] == b"28000"


@pytest.mark.parametrize("value", [b"true", b"1", b"on", b"yes", b"database", b"TRUE", b"whatever"])
def test_replication_is_refused(value: bytes) -> None:
    code, words = refusal({b"user": b"u", b"replication": value})
    assert code == b"0A000"
    assert b"replication" in words


@pytest.mark.parametrize("value", [b"false", b"0", b"off", b"no", b""])
def test_no_replication_is_no_matter(value: bytes) -> None:
    assert wanted({b"user": b"u", b"replication": value}).settings == {}


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        (b"", {}),
        (b"   ", {}),
        (b"-c search_path=a", {b"search_path": b"a"}),
        (b"-csearch_path=a", {b"search_path": b"a"}),
        (b"--search_path=a --work-mem=8MB", {b"search_path": b"a", b"work_mem": b"8MB"}),
        (b"-c a=1\t-c\n a=2", {b"a": b"2"}),
        (b"-c a=b\\ c\\\\d", {b"a": b"b c\\d"}),
        (b"-c a=b=c", {b"a": b"b=c"}),
        (b"-c a=", {b"a": b""}),
        (b"-c A.B=1", {b"a.b": b"1"}),
        (b"-c a='x'", {b"a": b"'x'"}),
        (b"-c a=1\\", {b"a": b"1"}),
    ],
)
def test_options(options: bytes, settings: dict[bytes, bytes]) -> None:
    assert settings_of_options(options) == settings


def test_a_parameter_wins_over_options() -> None:
    asked = wanted({b"user": b"u", b"timezone": b"UTC", b"options": b"-c TimeZone=GMT -c work_mem=1MB"})
    assert asked.settings == {b"timezone": b"UTC", b"work_mem": b"1MB"}


@pytest.mark.parametrize(
    "options",
    [b"-d 5", b"work_mem=1", b"-c", b"-c work_mem", b"--work_mem", b"-c =1", b"-c 1a=1", b"-c a;b=1", b"-- -"],
)
def test_what_is_no_setting_is_refused(options: bytes) -> None:
    assert refusal({b"user": b"u", b"options": options})[0] in (b"0A000", b"42601", b"42704")


@pytest.mark.parametrize("name", [b"a b", b"a'", b"x" * 64, b"a..b", b".a", "ä".encode()])
def test_names_that_no_setting_has(name: bytes) -> None:
    assert refusal({b"user": b"u", name: b"1"})[0] == b"42704"


@given(st.binary(max_size=80))
def test_any_options_are_settings_or_an_error(options: bytes) -> None:
    with contextlib.suppress(StartupRefused):
        assert all(name == name.lower() for name in settings_of_options(options))
