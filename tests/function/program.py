"""What cannot be done to the tests' own process: `python -m tests.function.program DRIVER HOST PORT WHAT ...`."""

import os
import signal
import sys
from types import SimpleNamespace

from sqlalchemy import create_engine, text

from outlive.function import recycled
from outlive.function.sqlalchemy import recycle

from ..servers.database import APP
from .drivers import DRIVERS, Driver


def main() -> None:
    for name, host, port, what in zip(*[iter(sys.argv[1:])] * 4, strict=True):
        driver = next(driver for driver in DRIVERS if driver.name == name)
        driver.servers = {driver.database: SimpleNamespace(host=host, port=int(port))}
        if what == "engine":
            _fork_with_an_engine(host, port)
        elif what == "fork":
            _fork(driver)
        else:
            _wait_for_the_end(driver, what)


def _wait_for_the_end(driver: Driver, what: str) -> None:
    if what == "sigterm":
        signal.signal(signal.SIGTERM, lambda *_: print("the handler before", flush=True))
    database = driver.recycled()
    print(_number(driver, database), flush=True)
    signal.pause()
    print(database.stats()["recycled"], flush=True)


def _fork(driver: Driver) -> None:
    database = driver.recycled()
    print(_number(driver, database), end=" ", flush=True)
    with database.connection():  # in use by the parent, and idle in neither
        if os.fork() == 0:
            print(_number(driver, database), end=" ", flush=True)
            sys.exit(0)  # by way of the interpreter's end, which collects what is left
        os.wait()
    if os.fork() == 0:  # idle in the parent
        print(_number(driver, database), end=" ", flush=True)
        sys.exit(0)
    os.wait()
    print(_number(driver, database), flush=True)


def _fork_with_an_engine(host: str, port: str) -> None:
    url = f"mysql+mysqldb://{APP.user}:{APP.password}@{host}:{port}/test"
    engine = recycle(create_engine(url, pool_size=1, max_overflow=0))

    def ask() -> None:
        with engine.connect() as connection:
            print(connection.execute(text("SELECT CONNECTION_ID()")).scalar(), flush=True)

    ask()
    if os.fork() == 0:
        ask()
        sys.exit(0)
    os.wait()
    ask()


def _number(driver: Driver, database: recycled) -> int:
    with database.connection() as connection:
        return int(driver.run(driver.number(connection)))


main()
