"""Simulated time and random streams."""

from __future__ import annotations

import statistics

import pytest

from auroral.capacity.simulation.clock import Clock, rest, sampler, stream
from auroral.capacity.simulation.spec import NANOS, Exponential, Lognormal


def test_calls_of_one_moment_keep_their_order_and_the_past_is_now() -> None:
    clock, made = Clock(), []
    clock.now = 5
    for time, name in ((7, "b"), (6, "a"), (7, "c"), (1, "late")):
        clock.at(time, made.append, name)
    while clock.heap:
        at, _, call, argument = min(clock.heap)
        clock.heap.remove((at, _, call, argument))
        call(f"{argument}@{at}")
    assert made == ["late@5", "a@6", "b@7", "c@7"]


def test_a_stream_depends_on_its_names_alone() -> None:
    first = stream(1, "history/0", "pool")
    assert first.random() == stream(1, "history/0", "pool").random()
    assert len({stream(*names).random() for names in ((1, "a"), (1, "b"), (2, "a"))}) == 3


def test_a_lognormal_has_the_median_and_the_99th_percentile_it_was_given() -> None:
    draw = sampler(stream("test"), Lognormal(median_s=0.06, p99_s=0.25))
    drawn = sorted(draw() / NANOS for _ in range(40_000))
    assert drawn[20_000] == pytest.approx(0.06, rel=0.03)
    assert drawn[39_600] == pytest.approx(0.25, rel=0.1)
    assert statistics.fmean(drawn) == pytest.approx(Lognormal(median_s=0.06, p99_s=0.25).mean_s, rel=0.03)


def test_equal_quantiles_are_a_constant() -> None:
    assert {sampler(stream("test"), Lognormal(median_s=0.06, p99_s=0.06))() for _ in range(9)} == {60_000_000}


@pytest.mark.parametrize(
    "hold", [Exponential(mean_s=2), Lognormal(median_s=1, p99_s=6), Lognormal(median_s=2, p99_s=2)]
)
def test_the_rest_of_a_hold_is_that_of_renewal_theory(hold: Exponential | Lognormal) -> None:
    """Mean rest = E[S²] / 2 E[S], estimated from the holds themselves."""
    draw, chance = sampler(stream("holds"), hold), stream("rests")
    holds = [draw() / NANOS for _ in range(60_000)]
    expected = statistics.fmean(one * one for one in holds) / statistics.fmean(holds) / 2
    assert statistics.fmean(rest(chance, hold) / NANOS for _ in range(60_000)) == pytest.approx(expected, rel=0.06)
