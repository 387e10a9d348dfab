"""A pool alone: how it fills, replaces, backs off and comes back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auroral.capacity.simulation.engine import Probes, simulate
from auroral.capacity.simulation.outcome import Outcome
from auroral.capacity.simulation.spec import CounterSpec, Demand, DsqlSpec, Lognormal, ProcessSpec
from auroral.capacity.simulation.timeline import Cut, DsqlOutage, ExpireAll

CONSTANT = Lognormal(median_s=0.05, p99_s=0.05)
DSQL = DsqlSpec(connect_latency=CONSTANT, refusal_latency=CONSTANT)


def process(**options: Any) -> ProcessSpec:
    defaults = {"service": "history", "stagger": False, "startup_connections": 0, "rate_per_s": 1_000, "burst": 10_000}
    return ProcessSpec(**(defaults | options))


def run(spec: ProcessSpec, until_s: float = 60, **options: Any) -> Outcome:
    return simulate([spec], **({"until_s": until_s, "seed": 1, "dsql": DSQL} | options))


def attempts(outcome: Outcome, from_s: int, until_s: int) -> int:
    return sum(outcome.series.attempts[from_s:until_s])


def test_it_fills_one_connection_after_the_other() -> None:
    (warmup,) = run(process()).warmups
    assert warmup.took_s == pytest.approx(50 * 0.05)
    assert (warmup.created, warmup.failed, warmup.attempts, warmup.usable) == (50, 0, 50, True)


def test_where_the_rate_is_the_limit_it_fills_by_the_rate() -> None:
    outcome = run(process(rate_per_s=4, burst=10))
    assert outcome.warmups[0].took_s == pytest.approx((50 - 10) / 4 + 0.05)
    assert outcome.full[0].from_s == outcome.warmups[0].took_s
    assert outcome.full[0].until_s == 60


def test_temporals_start_up_opens_before_it_and_costs_tokens() -> None:
    outcome = run(process(rate_per_s=4, burst=10, startup_connections=6))
    assert outcome.warmups[0].took_s == pytest.approx((56 - 10) / 4 + 0.05)
    assert outcome.totals.opened == 56
    assert outcome.series.open[-1] == 50


def test_the_pools_of_a_process_share_one_gate() -> None:
    outcome = run(process(rate_per_s=4, burst=10, pools=2, pool_size=25))
    assert outcome.warmups[0].took_s == pytest.approx((50 - 10) / 4 + 0.05)
    assert outcome.series.open[-1] == 50


def test_the_reservoir_comes_after_the_warm_up_four_at_a_time() -> None:
    outcome = run(process(reservoir=8))
    assert outcome.warmups[0].created == 50
    assert outcome.series.open[2] == 58
    assert attempts(outcome, 0, 3) == 58


def test_every_lifetime_replaces_every_connection_and_none_is_missed() -> None:
    outcome = run(process(lifetime_s=100, jitter=0.2), until_s=1_000)
    # Ages of 80 to 100 s, all new at the start: a renewal every 90 s, half a one behind.
    assert outcome.totals.expired == pytest.approx(50 * (1_000 / 90 - 0.5), rel=0.03)
    assert outcome.shortages == []
    assert outcome.totals.retired_short == 0
    assert outcome.totals.most_open <= 50 + 4
    assert min(outcome.series.open[3:]) == 50


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    pool_size=st.integers(1, 60),
    reservoir=st.integers(0, 15),
    lifetime_s=st.floats(5, 120),
    jitter=st.floats(0, 0.9),
    rate_per_s=st.floats(1, 50),
    burst=st.integers(1, 100),
)
def test_no_pool_falls_below_its_target_by_its_own_doing(seed: int, **options: Any) -> None:
    outcome = simulate([process(**options)], until_s=240, seed=seed, timeline=[ExpireAll(at_s=200)])
    target, reservoir = options["pool_size"], options["reservoir"]
    assert outcome.totals.retired_short == 0
    assert outcome.totals.most_open <= target + reservoir + 4
    assert outcome.shortages == []
    warm = [one for one in outcome.warmups if one.started_s + one.took_s < 240]
    if warm:
        assert min(outcome.series.open[int(warm[0].took_s) + 1 :], default=target) >= target


def test_a_reservoir_covers_what_breaks() -> None:
    spec = process(reservoir=10)
    assert run(spec, timeline=[Cut(at_s=30, count=10)]).shortages == []
    (shortage,) = run(spec, timeline=[Cut(at_s=30, count=13)]).shortages
    assert (shortage.least, shortage.target) == (47, 50)


def test_an_outage_costs_no_connection_and_is_probed_with_a_back_off() -> None:
    """All are due as the outage begins: they stay, since none can take their place."""
    outage = [DsqlOutage(at_s=30, until_s=90), ExpireAll(at_s=30)]
    outcome = run(process(), until_s=200, timeline=outage)
    assert outcome.shortages == []
    assert outcome.totals.acquire_timeouts == 0
    # Four at once, then one each 0.2, 0.4 … 5 s × 50–150 %: 16 at the mean.
    assert 4 + 9 <= attempts(outcome, 30, 90) <= 4 + 28
    assert outcome.totals.refused_outage == attempts(outcome, 30, 90)
    assert outcome.totals.expired == 50
    assert attempts(outcome, 90, 200) == 50
    assert outcome.violations == []


def test_an_outage_beyond_dsqls_session_ends_them_and_requests_wait() -> None:
    outcome = run(
        process(demand=Demand(rate_per_s=20), lifetime_s=60, jitter=0, acquire_timeout_s=5),
        until_s=400,
        dsql=DsqlSpec(connect_latency=CONSTANT, refusal_latency=CONSTANT, session_lifetime_s=80),
        timeline=[DsqlOutage(at_s=50, until_s=200)],
    )
    assert outcome.totals.ended_by_dsql == 50
    (shortage,) = outcome.shortages
    assert shortage.least == 0
    assert shortage.from_s == pytest.approx(80.05, abs=0.2), "the first sessions end"
    assert outcome.totals.acquire_timeouts > 0
    assert outcome.longest_wait is not None
    assert outcome.longest_wait.wait_s == 5
    assert shortage.until_s < 215
    assert outcome.full_since_s(200) == shortage.until_s


def test_a_lifetime_beyond_dsqls_own_breaks_connections() -> None:
    outcome = run(
        process(demand=Demand(rate_per_s=50), lifetime_s=100, jitter=0),
        until_s=300,
        dsql=DsqlSpec(session_lifetime_s=60),
    )
    assert outcome.totals.ended_by_dsql > 100
    assert outcome.totals.expired == 0
    assert outcome.shortages


def test_a_dsql_that_does_not_answer_holds_each_attempt_until_its_time_out() -> None:
    outcome = run(process(), until_s=120, timeline=[DsqlOutage(at_s=30, until_s=60, mode="hang"), ExpireAll(at_s=30)])
    assert attempts(outcome, 30, 60) <= 4 + 3
    assert outcome.series.refused_outage[40] == 4, "told after the connect time-out of 10 s"
    assert outcome.shortages == []


def test_idle_connections_that_broke_are_found_by_the_keepers_probe() -> None:
    outcome = run(process(), until_s=120, timeline=[Cut(at_s=30)])
    (shortage,) = outcome.shortages
    assert shortage.least == 0
    assert 80 < shortage.until_s < 91, "each within the minute after which the keeper asks"
    assert outcome.totals.broken == 0


def test_a_request_finds_them_at_once() -> None:
    outcome = run(process(demand=Demand(rate_per_s=200)), until_s=120, timeline=[Cut(at_s=30)])
    (shortage,) = outcome.shortages
    # 50 openings, four at a time, of 50 ms each.
    assert shortage.until_s == pytest.approx(30 + 13 * 0.05, abs=0.05)
    assert outcome.totals.waits > 0
    assert outcome.longest_wait is not None
    assert 0.02 < outcome.longest_wait.wait_s < 0.2
    assert 0 < outcome.totals.broken < 15


def test_refusals_by_the_rate_are_violations_with_the_events_around_them() -> None:
    outcome = run(process(), dsql=DsqlSpec(burst=30, connect_rate_per_s=1, connect_latency=CONSTANT))
    (violation,) = outcome.violations
    assert (violation.kind, violation.process) == ("refused-rate", "history/0")
    assert "53400" in violation.detail
    assert [event.what for event in violation.before[-2:]] == ["opened", "refused"]
    assert len(violation.before) == len(violation.after) == 20
    assert violation.before[-1].at_s == violation.at_s <= violation.after[0].at_s
    assert outcome.totals.violations["refused-rate"] == outcome.totals.refused_rate > 1


def test_refusals_by_the_cap_are_told_apart() -> None:
    outcome = run(process(), dsql=DsqlSpec(max_connections=40, connect_latency=CONSTANT))
    assert outcome.totals.refused_cap > 0
    assert outcome.totals.refused_rate == 0
    assert outcome.totals.most_open == 40
    assert "53300" in outcome.violations[0].detail


def test_an_opening_slower_than_the_connect_time_out_fails_and_leaves_nothing_open() -> None:
    slow = DsqlSpec(connect_latency=Lognormal(median_s=11, p99_s=11))
    outcome = run(process(restart_after_s=None), until_s=400, dsql=slow)
    assert outcome.totals.timed_out == outcome.totals.attempts == 15
    assert outcome.totals.failed_starts == 1
    assert outcome.series.open[-1] == 0


def test_waits_beyond_a_limit_and_shortages_are_violations_where_asked_for() -> None:
    spec = process(demand=Demand(rate_per_s=500))
    probes = Probes(max_wait_s=0.01, below_target=True)
    outcome = run(spec, timeline=[Cut(at_s=30)], probes=probes)
    assert {violation.kind for violation in outcome.violations} == {"wait", "below-target"}
    assert all(30 <= violation.at_s < 31 for violation in outcome.violations)


def test_with_the_counter_a_pool_fills_by_its_limit() -> None:
    outcome = run(
        process(limiter="distributed", pool_size=40),
        counter=CounterSpec(limit_per_s=5, latency=Lognormal(median_s=0.005, p99_s=0.005)),
    )
    assert max(outcome.series.attempts) <= 10
    assert outcome.totals.counted == 40
    assert outcome.warmups[0].took_s == pytest.approx(7.3, abs=0.6)
