import re
from xml.etree import ElementTree

import pytest

from outlive.storm.record import Record
from outlive.storm.report import Fact, page
from outlive.storm.report.charts import _step
from outlive.storm.summary import sentences

from .pictured import record


def test_a_page_shows_each_run_and_needs_nothing_else() -> None:
    runs = [record("direct"), record("through <Outlive>", budget=20)]
    text = page("Title & more", ["Lead <b>"], runs, [Fact("How", "so & so")])
    drawings = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(drawings) == 6
    for drawing in drawings:
        ElementTree.fromstring(drawing)
    assert "through &lt;Outlive&gt;" in text
    assert "through <Outlive>" not in text
    assert "Title &amp; more" in text
    assert "Lead &lt;b&gt;" in text
    assert "max_connections of the database: 50" in text
    assert "budget of Outlive: 20" in text
    assert text.count("generation 1: 5 answered") == text.count("generation 3: 5 refused") == 2
    assert not re.search(r"https?:|url\(|<script|src=", text)


def test_marks_stay_inside_their_chart() -> None:
    text = page("t", [], [record()], [])
    for x, y in re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', text):
        assert 0 <= float(x) <= 620
        assert 0 <= float(y) <= 280


def test_a_run_without_anything_has_a_page() -> None:
    empty = Record("direct", 50, None, 1)
    assert page("t", sentences(empty, empty), [empty], [])


@pytest.mark.parametrize("end", [1, 5, 7, 20, 50, 99, 120, 500, 5000])
def test_an_axis_has_few_round_steps(end: int) -> None:
    assert 1 <= end // _step(end) <= 6
    assert re.fullmatch("[125]0*", str(_step(end)))


def test_sentences_say_what_the_figures_say() -> None:
    direct, through = sentences(record(), record(budget=20))
    assert direct.startswith("Direct, 5 of 15 requests were refused: of at most 50 connections 40 belonged to dead")
    assert through.startswith("Through Outlive, 5 of 15 requests were refused: the database never counted more than 49")
    assert "(its budget: 20), and 40 was left" in through
