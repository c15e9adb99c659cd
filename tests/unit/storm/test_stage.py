"""What programs of Outlive get to know of the database."""

import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from outlive.config.load import load
from outlive.config.origin import Origin
from outlive.storm.ground import Frozen
from outlive.storm.load import Load
from outlive.storm.plan import Target
from outlive.storm.stage import PASSWORD, Stage, loopback_of, observed_target

TARGET = Target("postgresql", "127.0.0.1", 5432, "o'hara @1", "my shop", "s3cret&?", tls="required")


def stage(target: Target) -> Stage:
    return Stage(target, target, Load(), 10, Frozen("of the test", 0.0), print)


def test_the_url_means_the_same_database_and_holds_no_password(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(PASSWORD, TARGET.password)
    authority = tmp_path / "a b.pem"
    authority.write_text(ssl.DER_cert_to_PEM_cert(b"any"))
    url = stage(replace(TARGET, tls_ca=str(authority))).url({"max_connections": 7})
    assert "s3cret" not in url
    (database,) = load(Origin(urls=(url,)), {}).databases.values()
    assert (database.user, database.database, database.max_connections) == ("o'hara @1", "my shop", 7)
    assert (database.tls, database.tls_ca) == ("required", str(authority))
    assert stage(TARGET).secrets == {PASSWORD: "s3cret&?"}
    assert "s3cret" not in repr(TARGET)


def test_who_has_no_password_needs_no_reference() -> None:
    assert "password" not in stage(replace(TARGET, password="")).url()


def test_two_storms_on_one_database_have_tables_of_their_own() -> None:
    (database,) = load(Origin(urls=("mysql://root@localhost/test",)), {}).databases.values()
    first, second = observed_target(database), observed_target(database)
    assert first.tables != second.tables
    assert first.tables.startswith("outlive_storm_")
    assert (first.port, first.password) == (3306, "")


@pytest.mark.parametrize(
    ("host", "address"),
    [("localhost", "127.0.0.1"), ("127.0.1.1", "127.0.1.1"), ("::1", ""), ("db.example.com", ""), ("192.0.2.1", "")],
)
def test_links_lead_to_ipv4_loopback_only(host: str, address: str) -> None:
    assert loopback_of(host) == address
