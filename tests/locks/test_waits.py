"""Wait and release as callers see them, on either store and over two nodes."""

import asyncio
import json
import resource
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest

from .asking import ask, begin, waited
from .place import BUDGET, ORDERS_KEY, Place


def test_a_release_then_a_wait_without_any_body(place: Place, key: str) -> None:
    assert place.caller(0).post(f"/v1/locks/{key}/release", b"").json == {"status": "released"}
    granted = place.caller(1).post(f"/v1/locks/{key}/wait", b"")
    assert granted.status == 200
    assert granted.json["delivery"] == "at_most_once"
    assert granted.json["payload"] is None
    assert place.caller(0).post(f"/v1/locks/{key}/wait", {"timeout_ms": 0}).json == {
        "status": "pending",
        "position": None,
    }


def test_a_wait_then_a_release_at_the_other_node(place: Place, key: str) -> None:
    async def talk() -> None:
        waiting = await begin(place.ports[0], f"/v1/locks/{key}/wait", {"waiter_id": "w"})
        while (await ask(place.ports[1], f"/v1/locks/{key}", method="GET"))[1]["depth"] == 0:
            pass
        payload = {"text": "é\u0000\U0001f600", "number": 12345678901234567890, "list": [None, True, 1.5]}
        released = await ask(place.ports[1], f"/v1/locks/{key}/release", {"payload": payload})
        assert released == (200, {"status": "released"})
        status, _, granted = await waiting.answer()
        assert (status, granted["status"], granted["delivery"]) == (200, "granted", "at_least_once")
        assert granted["payload"] == payload
        assert 0 < granted["lease_expires_in_ms"] <= 1200
        acked = {"grant_id": granted["grant_id"]}
        assert await ask(place.ports[1], f"/v1/locks/{key}/ack", acked) == (200, {"status": "acked"})
        assert await ask(place.ports[0], f"/v1/locks/{key}/ack", acked) == (200, {"status": "duplicate"})

    asyncio.run(talk())


def test_duplicate_releases_make_one_grant_and_a_lost_answer_the_same(place: Place, key: str) -> None:
    async def talk() -> None:
        release = {"release_id": "r", "payload": 1}
        lost = await begin(place.ports[0], f"/v1/locks/{key}/release", release)
        lost.kill()
        found = [await ask(port, f"/v1/locks/{key}/release", release) for port in place.ports * 2]
        assert {status for status, _ in found} == {200}
        assert [answer["status"] for _, answer in found][1:] == ["duplicate"] * 3
        grants = [await ask(port, f"/v1/locks/{key}/wait", {"waiter_id": "w"}) for port in place.ports * 2]
        assert len({answer["grant_id"] for _, answer in grants}) == 1
        assert len({answer["fence"] for _, answer in grants}) == 1
        status, other = await ask(place.ports[0], f"/v1/locks/{key}/wait", {"waiter_id": "x", "timeout_ms": 0})
        assert (status, other) == (202, {"status": "pending", "position": 1})

    asyncio.run(talk())


def test_an_idempotency_key_is_the_id_of_a_release(place: Place, key: str) -> None:
    caller = place.caller()
    assert [
        caller.post(f"/v1/locks/{key}/release", b"", Idempotency_Key="once").json["status"] for _ in range(2)
    ] == ["released", "duplicate"]


def test_first_in_first_out_across_polls(place: Place, key: str) -> None:
    names = [f"w{number}" for number in range(5)]

    async def talk() -> None:
        granted: list[tuple[int, str]] = []

        async def one(name: str, ports: list[int]) -> None:
            found = await waited(ports, key, name, timeout_ms=150)
            granted.append((found["payload"], name))
            await ask(ports[0], f"/v1/locks/{key}/ack", {"grant_id": found["grant_id"]})

        tasks = []
        for number, name in enumerate(names):
            tasks.append(asyncio.ensure_future(one(name, place.ports[:: 1 if number % 2 else -1])))
            while (await ask(place.ports[0], f"/v1/locks/{key}", method="GET"))[1]["depth"] < number + 1:
                await asyncio.sleep(0)
        await asyncio.sleep(0.4)  # all have asked again
        for number in range(len(names)):
            await ask(place.ports[0], f"/v1/locks/{key}/release", {"payload": number})
        await asyncio.gather(*tasks)
        assert sorted(granted) == list(enumerate(names))

    asyncio.run(talk())


class Fenced:
    """A store that refuses what an older holder writes."""

    def __init__(self) -> None:
        self.fence = 0
        self.value: Any = None

    def write(self, fence: int, value: Any) -> bool:
        if fence < self.fence:
            return False
        self.fence, self.value = fence, value
        return True


