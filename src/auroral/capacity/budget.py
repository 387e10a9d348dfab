"""DSQL's connection budget: which sums must stay under which limits, and the local limits that follow. Pure.

What a process may have open and may open is what the server's plugin does (docs/server.md): a pool of fixed size, up
to four connections more while it replaces, two of the short-lived stores of its start; and a token bucket that all of
them pass. Where the buckets of all processes that can run at once add up to no more than DSQL's own, DSQL never
refuses, whatever breaks when.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec

from auroral.dsql import limits
from auroral.units import format_number

KEEPER_EXTRA = 4
"""Connections that a pool has above target and reservoir while it replaces: docs/server.md, "The keeper"."""
STARTUP_EXTRA = 2
"""Connections of the short-lived stores that Temporal opens while a process starts: docs/server.md, "Whose pool"."""
STARTUP_OPENINGS = 3
"""Openings of those stores before a pool is warmed, not all open at once: measured at the double, 2026-11-25."""
_TOLERANCE = 1e-9


class Allowance(msgspec.Struct, frozen=True, kw_only=True):
    """What the cluster admits, and what of it is kept for the operators' own tools."""

    connections: int = limits.MAX_CONNECTIONS
    rate_per_s: float = limits.CONNECT_RATE_PER_S
    burst: int = limits.CONNECT_BURST
    operator_connections: int = 10
    """`auroral dsql probe`, `auroral schema`, a `psql` or two."""
    operator_rate_per_s: float = 2.0
    operator_burst: int = 20


