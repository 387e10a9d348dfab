"""A request → the plan: sizes, connection budget, warm-up, instances, cost, and the limits it is over. Pure."""

from __future__ import annotations

import shlex

from auroral import __version__
from auroral.capacity import feasibility, layout, loads, parts
from auroral.capacity.bill import bill
from auroral.capacity.calibrate import Calibration
from auroral.capacity.document import CalibrationPlan, LoadPlan, Plan, RequestPlan
from auroral.capacity.dsql_part import dsql
from auroral.capacity.figures import Figure, derived
from auroral.capacity.layout import Layout
from auroral.capacity.presets import Presets
from auroral.capacity.prices import PriceTable
from auroral.capacity.remarks import assumptions, notes
from auroral.capacity.request import Load, Request, load_of, rebased, scaled
from auroral.units import format_rate

__all__ = ["Request", "plan"]


def plan(request: Request, presets: Presets, prices: PriceTable) -> Plan:
    """Plan a cluster. A request that no cluster can meet gives a plan with `violations`.

    Raises `UsageError` for an unknown preset, region or instance type, for a task larger than its instance, and for
    an autoscaling maximum below the planned count.
    """
    options = request.options
    load = load_of(request, presets)
    laid = layout.lay_out(load.sized_per_s, options, presets)
    placed = layout.place(laid, options)
    fleet = layout.fleet(load.equivalent_per_s, laid, placed.instance, presets, options.zones)
    violations = feasibility.violations(laid, options, load.transitions_per_s)
    main = parts.main_pool(placed)
    benchmark = parts.benchmark_pool(placed.instance.name, fleet)
    words = scaled(request)
    services = [*parts.services(laid, options, words), *parts.support(laid, presets)]
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
        basis=rebased(services[0].replicas, words).basis,
        source=services[0].replicas.source,
        load=_load_plan(request, load, laid, presets),
        services=services,
        shards=parts.shards(laid, load),
        pools=[main, benchmark],
        fleet=parts.fleet(fleet, presets),
        quota=parts.quota(placed, main, benchmark),
        dsql=dsql(laid, options),
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
        assumptions=assumptions(request, laid),
        notes=notes(request, laid, placed, presets),
    )


def _load_plan(request: Request, load: Load, laid: Layout, presets: Presets) -> LoadPlan:
    asked = "--wps" if request.preset is None else f"what the preset {request.preset} stands for"
    known = next((one for one in presets.preset if one.name == laid.sizing.anchor.name), None)
    completed = None
    if known is not None and laid.sizing.exact and known.completed_per_s is not None and not scaled(request):
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


def _largest(request: Request, load: Load, presets: Presets) -> Figure | None:
    per_workflow = float(load.per_workflow.value)
    ratio = load.sized_per_s / load.rate_per_s
    options = request.options

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
