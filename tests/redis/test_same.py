"""What a client is told through Outlive is what the server tells it, byte for byte."""

from collections.abc import Iterator

import pytest

from ..servers.redis import RedisServer
from .conftest import OPERATORS, Node
from .talk import Talker
from .transcripts import SCRIPTS, Messages, Muted, Other, Raw, Step


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer(enable_debug_command="yes", hz=200) as found:
        yield found


@pytest.fixture(scope="module")
def node(server: RedisServer) -> Iterator[Node]:
    """Narrow: what is lent to one client is what the next one gets."""
    with Node.of(server, max_connections=3, passthrough="true", allow_commands=OPERATORS) as found:
        yield found


def play(port: int, protocol: int, script: list[Step]) -> list[bytes]:
    heard: list[bytes] = []
    with Talker(port) as talker, Talker(port) as other:
        if protocol == 3:
            talker.ask("HELLO", 3)
        for step in script:
            match step:
                case list():
                    heard.append(talker.pipeline(*step))
                case tuple():
                    heard.append(talker.ask(*step))
                case bytes():
                    talker.socket.sendall(step)
                    heard.append(talker.hear())
                case Raw():
                    talker.socket.sendall(step.data)
                    heard.append(talker.hear(step.count))
                case Other():
                    heard.append(other.ask(*step.words))
                case Messages():
                    if step.words:
                        talker.send(*step.words)
                    heard.append(talker.messages(step.count, protocol))
                case Muted():
                    for words in step.commands:
                        talker.send(*words)
    return heard


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("name", SCRIPTS)
def test_the_same_as_direct(server: RedisServer, node: Node, name: str, protocol: int) -> None:
    direct = play(server.port, protocol, SCRIPTS[name])
    server.ask("FLUSHALL")
    through = play(node.redis_port, protocol, SCRIPTS[name])
    steps = [step for step in SCRIPTS[name] if not isinstance(step, Muted)]
    compared = zip(steps, direct, through, strict=True)
    assert not [(step, said[:300], found[:300]) for step, said, found in compared if said != found]
