"""The function: one request in, one answer out. LOGIN_STORE says which store it uses ("dynamodb" or "outlive")."""

import json
import os
import re
from typing import Any
from uuid import UUID

from .service import Conflict, NotFound, Store

_ROUTES = (
    ("POST", re.compile("/api/devices"), "provision", ("device_id", "user_id", "household_id")),
    ("POST", re.compile("/api/logins"), "log_in", ("device_id",)),
    ("PUT", re.compile("/api/devices/(?P<device_id>[^/]+)/household"), "move", ("device_id", "household_id")),
    ("GET", re.compile("/api/devices/(?P<device_id>[^/]+)"), "device", ("device_id",)),
    ("GET", re.compile("/api/users/(?P<user_id>[^/]+)/devices"), "of_user", ("user_id",)),
    ("GET", re.compile("/api/households/(?P<household_id>[^/]+)/devices"), "of_household", ("household_id",)),
)
_store: Store | None = None


def store() -> Store:
    """This instance's, made by its first request."""
    global _store  # noqa: PLW0603 - an instance of a function has one
    if _store is None:
        if os.environ["LOGIN_STORE"] == "dynamodb":
            from .dynamodb import DynamoStore  # noqa: PLC0415 - boto3 is slow to load, and only one is needed

            _store = DynamoStore(os.environ.get("DYNAMODB_TABLE", "devices"), os.environ.get("DYNAMODB_ENDPOINT"))
        else:
            from .outlive_http import OutliveStore  # noqa: PLC0415

            _store = OutliveStore(os.environ["OUTLIVE_URL"], os.environ["OUTLIVE_KEY"])
    return _store


def handler(event: dict[str, Any], context: object = None, *, using: Store | None = None) -> dict[str, Any]:
    """`event` has `method`, `path` and `body` (text), as HTTP gateways of functions give them."""
    for method, pattern, name, wanted in _ROUTES:
        found = pattern.fullmatch(event["path"])
        if found is None or event["method"] != method:
            continue
        given = {**json.loads(event.get("body") or "{}"), **found.groupdict()}
        for parameter in wanted:
            if not _is_uuid(given.get(parameter)):
                return _error(422, "invalid_parameter", f"{parameter} must be a UUID.", parameter=parameter)
        try:
            answer = getattr(using or store(), name)(**{parameter: given[parameter] for parameter in wanted})
        except NotFound:
            return _error(404, "not_found", "There is no such device.")
        except Conflict:
            return _error(409, "conflict", "The device is provisioned already.")
        return {"statusCode": 200, "body": json.dumps(answer)}
    return _error(404, "no_such_operation", "There is nothing at this path.")


def _is_uuid(value: object) -> bool:
    try:
        return isinstance(value, str) and str(UUID(value)) == value.lower()
    except ValueError:
        return False


def _error(status: int, code: str, message: str, **more: str) -> dict[str, Any]:
    return {"statusCode": status, "body": json.dumps({"error": {"code": code, "message": message, **more}})}
