"""A sized cluster with everything that follows from it: deployments, connection budget, instances, fleet. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import msgspec

from auroral.capacity import budget, sizing, warmup
from auroral.capacity.budget import Allowance, Judgement, ServiceConnections
from auroral.capacity.figures import Figure, assumed, derived
from auroral.capacity.instances import InstanceType, instance_type
from auroral.capacity.packing import (
    CONDITIONS,
    Checked,
    Demand,
    Needed,
    Packing,
    TaskSize,
    check,
    instances_needed,
    pack,
)
from auroral.capacity.presets import RING_SERVICES, Anchor, Fleet, Presets, Size
from auroral.capacity.warmup import Lifetime, Pace
from auroral.errors import UsageError

SURGE_SHARE = 8
"""One replica in eight, rounded up, is deployed at a time: few ring members move, few connections come on top."""
FRONTEND_SCALE_SHARE = 4
"""Frontends may grow by a quarter: they own neither shards nor queues, so that one more moves nothing."""

Deployment = Literal["eighth", "single", "in-place"]
DEPLOYMENTS: tuple[Deployment, ...] = ("eighth", "single", "in-place")
SPARE = 1
"""Instances that may be lost."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the user may choose beside the rate."""

    anchors: tuple[Anchor, ...]
    """In the order of their rates, in starts of `reference`."""
    beyond_words: str = ""
    """What rests on proportion to the user's own results, in words; empty: the presets."""
    instance_type: str | None = None
    zones: int = 3
    autoscale_max: dict[str, int] = {}
    pools: dict[str, int] = {}
    reservoir: int = 0
    lifetime: Lifetime = Lifetime()
    allowance: Allowance = Allowance()
    pace: Pace = Pace()
    distributed: bool = False
    history_shards: int | None = None

    @property
    def counter_per_s(self) -> int | None:
        """Limit of the counter that all processes share: DSQL's rate less what operators keep; None: there is none."""
        allowed = self.allowance
        return math.floor(allowed.rate_per_s - allowed.operator_rate_per_s) if self.distributed else None


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """One cluster, laid out."""

    sizing: sizing.Sizing
    connections: tuple[ServiceConnections, ...]
    """Of the services of Temporal, in their order."""
    maximum: dict[str, Figure]
    pool: dict[str, Figure]
    """Connections a pool; the user's own where given."""
    deployment: Deployment
    judgement: Judgement
    support: dict[str, Size]
    history_shards: int


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """Instances for the cluster's tasks."""

    instance: InstanceType
    count: Figure
    maximum: int
    """With autoscaling at its maximum, and one more while an instance is replaced."""
    checked: tuple[Checked, ...]
    packing: Packing
    enough: int
    """With which every condition holds wherever ECS puts the tasks."""


class FleetSize(msgspec.Struct, frozen=True, kw_only=True):
    """The benchmark's tasks and instances."""

    workers: Figure
    cpu_units: Figure
    memory_mib: Figure
    count: Figure
    packing: Packing
    checked: tuple[Checked, ...]


def lay_out(rate_per_s: float, options: Options, presets: Presets) -> Layout:
    """Size the cluster for a rate (in starts of the anchors' workload) and give every process its share of the budget.

    The deployment is the quickest that keeps DSQL's limits, ECS's start period and a preset's instances: an eighth of
    a service at a time, one replica at a time, or in place.
    """
    sized = sizing.size(
        rate_per_s,
        options.anchors,
        words=f"{options.beyond_words} at {rate_per_s:g}/s" if options.beyond_words else "",
    )
    layouts = [_laid_out(sized, deployment, options, presets) for deployment in DEPLOYMENTS]
    return next((one for one in layouts if _deploys(one, options)), layouts[-1])


def _laid_out(sized: sizing.Sizing, deployment: Deployment, options: Options, presets: Presets) -> Layout:
    maximum = {one.service: _maximum(one, options) for one in sized.services}
    pool = {one.service: _pool(one, options) for one in sized.services}
    connections = _connections(sized, deployment, maximum, pool, options)
    return Layout(
        sizing=sized,
        connections=connections,
        maximum=maximum,
        pool=pool,
        deployment=deployment,
        judgement=budget.judge(connections, options.allowance),
        support=presets.support,
        history_shards=options.history_shards or sized.anchor.history_shards,
    )


def start_periods_s(layout: Layout, options: Options) -> dict[str, int]:
    """The health check's start period of each service; above 300 is more than ECS takes."""
    total = sum(one.planned * one.held for one in layout.connections)
    shared_s = total / options.counter_per_s if options.counter_per_s else 0.0
    return {one.service: warmup.start_period_s(one, options.pace, shared_s=shared_s) for one in layout.connections}


