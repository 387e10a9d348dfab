"""The plan as a document, versioned. Pure types; `schema()` is the published JSON Schema.

Every number that someone may act on is a figure: value, unit, what it rests on, and the source of that.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from auroral.capacity.figures import Basis, Figure
from auroral.json_document import decode_as, json_file

SCHEMA_ID = "auroral.capacity.plan/1"
Limiter = Literal["local", "distributed"]


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    pass


class RequestPlan(_Document, frozen=True, kw_only=True):
    """What was asked for."""

    command: str
    """The command line that gives this plan again."""
    preset: str | None
    workload: str
    region: str
    zones: int
    limiter: Limiter


class LoadPlan(_Document, frozen=True, kw_only=True):
    """The load that the plan is for."""

    rate_per_s: Figure
    transitions_per_workflow: Figure
    transitions_per_s: Figure
    equivalent_per_s: Figure
    """In starts of the workload that the anchors were measured with."""
    completed_per_s: Figure | None
    """What the run behind this very configuration completed; null: there is none."""


class ServicePlan(_Document, frozen=True, kw_only=True):
    """One service of the cluster. The last five are null where it has no connections to DSQL."""

    service: str
    replicas: Figure
    autoscale_max: Figure
    cpu_units: Figure
    memory_mib: Figure
    min_healthy_percent: Figure
    max_percent: Figure
    start_period_s: Figure | None = None
    pool_size: Figure | None = None
    reservoir: Figure | None = None
    rate_per_s: Figure | None = None
    burst: Figure | None = None


class ShardsPlan(_Document, frozen=True, kw_only=True):
    """History shards: chosen once, for the life of the cluster."""

    shards: Figure
    per_replica: Figure
    transitions_per_s_each: Figure
    busy: Figure
    """Share of the time that a shard writes."""


class ConditionPlan(_Document, frozen=True, kw_only=True):
    """Whether the tasks fit in one situation."""

    name: str
    """`steady`, `instance-lost`, `rolling` or `zone-lost`."""
    holds: bool
    detail: str


class PackedPlan(_Document, frozen=True, kw_only=True):
    """One instance and its tasks in steady state."""

    zone: int
    tasks: dict[str, int]
    free_cpu_units: int
    free_memory_mib: int
    free_interfaces: int


class PoolPlan(_Document, frozen=True, kw_only=True):
    """A group of instances of one type."""

    name: Literal["main", "benchmark"]
    instance_type: str
    count: Figure
    minimum: Figure
    """Of the Auto Scaling group."""
    maximum: Figure
    conditions: list[ConditionPlan]
    packing: list[PackedPlan]


class FleetPlan(_Document, frozen=True, kw_only=True):
    """The benchmark's tasks, on instances of their own."""

    workers: Figure
    worker_cpu_units: Figure
    worker_memory_mib: Figure
    generator_cpu_units: Figure
    generator_memory_mib: Figure


class TermPlan(_Document, frozen=True, kw_only=True):
    """One line of a sum."""

    label: str
    count: int
    each: float


class SumPlan(_Document, frozen=True, kw_only=True):
    """One sum against one of DSQL's limits."""

    name: str
    title: str
    unit: str
    terms: list[TermPlan]
    total: float
    limit: float
    headroom: float
    passed: bool
    text: str
    """The sum spelled out."""


class TimePlan(_Document, frozen=True, kw_only=True):
    """How long something takes."""

    name: str
    """Stable: `cold-start`, `zone-lost`, `deployment-history`, …"""
    title: str
    time: Figure


class DsqlPlan(_Document, frozen=True, kw_only=True):
    """The budget of connections."""

    connections: Figure
    lifetime_s: Figure
    jitter: Figure
    reservoir: Figure
    counter_limit_per_s: Figure | None
    """Of the counter in DynamoDB that all processes share; null: not used."""
    counter_skew_s: Figure | None
    """How far clocks may be off, either way."""
    restart_gap_s: Figure
    """Least time between the last opening of a process that dies and the first of its successor."""
    lingering_connections: Figure
    """Open at most, were the sessions of a lost zone to stay open for as long as DSQL lets them."""
    replaced_per_s: Figure
    replaced_most_per_s: Figure
    sums: list[SumPlan]
    times: list[TimePlan]


