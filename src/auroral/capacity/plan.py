"""A request → the plan: sizes, connection budget, warm-up, instances, cost, and the limits it is over. Pure."""

from __future__ import annotations

import math
import shlex

import msgspec

from auroral import __version__
from auroral.bench.steps import Workload
from auroral.bench.workload import builtin
from auroral.capacity import feasibility, layout, loads, warmup
from auroral.capacity.bill import bill
from auroral.capacity.budget import Check, ServiceConnections, restart_gap_s
from auroral.capacity.calibrate import Calibration
from auroral.capacity.document import (
    CalibrationPlan,
    ConditionPlan,
    DsqlPlan,
    FleetPlan,
    Limiter,
    LoadPlan,
    PackedPlan,
    Plan,
    PoolPlan,
    QuotaPlan,
    RequestPlan,
    ServicePlan,
    ShardsPlan,
    SumPlan,
    TermPlan,
    TimePlan,
)
from auroral.capacity.figures import Figure, assumed, derived
from auroral.capacity.layout import FleetSize, Layout, Options, Placement
from auroral.capacity.packing import Checked, Packing
from auroral.capacity.presets import Presets
from auroral.capacity.prices import PriceTable
from auroral.units import format_duration, format_rate

DEFAULT_REGION = "eu-west-1"
"""Where every published run took place."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What to plan for: a rate, or a preset's."""

    workload: Workload
    rate_per_s: float | None = None
    """Starts of the workload a second; None: what the preset carries of it."""
    preset: str | None = None
    region: str = DEFAULT_REGION
    duty: float = 1.0
    """Share of the month that the load runs, for the bill."""
    calibration: Calibration | None = None
    options: Options
    arguments: tuple[str, ...] = ()
    """Of the command line, to be repeated."""

    @property
    def limiter(self) -> Limiter:
        """Which limiter of connects the processes have."""
        return "distributed" if self.options.distributed else "local"


class _Load(msgspec.Struct, frozen=True, kw_only=True):
    """The load in the units that the parts need."""

    rate_per_s: float
    sized_per_s: float
    """In starts of the anchors' workload."""
    equivalent_per_s: float
    """In starts of the presets' workload."""
    per_workflow: Figure

    @property
    def transitions_per_s(self) -> float:
        return self.rate_per_s * float(self.per_workflow.value)


def plan(request: Request, presets: Presets, prices: PriceTable) -> Plan:
    """Plan a cluster. A request that no cluster can meet gives a plan with `violations`.

    Raises `UsageError` for an unknown preset, region or instance type, for a task larger than its instance, and for
    an autoscaling maximum below the planned count.
    """
    options = request.options
    load = _load(request, presets)
    laid = layout.lay_out(load.sized_per_s, options, presets)
    placed = layout.place(laid, options)
    fleet = layout.fleet(load.equivalent_per_s, laid, placed.instance, presets, options.zones)
    violations = feasibility.violations(laid, options, load.transitions_per_s)
    main = _main_pool(placed)
    benchmark = _benchmark_pool(placed.instance.name, fleet)
    scaled = _scaled(request)
    services = [*_services(laid, options, scaled), *_support(laid, presets)]
    return Plan(
        auroral_version=__version__,
        request=RequestPlan(
            command=shlex.join(["auroral", "capacity", "plan", *request.arguments]),
            preset=request.preset,
            workload=request.workload.name,
            region=request.region,
            zones=options.zones,
            limiter=request.limiter,
        ),
        basis=_rebased(services[0].replicas, scaled).basis,
        source=services[0].replicas.source,
        load=_load_plan(request, load, laid, presets),
        services=services,
        shards=_shards(laid, load),
        pools=[main, benchmark],
        fleet=_fleet(fleet, presets),
        quota=_quota(placed, main, benchmark),
        dsql=_dsql(laid, options),
        cost=bill(
            prices=prices,
            region=request.region,
            zones=options.zones,
            servers=(placed.instance.name, int(placed.count.value)),
            benchmark=(placed.instance.name, int(fleet.count.value)),
            rate_per_s=load.rate_per_s,
            transitions_per_s=load.transitions_per_s,
            duty=request.duty,
            tasks=sum(int(one.replicas.value) for one in services),
            connections=sum(one.planned * one.held for one in laid.connections),
            lifetime_s=options.lifetime.mean_s,
            distributed=options.distributed,
        ),
        calibration=_calibration(request.calibration),
        violations=violations,
        largest_rate_per_s=_largest(request, load, presets) if violations else None,
        assumptions=_assumptions(request, laid),
        notes=_notes(request, laid, placed, presets),
    )