def _deploys(layout: Layout, options: Options) -> bool:
    """Whether this deployment keeps DSQL's limits and the start period, and finds room on a preset's instances."""
    if layout.judgement.violations:
        return False
    if any(period_s > warmup.MOST_START_PERIOD_S for period_s in start_periods_s(layout, options).values()):
        return False
    count, needed = _instances(layout, options)
    if count.value >= needed.count:
        return True
    demands = _demands(layout, at_maximum=False)
    rolling = check(
        demands, _instance(layout, options), int(count.value), zones=options.zones, spare=SPARE, conditions=("rolling",)
    )
    return all(one.holds for one in rolling)


def _instance(layout: Layout, options: Options) -> InstanceType:
    return instance_type(options.instance_type or layout.sizing.anchor.instance_type)


def _instances(layout: Layout, options: Options) -> tuple[Figure, Needed]:
    """How many instances, and how many would do wherever ECS puts the tasks.

    At an anchor's rate as many as it has, and below it no more; else enough for every task, and no fewer vCPUs than
    the anchors' instances have at this rate.
    """
    sized, instance = layout.sizing, _instance(layout, options)
    anchor = sized.anchor
    demands = _demands(layout, at_maximum=False)
    needed = instances_needed(demands, instance, zones=options.zones, spare=SPARE)
    most = anchor.instances if instance.name == anchor.instance_type and options.zones <= 3 else None
    if most is not None and sized.exact:
        return Figure(value=most, unit="instances", basis=anchor.basis, source=anchor.source), needed
    count = _count(needed, sized, instance)
    below = sized.rate_per_s < anchor.rate_per_s
    if most is None or not below or count.value <= most:
        return count, needed
    fits = check(demands, instance, most, zones=options.zones, spare=SPARE, conditions=("steady",))
    if not all(one.holds for one in fits):
        return count, needed
    return derived(most, "instances", f"no more than {anchor.name} has, which carries more: {anchor.source}"), needed


def of_preset(name: str, presets: Presets) -> Layout:
    """A preset, laid out with the default options. Raises `UsageError` for an unknown name."""
    return lay_out(presets.named(name).rate_per_s, Options(anchors=presets.anchors), presets)


def place(layout: Layout, options: Options) -> Placement:
    """Choose the instances. Raises `UsageError` where a task is larger than the instance."""
    instance, demands = _instance(layout, options), _demands(layout, at_maximum=False)
    count, needed = _instances(layout, options)
    grown = instances_needed(_demands(layout, at_maximum=True), instance, zones=options.zones, spare=SPARE)
    found = int(count.value)
    return Placement(
        instance=instance,
        count=count,
        maximum=found + max(0, grown.count - max(found, needed.count)) + 1,
        checked=_checked(demands, instance, found, needed, zones=options.zones),
        packing=pack(demands, instance, found, zones=options.zones),
        enough=needed.count,
    )


def _checked(
    demands: Sequence[Demand], instance: InstanceType, count: int, needed: Needed, *, zones: int
) -> tuple[Checked, ...]:
    """Each condition. Those that hold wherever ECS puts the tasks are not played: that takes long with many."""
    planned: tuple[Checked, ...]
    if count >= needed.count:
        planned = tuple(Checked(condition=one, holds=True) for one in CONDITIONS)
    else:
        planned = check(demands, instance, count, zones=zones, spare=SPARE)
    return (*planned, *(check(demands, instance, count, zones=zones, conditions=("zone-lost",)) if zones > 1 else ()))


def fleet(equivalent_per_s: float, layout: Layout, instance: InstanceType, presets: Presets, zones: int) -> FleetSize:
    """Size the benchmark's workers; `equivalent_per_s` is in starts of the reference workload."""
    known = _known_fleet(layout, presets, equivalent_per_s)
    table = presets.benchmark
    if known is not None:
        workers = Figure(value=known.workers, unit="workers", basis=known.basis, source=known.source)
        cpu = Figure(value=known.cpu_units, unit="CPU units a task", basis=known.basis, source=known.source)
        memory = Figure(value=known.memory_mib, unit="MiB a task", basis=known.basis, source=known.source)
    else:
        workers = sizing.fleet_workers(equivalent_per_s, table)
        cpu = Figure(value=table.cpu_units, unit="CPU units a task", basis=table.basis, source=table.source)
        memory = Figure(value=table.memory_mib, unit="MiB a task", basis=table.basis, source=table.source)
    demands = [
        Demand(
            size=TaskSize(
                service="generator", cpu_units=table.generator.cpu_units, memory_mib=table.generator.memory_mib
            ),
            count=1,
        ),
        Demand(
            size=TaskSize(service="benchmark-worker", cpu_units=int(cpu.value), memory_mib=int(memory.value)),
            count=int(workers.value),
        ),
    ]
    if known is not None and known.instances is not None and instance.name == layout.sizing.anchor.instance_type:
        count = Figure(value=known.instances, unit="instances", basis=known.basis, source=known.source)
    else:
        needed = instances_needed(demands, instance, zones=1, spare=0, conditions=("steady",))
        count = derived(needed.count, "instances", "generator and workers packed")
    found = int(count.value)
    spread = min(zones, found)
    return FleetSize(
        workers=workers,
        cpu_units=cpu,
        memory_mib=memory,
        count=count,
        packing=pack(demands, instance, found, zones=spread),
        checked=check(demands, instance, found, zones=spread, spare=0, conditions=("steady",)),
    )