class ServiceConnections(msgspec.Struct, frozen=True, kw_only=True):
    """One service as the budget sees it."""

    service: str
    planned: int
    """Replicas."""
    maximum: int
    """Replicas that autoscaling may start; `planned` where there is none."""
    pool_size: int
    """Connections of one process."""
    reservoir: int = 0
    rate_per_s: float = 0.0
    """Of the token bucket of one process."""
    burst: int = 1
    min_healthy_percent: int = 100
    max_percent: int = 100
    """Of the desired count, while a deployment rolls."""

    @property
    def surge(self) -> int:
        """Replicas above the maximum that one deployment may start: ECS rounds maximumPercent down."""
        return max(0, self.maximum * self.max_percent // 100 - self.maximum)

    @property
    def held(self) -> int:
        """Connections that one process keeps open."""
        return self.pool_size + self.reservoir

    @property
    def most(self) -> int:
        """Connections that one process can have open at one moment."""
        return self.held + KEEPER_EXTRA + STARTUP_EXTRA


class Term(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a sum: `count` × `each`."""

    label: str
    count: int
    each: float

    @property
    def value(self) -> float:
        """The product."""
        return self.count * self.each


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One sum against one limit."""

    name: str
    """Stable: `connections-planned`, `rate-deploying-history`, …"""
    title: str
    unit: str
    terms: tuple[Term, ...]
    total: float
    limit: float

    @property
    def passed(self) -> bool:
        """Whether the sum stays within the limit."""
        return self.total <= self.limit + _TOLERANCE

    @property
    def headroom(self) -> float:
        """What is left; negative: by how much it is over."""
        return round(self.limit - self.total, 6)

    def spelled_out(self) -> str:
        """The whole sum as text: `6 × 8 history + 4 × 6 matching + 2 operators = 74/s of 100/s`."""
        terms = " + ".join(
            f"{term.count} × {format_number(term.each)} {term.label}"
            if term.count != 1
            else f"{format_number(term.each)} {term.label}"
            for term in self.terms
        )
        return f"{terms} = {format_number(self.total)} of {format_number(self.limit)} {self.unit}"


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """Every sum of one configuration."""

    checks: tuple[Check, ...]

    @property
    def violations(self) -> tuple[Check, ...]:
        """The sums that are over their limits."""
        return tuple(check for check in self.checks if not check.passed)

    def worst(self, kind: str) -> Check:
        """The check of this kind (`connections`, `rate` or `burst`) with the least headroom."""
        chosen = [check for check in self.checks if check.name.startswith(f"{kind}-")]
        return min(chosen, key=lambda check: check.limit - check.total)


def judge(services: Sequence[ServiceConnections], allowance: Allowance | None = None) -> Judgement:
    """Every sum that must hold: connections, connects a second and burst; at the planned counts, at autoscaling's
    maximum, and with each service deployed on top of that, one at a time.
    """
    allowed = allowance or Allowance()
    connections: list[Check] = []
    rates: list[Check] = []
    bursts: list[Check] = []
    for name, title, counts in _states(services):
        connections.append(_connections(f"connections-{name}", title, counts, allowed))
        rates.append(_rate(f"rate-{name}", title, counts, allowed))
        bursts.append(_burst(f"burst-{name}", title, counts, allowed))
    return Judgement(checks=(*connections, *rates, *bursts))


def derive(services: Sequence[ServiceConnections], allowance: Allowance | None = None) -> list[ServiceConnections]:
    """Give each service the rate and burst of its processes, so that every sum of `judge` holds.

    In proportion to what a process keeps open, so that all services fill in about the same time; rounded down, and a
    burst no larger than what it has to fill. Where a cluster is so large that a share rounds to nothing, the least
    there is (0.01/s, a burst of 1) is given and `judge` says that the sum is over.
    """
    allowed = allowance or Allowance()
    most = max((sum(one.held * count for one, count, _ in counts) for _, _, counts in _states(services)), default=0)
    if most == 0:
        return list(services)
    rate_share = (allowed.rate_per_s - allowed.operator_rate_per_s) / most
    burst_share = (allowed.burst - allowed.operator_burst) / most
    return [
        msgspec.structs.replace(
            one,
            rate_per_s=_rounded_down(one.held * rate_share),
            burst=max(1, min(one.held, math.floor(one.held * burst_share + _TOLERANCE))),
        )
        for one in services
    ]


def percentages(planned: int, surge: int) -> tuple[int, int]:
    """(minimumHealthyPercent, maximumPercent) of a deployment that starts `surge` replicas before it stops as many."""
    percent = math.ceil(100 * (planned + surge) / planned) if planned else 100
    return 100, percent


def in_place(planned: int, batch: int) -> tuple[int, int]:
    """(minimumHealthyPercent, maximumPercent) of a deployment that stops `batch` replicas before it starts as many.

    ECS rounds minimumHealthyPercent up.
    """
    left = max(0, planned - batch)
    return (math.floor(100 * left / planned) if planned else 0), 100


def restart_gap_s(services: Iterable[ServiceConnections]) -> float:
    """Seconds that must lie between the last opening of a process that dies and the first of its successor.

    A new process has a full bucket; after `burst ÷ rate` seconds its predecessor's would be full too, so that the sum
    over all buckets stays what it was.
    """
    return max((one.burst / one.rate_per_s for one in services if one.rate_per_s > 0), default=0.0)


_Count = tuple[ServiceConnections, int, str]


def _states(services: Sequence[ServiceConnections]) -> Iterable[tuple[str, str, list[_Count]]]:
    """What can run at once: (name, title, counts of each service)."""
    yield "planned", "planned", [(one, one.planned, one.service) for one in services]
    most = [(one, one.maximum, one.service) for one in services]
    scales = any(one.maximum > one.planned for one in services)
    if scales:
        yield "autoscaled", "at autoscaling's maximum", most
    above = ", autoscaled" if scales else ""
    for rolling in services:
        if rolling.surge:
            title = f"while {rolling.service} is deployed{above}"
            yield f"deploying-{rolling.service}", title, [*most, (rolling, rolling.surge, f"{rolling.service} (new)")]


def _connections(name: str, title: str, counts: Sequence[_Count], allowed: Allowance) -> Check:
    terms = [Term(label=label, count=count, each=one.held) for one, count, label in counts]
    processes = sum(count for _, count, _ in counts)
    terms.append(Term(label="while replacing", count=processes, each=KEEPER_EXTRA))
    terms.append(Term(label="while starting", count=processes, each=STARTUP_EXTRA))
    terms.append(Term(label="operators", count=1, each=allowed.operator_connections))
    return _check(name, f"connections {title}", "connections", terms, allowed.connections)


def _rate(name: str, title: str, counts: Sequence[_Count], allowed: Allowance) -> Check:
    terms = [Term(label=label, count=count, each=one.rate_per_s) for one, count, label in counts]
    terms.append(Term(label="operators", count=1, each=allowed.operator_rate_per_s))
    return _check(name, f"connects a second {title}", "connects/s", terms, allowed.rate_per_s)


def _burst(name: str, title: str, counts: Sequence[_Count], allowed: Allowance) -> Check:
    terms = [Term(label=label, count=count, each=one.burst) for one, count, label in counts]
    terms.append(Term(label="operators", count=1, each=allowed.operator_burst))
    return _check(name, f"connects at once {title}", "connects at once", terms, allowed.burst)


def _check(name: str, title: str, unit: str, terms: Sequence[Term], limit: float) -> Check:
    total = round(math.fsum(term.value for term in terms), 6)
    return Check(name=name, title=title, unit=unit, terms=tuple(terms), total=total, limit=limit)


def _rounded_down(rate_per_s: float) -> float:
    """To a tenth; below 1 to a hundredth, 0.01 at least."""
    places = 10 if rate_per_s >= 1 else 100
    return max(0.01, math.floor(rate_per_s * places + _TOLERANCE) / places)
