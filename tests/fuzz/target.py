"""The target of atheris, which looks for inputs by the code they reach.

python -m tests.fuzz.target tests/fuzz/corpus -max_total_time=600

The first byte of an input says what the rest is given to; a finding is kept by adding its file to the corpus, which
`make test` runs through as well.
"""

import sys
from collections.abc import Callable
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"


def _client(data: bytes) -> None:
    """The bytes of a client after its login."""
    from .house import House
    from .test_client_bytes import HELD_BYTES, prepared

    with House() as house:
        client = prepared(house)
        client.say(data)
        assert client.held_bytes <= HELD_BYTES
        house.check()
        house.check_serves()


def _login(data: bytes) -> None:
    """The bytes of a client that has not logged in."""
    from .house import House

    with House() as house:
        commands = list(house.servers.commands)
        client = house.client()
        client.say(data)
        if not client.is_in:
            assert house.servers.commands == commands
        house.check()


def _answer(data: bytes) -> None:
    """What a server says in place of its answers."""
    from .house import House
    from .test_client_bytes import ready

    with House() as house:
        client = ready(house)
        house.servers.mutation = lambda answer: [data]
        client.command(b"\x03\x00\x01SELECT 1")
        house.check()
        house.check_serves()


def _greeting(data: bytes) -> None:
    """What a server says first."""
    from .house import House

    house = House()
    house.servers.mutation = lambda answer: [data]
    with house:
        house.check()
        house.check_serves()


def _reply(data: bytes) -> None:
    """Replies, whole and byte by byte: the same comes out."""
    from outlive.wire import ProtocolError
    from outlive.wire.mysql.reply import REPLY_OK, ReplyReader

    from .house import CLIENT, MODERN

    if len(data) < 2:
        return
    found = []
    for by in (len(data), 1):
        reader = ReplyReader(MODERN if data[0] & 1 else CLIENT)
        reader.start(data[1] % (REPLY_OK + 1), client_id=7)
        out = b""
        try:
            for start in range(2, len(data), by):
                out += reader.feed(data[start : start + by])
        except ProtocolError:
            out = b""
        found.append((out, reader.done))
    assert found[0][0] == found[1][0] or not all(done for _, done in found)


def _text(data: bytes) -> None:
    """Statements, whole and in pieces: the same is read."""
    from outlive.session.mysql.lexer import Lexer

    mode, text = (data[0] & 7, data[1:]) if data else (0, b"")
    whole, pieces = Lexer(mode), Lexer(mode)
    whole.feed(text)
    for start in range(0, len(text), 3):
        pieces.feed(text[start : start + 3])
    one, other = whole.finish(), pieces.finish()
    for name in ("plain", "read", "verb", "statements", "needs", "after", "holds", "kill", "call"):
        assert getattr(one, name) == getattr(other, name), name


TARGETS: tuple[Callable[[bytes], None], ...] = (_client, _login, _answer, _greeting, _reply, _text)


def one_input(data: bytes) -> None:
    """One input. Whatever it raises is a finding."""
    if data:
        TARGETS[data[0] % len(TARGETS)](data[1:])


def main() -> None:
    """Until libFuzzer's options say stop."""
    import atheris

    with atheris.instrument_imports(include=["outlive.wire", "outlive.session", "outlive.auth", "outlive.proxy"]):
        for target in TARGETS:
            target(b"\0\0\0")
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