def _load(request: Request, presets: Presets) -> _Load:
    factor = loads.factor(request.workload, builtin(loads.REFERENCE_WORKLOAD))
    # The user's results are of the workload itself; the presets' runs are of the reference workload.
    sized = 1.0 if request.calibration is not None else factor
    if request.preset is not None:
        rate_per_s = presets.named(request.preset).rate_per_s / sized
    else:
        assert request.rate_per_s is not None
        rate_per_s = request.rate_per_s
    counted = request.calibration.transitions_per_workflow if request.calibration is not None else None
    if counted is not None:
        per_workflow = Figure(
            value=round(counted, 2), unit="a workflow", basis="measured", source="the server's count in your runs"
        )
    else:
        most = loads.transitions(request.workload).most
        source = "reckoned from the workload's steps, everything parallel ending by itself"
        per_workflow = derived(round(most, 2), "a workflow", source)
    return _Load(
        rate_per_s=rate_per_s,
        sized_per_s=rate_per_s * sized,
        equivalent_per_s=rate_per_s * factor,
        per_workflow=per_workflow,
    )


def _load_plan(request: Request, load: _Load, laid: Layout, presets: Presets) -> LoadPlan:
    asked = "--wps" if request.preset is None else f"what the preset {request.preset} stands for"
    known = next((one for one in presets.preset if one.name == laid.sizing.anchor.name), None)
    completed = None
    if known is not None and laid.sizing.exact and known.completed_per_s is not None and not _scaled(request):
        completed = Figure(value=known.completed_per_s, unit="a second", basis="measured", source=known.source)
    return LoadPlan(
        rate_per_s=Figure(
            value=round(load.rate_per_s, 3),
            unit="workflows a second",
            basis="assumed" if request.preset is None else "derived",
            source=asked,
        ),
        transitions_per_workflow=load.per_workflow,
        transitions_per_s=derived(round(load.transitions_per_s, 1), "a second", "rate × transitions a workflow"),
        equivalent_per_s=derived(
            round(load.equivalent_per_s, 3),
            f"{loads.REFERENCE_WORKLOAD} workflows a second",
            "by state transitions, those of child workflows included",
        ),
        completed_per_s=completed,
    )


def _scaled(request: Request) -> str:
    """How the anchors' workload was translated into this one; empty: it was not."""
    if request.calibration is not None:
        return ""
    factor = loads.factor(request.workload, builtin(loads.REFERENCE_WORKLOAD))
    if math.isclose(factor, 1.0) and request.workload.name == loads.REFERENCE_WORKLOAD:
        return ""
    return f"one {request.workload.name} weighs {factor:.3g} {loads.REFERENCE_WORKLOAD}, by state transitions"


def _rebased(figure: Figure, scaled: str) -> Figure:
    """What was measured with another workload is extrapolated for this one."""
    if not scaled or figure.basis not in ("measured", "documented", "interpolated"):
        return figure
    return msgspec.structs.replace(figure, basis="extrapolated", source=f"{figure.source}; {scaled}")


def _services(laid: Layout, options: Options, scaled: str) -> list[ServicePlan]:
    found = []
    share = "its pool's share of DSQL's {}, less what operators keep, rounded down"
    for one, connections in zip(laid.sizing.services, laid.connections, strict=True):
        period_s = warmup.start_period_s(connections, options.pace)
        found.append(
            ServicePlan(
                service=one.service,
                replicas=_rebased(one.replicas, scaled),
                autoscale_max=laid.maximum[one.service],
                cpu_units=one.cpu_units,
                memory_mib=one.memory_mib,
                min_healthy_percent=derived(connections.min_healthy_percent, "%", _deployment_words(laid)),
                max_percent=derived(connections.max_percent, "%", _deployment_words(laid)),
                start_period_s=derived(
                    min(period_s, warmup.MOST_START_PERIOD_S), "s", "stagger + slowest fill + margin, as the server's"
                ),
                pool_size=_rebased(laid.pool[one.service], scaled),
                reservoir=assumed(options.reservoir, "connections", "--reservoir"),
                rate_per_s=derived(connections.rate_per_s, "connects/s a task", share.format("rate")),
                burst=derived(connections.burst, "connects a task", share.format("burst")),
            )
        )
    return found


