"""The tally against plain lists of the same samples."""

from __future__ import annotations

import itertools
import math
import random
import tracemalloc
from pathlib import Path

import msgspec
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from hypothesis import given, settings
from hypothesis import strategies as st

from auroral.bench.counts import TallyCounts
from auroral.bench.histogram import write_log
from auroral.bench.result import Quantiles
from auroral.bench.samples import CLOSED, DROPPED, Observation, Outcome, Sample
from auroral.bench.schedule import Schedule, WindowBounds, plan
from auroral.bench.settings import BenchSettings
from auroral.bench.tally import Tally

SCHEDULE = Schedule(plan(BenchSettings(target_rate_per_s=10, duration_s=20, ramp_up_s=4.5)))
WINDOWS = SCHEDULE.windows()


def sample(index: int, intended_us: int, outcome: Outcome = Outcome.COMPLETED, **changes: object) -> Sample:
    """A start that ran as its outcome says, 1 ms late, accepted after 2 ms, closed after 100 ms."""
    sent = outcome not in DROPPED
    accepted = sent and outcome is not Outcome.REJECTED
    values: dict[str, object] = {
        "sent_us": intended_us + 1_000 if sent else None,
        "accepted_us": intended_us + 3_000 if accepted else None,
        "closed_us": intended_us + 101_000 if outcome in CLOSED else None,
        "observation": Observation.WATCHED if outcome in CLOSED else Observation.NONE,
        "cause": "RESOURCE_EXHAUSTED/RPS_LIMIT/NAMESPACE" if outcome is Outcome.REJECTED else "",
    }
    return Sample(index=index, workload=0, outcome=outcome, intended_us=intended_us, **(values | changes))  # type: ignore[arg-type]


@st.composite
def runs(draw: st.DrawFn) -> list[Sample]:
    """The samples of a run, in any order."""
    samples = []
    for index in range(draw(st.integers(0, 60))):
        outcome = draw(st.sampled_from(Outcome))
        intended_us = draw(st.integers(0, 19_999_999))
        lag_us, start_us, rest_us = (draw(st.integers(1, 20_000_000)) for _ in range(3))
        made = sample(index, intended_us, outcome)
        samples.append(
            sample(
                index,
                intended_us,
                outcome,
                sent_us=None if made.sent_us is None else intended_us + lag_us,
                accepted_us=None if made.accepted_us is None else intended_us + lag_us + start_us,
                closed_us=None if made.closed_us is None else intended_us + lag_us + start_us + rest_us,
                sends=draw(st.integers(1, 2)),
            )
        )
    return samples


def tallied(samples: list[Sample]) -> Tally:
    tally = Tally(WINDOWS)
    for each in samples:
        tally.add(each)
    return tally


def assert_quantiles(quantiles: Quantiles, values_us: list[int], censored: int = 0) -> None:
    """Compare with a sorted list in which the censored come last."""
    ordered: list[float] = [*sorted(values_us), *([math.inf] * censored)]
    assert (quantiles.count, quantiles.censored) == (len(ordered), censored)
    named = {"p50_ms": 50, "p90_ms": 90, "p95_ms": 95, "p99_ms": 99, "p999_ms": 99.9, "max_ms": 100}
    for name, percentile in named.items():
        measured = getattr(quantiles, name)
        true = ordered[max(1, math.ceil(round(percentile * len(ordered) / 100, 9))) - 1] if ordered else math.inf
        if math.isinf(true):
            assert measured is None
        else:
            assert true / 1e3 <= measured <= true / 1e3 * 1.001


@given(runs())
def test_every_time_is_that_of_a_sorted_list_with_the_censored_last(samples: list[Sample]) -> None:
    times = tallied(samples).times()
    completed = [each for each in samples if each.outcome is Outcome.COMPLETED]
    latencies = [each.latency_us for each in completed if each.latency_us is not None]
    assert_quantiles(times.latency, latencies, len(samples) - len(completed))
    assert_quantiles(times.latency_completed, latencies)
    assert_quantiles(times.service_time, [each.service_time_us for each in completed if each.service_time_us])
    assert_quantiles(times.start_latency, [each.start_latency_us for each in samples if each.start_latency_us])
    assert_quantiles(times.lag, [each.lag_us for each in samples if each.lag_us])


@given(runs())
def test_outcomes_sum_to_what_was_scheduled(samples: list[Sample]) -> None:
    tally = tallied(samples)
    assert set(tally.outcomes) == set(Outcome)
    assert sum(tally.outcomes.values()) == tally.scheduled == len(samples)
    assert sum(tally.observations.values()) == len(samples)
    assert tally.resolved_starts == sum(1 for each in samples if each.sends > 1)
    assert tally.outcomes_open == sum(1 for each in samples if each.outcome is Outcome.UNFINISHED)


