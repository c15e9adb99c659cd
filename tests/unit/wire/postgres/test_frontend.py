"""Clients' chunks: their framing, the views of their messages, and other names put in."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.wire import ProtocolError
from outlive.wire.postgres import frontend, messages
from outlive.wire.postgres.constants import BIND, PARSE, PORTAL, QUERY, STATEMENT
from outlive.wire.postgres.frontend import scan

P = messages.parse(b"s", b"SELECT $1", b"\0\1\0\0\0\x17")
B = messages.bind(b"", b"s", [b"1"])
D = messages.describe(PORTAL, b"")
E = messages.execute()
S = messages.SYNC
Q = messages.query(b"SELECT 1")
MESSAGES = {
    "P": P,
    "B": B,
    "D": messages.describe(STATEMENT, b"s"),
    "E": messages.execute(b"portal", 10),
    "S": S,
    "H": messages.FLUSH,
    "C": messages.close(STATEMENT, b"s"),
    "Q": Q,
    "d": messages.message(ord("d"), b"data"),
    "c": messages.COPY_DONE,
    "f": messages.copy_fail(b"no"),
    "F": messages.message(ord("F"), bytes(12)),
    "X": messages.TERMINATE,
}
SHAPES = [
    "Q",
    "BDES",
    "BES",
    "PBDES",
    "PDS",
    "PDH",
    "BEC",
    "BEPBES",
    "QQ",
    "BDESBDES",
    "PBDESQ",
    "S",
    "X",
    "ddddc",
    "F",
]


def chunk(shape: str) -> bytes:
    return b"".join({"D": D, "E": E}.get(kind, MESSAGES[kind]) for kind in shape)


def bounds_of(shape: str) -> list[int]:
    bounds = [0]
    for kind in shape:
        bounds.append(bounds[-1] + len({"D": D, "E": E}.get(kind, MESSAGES[kind])))
    return bounds


@pytest.mark.parametrize("shape", SHAPES)
def test_the_messages_of_a_chunk_at_every_split_and_position(shape: str) -> None:
    data, bounds = chunk(shape), bounds_of(shape)
    for size in range(len(data) + 1):
        kinds, found = scan(data[:size])
        whole = sum(bound <= size for bound in bounds)
        assert list(found) == bounds[:whole]
        assert kinds == shape[: whole - 1].encode()
    kinds, found = scan(b"xyz" + data, 3)
    assert (kinds, [bound - 3 for bound in found]) == (shape.encode(), bounds)


@given(st.lists(st.sampled_from(sorted(MESSAGES)), max_size=8), st.integers(0, 30))
def test_the_short_ways_are_the_long_one(names: list[str], cut: int) -> None:
    data = b"".join(MESSAGES[name] for name in names)
    data = data[: len(data) - cut]
    kinds, bounds = scan(data)
    slow_kinds, slow_bounds = frontend._scan(data, 0, len(data))
    assert (kinds, list(bounds)) == (slow_kinds, slow_bounds)


@given(
    st.lists(st.one_of(st.binary(max_size=30), st.sampled_from([P, B, D, E, S, D + E + S, E + S]))), st.integers(0, 5)
)
def test_any_bytes_by_the_short_ways_or_the_long_one(pieces: list[bytes], cut: int) -> None:
    data = b"".join(pieces)[cut:]
    outcomes = []
    for scanned in (lambda: scan(data), lambda: frontend._scan(data, 0, len(data))):
        try:
            kinds, bounds = scanned()
            outcomes.append((kinds, list(bounds)))
        except ProtocolError:
            outcomes.append(None)
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize(
    "data",
    [
        b"?",
        b"p\0\0\0\x05x",
        b"\0\0\0\x08\x04\xd2\x16\x2f",
        b"Q\0\0\0\x03",
        b"Q\0\0\0\0",
        b"Q\xff\xff\xff\xff",
        b"Q\x40\0\0\0",
        b"S\0\0\0\x05",
        b"X\0\0\0\x05",
        b"D\0\0\x27\x11",
    ],
)
def test_what_no_client_sends_is_refused_from_its_head(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        scan(data)
    with pytest.raises(ProtocolError):
        scan(chunk("BDES") + data)
    if len(data) >= 5:
        with pytest.raises(ProtocolError):
            frontend.head(data, 0)


def test_the_head_of_a_tail() -> None:
    large = messages.parse(b"s", b"x" * 100_000)
    data = S + large[:1000]
    assert scan(data) == (b"S", [0, 5])
    assert frontend.head(data, 5) == (PARSE, 5 + len(large))
    assert frontend.head(data[:9], 5) is None


def test_copy_data() -> None:
    piece = MESSAGES["d"]
    assert frontend.copy_data_end(piece * 3 + messages.COPY_DONE, 0) == 3 * len(piece)
    assert frontend.copy_data_end(piece * 3 + piece[:-1], 0) == 4 * len(piece)
    assert frontend.copy_data_end(piece * 3 + piece[:4], len(piece)) == 3 * len(piece)
    assert frontend.copy_data_end(S, 0) == 0
    with pytest.raises(ProtocolError):
        frontend.copy_data_end(b"d\0\0\0\x03", 0)


def test_views() -> None:
    data = b"behind" + P + B + messages.bind(b"portal", b"", []) + MESSAGES["D"] + MESSAGES["E"] + MESSAGES["C"] + Q
    kinds, bounds = scan(data, 6)
    assert kinds == b"PBBDECQ"
    spans = list(pairwise(bounds))
    assert frontend.parse_names(data, *spans[0]) == (b"s", b"SELECT $1", b"\0\1\0\0\0\x17")
    portal, statement, rest = frontend.bind_names(data, *spans[1])
    assert (portal, statement, data[rest : spans[1][1]]) == (b"", b"s", B[8:])
    assert frontend.bind_names(data, *spans[2])[:2] == (b"portal", b"")
    assert frontend.target(data, *spans[3]) == (STATEMENT, b"s")
    assert frontend.execute_portal(data, *spans[4]) == (b"portal", 10)
    assert frontend.target(data, *spans[5]) == (STATEMENT, b"s")
    assert frontend.query_text(data, *spans[6]) == b"SELECT 1"


NAMES = st.binary(max_size=70).map(lambda name: name.replace(b"\0", b""))


@given(NAMES, NAMES, NAMES, st.binary(max_size=9))
def test_other_names(old: bytes, new: bytes, portal: bytes, behind: bytes) -> None:
    data = b"ahead" + messages.parse(old, b"SELECT 1", b"\0\0") + behind
    head, rest = frontend.rename_parse(data, 5, len(data) - len(behind), new)
    assert head + data[rest:] == messages.parse(new, b"SELECT 1", b"\0\0") + behind
    data = b"ahead" + messages.bind(portal, old, [b"v"]) + behind
    head, rest = frontend.rename_bind(data, 5, len(data) - len(behind), new)
    assert head + data[rest:] == messages.bind(portal, new, [b"v"]) + behind
    data = b"ahead" + messages.bind(b"", old, [b"v"]) + behind
    _, name, rest = frontend.bind_names(data, 5, len(data) - len(behind))
    assert frontend.rename_first_bind(data, 5, rest, len(name), new) == messages.bind(b"", new, [b"v"]) + behind
    for make in (messages.describe, messages.close):
        data = b"ahead" + make(STATEMENT, old) + behind
        assert frontend.rename_target(data, 5, len(data) - len(behind), new) == make(STATEMENT, new)


def test_a_bind_that_has_not_come_whole_is_renamed() -> None:
    whole = messages.bind(b"", b"s", [bytes(1 << 20)])
    assert frontend.bind_names(whole[:100], 0, 100) == (b"", b"s", 8)
    head, rest = frontend.rename_bind(whole[:100], 0, 100, b"longer")
    assert head + whole[rest:] == messages.bind(b"", b"longer", [bytes(1 << 20)])


View = Callable[[bytes, int, int], object]
MALFORMED: list[tuple[View, bytes]] = [
    (frontend.query_text, b"Q\0\0\0\x04"),
    (frontend.query_text, b"Q\0\0\0\x05x"),
    (frontend.query_text, b"Q\0\0\0\x07a\0b"),
    (frontend.query_text, b"Q\0\0\0\x08a\0b\0"),
    (frontend.parse_names, messages.message(PARSE, b"s\0q")),
    (frontend.parse_names, messages.message(PARSE, b"s")),
    (frontend.parse_names, messages.message(PARSE, b"s\0q\0\0")),
    (frontend.parse_names, messages.message(PARSE, b"s\0q\0\0\1")),
    (frontend.parse_names, messages.message(PARSE, b"s\0q\0\0\0x")),
    (frontend.bind_names, messages.message(BIND, b"")),
    (frontend.bind_names, messages.message(BIND, b"p\0s")),
    (frontend.target, b"D\0\0\0\x05S"),
    (frontend.target, b"D\0\0\0\x06Sx"),
    (frontend.target, b"D\0\0\0\x06X\0"),
    (frontend.target, b"D\0\0\0\x08Sa\0\0"),
    (frontend.execute_portal, b"E\0\0\0\x08\0\0\0\0"),
    (frontend.execute_portal, b"E\0\0\0\x0ap\0\0\0\0\0\0"),
    (lambda data, start, end: frontend.rename_parse(data, start, end, b"n"), messages.message(PARSE, b"s")),
    (lambda data, start, end: frontend.rename_bind(data, start, end, b"n"), messages.message(BIND, b"p\0s")),
    (lambda data, start, end: frontend.rename_target(data, start, end, b"n"), b"C\0\0\0\x06X\0"),
]


@pytest.mark.parametrize(("view", "data"), MALFORMED)
def test_malformed(view: View, data: bytes) -> None:
    """What follows the message must not help it out."""
    with pytest.raises(ProtocolError):
        view(data + bytes(20), 0, len(data))


@given(st.sampled_from([view for view, _ in MALFORMED]), st.binary(max_size=30))
def test_any_payload_is_viewed_or_a_protocol_error(view: View, payload: bytes) -> None:
    data = b"ahead" + messages.message(QUERY, payload) + bytes(4)
    try:
        view(data, 5, len(data) - 4)
    except ProtocolError:
        pass
