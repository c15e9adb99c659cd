"""Declared operations of a configuration: what is right, and what is refused with its place."""

import re
from pathlib import Path
from typing import Any

import pytest

from outlive.config.errors import ConfigError
from outlive.config.inputs import inputs_of, segments_of
from outlive.config.load import load
from outlive.config.model import Config
from outlive.config.operations import Operation, Parameter
from outlive.config.origin import Origin
from outlive.config.values import KINDS, of_json, of_texts, schema_of, words_of

BASE = f"""
[databases.shop]
url = "postgresql://app:x@db/shop"
[databases.old]
url = "mysql://app:x@db2/old"
[principals.app]
api_key_sha256 = ["{"a" * 64}"]
"""
READ = """
[operations.item]
method = "GET"
path = "/api/items/{id:integer}"
database = "shop"
sql = "SELECT ':x', name::text FROM items WHERE id = :id -- :y"
principals = ["app"]
"""
WRITE = """
[operations.add]
method = "POST"
path = "/api/items"
database = "shop"
principals = ["*"]
answer = "affected"
parameters.name = "string"
[[operations.add.steps]]
sql = "INSERT INTO items (name) VALUES (:name)"
require = true
"""
REDIS = """
[databases.cache]
url = "redis://cache"
[operations.get]
method = "GET"
path = "/api/cache/{key}"
database = "cache"
commands = [["GET", "{{c}}:{key}"], ["STRLEN", "{key}"]]
principals = ["app"]
"""


def loaded(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "outlive.toml"
    path.write_text(BASE + text)
    return load(Origin(path=str(path)), {})


def test_operations(tmp_path: Path) -> None:
    config = loaded(tmp_path, READ + WRITE)
    item, add = config.operations["item"], config.operations["add"]
    assert [(one.name, one.place, one.parameter.type) for one in inputs_of(item)] == [("id", "path", "integer")]
    assert [(one.name, one.place) for one in inputs_of(add)] == [("name", "body")]
    assert add.steps[0].require
    assert config.principals["app"].databases == ()


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (READ.replace("/api/", "/v1/"), "must begin with /api/"),
        (READ.replace("{id:integer}", "{id:what}"), "what is no type"),
        (READ.replace("{id:integer}", "{id}-x"), "is neither"),
        (READ.replace("{id:integer}", "{id}/{id}"), "has id twice"),
        (READ.replace("{id:integer}", ".."), "is neither"),
        (READ.replace("/items/{id:integer}", "/openapi.json"), "the description have the same path"),
        (READ.replace('"shop"', '"other"'), "There is no database other."),
        (READ.replace('"shop"', '"shop.ro"'), "shop.ro has no replicas."),
        (READ.replace(":id -- ", ":it -- "), "The statement has :it, which is no parameter."),
        (READ.replace("= :id", "= 1"), "No statement has :id."),
        (READ.replace("SELECT", "DELETE"), "GET is for reads"),
        (READ.replace('["app"]', "[]"), "Nobody may call it."),
        (READ.replace('["app"]', '["none"]'), "There is no principal none."),
        (READ + 'answer = "affected"\n', "A read changes nothing."),
        (READ + "parameters.id = { type = 'uuid' }\n", "different types"),
        (READ + "parameters.id = { type = 'integer', required = false }\n", "always there"),
        (READ + READ.replace("item]", "two]").replace("{id:integer}", "{key}"), "have the same path"),
        (READ + "[[operations.item.steps]]\nsql = 'SELECT 1'\n", "either one statement or a transaction"),
        (READ + "what = 1\n", "The option what is not known."),
        (READ + "max_rows = 0\n", "max_rows is 0 but must be"),
        (READ.replace('method = "GET"', 'method = "HEAD"'), "method"),
        (READ.replace('database = "shop"', ""), "The operation item has no database."),
        (READ + "steps = [{ sql = 'SELECT 1', what = 1 }]\n", "unknown field"),
        (READ + "parameters = 1\n", "parameters is 1 but must be a table"),
        (WRITE.replace("parameters.name =", "cache_s = 5\nparameters.name ="), "Only answers to GET"),
        (WRITE.replace('"string"', '{ type = "json", source = "query" }'), "JSON is for bodies."),
        (WRITE.replace('"string"', '{ type = "json", many = true }'), "There are no lists of json."),
        (WRITE.replace('"string"', '{ pattern = "(" }'), "no regular expression"),
        (WRITE.replace('"string"', '{ type = "integer", default = "x" }'), "The default is not a whole number"),
        (WRITE.replace('"string"', "{ many = true }").replace('"shop"', '"old"'), "MySQL has no lists"),
        (WRITE.replace('"POST"', '"DELETE"').replace('"string"', '{ source = "body" }'), "DELETE has no body."),
        (
            WRITE.replace("require = true", "answer = true\n[[operations.add.steps]]\nsql='SELECT 1'\nanswer=true"),
            "Two",
        ),
    ],
)
def test_wrong_operations(tmp_path: Path, text: str, part: str) -> None:
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, text)
    assert part in str(refused.value), refused.value


