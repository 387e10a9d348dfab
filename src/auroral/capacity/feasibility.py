"""Which limits a laid-out cluster is over, by how much, and the largest rate that is over none. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable

from auroral.capacity import warmup
from auroral.capacity.document import ViolationPlan
from auroral.capacity.layout import Layout, Options, start_periods_s
from auroral.units import format_duration, format_number

WRITE_S = 0.035
"""One write of a workflow's state: P50 of UpdateWorkflowExecution, 34.9 ms, public run of 2026-02-06."""
WRITES_AT_ONCE = 1
"""Of one shard: `history.shardIOConcurrency`, Temporal 1.32.2's default."""
BUSY_LIMIT = 0.5
"""Share of the time that a shard may write: half, since load is not spread evenly over shards. Assumed."""


_ADVICE = {
    "connections": "fewer connections a pool (--pool), a smaller --reservoir or --autoscale-max, or a limit that AWS "
    "raised (--connection-limit)",
    "rate": "fewer tasks that can run at once: --autoscale-max",
    "burst": "fewer tasks that can run at once: --autoscale-max",
}


def shard_busy(transitions_per_s: float, shards: int) -> float:
    """Share of the time that one shard writes, the load spread evenly."""
    return transitions_per_s / shards * WRITE_S / WRITES_AT_ONCE


def violations(layout: Layout, options: Options, transitions_per_s: float) -> list[ViolationPlan]:
    """Every limit that this cluster is over at this load; of DSQL's sums the worst of each kind."""
    return [
        *_sums(layout),
        *_start_periods(layout, options),
        *_lifetimes(layout, options),
        *_shards(layout, transitions_per_s),
    ]


def largest(rate_per_s: float, keeps: Callable[[float], bool]) -> float | None:
    """The largest rate below this one that keeps every limit, to a whole workflow a second (to a hundredth of the rate
    below 10/s); None: none does.
    """
    step = 1.0 if rate_per_s >= 10 else rate_per_s / 100
    low, high = 0, math.floor(rate_per_s / step)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if keeps(middle * step) else (low, middle)
    return low * step if low else None


def _sums(layout: Layout) -> list[ViolationPlan]:
    found = []
    for kind in ("connections", "rate", "burst"):
        check = layout.judgement.worst(kind)
        if not check.passed:
            detail = f"{check.title}: {check.spelled_out()}, {format_number(-check.headroom)} too many"
            found.append(
                ViolationPlan(
                    limit=check.name,
                    needed=check.total,
                    allowed=check.limit,
                    unit=check.unit,
                    detail=detail,
                    advice=_ADVICE[kind],
                )
            )
    return found


def _start_periods(layout: Layout, options: Options) -> list[ViolationPlan]:
    found = []
    periods_s = start_periods_s(layout, options)
    for one in layout.connections:
        period_s = periods_s[one.service]
        if period_s > warmup.MOST_START_PERIOD_S:
            detail = (
                f"{one.service}: {one.held:,} connections at {format_number(one.rate_per_s)}/s after a burst of "
                f"{one.burst} need a start period of {format_duration(period_s)}; ECS takes "
                f"{format_duration(warmup.MOST_START_PERIOD_S)}"
            )
            found.append(
                ViolationPlan(
                    limit=f"start-period-{one.service}",
                    needed=period_s,
                    allowed=warmup.MOST_START_PERIOD_S,
                    unit="s",
                    detail=detail,
                    advice="fewer connections a pool: --pool",
                )
            )
    return found


def _lifetimes(layout: Layout, options: Options) -> list[ViolationPlan]:
    found = []
    life = options.lifetime
    for one in layout.connections:
        needed_per_s = warmup.replaced_per_s(one, life)
        if needed_per_s > one.rate_per_s:
            detail = (
                f"{one.service}: {one.held:,} connections of {format_duration(life.lifetime_s)} are to be replaced at "
                f"{format_number(needed_per_s)}/s; each task may open {format_number(one.rate_per_s)}/s"
            )
            found.append(
                ViolationPlan(
                    limit=f"replacement-{one.service}",
                    needed=round(needed_per_s, 3),
                    allowed=one.rate_per_s,
                    unit="connects/s a task",
                    detail=detail,
                    advice="a longer --lifetime, or fewer connections a pool: --pool",
                )
            )
    return found


def _shards(layout: Layout, transitions_per_s: float) -> list[ViolationPlan]:
    found = []
    shards = layout.history_shards
    replicas = next(one.planned for one in layout.connections if one.service == "history")
    if replicas > shards:
        detail = f"{replicas:,} history replicas share {shards:,} shards: some would own none, and never be healthy"
        found.append(
            ViolationPlan(
                limit="history-shards",
                needed=replicas,
                allowed=shards,
                unit="replicas",
                detail=detail,
                advice="a new cluster can have more: --history-shards",
            )
        )
    busy = shard_busy(transitions_per_s, shards)
    if busy > BUSY_LIMIT:
        detail = (
            f"each of {shards:,} shards would write {busy:.0%} of the time ({format_number(transitions_per_s)} state "
            f"transitions a second, {WRITE_S * 1000:g} ms each, one at a time); {BUSY_LIMIT:.0%} is planned for at "
            "most"
        )
        found.append(
            ViolationPlan(
                limit="shard-writes",
                needed=round(busy, 3),
                allowed=BUSY_LIMIT,
                unit="of the time",
                detail=detail,
                advice="a new cluster can have more shards: --history-shards",
            )
        )
    return found
