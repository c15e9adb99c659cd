from prometheus_client.parser import text_string_to_metric_families

from outlive.observe.exposition import expose
from outlive.observe.metrics import MAX_LABELS, OTHER, Histogram, Metrics, Snapshot, Tally


def samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    body, content_type = expose(metrics, "1.2.3")
    assert content_type.startswith("text/plain")
    return {
        (sample.name, *(sample.labels[label] for label in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def test_a_fresh_node_shows_zeros() -> None:
    found = samples(Metrics())
    assert found[("outlive_info", "1.2.3")] == 1
    assert found[("outlive_clients",)] == found[("outlive_client_evictions_total",)] == 0
    assert found[("outlive_draining",)] == 0


def test_every_counter_shows() -> None:
    metrics = Metrics()
    server = metrics.server("db:3306")
    assert metrics.server("db:3306") is server
    expected: dict[tuple[str, ...], float] = {}
    node = {
        "clients": "clients",
        "accepted": "clients_accepted_total",
        "evictions": "client_evictions_total",
        "logins_ok": "client_logins_total",
        "bytes_from_clients": "bytes_from_clients_total",
        "bytes_to_clients": "bytes_to_clients_total",
        "reloads_ok": "reloads_total",
        "reloads_failed": "reloads_failed_total",
        "draining": "draining",
        "lock_waiters": "lock_waiters",
    }
    servers = {
        "leases": "leases_total",
        "wait_timeouts": "wait_timeouts_total",
        "queue_full": "queue_full_total",
        "dials": "dials_total",
        "logins_ok": "server_logins_total",
        "logins_refused": "server_logins_refused_total",
        "conversions": "conversions_total",
        "bytes_to_server": "bytes_to_server_total",
        "bytes_from_server": "bytes_from_server_total",
    }
    for value, (attribute, name) in enumerate(node.items(), 1):
        setattr(metrics, attribute, value)
        expected[(f"outlive_{name}",)] = value
    for value, (attribute, name) in enumerate(servers.items(), 100):
        setattr(server, attribute, value)
        expected[(f"outlive_{name}", "db:3306")] = value
    tallies = {
        "refused": "clients_refused_total",
        "logins_refused": "client_logins_refused_total",
        "errors": "errors_total",
        "rules_refused": "rules_refused_total",
        "lock_steps": "lock_steps_total",
    }
    for attribute, name in tallies.items():
        getattr(metrics, attribute).add("some", 3)
        expected[(f"outlive_{name}", "some")] = 3
    server_tallies = {
        "dial_failures": "dial_failures_total",
        "closes": "server_closes_total",
        "pins": "pins_total",
        "kills": "kills_total",
        "errors": "server_errors_total",
        "pinned": "pinned",
    }
    labels = {}
    for attribute, name in server_tallies.items():
        getattr(server, attribute).add("some", 4)
        labels[f"outlive_{name}"] = 4
    server.snapshot = lambda: Snapshot(leases=3, waiters=2, connections={"idle": 1, "leased": 3}, budget=20)
    expected[("outlive_leases_held", "db:3306")] = 3
    expected[("outlive_waiters", "db:3306")] = 2
    expected[("outlive_server_budget", "db:3306")] = 20
    expected[("outlive_server_connections", "db:3306", "idle")] = 1
    expected[("outlive_server_connections", "db:3306", "leased")] = 3
    found = samples(metrics)
    assert expected.items() <= found.items()
    for name, value in labels.items():
        assert {key[1:]: v for key, v in found.items() if key[0] == name} in (
            {("db:3306", "some"): value},
            {("some", "db:3306"): value},
        )
    assert found[("outlive_lock_wait_seconds_count",)] == 0
    shown = set(node) | set(tallies) | {"lock_waits", "servers"}
    assert shown == set(Metrics.__slots__), "an attribute that no test and no scrape sees"
    assert set(servers) | set(server_tallies) | {"name", "snapshot", "waits"} == set(type(server).__slots__)


def test_the_histogram_of_waits() -> None:
    metrics = Metrics()
    waits = metrics.server("db:1").waits
    for seconds in (0.0, 0.0005, 0.00051, 9.0, 99.0):
        waits.observe(seconds)
    found = samples(metrics)
    buckets = {key[2]: value for key, value in found.items() if key[0] == "outlive_wait_seconds_bucket"}
    buckets |= {key[1]: value for key, value in found.items() if key[0] == "outlive_wait_seconds_bucket"}
    assert (buckets["0.0005"], buckets["0.001"], buckets["10.0"], buckets["+Inf"]) == (2, 3, 4, 5)
    assert found[("outlive_wait_seconds_count", "db:1")] == waits.count == 5
    assert found[("outlive_wait_seconds_sum", "db:1")] == waits.sum_s


def test_histograms_share_nothing() -> None:
    one, other = Histogram(), Histogram()
    one.observe(1)
    assert other.count == 0


def test_labels_are_bounded() -> None:
    tally = Tally()
    for number in range(MAX_LABELS + 10):
        tally.add(str(number))
    tally.add("0", 2)
    assert len(tally) == MAX_LABELS + 1
    assert tally[OTHER] == 10
    assert tally["0"] == 3
    tally.add("0", -3)
    assert tally["0"] == 0


def test_labels_are_escaped() -> None:
    metrics = Metrics()
    metrics.errors.add('a"b\\c\nd')
    assert samples(metrics)[("outlive_errors_total", 'a"b\\c\nd')] == 1
