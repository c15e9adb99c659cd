"""The reaper as a daemon, and what else than a list of hosts tells it that a function is gone."""

import http.client
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..servers import Process
from ..servers.database import APP
from ..servers.hosts import in_namespace
from ..servers.processes import eventually, free_port
from .far import Far, far, fill
from .program import list_hosts, run, run_json, start

pytestmark = pytest.mark.root

EXTRA_PORT = 3307  # of a host of the test's own
ENDED = 'outlive_reap_kills_total{outcome="ended"}'


@pytest.fixture(scope="module")
def place() -> Iterator[Far]:
    with far("mariadb", max_connections=20, extra_port=EXTRA_PORT, extra_max_connections=1) as it:
        yield it


def metric(place: Far, port: int, name: str) -> float:
    def get() -> str:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()

    found = re.search(rf"^{re.escape(name)} (\S+)$", in_namespace(place.namespace, get), re.M)
    return float(found[1]) if found else -1.0


def test_rounds_until_it_is_told_to_stop(place: Far, tmp_path: Path) -> None:
    living, first, second = (place.hosts.add_client() for _ in range(3))
    hosts = list_hosts(tmp_path / "hosts", living.address, first.address, second.address)
    kept = [place.connect(living) for _ in range(2)]
    port = free_port()
    arguments = (
        "--idle",
        "300ms",
        "--alive-hosts",
        hosts,
        "--apply",
        "--max-kills",
        "2",
        "--metrics",
        f"127.0.0.1:{port}",
    )
    with start("reap", place.url(), *arguments, "--watch", "300ms", namespace=place.namespace) as reaper:
        eventually(lambda: "Figures for Prometheus" in reaper.log)
        for vanishing in (first, second):
            before = metric(place, port, ENDED)
            lost = [place.connect(vanishing) for _ in range(5)]
            vanishing.cut()
            others = [host for host in (living, first, second) if host is not vanishing]
            list_hosts(hosts, *(host.address for host in others))
            eventually(lambda: len(place.numbers()) == len(kept))
            eventually(lambda: metric(place, port, ENDED) - before == len(lost))  # noqa: B023 - run within the turn
        # How many of the five it sees in one round depends on when it looks.
        assert re.search(r"left_by_limit=[1-9] ended=2", reaper.log), reaper.log
        # Of the last round: with the test's own.
        eventually(lambda: metric(place, port, "outlive_reap_connections") == len(kept) + 1)

        # It comes back by itself where its connection was ended, and its lock with it.
        own = "SELECT id FROM information_schema.processlist WHERE host LIKE '127.0.0.1:%' AND user = 'root'"
        ((number,),) = place.query(own)
        rounds = metric(place, port, "outlive_reap_rounds_total")
        place.query(f"KILL {number}")
        eventually(lambda: metric(place, port, "outlive_reap_rounds_total") > rounds + 1)
        assert [row[0] for row in place.query(own)] != [number]

        # A list that cannot be believed ends nobody, and is waited for.
        hosts.write_text("")
        start_line = len(reaper.lines)
        reaper.wait_line("names no host", start=start_line)
        assert metric(place, port, 'outlive_reap_rounds_failed_total{missing="hosts"}') >= 1
        assert len(place.numbers()) == len(kept)
        list_hosts(hosts, living.address)
        # Another one stands by, and takes over.
        with start("reap", place.url(), *arguments[:-2], "--watch", "200ms", namespace=place.namespace) as other:
            other.wait_line("standing by")
            reaper.signal(signal.SIGTERM)
            assert reaper.wait() == 0
            unlisted = place.connect(place.hosts.add_client())
            other.wait_line("ended=1")
            assert place.number(unlisted) not in place.numbers()
            assert other.stop() == 0
    for connection in kept:
        connection.cursor().execute("SELECT 1")
        connection.close()


