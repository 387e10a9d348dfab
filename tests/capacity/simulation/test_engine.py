"""Whole clusters: determinism, controllers, bounds, and what the server's own model in Go shows."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from auroral.capacity.simulation import policy
from auroral.capacity.simulation.controller import Controller, World
from auroral.capacity.simulation.engine import Probes, simulate
from auroral.capacity.simulation.outcome import Outcome
from auroral.capacity.simulation.spec import CounterSpec, Demand, DsqlSpec, ProcessSpec, nanos
from auroral.capacity.simulation.timeline import (
    ChangeDemand,
    CounterOutage,
    Cut,
    DsqlOutage,
    ExpireAll,
    ScaleDemand,
    Start,
    Stop,
    Which,
)
from auroral.errors import UsageError


def processes(count: int, service: str = "history", **options: Any) -> list[ProcessSpec]:
    return [ProcessSpec(service=service, replica=number, **options) for number in range(count)]


EVENTFUL = [
    DsqlOutage(at_s=20, until_s=40),
    Cut(at_s=60, count=70),
    ScaleDemand(at_s=70, factor=3),
    Cut(at_s=80, which=Which(process="history/1")),
    Stop(at_s=90, which=Which(process="history/2"), drain_s=5),
    Start(at_s=95, process=ProcessSpec(service="history", replica=2, generation=1, demand=Demand(rate_per_s=100))),
    CounterOutage(at_s=90, until_s=100),
    ExpireAll(at_s=110),
]


def eventful(seed: int) -> Outcome:
    specs = processes(4, demand=Demand(rate_per_s=100), limiter="distributed")
    return simulate(specs, until_s=150, seed=seed, counter=CounterSpec(), timeline=EVENTFUL)


def test_the_same_seed_gives_the_same_bytes_and_another_one_others() -> None:
    first = eventful(7)
    assert first.digest() == eventful(7).digest()
    assert first.digest() != eventful(8).digest()
    assert first.totals.waits > 0
    assert first.totals.broken > 0


def test_other_processes_of_python_give_the_same_bytes() -> None:
    """Worker processes run the seeds: neither their hash seed nor what they ran before may show."""
    code = "from tests.capacity.simulation.test_engine import eventful; eventful(1); print(eventful(7).digest())"
    told = [
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout.strip()
        for hash_seed in ("1", "2")
    ]
    assert told == [eventful(7).digest()] * 2


def test_a_change_in_one_process_does_not_reshuffle_another() -> None:
    """Where DSQL refuses nothing, processes meet nowhere: one more changes nothing for those that were there."""
    before = simulate(processes(3, lifetime_s=60), until_s=100, seed=1)
    after = simulate([*processes(3, lifetime_s=60), *processes(2, "matching")], until_s=100, seed=1)
    assert list(before.series.attempts_by_service["history"]) == list(after.series.attempts_by_service["history"])
    assert before.warmups == [one for one in after.warmups if one.service == "history"]


def test_the_series_are_of_each_second_and_add_up() -> None:
    outcome = simulate(processes(3) + processes(2, "matching"), until_s=30.5, seed=1)
    assert len(outcome.series.attempts) == 31
    assert sum(outcome.series.opened) == outcome.totals.opened == 5 * 53
    assert outcome.series.open[-1] == 250
    assert outcome.series.open_by_service["history"][-1] == 150
    assert sum(outcome.series.attempts_by_service["matching"]) == 2 * 53
    assert outcome.series.running[-1] == 5
    assert outcome.series.short[0] == 5
    assert outcome.series.short[-1] == 0
    assert outcome.series.bucket_least[-1] == 1_000
    assert outcome.totals.least_bucket == min(outcome.series.bucket_least) < 1_000


def test_it_says_when_everything_was_full() -> None:
    outcome = simulate(processes(3), until_s=120, seed=1, timeline=[Cut(at_s=50, count=1)])
    first, second = outcome.full
    assert first.until_s == 50
    assert outcome.full_at_s(0) == first.from_s
    assert outcome.full_at_s(50) == outcome.full_since_s(50) == second.from_s
    assert outcome.full_since_s(119) == 119
    early = simulate(processes(3), until_s=2, seed=1)
    assert early.full_at_s(0) is None
    assert early.full_since_s(0) is None


# What the server's own tests show in Go (server/internal/policy/refill_test.go).

REFILLS = [Cut(at_s=95), Cut(at_s=300)]


def test_ten_minutes_of_refills_stay_under_the_rate() -> None:
    groups = [(6, 8, 40), (4, 6, 30), (3, 4, 20), (2, 2, 10)]
    specs = [
        ProcessSpec(service=f"group{number}", replica=replica, rate_per_s=rate, burst=burst, lifetime_s=60, jitter=0)
        for number, (count, rate, burst) in enumerate(groups)
        for replica in range(count)
    ]
    outcome = simulate(specs, until_s=600, seed=1, timeline=REFILLS)
    assert outcome.totals.refused_rate == outcome.totals.refused_cap == 0
    assert 15 * 50 * 8 < outcome.totals.attempts <= 100 * 600 + 1_000
    assert outcome.full_since_s(590) is not None


@pytest.mark.parametrize("seed", range(3))
def test_the_counter_alone_is_never_refused_and_keeps_its_bound(seed: int) -> None:
    """40 processes whose own limits add up to ten times DSQL's, with clocks up to 3.9 s off."""
    skews = [3.9 - 7.8 * number / 39 for number in range(40)]
    specs = [
        ProcessSpec(
            service="history", replica=number, rate_per_s=25, lifetime_s=60, jitter=0, limiter="distributed",
            clock_skew_s=skew,
        )
        for number, skew in enumerate(skews)
    ]  # fmt: skip
    outcome = simulate(specs, until_s=600, seed=seed, counter=CounterSpec(), timeline=REFILLS)
    assert outcome.totals.refused_rate == outcome.totals.refused_cap == 0
    assert outcome.totals.uncounted == 0
    assert outcome.totals.attempts > 40 * 50 * 8
    assert outcome.full_since_s(590) is not None
    counts = list(outcome.series.attempts)
    for span_s in (1, 5, 20, 100):
        # An answer that took a while moves an opening by that much: 30 ms at P99, half a second at the utmost.
        most = max(sum(counts[at : at + span_s]) for at in range(600 - span_s))
        assert most <= policy.window_bound(100, nanos(span_s + 0.5), nanos(3.9))