def commanded(commands: str, method: str = "POST", more: str = "") -> str:
    text = REDIS.replace('[["GET", "{{c}}:{key}"], ["STRLEN", "{key}"]]', commands).replace('"GET"', f'"{method}"', 1)
    return text + more


def test_commands(tmp_path: Path) -> None:
    found = loaded(tmp_path, REDIS).operations["get"]
    assert found.commands == (("GET", "{{c}}:{key}"), ("STRLEN", "{key}"))
    for right in (
        '[["SET", "{key}", 1, "EX", 60]]',
        '[["BRANDNEW", "{key}"]]',
        '[["JSON.SET", "{key}", "$", "1"]]',
        '[["XREADGROUP", "GROUP", "{key}", "c", "COUNT", 1, "STREAMS", "s", ">"]]',
        '[["EVALSHA", "{key}", 0]]',
        '[["OBJECT", "FREQ", "{key}"]]',
    ):
        assert loaded(tmp_path, commanded(right)).operations["get"].commands
    for right in ('[["XREAD", "COUNT", "{key}", "STREAMS", "block", 0]]', '[["MEMORY", "USAGE", "{key}"]]'):
        assert loaded(tmp_path, commanded(right, "GET")).operations["get"].commands


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (commanded('[["BLPOP", "{key}", 0]]'), "BLPOP may wait for somebody else."),
        (commanded('[["XREAD", "BLOCK", 0, "STREAMS", "{key}", "$"]]'), "XREAD may wait for somebody else."),
        (commanded('[["XREAD", "{key}", 0, "STREAMS", "s", "$"]]'), "A parameter would decide what the command XREAD"),
        (commanded('[["wait", 1, "{key}"]]'), "WAIT may wait"),
        (commanded('[["SUBSCRIBE", "{key}"]]'), "makes the server speak unasked"),
        (commanded('[["MONITOR", "{key}"]]'), "makes the server speak unasked"),
        (commanded('[["SELECT", "{key}"]]'), "is about a connection"),
        (commanded('[["AUTH", "{key}"]]'), "is about a connection"),
        (commanded('[["CLIENT", "KILL", "{key}"]]'), "is about a connection"),
        (commanded('[["CLIENT", "{key}"]]'), "A parameter would decide"),
        (commanded('[["MULTI"], ["GET", "{key}"]]'), "is about a transaction"),
        (commanded('[["WATCH", "{key}"]]'), "is about a transaction"),
        (commanded('[["FLUSHALL"], ["GET", "{key}"]]'), "FLUSHALL is for operators."),
        (commanded('[["CONFIG", "GET", "{key}"]]'), "CONFIG is for operators."),
        (commanded('[["SCRIPT", "KILL"], ["GET", "{key}"]]'), "SCRIPT is for operators."),
        (commanded('[["FUNCTION", "KILL"], ["GET", "{key}"]]'), "FUNCTION is for operators."),
        (commanded('[["SYNC"], ["GET", "{key}"]]'), "not possible through a connection pool"),
        (commanded('[["{key}", "k"]]'), "A parameter would decide what the command {KEY} does."),
        (commanded('[["G{key}", "k"]]'), "A parameter would decide"),
        (commanded('[["OBJECT", "{key}", "k"]]'), "A parameter would decide"),
        (commanded('[["GET", "{key}", "{other}"]]'), "The command has {other}, which is no parameter."),
        (commanded('[["GET", "k"]]'), "No command has {key}."),
        (commanded('[["GET", "{key}", "}"]]'), "A brace stands alone."),
        (commanded('[["GET", "{key}", "{Key}"]]'), "A brace stands alone."),
        (commanded('[["GET", "{key}"], []]'), "A command has no words."),
        (commanded('[["GET", "{key}"], [""]]'), "A command has no words."),
        (commanded('["GET {key}"]'), "must be a list of a list"),
        (commanded('[["GET", "{key}", true]]'), "must be a list of a list"),
        (commanded('[["INCR", "{key}"]]', "GET"), "GET is for reads, and INCR is not known to be one."),
        (commanded('[["SORT", "{key}"]]', "GET"), "SORT is not known"),
        (commanded('[["EVAL_RO", "{key}", 0]]', "GET"), "EVAL_RO is not known"),
        (commanded('[["MEMORY", "PURGE", "{key}"]]', "GET"), "MEMORY is not known"),
        (commanded('[["GET", "{key}"], ["DEL", "k"]]', "GET"), "DEL is not known"),
        (commanded('[["GET", "{key}", "{n}"]]', more="parameters.n = { many = true }\n"), "one argument of a command"),
        (commanded('[["GET", "{key}", "{n}"]]', more="parameters.n = { required = false }\n"), "Redis has no NULL."),
        (commanded('[["GET", "{key}", "{n}"]]', more="parameters.n = { nullable = true }\n"), "Redis has no NULL."),
        (REDIS + 'sql = "SELECT 1"\n', "or a list of Redis commands"),
        (REDIS.replace('database = "cache"', 'database = "shop"'), "which speaks no Redis commands"),
        (REDIS.replace('database = "cache"', 'database = "cache.ro"'), "cache.ro has no replicas."),
        (READ.replace('"shop"', '"cache"') + '[databases.cache]\nurl="redis://cache"\n', "which speaks no SQL"),
        (READ + 'answer = "replies"\n', "That is an answer of Redis commands."),
        (READ + "base64 = true\n", "That is an answer of Redis commands."),
        (REDIS.replace('"GET"', '"POST"', 1) + "cache_s = 5\n", "Only answers to GET"),
    ],
)
def test_wrong_commands(tmp_path: Path, text: str, part: str) -> None:
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, text)
    assert part in str(refused.value), refused.value


