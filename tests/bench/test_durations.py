from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auroral.bench.durations import (
    Duration,
    Exponential,
    LogNormal,
    Normal,
    Uniform,
    is_zero,
    mean,
    quantile,
    sample,
)

seconds = st.floats(0.001, 1000)
durations = st.one_of(
    seconds,
    st.builds(lambda low, width: Uniform(min_s=low, max_s=low + width), seconds, seconds),
    st.builds(lambda mean_s, cap: Exponential(mean_s=mean_s, max_s=cap), seconds, st.none() | seconds),
    st.builds(
        lambda median_s, ratio: LogNormal(median_s=median_s, p99_s=median_s * ratio), seconds, st.floats(1.0, 20)
    ),
    st.builds(lambda mean_s, ratio: Normal(mean_s=mean_s, stddev_s=mean_s * ratio), seconds, st.floats(0, 3)),
)

EXAMPLES: list[Duration] = [
    0.25,
    Uniform(min_s=0.1, max_s=0.6),
    Exponential(mean_s=0.2),
    Exponential(mean_s=0.2, max_s=0.5),
    LogNormal(median_s=0.2, p99_s=1.0),
    Normal(mean_s=1.0, stddev_s=0.2),
    Normal(mean_s=0.1, stddev_s=0.2),
]


@given(durations, st.integers())
def test_a_seed_decides_the_draw_and_it_is_never_negative(duration: Duration, seed: int) -> None:
    drawn_s = sample(duration, Random(seed))
    assert drawn_s == sample(duration, Random(seed))
    assert drawn_s >= 0
    assert math.isfinite(drawn_s)


@given(durations, st.floats(0.001, 0.999), st.floats(0.001, 0.999))
def test_quantiles_rise(duration: Duration, a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert 0 <= quantile(duration, low) <= quantile(duration, high)


@pytest.mark.parametrize("duration", EXAMPLES, ids=repr)
def test_mean_and_quantiles_are_those_of_the_draws(duration: Duration) -> None:
    random = Random(7)
    drawn = sorted(sample(duration, random) for _ in range(40_000))
    assert sum(drawn) / len(drawn) == pytest.approx(mean(duration), rel=0.03)
    for q in (0.1, 0.5, 0.9, 0.99):
        assert drawn[round(q * len(drawn))] == pytest.approx(quantile(duration, q), rel=0.1, abs=0.002)


@settings(max_examples=30)
@given(seconds, seconds, st.integers())
def test_bounds_hold(low: float, width: float, seed: int) -> None:
    random = Random(seed)
    for _ in range(50):
        assert low <= sample(Uniform(min_s=low, max_s=low + width), random) <= low + width
        assert sample(Exponential(mean_s=low, max_s=width), random) <= width


def test_what_is_zero() -> None:
    assert is_zero(0.0)
    assert is_zero(Uniform(min_s=0, max_s=0))
    assert not any(is_zero(duration) for duration in EXAMPLES)
