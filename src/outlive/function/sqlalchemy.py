"""The same for the pools of SQLAlchemy 2: `recycle(create_engine(...))`."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import event, exc
from sqlalchemy.util import await_only

from outlive.function import drivers
from outlive.function.life import Life, Policy
from outlive.function.recycling import recycled


def recycle(engine: Any, *, timeout_s: float = 30.0, **policy: Any) -> Any:
    """Make an Engine or AsyncEngine fit for functions, by events of its pool; returns it.

    `policy`, `timeout_s`: as for `recycled`. The pool itself rolls back what is given back to it. With a `creator` of
    its own, the engine waits for a full database as that does: `recycled(...).connect`, or its `aconnect`.
    """
    sync_engine = getattr(engine, "sync_engine", engine)
    rules = Policy(**policy)

    def do_connect(dialect: Any, _: object, arguments: list[Any], parameters: dict[str, Any]) -> object:
        sleep = {"sleep": lambda seconds: await_only(asyncio.sleep(seconds))} if dialect.is_async else {}
        return recycled(lambda: dialect.connect(*arguments, **parameters), timeout_s=timeout_s).connect(**sleep)

    def connect(connection: Any, record: Any) -> None:
        record.info["outlive"] = Life(connection, rules, _loop())

    def checkout(connection: Any, record: Any, proxy: Any) -> None:
        life: Life = record.info["outlive"]
        if life.inherited():
            drivers.abandon(getattr(connection, "driver_connection", connection))
        if life.inherited() or life.mode is not _loop():  # not closed: it is another's, or its loop is gone
            record.dbapi_connection = proxy.dbapi_connection = None
        elif not life.over() and not (life.uncertain() and not answers(connection)):
            return
        raise exc.DisconnectionError("recycled")  # the pool connects anew

    def answers(connection: Any) -> bool:
        try:
            return bool(sync_engine.dialect.do_ping(connection))
        except sync_engine.dialect.loaded_dbapi.Error:
            return False

    def checkin(connection: Any, record: Any) -> None:
        if connection is not None:
            life: Life = record.info["outlive"]
            life.used()
            if life.used_up():
                record.invalidate()

    for listener in (do_connect, connect, checkout, checkin):
        event.listen(sync_engine, listener.__name__, listener)
    return engine


def _loop() -> object:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