def _deployment_words(laid: Layout) -> str:
    return {
        "eighth": "one in eight starts before as many stop, one at least",
        "single": "one starts before one stops: more at a time would overrun a limit",
        "in-place": "one in eight stops before as many start: more would overrun a limit, or find no room",
    }[laid.deployment]


def _support(laid: Layout, presets: Presets) -> list[ServicePlan]:
    found = []
    for name, own in laid.support.items():
        least, most = layout.support_percentages(name)
        rest = presets.support_source

        def figure(
            value: int, unit: str, basis: Figure = Figure(value=0, unit="", basis=rest.basis, source=rest.source)
        ) -> Figure:
            return msgspec.structs.replace(basis, value=value, unit=unit)

        why = "two collectors would both scrape" if name == "collector" else "one starts before one stops"
        found.append(
            ServicePlan(
                service=name,
                replicas=figure(own.replicas, "tasks"),
                autoscale_max=derived(own.replicas, "tasks", "as planned"),
                cpu_units=figure(own.cpu_units, "CPU units a task"),
                memory_mib=figure(own.memory_mib, "MiB a task"),
                min_healthy_percent=derived(least, "%", why),
                max_percent=derived(most, "%", why),
            )
        )
    return found


def _shards(laid: Layout, load: _Load) -> ShardsPlan:
    shards, replicas = laid.history_shards, int(laid.sizing.services[0].replicas.value)
    busy = feasibility.shard_busy(load.transitions_per_s, shards)
    anchor = laid.sizing.anchor
    own = shards == anchor.history_shards
    return ShardsPlan(
        shards=Figure(value=shards, unit="shards", basis=anchor.basis, source=anchor.source)
        if own
        else assumed(shards, "shards", "--history-shards"),
        per_replica=derived(round(shards / replicas, 1), "shards a history replica", "shards over replicas"),
        transitions_per_s_each=derived(
            round(load.transitions_per_s / shards, 3), "state transitions a second", "spread evenly"
        ),
        busy=derived(
            round(busy, 4),
            "of the time",
            f"{feasibility.WRITE_S * 1000:g} ms a write (P50, public run of 2026-02-06), one write at a time",
        ),
    )


def _main_pool(placed: Placement) -> PoolPlan:
    return PoolPlan(
        name="main",
        instance_type=placed.instance.name,
        count=placed.count,
        minimum=derived(placed.count.value, "instances", "as planned"),
        maximum=derived(
            placed.maximum, "instances", "with autoscaling at its maximum, and one more while one is replaced"
        ),
        conditions=_conditions(placed.checked, placed.enough),
        packing=_packing(placed.packing),
    )


def _benchmark_pool(name: str, fleet: FleetSize) -> PoolPlan:
    return PoolPlan(
        name="benchmark",
        instance_type=name,
        count=fleet.count,
        minimum=derived(0, "instances", "none while no benchmark runs"),
        maximum=derived(fleet.count.value, "instances", "as planned"),
        conditions=_conditions(fleet.checked, int(fleet.count.value)),
        packing=_packing(fleet.packing),
    )


def _conditions(checked: tuple[Checked, ...], enough: int) -> list[ConditionPlan]:
    return [
        ConditionPlan(name=name, holds=holds, detail=detail)
        for name, holds, detail in layout.checked_words(checked, enough)
    ]


def _packing(packing: Packing) -> list[PackedPlan]:
    return [
        PackedPlan(
            zone=one.zone,
            tasks=one.tasks,
            free_cpu_units=one.free.cpu_units,
            free_memory_mib=one.free.memory_mib,
            free_interfaces=one.free.interfaces,
        )
        for one in packing.instances
    ]


