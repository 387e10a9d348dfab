"""Simulations as a page: pinned by golden files, and nothing of a scenario's text becomes markup."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec
import pytest

from auroral.report.simulation_html import render
from tests.support.simulation_results import MAKERS, day, held, quiet, violated

Golden = Callable[[str, str], None]


@pytest.mark.parametrize("name", ["held", "violated"])
def test_a_page(name: str, golden: Golden) -> None:
    golden(f"simulation-{name}.html", render([MAKERS[name]()]))


@pytest.mark.parametrize("name", MAKERS)
def test_it_needs_nothing_else(name: str) -> None:
    page = render([MAKERS[name]()])
    assert not re.search(r"(src|href)=\"(?!#|data:)", page)
    assert "http" not in page.replace("http-equiv", "")
    assert "<under load>" not in page
    assert "&lt;under load&gt;" in page


def test_the_first_violation_and_what_was_around_it() -> None:
    page = render([violated()])
    assert "Violated" in page
    assert "at 1:40.386" in page
    assert "→ history/4 refused-rate &lt;53400&gt;" in page
    assert "first violation" in page
    assert "The first violation" not in render([held()])


def test_several_scenarios_have_charts_of_their_own() -> None:
    page = render([held(), quiet(), day()])
    identifiers = re.findall(r' id="([^"]+)"', page)
    assert len(identifiers) == len(set(identifiers))
    assert {"all-cut-connects", "dsql-refuses-open", "day-waits"} <= set(re.findall(r'data-chart="([^"]+)"', page))
    assert "All 3 held" in page
    assert "1 of 2 violated" in render([quiet(), violated()])


def test_what_was_interrupted_says_so() -> None:
    assert "(interrupted)" in render([MAKERS["many"]()])


def test_only_the_first_moments_are_listed() -> None:
    page = render([quiet()])
    assert page.count("<td>m</td>") == 400
    assert "The first 400 of 500" in page


def test_a_page_of_a_day_stays_small() -> None:
    assert len(render([day()])) < 600_000


def test_a_page_of_nothing() -> None:
    with pytest.raises(ValueError, match="at least one"):
        render([])


def test_the_same_document_gives_the_same_page() -> None:
    made = held()
    assert render([made]) == render([msgspec.json.decode(msgspec.json.encode(made), type=type(made))])