def test_the_examples_of_the_documentation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DB_PASSWORD", "REDIS_PASSWORD"):
        monkeypatch.setenv(name, "x")
    page = (Path(__file__).parents[3] / "docs/operations.md").read_text()
    blocks = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    path = tmp_path / "outlive.toml"
    path.write_text(re.sub(r"<what .*?>", "a" * 64, "".join(blocks)))
    assert set(load(Origin(path=str(path)), {}).operations) == {"item", "order", "claim", "cart", "fill"}


def test_a_problem_has_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, READ.replace("= :id", "= :it"))
    (wrong, *_) = refused.value.problems
    assert wrong.line is not None
    assert (BASE + READ).splitlines()[wrong.line - 1].startswith("sql =")


def test_a_principal_that_may_do_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no operation names it"):
        loaded(tmp_path, "")


RIGHT: list[tuple[dict[str, Any], Any, Any]] = [
    ({"type": "string"}, "é", "é"),
    ({"type": "integer"}, -(1 << 63), -(1 << 63)),
    ({"type": "int16"}, 32767, 32767),
    ({"type": "number"}, 1.5, 1.5),
    ({"type": "boolean"}, False, False),
    ({"type": "decimal"}, "-1.10", "-1.10"),
    ({"type": "uuid"}, "c0ffee00-0000-4000-8000-000000000000", "c0ffee00-0000-4000-8000-000000000000"),
    ({"type": "date"}, "2024-02-29", "2024-02-29"),
    ({"type": "timestamp"}, "2024-02-29T12:00:00.5+01:00", "2024-02-29T12:00:00.5+01:00"),
    ({"type": "bytes"}, "AAE=", "AAE="),
    ({"type": "json"}, {"a": [1]}, {"a": [1]}),
    ({"nullable": True}, None, None),
    ({"type": "integer", "many": True}, [1, 2], [1, 2]),
    ({"values": ("a", "b")}, "b", "b"),
]
WRONG: list[tuple[dict[str, Any], Any]] = [
    ({}, 1),
    ({}, None),
    ({}, "\ud800"),
    ({}, "nul\0"),
    ({"max_length": 2}, "abc"),
    ({"pattern": "[a-z]"}, "ab"),
    ({"values": ("a",)}, "b"),
    ({"type": "integer"}, 1 << 63),
    ({"type": "integer"}, True),
    ({"type": "integer"}, 1.0),
    ({"type": "int32", "minimum": 1}, 0),
    ({"type": "int32", "maximum": 1}, 2),
    ({"type": "number"}, float("inf")),
    ({"type": "boolean"}, 1),
    ({"type": "decimal"}, 1.1),
    ({"type": "decimal"}, "1e5"),
    ({"type": "uuid"}, "c0ffee"),
    ({"type": "date"}, "2023-02-29"),
    ({"type": "date"}, "20230101"),
    ({"type": "timestamp"}, "2024-02-29"),
    ({"type": "timestamp"}, "2024-02-29T25:00:00Z"),
    ({"type": "bytes"}, "A"),
    ({"type": "json"}, None),
    ({"many": True, "max_items": 1}, ["a", "b"]),
    ({"many": True}, "a"),
    ({"many": True}, [None]),
]


