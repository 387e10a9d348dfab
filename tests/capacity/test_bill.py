from __future__ import annotations

from typing import Any

import pytest

from auroral.capacity.bill import bill
from auroral.capacity.document import CostPlan
from auroral.capacity.prices import packaged_prices
from auroral.errors import UsageError


def of(**changes: Any) -> CostPlan:
    fields: dict[str, Any] = {
        "prices": packaged_prices(),
        "region": "eu-west-1",
        "zones": 3,
        "servers": ("m8g.4xlarge", 10),
        "benchmark": ("m8g.4xlarge", 13),
        "rate_per_s": 400.0,
        "transitions_per_s": 17_200.0,
        "duty": 1.0,
        "tasks": 47,
        "connections": 8_250,
        "lifetime_s": 3_135.0,
        "distributed": False,
        **changes,
    }
    return bill(**fields)


def test_items_add_up_to_what_is_said() -> None:
    cost = of()
    assert sum(item.usd or 0 for item in cost.items) == pytest.approx(sum(cost.subtotals_usd.values()), abs=0.2)
    own = sum(item.usd or 0 for item in cost.items if item.category != "benchmark")
    assert cost.monthly_usd.value == pytest.approx(own, abs=0.2)
    assert cost.low_usd < cost.monthly_usd.value < cost.high_usd
    assert cost.benchmark_hourly_usd.value == pytest.approx(13 * (0.80032 + 30 * 0.088 / 730), abs=0.01)


def test_a_million_workflows_cost_more_where_the_load_runs_less() -> None:
    always, seldom = of(), of(duty=0.1)
    assert seldom.monthly_usd.value < always.monthly_usd.value
    assert seldom.per_million_workflows_usd.value > always.per_million_workflows_usd.value


def test_every_assumption_has_its_source_and_missing_prices_are_named() -> None:
    cost = of()
    assert all(one.figure.source for one in cost.assumptions)
    assert cost.unpriced == ["opensearch.gp3"]
    assert [item.usd for item in cost.items if item.item == "opensearch.gp3"] == [None]


def test_the_shared_counter_is_billed() -> None:
    assert not any(item.item == "dynamodb.writes" for item in of().items)
    assert any(item.item == "dynamodb.writes" for item in of(distributed=True).items)


def test_a_region_without_prices_is_refused() -> None:
    with pytest.raises(UsageError, match="mars-1"):
        of(region="mars-1")


def test_the_range_is_of_the_same_sum_as_the_month() -> None:
    """The benchmark is in none of them."""
    without = of(benchmark=("m8g.4xlarge", 0))
    for name in ("monthly_usd", "low_usd", "high_usd"):
        assert getattr(of(), name) == getattr(without, name)


def test_what_the_bill_takes_for_granted_is_listed() -> None:
    named = {one.name: one.figure.value for one in of().assumptions}
    assert {"kms_keys", "secrets", "images_gb", "root_volume_gb", "search_nodes"} <= set(named)
    assert named["root_volume_gb"] * (10 + 13) == sum(i.quantity for i in of().items if i.item == "ebs.gp3")