@given(runs())
def test_rates_count_events_where_they_happened(samples: list[Sample]) -> None:
    completed = [each for each in samples if each.outcome is Outcome.COMPLETED]
    windows = tallied(samples).windows()
    for window in windows:
        length_s = window.end_s - window.start_s

        def inside(time_us: int | None, window: object = window) -> bool:
            last = window.kind == "drain"  # type: ignore[attr-defined]
            start_us, end_us = window.start_s * 1e6, math.inf if last else window.end_s * 1e6  # type: ignore[attr-defined]
            return time_us is not None and start_us <= time_us < end_us

        assert window.offered_per_s * length_s == pytest.approx(sum(inside(each.sent_us) for each in samples))
        assert window.started_per_s * length_s == pytest.approx(sum(inside(each.accepted_us) for each in samples))
        assert window.completed_per_s * length_s == pytest.approx(sum(inside(each.closed_us) for each in completed))
        if window.kind != "drain":
            intended = [each for each in samples if inside(each.intended_us)]
            latencies = [each.latency_us for each in intended if each.outcome is Outcome.COMPLETED and each.latency_us]
            assert_quantiles(window.latency, latencies, len(intended) - len(latencies))
    events_us = [time_us for each in samples for time_us in (each.sent_us, each.accepted_us, each.closed_us) if time_us]
    assert [window.kind for window in windows[:2]] == ["ramp", "steady"]
    assert (len(windows) == 3) == any(time_us > 20_000_000 for time_us in events_us)


@given(runs(), st.floats(1, 90))
def test_the_series_has_equal_columns_that_sum_to_the_run(samples: list[Sample], end_s: float) -> None:
    series = tallied(samples).series(end_s, SCHEDULE)
    columns = {name: getattr(series, name) for name in series.__struct_fields__}
    assert {len(column) for column in columns.values()} == {math.ceil(end_s)}
    closed = [each for each in samples if each.outcome in CLOSED]
    completed = sum(1 for each in closed if each.outcome is Outcome.COMPLETED)
    accepted = sum(1 for each in samples if each.accepted_us is not None)
    assert sum(series.intended) == len(samples)
    assert sum(series.sent) == sum(1 for each in samples if each.sent_us is not None)
    assert sum(series.accepted) == accepted
    assert sum(series.completed) == completed
    assert sum(series.failed) == len(closed) - completed
    assert sum(series.rejected) == sum(1 for each in samples if each.outcome is Outcome.REJECTED)
    assert sum(series.dropped) == sum(1 for each in samples if each.outcome in DROPPED)
    assert series.in_flight[-1] == accepted - len(closed)
    assert min(series.in_flight) >= 0
    assert sum(series.target_per_s) == pytest.approx(SCHEDULE.expected(0, math.ceil(end_s)))


def test_a_seconds_latency_is_that_of_the_starts_intended_in_it() -> None:
    samples = [sample(index, 1_000_000 + index * 1000, closed_us=9_000_000) for index in range(99)]
    samples += [sample(99, 1_500_000, Outcome.UNFINISHED), sample(100, 2_000_000, Outcome.BACK_PRESSURED)]
    series = tallied(samples).series(10, SCHEDULE)
    assert series.latency_p50_ms[0] is None
    assert series.latency_p50_ms[1] == pytest.approx(7951, rel=0.001)
    assert series.latency_p99_ms[1] == pytest.approx(8000, rel=0.001)
    assert series.latency_max_ms[1] is None
    assert series.latency_p50_ms[2] is None
    assert series.lag_p99_ms[1:3] == [1.0, None]


@given(runs(), runs(), runs())
@settings(max_examples=30)
def test_the_order_of_merging_does_not_matter(first: list[Sample], second: list[Sample], third: list[Sample]) -> None:
    whole = tallied([*first, *second, *third])
    for order in itertools.permutations((first, second, third)):
        merged = tallied([])
        for part in order:
            merged.merge(tallied(part))
        assert merged.outcomes == whole.outcomes
        assert merged.observations == whole.observations
        assert merged.causes() == whole.causes()
        assert merged.times() == whole.times()
        assert merged.windows() == whole.windows()
        assert merged.series(80, SCHEDULE) == whole.series(80, SCHEDULE)
        assert list(merged.intervals()) == list(whole.intervals())