def _fleet(fleet: FleetSize, presets: Presets) -> FleetPlan:
    generator = presets.benchmark.generator

    def figure(value: int, unit: str) -> Figure:
        return Figure(value=value, unit=unit, basis=generator.basis, source=generator.source)

    return FleetPlan(
        workers=fleet.workers,
        worker_cpu_units=fleet.cpu_units,
        worker_memory_mib=fleet.memory_mib,
        generator_cpu_units=figure(generator.cpu_units, "CPU units"),
        generator_memory_mib=figure(generator.memory_mib, "MiB"),
    )


def _quota(placed: Placement, main: PoolPlan, benchmark: PoolPlan) -> QuotaPlan:
    each = placed.instance.vcpu
    running = (int(main.count.value) + int(benchmark.count.value)) * each
    needed = (int(main.maximum.value) + int(benchmark.maximum.value)) * each
    return QuotaPlan(
        running=derived(running, "vCPU", "main and benchmark instances"),
        needed=derived(needed, "vCPU", "both groups at their maximum: quota L-1216C47A"),
    )


def _dsql(laid: Layout, options: Options) -> DsqlPlan:
    services, allowed, pace = laid.connections, options.allowance, options.pace
    counter = math.floor(allowed.rate_per_s - allowed.operator_rate_per_s) if options.distributed else None
    cold_s = warmup.cold_start_s(services, pace, counter_per_s=counter)
    replaced = warmup.replacement(services, options.lifetime, cold_s)
    total = sum(one.planned * one.held for one in services)
    lost = sum(warmup.lost_tasks(one.planned, options.zones) * one.held for one in services)
    skew = None
    if counter is not None:
        skew_s = warmup.counter_skew_s(
            counter, allowed.rate_per_s, allowed.burst, allowed.operator_rate_per_s, allowed.operator_burst
        )
        skew = derived(round(skew_s, 2), "s either way", "(⌈t + 2s⌉ + 1) × limit stays within DSQL's bucket")
    return DsqlPlan(
        connections=derived(total, "connections", "replicas × (pool + reservoir)"),
        lifetime_s=Figure(
            value=options.lifetime.lifetime_s, unit="s", basis="documented", source="spec: under DSQL's 60 minutes"
        ),
        jitter=Figure(
            value=options.lifetime.jitter, unit="of the lifetime", basis="documented", source="the server's default"
        ),
        reservoir=assumed(options.reservoir, "connections a task", "--reservoir"),
        counter_limit_per_s=None
        if counter is None
        else derived(counter, "connects/s", "DSQL's rate, less what operators keep: they are not counted"),
        counter_skew_s=skew,
        restart_gap_s=derived(round(restart_gap_s(services), 1), "s", "the largest burst ÷ rate"),
        lingering_connections=derived(total + lost, "connections", "planned, and those of the fullest zone once more"),
        replaced_per_s=derived(round(replaced.mean_per_s, 2), "connects/s", "connections ÷ mean lifetime"),
        replaced_most_per_s=derived(
            round(replaced.worst_per_s, 2), "connects/s", "all opened together, expiring over jitter × lifetime"
        ),
        sums=[_sum(check) for check in laid.judgement.checks],
        times=_times(services, options, cold_s, counter),
    )


def _times(
    services: tuple[ServiceConnections, ...], options: Options, cold_s: float, counter: int | None
) -> list[TimePlan]:
    pace = options.pace
    zone_s = warmup.zone_loss_s(services, options.zones, pace, counter_per_s=counter)
    found = [
        TimePlan(
            name="cold-start",
            title="every pool full, from nothing",
            time=derived(round(cold_s, 1), "s", "longest stagger + the slowest pool"),
        ),
        TimePlan(
            name="zone-lost",
            title="every pool full again, a zone lost",
            time=derived(round(zone_s, 1), "s", "until ECS notices and starts tasks elsewhere + stagger + fill"),
        ),
    ]
    for one in services:
        found.append(
            TimePlan(
                name=f"deployment-{one.service}",
                title=f"{one.service} deployed",
                time=derived(
                    round(warmup.deployment_s(one, pace), 1),
                    "s",
                    "batches × (task start + stagger + fill + health check + stop)",
                ),
            )
        )
    return found


def _sum(check: Check) -> SumPlan:
    return SumPlan(
        name=check.name,
        title=check.title,
        unit=check.unit,
        terms=[TermPlan(label=term.label, count=term.count, each=term.each) for term in check.terms],
        total=check.total,
        limit=check.limit,
        headroom=check.headroom,
        passed=check.passed,
        text=check.spelled_out(),
    )


