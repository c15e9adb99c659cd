"""SQLAlchemy: Core, ORM and its asyncio side, over psycopg, psycopg2, asyncpg and pg8000."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from .dbapi import TEXT
from .target import Target

Compare = Callable[..., list[Any]]


class Base(DeclarativeBase):
    pass


class Customer(Base):
    __tablename__ = "sa_customer"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(100), unique=True)
    version_id: Mapped[int] = mapped_column()
    orders: Mapped[list[Order]] = relationship(back_populates="customer", cascade="all, delete-orphan")
    __mapper_args__ = {"version_id_col": version_id}


class Order(Base):
    __tablename__ = "sa_order"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(sa.ForeignKey("sa_customer.id"))
    amount: Mapped[Any] = mapped_column(sa.Numeric(10, 2))
    note: Mapped[str | None] = mapped_column(sa.Text)
    customer: Mapped[Customer] = relationship(back_populates="orders")


def _url(target: Target, driver: str) -> sa.URL:
    account = target.account
    return sa.URL.create(
        f"postgresql+{driver}", account.user, account.password, target.host, target.port, target.database
    )


def _refusal(error: DBAPIError) -> Any:
    original: Any = error.orig
    return type(original).__name__, str(original).splitlines()[:2]


def _core(engine: sa.Engine) -> list[Any]:
    seen: list[Any] = []
    items = sa.Table(
        "sa_items", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(50), unique=True),
        sa.Column("n", sa.Integer), sa.Column("at", sa.DateTime(timezone=True)), sa.Column("data", sa.LargeBinary),
        sa.Column("j", JSONB), sa.Column("a", ARRAY(sa.Integer)), sa.Column("e", sa.Enum("x", "y", name="sa_enum")),
    )  # fmt: skip
    items.metadata.drop_all(engine)
    items.metadata.create_all(engine)
    with engine.begin() as connection:
        row = {"name": TEXT, "n": 1, "data": b"\0\xff'", "j": {"a": [1, "é"]}, "a": [1, None], "e": "x"}
        seen.append(connection.execute(items.insert().values(row)).inserted_primary_key)
        connection.execute(items.insert(), [{"name": f"item {n}", "n": n} for n in range(500)])
    with engine.connect() as connection:
        seen.append(connection.execute(sa.select(sa.func.count(), sa.func.sum(items.c.n))).all())
        seen.append(connection.execute(sa.select(items).where(items.c.name == TEXT)).all())
        seen.append(connection.execute(items.update().where(items.c.n < 3).values(n=2).returning(items.c.id)).all())
        upsert = insert(items).values(name="item 1", n=7).on_conflict_do_update(index_elements=["name"], set_={"n": 8})
        seen.append(connection.execute(upsert.returning(items.c.n)).all())
        nested = connection.begin_nested()
        connection.execute(items.delete())
        nested.rollback()
        seen.append(connection.execute(sa.select(sa.func.count()).select_from(items)).scalar())
        connection.rollback()
        seen.append(connection.get_isolation_level())
    with engine.connect().execution_options(isolation_level="SERIALIZABLE") as connection:
        seen.append((connection.get_isolation_level(), connection.execute(sa.select(items.c.n).limit(2)).all()))
    with engine.connect() as connection:
        seen.append(connection.get_isolation_level())
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        seen.append(connection.execute(items.delete().where(items.c.n > 400)).rowcount)
    with (
        engine.connect() as connection,
        connection.execution_options(stream_results=True, max_row_buffer=10).execute(
            sa.select(items.c.id).order_by(items.c.id)
        ) as rows,
    ):
        seen.append([row.id for row in rows])
    with pytest.raises(IntegrityError) as refused, engine.begin() as connection:
        connection.execute(items.insert().values(id=1))
    seen.append(_refusal(refused.value))
    with pytest.raises(DBAPIError) as wrong, engine.connect() as connection:
        connection.execute(sa.text("SELECT * FROM no_such_table"))
    seen.append((_refusal(wrong.value), wrong.value.connection_invalidated))
    inspector = sa.inspect(engine)
    seen.append([(column["name"], str(column["type"])) for column in inspector.get_columns("sa_items")])
    items.metadata.drop_all(engine)
    return seen


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "pg8000"])
def test_core(driver: str, compare: Compare) -> None:
    def scenario(target: Target) -> list[Any]:
        engine = sa.create_engine(
            _url(target, driver), pool_size=2, pool_pre_ping=True, isolation_level="REPEATABLE READ"
        )
        try:
            return _core(engine)
        finally:
            engine.dispose()

    compare(scenario)


def _fill(session: Session) -> list[Any]:
    customer = Customer(name=TEXT[:50], orders=[Order(amount=n, note="x" * n) for n in range(1, 40)])
    session.add_all([customer, Customer(name="other")])
    session.flush()
    seen: list[Any] = [customer.id, [order.id for order in customer.orders]]
    session.commit()
    customer.name = "renamed"  # an UPDATE that must count one row
    customer.orders[0].amount = 99
    del customer.orders[30:]
    session.commit()
    session.add(Customer(name="other"))
    try:
        session.commit()
    except IntegrityError as error:
        session.rollback()
        seen.append(_refusal(error)[0])
    seen.append(
        session.execute(sa.select(Customer.name, sa.func.sum(Order.amount)).join(Order).group_by(Customer.name)).all()
    )
    seen.append([len(found.orders) for found in session.scalars(sa.select(Customer).order_by(Customer.id))])
    session.delete(customer)
    session.commit()
    seen.append(session.scalar(sa.select(sa.func.count()).select_from(Order)))
    return seen


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_orm(driver: str, compare: Compare) -> None:
    def scenario(target: Target) -> list[Any]:
        engine = sa.create_engine(_url(target, driver))
        Base.metadata.drop_all(engine)
        Base.metadata.create_all(engine)
        with Session(engine) as session:
            seen = _fill(session)
        Base.metadata.drop_all(engine)
        engine.dispose()
        return seen

    compare(scenario)


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_asyncio(driver: str, compare: Compare) -> None:
    async def work(target: Target) -> list[Any]:
        engine = create_async_engine(_url(target, driver), pool_size=5)
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.drop_all)
            await connection.run_sync(Base.metadata.create_all)
        async with AsyncSession(engine) as session:
            seen: list[Any] = await session.run_sync(_fill)

        async def one(number: int) -> Any:
            async with AsyncSession(engine) as session:
                customer = Customer(name=f"at once {number}")
                session.add(customer)
                await session.flush()
                name = await session.scalar(sa.select(Customer.name).where(Customer.id == customer.id))
                await session.commit()
                return name == f"at once {number}"

        seen.append(await asyncio.gather(*(one(number) for number in range(20))))
        async with engine.connect() as connection:
            rows = await connection.stream(sa.text("SELECT name FROM sa_customer ORDER BY name"))
            seen.append([row.name async for row in rows])
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.drop_all)
        await engine.dispose()
        return seen

    compare(lambda target: asyncio.run(work(target)))
