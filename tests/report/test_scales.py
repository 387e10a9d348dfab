from __future__ import annotations

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from auroral.report import scales

positive = st.floats(min_value=1e-3, max_value=1e9)
values = st.lists(st.none() | st.floats(min_value=0, max_value=1e9) | st.just(math.nan), max_size=3000)


def rising(ticks: list[float]) -> bool:
    return all(first < second for first, second in pairwise(ticks))


@given(positive)
def test_linear_ticks_rise_from_zero_and_hold_the_value(high: float) -> None:
    ticks = scales.nice_ticks(high)
    assert ticks[0] == 0
    assert ticks[-1] >= high * (1 - 1e-9)
    assert ticks[-2] < high
    assert rising(ticks)
    assert 2 <= len(ticks) <= 7


def test_linear_ticks_are_ones_a_reader_expects() -> None:
    assert scales.nice_ticks(102) == [0, 25, 50, 75, 100, 125]
    assert scales.nice_ticks(0.3) == [0, 0.1, 0.2, 0.3]
    assert scales.nice_ticks(0) == scales.nice_ticks(5e-324) == [0, 1]
    assert scales.nice_ticks(math.nan) == [0, 1]


@given(positive, positive)
def test_logarithmic_ticks_rise_inside_bounds_that_hold_both_ends(one: float, other: float) -> None:
    low, high = sorted((one, other))
    start, end = scales.log_bounds(low, high)
    assert start <= low * (1 + 1e-9)
    assert end >= high * (1 - 1e-9)
    ticks = scales.log_ticks(start, end)
    assert rising(ticks)
    assert 1 <= len(ticks) <= 8
    assert all(start * (1 - 1e-9) <= tick <= end * (1 + 1e-9) for tick in ticks)


def test_logarithmic_ticks_are_ones_a_reader_expects() -> None:
    assert scales.log_bounds(42, 1599) == (20, 2000)
    assert scales.log_ticks(20, 2000) == [20, 50, 100, 200, 500, 1000, 2000]
    assert scales.log_ticks(0.05, 50_000) == [0.1, 1, 10, 100, 1000, 10_000]


@given(st.floats(min_value=0.1, max_value=1e7))
def test_time_ticks_rise_from_zero_within_the_axis(end_s: float) -> None:
    ticks = scales.time_ticks(end_s)
    assert ticks[0] == 0
    assert ticks[-1] <= end_s * (1 + 1e-9)
    assert rising(ticks)
    assert len(ticks) <= 7


@given(values, st.booleans())
def test_every_value_of_a_column_lies_on_its_axis(column: list[float | None], log: bool) -> None:
    axis = scales.value_axis([column], log=log)
    for value in column:
        if value is not None and math.isfinite(value):
            assert 0 <= axis.share(value) <= 1
    assert axis.share(axis.low) == 0
    assert math.isclose(axis.share(axis.high), 1)


@given(st.integers(0, 5000), st.integers(1, 700))
def test_buckets_cover_every_point_once(count: int, most: int) -> None:
    cut = scales.buckets(count, most)
    assert len(cut) <= most
    assert [i for bucket in cut for i in bucket] == list(range(count))


@given(values, st.integers(4, 100))
def test_downsampling_keeps_the_extremes_and_invents_nothing(column: list[float | None], most: int) -> None:
    points = [(float(x), y) for x, y in enumerate(column)]
    kept = scales.downsample(points, most)
    finite = [y for _, y in points if y is not None and math.isfinite(y)]
    left = [y for _, y in kept if y is not None]
    assert len(left) <= max(most, 1)
    assert set(left) <= set(finite)
    assert [x for x, _ in kept] == sorted(x for x, _ in kept)
    if finite:
        assert max(left) == max(finite)
        assert min(left) == min(finite)


@given(values, st.integers(4, 100))
def test_no_line_of_a_downsampled_series_runs_over_a_gap(column: list[float | None], most: int) -> None:
    points = [(float(x), y) for x, y in enumerate(column)]
    size = scales.buckets(len(points), max(1, most // 2))[0].stop if points else 1
    for stretch in scales.runs(scales.downsample(points, most)):
        for (first, _), (second, _) in pairwise(stretch):
            inside = column[int(first) : int(second) + 1]
            if int(first) // size != int(second) // size:
                assert all(value is not None and math.isfinite(value) for value in inside)


@given(values, st.integers(4, 100))
def test_an_envelope_keeps_the_extremes_and_breaks_at_gaps(column: list[float | None], most: int) -> None:
    points = [(float(x), y) for x, y in enumerate(column)]
    stretches = scales.envelope(points, most)
    spans = [span for stretch in stretches for span in stretch]
    finite = [y for y in column if y is not None and math.isfinite(y)]
    assert len(spans) <= most
    assert all(span.low <= span.middle <= span.high for span in spans)
    assert min((span.low for span in spans), default=None) == min(finite, default=None)
    assert max((span.high for span in spans), default=None) == max(finite, default=None)
    for stretch in stretches:
        if len(stretch) > 1:
            inside = column[int(stretch[0].start) : int(stretch[-1].end) + 1]
            assert all(value is not None and math.isfinite(value) for value in inside)


def test_runs_split_at_missing_values() -> None:
    assert scales.runs([(0, 1.0), (1, None), (2, None), (3, 2.0), (4, 3.0)]) == [[(0, 1.0)], [(3, 2.0), (4, 3.0)]]
    assert scales.runs([]) == []
