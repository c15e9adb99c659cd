"""What a client sees of itself and of others: ids, lists, gates, logins, and one subscription for many."""

import re
from collections.abc import Callable, Iterator

import pytest
import redis

from ..servers.certificates import Certificates
from ..servers.processes import free_port
from ..servers.redis import PASSWORD, READER, READER_PASSWORD, USER, RedisServer
from .conftest import Node
from .talk import Talker


@pytest.fixture(scope="module")
def node(server: RedisServer) -> Iterator[Node]:
    """Nothing is allowed that is not by default."""
    with Node.of(server, max_connections=6, passthrough="true") as found:
        yield found


@pytest.mark.parametrize(
    "words",
    [
        *[("CONFIG", "GET", "maxclients"), ("FLUSHALL",), ("DEBUG", "JMAP"), ("SHUTDOWN", "NOSAVE"), ("ACL", "LIST")],
        *[("SLOWLOG", "GET"), ("MODULE", "LIST"), ("REPLICAOF", "NO", "ONE"), ("FAILOVER",), ("SWAPDB", 0, 1)],
    ],
)
def test_gates(server: RedisServer, node: Node, words: tuple[object, ...]) -> None:
    """Operators' commands are refused, alone, in a pipeline and inside MULTI, whose EXEC fails then."""
    server.ask("SET", "a", 1)
    with Talker(node.redis_port) as talker:
        heard = talker.ask(*words)
        assert heard.startswith(b"-NOPERM Outlive: ")
        assert talker.pipeline(("GET", "a"), words, ("GET", "a")) == b"$1\r\n1\r\n" + heard + b"$1\r\n1\r\n"
        assert talker.ask("MULTI") == b"+OK\r\n"
        assert talker.ask(*words).startswith(b"-NOPERM Outlive: ")
        assert talker.ask("EXEC").startswith(b"-EXECABORT")
    assert server.ask("GET", "a") == b"1"


NEVER = [("SYNC",), ("PSYNC", "?", -1), ("REPLCONF", "x", "y"), ("MIGRATE", "h", 1, "k", 0, 1)]


@pytest.mark.parametrize("words", NEVER)
def test_never(node: Node, words: tuple[object, ...]) -> None:
    with Talker(node.redis_port) as talker:
        assert talker.ask(*words).startswith(b"-ERR Outlive: ")
        assert talker.ask("PING") == b"+PONG\r\n"


def test_ids_names_and_lists_are_of_the_clients(node: Node) -> None:
    with (
        redis.Redis(port=node.redis_port, client_name="first", single_connection_client=True) as first,
        redis.Redis(port=node.redis_port, client_name="second", single_connection_client=True, db=3) as second,
    ):
        assert first.client_id() != second.client_id()
        found = {client["name"]: client for client in first.client_list()}
        assert found["first"]["id"] == str(first.client_id())
        assert found["second"]["db"] == "3"
        assert "outlive" not in found
        assert first.client_info()["name"] == "first"
        assert first.client_kill_filter(_id=str(second.client_id())) == 1
        assert first.ping()


def test_who_waits_is_unblocked_by_its_id(node: Node) -> None:
    with Talker(node.redis_port) as waiting, Talker(node.redis_port) as other:
        number = int(waiting.ask("CLIENT", "ID")[1:])
        waiting.send("BLPOP", "q", 0)
        while other.ask("CLIENT", "UNBLOCK", number) == b":0\r\n":
            pass  # it does not wait yet
        assert waiting.hear() == b"*-1\r\n"
        waiting.send("BLPOP", "q", 0)
        while other.ask("CLIENT", "UNBLOCK", number, "ERROR") == b":0\r\n":
            pass
        assert waiting.hear() == b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n"


