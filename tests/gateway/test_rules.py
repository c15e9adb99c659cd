"""Rules on content, end to end: what passes runs, what is refused never takes a connection and says which rule."""

import json
from collections.abc import Iterator

import pytest

from tests.gateway.caller import Answer, Caller, configuration, hashed
from tests.servers import MariaDB, OutliveProcess, Postgres15

RULES = f"""
[statements]
everybody = "SELECT name, secret FROM users ORDER BY id"
rename = "UPDATE users SET name = :name WHERE id = :id"

[principals.app]
api_key_sha256 = ["{hashed("app")}"]
databases = ["pg", "my"]
[principals.app.rules]
kinds = ["select", "insert", "update", "delete", "transaction"]
statements = ["everybody", "rename"]
[principals.app.rules.tables.users]
kinds = ["select", "update"]
read = ["id", "name"]
write = ["name"]
[principals.app.rules.tables.notes]

[principals.named]
api_key_sha256 = ["{hashed("named")}"]
databases = ["pg", "my"]
[principals.named.rules]
named_only = true
statements = ["everybody"]
"""


@pytest.fixture(scope="module")
def ruled(maria: MariaDB, postgres: Postgres15) -> Iterator[OutliveProcess]:
    urls = {"my": maria.url(max_connections=4), "pg": postgres.url(max_connections=4)}
    with OutliveProcess(configuration(urls, RULES)) as node:
        for database in urls:
            owner = Caller(node, database)
            owner.query("DROP TABLE IF EXISTS users")
            owner.query("DROP TABLE IF EXISTS notes")
            owner.query("CREATE TABLE users (id int PRIMARY KEY, name varchar(50), secret varchar(50))")
            owner.query("CREATE TABLE notes (id int PRIMARY KEY, name varchar(50))")
            owner.query("INSERT INTO users VALUES (1, 'ann', 'x1'), (2, 'bob', 'x2')")
        yield node


@pytest.fixture(params=["pg", "my"])
def app(request: pytest.FixtureRequest, ruled: OutliveProcess) -> Caller:
    return Caller(ruled, request.param, "app")


def refused(caller: Caller, sql: str, **more: object) -> str:
    answer = caller.query(sql, **more)
    assert (answer.status, answer.error["code"], answer.error["outcome"]) == (403, "rule", "not_run"), (sql, answer)
    return str(answer.error["rule"])


def test_what_passes_and_what_does_not(app: Caller) -> None:
    assert app.query("SELECT u.id, upper(u.name) FROM users u WHERE u.id = :id", {"id": 1}).rows == [[1, "ANN"]]
    assert app.query("UPDATE users SET name = 'eve' WHERE id = 2").json["rows_affected"] == 1
    assert app.query("INSERT INTO notes (id, name) SELECT id, name FROM users").status == 200
    assert app.query("DELETE FROM notes WHERE id > 0").json["rows_affected"] == 2
    assert refused(app, "SELECT secret FROM users") == "columns"
    assert refused(app, "SELECT * FROM users") == "columns"
    assert refused(app, "UPDATE users SET secret = 'x' WHERE id = 1") == "columns"
    assert refused(app, "DELETE FROM users WHERE id = 1") == "tables"
    assert refused(app, "SELECT 1 FROM other") == "tables"
    assert refused(app, "DELETE FROM notes") == "require_where"
    assert refused(app, "DROP TABLE notes") == "kind"
    assert refused(app, "SET search_path = x") == "kind"
    assert refused(app, "SELECT 1; SELECT 2") == "one_statement"
    assert refused(app, "SELECT version()") == "functions"
    assert refused(app, "SELECT SLEEP(9)" if app.database == "my" else "SELECT pg_sleep(9)") == "functions"
    assert refused(app, "SELECT 1 /*!50000 , (SELECT secret FROM users) */") == "comment"
    assert refused(app, "no such thing at all") in ("parse", "kind")
    assert refused(app, "SELECT '" + "x" * 17_000 + "'") == "rules_sql_max_bytes"


def test_every_way_of_a_statement(app: Caller) -> None:
    """A batch is judged before any of it runs; a transaction goes on behind a refusal; a stream is refused plainly."""
    parts = [{"sql": "INSERT INTO notes (id) VALUES (7)"}, {"sql": "SELECT secret FROM users"}]
    answer = app.post("/v1/batch", {"database": app.database, "statements": parts})
    assert (answer.status, answer.error["code"], answer.error["statement"]) == (403, "rule", 1)
    id = app.begin()
    assert app.step(id, "INSERT INTO notes (id) VALUES (8)").status == 200
    assert app.step(id, "SELECT secret FROM users").error["code"] == "rule"
    assert app.step(id, "SAVEPOINT a").status == 200
    assert app.step(id, "SELECT id FROM notes").rows == [[8]]
    assert app.end(id, "rollback").status == 200
    assert refused(app, "SELECT secret FROM users", stream=True) == "columns"
    assert refused(app, "SELECT secret FROM users", headers={"Idempotency-Key": "k"}) == "columns"


def test_named_statements(app: Caller) -> None:
    def named(caller: Caller, name: str, **more: object) -> Answer:
        return caller.post("/v1/query", {"database": app.database, "name": name, "format": "arrays", **more})

    assert named(app, "everybody").rows[0] == ["ann", "x1"]
    assert named(app, "rename", parameters={"id": 2, "name": "zoe"}).status == 200
    assert named(app, "everybody").rows[1] == ["zoe", "x2"]
    only = Caller(app.node, app.database, "named")
    assert named(only, "everybody").status == 200
    assert named(only, "rename", parameters={}).error["rule"] == "statements"
    assert named(only, "nothing").error["rule"] == "statements"
    assert refused(only, "SELECT name FROM users") == "named_only"
    assert named(only, "everybody", sql="SELECT 1").status == 400
    body = {"database": app.database, "name": "rename", "parameter_sets": [{"id": 1, "name": "ann"}] * 3}
    assert len(app.post("/v1/batch", body).json["results"]) == 3


def test_the_log_and_the_metric(app: Caller) -> None:
    before = app.node.metric("outlive_rules_refused_total", rule="columns")
    assert refused(app, "SELECT secret FROM users WHERE name = 'a value of mine'") == "columns"
    assert app.node.metric("outlive_rules_refused_total", rule="columns") == before + 1
    lines = [line for line in app.node.log.splitlines() if "event=refused" in line]
    assert any("principal=app rule=columns kind=select" in line for line in lines)
    assert "value of mine" not in app.node.log
    assert "secret" not in json.dumps(lines)
