"""A thousand clients on twenty connections: every answer is the asker's own, whatever happens to the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from ...servers import OutliveProcess, Postgres15, Postgres18, PostgresServer
from ..test_thousand import BUDGET, run_crowds
from .observer import Observer

pytestmark = pytest.mark.timeout(200)


@pytest.fixture(params=[Postgres15, Postgres18], ids=["15", "18"])
def own_server(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    """On which nobody else is. One connection more would be refused, and its log would say so."""
    with request.param(max_connections=BUDGET + 1) as server:  # one is the observer's
        yield server


def test_every_answer_is_its_own(
    own_server: PostgresServer, outlive: Callable[..., OutliveProcess], count: Callable[[int, int], int]
) -> None:
    server, clients, seconds = own_server, 1000, count(8, 60)
    with server.connect() as setup:
        setup.execute("CREATE TABLE crowd (client int, side int, money int, PRIMARY KEY (client, side))")
        setup.execute("CREATE TABLE crowd_log (id serial PRIMARY KEY, client int)")
        setup.execute("CREATE TABLE crowd_copied (word text)")
        setup.execute(
            "INSERT INTO crowd SELECT n, side, 1000 * (1 - side) FROM generate_series(0, %s) n, generate_series(0, 1) side",
            (clients - 1,),
        )
        setup.execute(
            "GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO PUBLIC"
        )
    node = outlive(server.url(max_connections=BUDGET, acquire_timeout_s=60))
    with Observer(server) as observer:
        reports = run_crowds("tests.clients.postgres.crowd", node.pg_port, clients, seconds)
    counts = sum((Counter(report) for report in reports if "failures" not in report), Counter())
    print(dict(counts), "most connections:", observer.most, "of", observer.samples, "samples")
    for report in reports:
        print(*report.get("failures", ()), sep="\n")  # whole: an assertion's text is cut
    assert not any("failures" in report for report in reports)
    assert observer.samples > 5 * seconds
    assert 0 < observer.most <= BUDGET
    assert "too many clients" not in server.log
    assert "remaining connection slots" not in server.log
    assert sum(counts[name] for name in counts if name.startswith("_")) > 2 * clients
    for what in ("interrupted", "died in a transaction", "terminated"):
        assert counts[what], what
    # No money was made or lost by those who died in their transactions.
    assert server.query(
        "SELECT count(*) FROM (SELECT client FROM crowd GROUP BY client HAVING sum(money) <> 1000) w"
    ) == ((0,),)
