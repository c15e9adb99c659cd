"""One suite for every version of the login service."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4


def ids(count: int) -> list[str]:
    return [str(uuid4()) for _ in range(count)]


def provisioned(call: Any, user: str = "", household: str = "") -> dict[str, Any]:
    device, new_user, new_household = ids(3)
    body = {"device_id": device, "user_id": user or new_user, "household_id": household or new_household}
    status, answer = call("POST", "/api/devices", body)
    assert (status, answer) == (200, {**body, "logins": 0})
    return body


def test_provision_and_log_in(call: Any) -> None:
    device = provisioned(call)
    for times in (1, 2):
        answer = call("POST", "/api/logins", {"device_id": device["device_id"]})
        assert answer == (200, {**device, "logins": times})
    assert call("GET", f"/api/devices/{device['device_id']}", None) == (200, {**device, "logins": 2})


def test_ids_are_mapped_to_each_other(call: Any) -> None:
    user, household = ids(2)
    devices = [provisioned(call, user, household) for _ in range(3)]
    guest = provisioned(call, household=household)
    wanted = sorted(device["device_id"] for device in devices)
    status, found = call("GET", f"/api/users/{user}/devices", None)
    assert (status, [device["device_id"] for device in found]) == (200, wanted)
    status, found = call("GET", f"/api/households/{household}/devices", None)
    assert (status, [device["device_id"] for device in found]) == (200, sorted([*wanted, guest["device_id"]]))
    assert call("GET", f"/api/users/{ids(1)[0]}/devices", None) == (200, [])


def test_move(call: Any) -> None:
    device = provisioned(call)
    (there,) = ids(1)
    for _ in range(2):  # the second time it is there already
        status, moved = call("PUT", f"/api/devices/{device['device_id']}/household", {"household_id": there})
        assert (status, moved) == (200, {**device, "household_id": there, "logins": 0})
    assert call("GET", f"/api/households/{device['household_id']}/devices", None) == (200, [])


def test_what_is_not_there_or_there_already(call: Any) -> None:
    (none,) = ids(1)
    for method, path, body in (
        ("POST", "/api/logins", {"device_id": none}),
        ("PUT", f"/api/devices/{none}/household", {"household_id": none}),
        ("GET", f"/api/devices/{none}", None),
    ):
        status, answer = call(method, path, body)
        assert (status, answer["error"]["code"]) == (404, "not_found")
    device = provisioned(call)
    status, answer = call("POST", "/api/devices", {**device, "user_id": none})
    assert (status, answer["error"]["code"]) == (409, "conflict")
    assert call("GET", f"/api/devices/{device['device_id']}", None) == (200, {**device, "logins": 0})
    assert call("GET", "/api/nothing", None)[0] == 404


def test_bad_input_is_named(call: Any) -> None:
    device = provisioned(call)
    for method, path, body, name in (
        ("POST", "/api/logins", {"device_id": "7"}, "device_id"),
        ("POST", "/api/logins", {}, "device_id"),
        ("POST", "/api/devices", {**device, "user_id": 7}, "user_id"),
        ("PUT", f"/api/devices/{device['device_id']}/household", {"household_id": ""}, "household_id"),
        ("GET", "/api/devices/x", None, "device_id"),
    ):
        status, answer = call(method, path, body)
        assert (status, answer["error"]["parameter"]) == (422, name)


def test_a_burst_of_logins(call: Any) -> None:
    devices = [provisioned(call)["device_id"] for _ in range(10)]
    with ThreadPoolExecutor(50) as callers:
        answers = list(callers.map(lambda n: call("POST", "/api/logins", {"device_id": devices[n % 10]}), range(200)))
    assert {status for status, _ in answers} == {200}
    for device in devices:
        assert call("GET", f"/api/devices/{device}", None)[1]["logins"] == 20
        counted = sorted(answer["logins"] for _, answer in answers if answer["device_id"] == device)
        assert counted == list(range(1, 21))  # each login saw its own
