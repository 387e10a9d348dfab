from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auroral.capacity.feasibility import largest, shard_busy, violations
from auroral.capacity.layout import lay_out
from auroral.capacity.presets import presets
from auroral.capacity.warmup import Lifetime
from tests.support.plans import options


def names(rate_per_s: float, transitions_per_s: float = 1.0, **changes: object) -> list[str]:
    chosen = options(**changes)
    return [one.limit for one in violations(lay_out(rate_per_s, chosen, presets()), chosen, transitions_per_s)]


def test_a_preset_is_over_nothing() -> None:
    assert names(150, 6_450) == []


def test_connections_say_the_sum_and_by_how_much() -> None:
    chosen = options()
    (one,) = violations(lay_out(600, chosen, presets()), chosen, 1)
    assert one.limit == "connections-autoscaled"
    assert one.needed - one.allowed == 3_180
    assert one.detail.endswith("= 13,180 of 10,000 connections, 3,180 too many")
    assert "--pool" in one.advice


def test_a_pool_that_ecs_does_not_wait_for() -> None:
    chosen = options(pools={"history": 20, "matching": 20, "frontend": 20, "worker": 1_500})
    (one,) = violations(lay_out(150, chosen, presets()), chosen, 1)
    assert one.limit == "start-period-worker"
    assert one.needed == 5 + 1_500 * 0.25 + 60
    assert "ECS takes 5 m" in one.detail


def test_a_lifetime_that_no_bucket_keeps_up_with() -> None:
    found = names(400, lifetime=Lifetime(lifetime_s=60))
    assert "replacement-history" in found
    assert names(400, lifetime=Lifetime(lifetime_s=660)) == []


def test_shards_that_would_write_all_the_time() -> None:
    assert names(150, 60_000) == ["shard-writes"]
    assert names(150, 60_000, history_shards=16_384) == []
    assert shard_busy(4_096, 4_096) == 0.035


def test_more_history_replicas_than_shards() -> None:
    assert "history-shards" in names(150, 1, history_shards=4)
    assert "history-shards" not in names(150, 1, history_shards=8), "eight replicas, one shard each"
    assert "history-shards" in names(151, 1, history_shards=8)


@given(st.floats(10, 10_000), st.floats(0, 1))
@settings(deadline=None)
def test_the_largest_rate_is_the_last_whole_one_that_keeps(rate_per_s: float, share: float) -> None:
    bound = share * rate_per_s
    found = largest(rate_per_s, lambda rate: rate <= bound)
    if found is None:
        assert bound < 1
    else:
        assert found <= bound
        assert found + 1 > bound or found + 1 >= int(rate_per_s)


def test_of_small_rates_it_is_a_hundredth() -> None:
    assert largest(5, lambda rate: rate < 1.02) == pytest.approx(1.0)
    assert largest(5, lambda rate: False) is None
