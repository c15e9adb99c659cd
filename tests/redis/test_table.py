"""The table of commands is held against what the server says of each."""

from outlive.config.redis_commands import BLOCKING, CONTAINER, GATED, ORDINARY, SUBSCRIBING, TABLE

from ..servers.redis import RedisServer

ADMINISTRATIVE = {b"bgrewriteaof", b"bgsave", b"save"}
"""The server's operators', and harmless to who shares it."""
PUBLISHING = {b"publish", b"spublish"}


def test_the_table_is_the_servers(server: RedisServer) -> None:
    said: dict[str, dict[str, set[str]]] = server.ask("COMMAND")
    assert len(said) > 200
    for name, command in said.items():
        word, flags = name.lower().encode(), command["flags"]
        kind = TABLE.get(word)
        assert kind is not None, word
        if "blocking" in flags:
            assert kind in (BLOCKING, CONTAINER), word
        if "admin" in flags and word not in ADMINISTRATIVE:
            assert kind != ORDINARY, word
        if "pubsub" in flags and word not in PUBLISHING:
            assert kind == SUBSCRIBING, word
    assert TABLE[b"flushall"] == GATED
