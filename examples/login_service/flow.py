"""The flow once, with any version: `python -m login_service.flow`.

LOGIN_URL (and LOGIN_KEY) for declared operations; else LOGIN_STORE and what `handler.py` reads.
"""

import http.client
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

Call = Callable[[str, str, dict[str, str] | None], tuple[int, Any]]
"""Method, path and body; status and answer. All three versions are called like this."""


def by_handler(run: Callable[[dict[str, Any]], dict[str, Any]]) -> Call:
    """Versions 1 and 2: the platform calls the handler."""

    def call(method: str, path: str, body: dict[str, str] | None = None) -> tuple[int, Any]:
        answer = run({"method": method, "path": path, "body": None if body is None else json.dumps(body)})
        return answer["statusCode"], json.loads(answer["body"])

    return call


def by_http(url: str, key: str) -> Call:
    """Version 3: the device itself calls Outlive."""
    where = urlsplit(url)

    def call(method: str, path: str, body: dict[str, str] | None = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=10)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Authorization": f"Bearer {key}"})
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    return call


def flow(call: Call, logins: int = 50) -> list[str]:
    """What a household does; a line for each step."""
    device, user, here, there = (str(uuid4()) for _ in range(4))
    ids = {"device_id": device, "user_id": user, "household_id": here}
    lines = [f"provision  {call('POST', '/api/devices', ids)}"]
    lines.append(f"log in     {call('POST', '/api/logins', {'device_id': device})}")
    lines.append(f"move       {call('PUT', f'/api/devices/{device}/household', {'household_id': there})}")
    lines.append(f"household  {call('GET', f'/api/households/{there}/devices', None)}")
    with ThreadPoolExecutor(20) as devices:
        burst = list(devices.map(lambda _: call("POST", "/api/logins", {"device_id": device})[0], range(logins)))
    lines.append(f"burst      {burst.count(200)} of {logins} logins")
    lines.append(f"device     {call('GET', f'/api/devices/{device}', None)}")
    return lines


def main() -> None:
    """With what the environment says."""
    if "LOGIN_URL" in os.environ:
        call = by_http(os.environ["LOGIN_URL"], os.environ["LOGIN_KEY"])
    else:
        from .handler import handler  # noqa: PLC0415 - it needs its own environment

        call = by_handler(handler)
    print("\n".join(flow(call)))  # noqa: T201


if __name__ == "__main__":
    main()