def test_a_holder_that_is_killed_hands_over_and_its_zombie_is_refused(place: Place, key: str) -> None:
    async def talk() -> None:
        mutex = {"mode": "mutex", "lease_ms": 400}
        store = Fenced()
        _, dead = await ask(place.ports[0], f"/v1/locks/{key}/wait", {"waiter_id": "dead", **mutex})
        assert store.write(dead["fence"], "first")
        status, found = await ask(place.ports[1], f"/v1/locks/{key}/wait", {"waiter_id": "next", **mutex})
        assert (status, found["status"]) == (200, "granted")
        assert store.write(found["fence"], "second")
        assert not store.write(dead["fence"], "zombie")
        grant = {"grant_id": dead["grant_id"], "fence": dead["fence"]}
        status, refused = await ask(place.ports[0], f"/v1/locks/{key}/release", grant)
        assert (status, refused["error"]["code"]) == (409, "stale")
        assert (await ask(place.ports[0], f"/v1/locks/{key}/renew", {"grant_id": dead["grant_id"]}))[0] == 409
        assert store.value == "second"

    asyncio.run(talk())


def test_never_two_live_grants_over_two_nodes(place: Place, key: str, count: Callable[[int, int], int]) -> None:
    """Waiters that work, and some that die while they hold it; what they saw is judged afterwards."""
    rounds = count(3, 40)
    history: list[tuple[int, str, float, float]] = []
    path = f"/v1/locks/{key}"

    async def one(number: int, clock: Callable[[], float]) -> None:
        ports = place.ports[:: 1 if number % 2 else -1]
        for turn in range(rounds):
            found = await waited(ports, key, f"w{number}-{turn}", mode="mutex", lease_ms=300, timeout_ms=1000)
            began = clock()
            if (number + turn) % 5 == 0:  # dies, and claims nothing from here on
                history.append((found["fence"], "died", began, began))
                continue
            await asyncio.sleep(0.002)
            ended = clock()
            status, _ = await ask(ports[0], f"{path}/release", {"grant_id": found["grant_id"], "fence": found["fence"]})
            # Whoever was too slow for its lease is told so; its time counts as far as the lease.
            until = min(ended, began + found["lease_expires_in_ms"] / 1000 - 0.05)
            history.append((found["fence"], "released" if status == 200 else "late", began, until))

    async def talk() -> None:
        clock = asyncio.get_running_loop().time
        await asyncio.gather(*(one(number, clock) for number in range(6)))

    asyncio.run(talk())
    assert len(history) == 6 * rounds
    in_time = sorted(history, key=lambda item: item[2])
    fences = [fence for fence, *_ in in_time]
    assert fences == sorted(set(fences))
    for (_, how, _, until), (_, _, began, _) in pairwise(in_time):
        assert how != "released" or until <= began


def test_events(place: Place, key: str) -> None:
    async def talk() -> None:
        asked = await begin(place.ports[0], f"/v1/locks/{key}/wait", {"timeout_ms": 60_000}, Accept="text/event-stream")
        while (await ask(place.ports[1], f"/v1/locks/{key}", method="GET"))[1]["depth"] == 0:
            pass
        await ask(place.ports[1], f"/v1/locks/{key}/release", {"payload": "now"})
        text = (await asked.reader.read()).decode()
        asked.writer.close()
        event = text.partition("event: granted")[2]
        assert '"payload":"now"' in event
        short = await begin(place.ports[0], f"/v1/locks/{key}/wait", {"timeout_ms": 0}, Accept="text/event-stream")
        text = (await short.reader.read()).decode()
        short.writer.close()
        assert 'event: pending\r\ndata: {"status":"pending","position":null}' in text.replace("\n", "\r\n")

    asyncio.run(talk())


def test_the_answers_of_the_other_steps(place: Place, key: str) -> None:
    caller = place.caller()
    path = f"/v1/locks/{key}"
    mutex = caller.post(f"{path}/wait", {"mode": "mutex", "waiter_id": "a", "lease_ms": 60_000})
    assert mutex.json["payload"] is None
    renewed = caller.post(f"{path}/renew", {"grant_id": mutex.json["grant_id"], "lease_ms": 5000})
    assert renewed.json == {"status": "renewed", "fence": mutex.json["fence"], "lease_expires_in_ms": 5000}
    assert caller.post(f"{path}/release", b"").error["code"] == "other_mode"
    assert caller.post(f"{path}/release", {"grant_id": mutex.json["grant_id"]}).status == 400
    both = {"grant_id": mutex.json["grant_id"], "fence": mutex.json["fence"]}
    assert caller.post(f"{path}/release", {**both, "payload": 1}).status == 400
    _, standing = asyncio.run(ask(place.ports[1], path, method="GET"))
    assert standing == {
        "mode": "mutex",
        "holder": {"waiter_id": "a", "fence": mutex.json["fence"]},
        "fence": mutex.json["fence"],
        "depth": 0,
        "pending": 0,
        "granted": 1,
    }
    assert [caller.post(f"{path}/release", both).json["status"] for _ in range(2)] == ["released", "duplicate"]
    assert caller.post(f"{path}/wait", {"mode": "mutex", "waiter_id": "b", "timeout_ms": 0}).status == 200
    removed = [asyncio.run(ask(place.ports[0], f"{path}/waiters/b", method="DELETE")) for _ in range(2)]
    assert removed == [(200, {"status": "left"}), (200, {"status": "absent"})]


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("wait", {"timeout_ms": 25_001}),
        ("wait", {"mode": "both"}),
        ("wait", {"waiter_id": ""}),
        ("wait", {"waiter_id": "é"}),
        ("wait", b"{"),
        ("release", {"ttl_ms": 0}),
        ("ack", {}),
        ("renew", {"grant_id": "x", "lease_ms": 1}),
    ],
)
def test_a_request_that_is_wrong_is_400(place: Place, key: str, what: str, body: Any) -> None:
    assert place.caller().post(f"/v1/locks/x/{what}", body).status == 400