def everything(tally: Tally) -> object:
    """All that a tally answers."""
    return (
        tally.outcomes,
        tally.observations,
        tally.resolved_starts,
        sorted((one.outcome, one.cause, one.count) for one in tally.causes()),
        tally.times(),
        tally.windows(),
        tally.series(20, SCHEDULE),
        list(tally.intervals()),
    )


@settings(max_examples=30)
@given(st.lists(st.lists(runs(), max_size=3), max_size=3), st.randoms(use_true_random=False))
def test_plain_counts_add_up_to_the_tally_of_all_samples_in_any_order(
    groups: list[list[list[Sample]]], order: random.Random
) -> None:
    flat = [samples for group in groups for samples in group]
    plain = [tallied(samples).plain() for samples in flat]
    order.shuffle(plain)
    whole = Tally(WINDOWS)
    for counts in plain:
        whole.add_plain(msgspec.msgpack.decode(msgspec.msgpack.encode(counts), type=TallyCounts))
    assert everything(whole) == everything(tallied([sample for samples in flat for sample in samples]))
    # Grouped first and added up then, it is the same.
    nested = Tally(WINDOWS)
    for group in groups:
        part = Tally(WINDOWS)
        for samples in group:
            part.add_plain(tallied(samples).plain())
        nested.add_plain(part.plain())
    assert everything(nested) == everything(whole)


def test_plain_counts_of_a_stopped_schedule_fit_the_whole_ones_windows() -> None:
    early, late = sample(0, 1_000_000), sample(1, 3_000_000)
    stopped = Tally(SCHEDULE.windows(2.0))
    assert [window.name for window in stopped.windows()] == ["ramp"]
    stopped.add(early)
    stopped.add(late)
    whole = Tally(WINDOWS)
    whole.add_plain(stopped.plain())
    whole.cut(SCHEDULE.windows(2.0))
    assert whole.windows() == stopped.windows()
    with pytest.raises(ValueError, match="expected 1 to 2 windows, not 3"):
        stopped.add_plain(Tally(WINDOWS).plain())


def test_values_beyond_the_range_are_counted_in_plain_counts_too() -> None:
    far_us = 25 * 3600 * 1_000_000
    tally = tallied([sample(0, 0, closed_us=far_us, sent_us=far_us, accepted_us=2 * far_us + 1)])
    again = Tally(WINDOWS)
    again.add_plain(tally.plain())
    assert everything(again) == everything(tally)
    assert again.times().lag.out_of_range == again.times().latency.out_of_range == 1


def test_tallies_of_other_windows_do_not_merge() -> None:
    with pytest.raises(ValueError, match="same windows"):
        tallied([]).merge(Tally([WindowBounds("steady", "steady", 0, 5)]))


def test_causes_are_counted_by_outcome_and_bounded() -> None:
    tally = tallied([sample(index, 0, Outcome.REJECTED) for index in range(3)])
    tally.add(sample(3, 0, Outcome.FAILED, cause="boom"))
    assert [(each.outcome, each.cause, each.count) for each in tally.causes()] == [
        ("rejected", "RESOURCE_EXHAUSTED/RPS_LIMIT/NAMESPACE", 3),
        ("failed", "boom", 1),
    ]
    for index in range(5_000):
        tally.add(sample(index, 0, Outcome.FAILED, cause=f"workflow {index} failed"))
    assert sum(each.count for each in tally.causes()) == 5_004
    assert len(tally.causes()) <= 1_002


def test_a_close_without_an_acknowledgement_counts_as_accepted() -> None:
    tally = tallied([sample(0, 1_000_000, accepted_us=None, sends=2, observation=Observation.SWEPT)])
    series = tally.series(20, SCHEDULE)
    assert sum(series.accepted) == 1
    assert min(series.in_flight) == 0
    assert tally.times().start_latency.count == 0
    assert tally.observations[Observation.SWEPT] == 1


def test_executions_give_server_times_and_state_transitions() -> None:
    tally = tallied([])
    assert tally.windows()[0].state_transitions_per_s is None
    tally.add_execution(4_000_000, 5_000_000, 90, root=True, completed=True)
    tally.add_execution(19_500_000, 20_500_000, 100, root=True, completed=False)
    tally.add_execution(10_000_000, None, 4, root=True, completed=False)
    tally.add_execution(-2_000, 0, 9, root=False, completed=True)
    tally.add_execution(6_000_000, 6_000_000, 1, root=False, completed=True)
    tally.add_execution(21_000_000, 22_000_000, 1_000, root=False, completed=True)
    ramp, steady = tally.windows()
    assert ramp.state_transitions_per_s == pytest.approx((45 + 9) / 4.5)
    assert steady.state_transitions_per_s == pytest.approx((45 + 50 + 4 + 1) / 15.5)
    assert_quantiles(tally.times().server_time, [1_000_000])


