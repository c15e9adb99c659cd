from io import StringIO

import pytest
from rich.console import Console

from outlive.cli.storm_picture import DemoPicture
from outlive.config.load import load
from outlive.config.origin import Origin
from outlive.storm.demo import REMEDIES, Demo, demo_load
from outlive.storm.policy import POLICIES
from outlive.storm.results import Result
from outlive.storm.storm import Storm
from tests.unit.storm.pictured import record


def rendered(width: int, *, over: bool) -> str:
    demo = Demo(demo_load(30, 3))
    console = Console(file=StringIO(), width=width, force_terminal=True, color_system=None)
    picture = DemoPicture(demo, console)
    (database,) = load(Origin(urls=("postgresql://app@127.0.0.1/shop",)), {}).databases.values()
    records = record(), record(budget=20, over=over)
    results = [Result(POLICIES[name], each) for name, each in zip(REMEDIES, records, strict=True)]
    demo.storm = Storm(database, demo.load, REMEDIES, results=results)
    demo.tell("  generation 3 of 3: 5 refused")
    with console.capture() as captured:
        console.print(picture.render())
    return captured.get()


def test_it_shows_connections_requests_and_latency_of_both_runs() -> None:
    text = rendered(80, over=True)
    assert "as they are: 30 functions, all dead" in text
    assert text.count(" 40 connections:   0 alive,  40 dangling") == 2
    assert "of 50" in text
    assert "budget 20" in text
    assert text.count("10 answered,     5 refused,   0 failed") == 2
    assert "p50 20 ms, p99 20 ms" in text
    assert "generation 3 of 3: 5 refused" in text


def test_while_it_runs_it_shows_the_last_seconds() -> None:
    text = rendered(80, over=False)
    assert "through Outlive: 30 functions, 3 generations of them dead" in text
    assert "nothing is answered" in text


@pytest.mark.parametrize("width", [20, 40, 73, 80, 200])
def test_it_fits_the_terminal(width: int) -> None:
    assert max(map(len, rendered(width, over=True).splitlines())) <= width


def test_elsewhere_it_is_lines() -> None:
    demo = Demo(demo_load(30, 3))
    output = StringIO()
    with DemoPicture(demo, Console(file=output)):
        demo.tell("  generation 1 of 3: [bold] 5 answered")
    assert output.getvalue() == "  generation 1 of 3: [bold] 5 answered\n"