def test_who_may_use_which_locks(place: Place, key: str) -> None:
    orders = place.caller(key=ORDERS_KEY)
    assert orders.post("/v1/locks/orders-7/release", b"").status == 200
    assert orders.post("/v1/locks/order/release", b"").error["code"] == "forbidden"
    assert place.caller(key="nobody").post("/v1/locks/orders-7/release", b"").status == 401
    assert place.caller().post(f"/v1/locks/{'k' * 201}/release", b"").status == 400
    big = json.dumps({"payload": "x" * 70_000}).encode()
    assert place.caller().post(f"/v1/locks/{key}/release", big).error["code"] == "payload_too_large"


def test_a_waiter_takes_no_place_of_the_principals(place: Place, key: str, eventually: Callable[..., None]) -> None:
    """max_concurrency is 5 here: waits have a limit of their own."""
    before = place.waiting()
    with ThreadPoolExecutor(8) as pool:
        waits = [pool.submit(place.caller().post, f"/v1/locks/{key}/wait", {"waiter_id": str(at)}) for at in range(8)]
        eventually(lambda: place.waiting() == before + 8)
        for at in range(8):
            assert place.caller(at % 2).post(f"/v1/locks/{key}/release", {"payload": at}).status == 200
        assert sorted(found.result().json["payload"] for found in waits) == list(range(8))


def test_a_caller_without_an_id_that_leaves_takes_nothing_with_it(place: Place, key: str, eventually: Any) -> None:
    async def talk() -> None:
        gone = [await begin(port, f"/v1/locks/{key}/wait") for port in place.ports]
        await _until(lambda: place.waiting() == 2)
        for number, asked in enumerate(gone):
            asked.kill(reset=bool(number))
        await _until(lambda: place.waiting() == 0)
        while (await ask(place.ports[0], f"/v1/locks/{key}", method="GET"))[1]["depth"]:
            pass
        await ask(place.ports[0], f"/v1/locks/{key}/release")
        status, _ = await ask(place.ports[1], f"/v1/locks/{key}/wait", {"timeout_ms": 5000})
        assert status == 200

    async def _until(true: Callable[[], bool]) -> None:
        await asyncio.to_thread(eventually, true)

    asyncio.run(talk())


def test_connections_do_not_grow_with_the_waiters(place: Place, count: Callable[[int, int], int]) -> None:
    waiters = count(600, 10_000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    most = 0

    async def talk() -> None:
        nonlocal most
        gate = asyncio.Semaphore(50)

        async def one(number: int) -> Any:
            async with gate:
                port = place.ports[number % 2]
                return await begin(port, f"/v1/locks/many-{number % (waiters // 2)}/wait", {"waiter_id": str(number)})

        asked = await asyncio.gather(*map(one, range(waiters)))
        while await asyncio.to_thread(place.waiting) < waiters:
            most = max(most, await asyncio.to_thread(place.house.connections))
        for _ in range(5):
            most = max(most, await asyncio.to_thread(place.house.connections))

        async def release(number: int) -> None:
            async with gate:
                body = {"payload": number, "release_id": str(number)}
                port = place.ports[(number + 1) % 2]
                assert (await ask(port, f"/v1/locks/many-{number % (waiters // 2)}/release", body))[0] == 200

        releasing = asyncio.gather(*map(release, range(waiters)))
        most = max(most, await asyncio.to_thread(place.house.connections))
        answers = await asyncio.gather(*(waiting.answer() for waiting in asked))
        await releasing
        # A poll may have ended in a long run: what was released is there for its next question.
        assert {status for status, _, _ in answers} <= {200, 202}
        assert sum(status == 200 for status, _, _ in answers) > waiters * 0.9

    asyncio.run(talk())
    assert 0 < most <= 2 * min(BUDGET, 4)
    print(f"{waiters} waiters, {most} connections of two nodes")
