"""SQLAlchemy: Core and ORM, over PyMySQL and mysqlclient, and its asyncio side over asyncmy and aiomysql."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from .dbapi import EMOJI
from .rival import Rival
from .target import Target

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning", "ignore::Warning")
_FOUND_ROWS = 2
"""SQLAlchemy logs in with CLIENT_FOUND_ROWS, and so shares connections with a rival that does."""


class Base(DeclarativeBase):
    pass


class Customer(Base):
    __tablename__ = "sa_customer"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(100), unique=True)
    version_id: Mapped[int] = mapped_column()
    orders: Mapped[list["Order"]] = relationship(back_populates="customer", cascade="all, delete-orphan")
    __mapper_args__ = {"version_id_col": version_id}  # counts found rows to see that nobody was faster


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
        f"mysql+{driver}",
        account.user,
        account.password,
        target.host,
        target.port,
        target.database,
        {"charset": "utf8mb4"},
    )


def _rival(through: Target) -> Rival:
    return Rival.at(through, client_flag=_FOUND_ROWS)


@pytest.mark.parametrize("driver", ["pymysql", "mysqldb"])
def test_core(driver: str, compare: Callable[..., list[Any]], through: Target) -> None:
    def scenario(target: Target) -> list[Any]:
        seen: list[Any] = []
        engine = sa.create_engine(
            _url(target, driver), pool_size=2, pool_pre_ping=True, isolation_level="READ COMMITTED"
        )
        items = sa.Table(
            "sa_items", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(50)),
            sa.Column("n", sa.Integer), sa.Column("at", sa.DateTime), sa.Column("data", sa.LargeBinary), sa.Column("j", sa.JSON),
        )  # fmt: skip
        items.metadata.drop_all(engine)
        items.metadata.create_all(engine)
        with engine.begin() as connection:
            seen.append(
                connection.execute(
                    items.insert().values(name=EMOJI, n=1, data=b"\0\xff'", j={"a": [1, "é"]})
                ).inserted_primary_key
            )
            connection.execute(items.insert(), [{"name": f"item {n}", "n": n} for n in range(500)])
        with engine.connect() as connection:
            seen.append(connection.execute(sa.select(sa.func.count(), sa.func.sum(items.c.n))).all())
            seen.append(connection.execute(sa.select(items).where(items.c.name == EMOJI)).all())
            seen.append(connection.execute(items.update().where(items.c.n < 3).values(n=2)).rowcount)
            seen.append(connection.execute(sa.text("SELECT ROW_COUNT()")).scalar())
            nested = connection.begin_nested()
            connection.execute(items.delete())
            nested.rollback()
            seen.append(connection.execute(sa.select(sa.func.count()).select_from(items)).scalar())
            connection.rollback()
            seen.append(connection.get_isolation_level())
        with engine.connect().execution_options(isolation_level="SERIALIZABLE") as connection:
            seen.append((connection.get_isolation_level(), connection.execute(sa.select(items.c.n).limit(2)).all()))
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
        seen.append(refused.value.orig.args)
        with pytest.raises(DBAPIError) as wrong, engine.connect() as connection:
            connection.execute(sa.text("SELECT * FROM no_such_table"))
        seen.append((wrong.value.orig.args, wrong.value.connection_invalidated))
        inspector = sa.inspect(engine)
        seen.append([(column["name"], str(column["type"])) for column in inspector.get_columns("sa_items")])
        items.metadata.drop_all(engine)
        engine.dispose()
        return seen

    compare(scenario, _rival(through))


def _fill(session: Session) -> list[Any]:
    customer = Customer(name=EMOJI[:50], orders=[Order(amount=n, note="x" * n) for n in range(1, 40)])
    session.add_all([customer, Customer(name="other")])
    session.flush()
    seen = [customer.id, [order.id for order in customer.orders]]
    session.commit()
    customer.name = "renamed"  # an UPDATE that must count one found row
    customer.orders[0].amount = 99
    del customer.orders[30:]
    session.commit()
    session.add(Customer(name="other"))
    try:
        session.commit()
    except IntegrityError as error:
        session.rollback()
        seen.append(error.orig.args)
    seen.append(
        session.execute(sa.select(Customer.name, sa.func.sum(Order.amount)).join(Order).group_by(Customer.name)).all()
    )
    seen.append([len(found.orders) for found in session.scalars(sa.select(Customer).order_by(Customer.id))])
    session.delete(customer)
    session.commit()
    seen.append(session.scalar(sa.select(sa.func.count()).select_from(Order)))
    return seen


@pytest.mark.parametrize("driver", ["pymysql", "mysqldb"])
def test_orm(driver: str, compare: Callable[..., list[Any]], through: Target) -> None:
    def scenario(target: Target) -> list[Any]:
        engine = sa.create_engine(_url(target, driver))
        Base.metadata.drop_all(engine)
        Base.metadata.create_all(engine)
        with Session(engine) as session:
            seen = _fill(session)
        Base.metadata.drop_all(engine)
        engine.dispose()
        return seen

    compare(scenario, _rival(through))


@pytest.mark.parametrize("driver", ["asyncmy", "aiomysql"])
def test_asyncio(driver: str, compare: Callable[..., list[Any]], through: Target) -> None:
    async def work(target: Target) -> list[Any]:
        engine = create_async_engine(_url(target, driver), pool_size=5)
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.drop_all)
            await connection.run_sync(Base.metadata.create_all)
        async with AsyncSession(engine) as session:
            seen: list[Any] = await session.run_sync(_fill)

        async def one(number: int) -> Any:
            async with AsyncSession(engine) as session:
                session.add(Customer(name=f"at once {number}"))
                await session.flush()
                name = await session.scalar(sa.text("SELECT name FROM sa_customer WHERE id = LAST_INSERT_ID()"))
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

    compare(lambda target: asyncio.run(work(target)), _rival(through))
