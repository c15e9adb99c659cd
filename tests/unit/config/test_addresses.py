import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.config.addresses import Address, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("DB.example:3306", Address("db.example", 3306)),
        ("db", Address("db", 99)),
        (" 10.0.0.1:1 ", Address("10.0.0.1", 1)),
        ("[::1]:65535", Address("::1", 65535)),
        ("[fe80::1%eth0]", Address("fe80::1%eth0", 99)),
    ],
)
def test_addresses(text: str, address: Address) -> None:
    assert parse_address(text, 99) == address
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    "text",
    ["", ":1", "a:", "a:0", "a:65536", "a:b", "a:-1", "::1", "[::1", "[::1]x", "[a]:1", "a b:1", "a:१", "a/b:1"],
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        parse_address(text, 99)


def test_the_port_is_needed_where_there_is_no_default() -> None:
    with pytest.raises(ValueError, match="port"):
        parse_address("db")
    assert parse_address("db:0", lowest_port=0) == Address("db", 0)


def test_a_password_is_not_quoted() -> None:
    with pytest.raises(ValueError, match="no user or password") as caught:
        parse_address("user:hunter2@db:1")
    assert "hunter2" not in str(caught.value)


@given(st.text(max_size=30))
def test_any_text_is_an_address_or_a_sentence(text: str) -> None:
    try:
        address = parse_address(text, 1)
    except ValueError:
        return
    assert parse_address(str(address)) == address
