"""How long pools take to fill, what a deployment takes, and how often connections are replaced. Pure.

Times are seconds. The fill time is the formula of `auroral-server start-period` (docs/images.md, "Health and start").
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from auroral.capacity.budget import STARTUP_OPENINGS, Allowance, ServiceConnections

MOST_START_PERIOD_S = 300
"""ECS takes no longer start period: API reference, HealthCheck, `startPeriod`, read in November 2026."""

STOP_S = {"frontend": 11.2, "history": 5.1, "matching": 7.2, "worker": 10.2}
"""How long a role takes to stop, idle: measured, docs/images.md, "Stopping"."""


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """The times that warm-up is reckoned with. Each is an assumption unless it says otherwise."""

    connect_s: float = 0.05
    """Opening one connection: dial, TLS, sign in."""
    slow_connect_s: float = 0.25
    """The same for a health check that must not fail: the default of `auroral-server start-period`."""
    stagger_s: float = 5.0
    """The longest random delay of a process's first opening: `DSQL_STAGGERED_STARTUP_MAX_DELAY`."""
    margin_s: float = 60.0
    """Schema check, membership, first shards, attempts made twice: the default of `auroral-server start-period`."""
    task_start_s: float = 30.0
    """Until ECS has placed a task, given it its network interface and started its container from a cached image."""
    health_interval_s: float = 10.0
    """Between two health checks: docs/images.md."""
    notice_s: float = 60.0
    """Until ECS takes the tasks of a lost zone for gone."""


class Lifetime(msgspec.Struct, frozen=True, kw_only=True):
    """How long connections live."""

    lifetime_s: float = 3_300.0
    jitter: float = 0.1
    """A connection ends at lifetime × (1 − jitter × u), u uniform in [0, 1)."""

    @property
    def mean_s(self) -> float:
        """Of one connection."""
        return self.lifetime_s * (1 - self.jitter / 2)

    @property
    def spread_s(self) -> float:
        """Over which connections that were opened together expire."""
        return self.lifetime_s * self.jitter


class Replacement(msgspec.Struct, frozen=True, kw_only=True):
    """How often connections are replaced, all services together."""

    mean_per_s: float
    worst_per_s: float
    """After a cold start: all were opened within the fill time, and expire over that or the jitter, the longer one."""


def fill_s(one: ServiceConnections, connect_s: float, *, before: int = 0) -> float:
    """How long one process takes to fill its pool: connections open one after the other, each after its token.

    `before`: connections that take their tokens first, those of the short-lived stores of its start.
    """
    if one.rate_per_s <= 0:
        return math.inf
    wanted = one.held + before
    by_tokens_s = max(0, wanted - one.burst) / one.rate_per_s + connect_s
    return max(wanted * connect_s, by_tokens_s)


def start_period_s(one: ServiceConnections, pace: Pace, *, shared_s: float = 0.0) -> int:
    """For how long failed health checks must not count, in whole seconds; above 300 is more than ECS takes.

    `shared_s`: how long the shared counter takes to let every process's connections through, where there is one.
    """
    pool_only = msgspec.structs.replace(one, reservoir=0)
    filled_s = max(fill_s(pool_only, pace.slow_connect_s), shared_s)
    if math.isinf(filled_s):
        return MOST_START_PERIOD_S + 1
    return math.ceil(round(pace.stagger_s + filled_s + pace.margin_s, 6))


def cold_start_s(services: Sequence[ServiceConnections], pace: Pace, *, counter_per_s: float | None = None) -> float:
    """From the first process's start until every pool is full, all processes starting together.

    `counter_per_s`: the limit of the shared counter, where there is one.
    """
    local_s = max(
        (fill_s(one, pace.connect_s, before=STARTUP_OPENINGS) for one in services if one.planned), default=0.0
    )
    total = sum(one.planned * (one.held + STARTUP_OPENINGS) for one in services)
    shared_s = total / counter_per_s if counter_per_s else 0.0
    return pace.stagger_s + max(local_s, shared_s)


def zone_loss_s(
    services: Sequence[ServiceConnections], zones: int, pace: Pace, *, counter_per_s: float | None = None
) -> float:
    """From the loss of one zone until every pool is full again, the lost tasks started in the other zones."""
    lost = [msgspec.structs.replace(one, planned=lost_tasks(one.planned, zones)) for one in services]
    filled_s = cold_start_s(lost, pace, counter_per_s=counter_per_s)
    return pace.notice_s + pace.task_start_s + filled_s


def lost_tasks(planned: int, zones: int) -> int:
    """Tasks of a service in its fullest zone."""
    return math.ceil(planned / zones)


def deployment_s(one: ServiceConnections, pace: Pace) -> float:
    """How long a rolling deployment of one service takes: batches one after the other, each until it is healthy."""
    surge = one.planned * one.max_percent // 100 - one.planned
    batch = surge if surge > 0 else max(1, one.planned - math.ceil(one.planned * one.min_healthy_percent / 100))
    batches = math.ceil(one.planned / batch)
    each_s = (
        pace.task_start_s
        + pace.stagger_s
        + fill_s(one, pace.connect_s, before=STARTUP_OPENINGS)
        + pace.health_interval_s
    )
    return batches * (each_s + STOP_S.get(one.service, 0.0))


def replacement(services: Sequence[ServiceConnections], life: Lifetime, filled_s: float) -> Replacement:
    """How often connections of these lifetimes are replaced, `filled_s` the time in which all were opened."""
    total = sum(one.planned * one.held for one in services)
    return Replacement(
        mean_per_s=total / life.mean_s, worst_per_s=total / max(life.spread_s, filled_s, life.lifetime_s / 1_000)
    )


def replaced_per_s(one: ServiceConnections, life: Lifetime) -> float:
    """How often one process replaces a connection, in the long run."""
    return one.held / life.mean_s


def counter_skew_s(allowance: Allowance, limit_per_s: float, delay_s: float) -> float:
    """How far clocks may be off, either way, before the shared counter could let DSQL refuse.

    At most (⌈t + 2s⌉ + 1) × limit connections pass in any t seconds (docs/server.md, "The counter"), and reach DSQL
    within `delay_s`; DSQL admits burst + rate × t. Operators' own connections are not counted by it.
    """
    if limit_per_s + allowance.operator_rate_per_s > allowance.rate_per_s:
        return 0.0
    spare_s = (allowance.burst - allowance.operator_burst) / limit_per_s - 2
    return max(0.0, (spare_s - delay_s) / 2)