def test_a_probe_and_the_kernel_tell_without_a_list(place: Far) -> None:
    living, vanishing = place.hosts.add_client(), place.hosts.add_client()
    kept, lost = place.connect(living), place.connect(vanishing)
    vanishing.cut()
    time.sleep(0.2)  # longer than --idle
    arguments = ("reap", place.url(), "--idle", "100ms")
    probed = run_json(*arguments, "--probe", namespace=place.namespace)
    (verdict,) = [found for found in probed["verdicts"] if found["ends"]]
    assert verdict["id"] == place.number(lost)
    assert f"{vanishing.address} did not answer a probe, while " in " ".join(verdict["reasons"])
    answered = [found for found in probed["verdicts"] if found["id"] == place.number(kept)]
    assert answered[0]["reasons"] == [f"{living.address} answered a probe"]

    def silent() -> bool:
        found = run_json(*arguments, namespace=place.namespace)
        return [one["id"] for one in found["verdicts"] if one["ends"]] == [place.number(lost)]

    # By the keepalive probes that the server's kernel sends by itself.
    eventually(silent)
    done = run_json(*arguments, "--apply", namespace=place.namespace)
    assert done["ended"] == 1
    kept.cursor().execute("SELECT 1")
    kept.close()


def test_the_functions_own_user_gets_in_by_the_other_port_and_ends_its_own(place: Far) -> None:
    """No privilege is needed for one's own connections; of others' nothing is seen."""
    vanishing = place.hosts.add_client()
    lost = fill(place, vanishing, 30)
    vanishing.cut()
    time.sleep(0.2)
    arguments = ("reap", place.url(APP), "--idle", "100ms", "--age-alone", "100ms", "--apply")
    assert run_json(*arguments, namespace=place.namespace, status=1)["full"]
    arguments = (*arguments, "--admin-port", EXTRA_PORT)
    spared = run_json(*arguments, namespace=place.namespace)["verdicts"]
    assert all("in a transaction is not shown" in reason for verdict in spared for reason in verdict["reasons"])
    done = run_json(*arguments, "--transactions", "100ms", namespace=place.namespace)
    assert done["ended"] == len(lost)
    assert {verdict["user"] for verdict in done["verdicts"]} == {"app"}
    place.connect(place.hosts.add_client()).close()


def test_a_stopped_process_on_the_databases_machine_shows_no_life(place: Far) -> None:
    arguments = ("reap", place.url(), "--idle", "100ms", "--age-alone", "100ms", "--user", "app")
    # Assigned, or it would be closed at once.
    connect = "import sys, time, pymysql; c = pymysql.connect(host='127.0.0.1', port=int(sys.argv[1]), user='app', "
    connect += "password=sys.argv[2]); print('connected', flush=True); time.sleep(100)"
    command = [sys.executable, "-c", connect, str(place.server.port)]
    with Process([*command, APP.password], name="function", namespace=place.namespace) as function:
        function.wait_line("connected")
        time.sleep(0.2)  # longer than --idle
        (verdict,) = (
            one for one in run_json(*arguments, namespace=place.namespace)["verdicts"] if one["user"] == "app"
        )
        assert verdict["reasons"] == ["the client's socket is open on this machine"]
        function.pause()
        eventually(lambda: run_json(*arguments, namespace=place.namespace)["dangling"] == 1)
        assert run_json(*arguments, "--apply", namespace=place.namespace)["ended"] == 1


def test_what_goes_wrong_is_said_and_ends_nothing(place: Far, tmp_path: Path) -> None:
    function = place.connect(place.hosts.add_client())
    time.sleep(0.2)
    wrong = place.url().replace("root@", "root:wrong@")
    with start("reap", wrong, "--watch", "200ms", namespace=place.namespace) as reaper:
        assert reaper.wait() == 1, "a password that is refused is not tried again and again"
        assert "Correct user, password or database." in reaper.log
    missing = run("reap", place.url(), "--apply", "--alive-hosts", tmp_path / "none", namespace=place.namespace)
    assert missing.status == 1
    assert "cannot be read" in missing.err
    function.cursor().execute("SELECT 1")
    function.close()
