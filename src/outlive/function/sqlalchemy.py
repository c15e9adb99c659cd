"""For the pools of SQLAlchemy 2."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from sqlalchemy import event, exc
from sqlalchemy.util import await_only

from outlive.function import drivers
from outlive.function.life import Life, Policy
from outlive.function.recycling import recycled


def recycle(engine: Any, *, timeout_s: float = 30.0, **policy: Any) -> Any:
    """Give an Engine or AsyncEngine the policy of `recycled`, by events of its pool; returns it.

    With a `creator` it waits for a full database as that does; that may be `recycled(...).connect`.
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
        elif not life.over():
            with suppress(sync_engine.dialect.loaded_dbapi.Error):
                if not life.uncertain() or sync_engine.dialect.do_ping(connection):
                    return
        raise exc.DisconnectionError("recycled")  # the pool connects anew

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
