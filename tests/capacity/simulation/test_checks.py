"""Assertions against outcomes that are made by hand: limits, margins, moments."""

from __future__ import annotations

from array import array
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.capacity.simulation.checks import _merge, _overlaps, _without, excused_stretches, judge
from auroral.capacity.simulation.fleet import Fleet, Late
from auroral.capacity.simulation.outcome import Interval, Outcome, Series, Shortage, Totals, Violation, Wait
from auroral.capacity.simulation.result import Check
from auroral.capacity.simulation.scenario import Event, Limits, Scenario
from tests.support.scenarios import scenario

SECONDS = 600
CUT = Event(at_s=100.0, do="cut")


def outcome(**changes: Any) -> Outcome:
    """Everything went well, with changes."""
    names = [name for name in Series.__struct_fields__ if not name.endswith("by_service")]
    columns: dict[str, Any] = {name: array("I", [0] * SECONDS) for name in names}
    columns["bucket_least"] = array("I", [1000] * SECONDS)
    usual: dict[str, Any] = {
        "seed": 1,
        "until_s": float(SECONDS),
        "series": Series(**columns, open_by_service={}, attempts_by_service={}),
        "totals": Totals(least_bucket=1000),
        "longest_wait": None,
        "violations": [],
        "warmups": [],
        "full": [Interval(from_s=0.0, until_s=float(SECONDS))],
        "shortages": [],
        "skipped_wait_bound": 0.0,
    }
    return Outcome(**{**usual, **changes})


def checks(chosen: Scenario, made: Outcome, whole: list[tuple[float, bool]] | None = None) -> dict[str, Check]:
    fleet = Fleet(chosen, 1)
    fleet.whole = whole or [(0.0, True)]
    return {one.name: one for one in judge(chosen, made, fleet)}


def test_all_is_well() -> None:
    found = checks(scenario(CUT), outcome())
    assert list(found) == ["refused", "converged-1", "longest-wait", "short", "most-connections"]
    assert all(one.passed for one in found.values())
    assert found["refused"].margin == 1.0
    assert found["converged-1"].observed == 0.0


def test_refusals_count_and_their_margin_is_what_the_bucket_had() -> None:
    near = checks(scenario(CUT), outcome(totals=Totals(least_bucket=250)))["refused"]
    assert (near.passed, near.margin, near.detail) == (True, 0.25, "its bucket held 250 of 1,000 at least")
    violation = Violation(kind="refused-cap", at_s=7.5, process="history/1", detail="", before=[], after=[])
    made = outcome(totals=Totals(refused_rate=2, refused_cap=3), violations=[violation])
    bad = checks(scenario(CUT), made)["refused"]
    assert (bad.passed, bad.observed, bad.margin, bad.at_s) == (False, 5, -5.0, 7.5)
    assert bad.detail == "2 by its rate (53400), 3 by its cap (53300)"
    allowed = checks(scenario(CUT, limits=Limits(refused=5)), made)["refused"]
    assert (allowed.passed, allowed.text) == (True, "DSQL refuses at most 5 connections")


def test_convergence_needs_full_pools_and_a_whole_fleet() -> None:
    full = [Interval(from_s=0.0, until_s=100.0), Interval(from_s=130.0, until_s=600.0)]
    whole = [(0.0, True), (100.0, False), (160.0, True)]
    limits = Limits(converged_within_s=120.0)
    found = checks(scenario(CUT, limits=limits), outcome(full=full), whole)["converged-1"]
    assert (found.observed, found.margin, found.at_s, found.passed) == (60.0, 0.5, 160.0, True)
    alone = checks(scenario(CUT, limits=limits), outcome(full=full))["converged-1"]
    assert alone.observed == 30.0


