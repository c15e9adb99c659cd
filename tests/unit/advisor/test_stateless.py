"""The table of stateless interfaces, and the page that is made from it."""

import re
from pathlib import Path

from outlive.advisor.databases import SERVERS
from outlive.advisor.stateless import INTERFACES, interfaces_of
from outlive.advisor.stateless_page import page

PAGE = Path(__file__).parents[3] / "docs" / "remedies" / "stateless.md"
ASKED_FOR = (
    *("DynamoDB", "Elasticsearch", "Neo4j", "MongoDB", "CouchDB", "Firestore", "Neptune", "Aurora", "Redshift"),
    *("SQL Server", "Cassandra", "ClickHouse", "Snowflake", "BigQuery", "Cosmos", "Athena", "Timestream", "Upstash"),
    *("Neon", "PlanetScale", "Cloudflare D1", "Hyperdrive", "InfluxDB", "PostgREST", "Turso"),
)


def test_the_page_is_made_from_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m outlive.advisor.stateless_page"


def test_every_database_that_was_asked_for_is_there() -> None:
    for name in ASKED_FOR:
        assert name in page(), name


def test_every_row_is_whole_and_names_its_source_in_words() -> None:
    for each in INTERFACES:
        assert each.source
        assert each.checked >= 2026
        assert set(each.serves) <= set(SERVERS)
        for text in (each.database, each.name, each.what, each.transactions, each.limits, each.authentication):
            assert text
            assert "|" not in text
        assert not re.search(r"https?://|www\.", each.source + each.what)


def test_they_are_in_order_and_each_is_there_once() -> None:
    assert len({(each.database, each.name) for each in INTERFACES}) == len(INTERFACES)
    databases = [each.database.lower() for each in INTERFACES]
    assert databases == sorted(databases)


def test_what_has_ended_is_no_way_in() -> None:
    ended = [each for each in INTERFACES if not each.maintained]
    assert any("MongoDB" in each.database for each in ended)
    assert {each.name for each in interfaces_of("postgresql")} >= {"PostgREST", "SQL over HTTP"}
    assert interfaces_of("mysql")
    assert interfaces_of("redis")
    assert not set(interfaces_of("postgresql")) & set(ended)