def test_without_a_limit_it_is_refused_and_comes_back() -> None:
    outcome = simulate(processes(40, rate_per_s=25), until_s=180, seed=1, timeline=[Cut(at_s=60)])
    assert outcome.totals.refused_rate > 0
    assert outcome.full_since_s(179) is not None
    assert outcome.totals.attempts - outcome.totals.refused_rate <= 100 * 180 + 1_000


def test_any_partition_of_the_rate_is_never_refused() -> None:
    for seed in range(10):
        specs = processes(12, rate_per_s=100 / 12, burst=1_000 // 12, lifetime_s=20, jitter=0.01 * seed)
        outcome = simulate(specs, until_s=120, seed=seed, timeline=[Cut(at_s=50), ExpireAll(at_s=80)])
        assert outcome.totals.refused_rate == 0


def test_the_counter_out_of_reach_leaves_the_local_limits() -> None:
    specs = processes(10, rate_per_s=5, burst=20, limiter="distributed")
    timeline = [CounterOutage(at_s=0, until_s=60)]
    outcome = simulate(specs, until_s=120, seed=1, counter=CounterSpec(), timeline=timeline)
    assert outcome.totals.uncounted == outcome.totals.attempts == 530
    assert outcome.totals.refused_rate == 0
    assert outcome.full_since_s(119) is not None


# What reacts.


class Deployment(Controller):
    """Replaces one process after the other, each stopped when its successor is warm."""

    def __init__(self, specs: list[ProcessSpec]) -> None:
        self.specs = list(specs)
        self.heard: list[str] = []

    def begin(self, world: World) -> None:
        world.call_at(20, lambda: self.next(world))

    def next(self, world: World) -> None:
        if self.specs:
            old = self.specs.pop(0)
            new = ProcessSpec(service=old.service, replica=old.replica, generation=1)
            world.note(f"replacing {old.id}")
            world.act(Start(at_s=world.now_s, process=new))

    def warm(self, world: World, process: ProcessSpec) -> None:
        self.heard.append(f"warm {process.id}")
        if process.generation:
            old = Which(process=f"{process.service}/{process.replica}")
            world.act(Stop(at_s=world.now_s, which=old, drain_s=3))

    def ended(self, world: World, process: ProcessSpec) -> None:
        self.heard.append(f"ended {process.id} with {len(world.running('history'))} left")
        self.next(world)


def test_a_controller_hears_and_acts() -> None:
    specs = processes(2)
    deployment = Deployment(specs)
    outcome = simulate(specs, until_s=120, seed=1, controllers=[deployment])
    assert sorted(deployment.heard[:2]) == ["warm history/0", "warm history/1"]
    assert deployment.heard[2:] == [
        "warm history/0.1",
        "ended history/0 with 2 left",
        "warm history/1.1",
        "ended history/1 with 2 left",
    ]
    assert outcome.totals.most_open >= 150
    assert outcome.series.open[-1] == 100


def test_a_controller_sees_the_state_of_each_process() -> None:
    seen: list[tuple[str, bool, int, int]] = []

    class Look(Controller):
        def begin(self, world: World) -> None:
            for at_s in (0.1, 30):
                world.call_at(
                    at_s,
                    lambda: seen.extend((one.spec.id, one.warm, one.usable, one.target) for one in world.running()),
                )

    simulate(processes(1), until_s=40, seed=1, controllers=[Look()])
    assert seen == [("history/0", False, 0, 50), ("history/0", True, 50, 50)]


def test_a_service_that_a_controller_brings_has_its_series() -> None:
    class Late(Controller):
        def begin(self, world: World) -> None:
            world.act(Start(at_s=10, process=ProcessSpec(service="worker")))

    outcome = simulate(processes(1), until_s=40, seed=1, controllers=[Late()])
    assert outcome.series.open_by_service["worker"][-1] == 50
    assert outcome.series.open_by_service["worker"][9] == 0


# Demand.


def requests_in(outcome: Outcome, from_s: int, until_s: int) -> int:
    return sum(outcome.series.requests[from_s:until_s])


def test_a_services_demand_is_shared_by_those_who_serve() -> None:
    """One of two ends: the other takes all, and the pool that was large enough for a half is not."""
    demand = {"history": Demand(rate_per_s=1_600)}
    specs = processes(2, pool_size=30)
    outcome = simulate(
        specs, until_s=60, seed=1, service_demand=demand, skip_idle_requests=False,
        timeline=[Stop(at_s=30, which=Which(process="history/0"))],
    )  # fmt: skip
    assert requests_in(outcome, 20, 30) == pytest.approx(16_000, rel=0.03)
    assert requests_in(outcome, 40, 50) == pytest.approx(16_000, rel=0.03)
    waits = [sum(outcome.series.waits[at : at + 10]) for at in (20, 40)]
    assert waits[0] * 5 < waits[1]


def test_demand_changes_and_scales() -> None:
    timeline = [
        ScaleDemand(at_s=20, factor=2),
        ChangeDemand(at_s=30, demand=Demand(rate_per_s=10), which=Which(process="history/0")),
        ChangeDemand(at_s=40, demand=None),
        Start(at_s=42, process=ProcessSpec(service="history", replica=9, demand=Demand(rate_per_s=100))),
    ]
    specs = processes(2, demand=Demand(rate_per_s=100))
    outcome = simulate(specs, until_s=60, seed=1, timeline=timeline, skip_idle_requests=False)
    assert requests_in(outcome, 12, 20) == pytest.approx(8 * 200, rel=0.1)
    assert requests_in(outcome, 20, 30) == pytest.approx(10 * 400, rel=0.1)
    assert requests_in(outcome, 30, 40) == pytest.approx(10 * (200 + 20), rel=0.1)
    assert requests_in(outcome, 40, 42) == 0
    assert requests_in(outcome, 54, 60) == pytest.approx(6 * 200, rel=0.15), "the factor holds for who starts later"


def test_skipping_changes_no_connection_and_no_wait() -> None:
    specs = processes(2, lifetime_s=30, demand=Demand(rate_per_s=227))
    skipped = simulate(specs, until_s=120, seed=1)
    whole = simulate(specs, until_s=120, seed=1, skip_idle_requests=False)
    assert whole.totals.requests == pytest.approx(2 * 227 * 112, rel=0.05)
    assert skipped.totals.requests == 0
    assert whole.totals.waits == skipped.totals.waits == 0
    assert list(whole.series.attempts)[:30] == list(skipped.series.attempts)[:30]
    assert whole.shortages == skipped.shortages == []
    assert 0 < skipped.skipped_wait_bound < 1e-9
    assert whole.skipped_wait_bound == 0


# What cannot be simulated, and how much memory it takes.


def test_what_cannot_be_simulated_is_refused() -> None:
    with pytest.raises(UsageError, match="history/0 was started before"):
        simulate(processes(1), until_s=60, seed=1, timeline=[Start(at_s=5, process=processes(1)[0])])
    with pytest.raises(UsageError, match="no counter"):
        simulate(processes(1, limiter="distributed"), until_s=60, seed=1)
    for until_s in (0, -1, 1e9, float("nan")):
        with pytest.raises(UsageError, match="31 days"):
            simulate(processes(1), until_s=until_s, seed=1)


@pytest.mark.whole
def test_memory_does_not_grow_with_time() -> None:
    """Two hours, 7,200 replacements: after the first half hour nothing more is kept; the arrays are there before."""
    measured: list[int] = []

    class Measure(Controller):
        def begin(self, world: World) -> None:
            for at_s in range(1_800, 7_200, 600):
                world.call_at(at_s, self.measure)

        def measure(self) -> None:
            gc.collect()
            measured.append(tracemalloc.get_traced_memory()[0])

    specs = processes(4, lifetime_s=200, reservoir=5, demand=Demand(rate_per_s=200))
    tracemalloc.start()
    outcome = simulate(specs, until_s=7_200, seed=1, controllers=[Measure()], probes=Probes(below_target=True))
    tracemalloc.stop()
    assert outcome.totals.expired > 7_000
    assert max(measured) - measured[0] < 64 * 1024


def test_an_empty_cluster_is_no_error() -> None:
    outcome = simulate([], until_s=10, seed=1, dsql=DsqlSpec())
    assert outcome.totals.attempts == 0
    assert outcome.full == []
    assert list(outcome.series.bucket_least) == [1_000] * 10
