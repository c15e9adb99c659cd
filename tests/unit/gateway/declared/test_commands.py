"""Redis commands of operations, without a server: arguments, replies, what a server says of commands."""

import base64
import json
from typing import Any

import pytest

from outlive.config.operations import Operation, Parameter
from outlive.gateway.declared.arguments import argument_of
from outlive.gateway.declared.command_info import CommandInfo, info_of
from outlive.gateway.declared.replies import shaped
from outlive.gateway.declared.reply_schemas import schema_of
from outlive.gateway.failure import Failure
from outlive.wire.redis.commands import CommandScanner, arguments_of
from outlive.wire.redis.decoding import Status
from outlive.wire.redis.values import RedisError, command

HOSTILE = [
    "",
    " ",
    "a b\tc",
    "\r\n",
    "\r\n*1\r\n$8\r\nFLUSHALL\r\n",
    "$-1\r\n",
    "*3",
    "{",
    "}}",
    "{a}{b}{{c}}",
    "%s %(a)s $1 :a ?",
    "\"a\" 'b' \\",
    "\0",
    "é\u202e\U0001f600\uffff",
    "EX",
    "x" * (1 << 20),
]


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
def test_a_value_is_one_argument(value: str) -> None:
    parameters = {"a": Parameter(), "b": Parameter()}
    words = ["SET", "{{k}}:{a}:{b}", "{a}", "{a}{a}", "}}{a}{{", 60, "a"]
    values = {"a": value, "b": "{a}"}
    found = [argument_of(word, parameters).of(values) for word in words]
    text = value.encode()
    assert found == [b"SET", b"{k}:%b:{a}" % text, text, text + text, b"}%b{" % text, b"60", b"a"]
    sent = command(*found)
    scanner = CommandScanner()
    assert scanner.scan(sent, 0) == len(sent)  # one command, of as many arguments as there are words
    assert arguments_of(sent, 0, len(sent)) == found


@pytest.mark.parametrize(
    ("type", "value", "text"),
    [
        ("string", "é", "é".encode()),
        ("integer", -(1 << 63), b"-9223372036854775808"),
        ("number", 1.0, b"1"),
        ("number", 1, b"1"),
        ("number", -0.0, b"0"),
        ("number", 0.1, b"0.1"),
        ("number", 1e300, b"1e+300"),
        ("boolean", True, b"1"),
        ("boolean", False, b"0"),
        ("decimal", "1.10", b"1.10"),
        ("uuid", "C0FFEE00-0000-4000-8000-000000000000", b"c0ffee00-0000-4000-8000-000000000000"),
        ("date", "2026-01-02", b"2026-01-02"),
        ("timestamp", "2026-01-02T03:04:05Z", b"2026-01-02T03:04:05Z"),
        ("bytes", base64.b64encode(bytes(range(256))).decode(), bytes(range(256))),
        ("json", {"a": [1, None, "é\n"]}, '{"a":[1,null,"é\\n"]}'.encode()),
        ("json", True, b"true"),
    ],
)
def test_types(type: Any, value: Any, text: bytes) -> None:
    assert argument_of("<{v}>", {"v": Parameter(type=type)}).of({"v": value}) == b"<" + text + b">"


def operation(answer: Any = "value", *commands: tuple[str, ...], **more: Any) -> Operation:
    more.setdefault("method", "POST")
    commands = commands or (("GET", "k"),)
    return Operation(name="o", path="/api/o", database="r", commands=commands, answer=answer, **more)


@pytest.mark.parametrize(
    ("answer", "reply", "body"),
    [
        ("value", b'a\r\n"', 'a\r\n"'),
        ("value", b"\xff", "\ufffd"),
        ("value", Status(b"OK"), "OK"),
        ("value", 7, 7),
        ("value", (1 << 53) + 1, str((1 << 53) + 1)),
        ("value", 1.5, 1.5),
        ("value", float("inf"), "inf"),
        ("value", True, True),
        ("affected", 3, {"affected": 3}),
        ("affected", Status(b"OK"), {"affected": 1}),
        ("affected", None, {"affected": 0}),
        ("rows", None, []),
        ("rows", [], []),
        ("rows", [b"a", 1, None, [b"b", []], {b"c": 1}], ["a", 1, None, ["b", []], ["c", 1]]),
        ("rows", [RedisError(b"ERR of a script")], ["ERR of a script"]),
        ("row", [b"a", b"1", b'"', None], {"a": "1", '"': None}),
        ("row", {b"a": b"1"}, {"a": "1"}),
        ("nothing", [b"a"], None),
    ],
)
def test_shapes(answer: Any, reply: Any, body: Any) -> None:
    assert json.loads(shaped(operation(answer), [b"of another command", reply], 10)) == body


