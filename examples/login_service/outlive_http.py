"""Version 2: SQL over Outlive's HTTP layer, on MySQL, MariaDB or PostgreSQL. Standard library only.

A write bears an Idempotency-Key, so it can be sent again when its answer was lost, and runs once.
"""

import http.client
import json
import time
import uuid
from typing import Any, cast
from urllib.parse import urlsplit

from .service import Conflict, Device, NotFound

_COLUMNS = "device_id, user_id, household_id, logins"
_ONE = f"SELECT {_COLUMNS} FROM devices WHERE device_id = :device_id"
_TRIES = 3
_TIMEOUT_S = 10


class OutliveStore:
    """`url` is a node's, as http://127.0.0.1:8080; `key` an API key of it; `database` one of its configuration."""

    def __init__(self, url: str, key: str, database: str = "login") -> None:
        self._url = urlsplit(url)
        self._key = key
        self._database = database

    def provision(self, device_id: str, user_id: str, household_id: str) -> Device:
        """See `Store`."""
        values = {"device_id": device_id, "user_id": user_id, "household_id": household_id}
        sql = "INSERT INTO devices (device_id, user_id, household_id) VALUES (:device_id, :user_id, :household_id)"
        return self._write(sql, values)

    def log_in(self, device_id: str) -> Device:
        """See `Store`."""
        return self._write(
            "UPDATE devices SET logins = logins + 1 WHERE device_id = :device_id", {"device_id": device_id}
        )

    def move(self, device_id: str, household_id: str) -> Device:
        """See `Store`."""
        values = {"device_id": device_id, "household_id": household_id}
        return self._write("UPDATE devices SET household_id = :household_id WHERE device_id = :device_id", values)

    def device(self, device_id: str) -> Device:
        """See `Store`."""
        return _first(self._rows(_ONE, {"device_id": device_id}))

    def of_user(self, user_id: str) -> list[Device]:
        """See `Store`."""
        return self._of("user_id", user_id)

    def of_household(self, household_id: str) -> list[Device]:
        """See `Store`."""
        return self._of("household_id", household_id)

    def _of(self, column: str, value: str) -> list[Device]:
        return self._rows(
            f"SELECT {_COLUMNS} FROM devices WHERE {column} = :value ORDER BY device_id",
            {"value": value},
        )

    def _rows(self, sql: str, values: dict[str, str]) -> list[Device]:
        answer = self._ask("/v1/query", {"sql": sql, "parameters": values}, {})
        return cast(list[Device], answer["rows"])

    def _write(self, sql: str, values: dict[str, str]) -> Device:
        """In one transaction with the read of what came of it."""
        one = {"device_id": values["device_id"]}
        statements = [{"sql": sql, "parameters": values}, {"sql": _ONE, "parameters": one}]
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        return _first(self._ask("/v1/batch", {"statements": statements}, headers)["results"][1]["rows"])

    def _ask(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> Any:
        data = json.dumps({"database": self._database, **body})
        for left in reversed(range(_TRIES)):
            try:
                status, answer = self._send(path, data, headers)
            except (OSError, http.client.HTTPException):
                if not left:
                    raise
                continue
            if status == 200:
                return answer
            error = answer["error"]
            if error.get("sqlstate", "").startswith("23"):
                raise Conflict
            if status != 503 or not left:
                raise RuntimeError(f"{status} {error['code']}")
            time.sleep(1)  # what Retry-After says
        raise AssertionError  # the last try has returned or raised

    def _send(self, path: str, data: str, headers: dict[str, str]) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(self._url.hostname or "", self._url.port, timeout=_TIMEOUT_S)
        try:
            connection.request("POST", path, data, {"Authorization": f"Bearer {self._key}", **headers})
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()


def _first(rows: list[Device]) -> Device:
    if not rows:
        raise NotFound
    return rows[0]