def _known_fleet(layout: Layout, presets: Presets, equivalent_per_s: float) -> Fleet | None:
    """The fleet of the preset that the cluster is, where it is one, and the load is that preset's."""
    if not layout.sizing.exact:
        return None
    for one in presets.preset:
        same_load = math.isclose(one.rate_per_s, equivalent_per_s, rel_tol=1e-9)
        if one.name == layout.sizing.anchor.name and same_load:
            return one.benchmark
    return None


def _maximum(one: sizing.ServiceSize, options: Options) -> Figure:
    planned = int(one.replicas.value)
    given = options.autoscale_max.get(one.service)
    if given is not None:
        if given < planned:
            raise UsageError(
                f"expected at least {planned} after --autoscale-max {one.service}=, the planned count, got {given}"
            )
        return assumed(given, "tasks", "--autoscale-max")
    if one.service == "frontend":
        return derived(
            planned + max(1, planned // FRONTEND_SCALE_SHARE),
            "tasks",
            "a quarter more than planned, one at least: frontends own neither shards nor queues",
        )
    return derived(planned, "tasks", "as planned: each change moves shards, queues or system workflows")


def _pool(one: sizing.ServiceSize, options: Options) -> Figure:
    given = options.pools.get(one.service)
    return one.pool_size if given is None else assumed(given, "connections a pool", "--pool")


def _connections(
    sized: sizing.Sizing,
    deployment: Deployment,
    maximum: dict[str, Figure],
    pool: dict[str, Figure],
    options: Options,
) -> tuple[ServiceConnections, ...]:
    services = []
    for one in sized.services:
        planned = int(one.replicas.value)
        least, most = _percentages(deployment, planned)
        services.append(
            ServiceConnections(
                service=one.service,
                planned=planned,
                maximum=int(maximum[one.service].value),
                pool_size=int(pool[one.service].value),
                reservoir=options.reservoir,
                min_healthy_percent=least,
                max_percent=most,
            )
        )
    return tuple(budget.derive(services, options.allowance))


def _percentages(deployment: Deployment, planned: int) -> tuple[int, int]:
    eighth = max(1, math.ceil(planned / SURGE_SHARE))
    if deployment == "in-place":
        return budget.in_place(planned, eighth)
    return budget.percentages(planned, eighth if deployment == "eighth" else 1)


def support_percentages(service: str) -> tuple[int, int]:
    """(minimumHealthyPercent, maximumPercent) of what runs beside Temporal, one replica each.

    Two collectors would both scrape: that one stops before the next starts.
    """
    return (0, 100) if service == "collector" else (100, 200)


def _demands(layout: Layout, *, at_maximum: bool) -> list[Demand]:
    demands = []
    for one, connections in zip(layout.sizing.services, layout.connections, strict=True):
        size = TaskSize(service=one.service, cpu_units=int(one.cpu_units.value), memory_mib=int(one.memory_mib.value))
        count = connections.maximum if at_maximum else connections.planned
        surge = max(0, count * connections.max_percent // 100 - count)
        demands.append(Demand(size=size, count=count, surge_count=surge))
    for name, own in layout.support.items():
        size = TaskSize(service=name, cpu_units=own.cpu_units, memory_mib=own.memory_mib)
        surge = own.replicas * support_percentages(name)[1] // 100 - own.replicas
        demands.append(Demand(size=size, count=own.replicas, surge_count=surge))
    return demands


def _count(needed: Needed, sized: sizing.Sizing, instance: InstanceType) -> Figure:
    by_vcpu = math.ceil(sized.instance_vcpu / instance.vcpu - 1e-9) if sized.instance_vcpu is not None else 0
    if by_vcpu > needed.count:
        source = f"{sized.instance_vcpu:g} vCPU as the anchors' instances have, {sized.source}"
        return Figure(value=by_vcpu, unit="instances", basis=sized.basis, source=source)
    why = f"{needed.binding}, by {needed.resource or 'number'}"
    return derived(needed.count, "instances", f"every task finds room, one instance lost ({why})")


def checked_words(checked: Sequence[Checked], enough: int) -> list[tuple[str, bool, str]]:
    """(condition, holds, what is short) for each condition."""
    found: list[tuple[str, bool, str]] = []
    for one in checked:
        detail = ""
        if not one.holds:
            short = ", ".join(
                f"{each.count} {each.size.service} ({' and '.join(each.short)} short)" for each in one.unplaced
            )
            where = f"{one.case}: " if one.case else ""
            detail = f"{where}no room for {short}" if short else f"{one.empty_zones} zones without an instance"
            if one.condition == "zone-lost":
                detail += " until other instances start, which the time to recover leaves out"
            else:
                detail += f"; {enough} instances would do"
        found.append((one.condition, one.holds, detail))
    return found


assert set(warmup.STOP_S) == set(RING_SERVICES)
