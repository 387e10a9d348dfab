"""What runs, priced item by item: per month, per day, and per million workflows. Pure.

Prices are on demand, without tax, free tier or discount. What has no price in the table is named, not
counted as nothing in silence.
"""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

from auroral.capacity.prices import PriceTable, known_item
from auroral.capacity.usage import HOURS_PER_MONTH, SECONDS_PER_MONTH, Estimate, Usage
from auroral.errors import UsageError

Category = Literal["servers", "benchmark", "network", "database", "search", "observability", "other"]
CATEGORIES: tuple[Category, ...] = get_args(Category)

DAYS_PER_MONTH = HOURS_PER_MONTH / 24

ROOT_VOLUME_GB = 30
"""An instance's volume: the default of the ECS-optimised Amazon Linux 2023 image, 30 GiB of gp3."""

INTERFACE_ENDPOINTS = (
    "dsql",
    "ecr.api",
    "ecr.dkr",
    "ecs",
    "ecs-agent",
    "ecs-telemetry",
    "logs",
    "ssm",
    "ssmmessages",
    "secretsmanager",
    "kms",
    "aps-workspaces",
    "ec2",
    "sts",
)
"""What a cluster without a way to the internet calls through interface endpoints: DSQL, image pulls, ECS's agent, logs,
ECS Exec, secrets, Prometheus, and the collector's discovery. S3 and DynamoDB have gateway endpoints, free of charge."""

_FIRST_TIER_SAMPLES, _SECOND_TIER_SAMPLES = 2e9, 250e9
"""AMP's tiers of a month: AWS Price List, as quoted in the price table's source."""


class Inventory(msgspec.Struct, frozen=True, kw_only=True):
    """What a month has of each thing. Volumes of data are GB, of storage GB-months."""

    servers: dict[str, float]
    """Instances of the cluster by type."""
    benchmark: dict[str, float] = {}
    """Instances of the benchmark's fleet by type."""
    server_hours: float = HOURS_PER_MONTH
    benchmark_hours: float = HOURS_PER_MONTH
    """Hours of the month that the fleet is up."""
    volume_gb: float = ROOT_VOLUME_GB
    """Of each instance."""
    dsql_dpu: float = 0
    dsql_gb: float = 0
    search_type: str = "m6g.large.search"
    search_nodes: int = 0
    search_volume_gb: float = 0
    """Of each node."""
    nat_gateways: int = 0
    nat_gb: float = 0
    interface_endpoints: int = 0
    zones: int = 3
    endpoint_gb: float = 0
    zone_transfer_gb: float = 0
    """Between zones; it is charged on both sides."""
    samples: float = 0
    samples_gb: float = 0
    samples_queried: float = 0
    metrics: float = 0
    """CloudWatch metrics, Container Insights' among them."""
    logs_gb: float = 0
    logs_kept_gb: float = 0
    dynamodb_writes: float = 0
    dynamodb_reads: float = 0
    kms_keys: int = 0
    kms_requests: float = 0
    secrets: int = 0
    secret_requests: float = 0
    s3_gb: float = 0
    ecr_gb: float = 0


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One item of the sheet."""

    category: Category
    item: str
    about: str
    quantity: float
    """A month's, in `unit`."""
    unit: str
    usd_per_unit: float | None
    """None where the table has no price."""
    usd: float | None
    """A month's."""
    source: str = ""
    date: str = ""
    confidence: str = ""


class CostSheet(msgspec.Struct, frozen=True, kw_only=True):
    """A month's cost."""

    region: str
    prices: str
    """The table's origin."""
    lines: tuple[Line, ...]
    subtotals: dict[Category, float]
    usd_per_month: float
    """Benchmark included."""
    usd_per_month_servers: float
    """All but the benchmark."""
    usd_per_day: float
    unpriced: tuple[str, ...]
    """Items without a price, which the totals lack."""
    rate_per_s: float = 0
    duty: float = 1
    usd_per_million_workflows: float | None = None
    """All but the benchmark, at this rate for this share of the month; None without a rate."""

    def require_complete(self, prices: PriceTable) -> None:
        """Raise `UsageError` that names every item without a price and says how to give one."""
        if self.unpriced:
            prices.require(self.region, self.unpriced)


def cost_sheet(
    inventory: Inventory, prices: PriceTable, region: str, *, rate_per_s: float = 0, duty: float = 1
) -> CostSheet:
    """Price what runs, in US dollars.

    `rate_per_s` (workflows) and `duty` (the share of the month it runs) give the cost of a million workflows. Raises
    `UsageError` for a region without prices and for impossible quantities; single missing prices stand in `unpriced`.
    """
    prices.require_region(region)
    if rate_per_s < 0 or not 0 <= duty <= 1:
        raise UsageError(f"expected a rate of 0 and more and a duty from 0 to 1, got {rate_per_s:g}/s and {duty:g}")
    lines = tuple(
        _line(prices, region, category, item, quantity)
        for category, item, quantity in _quantities(inventory)
        if _require_quantity(item, quantity)
    )
    subtotals: dict[Category, float] = {
        category: sum(line.usd or 0.0 for line in lines if line.category == category) for category in CATEGORIES
    }
    total = sum(subtotals.values())
    servers = total - subtotals["benchmark"]
    workflows = rate_per_s * duty * SECONDS_PER_MONTH
    return CostSheet(
        region=region,
        prices=prices.origin,
        lines=lines,
        subtotals=subtotals,
        usd_per_month=total,
        usd_per_month_servers=servers,
        usd_per_day=total / DAYS_PER_MONTH,
        unpriced=tuple(dict.fromkeys(line.item for line in lines if line.usd is None)),
        rate_per_s=rate_per_s,
        duty=duty,
        usd_per_million_workflows=servers / workflows * 1e6 if workflows else None,
    )


