"""A process from its start to its end."""

from __future__ import annotations

from typing import Any

import pytest

from auroral.capacity.simulation.engine import simulate
from auroral.capacity.simulation.outcome import Outcome
from auroral.capacity.simulation.spec import Demand, DsqlSpec, Lognormal, ProcessSpec
from auroral.capacity.simulation.timeline import DsqlOutage, Stop, Which

CONSTANT = Lognormal(median_s=0.05, p99_s=0.05)
DSQL = DsqlSpec(connect_latency=CONSTANT, refusal_latency=CONSTANT)


def process(**options: Any) -> ProcessSpec:
    defaults = {"service": "history", "stagger": False, "startup_connections": 0, "rate_per_s": 1_000, "burst": 10_000}
    return ProcessSpec(**(defaults | options))


def run(*specs: ProcessSpec, until_s: float = 60, **options: Any) -> Outcome:
    return simulate(specs, **({"until_s": until_s, "seed": 1, "dsql": DSQL} | options))


def test_one_that_can_open_nothing_ends_and_is_back_later() -> None:
    outage = [DsqlOutage(at_s=0, until_s=40)]
    outcome = run(process(), timeline=outage, until_s=120)
    first, second = outcome.warmups
    # Three connections given up after five attempts each, with waits of 0.2 to 3.2 s × 50–150 %.
    assert (first.usable, first.created, first.attempts) == (False, 0, 15)
    assert 3 * 6.2 * 0.5 < first.took_s < 3 * 6.2 * 1.5 + 1
    assert (second.usable, second.process) == (True, "history/0#2")
    assert second.started_s == pytest.approx(first.took_s + 30)
    assert outcome.totals.failed_starts == 1
    assert [violation.kind for violation in outcome.violations] == ["failed-start"]
    assert outcome.series.open[-1] == 50


def test_one_that_is_stopped_while_it_waits_to_be_back_stays_away() -> None:
    timeline = [DsqlOutage(at_s=0, until_s=40), Stop(at_s=35)]
    outcome = run(process(), timeline=timeline, until_s=120)
    assert len(outcome.warmups) == 1
    assert outcome.series.running[-1] == 0


def test_without_a_restart_it_stays_away() -> None:
    outcome = run(process(restart_after_s=None), timeline=[DsqlOutage(at_s=0, until_s=40)], until_s=120)
    assert len(outcome.warmups) == 1
    assert outcome.full == []


def test_a_refusal_of_temporals_start_up_ends_it_at_once() -> None:
    outcome = run(process(startup_connections=2), timeline=[DsqlOutage(at_s=0, until_s=5)], until_s=120)
    assert outcome.warmups[0].took_s == pytest.approx(0.05)
    assert "start-up" in outcome.violations[0].detail
    assert outcome.warmups[1].started_s == pytest.approx(30.05)


def test_a_warm_up_that_ends_incomplete_is_finished_by_the_keeper() -> None:
    timeline = [DsqlOutage(at_s=1, until_s=60)]
    outcome = run(process(warmup_max_retries=1), timeline=timeline, until_s=120)
    (warmup,) = outcome.warmups
    assert warmup.usable
    assert warmup.created + warmup.failed == 50
    assert warmup.failed > 0
    assert outcome.series.open[-1] == 50


def test_a_killed_one_leaves_its_sessions_as_long_as_dsql_does_not_notice() -> None:
    gone = run(process(), timeline=[Stop(at_s=30)])
    assert gone.series.open[29] == 50
    assert gone.series.open[30] == 0
    lingering = run(process(), timeline=[Stop(at_s=30, linger_s=10)])
    assert lingering.series.open[39] == 50
    assert lingering.series.open[40] == 0


def test_one_that_drains_keeps_its_connections_and_takes_no_request() -> None:
    spec = process(demand=Demand(rate_per_s=100))
    outcome = run(spec, timeline=[Stop(at_s=30, drain_s=10)], skip_idle_requests=False)
    assert outcome.series.open[39] == 50
    assert outcome.series.open[40] == 0
    assert outcome.series.running[30] == 0
    assert sum(outcome.series.requests[31:]) == 0
    assert outcome.full[-1].until_s == 30
    assert outcome.shortages == []


def test_one_that_drains_can_be_killed() -> None:
    outcome = run(process(), timeline=[Stop(at_s=30, drain_s=100), Stop(at_s=35)])
    assert outcome.series.open[34] == 50
    assert outcome.series.open[35] == 0


def test_openings_under_way_as_it_is_killed_leave_no_session_behind() -> None:
    slow = DsqlSpec(connect_latency=Lognormal(median_s=3, p99_s=3))
    outcome = run(process(), dsql=slow, timeline=[Stop(at_s=4)])
    assert outcome.totals.attempts == 2
    assert outcome.series.open[4] == 1, "DSQL is still at it"
    assert outcome.series.open[6] == 0


def test_it_takes_requests_only_once_it_is_warm() -> None:
    outcome = run(process(demand=Demand(rate_per_s=100)), skip_idle_requests=False)
    assert sum(outcome.series.requests[:2]) == 0
    assert sum(outcome.series.requests[3:]) == pytest.approx(57 * 100, rel=0.06)


def test_a_warm_one_starts_in_steady_state_without_an_opening() -> None:
    spec = process(warm=True, lifetime_s=1_000, jitter=0.1, reservoir=5)
    outcome = run(spec, until_s=950)
    assert outcome.series.open[0] == 55
    assert outcome.warmups[0].took_s == 0
    assert outcome.totals.attempts == pytest.approx(55, abs=6), "one renewal of each, spread over its lifetime"
    assert max(outcome.series.attempts) <= 3
    assert outcome.full[0].from_s == 0


def test_each_zone_goes_by_itself() -> None:
    specs = [process(replica=number, zone=zone) for number, zone in enumerate("aab")]
    outcome = run(*specs, timeline=[Stop(at_s=30, which=Which(zone="a"))])
    assert outcome.series.running[29] == 3
    assert outcome.series.running[30] == 1
    assert outcome.series.open[30] == 50
