"""Strategies for hypothesis: valid workloads of every kind."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from auroral.bench.durations import Exponential, LogNormal, Normal, Uniform
from auroral.bench.steps import (
    Activity,
    Child,
    ContinueAsNew,
    Query,
    Signal,
    Timer,
    Update,
    Workload,
    validate,
)

counts = st.integers(1, 50)
delays = st.floats(0, 100)
durations = st.one_of(
    delays,
    st.builds(lambda low, width: Uniform(min_s=low, max_s=low + width), delays, delays),
    st.builds(lambda mean_s, cap: Exponential(mean_s=mean_s, max_s=cap), delays, st.none() | delays),
    st.builds(
        lambda median, ratio: LogNormal(median_s=median, p99_s=median * ratio), st.floats(0.1, 9), st.floats(1, 9)
    ),
    st.builds(lambda mean_s, stddev_s: Normal(mean_s=mean_s, stddev_s=stddev_s), delays, delays),
)
modes = st.sampled_from(["sequence", "parallel"])
activities = st.builds(
    Activity,
    count=counts,
    mode=modes,
    duration_s=durations,
    payload_bytes=st.integers(0, 50_000),
    result_bytes=st.integers(0, 2_000_000),
    failure_rate=st.floats(0, 0.9),
    local=st.booleans(),
    max_attempts=st.integers(0, 1000),
    retry_interval_s=st.floats(0.001, 100),
)
timers = st.builds(Timer, duration_s=durations)
nested: st.SearchStrategy[Any] = st.recursive(
    activities | timers,
    lambda inner: st.builds(Child, count=st.integers(1, 3), mode=modes, steps=st.lists(inner, max_size=3).map(tuple)),
    max_leaves=6,
).filter(lambda step: validate(Workload(name="x", steps=(step,))) == [])
interactive = st.one_of(
    st.builds(Signal, count=counts, after_s=delays, every_s=delays, payload_bytes=st.integers(0, 1000)),
    st.builds(Update, count=counts, after_s=delays, every_s=delays, payload_bytes=st.integers(0, 1000)),
    st.builds(Query, count=counts, after_s=delays, every_s=delays),
)


@st.composite
def workloads(draw: st.DrawFn) -> Workload:
    """A workload of a few steps, children up to some levels deep."""
    steps = draw(st.lists(nested | interactive, max_size=5))
    ends = draw(st.lists(st.builds(ContinueAsNew, times=counts), max_size=1))
    return Workload(
        name=draw(st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=100)),
        steps=(*steps, *ends),
    )
