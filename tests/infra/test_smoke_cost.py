"""What a smoke test may cost, and the cap."""

from __future__ import annotations

import pytest

from auroral.capacity.presets import presets
from auroral.capacity.prices import packaged_prices
from auroral.errors import UsageError
from auroral.infra.smoke_cost import SmokeCost, cost, require_under
from tests.support.plans import of_preset


def _cost(hours: float = 3, load_hours: float = 0.5, region: str = "eu-west-1") -> SmokeCost:
    return cost(presets(), packaged_prices(), region=region, hours=hours, load_hours=load_hours)


def test_it_is_the_plans_bill_by_the_hour() -> None:
    found = _cost(load_hours=3)
    bill = of_preset("dev").cost
    assert found.hourly_usd == pytest.approx(bill.high_usd / 730)
    assert found.benchmark_hourly_usd == bill.benchmark_hourly_usd.value
    assert found.most_usd == pytest.approx(3 * (found.hourly_usd + found.benchmark_hourly_usd))


def test_load_and_hours_cost() -> None:
    assert _cost(load_hours=0.5).most_usd < _cost(load_hours=1).most_usd
    assert _cost(hours=3).most_usd < _cost(hours=4).most_usd


def test_a_cap_is_kept() -> None:
    require_under(_cost(), 25)
    with pytest.raises(UsageError, match=r"at most, and it may come to more: 3 h × \(") as caught:
        require_under(_cost(), 5)
    assert "--cap 18" in caught.value.hint
    require_under(_cost(), 18)


def test_what_has_no_price_is_named() -> None:
    assert "without opensearch.gp3, which the prices lack" in str(_cost())


def test_a_region_without_prices() -> None:
    with pytest.raises(UsageError):
        _cost(region="xx-nowhere-1")
