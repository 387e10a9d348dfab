"""What a step's seconds say: held, lost, or lost already; and whether the cluster is itself again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.bench.histogram import Histogram, bucket_index
from auroral.bench.result import Quantiles, Series
from auroral.bench.search.judge import Second, Shown, clearly_lost, judge, seconds_of, uncleared
from auroral.bench.search.machine import Step
from auroral.bench.thresholds import Threshold, parse, with_defaults
from tests.bench.search.queues import Queue, drive, facts_of

RATE = 100
STEP = Step(number=1, kind="bisect", rate_per_s=RATE, ramp_s=5, hold_s=20)


def slo(*expressions: str) -> list[Threshold]:
    return with_defaults([parse(expression) for expression in expressions])


P99 = slo("latency.p99<500ms")


def second(t_s: int, *, late: int = 0, failed: int = 0, open_now: int = 10, undecided: int = 0) -> Second:
    in_time = RATE - late - failed - undecided
    latency = Histogram({bucket_index(us): count for us, count in ((100_000, in_time), (900_000, late)) if count})
    return Second(
        t_s=float(t_s), offered=RATE, decided=RATE - undecided, latency=latency, completed=RATE, in_flight=open_now
    )


def run(of: Callable[[int], Second] = second, length: int = 25) -> list[Second]:
    return [of(t_s) for t_s in range(length)]


def shown(seconds: Sequence[Second], **more: object) -> Shown:
    return Shown(seconds=seconds, facts=facts_of(seconds, STEP), **more)  # type: ignore[arg-type]


def test_a_step_within_its_objective_holds_and_says_what_was_measured() -> None:
    measured = judge(shown(run()), slo=P99, step=STEP)
    assert measured.held
    assert measured.reasons[0] == "latency.p99<500ms: 100 ms"
    assert (measured.offered_per_s, measured.completed_per_s) == (100, 100)
    assert (measured.backlog_start, measured.backlog_end) == (10, 10)
    assert measured.quantiles_ms["p99"] == pytest.approx(100, rel=0.001)
    assert (measured.spent, measured.doubtful, measured.early, measured.load_s) == (0, False, False, 25)


def test_the_ramp_is_not_measured() -> None:
    measured = judge(shown(run(lambda t_s: second(t_s, late=RATE if t_s < 5 else 0))), slo=P99, step=STEP)
    assert measured.held
    assert measured.spent == 0


@pytest.mark.parametrize(("late", "held"), [(20, True), (21, False)])
def test_the_objective_decides_to_the_last_start(late: int, held: bool) -> None:
    """One per cent of 2,000 starts may be late."""
    seconds = run(lambda t_s: second(t_s, late=(late + t_s) // 20 if t_s >= 5 else 0))
    total = sum(each.decided - each.latency.cumulative([500_000])[0] for each in seconds)
    seconds[24] = second(24, late=(late + 24) // 20 + late - total)
    measured = judge(shown(seconds), slo=P99, step=STEP)
    assert measured.held is held
    assert measured.spent == late / 20
    assert measured.doubtful, "next to the limit a repetition may say otherwise"


def test_what_did_not_complete_is_late_and_no_number() -> None:
    measured = judge(shown(run(lambda t_s: second(t_s, failed=2))), slo=slo("latency.p99<500ms"), step=STEP)
    assert measured.held is False
    assert measured.quantiles_ms["p99"] is None
    assert measured.reasons == [
        "latency.p99<500ms was not met: did not complete",
        "failures.ratio<=0% was not met: 2 %",
    ]


def test_a_backlog_that_grows_is_not_sustained_though_no_start_was_late_yet() -> None:
    random = Random(1)
    seconds = run(lambda t_s: second(t_s, open_now=10 + 4 * t_s + random.randrange(-3, 4)))
    measured = judge(shown(seconds), slo=P99, step=STEP)
    assert measured.held is False
    assert measured.reasons[0].startswith("workflows pile up: 100/s complete of 100/s offered, and what is open grows")
    assert not measured.doubtful


def test_a_backlog_that_only_wanders_is_no_growth() -> None:
    """A random walk, which a queue at its limit is, is taken for growth in one step of a hundred at most."""
    taken = 0
    for seed in range(300):
        random, open_now, seconds = Random(seed), 200, []
        for t_s in range(25):
            open_now += random.randrange(-20, 21)
            seconds.append(second(t_s, open_now=open_now))
        taken += not judge(shown(seconds), slo=P99, step=STEP).held
    assert taken <= 3


def test_workflows_that_take_long_pile_up_at_first_by_themselves() -> None:
    """Little's law: what takes 8 s is open 8 s long, so that the number open grows for that time at any rate."""
    latency = Histogram()
    for _ in range(RATE):
        latency.record_us(8_000_000)
    seconds = run(
        lambda t_s: Second(
            t_s=t_s, offered=RATE, decided=RATE, latency=latency, completed=RATE, in_flight=RATE * min(t_s + 1, 13)
        )
    )
    assert judge(shown(seconds), slo=slo("latency.p99<10s"), step=STEP).held