def test_convergence_that_comes_late_or_never() -> None:
    limits = Limits(converged_within_s=120.0)
    chosen = scenario(CUT, limits=limits)
    late = [Interval(from_s=0.0, until_s=100.0), Interval(from_s=280.0, until_s=600.0)]
    fleet = Fleet(chosen, 1)
    fleet.whole, fleet.lates = [(0.0, True)], {0: Late(at_s=220.0, missing=("history/1 has 3 of 10 connections",))}
    found = judge(chosen, outcome(full=late), fleet)[1]
    assert (found.passed, found.observed, found.margin, found.at_s) == (False, 180.0, -0.5, 220.0)
    assert found.detail == "history/1 has 3 of 10 connections"
    never = checks(chosen, outcome(full=late[:1]))["converged-1"]
    assert (never.passed, never.observed, never.at_s) == (False, None, 220.0)
    assert never.margin < 0


def test_an_outage_is_over_when_its_door_opens() -> None:
    event = Event(at_s=100.0, do="refuse-connects", for_s=50.0, within_s=40.0)
    full = [Interval(from_s=0.0, until_s=110.0), Interval(from_s=160.0, until_s=600.0)]
    found = checks(scenario(event), outcome(full=full))["converged-1"]
    assert (found.observed, found.limit) == (10.0, 40.0)
    assert found.text == "DSQL refuses: every task serves with a full pool within 40 s of its end"


def test_a_wait() -> None:
    made = outcome(longest_wait=Wait(wait_s=0.75, began_s=33.0, process="worker/0"))
    found = checks(scenario(CUT), made)["longest-wait"]
    assert (found.passed, found.margin, found.at_s, found.detail) == (True, 0.25, 33.0, "at worker/0")
    strict = checks(scenario(CUT, limits=Limits(longest_wait_s=0.5)), made)["longest-wait"]
    assert (strict.passed, strict.margin) == (False, -0.5)


def test_pools_may_be_short_while_an_event_has_time_and_never_else() -> None:
    def short(from_s: float, until_s: float, process: str = "history/0") -> Shortage:
        return Shortage(process=process, from_s=from_s, until_s=until_s, least=4, target=10)

    chosen = scenario(CUT, limits=Limits(converged_within_s=100.0))
    assert checks(chosen, outcome(shortages=[short(100.0, 199.0)]))["short"].passed
    made = outcome(shortages=[short(150.0, 205.0), short(190.0, 210.0, "history/1"), short(300.0, 301.0)])
    found = checks(chosen, made)["short"]
    assert (found.passed, found.observed, found.at_s) == (False, 11.0, 200.0)
    assert found.detail == "history/0 had 4 of 10"
    assert found.margin == -11.0


@pytest.mark.parametrize("do", ["load", "counter-fails", "refuse-connects", "expire", "scale"])
def test_what_closes_no_connection_excuses_nothing(do: Any) -> None:
    assert excused_stretches(scenario(Event(at_s=100.0, do=do, for_s=10.0))) == []


def test_excuses_of_events_that_overlap() -> None:
    chosen = scenario(CUT, Event(at_s=150.0, do="kill", within_s=20.0), limits=Limits(converged_within_s=60.0))
    assert excused_stretches(chosen) == [(100.0, 170.0)]


def test_a_cap_of_ones_own() -> None:
    made = outcome(totals=Totals(least_bucket=1000, most_open=80))
    found = checks(scenario(CUT, limits=Limits(most_connections=100)), made)["most-connections"]
    assert (found.passed, found.margin) == (True, pytest.approx(0.2))


stretches = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 20)).map(lambda pair: (float(pair[0]), float(sum(pair)))), max_size=6
)


def seconds(parts: list[tuple[float, float]]) -> set[int]:
    return {second for start, end in parts for second in range(int(start), int(end))}


@given(stretches, stretches)
def test_stretches_are_sets_of_seconds(first: list[tuple[float, float]], second: list[tuple[float, float]]) -> None:
    one, two = _merge(first), _merge(second)
    assert seconds(one) == seconds(first)
    assert all(a[1] < b[0] for a, b in pairwise(one))
    assert seconds(_overlaps(one, two)) == seconds(one) & seconds(two)
    assert seconds([part for stretch in one for part in _without(stretch, two)]) == seconds(one) - seconds(two)
