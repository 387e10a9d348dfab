"""Histograms against sorted lists, against the HdrHistogram port, and through its log reader."""

from __future__ import annotations

import io
import math
from fractions import Fraction
from pathlib import Path

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from hypothesis import given
from hypothesis import strategies as st

from auroral.bench.histogram import (
    HIGHEST_INDEX,
    HIGHEST_US,
    CompactHistogram,
    Histogram,
    Interval,
    bucket_index,
    highest_us,
    lowest_us,
    write_log,
)

values_us = st.one_of(st.integers(1, 5_000), st.integers(1, HIGHEST_US))
samples = st.lists(values_us, min_size=1, max_size=300)
percentiles = st.floats(0, 100).map(lambda percentile: round(percentile, 3))


def recorded(values: list[int]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.record_us(value)
    return histogram


def port_of(values: list[int]) -> HdrHistogram:
    port = HdrHistogram(1, HIGHEST_US, 3)
    assert all(port.record_value(value) for value in values)
    return port


def nearest_rank(values: list[int], percentile: float) -> int:
    rank = math.ceil(Fraction(str(percentile)) * len(values) / 100)
    return sorted(values)[max(1, rank) - 1]


@given(values_us)
def test_buckets_are_those_of_hdrhistogram(value: int) -> None:
    port = port_of([value])
    index = bucket_index(value)
    assert index == port.get_counts_array_index(value)
    assert lowest_us(index) == port.get_lowest_equivalent_value(value)
    assert highest_us(index) == port.get_highest_equivalent_value(value)
    assert lowest_us(index) <= value <= highest_us(index) <= value * 1.001


@pytest.mark.parametrize("value", [1, 1023, 1024, 2047, 2048, 2049, 4095, 4096, 1 << 36, HIGHEST_US])
def test_buckets_meet_without_gaps(value: int) -> None:
    index = bucket_index(value)
    assert bucket_index(lowest_us(index)) == bucket_index(min(highest_us(index), HIGHEST_US)) == index
    assert index == 1 or highest_us(index - 1) + 1 == lowest_us(index)


@given(samples, percentiles)
def test_percentiles_are_those_of_a_sorted_list(values: list[int], percentile: float) -> None:
    measured = recorded(values).value_at(percentile)
    true = nearest_rank(values, percentile)
    assert measured is not None
    assert true <= measured <= true * 1.001


@given(samples, st.integers(0, 300), percentiles)
def test_a_rank_among_the_censored_has_no_number(values: list[int], censored: int, percentile: float) -> None:
    never = 10 * HIGHEST_US
    true = nearest_rank(values + [never] * censored, percentile)
    measured = recorded(values).value_at(percentile, censored)
    assert (measured is None) == (true == never)
    if measured is not None:
        assert true <= measured <= true * 1.001


def test_exact_ranks_have_no_rounding_errors() -> None:
    thousand = recorded(list(range(1, 1001)))
    assert thousand.values_at((99.9, 99, 95, 90, 50, 0.1, 0, 100)) == [999, 990, 950, 900, 500, 1, 1, 1000]
    quantiles = thousand.quantiles(1)
    assert quantiles.p999_ms == 1.0
    assert quantiles.max_ms is None
    assert quantiles.count == 1001
    assert quantiles.mean_ms == pytest.approx(0.5005)


def test_nothing_recorded_gives_no_numbers() -> None:
    assert Histogram().quantiles().p50_ms is None
    assert Histogram().quantiles(3).count == 3
    assert Histogram().quantiles(3).min_ms is None
    assert Histogram().curve() == []
    assert [point.latency_ms for point in Histogram().curve(2)] == [None] * len(Histogram().curve(2))
    assert Histogram().max_us == 0


def test_values_out_of_range_are_counted_at_the_ends() -> None:
    histogram = recorded([-5, 0, HIGHEST_US, HIGHEST_US + 1, HIGHEST_US * 100])
    assert histogram.count == 5
    assert histogram.out_of_range == 2
    assert histogram.quantiles().out_of_range == 2
    assert histogram.value_at(0) == 1
    assert histogram.max_us == highest_us(HIGHEST_INDEX)


@given(samples, samples)
def test_merging_is_recording_everything_in_one(first: list[int], second: list[int]) -> None:
    one, other = recorded(first), recorded(second)
    one.merge(other)
    reverse = recorded(second)
    reverse.merge(recorded(first))
    assert one == reverse == recorded(first + second)
    assert one.count == len(first) + len(second)


@given(samples)
def test_the_port_reads_our_payload_and_we_read_the_ports(values: list[int]) -> None:
    ours, port = recorded(values), port_of(values)
    theirs = HdrHistogram.decode(ours.encode())
    assert theirs.equals(HdrHistogram.decode(port.encode()))
    assert Histogram.decode(ours.encode()) == Histogram.decode(port.encode().decode()) == ours


def test_an_empty_histogram_survives_its_payload() -> None:
    assert Histogram.decode(Histogram().encode()) == Histogram()


@given(st.one_of(st.text(), st.binary().map(lambda data: data.hex())))
def test_any_other_text_is_refused_as_a_payload(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        Histogram.decode(text)


def test_a_payload_of_another_range_is_refused() -> None:
    with pytest.raises(ValueError, match="24 h"):
        Histogram.decode(HdrHistogram(1, 1000, 2).encode().decode())


@given(samples, st.integers(0, 50))
def test_the_curve_rises_to_the_maximum_or_to_what_did_not_complete(values: list[int], censored: int) -> None:
    histogram = recorded(values)
    curve = histogram.curve(censored)
    percentages = [point.percentile for point in curve]
    assert percentages == sorted(set(percentages))
    assert (percentages[0], percentages[-1]) == (0, 100)
    assert [point.latency_ms for point in curve] == [
        None if value is None else value / 1e3 for value in histogram.values_at(percentages, censored)
    ]
    assert (curve[-1].latency_ms is None) == (censored > 0)


def test_the_curve_goes_on_until_a_single_value() -> None:
    assert recorded([1]).curve()[-2].percentile < 50
    assert 99.9 < recorded(list(range(1, 10_001))).curve()[-2].percentile < 99.995


@given(samples)
def test_the_sum_is_within_the_precision(values: list[int]) -> None:
    assert recorded(values).sum_us == pytest.approx(sum(values), rel=0.001)


@given(samples, st.lists(values_us, min_size=1, max_size=10))
def test_cumulative_counts_values_up_to_each_bounds_bucket(values: list[int], bounds_us: list[int]) -> None:
    expected = [sum(1 for value in values if value <= highest_us(bucket_index(bound_us))) for bound_us in bounds_us]
    assert recorded(values).cumulative(bounds_us) == expected


@given(st.lists(st.integers(1, 300), max_size=3000), st.lists(values_us, max_size=50))
def test_a_compact_histogram_counts_the_same(first: list[int], second: list[int]) -> None:
    one, other = CompactHistogram(), CompactHistogram()
    for compact, values in ((one, first), (other, second)):
        for value in values:
            compact.record_index(bucket_index(value))
    assert one.expand() == recorded(first)
    one.merge(other)
    assert one.expand() == recorded(first + second)


def test_the_log_is_read_back_by_the_ports_reader(tmp_path: Path) -> None:
    path = tmp_path / "histograms.hlog"
    first, second = recorded([1500, 2_500_999]), recorded([7])
    intervals = [
        Interval(tag="lag", start_s=0.0, length_s=60.0, max_us=second.max_us, payload=second.encode()),
        Interval(tag="latency", start_s=1.0, length_s=1.0, max_us=first.max_us, payload=first.encode()),
    ]
    with path.open("w", encoding="utf-8") as out:
        write_log(out, 1_795_000_000.5, intervals)
    reader = HistogramLogReader(str(path), HdrHistogram(1, HIGHEST_US, 3))
    lag, latency = reader.get_next_interval_histogram(), reader.get_next_interval_histogram()
    assert reader.get_next_interval_histogram() is None
    reader.close()
    assert reader.get_start_time_sec() == 1_795_000_000.5
    assert (lag.get_tag(), latency.get_tag()) == ("lag", "latency")
    assert lag.get_start_time_stamp() == 1_795_000_000_500
    assert lag.get_end_time_stamp() == 1_795_000_060_500
    assert latency.get_start_time_stamp() == 1_795_000_001_500
    assert latency.get_total_count() == 2
    assert latency.get_value_at_percentile(50) == 1500


def test_the_logs_header_and_maximum_are_whole() -> None:
    out = io.StringIO()
    write_log(out, 1_000_000_000.25, [Interval(tag="a", start_s=0, length_s=1, max_us=1999, payload="x")])
    lines = out.getvalue().splitlines()
    assert lines[1:] == [
        "#[Histogram log format version 1.3]",
        "#[StartTime: 1000000000.250 (seconds since epoch), 2001-09-09 01:46:40.250+00:00]",
        '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"',
        "Tag=a,0.000,1.000,1.999,x",
    ]


def test_a_tag_that_would_break_its_line_is_refused() -> None:
    with pytest.raises(ValueError, match="without commas"):
        write_log(io.StringIO(), 0, [Interval(tag="a,b", start_s=0, length_s=1, max_us=1, payload="x")])


@given(samples)
def test_indices_are_the_buckets_of_all_values_in_order(values: list[int]) -> None:
    assert recorded(values).indices() == sorted(map(bucket_index, values))


@given(samples)
def test_packed_counts_are_small_and_read_back(values: list[int]) -> None:
    histogram = recorded(values)
    packed = histogram.packed()
    assert Histogram.unpacked(packed, out_of_range=histogram.out_of_range) == histogram
    assert Histogram.unpacked(packed).counts() == histogram.counts()
    assert all(number > 0 for number in packed[2:]), "distances, not indices"
    compact = CompactHistogram()
    compact.add(histogram)
    compact.add(histogram)
    assert compact.expand().count == 2 * histogram.count


@pytest.mark.parametrize("packed", [[1], [-1, 2], [3, -4]])
def test_what_was_not_packed_is_refused(packed: list[int]) -> None:
    with pytest.raises(ValueError, match="expected distances and counts"):
        Histogram.unpacked(packed)