def test_every_reply_and_base64() -> None:
    assert shaped(operation("replies"), [1, None, [b"a"]], 1) == b'[1,null,["a"]]'
    assert shaped(operation("replies", base64=True), [b"\xff", Status(b"OK"), 1], 1) == b'["/w==","OK",1]'
    assert shaped(operation("row", base64=True), [[b"a", b"\xff"]], 1) == b'{"a":"/w=="}'


@pytest.mark.parametrize(
    ("answer", "reply", "code"),
    [
        ("value", None, "not_found"),
        ("value", [], "several_values"),
        ("row", None, "not_found"),
        ("row", [], "not_found"),
        ("row", {}, "not_found"),
        ("row", [b"a"], "no_object"),
        ("row", [1, 2], "no_object"),
        ("row", b"a", "no_object"),
        ("rows", b"a", "no_list"),
        ("rows", [1, 2, 3], "result_too_large"),
        ("affected", b"a", "no_count"),
        ("affected", [1], "no_count"),
    ],
)
def test_replies_that_do_not_fit(answer: Any, reply: Any, code: str) -> None:
    with pytest.raises(Failure) as wrong:
        shaped(operation(answer), [reply], 2)
    assert (wrong.value.code, wrong.value.outcome) == (code, "done")
    assert wrong.value.status < 500


def test_what_must_be_there() -> None:
    for answer, reply in (("rows", []), ("rows", None), ("affected", 0), ("affected", None)):
        with pytest.raises(Failure) as none:
            shaped(operation(answer, require=True), [reply], 10)
        assert none.value.status == 404


def test_schemas() -> None:
    assert schema_of(operation("value", ("incr", "k")))["type"] == ["integer", "string"]
    assert schema_of(operation("value", ("EVAL", "x", "0"))) == {"type": ["string", "number", "boolean"]}
    both = schema_of(operation("replies", ("GET", "k"), ("LRANGE", "k", "0", "1")))
    assert both == {"type": "array", "items": {}, "minItems": 2, "maxItems": 2}
    texts = schema_of(operation("replies", ("GET", "k"), ("GET", "l"), base64=True))
    assert texts["items"] == {"anyOf": [{"type": "string", "contentEncoding": "base64"}, {"type": "null"}]}


def info(name: str, arity: int, *flags: str, subcommands: tuple[Any, ...] = ()) -> list[Any]:
    return [name.encode(), arity, [flag.encode() for flag in flags], 1, 1, 1, [], [], [], list(subcommands)]


@pytest.mark.parametrize(
    ("words", "reply", "sentence"),
    [
        ("GET {k}", info("get", 2, "readonly"), ""),
        ("GET", info("get", 2, "readonly"), "GET has 2 words, and here 1."),
        ("NEW {k}", None, "r knows no command NEW."),
        ("MGET a b", info("mget", -2, "readonly"), ""),
        ("MGET", info("mget", -2, "readonly"), "MGET has at least 2 words, and here 1."),
        ("XREAD STREAMS a 0", info("xread", -4, "readonly", "blocking"), ""),
        ("NEWPOP a", info("newpop", -2, "write", "blocking"), "GET is for reads, and NEWPOP writes."),
        ("NEWWAIT a", info("newwait", -2, "blocking"), "NEWWAIT may wait for somebody else."),
        ("NEWSUB a", info("newsub", -2, "pubsub"), "NEWSUB is no command for operations (pubsub)."),
        ("NEWCONF a", info("newconf", -2, "admin"), "NEWCONF is no command for operations (admin)."),
        ("NEW a", info("new", -2, "no_multi"), "NEW cannot be in a transaction."),
        ("OBJECT freq k", info("object", -2, subcommands=(info("object|freq", 3, "readonly"),)), ""),
        (
            "OBJECT FREQ",
            info("object", -2, subcommands=(info("object|freq", 3, "readonly"),)),
            "OBJECT FREQ has 3 words, and here 2.",
        ),
        ("COMMAND", info("command", -1, subcommands=(info("command|info", -2),)), ""),
        (
            "OBJECT",
            info("object", -2, subcommands=(info("object|freq", 3),)),
            "OBJECT has at least 2 words, and here 1.",
        ),
        ("OBJECT X k", info("object", -2, subcommands=(info("object|freq", 3),)), "OBJECT has no subcommand X."),
    ],
)
def test_what_a_server_says_of_commands(words: str, reply: Any, sentence: str) -> None:
    commands = (tuple(words.split()), ("GET", "k"))
    said = CommandInfo(operation("rows", *commands, method="GET"), [info_of(reply), info_of(info("get", 2))])
    assert [finding.sentence for finding in said.findings()] == ([sentence] if sentence else [])