def _largest(request: Request, load: _Load, presets: Presets) -> Figure | None:
    per_workflow = float(load.per_workflow.value)
    ratio = load.sized_per_s / load.rate_per_s
    # A maximum that was given for this rate may be below what another one plans; then that one counts.
    options = msgspec.structs.replace(request.options, autoscale_max={})

    def keeps(rate_per_s: float) -> bool:
        laid = layout.lay_out(rate_per_s * ratio, options, presets)
        return not feasibility.violations(laid, options, rate_per_s * per_workflow)

    found = feasibility.largest(load.rate_per_s, keeps)
    if found is None:
        return None
    return derived(round(found, 3), "workflows a second", "the same plan at lower rates, by bisection")


def _calibration(calibration: Calibration | None) -> CalibrationPlan | None:
    if calibration is None:
        return None
    return CalibrationPlan(
        used=[
            f"{one.name}: {'passed' if one.passed else 'failed'} at {format_rate(one.offered_per_s)} offered, "
            f"{format_rate(one.rate_per_s)} completed"
            for one in calibration.used
        ],
        refused=[f"{one.name}: {one.reason}" for one in calibration.refused],
        notes=list(calibration.notes),
    )


def _assumptions(request: Request, laid: Layout) -> list[str]:
    pace, allowed = request.options.pace, request.options.allowance
    found = [
        f"opening a connection takes {format_duration(pace.connect_s)}, {format_duration(pace.slow_connect_s)} at most "
        "where a health check depends on it",
        f"ECS starts a task in {format_duration(pace.task_start_s)} and takes a lost zone's tasks for gone after "
        f"{format_duration(pace.notice_s)}",
        f"operators' tools open {allowed.operator_connections} connections at most, {allowed.operator_rate_per_s:g} a "
        f"second with a burst of {allowed.operator_burst}",
        "one service is deployed at a time (auroral cluster roll), never two",
        f"a task that dies while its pool fills is not replaced within {restart_gap_s(laid.connections):.1f} s: ECS "
        "takes longer to start another",
        "DSQL closes the sessions of a lost zone's tasks; whether it does so at once is not documented",
        "load spreads evenly over shards, partitions and replicas",
    ]
    if request.calibration is None and _scaled(request):
        found.append(
            f"{_scaled(request)}; frontends and client fleets, whose work goes by requests, were not measured with it"
        )
    if request.options.distributed:
        found.append(
            "without its table the shared counter lets connections through, so that the local limits alone keep the "
            "budget (decision 9)"
        )
    return found


def _notes(request: Request, laid: Layout, placed: Placement, presets: Presets) -> list[str]:
    notes = ["the number of history shards cannot be changed once the cluster has started"]
    known = next((one for one in presets.preset if one.name == laid.sizing.anchor.name), None)
    if known is not None and laid.sizing.exact:
        if known.completed_per_s is None:
            notes.append(f"no run of {known.name} is published: prove it with auroral bench run before relying on it")
        elif known.completed_per_s < 0.98 * known.rate_per_s:
            notes.append(
                f"the run behind {known.name} offered {format_rate(known.rate_per_s)} and completed "
                f"{format_rate(known.completed_per_s)}: take that for what it carries"
            )
    if laid.sizing.basis == "extrapolated" and laid.sizing.rate_per_s > laid.sizing.anchor.rate_per_s:
        notes.append(
            f"beyond {format_rate(laid.sizing.anchor.rate_per_s)} nothing was measured: what scales evenly so far may "
            "not go on to"
        )
    if laid.deployment == "in-place" and not laid.judgement.violations:
        notes.append("deployments stop tasks before they start others: capacity is short while they last")
    for name, holds, detail in layout.checked_words(placed.checked, placed.enough):
        if not holds:
            notes.append(f"{name}: {detail}")
    lingering = sum(
        (one.planned + warmup.lost_tasks(one.planned, request.options.zones)) * one.held for one in laid.connections
    )
    if lingering > request.options.allowance.connections:
        notes.append(
            f"were the sessions of a lost zone to stay open, {lingering:,} connections would be above DSQL's "
            f"{request.options.allowance.connections:,}: its tasks could not all come back until the old ones end"
        )
    return notes
