"""Simulations as text: pinned by golden files."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from auroral.capacity.simulation.catalogue import ORDER, builtin
from auroral.report.simulation_text import WIDTH, clock, listing, margin, observed, summary
from tests.support.simulation_results import MAKERS, held, many, violated

Golden = Callable[[str, str], None]


@pytest.mark.parametrize("name", MAKERS)
def test_a_summary(name: str, golden: Golden) -> None:
    text = summary([MAKERS[name]()])
    assert max(map(len, text.splitlines())) <= WIDTH
    golden(f"simulation-{name}.txt", text)


def test_several_end_with_a_table() -> None:
    table = summary([held(), violated(), many()]).split("\n\n")[-1].splitlines()
    assert table == [
        "scenario  verdict    seeds  failed  least margin",
        "all-cut   pass           1       0           30%",
        "all-cut   FAIL           1       1      exceeded",
        "all-cut   pass          40       0           30%",
    ]


def test_the_list_has_a_sentence_for_each() -> None:
    text = listing([builtin(name) for name in ORDER])
    lines = text.splitlines()
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == list(ORDER)
    assert max(map(len, lines)) <= WIDTH


@pytest.mark.parametrize(
    ("at_s", "text"), [(0.0, "0:00.000"), (5.9996, "0:06.000"), (310.031, "5:10.031"), (3661.5, "1:01:01.500")]
)
def test_times_to_the_millisecond(at_s: float, text: str) -> None:
    assert clock(at_s) == text


def test_values_have_units() -> None:
    assert (observed(None, "s"), observed(0.25, "s"), observed(12345, "")) == ("never", "250 ms", "12,345")


def test_margins_are_words() -> None:
    refused, converged = violated().worst[:2]
    assert (margin(refused), margin(converged)) == ("exceeded", "exceeded")
    refused, converged = held().worst[:2]
    assert (margin(refused), margin(converged)) == ("30% of DSQL's burst left", "66% left")
