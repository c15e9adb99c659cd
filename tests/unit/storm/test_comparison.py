"""The report of a storm that never was."""

from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from outlive.config.model import Database
from outlive.storm.comparison import words
from outlive.storm.comparison.figure import figure, png
from outlive.storm.comparison.page import page
from outlive.storm.comparison.panel import generation_at
from outlive.storm.load import Load
from outlive.storm.policy import POLICIES
from outlive.storm.results import Result
from outlive.storm.storm import Storm, names

from .pictured import record


@pytest.fixture
def storm() -> Storm:
    made = Storm(
        Database(scheme="mysql", hosts=(), user="app", database="<test>"),  # type: ignore[arg-type]
        Load(functions=30, generations=3),
        ["persistent", "proxy", "http"],
        20,
        product="MariaDB <10.11>",
        scheme="mysql",
        limit=50,
        others=2,
        deaths="links are cut",
        rtt_by="relay",
    )
    for name, budget in (("persistent", None), ("proxy", 20)):
        run = record(name, budget=budget)
        run.births += [0.0, 2.0, 4.0]
        made.results.append(Result(made.policy(name), run))
    answered = made.results[1].record
    assert answered is not None
    answered.outcomes.clear()
    answered.outcomes["answered"] = 15
    answered.requests[:] = [request for request in answered.requests if request.outcome == "answered"]
    made.results.append(Result(POLICIES["http"], skipped="this version has no HTTP port"))
    return made


def test_sentences_say_what_the_figures_say(storm: Storm) -> None:
    first, second = words.sentences(storm)
    assert first.startswith("persistent: 5 of 15 requests (33 %) found no connection, from generation 3 on")
    assert "; 40 of them belonged to the dead at the end" in first
    assert second.startswith("proxy: none of 15 requests was refused")
    assert "(budget 20)" in second


def test_the_page_needs_nothing_else_and_escapes_texts(storm: Storm) -> None:
    text = page(storm)
    tags: list[str] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: tags.append(tag)  # type: ignore[method-assign]
    parser.feed(text)
    assert not {"script", "link", "img", "iframe"} & set(tags)
    assert tags.count("svg") == 3  # two panels, and the answers' times
    assert "url(" not in text
    assert "http:" not in text
    assert "MariaDB &lt;10.11&gt;" in text
    assert "<10.11>" not in text
    assert "this version has no HTTP port" in text
    assert 'name="viewport"' in text
    assert "prefers-color-scheme" in text


def test_the_figure_is_an_svg_for_day_and_night_and_a_png(storm: Storm) -> None:
    drawn = figure(storm)
    assert "prefers-color-scheme" in drawn
    assert ElementTree.fromstring(drawn).tag.endswith("svg")
    assert ">persistent<" in drawn
    assert ">persistent<" not in figure(storm, ["proxy"])
    assert png(storm).startswith(b"\x89PNG")


def test_time_in_a_panel_is_in_generations_however_long_each_took() -> None:
    run = record()
    run.births += [0.0, 2.0, 4.0]
    run.deaths[:] = [2.0, 4.0, 24.0]
    at = [generation_at(run, seconds) for seconds in (0.0, 1.0, 3.0, 14.0, 24.0, 25.25, 99.0)]
    assert at == pytest.approx([0.0, 0.5, 1.5, 2.5, 3.0, 3.4, 3.8])


def test_shares_never_round_something_to_nothing() -> None:
    assert [words.share(part, 1000) for part in (0, 1, 10, 500, 996, 1000)] == [
        "0 %", "< 1 %", "1 %", "50 %", "> 99 %", "100 %"
    ]  # fmt: skip


def test_budgets_follow_from_what_is_free(storm: Storm) -> None:
    storm.budget = 12
    assert storm.places == 48
    assert storm.policy("proxy").budget == 12
    assert storm.policy("container").pool_size == 3
    assert storm.policy("proxy").transaction_idle_s == 0.5
    assert names("proxy, persistent,proxy") == ["proxy", "persistent"]
    with pytest.raises(ValueError, match="luck"):
        names("luck")