def with_usage(inventory: Inventory, usage: Usage) -> Inventory:
    """The same inventory with what a load uses. OpenSearch's volumes stay as provisioned."""
    return msgspec.structs.replace(
        inventory,
        dsql_dpu=usage.dsql_dpu,
        dsql_gb=usage.dsql_gb,
        endpoint_gb=inventory.endpoint_gb + usage.endpoint_gb,
        samples=usage.samples,
        samples_gb=usage.samples_gb,
        samples_queried=usage.samples_queried,
        logs_gb=usage.logs_gb,
        logs_kept_gb=usage.logs_kept_gb,
        dynamodb_writes=usage.dynamodb_writes,
    )


def cost_range(inventory: Inventory, estimate: Estimate, prices: PriceTable, region: str) -> tuple[float, float]:
    """US dollars a month, benchmark included, with every assumption at its low and at its high end."""
    low, high = (
        cost_sheet(with_usage(inventory, usage), prices, region).usd_per_month
        for usage in (estimate.low, estimate.high)
    )
    return low, high


def _line(prices: PriceTable, region: str, category: Category, item: str, quantity: float) -> Line:
    price = prices.find(region, item)
    known = known_item(item)
    if known is None:
        raise UsageError(f"expected an instance or node type that can be priced, got {item.partition('.')[2]}")
    about = known.about if "." not in item.partition(".")[2] else item.partition(".")[2]
    if price is None:
        return Line(
            category=category,
            item=item,
            about=about,
            quantity=quantity,
            unit=known.unit,
            usd_per_unit=None,
            usd=None,
        )
    return Line(
        category=category,
        item=item,
        about=about,
        quantity=quantity,
        unit=price.unit,
        usd_per_unit=price.usd,
        usd=quantity * price.usd,
        source=price.source,
        date=price.date,
        confidence=price.confidence,
    )


def _quantities(one: Inventory) -> list[tuple[Category, str, float]]:
    """Every item with its quantity in the price's unit."""
    month_share = one.benchmark_hours / HOURS_PER_MONTH
    instances, fleet = sum(one.servers.values()), sum(one.benchmark.values())
    first = min(one.samples, _FIRST_TIER_SAMPLES)
    second = min(one.samples - first, _SECOND_TIER_SAMPLES)
    third = one.samples - first - second
    return [
        *(("servers", f"ec2.{name}", count * one.server_hours) for name, count in one.servers.items()),
        ("servers", "ebs.gp3", instances * one.volume_gb * one.server_hours / HOURS_PER_MONTH),
        *(("benchmark", f"ec2.{name}", count * one.benchmark_hours) for name, count in one.benchmark.items()),
        ("benchmark", "ebs.gp3", fleet * one.volume_gb * month_share),
        ("network", "nat.hour", one.nat_gateways * HOURS_PER_MONTH),
        ("network", "nat.data", one.nat_gb),
        ("network", "endpoint.hour", one.interface_endpoints * one.zones * HOURS_PER_MONTH),
        ("network", "endpoint.data", one.endpoint_gb),
        ("network", "transfer.zone", 2 * one.zone_transfer_gb),
        ("database", "dsql.dpu", one.dsql_dpu / 1e6),
        ("database", "dsql.storage", one.dsql_gb),
        ("search", f"opensearch.{one.search_type}", one.search_nodes * HOURS_PER_MONTH),
        ("search", "opensearch.gp3", one.search_nodes * one.search_volume_gb),
        ("observability", "amp.samples", first / 1e7),
        ("observability", "amp.samples-over-2b", second / 1e7),
        ("observability", "amp.samples-over-252b", third / 1e7),
        ("observability", "amp.storage", one.samples_gb),
        ("observability", "amp.queried", one.samples_queried / 1e9),
        ("observability", "logs.ingestion", one.logs_gb),
        ("observability", "logs.storage", one.logs_kept_gb),
        ("observability", "cloudwatch.metric", one.metrics),
        ("other", "dynamodb.writes", one.dynamodb_writes / 1e6),
        ("other", "dynamodb.reads", one.dynamodb_reads / 1e6),
        ("other", "kms.key", one.kms_keys),
        ("other", "kms.requests", one.kms_requests / 1e4),
        ("other", "secrets.secret", one.secrets),
        ("other", "secrets.requests", one.secret_requests / 1e4),
        ("other", "s3.storage", one.s3_gb),
        ("other", "ecr.storage", one.ecr_gb),
    ]


def _require_quantity(item: str, quantity: float) -> bool:
    if quantity < 0:
        raise UsageError(f"expected 0 and more of {item}, got {quantity:g}")
    return quantity > 0
