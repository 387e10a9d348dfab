"""The cost sheet, against a public one and by its own rules."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auroral.capacity.cost import (
    DAYS_PER_MONTH,
    INTERFACE_ENDPOINTS,
    CostSheet,
    Inventory,
    cost_range,
    cost_sheet,
    with_usage,
)
from auroral.capacity.prices import load_prices, packaged_prices
from auroral.capacity.usage import SECONDS_PER_MONTH, estimate_usage
from auroral.errors import UsageError

PUBLIC_400 = Inventory(
    servers={"m8g.4xlarge": 10},
    benchmark={"m8g.4xlarge": 13},
    volume_gb=0,
    nat_gateways=1,
    nat_gb=10 * DAYS_PER_MONTH,
    dsql_dpu=12.5 / 9.5e-6 * DAYS_PER_MONTH,  # the middle of the sheet's own guess of 5 to 20 dollars a day
    dsql_gb=10,
    search_nodes=3,
    samples=100e6 * DAYS_PER_MONTH,
    samples_gb=1,
    logs_gb=5 * DAYS_PER_MONTH,
)
"""The public sheet of 2026-01-23: iw/temporal-dsql-deploy-ecs, docs/benchmark-results.md."""


def of(inventory: Inventory, **options: float) -> CostSheet:
    return cost_sheet(inventory, packaged_prices(), "eu-west-1", **options)


def daily(sheet: CostSheet, item: str) -> float:
    return sum(line.usd or 0 for line in sheet.lines if line.item == item) / DAYS_PER_MONTH


def test_the_public_sheet_comes_out_near_its_475_dollars_a_day() -> None:
    sheet = of(PUBLIC_400)
    assert sheet.usd_per_day == pytest.approx(475, rel=0.01)
    assert sheet.subtotals["servers"] / DAYS_PER_MONTH == pytest.approx(192.08, abs=0.01)
    assert sheet.subtotals["benchmark"] / DAYS_PER_MONTH == pytest.approx(249.70, abs=0.01)
    assert sheet.subtotals["network"] / DAYS_PER_MONTH == pytest.approx(1.63, abs=0.01)
    assert daily(sheet, "opensearch.m6g.large.search") == pytest.approx(10.30, abs=0.01)
    assert daily(sheet, "dsql.storage") == pytest.approx(0.12, abs=0.01)
    assert daily(sheet, "logs.ingestion") == pytest.approx(2.85, abs=0.01)
    assert sheet.unpriced == ()


def test_metric_samples_are_priced_by_tier() -> None:
    """The public sheet took the first tier for all: 9.00 a day for 3 billion a month."""
    tiers = {line.item: line.quantity for line in of(Inventory(servers={}, samples=300e9)).lines}
    assert tiers == {"amp.samples": 200, "amp.samples-over-2b": 25_000, "amp.samples-over-252b": 4_800}
    assert of(Inventory(servers={}, samples=2e9)).usd_per_month == pytest.approx(180)


def test_the_benchmark_is_apart_from_the_servers() -> None:
    sheet = of(PUBLIC_400)
    assert sheet.usd_per_month_servers == pytest.approx(sheet.usd_per_month - sheet.subtotals["benchmark"])
    off = of(msgspec.structs.replace(PUBLIC_400, benchmark_hours=0))
    assert off.usd_per_month == pytest.approx(sheet.usd_per_month_servers)
    assert off.subtotals["benchmark"] == 0


def test_volumes_run_as_long_as_their_instances() -> None:
    sheet = of(Inventory(servers={}, benchmark={"m7g.2xlarge": 4}, benchmark_hours=73))
    volumes = next(line for line in sheet.lines if line.item == "ebs.gp3")
    assert (volumes.category, volumes.quantity) == ("benchmark", pytest.approx(4 * 30 * 0.1))


def test_an_endpoint_is_paid_in_each_zone() -> None:
    sheet = of(Inventory(servers={}, interface_endpoints=len(INTERFACE_ENDPOINTS), zones=3))
    assert sheet.lines[0].quantity == 14 * 3 * 730
    assert sheet.usd_per_month == pytest.approx(14 * 3 * 730 * 0.011)


def test_transfer_between_zones_is_paid_on_both_sides() -> None:
    assert of(Inventory(servers={}, zone_transfer_gb=100)).usd_per_month == pytest.approx(2.0)


def test_cost_of_a_million_workflows() -> None:
    """At 10/s for half of the month: the month's servers over 13.14 million workflows."""
    sheet = of(Inventory(servers={"m7g.2xlarge": 1}, volume_gb=0), rate_per_s=10, duty=0.5)
    assert sheet.usd_per_month == pytest.approx(265.574)
    assert sheet.usd_per_million_workflows == pytest.approx(265.574 / 13.14)
    assert of(PUBLIC_400).usd_per_million_workflows is None
    assert of(PUBLIC_400, rate_per_s=10, duty=0).usd_per_million_workflows is None