def test_a_stall_is_told_from_a_rate_that_is_too_high() -> None:
    stalled = judge(shown(run(lambda t_s: second(t_s, late=60 if t_s == 12 else 0))), slo=P99, step=STEP)
    spread = judge(shown(run(lambda t_s: second(t_s, late=3))), slo=P99, step=STEP)
    assert (stalled.held, stalled.spent, stalled.doubtful) == (False, 3, True)
    assert (spread.held, spread.spent, spread.doubtful) == (False, 3, False)


def test_doubt_decides_nothing_whatever_was_measured() -> None:
    measured = judge(shown(run(), doubts=["generator-0 was lost"]), slo=P99, step=STEP)
    assert (measured.held, measured.reasons, measured.doubtful) == (None, ["generator-0 was lost"], False)


@pytest.mark.parametrize(("from_sent_ms", "held"), [(300.0, None), (600.0, False)])
def test_starts_that_only_our_own_lag_made_late_leave_a_step_in_doubt(from_sent_ms: float, held: bool | None) -> None:
    made = shown(run(lambda t_s: second(t_s, late=3)))
    times = msgspec.structs.replace(
        made.facts.times,
        lag=Quantiles(count=100, p99_ms=400.0),
        service_time=Quantiles(count=100, p99_ms=from_sent_ms),
    )
    facts = msgspec.structs.replace(made.facts, times=times)
    measured = judge(msgspec.structs.replace(made, facts=facts), slo=P99, step=STEP)
    assert measured.held is held
    assert ("our own lag (P99 400 ms) made starts late" in measured.reasons[0]) == (held is None)


def test_an_early_end_is_a_loss_with_its_reason_and_the_load_it_took() -> None:
    seconds = run(lambda t_s: second(t_s, late=50), length=12)
    measured = judge(shown(seconds, early="120 starts are late"), slo=P99, step=STEP)
    assert (measured.held, measured.early, measured.reasons) == (False, True, ["120 starts are late"])
    assert measured.load_s == 12
    assert measured.spent == 50


def test_nothing_measured_is_no_answer() -> None:
    assert judge(shown(run(length=4)), slo=P99, step=STEP).held is None
    assert judge(shown(run()), slo=slo("server_time.p99<1s"), step=STEP).held is None


