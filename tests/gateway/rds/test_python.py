"""aurora-data-api and sqlalchemy-aurora-data-api, unmodified, on boto3's client of the node."""

import datetime
from decimal import Decimal

import aurora_data_api
import pytest
import sqlalchemy
from sqlalchemy import Column, Date, Integer, MetaData, Numeric, String, Table, create_engine, select

from tests.gateway.rds.clients import Place


def _connect(place: Place) -> aurora_data_api.AuroraDataAPIClient:
    return aurora_data_api.connect(
        database=place.database,
        aurora_cluster_arn=place.arns["resourceArn"],
        secret_arn=place.arns["secretArn"],
        rds_data_client=place.client,
    )


def test_aurora_data_api(place: Place) -> None:
    table = place.table("id INT PRIMARY KEY, price NUMERIC(10,2), day DATE, at TIMESTAMP(0), name VARCHAR(20)")
    day, at = datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 1, 2, 3)
    insert = f"INSERT INTO {table} VALUES (:id, :price, :day, :at, :name)"
    row = {"id": 1, "price": Decimal("1.50"), "day": day, "at": at, "name": "x"}
    with _connect(place) as connection, connection.cursor() as cursor:
        cursor.execute(insert, row)
        cursor.executemany(insert, [{**row, "id": 2, "name": None}, {**row, "id": 3}])
    with _connect(place) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table} ORDER BY id")
        found = cursor.fetchall()
        assert found[0][0] == 1
        assert found[0][4] == "x"
        assert Decimal(found[0][1]) == Decimal("1.50")
        assert [str(value) for value in found[0][2:4]] == [str(day), str(at)]
        assert len(found) == 3
        assert found[1][4] is None
        assert [column.name for column in cursor.description] == ["id", "price", "day", "at", "name"]
    with pytest.raises(Exception) as raised, _connect(place) as connection, connection.cursor() as cursor:
        cursor.execute(insert, row)
    # The class that the package has for it, which it finds by the error's text.
    assert type(raised.value).__name__ == {"pg": "ER_UNIQUE_VIOLATION", "my": "ER_DUP_ENTRY"}[place.database]


def test_aurora_data_api_pages_by_itself(pg: Place) -> None:
    with _connect(pg) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT n, repeat('x', 1000) FROM generate_series(1, 20000) AS n")
        assert [row[0] for row in cursor.fetchall()] == list(range(1, 20001))


def test_sqlalchemy(pg: Place) -> None:
    """At PostgreSQL: the package's MySQL dialect runs with no SQLAlchemy 2, at AWS neither."""
    place = pg
    engine = create_engine(
        "postgresql+auroradataapi://:@/pg",
        connect_args={
            "aurora_cluster_arn": place.arns["resourceArn"],
            "secret_arn": place.arns["secretArn"],
            "rds_data_client": place.client,
        },
    )
    table = Table(
        place.table("id INT"), MetaData(),
        Column("id", Integer, primary_key=True), Column("name", String(20)), Column("day", Date),
        Column("price", Numeric(10, 2)),
    )  # fmt: skip
    place.execute(f"DROP TABLE {table.name}")
    table.metadata.create_all(engine)
    row = {"id": 1, "name": "x", "day": datetime.date(2024, 2, 29), "price": Decimal("1.50")}
    with engine.begin() as connection:
        connection.execute(table.insert(), row)
    with engine.connect() as connection:
        assert connection.execute(select(table).where(table.c.id == 1)).one()._asdict() == row
    with engine.connect() as connection:
        connection.execute(table.insert(), {**row, "id": 2})
        connection.rollback()
    with engine.connect() as connection:
        assert connection.execute(select(sqlalchemy.func.count()).select_from(table)).scalar() == 1
    table.metadata.drop_all(engine)
    engine.dispose()
