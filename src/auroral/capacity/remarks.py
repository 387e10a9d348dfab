"""What a plan takes for granted, and what to know before relying on it, in sentences. Pure."""

from __future__ import annotations

from auroral.capacity import layout, warmup
from auroral.capacity.budget import restart_gap_s
from auroral.capacity.layout import Layout, Placement
from auroral.capacity.presets import Preset, Presets
from auroral.capacity.request import Request, scaled
from auroral.units import format_duration, format_rate


def assumptions(request: Request, laid: Layout) -> list[str]:
    """What the plan takes for granted, in sentences."""
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
        f"a stopped task has ended (within {max(warmup.STOP_S.values()):g} s when idle) before its successor opens "
        "connections",
        "DSQL closes the sessions of a lost zone's tasks; whether it does so at once is not documented",
        "load spreads evenly over shards, partitions and replicas",
    ]
    if request.calibration is None and scaled(request):
        found.append(
            f"{scaled(request)}; frontends and client fleets, whose work goes by requests, were not measured with it"
        )
    if request.options.distributed:
        found.append(
            "without its table the shared counter lets connections through, so that the local limits alone keep the "
            "budget (decision 9)"
        )
    return found


def notes(request: Request, laid: Layout, placed: Placement, presets: Presets) -> list[str]:
    """What to know before relying on the plan, in sentences."""
    found = ["the number of history shards cannot be changed once the cluster has started"]
    known = next((one for one in presets.preset if one.name == laid.sizing.anchor.name), None)
    if known is not None and laid.sizing.exact:
        if known.completed_per_s is None:
            found.append(f"no run of {known.name} is published: prove it with auroral bench run before relying on it")
        elif known.completed_per_s < 0.98 * known.rate_per_s:
            found.append(
                f"the run behind {known.name} offered {format_rate(known.rate_per_s)} and completed "
                f"{format_rate(known.completed_per_s)}: take that for what it carries"
            )
    elif known is not None:
        found += _leans_on(known)
    if laid.sizing.basis == "extrapolated" and laid.sizing.rate_per_s > laid.sizing.anchor.rate_per_s:
        found.append(
            f"beyond {format_rate(laid.sizing.anchor.rate_per_s)} nothing was measured: what scales evenly so far may "
            "not go on to"
        )
    if laid.deployment == "in-place" and not laid.judgement.violations:
        found.append("deployments stop tasks before they start others: capacity is short while they last")
    for name, holds, detail in layout.checked_words(placed.checked, placed.enough):
        if not holds:
            found.append(f"{name}: {detail}")
    zones = request.options.zones
    if zones == 1:
        found.append("all is in one zone: with it the whole cluster is lost")
    lingering = sum((one.planned + warmup.lost_tasks(one.planned, zones)) * one.held for one in laid.connections)
    if zones > 1 and lingering > request.options.allowance.connections:
        found.append(
            f"were the sessions of a lost zone to stay open, {lingering:,} connections would be above DSQL's "
            f"{request.options.allowance.connections:,}: its tasks could not all come back until the old ones end"
        )
    return found


def _leans_on(known: Preset) -> list[str]:
    """What is to be said of the preset by which another rate is sized."""
    if known.completed_per_s is None:
        return [f"these sizes go by {known.name}, of which no run is published: prove them with auroral bench run"]
    if known.completed_per_s >= 0.98 * known.rate_per_s:
        return []
    return [
        f"these sizes go by {known.name}, whose run completed {format_rate(known.completed_per_s)} of "
        f"{format_rate(known.rate_per_s)} offered: expect {known.completed_per_s / known.rate_per_s:.0%} of the rate "
        "asked for, and prove it with auroral bench run"
    ]
