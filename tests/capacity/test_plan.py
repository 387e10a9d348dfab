from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auroral.bench.workload import builtin
from auroral.capacity.calibrate import calibrate
from auroral.capacity.document import Plan, encode
from auroral.capacity.figures import Figure
from auroral.capacity.layout import Options
from auroral.capacity.plan import Request, plan
from auroral.capacity.presets import presets
from auroral.capacity.prices import packaged_prices
from tests.capacity.test_calibrate import BASE, result
from tests.support.plans import of_preset, of_rate

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", presets().names)
def test_the_plans_of_the_presets_are_as_stored(name: str) -> None:
    """`AURORAL_UPDATE_GOLDEN=1` writes them instead; read the difference."""
    path, data = GOLDEN / f"plan-{name}.json", encode(of_preset(name))
    if os.environ.get("AURORAL_UPDATE_GOLDEN") == "1":
        path.write_bytes(data)
    assert data == path.read_bytes(), f"differs from {path.name}: AURORAL_UPDATE_GOLDEN=1 renews it"


def test_a_presets_rate_gives_the_preset() -> None:
    named, rated = of_preset("150wps"), of_rate(150)
    same = ("services", "shards", "pools", "fleet", "dsql", "cost", "notes")
    assert [getattr(named, part) for part in same] == [getattr(rated, part) for part in same]


def figures(node: Any) -> list[Figure]:
    if isinstance(node, Figure):
        return [node]
    if isinstance(node, list):
        return [figure for each in node for figure in figures(each)]
    if isinstance(node, msgspec.Struct):
        return [figure for name in node.__struct_fields__ for figure in figures(getattr(node, name))]
    return []


@pytest.mark.parametrize("made", [of_preset("400wps"), of_rate(223.5), of_rate(600), of_rate(7, workload="child")])
def test_every_number_says_what_it_rests_on(made: Plan) -> None:
    found = figures(made)
    assert len(found) > 80
    assert all(figure.source and figure.unit for figure in found)


def test_an_impossible_request_says_the_limit_the_excess_and_the_largest_rate() -> None:
    made = of_rate(600)
    assert [one.limit for one in made.violations] == ["connections-autoscaled"]
    assert made.largest_rate_per_s is not None
    largest = float(made.largest_rate_per_s.value)
    assert 400 <= largest < 600
    assert of_rate(largest).feasible
    assert not of_rate(largest + 1).feasible


def test_smaller_pools_or_a_raised_limit_carry_more() -> None:
    from auroral.capacity.budget import Allowance

    assert of_rate(600, pools={"history": 150, "matching": 75}).feasible
    assert of_rate(600, allowance=Allowance(connections=20_000)).feasible


def test_no_rate_at_all() -> None:
    made = of_rate(150, pools={"history": 9_000})
    assert made.largest_rate_per_s is None
    assert not made.feasible


def test_two_results_on_the_150_preset_give_a_plan_for_300_that_says_so() -> None:
    workload = builtin("state-transitions")
    found = calibrate([("a", result(80)), ("b", result(160))], workload=workload, base=BASE)
    request = Request(
        workload=workload,
        rate_per_s=300.0,
        calibration=found,
        options=Options(anchors=(found.anchor,), beyond_words="from your measurements (b)"),
    )
    made = plan(request, presets(), packaged_prices())
    assert [one.replicas.value for one in made.services[:4]] == [15, 12, 8, 4]
    assert made.basis == "extrapolated"
    assert made.source == "from your measurements (b) at 300/s"
    assert made.calibration is not None
    assert made.calibration.used == [
        "a: passed at 80/s offered, 80/s completed",
        "b: passed at 160/s offered, 160/s completed",
    ]
    at_160 = plan(msgspec.structs.replace(request, rate_per_s=160.0), presets(), packaged_prices())
    assert at_160.basis == "measured"
    assert at_160.service("history").replicas.value == 8


@given(st.floats(0.01, 440), st.sampled_from(["simple", "child", "state-transitions", "timer"]))
@settings(max_examples=25, deadline=None)
def test_any_rate_within_the_measured_ones_has_a_plan_that_keeps_every_limit(rate_per_s: float, name: str) -> None:
    made = of_rate(rate_per_s, workload=name)
    assert made.feasible
    assert all(one.passed for one in made.dsql.sums)
