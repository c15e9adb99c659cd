"""The limits that docs/postgres.md names: each is as it says, and no worse."""

from __future__ import annotations

from ...servers import OutliveProcess, PostgresServer
from .raw import SYNC, Raw, bind, codes, execute, parse, query
from .scripts import TABLES, Stage, Thief


def test_process_ids(node: OutliveProcess, stage: Stage) -> None:
    """Outlive's own in the protocol, the server's own where a statement asks."""
    with Raw(node) as client:
        (found,) = client.rows("SELECT pg_backend_pid()")
        assert int(found[0]) != client.pid
        assert stage.superuser.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE pid = %s", (int(found[0]),)
        ).fetchone() == (1,)


def test_reset_inside_a_transaction(node: OutliveProcess) -> None:
    """The server's default until its end, the client's startup value from then on."""
    with Raw(node, parameters={"TimeZone": "Asia/Tokyo"}) as client:
        client.query("SET timezone = 'Europe/Berlin'")
        client.query("BEGIN")
        client.query("RESET timezone")
        assert client.rows("SHOW timezone") == [("UTC",)]
        client.query("COMMIT")
        assert client.rows("SHOW timezone") == [("Asia/Tokyo",)]


def test_currval_is_never_another_client_s(stage: Stage, node: OutliveProcess, thieves: tuple[Thief, ...]) -> None:
    """It is its own client's, or not yet defined."""
    stage.superuser.execute(TABLES)
    with Raw(node) as first, Raw(node) as second:
        for turn in range(6):
            (mine,) = first.rows("SELECT nextval('counter')")
            assert first.rows("SELECT currval('counter'), lastval()") == [(*mine, *mine)]
            assert codes(second.query("SELECT lastval()")) == ["55000"]
            assert codes(second.query("SELECT currval('counter')")) == ["55000"]
            second.send(parse("", "SELECT lastval()") + bind("", "") + execute() + SYNC)
            assert codes(second.until()) == ["55000"]
            second.query("BEGIN")
            assert codes(second.query("SELECT lastval()")) == ["55000"]
            second.query("ROLLBACK")
            second.query("BEGIN")
            second.send(parse("", "SELECT currval('counter')") + bind("", "") + execute() + SYNC)
            assert codes(second.until()) == ["55000"]
            second.query("ROLLBACK")
            thieves[turn % 2].steal()
            found = first.query("SELECT currval('counter')")
            assert codes(found) == ["55000"]


def test_explain_execute(node: OutliveProcess) -> None:
    """Of a statement of the protocol: not found, for it has another name on the server."""
    with Raw(node) as client:
        client.send(parse("s", "SELECT 1") + SYNC)
        client.until()
        assert codes(client.query("EXPLAIN EXECUTE s")) == ["26000"]
        assert client.rows("EXECUTE s") == [("1",)]


def test_a_custom_setting_of_another_client(node: OutliveProcess) -> None:
    """Its value is nobody else's; that there was one may be seen, as an empty text in place of NULL."""
    with Raw(node) as first, Raw(node) as second:
        first.query("SET app.secret = 'mine'")
        assert second.rows("SELECT coalesce(current_setting('app.secret', true), '')") == [("",)]
        assert first.rows("SHOW app.secret") == [("mine",)]
        assert second.rows("SELECT coalesce(current_setting('app.secret', true), '')") == [("",)]


def test_a_server_s_own_mistake_is_not_the_next_client_s(node: OutliveProcess, pg: PostgresServer) -> None:
    """PostgreSQL 18 fails what follows a Query that came between an Execute and its Sync (XX000)."""
    with Raw(node) as client, Raw(node) as bystander:
        for _ in range(5):
            client.send(parse("", "SELECT 1") + bind("", "") + execute() + query("SELECT 2") + SYNC)
            client.until(count=2)
            assert bystander.rows("SELECT 3") == [("3",)]


def test_names_on_the_server(node: OutliveProcess) -> None:
    """pg_prepared_statements shows Outlive's names, which no client can use by chance."""
    with Raw(node) as client:
        client.send(parse("mine", "SELECT 'mine'") + SYNC)
        client.until()
        client.send(bind("", "mine") + execute() + SYNC)
        client.until()
        names = [name for (name,) in client.rows("SELECT name FROM pg_prepared_statements WHERE NOT from_sql")]
        assert names
        assert "mine" not in names
        assert all(name.startswith("outlive_") for name in names)
