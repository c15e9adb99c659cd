"""The pure parts: parameters, values, errors, and what ARNs mean."""

from typing import Any

import msgspec
import pytest

from outlive.config.errors import ConfigError
from outlive.config.load import load
from outlive.config.origin import Origin
from outlive.gateway.failure import Failure, lost
from outlive.gateway.placeholders import numbered, questions
from outlive.gateway.rds.errors import told
from outlive.gateway.rds.parameters import values
from outlive.gateway.rds.requests import Begin, SqlParameter
from outlive.gateway.rds.target import meant
from outlive.gateway.rds.values import utc


def _values(protocol: str, *parameters: dict[str, Any]) -> dict[str, Any]:
    return values(msgspec.convert(parameters, list[SqlParameter]), protocol)


def test_parameters() -> None:
    assert _values("postgresql", {"name": "a", "value": {"doubleValue": 5.0}}) == {"a": 5}
    assert _values("mysql", {"name": "a", "value": {"doubleValue": 5.0}}) == {"a": 5.0}
    assert _values("mysql", {"name": "a", "value": {"longValue": 0}}) == {"a": 0}
    assert _values("mysql", {"name": "a", "value": {"isNull": True}}) == {"a": None}
    uuids = {"name": "a", "value": {"arrayValue": {"stringValues": ["x"]}}, "typeHint": "UUID"}
    assert _values("postgresql", uuids) == {"a": {"type": "uuid[]", "value": ["x"]}}
    for wrong in (
        {},
        {"isNull": False},
        {"longValue": 1, "stringValue": "1"},
        {"doubleValue": "x"},
        {"arrayValue": {}},
    ):
        with pytest.raises(Failure):
            _values("postgresql", {"name": "a", "value": wrong})
    with pytest.raises(Failure, match="bad_request"):
        _values("mysql", *[{"name": "a", "value": {"longValue": 1}}] * 2)


def test_digits_are_names_where_they_are_given() -> None:
    sql = "SELECT :1::uuid, :0, a[1:2], ':1' -- :1"
    assert numbered(sql, {"0": "x", "1": "y"}) == ("SELECT $1::uuid, $2, a[1:2], ':1' -- :1", ["y", "x"])
    assert questions("SELECT :1, :1", {"1": 5}) == ("SELECT ?, ?", [5, 5])


def test_zoned_times_are_in_utc() -> None:
    assert utc(b"2024-02-29 12:34:56.5+00") == b"2024-02-29 12:34:56.5"
    assert utc(b"2024-02-29 01:30:00.25+02") == b"2024-02-28 23:30:00.25"
    assert utc(b"2024-02-29 01:30:00-05:30") == b"2024-02-29 07:00:00"
    assert utc(b"0001-01-01 00:00:00+00") == b"0001-01-01 00:00:00"
    assert utc(b"0001-01-01 00:00:00+02") == b"0001-01-01 00:00:00+02"
    for other in (b"infinity", b"0044-03-15 00:00:00+00 BC", b"12024-02-29 00:00:00+00"):
        assert utc(other) == other


def _told(failure: Failure) -> tuple[int, str, str, bool]:
    answer = told(failure)
    return (
        answer.status,
        dict(answer.headers)["x-amzn-ErrorType"],
        msgspec.json.decode(answer.body)["message"],
        answer.ran,
    )


def test_errors() -> None:
    details: dict[str, object] = {"sqlstate": "42883", "hint": "Cast it.", "position": 54}
    failure = Failure(400, "database_error", "no such\noperator", outcome="failed", details=details)
    text = "ERROR: no such operator; Hint: Cast it.; Position: 54; SQLState: 42883"
    assert _told(failure) == (400, "DatabaseErrorException", text, True)
    assert _told(lost())[:2] == (400, "DatabaseErrorException")  # never 5xx: an SDK would send it again
    crashed = Failure(500, "internal_error", "x", outcome="unknown")
    assert _told(crashed)[0] == 400
    assert _told(Failure(503, "pool_full", "x")) == (503, "ServiceUnavailableError", "x", False)
    assert _told(Failure(429, "rate", "x"))[:2] == (429, "ThrottlingException")
    assert _told(Failure(403, "refused_by_rule", "x"))[:2] == (403, "AccessDeniedException")
    large = Failure(400, "result_too_large", "x", outcome="done")
    assert _told(large)[1] == "DatabaseErrorException"
    large.details["transaction"] = "open"
    assert _told(large)[1:3] == (
        "BadRequestException",
        "Database returned more than the allowed response size limit: x",
    )


CONFIGURATION = """
[databases.shop]
url = "postgresql://app:x@db.example.com/shopping"
[databases.stock]
url = "postgresql://app:x@db.example.com/stock"
[databases.reporting]
url = "postgresql://reader:x@db.example.com/shopping"
[principals.app]
databases = ["shop", "stock", "reporting"]
[principals.app.access_keys]
AKIA1 = { env = "SECRET_OF_AKIA1" }
[principals.app.arns]
cluster = ["shop", "stock", "reporting"]
reader = ["reporting"]
"""


@pytest.fixture
def load_text(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("SECRET_OF_AKIA1", "x")

    def loaded(text: str) -> Any:
        path = tmp_path / "outlive.toml"
        path.write_text(text)
        return load(Origin(path=str(path)), {}, file_limit=1 << 20)

    return loaded


def test_arns(load_text: Any) -> None:
    config = load_text(CONFIGURATION)
    principal = config.principals["app"]

    def databases(resource: str, secret: str, **more: str) -> list[str]:
        return meant(config, principal, Begin(resource_arn=resource, secret_arn=secret, **more))

    assert databases("cluster", "any") == ["shop", "stock", "reporting"]
    assert databases("cluster", "any", database="stock") == ["stock"]
    assert databases("cluster", "any", database="shopping") == ["shop", "reporting"]
    assert databases("cluster", "reader") == ["reporting"]
    for status, wrong in (
        (403, {"resource": "other", "secret": "any"}),
        (404, {"resource": "cluster", "secret": "reader", "database": "stock"}),
        (400, {"resource": "cluster", "secret": "any", "schema": "public"}),
    ):
        with pytest.raises(Failure) as raised:
            databases(**wrong)  # type: ignore[arg-type]
        assert raised.value.status == status


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('{ env = "SECRET_OF_AKIA1" }', '{ env = "NOT_SET_ANYWHERE" }', "NOT_SET_ANYWHERE is not set"),
        ('{ env = "SECRET_OF_AKIA1" }', "5", "must be text"),
        ('reader = ["reporting"]', 'reader = ["other"]', "is not one of the databases of app"),
        ('cluster = ["shop", "stock", "reporting"]\nreader = ["reporting"]\n', "", "no ARN means a database"),
        ("[principals.app]", '[principals.b]\ndatabases = ["shop"]\naccess_keys.AKIA1 = "y"\narns.a = ["shop"]\n'
         "[principals.app]", "have the same access key"),
    ],
)  # fmt: skip
def test_configurations_that_are_refused(load_text: Any, old: str, new: str, sentence: str) -> None:
    assert old in CONFIGURATION
    with pytest.raises(ConfigError) as raised:
        load_text(CONFIGURATION.replace(old, new))
    assert sentence in str(raised.value)