@pytest.mark.parametrize(("given", "value", "read"), RIGHT)
def test_right_values(given: dict[str, Any], value: Any, read: Any) -> None:
    parameter = Parameter(**given)
    assert of_json(parameter, value) == read
    assert words_of(parameter)
    assert isinstance(schema_of(parameter), dict)
    if isinstance(value, str | int) and parameter.type != "json":
        text = str(value).lower() if isinstance(value, bool) else str(value)
        assert of_texts(parameter, [text]) == read


@pytest.mark.parametrize(("given", "value"), WRONG)
def test_wrong_values(given: dict[str, Any], value: Any) -> None:
    with pytest.raises(ValueError):
        of_json(Parameter(**given), value)


@pytest.mark.parametrize("type", KINDS)
def test_no_text_is_taken_for_something_else(type: Any) -> None:
    for text in ("", " 1", "1 ", "0x1", "1_0", "nan", "inf", "True", "null"):
        if type not in ("string", "bytes"):
            with pytest.raises(ValueError):
                of_texts(Parameter(type=type), [text])


def test_segments() -> None:
    assert [found.name or found.text for found in segments_of("/api/a/{b:uuid}/c.d")] == ["a", "b", "c.d"]
    for path in ("/api/", "/api//a", "/api/a/", "/api/%20", "/api/{B}"):
        with pytest.raises(ValueError):
            segments_of(path)


def test_a_default_makes_it_optional() -> None:
    operation = Operation(
        method="GET", path="/api/a", database="shop", sql="SELECT :n", parameters={"n": Parameter(default="x")}
    )
    (one,) = inputs_of(operation)
    assert (one.place, one.parameter.default) == ("query", "x")
