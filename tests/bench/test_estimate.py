from __future__ import annotations

from random import Random

import pytest

from auroral.bench.durations import Duration, Exponential, LogNormal, Uniform, sample
from auroral.bench.estimate import activity_slots, cautions, estimate
from auroral.bench.steps import Activity, Child, ContinueAsNew, Query, Signal, Step, Timer, Update, Workload
from auroral.bench.workload import builtin


def of(*steps: Step) -> Workload:
    return Workload(name="w", steps=steps)


def test_nothing_takes_nothing() -> None:
    nothing = estimate(builtin("simple"))
    assert (nothing.nominal_s, nothing.longest_s, nothing.activities, nothing.executions) == (0, 0, 0, 1)
    assert not nothing.waits_only


def test_constants_add_up() -> None:
    seen = estimate(
        of(
            Activity(count=3, duration_s=2.0),
            Activity(count=5, mode="parallel", duration_s=1.0),
            Timer(duration_s=4.0),
            Child(count=2, steps=(Timer(duration_s=1.5),)),
            Child(count=2, mode="sequence", steps=(Activity(duration_s=0.5, local=True),)),
        )
    )
    assert seen.nominal_s == seen.longest_s == pytest.approx(6 + 1 + 4 + 1.5 + 1)
    assert seen.activities == 3 + 5 + 2
    assert seen.concurrent_activities == 5
    assert seen.activity_seconds == 6 + 5
    assert seen.executions == 1 + 2 + 2


@pytest.mark.parametrize("mode", ["sequence", "parallel"])
@pytest.mark.parametrize(
    "duration", [Uniform(min_s=0.1, max_s=0.6), Exponential(mean_s=0.2), LogNormal(median_s=0.2, p99_s=0.5)], ids=repr
)
def test_one_in_a_thousand_or_fewer_takes_longer(mode: str, duration: Duration) -> None:
    random = Random(3)
    seen = estimate(of(Activity(count=6, mode=mode, duration_s=duration)))  # type: ignore[arg-type]
    join = sum if mode == "sequence" else max
    taken = [join(sample(duration, random) for _ in range(6)) for _ in range(20_000)]
    assert sum(taken) / len(taken) == pytest.approx(seen.nominal_s, rel=0.15)
    assert sum(one > seen.longest_s for one in taken) <= 30
    assert seen.longest_s < 3 * max(taken)


def test_retries_are_expected() -> None:
    seen = estimate(of(Activity(count=10, duration_s=1.0, failure_rate=0.5, retry_interval_s=2.0)))
    assert seen.activity_seconds == pytest.approx(20)
    assert seen.nominal_s == pytest.approx(10 + 10 * 3)
    assert seen.longest_s > seen.nominal_s
    last = estimate(of(Activity(duration_s=1.0, failure_rate=1.0, max_attempts=3, retry_interval_s=2.0)))
    assert last.activity_seconds == 3
    assert last.nominal_s == last.longest_s == pytest.approx(1 + 2 * 3)


def test_what_the_client_sends_is_waited_for() -> None:
    workload = of(Timer(duration_s=1.0), Signal(count=3, after_s=5, every_s=2), Timer(duration_s=0.5))
    assert estimate(workload).nominal_s == pytest.approx(5 + 2 * 2 + 0.5)
    assert estimate(of(Query(count=100, every_s=5))).nominal_s == 0


def test_runs_of_a_chain_are_a_second_apart() -> None:
    assert estimate(of(Timer(duration_s=0.25), ContinueAsNew(times=3))).nominal_s == pytest.approx(3.25)
    chain = estimate(of(Activity(count=2, duration_s=2.0), ContinueAsNew(times=3)))
    assert chain.nominal_s == pytest.approx(16)
    assert (chain.activities, chain.executions) == (8, 4)


def test_only_waiting_activities_raise_the_slots() -> None:
    assert activity_slots([builtin("simple"), builtin("multi-activity", activity_count=100)], 1000) == (200, "")
    assert activity_slots([builtin("state-transitions")], 10) == (200, "")
    waiting = of(Activity(count=4, mode="parallel", duration_s=10.0))
    slots, note = activity_slots([waiting], 50)
    assert slots == 3_100  # 50/s × 40 s of activities, half as many again and one workflow's four, in hundreds
    assert "raised from 200 to 3,100" in note
    assert "50/s" in note
    assert activity_slots([of(Activity(duration_s=10.0, local=True))], 1000) == (200, "")


def test_slots_are_limited_and_the_note_says_so() -> None:
    slots, note = activity_slots([of(Activity(duration_s=60.0))], 1_000)
    assert slots == 10_000
    assert "90,001 slots would be wanted" in note


def test_a_mix_shares_the_rate() -> None:
    waiting, simple = of(Activity(duration_s=10.0)), builtin("simple")
    assert activity_slots([waiting, simple], 100)[0] == 800
    assert activity_slots([waiting, simple], 100, weights=[3, 1])[0] == 1_200


def test_servers_limits_are_cautioned_against() -> None:
    assert (
        cautions(of(Activity(count=2_000, mode="parallel"), Activity(count=5_000, mode="parallel", local=True))) == []
    )
    found = cautions(
        of(
            Activity(count=2_001, mode="parallel"),
            Child(count=3_000),
            Signal(count=6_000),
            Signal(count=6_000),
            Update(count=2_001),
            Activity(count=9_000),
        )
    )
    assert [
        next(word for word in ("activities", "children", "signals", "updates", "events") if word in one)
        for one in found
    ] == [
        "activities",
        "children",
        "signals",
        "updates",
        "events",
    ]
