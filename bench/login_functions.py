"""The functions of `python -m bench login`: threads of several processes, as one's lock would be what is measured."""

from __future__ import annotations

import contextlib
import multiprocessing
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import pymysql
from botocore.config import Config
from examples.login_service.dynamodb import DynamoStore
from examples.login_service.flow import by_handler, by_http
from examples.login_service.handler import handler
from examples.login_service.outlive_http import OutliveStore
from tests.gateway.caller import KEY
from tests.servers.database import APP

DIRECT, WIRE = "a connection to the database", "a connection to Outlive's wire port"
DYNAMO, HTTP, OPERATIONS = "1 DynamoDB (moto)", "2 SQL over HTTP", "3 declared operations"
NAMES = (DIRECT, WIRE, HTTP, OPERATIONS, DYNAMO)
PROCESSES = 20
LEAD_S = 0.5
"""Until all threads of all processes wait for the moment."""

Login = Callable[[str], Any]
"""One function's login of a device: what it holds afterwards. Raises where it was not answered."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where everything listens."""

    database_port: int
    wire_port: int
    http_port: int
    dynamo_port: int


def logins(places: Places) -> dict[str, Login]:
    """By the way's name."""
    where = f"http://127.0.0.1:{places.http_port}"
    store = OutliveStore(where, KEY)
    # One client for the threads of a process, of which none waits for another's connection.
    config = Config(max_pool_connections=1000, retries={"max_attempts": 10, "mode": "standard"})
    dynamo = DynamoStore("devices", f"http://127.0.0.1:{places.dynamo_port}", config)
    return {
        DIRECT: _by_driver(places.database_port),
        WIRE: _by_driver(places.wire_port),
        HTTP: _by_call(by_handler(lambda event: handler(event, using=store))),
        OPERATIONS: _by_call(by_http(where, KEY)),
        DYNAMO: _by_call(by_handler(lambda event: handler(event, using=dynamo))),
    }


def _by_driver(port: int) -> Login:
    def login(device: str) -> Any:
        connection = pymysql.connect(
            host="127.0.0.1",
            port=port,
            user=APP.user,
            password=APP.password,
            database="test",
            read_timeout=30,
            ssl_disabled=True,
        )
        with connection.cursor() as cursor:
            cursor.execute("UPDATE devices SET logins = logins + 1 WHERE device_id = %s", (device,))
            cursor.execute("SELECT user_id, household_id, logins FROM devices WHERE device_id = %s", (device,))
            assert cursor.fetchone()
        connection.commit()
        return connection

    return login


def _by_call(call: Any) -> Login:
    def login(device: str) -> Any:
        status, answer = call("POST", "/api/logins", {"device_id": device})
        assert status == 200, answer

    return login


def _serve(pipe: Connection, places: Places) -> None:
    """Runs bursts as they are asked for, and holds what their functions hold until the next message."""
    ways = logins(places)
    pipe.send("ready")
    held: list[Any] = []
    while (asked := pipe.recv()) is not None:
        for connection in held:
            if hasattr(connection, "close"):
                connection.close()
        held.clear()
        if asked != "release":
            pipe.send(_burst(ways[asked[0]], asked[1], asked[2], held))


def _burst(login: Login, devices: Sequence[str], at: float, held: list[Any]) -> list[float]:
    times: list[float] = []
    gate = threading.Event()

    def function(device: str) -> None:
        gate.wait()
        with contextlib.suppress(Exception):  # refused, which is counted by what is missing
            held.append(login(device))
            times.append(time.monotonic() - at)

    threads = [threading.Thread(target=function, args=(device,)) for device in devices]
    for thread in threads:
        thread.start()
    time.sleep(max(0.0, at - time.monotonic()))
    gate.set()
    for thread in threads:
        thread.join()
    return times


class Functions:
    """All of them, in their processes."""

    def __init__(self, places: Places) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipes: list[Connection] = []
        self._processes = []
        for _ in range(PROCESSES):
            mine, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, places), daemon=True)
            process.start()
            self._pipes.append(mine)
            self._processes.append(process)
        for pipe in self._pipes:
            pipe.recv()

    def burst(self, name: str, devices: Sequence[str]) -> tuple[list[float], float]:
        """The seconds until each one's answer, from the same moment on, and until all had ended."""
        at = time.monotonic() + LEAD_S
        for index, pipe in enumerate(self._pipes):
            pipe.send((name, devices[index::PROCESSES], at))
        times = [took for pipe in self._pipes for took in pipe.recv()]
        return sorted(times), time.monotonic() - at

    def release(self) -> None:
        """What they hold is closed."""
        for pipe in self._pipes:
            pipe.send("release")

    def close(self) -> None:
        """Ends the processes."""
        for pipe in self._pipes:
            pipe.send(None)
        for process in self._processes:
            process.join(10)
