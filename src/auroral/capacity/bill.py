"""The plan's bill: what the planned cluster has of each thing, priced. Pure."""

from __future__ import annotations

import msgspec

from auroral.capacity.cost import (
    INTERFACE_ENDPOINTS,
    ROOT_VOLUME_GB,
    CostSheet,
    Inventory,
    cost_range,
    cost_sheet,
    with_usage,
)
from auroral.capacity.document import AssumptionPlan, CostItem, CostPlan
from auroral.capacity.figures import Figure, assumed, derived
from auroral.capacity.prices import PriceTable
from auroral.capacity.usage import HOURS_PER_MONTH, Estimate, estimate_usage

SEARCH_NODES = 3
"""m6g.large.search, one a zone: the public cost sheet of 2026-01-23."""
SEARCH_VOLUME_GB = 100
KMS_KEYS = 3
SECRETS = 1
IMAGES_GB = 5.0


def bill(
    *,
    prices: PriceTable,
    region: str,
    zones: int,
    servers: tuple[str, int],
    benchmark: tuple[str, int],
    rate_per_s: float,
    transitions_per_s: float,
    duty: float,
    tasks: int,
    connections: int,
    lifetime_s: float,
    distributed: bool,
) -> CostPlan:
    """Price the cluster for a month of which `duty` is under load.

    `servers` and `benchmark` are instance type and count. Raises `UsageError` for a region without any price.
    """
    usage = estimate_usage(
        transitions_per_s=transitions_per_s,
        rate_per_s=rate_per_s,
        tasks=tasks,
        duty=duty,
        connections=connections,
        connection_lifetime_s=lifetime_s,
        distributed_limiter=distributed,
    )
    bare = Inventory(
        servers={servers[0]: servers[1]},
        benchmark={benchmark[0]: benchmark[1]},
        search_nodes=SEARCH_NODES,
        search_volume_gb=SEARCH_VOLUME_GB,
        interface_endpoints=len(INTERFACE_ENDPOINTS),
        zones=zones,
        kms_keys=KMS_KEYS,
        secrets=SECRETS,
        ecr_gb=IMAGES_GB,
    )
    sheet = cost_sheet(with_usage(bare, usage.usage), prices, region, rate_per_s=rate_per_s, duty=duty)
    low, high = cost_range(msgspec.structs.replace(bare, benchmark={}), usage, prices, region)
    return CostPlan(
        region=region,
        prices=f"{prices.origin}, of {prices.date}",
        duty=assumed(duty, "of the month", "--duty"),
        items=_items(sheet),
        subtotals_usd={name: round(usd, 2) for name, usd in sheet.subtotals.items() if usd},
        monthly_usd=_usd(sheet.usd_per_month_servers, "USD a month", "the items below, without the benchmark's"),
        low_usd=round(low, 2),
        high_usd=round(high, 2),
        benchmark_hourly_usd=_usd(
            sheet.subtotals["benchmark"] / HOURS_PER_MONTH, "USD an hour", "the benchmark's instances and their volumes"
        ),
        per_million_workflows_usd=_usd(
            sheet.usd_per_million_workflows or 0.0, "USD", "a month without the benchmark over its workflows"
        ),
        unpriced=list(sheet.unpriced),
        assumptions=[*_inventory_assumptions(), *_usage_assumptions(usage)],
    )


def _items(sheet: CostSheet) -> list[CostItem]:
    return [
        CostItem(
            category=line.category,
            item=line.item,
            about=line.about,
            quantity=round(line.quantity, 4),
            unit=line.unit,
            usd_per_unit=line.usd_per_unit,
            usd=round(line.usd, 2) if line.usd is not None else None,
            source=f"{line.confidence}: {line.source}" if line.source else "no price",
        )
        for line in sheet.lines
    ]


def _inventory_assumptions() -> list[AssumptionPlan]:
    figures = {
        "search_nodes": Figure(
            value=SEARCH_NODES,
            unit="m6g.large.search",
            basis="documented",
            source="the public cost sheet of 2026-01-23",
        ),
        "search_volume_gb": assumed(SEARCH_VOLUME_GB, "GB a node", "room for a day of records, and for what grows"),
        "interface_endpoints": derived(
            len(INTERFACE_ENDPOINTS), "a zone", "what a cluster without a way to the internet calls; no NAT gateway"
        ),
        "root_volume_gb": Figure(
            value=ROOT_VOLUME_GB,
            unit="GB an instance",
            basis="documented",
            source="the default of the ECS-optimised Amazon Linux 2023 image",
        ),
        "kms_keys": assumed(KMS_KEYS, "keys", "for logs, results and the alarms' topic, as in infra/modules"),
        "secrets": assumed(SECRETS, "secrets", "Grafana's password"),
        "images_gb": assumed(IMAGES_GB, "GB", "some releases of the images"),
        "zone_transfer_gb": assumed(0, "GB", "data between zones was not measured, and is not in the bill"),
    }
    return [AssumptionPlan(name=name, figure=figure, low=None, high=None) for name, figure in figures.items()]


def _usage_assumptions(usage: Estimate) -> list[AssumptionPlan]:
    return [
        AssumptionPlan(
            name=name,
            figure=Figure(value=one.value, unit=one.unit, basis=one.basis, source=one.source),
            low=one.low,
            high=one.high,
        )
        for name, one in usage.assumptions.items()
    ]


def _usd(value: float, unit: str, source: str) -> Figure:
    return derived(round(value, 2), unit, source)