def test_what_an_early_end_cut_off_and_its_drain_are_no_part_of_the_rates() -> None:
    """Stopped a quarter into its eleventh second, it drained for five."""
    cut = msgspec.structs.replace(second(10, open_now=700), offered=RATE / 4, decided=RATE // 4, completed=40)
    drain = [
        Second(t_s=float(t_s), offered=0, decided=0, latency=Histogram(), completed=40, in_flight=600)
        for t_s in range(11, 16)
    ]
    measured = judge(
        shown([*run(lambda t_s: second(t_s, late=40, open_now=100), 10), cut, *drain], early="it was lost"),
        slo=P99,
        step=STEP,
    )
    assert (measured.offered_per_s, measured.completed_per_s, measured.backlog_end) == (100, 100, 100)
    assert measured.load_s == 11


# Clearly lost


def test_a_step_is_clearly_lost_when_three_times_what_its_whole_hold_permits_is_late() -> None:
    """20 of 2,000 may be late: with 10 a second from the ramp's end that is three times passed after 7 s."""
    seconds = run(lambda t_s: second(t_s, late=10))
    ended = [length for length in range(26) if clearly_lost(seconds[:length], slo=P99, step=STEP)]
    assert ended[0] == 12
    assert ended == list(range(12, 26))
    assert clearly_lost(seconds[:12], slo=P99, step=STEP) == (
        "70 starts are later than 500 ms after 7 s, where latency.p99<500ms permits 20 in all 20 s"
    )


def test_starts_that_are_open_beyond_the_limit_are_late_already() -> None:
    seconds = run(lambda t_s: second(t_s, undecided=RATE), length=12)
    assert clearly_lost(seconds, slo=P99, step=STEP) is not None
    assert clearly_lost(seconds, slo=slo("latency.p99<30s"), step=STEP) is None


def test_a_passing_stall_does_not_end_a_step() -> None:
    seconds = run(lambda t_s: second(t_s, late=RATE if t_s == 8 else 0))
    assert all(clearly_lost(seconds[:length], slo=P99, step=STEP) is None for length in range(26))


def test_a_backlog_that_grows_beyond_doubt_ends_a_step_whatever_the_limit() -> None:
    seconds = run(lambda t_s: second(t_s, open_now=10 + 40 * max(0, t_s - 5)))
    reasons = [clearly_lost(seconds[:length], slo=slo("latency.p99<1h"), step=STEP) for length in range(26)]
    first = next(number for number, reason in enumerate(reasons) if reason)
    assert 13 <= first <= 16
    assert "workflows pile up" in str(reasons[first])


@given(
    late=st.lists(st.integers(0, 12), min_size=25, max_size=25),
    limit=st.sampled_from(["latency.p99<500ms", "latency.p95<=500ms", "latency.p50<500ms"]),
)
def test_what_is_clearly_lost_by_late_starts_can_no_longer_hold(late: list[int], limit: str) -> None:
    """Whatever follows: the best continuation is that nothing else is late."""
    seconds = run(lambda t_s: second(t_s, late=late[t_s]))
    for length in range(6, 26):
        if clearly_lost(seconds[:length], slo=slo(limit), step=STEP):
            best = [*seconds[:length], *(second(t_s) for t_s in range(length, 25))]
            assert judge(shown(best), slo=slo(limit), step=STEP).held is False
            return


def test_an_overloaded_queue_is_ended_long_before_its_time() -> None:
    """At half as much again as it can, in a third of the step, and never below what it can."""
    for seed in range(5):
        over = drive(Queue(draw_s=lambda random: random.expovariate(40), servers=2, seed=seed), _at(120), P99)
        assert over.early
        assert over.load_s <= 15
        under = drive(Queue(draw_s=lambda random: random.expovariate(40), servers=2, seed=seed), _at(50), P99)
        assert under.held
        assert not under.early


def _at(rate_per_s: float) -> Step:
    return Step(number=1, kind="bisect", rate_per_s=rate_per_s, ramp_s=5, hold_s=30)


# Cleared

IDLE_S = (0.010, 0.012, 0.011, 0.030)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({"backlog": 0, "in_flight": 0, "probes_s": [0.012] * 3}, None),
        ({"backlog": None, "in_flight": None, "probes_s": [0.012] * 3}, None),
        ({"backlog": 0, "in_flight": 3, "probes_s": [0.012] * 3}, "3 workflows are still open"),
        ({"backlog": 12, "in_flight": 0, "probes_s": [0.012] * 3}, "12 tasks still wait in the task queues"),
        ({"backlog": 0, "in_flight": 0, "probes_s": [0.012]}, "1 of 3 probes have completed"),
        ({"backlog": 0, "in_flight": 0, "probes_s": [9.0, 0.4, 0.3, 0.2]}, "a probe takes 300 ms"),
        ({"backlog": 0, "in_flight": 0, "probes_s": [0.4, 0.3, 0.012, 0.3, 0.012]}, None),
    ],
)
def test_a_cluster_has_cleared_when_nothing_waits_and_a_probe_is_as_quick_as_before(
    state: dict[str, object], expected: str | None
) -> None:
    reason = uncleared(**state, idle_s=IDLE_S)  # type: ignore[arg-type]
    assert reason is None if expected is None else str(reason).startswith(expected)


def test_without_probes_at_the_start_the_queues_alone_tell() -> None:
    assert uncleared(backlog=0, in_flight=0, probes_s=[], idle_s=[]) is None


# Seconds


def test_seconds_are_read_off_a_runs_series() -> None:
    latency = Histogram()
    latency.record_us(1_000)
    numbers = [0, 1]
    series = Series(
        t_s=numbers, target_per_s=[5.0, 6.0], intended=[5, 1], sent=numbers, accepted=numbers, completed=[4, 1],
        failed=numbers, rejected=numbers, dropped=numbers, in_flight=[1, 0], latency_p50_ms=[None, None],
        latency_p99_ms=[None, None], latency_max_ms=[None, None], lag_p99_ms=[None, None],
    )  # fmt: skip
    first, last = seconds_of(series, {1: latency})
    assert (first.offered, first.decided, first.completed, first.in_flight, first.latency.count) == (5, 5, 4, 1, 0)
    assert (last.offered, last.decided, last.in_flight, last.latency.count) == (6, 1, 0, 1)
    assert [each.in_flight for each in seconds_of(series, {}, in_flight=[7])] == [7, 7]