def test_what_has_no_price_is_named_and_not_counted() -> None:
    inventory = Inventory(servers={"c7g.large": 2}, volume_gb=0, search_nodes=3, search_volume_gb=100)
    prices = packaged_prices()
    sheet = cost_sheet(inventory, prices, "us-east-2")
    assert set(sheet.unpriced) >= {"opensearch.m6g.large.search", "opensearch.gp3"}
    assert all(line.usd is None and line.usd_per_unit is None for line in sheet.lines if line.item in sheet.unpriced)
    with pytest.raises(UsageError, match=r"no price in us-east-2 for .*opensearch\.gp3"):
        sheet.require_complete(prices)
    of(PUBLIC_400).require_complete(prices)


def test_a_file_completes_the_sheet() -> None:
    inventory = Inventory(servers={"m7g.large": 1}, search_nodes=3, search_volume_gb=100)
    assert of(inventory).unpriced == ("opensearch.gp3",)
    prices = load_prices('[regions.eu-west-1]\n"opensearch.gp3" = 0.13\n', origin="my.toml", base=packaged_prices())
    sheet = cost_sheet(inventory, prices, "eu-west-1")
    assert sheet.unpriced == ()
    line = next(line for line in sheet.lines if line.item == "opensearch.gp3")
    assert (line.usd, line.source, line.unit) == (pytest.approx(39), "my.toml", "GB-month")


def test_every_line_names_its_source() -> None:
    for line in of(PUBLIC_400).lines:
        assert line.source
        assert line.date.startswith("2026-")
        assert line.confidence == "quoted"
        assert line.about


@pytest.mark.parametrize(
    ("inventory", "options", "said"),
    [
        pytest.param(Inventory(servers={"m7g.large": -1}), {}, r"0 and more of ec2\.m7g\.large", id="negative"),
        pytest.param(Inventory(servers={}, dsql_dpu=-1), {}, r"dsql\.dpu", id="negative use"),
        pytest.param(PUBLIC_400, {"duty": 1.5}, "a duty from 0 to 1", id="a duty above 1"),
        pytest.param(PUBLIC_400, {"rate_per_s": -1.0}, "a rate of 0 and more", id="a negative rate"),
        pytest.param(Inventory(servers={}, search_type="m6g", search_nodes=1), {}, "got m6g", id="no search type"),
    ],
)
def test_impossible_inventories_are_refused(inventory: Inventory, options: dict[str, float], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        of(inventory, **options)


def test_a_region_without_prices_is_refused() -> None:
    with pytest.raises(UsageError, match="got mars"):
        cost_sheet(PUBLIC_400, packaged_prices(), "mars")


def test_use_goes_into_the_inventory_and_its_range_into_the_cost() -> None:
    estimate = estimate_usage(transitions_per_s=4_485, rate_per_s=136.74, tasks=25)
    cluster = Inventory(servers={"m7g.2xlarge": 10}, endpoint_gb=5)
    used = with_usage(cluster, estimate.usage)
    assert used.dsql_dpu == estimate.usage.dsql_dpu
    assert used.endpoint_gb == pytest.approx(5 + estimate.usage.endpoint_gb)
    low, high = cost_range(cluster, estimate, packaged_prices(), "eu-west-1")
    assert low < of(used).usd_per_month < high


amounts = st.floats(0, 1e12, allow_nan=False)


@given(
    servers=st.dictionaries(st.sampled_from(["m7g.large", "m7g.2xlarge", "m8g.4xlarge"]), st.integers(0, 100)),
    dpu=amounts,
    samples=amounts,
    more=st.floats(0, 1e10),
)
@settings(max_examples=60)
def test_the_parts_sum_and_more_never_costs_less(
    servers: dict[str, float], dpu: float, samples: float, more: float
) -> None:
    inventory = Inventory(servers=servers, dsql_dpu=dpu, samples=samples)
    sheet = of(inventory, rate_per_s=1)
    assert sheet.usd_per_month == pytest.approx(sum(line.usd or 0 for line in sheet.lines))
    assert sheet.usd_per_month == pytest.approx(sum(sheet.subtotals.values()))
    assert sheet.usd_per_million_workflows == pytest.approx(sheet.usd_per_month_servers / SECONDS_PER_MONTH * 1e6)
    grown = of(msgspec.structs.replace(inventory, dsql_dpu=dpu + more, samples=samples + more))
    assert grown.usd_per_month >= sheet.usd_per_month * (1 - 1e-12)
