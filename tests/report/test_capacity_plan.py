from __future__ import annotations

from collections.abc import Callable

import pytest

from auroral.capacity.presets import presets
from auroral.report.capacity_plan import LETTERS, WIDTH, text
from tests.support.plans import of_preset, of_rate


@pytest.mark.parametrize("name", presets().names)
def test_the_plans_of_the_presets_are_as_stored(name: str, golden: Callable[[str, str], None]) -> None:
    golden(f"plan-{name}.txt", text(of_preset(name)))


def test_an_explained_plan_is_as_stored(golden: Callable[[str, str], None]) -> None:
    golden("plan-150wps-explained.txt", text(of_preset("150wps"), explain=True))


def test_the_answer_is_in_the_first_lines() -> None:
    """Load, connections, cost and every service, within a terminal of 24 lines."""
    first = "\n".join(text(of_preset("150wps")).splitlines()[:22])
    for one in (
        "keeps every limit",
        "1,242 of 10,000 connections",
        "98.8 of 100 connects/s",
        "US dollars",
        "collector",
    ):
        assert one in first


def test_what_explains_is_printed_when_asked_for() -> None:
    plan = of_preset("400wps")
    brief, full = text(plan), text(plan, explain=True)
    for title in ("Taken for granted", "Where the numbers come from", "reckoned with", "connections planned:"):
        assert title not in brief
        assert title in full
    assert len(brief.splitlines()) < 90
    assert all(note[:40] in brief for note in plan.notes)


def test_a_sum_that_lacks_a_price_is_the_least_it_can_be() -> None:
    assert "at least 11," in text(of_preset("150wps"))
    assert of_preset("150wps").cost.unpriced


def test_an_impossible_plan_is_as_stored(golden: Callable[[str, str], None]) -> None:
    golden("plan-impossible.txt", text(of_rate(600)))


@pytest.mark.parametrize(
    "plan", [of_preset("400wps"), of_rate(600), of_rate(33, workload="child", distributed=True), of_rate(0.01)]
)
def test_lines_fit_in_a_terminal(plan: object) -> None:
    lines = text(plan).splitlines()  # type: ignore[arg-type]
    assert [line for line in lines if len(line) > WIDTH] == []
    assert not any(line != line.rstrip() for line in lines)


def test_the_verdict_comes_first() -> None:
    assert text(of_preset("150wps")).startswith("150/s state-transitions: this plan keeps every limit, and is measured")
    broken = text(of_rate(600))
    assert "this plan IS OVER A LIMIT" in broken.splitlines()[0]
    assert "= 13,180 of 10,000" in broken
    assert "the largest rate that keeps them, with the same options: 450 =/s" in broken


def test_no_rate_at_all_is_said() -> None:
    assert "no rate keeps them with these options" in text(of_rate(150, pools={"history": 9_000}))


def test_every_number_of_the_services_has_a_letter() -> None:
    block = text(of_rate(223)).split("Services\n")[1].split("\n\n")[0]
    row = next(line for line in block.splitlines() if line.strip().startswith("history"))
    cells = row.split()
    assert sum(cell[-1] in LETTERS.values() for cell in cells) == 9
    assert row.split()[2] == "I"


def test_a_shared_counter_and_another_workload_are_told() -> None:
    found = text(of_rate(33, workload="child", distributed=True))
    assert "shared counter" in found
    assert "weighs" in found