def test_a_stopped_schedule_ends_its_windows_and_its_target() -> None:
    tally = tallied([sample(0, 1_000_000), sample(1, 5_000_000), sample(2, 7_890_000)])
    tally.cut(SCHEDULE.windows(8))
    tally.add(sample(3, 7_990_000, closed_us=12_000_000))
    tally.add(sample(4, 7_995_000, Outcome.UNFINISHED))
    ramp, steady, drain = tally.windows()
    assert (steady.start_s, steady.end_s, drain.start_s, drain.end_s) == (4.5, 8, 8, 12)
    assert steady.completed_per_s == pytest.approx(2 / 3.5)
    assert steady.latency.count == 4
    assert drain.completed_per_s == pytest.approx(1 / 4)
    assert ramp.target_per_s == pytest.approx(5)
    assert sum(tally.series(12, SCHEDULE).target_per_s) == pytest.approx(SCHEDULE.expected(0, 8))


def test_a_schedule_stopped_in_its_ramp_has_no_steady_window() -> None:
    tally = tallied([sample(0, 1_000_000)])
    tally.cut(SCHEDULE.windows(4))
    tally.add(sample(1, 3_990_000))
    ramp, drain = tally.windows()
    assert (ramp.kind, drain.kind) == ("ramp", "drain")
    assert (ramp.completed_per_s, ramp.end_s, ramp.latency.count) == (0.25, 4, 2)


def test_a_schedule_stopped_before_it_began_has_no_windows() -> None:
    tally = tallied([])
    tally.cut(SCHEDULE.windows(0))
    assert tally.windows() == []
    assert tally.series(0, SCHEDULE).target_per_s == [0]


def test_a_wrong_clock_neither_breaks_nor_bloats_the_tally() -> None:
    tally = tallied([sample(0, 0, closed_us=10**15), sample(1, 0, closed_us=-5_000_000)])
    assert tally.times().latency.out_of_range == 1
    assert sum(tally.series(20, SCHEDULE).completed) == 2


@given(runs(), st.floats(0, 100))
def test_the_snapshot_is_the_state_so_far(samples: list[Sample], now_s: float) -> None:
    tally = tallied(samples)
    snapshot, times = tally.snapshot(now_s), tally.times()
    assert snapshot.scheduled == len(samples)
    assert snapshot.outcomes == tally.outcomes
    assert (snapshot.p50_ms, snapshot.p99_ms) == (times.latency.p50_ms, times.latency.p99_ms)
    assert snapshot.lag_p99_ms == times.lag.p99_ms
    assert len(snapshot.completed_series) == min(60, int(now_s))
    closed_s = [each.closed_us // 1_000_000 for each in samples if each.closed_us and each.outcome is Outcome.COMPLETED]
    assert sum(snapshot.completed_series) == sum(1 for second in closed_s if int(now_s) - 60 <= second < int(now_s))


def test_the_log_holds_every_completed_latency(tmp_path: Path) -> None:
    tally = tallied([sample(index, index * 50_000) for index in range(100)])
    path = tmp_path / "histograms.hlog"
    with path.open("w", encoding="utf-8") as out:
        write_log(out, 1_700_000_000, tally.intervals())
    reader = HistogramLogReader(str(path), HdrHistogram(1, 10, 3))
    counts: dict[str, list[int]] = {}
    while (interval := reader.get_next_interval_histogram()) is not None:
        counts.setdefault(interval.get_tag(), []).append(interval.get_total_count())
    reader.close()
    assert counts == {"service_time": [100], "start_latency": [100], "lag": [100], "latency": [20] * 5}


@pytest.mark.whole
def test_memory_does_not_grow_with_the_samples() -> None:
    chance = random.Random(4)
    tally = Tally(WINDOWS)

    def add(count: int) -> None:
        for index in range(count):
            intended_us = chance.randrange(20_000_000)
            sent_us = intended_us + int(chance.lognormvariate(6, 1))
            closed_us = sent_us + int(chance.lognormvariate(9, 1))
            tally.add(sample(index, intended_us, sent_us=sent_us, accepted_us=sent_us + 900, closed_us=closed_us))

    tracemalloc.start()
    try:
        add(20_000)
        early_bytes, _ = tracemalloc.get_traced_memory()
        add(40_000)
        late_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Buckets fill up at first; 40,000 samples kept would be 8 MB, 6 bytes for each of them 240 KB.
    assert late_bytes - early_bytes < 1_000_000
    assert late_bytes < 4_000_000
