"""A search as text, Markdown and page."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from auroral.bench.search.document import decode, encode
from auroral.bench.search.machine import Measured
from auroral.report import search_figures
from auroral.report.search import headline, markdown, outcome, text
from auroral.report.search_html import render
from tests.support.search_documents import MAKERS, document, measured

Golden = Callable[[str, str], None]


@pytest.mark.parametrize("name", MAKERS)
def test_the_summary(name: str, golden: Golden) -> None:
    golden(f"search-{name}.txt", text(MAKERS[name](), Path("results/search")))


@pytest.mark.parametrize("name", MAKERS)
def test_the_summary_fits_a_terminal(name: str) -> None:
    assert max(map(len, text(MAKERS[name](), None).splitlines())) <= 100


@pytest.mark.parametrize("name", ["found", "interrupted"])
def test_the_markdown(name: str, golden: Golden) -> None:
    golden(f"search-{name}.md", markdown(MAKERS[name]()))


@pytest.mark.parametrize("name", ["found", "below-least", "empty"])
def test_the_page(name: str, golden: Golden) -> None:
    golden(f"search-{name}.html", render(MAKERS[name]()))


@pytest.mark.parametrize("name", MAKERS)
def test_the_page_needs_nothing_else_and_no_text_becomes_markup(name: str) -> None:
    page = render(MAKERS[name]())
    assert not re.search(r"(src|href)=\"(?!#|data:|steps/)", page)
    assert "http" not in page.replace("http-equiv", "")
    assert "<b>order</b>" not in page
    assert "&lt;b&gt;order&lt;/b&gt;" in page


def test_the_same_document_gives_the_same_page() -> None:
    made = MAKERS["found"]()
    assert render(made) == render(decode(encode(made)))


def test_every_status_has_its_headline() -> None:
    assert headline(MAKERS["found"]()) == "229/s sustained"
    assert headline(MAKERS["above-most"]()) == "At least 40/s sustained"
    assert headline(MAKERS["below-least"]()) == "Not even 300/s sustained"
    assert headline(MAKERS["interrupted"]()) == "Interrupted: 10/s held so far"
    assert headline(MAKERS["failed"]()) == "Inconclusive: 10/s held so far"
    assert headline(MAKERS["empty"]()) == "No answer yet"
    made = MAKERS["found"]()
    assert made.answer is not None
    spent = msgspec.structs.replace(made.answer, status="budget-spent")
    assert headline(msgspec.structs.replace(made, answer=spent)) == "At least 229/s sustained (the budget is spent)"
    unsure = msgspec.structs.replace(spent, confirmed=False)
    assert headline(msgspec.structs.replace(made, answer=unsure)) == "Budget spent: 229/s held so far"
    nothing = msgspec.structs.replace(unsure, rate_per_s=None)
    assert headline(msgspec.structs.replace(made, answer=nothing)) == "Budget spent"


def test_what_did_not_complete_is_never_a_number() -> None:
    lost = measured(1, "bracket", 320)
    made = MAKERS["found"]()
    page = render(made)
    assert outcome(lost) == "lost, ended early"
    assert lost.quantiles_ms["p99"] is None
    drawing = search_figures.latency(made)
    assert drawing is not None
    assert "did not complete" in drawing.readout
    assert "None" not in page
    assert "nan" not in page.lower().replace("nano", "")


def test_the_knee_and_what_is_lost_are_marked_on_both_charts() -> None:
    made = MAKERS["found"]()
    for drawing in (search_figures.latency(made), search_figures.completed(made)):
        assert drawing is not None
        assert "sustained 229/s" in drawing.svg
        assert "lost: from 236/s" in drawing.svg
        assert {label for label, _, style in drawing.legend if style == "dots"} == {"held", "lost"}
    latency = search_figures.latency(made)
    assert latency is not None
    assert ("objective latency.p99<500ms", "red", "thin") in latency.legend


def test_a_rate_that_was_driven_several_times_is_one_point_of_the_step_that_weighs_most() -> None:
    made = MAKERS["found"]()
    drawing = search_figures.completed(made)
    assert drawing is not None
    assert drawing.readout.count("offered 236/s") == 1
    early = msgspec.structs.replace(measured(13, "bisect", 236, held=True), completed_per_s=99)
    later = document("s", [*(step.measured for step in made.steps), early], made.answer)
    again = search_figures.completed(later)
    assert again is not None
    assert again.readout == drawing.readout, "a confirming step weighs more than a later one"
    there = search_figures.at_answer(made)
    assert there is not None
    assert (there.step.number, there.step.kind) == (12, "confirm")


def test_without_steps_there_is_no_chart() -> None:
    made = MAKERS["empty"]()
    assert search_figures.latency(made) is None
    assert search_figures.completed(made) is None
    assert search_figures.at_answer(made) is None


def test_the_dots_are_on_the_quantile_that_the_objective_bounds() -> None:
    made = MAKERS["found"]()
    settings = msgspec.structs.replace(made.settings, slo=("completed.rate>=1/s", "latency.p50<300ms"))
    drawing = search_figures.latency(msgspec.structs.replace(made, settings=settings))
    assert drawing is not None
    first: Measured = made.steps[0].measured
    assert first.quantiles_ms["p50"] is not None
    assert '["held","green",["40.2 ms"' in drawing.readout


def test_what_a_chart_says_of_the_bracket_is_the_answer_not_what_one_step_showed() -> None:
    """Here 269/s was lost by chance, then held."""
    made = MAKERS["found"]()
    assert made.answer is not None
    answer = msgspec.structs.replace(made.answer, held_per_s=269, rate_per_s=269, lost_per_s=320)
    changed = search_figures.completed(msgspec.structs.replace(made, answer=answer))
    assert changed is not None
    assert "The largest rate that held is 269/s, the smallest that was lost 320/s" in changed.svg
