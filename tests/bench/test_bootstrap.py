"""Blocks against counting by hand, spreads against theory, tails against tables."""

from __future__ import annotations

import math
from random import Random
from statistics import fmean, pvariance

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.bench.bootstrap import (
    MIN_BLOCK_S,
    Blocks,
    Pool,
    Replicates,
    RunSeconds,
    block_length,
    holm,
    odds,
    replicate,
    t_quantile,
    t_two_sided,
)


def run_of(latencies: list[list[int]], lost: int = 0) -> RunSeconds:
    completed = [len(values) for values in latencies]
    return RunSeconds(
        latencies=[sorted(values) for values in latencies],
        counts={"intended": [count + lost for count in completed], "completed": completed},
    )


seconds = st.lists(st.lists(st.integers(1, 50), min_size=1, max_size=5), min_size=4, max_size=12)


@given(seconds, st.integers(1, 4), st.integers(0, 3), st.sampled_from([0.5, 0.95, 0.99]), st.integers(0, 1000))
def test_a_quantile_of_drawn_blocks_is_that_of_their_seconds(
    latencies: list[list[int]], block_s: int, lost: int, share: float, seed: int
) -> None:
    pool = Pool([run_of(latencies, lost)], block_s)
    starts = pool.blocks[0].draw(Random(seed))
    drawn = [latencies[(start + offset) % len(latencies)] for start in starts for offset in range(block_s)]
    everything = sorted([*(value for values in drawn for value in values), *[math.inf] * lost * len(drawn)])
    rank = max(1, math.ceil(round(share * len(everything), 6)))
    assert pool.quantile(share, [(pool.blocks[0], starts)]) == everything[rank - 1]


def test_runs_are_pooled_by_their_starts_not_by_their_quantiles() -> None:
    pool = Pool([run_of([[1] * 9] * 4), run_of([[100]] * 4)], 1)
    assert pool.quantile(0.5, pool.whole) == 1
    assert pool.quantile(0.95, pool.whole) == 100
    assert pool.per_second("completed", pool.whole) == 5


def test_what_did_not_complete_is_later_than_everything() -> None:
    pool = Pool([run_of([[1, 2], [3, 4]], lost=1)], 1)
    assert pool.quantile(0.5, pool.whole) == 3
    assert pool.quantile(0.95, pool.whole) == math.inf
    assert pool.share("completed", pool.whole) == pytest.approx(4 / 6)


def test_every_second_is_drawn_as_often_as_any_other() -> None:
    blocks = Blocks(run_of([[1]] * 10), 3)
    rng, times = Random(1), [0] * 10
    for _ in range(5000):
        for start in blocks.draw(rng):
            for offset in range(3):
                times[(start + offset) % 10] += 1
    assert max(times) / min(times) < 1.08


def autoregression(memory: float, length: int, seed: int) -> list[float]:
    rng, value, values = Random(seed), 0.0, []
    for _ in range(length):
        value = memory * value + rng.gauss(0, 1)
        values.append(value)
    return values


def test_blocks_are_as_long_as_seconds_remember() -> None:
    means = [fmean(block_length(autoregression(memory, 600, seed)) for seed in range(20)) for memory in (0, 0.6, 0.9)]
    assert means[0] < 8 < means[1] < means[2] <= 60
    assert block_length([5.0] * 300) == MIN_BLOCK_S
    assert block_length([float(second) for second in range(100)]) <= 10


def spread_of(values: list[list[float]], blocks: int = 60) -> list[Replicates]:
    """Sides of runs whose own noise has a standard deviation of 1."""
    rng = Random(7)
    made = []
    for estimates in values:
        runs = len(estimates)
        mean = fmean(estimates)
        within = [mean + rng.gauss(0, 1 / math.sqrt(runs)) for _ in range(2000)]
        made.append(replicate(estimates, within, mean, blocks=blocks, rng=rng))
    return made


def test_runs_that_differ_by_more_than_their_noise_widen_the_spread() -> None:
    alike, apart = spread_of([[0.0, 0.5, -0.5], [0.0, 10.0, -10.0]])
    assert alike.variance == pytest.approx(1 / 3, rel=0.15)
    assert apart.variance == pytest.approx(100 / 3, rel=0.05)
    assert pvariance(apart.values) == pytest.approx(100 / 3, rel=0.15)
    assert apart.freedom < 2.2
    assert alike.freedom > 50


def test_a_difference_is_judged_by_both_sides_spread() -> None:
    a, near, far = spread_of([[0.0], [2.0], [8.0]])
    assert odds(a, near, confidence=0.95).p > 0.1
    found = odds(a, far, confidence=0.95)
    assert found.p < 0.002
    assert found.low == pytest.approx(8 - 2.8, abs=0.6)
    assert found.high == pytest.approx(8 + 2.8, abs=0.6)


def test_what_never_completed_differs_from_what_did_and_not_from_itself() -> None:
    lost = Replicates(estimate=math.inf, values=[math.inf] * 999, variance=None, freedom=9)
    (seen,) = spread_of([[0.0]])
    seen = Replicates(estimate=0.0, values=seen.values[:999], variance=seen.variance, freedom=seen.freedom)
    assert odds(seen, lost, confidence=0.95).p == 0.002
    assert odds(seen, lost, confidence=0.95).low == math.inf
    assert odds(lost, lost, confidence=0.95).p == 1.0


def test_equal_sides_without_any_spread_do_not_differ() -> None:
    same = Replicates(estimate=1.0, values=[1.0] * 999, variance=0.0, freedom=9)
    assert odds(same, same, confidence=0.95).p == 1.0


def test_holm_by_hand() -> None:
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize(
    ("freedom", "at_95", "at_99"),
    [(3, 3.182, 5.841), (5, 2.571, 4.032), (10, 2.228, 3.169), (30, 2.042, 2.750), (1000, 1.962, 2.581)],
)
def test_students_t_against_the_table(freedom: int, at_95: float, at_99: float) -> None:
    assert t_two_sided(at_95, freedom) == pytest.approx(0.05, abs=0.002)
    assert t_two_sided(-at_99, freedom) == pytest.approx(0.01, abs=0.002)
    assert t_quantile(0.975, freedom) == pytest.approx(at_95, rel=0.02)