class QuotaPlan(_Document, frozen=True, kw_only=True):
    """vCPUs of on-demand standard instances (quota L-1216C47A)."""

    running: Figure
    """With the benchmark's instances."""
    needed: Figure
    """With each group at its maximum."""


class CostItem(_Document, frozen=True, kw_only=True):
    """One line of the bill, for a month of 730 hours."""

    category: str
    item: str
    about: str
    quantity: float
    unit: str
    usd_per_unit: float | None
    """Null: the table has no price, and the totals lack it."""
    usd: float | None
    source: str


class AssumptionPlan(_Document, frozen=True, kw_only=True):
    """A number that the bill takes for granted, and the range within which it may well be."""

    name: str
    figure: Figure
    low: float | None
    high: float | None


class CostPlan(_Document, frozen=True, kw_only=True):
    """What it costs by the month of 730 hours, in US dollars, on demand, without taxes, free tier and discounts."""

    region: str
    prices: str
    """Which table, of which date."""
    duty: Figure
    """Share of the month that the load runs."""
    items: list[CostItem]
    subtotals_usd: dict[str, float]
    monthly_usd: Figure
    """The servers and all that belongs to them, without the benchmark."""
    low_usd: float
    """The same with every assumption at its low end."""
    high_usd: float
    benchmark_hourly_usd: Figure
    """The benchmark's instances, for each hour that they run."""
    per_million_workflows_usd: Figure
    unpriced: list[str]
    assumptions: list[AssumptionPlan]


class ViolationPlan(_Document, frozen=True, kw_only=True):
    """A limit that the request is over."""

    limit: str
    """Stable: the name of the sum, `start-period-history`, `replacement-worker`, `shard-writes`, …"""
    needed: float
    allowed: float
    unit: str
    detail: str
    advice: str


class CalibrationPlan(_Document, frozen=True, kw_only=True):
    """What the user's own results said."""

    used: list[str]
    refused: list[str]
    notes: list[str]


class Plan(_Document, frozen=True, kw_only=True):
    """Everything that a deployment of this size needs to know."""

    schema: str = SCHEMA_ID
    auroral_version: str
    request: RequestPlan
    basis: Basis
    """Of the sizes as a whole."""
    source: str
    load: LoadPlan
    services: list[ServicePlan]
    shards: ShardsPlan
    pools: list[PoolPlan]
    fleet: FleetPlan
    quota: QuotaPlan
    dsql: DsqlPlan
    cost: CostPlan
    calibration: CalibrationPlan | None
    violations: list[ViolationPlan]
    largest_rate_per_s: Figure | None
    """The largest rate without a violation, where this one has some; null: there is none."""
    assumptions: list[str]
    notes: list[str]

    @property
    def feasible(self) -> bool:
        """Whether the request keeps every limit."""
        return not self.violations

    def service(self, name: str) -> ServicePlan:
        """The service of this name. Raises `KeyError`."""
        for one in self.services:
            if one.service == name:
                return one
        raise KeyError(name)

    def pool(self, name: Literal["main", "benchmark"]) -> PoolPlan:
        """The group of instances of this name."""
        return next(one for one in self.pools if one.name == name)


def encode(plan: Plan) -> bytes:
    """Write the document as indented JSON."""
    return json_file(plan)


def decode(data: bytes) -> Plan:
    """Read a document. Raises `ValueError` naming what is wrong with it."""
    return decode_as(Plan, data, schema_id=SCHEMA_ID, name="a plan")


def schema() -> dict[str, Any]:
    """The JSON Schema of the plan."""
    return msgspec.json.schema(Plan)
