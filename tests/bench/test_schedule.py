"""The schedule's properties, over generated settings."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from auroral.bench.manifest import ManifestArrival
from auroral.bench.schedule import Due, Pacer, Schedule, Wait, WindowBounds, plan
from auroral.bench.settings import BenchSettings, Stage

MAX_ARRIVALS = 3_000

rates = st.one_of(st.just(0.0), st.floats(0.01, 200))
segments = st.lists(st.tuples(st.floats(0.05, 20), rates, rates), min_size=1, max_size=5)


@st.composite
def processes(draw: st.DrawFn, process: str | None = None) -> ManifestArrival:
    """Any arrival process with a moderate number of arrivals."""
    chosen = draw(segments)
    assume(sum(duration_s * (start + end) / 2 for duration_s, start, end in chosen) < MAX_ARRIVALS)
    return ManifestArrival(
        process=process or draw(st.sampled_from(["constant", "poisson"])),
        segments=chosen,
        ramp_s=0.0,
        count=draw(st.one_of(st.none(), st.integers(1, 500))),
        seed=draw(st.integers(0, 5)),
        staged=True,
    )


def constant(rate_per_s: float, duration_s: float, **changes: float) -> Schedule:
    return Schedule(plan(BenchSettings(target_rate_per_s=rate_per_s, duration_s=duration_s, **changes)))


def in_window(times_us: Sequence[int], from_s: float, to_s: float) -> int:
    return sum(1 for time_us in times_us if from_s * 1e6 <= time_us < to_s * 1e6)


@given(processes())
def test_times_are_monotone_within_the_schedule_and_numbered_without_gaps(arrival: ManifestArrival) -> None:
    schedule = Schedule(arrival)
    arrivals = list(schedule.arrivals())
    assert [each.index for each in arrivals] == list(range(schedule.total))
    assert all(a.intended_us <= b.intended_us for a, b in itertools.pairwise(arrivals))
    assert all(0 <= each.intended_us <= schedule.duration_s * 1e6 + 1 for each in arrivals)


@given(processes(), st.integers(1, 7))
def test_parts_partition_the_schedule(arrival: ManifestArrival, parts: int) -> None:
    schedule = Schedule(arrival)
    shares = [list(schedule.arrivals(part, parts)) for part in range(parts)]
    for part, share in enumerate(shares):
        assert all(each.index % parts == part for each in share)
    assert sorted(itertools.chain(*shares)) == list(schedule.arrivals())


@given(processes("constant"), st.floats(0, 1), st.floats(0, 1))
def test_the_count_in_any_window_is_within_one_of_the_mean(arrival: ManifestArrival, one: float, other: float) -> None:
    schedule = Schedule(arrival)
    from_s, to_s = sorted((one * schedule.duration_s, other * schedule.duration_s))
    times_us = [each.intended_us for each in schedule.arrivals()]
    # Rounding to whole µs moves an arrival across the window's edge by 200/s × 1 µs at most.
    assert abs(in_window(times_us, from_s, to_s) - schedule.expected(from_s, to_s)) <= 1 + 1e-3


@given(st.floats(1, 100), st.floats(1, 20), st.floats(0.5, 10))
def test_a_ramp_only_gets_faster_and_then_holds(rate_per_s: float, duration_s: float, ramp_up_s: float) -> None:
    schedule = constant(rate_per_s, duration_s, ramp_up_s=ramp_up_s)
    times_us = [each.intended_us for each in schedule.arrivals()]
    gaps_us = [later - earlier for earlier, later in itertools.pairwise(times_us)]
    assert all(later <= earlier + 2 for earlier, later in itertools.pairwise(gaps_us))
    held_us = [gap for gap, since in zip(gaps_us, times_us, strict=False) if since >= ramp_up_s * 1e6 + 1]
    assert all(abs(gap - 1e6 / rate_per_s) <= 2 for gap in held_us)


@given(st.floats(0, 30), st.one_of(st.just(0.0), st.floats(0.01, 10)))
def test_the_ramp_up_lies_inside_the_duration(duration_s: float, ramp_up_s: float) -> None:
    assume(duration_s > 0.1)
    schedule = constant(20, duration_s, ramp_up_s=ramp_up_s)
    assert schedule.duration_s == pytest.approx(duration_s)
    if 0 < ramp_up_s < duration_s:
        assert schedule.target_per_s(ramp_up_s / 2) == pytest.approx(10)
        assert schedule.target_per_s((ramp_up_s + duration_s) / 2) == pytest.approx(20)
    assert schedule.target_per_s(duration_s + 1e-6) == 0
    assert schedule.target_per_s(-1) == 0


@pytest.mark.parametrize("rate_per_s", [1, 3, 7, 10, 30, 99.9, 1000])
@pytest.mark.parametrize("duration_s", [1, 7.3, 60])
def test_a_constant_rate_has_rate_times_duration_starts(rate_per_s: float, duration_s: float) -> None:
    assert constant(rate_per_s, duration_s).total == math.ceil(round(rate_per_s * duration_s, 6))


@given(st.floats(20, 100), st.floats(20, 40), st.integers(0, 1000))
@settings(max_examples=30)
def test_a_poisson_process_keeps_its_mean_and_its_seed(rate_per_s: float, duration_s: float, seed: int) -> None:
    arrival = plan(
        BenchSettings(target_rate_per_s=rate_per_s, duration_s=duration_s, ramp_up_s=5, arrival="poisson", seed=seed)
    )
    schedule = Schedule(arrival)
    mean = schedule.expected(0, schedule.duration_s)
    assert abs(schedule.total - mean) < 5.5 * math.sqrt(mean)
    assert list(schedule.arrivals()) == list(Schedule(arrival).arrivals())


def test_poisson_gaps_vary_as_an_exponential_does() -> None:
    schedule = Schedule(plan(BenchSettings(target_rate_per_s=100, duration_s=100, arrival="poisson")))
    times_us = [each.intended_us for each in schedule.arrivals()]
    gaps_us = [later - earlier for earlier, later in itertools.pairwise(times_us)]
    mean_us = sum(gaps_us) / len(gaps_us)
    deviation_us = math.sqrt(sum((gap - mean_us) ** 2 for gap in gaps_us) / len(gaps_us))
    assert deviation_us / mean_us == pytest.approx(1, abs=0.05)


def test_seeds_differ() -> None:
    first, second = (
        list(Schedule(plan(BenchSettings(duration_s=5, arrival="poisson", seed=seed))).arrivals()) for seed in (1, 2)
    )
    assert first != second


def test_a_count_ends_the_schedule_early() -> None:
    schedule = constant(10, 60, count=25)
    assert schedule.total == 25
    assert schedule.duration_s == pytest.approx(2.5)
    assert schedule.expected(0, 60) == pytest.approx(25)
    assert schedule.windows() == [WindowBounds("steady", "steady", 0.0, pytest.approx(2.5), pytest.approx(10))]


def test_a_count_that_the_duration_does_not_reach_changes_nothing() -> None:
    assert constant(10, 2, count=1000).total == 20


@given(
    st.sampled_from(["constant", "poisson"]), st.integers(1, 2000), st.floats(0.5, 300), st.floats(0, 20), st.integers()
)
def test_without_a_duration_exactly_the_count_fits(
    process: str, count: int, rate_per_s: float, ramp_up_s: float, seed: int
) -> None:
    arrival = plan(
        BenchSettings(target_rate_per_s=rate_per_s, count=count, ramp_up_s=ramp_up_s, arrival=process, seed=seed),
        duration_given=False,
    )
    schedule = Schedule(arrival)
    assert schedule.total == len(list(schedule.arrivals())) == count


def test_stages_follow_each_other_each_with_its_window() -> None:
    schedule = Schedule(
        plan(
            BenchSettings(
                stages=(
                    Stage(start_per_s=0, end_per_s=0, duration_s=5),
                    Stage(start_per_s=0, end_per_s=100, duration_s=2),
                    Stage(start_per_s=100, end_per_s=0, duration_s=4),
                    Stage(start_per_s=0, end_per_s=0, duration_s=1),
                )
            )
        )
    )
    times_us = [each.intended_us for each in schedule.arrivals()]
    assert times_us[0] == 5_000_000
    assert [in_window(times_us, window.start_s, window.end_s) for window in schedule.windows()] == [0, 100, 200, 0]
    assert [window.kind for window in schedule.windows()] == ["stage"] * 4
    assert [window.target_per_s for window in schedule.windows()] == [0, 50, 50, 0]
    assert schedule.duration_s == 12


def test_a_count_in_stages_ends_them_and_drops_the_windows_after_it() -> None:
    stages = (Stage(start_per_s=10, end_per_s=10, duration_s=1), Stage(start_per_s=20, end_per_s=20, duration_s=9))
    schedule = Schedule(plan(BenchSettings(stages=stages, count=5)))
    assert schedule.total == 5
    assert [window.name for window in schedule.windows()] == ["stage 1"]


def test_windows_of_a_stopped_schedule_end_where_it_was_stopped() -> None:
    schedule = constant(10, 60, ramp_up_s=10)
    assert [(window.kind, window.start_s, window.end_s) for window in schedule.windows()] == [
        ("ramp", 0, 10),
        ("steady", 10, 60),
    ]
    assert schedule.windows(5) == [WindowBounds("ramp", "ramp", 0.0, 5, 2.5)]
    assert [window.name for window in constant(10, 60).windows()] == ["steady"]


@given(processes(), st.lists(st.integers(0, 3_000_000), max_size=200))
def test_the_pacer_is_never_early_and_hands_out_everything(arrival: ManifestArrival, steps_us: list[int]) -> None:
    schedule = Schedule(arrival)
    pacer = Pacer(schedule)
    elapsed_us, given_out = 0, []
    for step_us in itertools.chain(steps_us, itertools.repeat(10_000_000)):
        decision = pacer.next(elapsed_us)
        if isinstance(decision, Due):
            assert decision.arrival.intended_us <= elapsed_us
            given_out.append(decision.arrival)
        elif isinstance(decision, Wait):
            assert decision.until_us > elapsed_us
            elapsed_us += step_us
        else:
            break
    assert given_out == list(schedule.arrivals())


def test_the_pacer_takes_its_part_alone() -> None:
    pacer = Pacer(constant(10, 1), part=1, parts=4)
    taken = []
    while isinstance(decision := pacer.next(10_000_000), Due):
        taken.append(decision.arrival.index)
    assert taken == [1, 5, 9]


def test_an_unknown_process_and_an_impossible_part_are_refused() -> None:
    with pytest.raises(ValueError, match="constant or poisson"):
        Schedule(plan(BenchSettings(arrival="bursty")))
    with pytest.raises(ValueError, match="from 0 to 1"):
        constant(10, 1).arrivals(2, 2)