def test_one_subscription_for_many(server: RedisServer, node: Node, eventually: Callable[..., None]) -> None:
    """Each hears each message once, in order; the server has one subscriber, and none when all have gone."""
    talkers = [Talker(node.redis_port) for _ in range(50)]
    for number, talker in enumerate(talkers):
        if number % 2:
            talker.ask("HELLO", 3)
        talker.send("SUBSCRIBE", "c")
        talker.messages(1, 3 if number % 2 else 2)
    assert server.ask("PUBSUB", "NUMSUB", "c")[1] == 1
    for word in ("one", "two", "three"):
        server.ask("PUBLISH", "c", word)
    for number, talker in enumerate(talkers):
        heard = talker.messages(3, 3 if number % 2 else 2)
        assert re.findall(rb"(one|two|three)\r\n", heard) == [b"one", b"two", b"three"]
        talker.close()
    eventually(lambda: server.ask("PUBSUB", "NUMSUB", "c")[1] == 0)


def test_monitor(server: RedisServer, node: Node) -> None:
    """On a connection of its own, which nobody gets after it."""
    with Talker(node.redis_port) as monitor, Talker(node.redis_port) as other:
        assert monitor.ask("MONITOR") == b"+OK\r\n"
        other.ask("SET", "watched", "x")
        heard = b""
        while b"watched" not in heard:
            heard = monitor.hear()
        assert re.fullmatch(rb'\+[\d.]+ \[0 [\d.:]+\] "SET" "watched" "x"\r\n', heard)
    with Talker(node.redis_port) as talker:
        assert talker.pipeline(*[("GET", "watched")] * 20) == b"$1\r\nx\r\n" * 20


def test_logins(server: RedisServer, node: Node) -> None:
    """Each is who it says, with its own rights; wrong passwords are the server's to refuse, in its words."""
    with redis.Redis(port=node.redis_port, username=USER, password=PASSWORD) as client:
        assert client.execute_command("SET", "a", "1")
    with redis.Redis(port=node.redis_port, username=READER, password=READER_PASSWORD) as client:
        assert client.get("a") == b"1"
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.set("a", 2)
    with (
        redis.Redis(port=node.redis_port, username=USER, password="wrong") as client,
        pytest.raises(redis.exceptions.AuthenticationError),
    ):
        client.ping()


def test_a_default_user_with_a_password() -> None:
    """Before AUTH a client is told what a server tells it."""
    with RedisServer() as server:
        server.ask("CONFIG", "SET", "requirepass", "secret")
        url = f"redis://default:secret@127.0.0.1:{server.port}/0?max_connections=3"
        with Node(url) as node:
            for port in (server.port, node.redis_port):
                with Talker(port) as talker:
                    assert talker.ask("GET", "a") == b"-NOAUTH Authentication required.\r\n"
                    assert talker.ask("HELLO", 3).startswith(b"-NOAUTH HELLO must be called")
                    assert talker.ask("AUTH", "wrong").startswith(b"-WRONGPASS")
                    assert talker.ask("AUTH", "secret") == b"+OK\r\n"
                    assert talker.ask("GET", "a") == b"$-1\r\n"
                    assert talker.ask("RESET") == b"+RESET\r\n"
                    assert talker.ask("GET", "a") == b"-NOAUTH Authentication required.\r\n"
                with Talker(port) as talker:
                    talker.socket.sendall(b"*1\r\n$20000\r\n")
                    assert talker.hear() == b"-ERR Protocol error: unauthenticated bulk length\r\n"
                    assert talker.rest() == b""
                with redis.Redis(port=port, password="secret", protocol=3) as client:
                    assert client.ping()


def test_tls_on_both_sides() -> None:
    certificates = Certificates.shared()
    port = free_port()
    options = {
        "tls_port": port,
        "tls_cert_file": certificates.server_cert,
        "tls_key_file": certificates.server_key,
        "tls_ca_cert_file": certificates.ca,
        "tls_auth_clients": "no",
    }
    with RedisServer(**options) as server:
        configuration = f"""
            tls_cert = "{certificates.server_cert}"
            tls_key = "{certificates.server_key}"
            [databases.cache]
            url = "rediss://default@127.0.0.1:{port}/0?tls_ca={certificates.ca}"
            max_connections = 3
        """
        with Node(configuration) as node:
            with redis.Redis(port=node.redis_port, ssl=True, ssl_ca_certs=str(certificates.ca)) as client:
                assert client.set("a", "x" * 300_000)
                assert client.get("a") == b"x" * 300_000
                assert client.blpop("none", timeout=0.01) is None
            assert server.ask("STRLEN", "a") == 300_000
