"""A step's run: its settings, its seconds while it runs, and what is made of its result."""

from __future__ import annotations

import random

import msgspec
import pytest

from auroral.bench.manifest import ManifestArrival
from auroral.bench.result import ConfigValue, ProcessUsage, Reconciliation, Result, ThresholdResult
from auroral.bench.samples import Outcome, Sample
from auroral.bench.schedule import Schedule
from auroral.bench.search.judge import seconds_of
from auroral.bench.search.machine import Step
from auroral.bench.search.stepping import SecondsSoFar, shown, step_configuration, step_settings
from auroral.bench.settings import BenchSettings
from auroral.bench.tally import Tally
from tests.support.simulated_runs import Plan, build

STEP = Step(number=7, kind="bisect", rate_per_s=42.5, ramp_s=2, hold_s=8)


def settings() -> BenchSettings:
    return step_settings(
        BenchSettings(seed=100, task_queue="q", ramp_up_s=99, max_in_flight=77),
        STEP,
        search_id="s1",
        slo=("latency.p99<1s",),
        activity_slots=300,
        output="results/s1/steps/07-bisect-42.5",
    )


def test_a_step_is_a_run_at_its_rate_with_a_seed_and_an_id_of_its_own() -> None:
    made = settings()
    assert (made.target_rate_per_s, made.duration_s, made.ramp_up_s) == (42.5, 10, 2)
    assert (made.run_id, made.seed, made.thresholds) == ("s1-07", 107, ("latency.p99<1s",))
    assert (made.task_queue, made.max_in_flight, made.worker.max_concurrent_activities) == ("q", 77, 300)


def test_what_the_search_chose_says_so_in_the_steps_configuration() -> None:
    given = [
        ConfigValue(name="max-in-flight", value="77", origin="--max-in-flight"),
        ConfigValue(name="seed", value="100", origin="--seed"),
        ConfigValue(name="slo", value="latency.p99<1s", origin="--slo"),
    ]
    made = {value.name: (value.value, value.origin) for value in step_configuration(given, settings())}
    assert made["max-in-flight"] == ("77", "--max-in-flight")
    assert made["seed"] == ("107", "auroral bench search")
    assert made["target-rate"] == ("42.5/s", "auroral bench search")
    assert made["threshold"] == ("latency.p99<1s", "auroral bench search")
    assert "slo" not in made


def test_what_is_due_in_each_second_is_exact_for_poisson_arrivals_too() -> None:
    schedule = Schedule(
        ManifestArrival(process="poisson", segments=[(30.0, 9.0, 9.0)], ramp_s=0.0, count=None, seed=4, staged=False)
    )
    so_far, tally = SecondsSoFar(), Tally([])
    due = [0] * 30
    for arrival in schedule.arrivals():
        due[arrival.intended_us // 1_000_000] += 1
    for now_s in (3, 7, 30):
        assert [second.offered for second in so_far.of(now_s, schedule, tally, [])] == due[:now_s]
    assert len(set(due)) > 3


def samples(count: int) -> list[Sample]:
    rng = random.Random(3)
    made = []
    for index in range(count):
        intended_us, lost = index * 50_000, rng.random() < 0.1
        made.append(
            Sample(
                index=index,
                workload=0,
                outcome=Outcome.UNFINISHED if lost else Outcome.COMPLETED,
                intended_us=intended_us,
                sent_us=intended_us,
                accepted_us=intended_us + 900,
                closed_us=None if lost else intended_us + rng.randrange(1_000, 2_000_000),
            )
        )
    return made


def test_the_seconds_while_it_runs_are_those_of_the_series_at_every_moment() -> None:
    schedule = Schedule(
        ManifestArrival(process="constant", segments=[(10.0, 20.0, 20.0)], ramp_s=0.0, count=None, seed=1, staged=False)
    )
    tally, so_far, in_flight = Tally(schedule.windows()), SecondsSoFar(), [3, 5, 8]
    everything = samples(200)
    for now_s in range(1, 11):
        for sample in everything[(now_s - 1) * 20 : now_s * 20]:
            tally.add(sample)
        series = tally.series(now_s, schedule)
        expected = seconds_of(series, dict(tally.seconds.latencies()), in_flight=in_flight)
        seen = so_far.of(now_s, schedule, tally, in_flight)
        assert len(seen) == now_s
        # What closes later than now counts in a series' last second; here it has not happened yet.
        for one, other in zip(seen[:-1], expected[:-1], strict=True):
            assert (one.t_s, one.offered, one.decided) == (other.t_s, other.offered, other.decided)
            assert (one.latency, one.completed) == (other.latency, other.completed)
        assert [second.in_flight for second in seen] == [3, 5, 8, *[0] * 7][:now_s]


@pytest.fixture(scope="module")
def result() -> Result:
    return build(
        Plan("s1-07", [(2, 0, 20), (8, 20, 20)], lambda rng, _: ("completed", 40 + rng.random(), ""), ramp_s=2)
    )


def test_what_is_shown_is_the_steady_window(result: Result) -> None:
    tally = Tally(Schedule(result.manifest.arrival).windows())
    seen = shown(result, tally, early=None)
    assert [window.name for window in seen.facts.judged] == ["steady"]
    assert seen.facts.scheduled == result.scheduled
    assert seen.doubts == []
    assert len(seen.seconds) == len(result.series.t_s)


def test_what_makes_a_measurement_doubtful(result: Result) -> None:
    def doubts(early: str | None = None, **changes: object) -> list[str]:
        changed = msgspec.structs.replace(result, **changes)
        return list(shown(changed, Tally([]), early=early).doubts)

    lost = ProcessUsage(name="worker-0", cpu_s=1, max_rss_bytes=1, lost=True, detail="killed")
    assert doubts(processes=[lost]) == ["worker-0 was lost: killed"]
    outcomes = {**result.outcomes, "completed": result.scheduled - 3, "generator_limited": 3}
    [limited] = doubts(outcomes=outcomes)
    assert "the generator was the limit" in limited
    disagreed = Reconciliation(status="disagreed", settled_after_s=9, ours={}, server={}, detail="3 more")
    assert doubts(reconciliation=disagreed) == ["our counts disagree with the server's: 3 more"]
    assert doubts("nothing could save it", reconciliation=disagreed) == []
    unavailable = Reconciliation(status="unavailable", settled_after_s=9, ours={}, server={}, detail="no answer")
    assert doubts(reconciliation=unavailable) == ["the server's own counts were not to be had: no answer"]
    failed = [ThresholdResult(expression="latency.p99<1s", observed="2 s", passed=False)]
    assert doubts(reconciliation=unavailable, thresholds=failed) == []
