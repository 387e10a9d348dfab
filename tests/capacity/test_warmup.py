from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auroral.capacity.budget import Allowance, ServiceConnections
from auroral.capacity.warmup import (
    Lifetime,
    Pace,
    cold_start_s,
    counter_skew_s,
    deployment_s,
    fill_s,
    lost_tasks,
    replaced_per_s,
    replacement,
    start_period_s,
    zone_loss_s,
)


def one(pool: int, rate_per_s: float, burst: int, **more: int) -> ServiceConnections:
    fields = {"planned": 1, "maximum": 1, **more}
    return ServiceConnections(service="history", pool_size=pool, rate_per_s=rate_per_s, burst=burst, **fields)


@pytest.mark.parametrize(
    ("pool", "rate_per_s", "burst", "latency_s", "period_s"),
    [(50, 10, 100, 0.25, 78), (50, 8, 40, 0.1, 70), (50, 2, 10, 0.1, 86), (50, 4, 20, 0.1, 73)],
)
def test_the_start_period_is_the_servers(
    pool: int, rate_per_s: float, burst: int, latency_s: float, period_s: int
) -> None:
    """The cases of server/internal/host/startperiod_test.go."""
    assert start_period_s(one(pool, rate_per_s, burst), Pace(slow_connect_s=latency_s)) == period_s


def test_without_a_rate_no_start_period_is_long_enough() -> None:
    assert start_period_s(one(50, 0, 1), Pace()) == 301
    assert math.isinf(fill_s(one(50, 0, 1), 0.05))


@given(st.integers(1, 400), st.floats(0.1, 50), st.integers(1, 200), st.floats(0.001, 0.5))
@settings(deadline=None)
def test_the_fill_time_is_a_token_bucket_stepped_through(
    pool: int, rate_per_s: float, burst: int, connect_s: float
) -> None:
    now_s, tokens, at_s = 0.0, float(burst), 0.0
    for _ in range(pool):
        tokens, at_s = min(float(burst), tokens + (now_s - at_s) * rate_per_s), now_s
        if tokens < 1:
            now_s += (1 - tokens) / rate_per_s
            tokens, at_s = 1.0, now_s
        tokens -= 1
        now_s += connect_s
    assert fill_s(one(pool, rate_per_s, burst), connect_s) == pytest.approx(now_s, abs=1e-6)


def test_a_cold_start_takes_as_long_as_the_slowest_pool_or_the_counter() -> None:
    services = [one(300, 3, 30, planned=16), one(50, 5, 50, planned=4)]
    assert cold_start_s(services, Pace()) == pytest.approx(5 + 273 / 3 + 0.05)
    assert cold_start_s(services, Pace(), counter_per_s=50) == 5 + 5_060 / 50


def test_a_lost_zone_comes_back_after_ecs_has_noticed() -> None:
    services = [one(300, 3, 30, planned=16)]
    assert zone_loss_s(services, 3, Pace()) == 60 + 30 + cold_start_s(services, Pace())
    assert lost_tasks(16, 3) == 6
    assert lost_tasks(2, 3) == 1


def test_a_deployment_goes_batch_by_batch() -> None:
    rolling = one(50, 5, 50, planned=8, maximum=8, max_percent=125)
    assert deployment_s(rolling, Pace()) == pytest.approx(4 * (30 + 5 + 2.65 + 10 + 5.1))
    in_place = one(50, 5, 50, planned=8, maximum=8, min_healthy_percent=75)
    assert deployment_s(in_place, Pace()) == deployment_s(rolling, Pace())


def test_connections_opened_together_expire_over_the_jitter() -> None:
    found = replacement([one(50, 4.4, 44, planned=20)], Lifetime(), filled_s=8)
    assert found.mean_per_s == pytest.approx(1_000 / 3_135)
    assert found.worst_per_s == pytest.approx(1_000 / 330)


def test_one_process_replaces_its_pool_within_its_mean_lifetime() -> None:
    assert replaced_per_s(one(300, 3, 30), Lifetime()) == pytest.approx(300 / 3_135)
    assert Lifetime(jitter=0.0).spread_s == 0


def test_the_counter_is_safe_with_clocks_some_seconds_off() -> None:
    """With nothing kept for operators it is docs/server.md's: 2s + d at most 8 s."""
    bare = Allowance(operator_rate_per_s=0, operator_burst=0)
    assert counter_skew_s(bare, 100, 0) == 4
    assert counter_skew_s(Allowance(), 98, 0.5) == 3.75
    assert counter_skew_s(Allowance(), 100, 0) == 0


@given(st.floats(0, 4), st.integers(0, 60))
@settings(deadline=None)
def test_at_that_skew_the_counters_bound_stays_within_dsqls_bucket(delay_s: float, span_s: int) -> None:
    allowed = Allowance()
    skew_s = counter_skew_s(allowed, 98, delay_s)
    passed = (span_s + delay_s + 2 * skew_s + 2) * 98 + 20 + 2 * span_s
    assert passed <= allowed.burst + allowed.rate_per_s * span_s + 1e-6


def test_a_deployment_surges_by_what_is_planned_and_not_by_what_autoscaling_may_reach() -> None:
    """113 % of 40 is five more, of 50 it would be six: eight batches."""
    rolling = one(50, 5, 50, planned=40, maximum=50, max_percent=113)
    assert deployment_s(rolling, Pace()) == pytest.approx(8 * (30 + 5 + 2.65 + 10 + 5.1))
