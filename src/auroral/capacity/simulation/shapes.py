"""Whose services a scenario runs with: a preset's, or those of a plan's document. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from auroral.bench.workload import builtin
from auroral.capacity import document, layout, loads
from auroral.capacity.budget import ServiceConnections
from auroral.capacity.document import Plan, ServicePlan
from auroral.capacity.figures import Figure
from auroral.capacity.layout import Options
from auroral.capacity.presets import presets
from auroral.capacity.simulation.scenario import MOST_CONNECTIONS, Counter, Policy, Scenario, ServiceShape
from auroral.capacity.usage import Assumptions
from auroral.dsql import limits
from auroral.errors import UsageError

REQUEST_SHARES: Mapping[str, float] = {"history": 0.70, "matching": 0.20, "frontend": 0.08, "worker": 0.02}
"""Through which service's pools DSQL's transactions go. Assumed: history writes them, matching has its task queues,
the frontend reads namespaces and lists, the worker scans."""


class Deployed(msgspec.Struct, frozen=True, kw_only=True):
    """Services, and the settings that they share."""

    source: str
    """In words: `preset 150wps`, `plan plan.json`."""
    services: tuple[ServiceShape, ...]
    lifetime_s: float
    jitter: float
    distributed: bool
    counter_per_s: int
    most_connections: int = limits.MAX_CONNECTIONS
    """What the DSQL cluster admits: `--connection-limit` of the plan."""
    zones: int = 3


def from_preset(name: str) -> Deployed:
    """A preset as `auroral capacity plan` lays it out. Raises `UsageError` for an unknown name."""
    known = presets()
    preset = known.named(name)
    options = Options(anchors=known.anchors)
    laid = layout.lay_out(preset.rate_per_s, options, known)
    transitions = preset.rate_per_s * loads.transitions(builtin(loads.REFERENCE_WORKLOAD)).most
    return Deployed(
        source=f"preset {name}",
        services=from_connections(laid.connections, transitions),
        lifetime_s=options.lifetime.lifetime_s,
        jitter=options.lifetime.jitter,
        distributed=False,
        counter_per_s=_counter_per_s(options),
    )


def from_plan(data: bytes, name: str) -> Deployed:
    """The services of a plan's JSON; `name` is its file. Raises `UsageError` where it is none."""
    try:
        plan = document.decode(data)
    except ValueError as error:
        raise UsageError(
            f"{name}: expected {error}", hint="make one with: auroral capacity plan --wps 150 --json plan.json"
        ) from error
    connections = [_connections(one) for one in plan.services if one.pool_size is not None]
    return Deployed(
        source=f"plan {name}",
        services=from_connections(connections, float(plan.load.transitions_per_s.value)),
        lifetime_s=float(plan.dsql.lifetime_s.value),
        jitter=float(plan.dsql.jitter.value),
        distributed=plan.dsql.counter_limit_per_s is not None,
        counter_per_s=_planned_counter(plan),
        most_connections=int(next(one.limit for one in plan.dsql.sums if one.name == "connections-planned")),
        zones=plan.request.zones,
    )


def from_connections(services: Iterable[ServiceConnections], transitions_per_s: float) -> tuple[ServiceShape, ...]:
    """The services of a budget, under a load of so many state transitions a second."""
    requests_per_s = transitions_per_s * Assumptions().transactions_per_transition.value
    return tuple(
        ServiceShape(
            service=one.service,
            replicas=one.planned,
            max_replicas=one.maximum,
            pool_size=one.pool_size,
            reservoir=one.reservoir,
            rate_per_s=one.rate_per_s,
            burst=one.burst,
            min_healthy_percent=one.min_healthy_percent,
            max_percent=one.max_percent,
            requests_per_s=round(requests_per_s * REQUEST_SHARES.get(one.service, 0.0), 3),
        )
        for one in services
    )


def deploy(scenario: Scenario, deployed: Deployed) -> Scenario:
    """The scenario with these services. What it sets itself of limiter, lifetime, counter and limits stays."""
    usual, policy = Policy(), scenario.policy
    if policy.limiter == usual.limiter and deployed.distributed:
        policy = msgspec.structs.replace(policy, limiter="distributed")
    if policy.lifetime_s == usual.lifetime_s:
        policy = msgspec.structs.replace(policy, lifetime_s=deployed.lifetime_s)
    if policy.jitter == usual.jitter:
        policy = msgspec.structs.replace(policy, jitter=deployed.jitter)
    counter = scenario.counter
    if counter.limit_per_s == Counter().limit_per_s:
        counter = msgspec.structs.replace(counter, limit_per_s=deployed.counter_per_s)
    database, asserted, most = scenario.database, scenario.limits, deployed.most_connections
    if database.max_connections == limits.MAX_CONNECTIONS:
        database = msgspec.structs.replace(database, max_connections=most)
    if asserted.most_connections == MOST_CONNECTIONS:
        kept = limits.MAX_CONNECTIONS - MOST_CONNECTIONS
        asserted = msgspec.structs.replace(asserted, most_connections=max(1, most - kept))
    return msgspec.structs.replace(
        scenario,
        services=deployed.services,
        policy=policy,
        counter=counter,
        database=database,
        limits=asserted,
        zones=deployed.zones,
    )


def _connections(one: ServicePlan) -> ServiceConnections:
    return ServiceConnections(
        service=one.service,
        planned=_whole(one.replicas),
        maximum=_whole(one.autoscale_max),
        pool_size=_whole(one.pool_size),
        reservoir=_whole(one.reservoir),
        rate_per_s=0.0 if one.rate_per_s is None else float(one.rate_per_s.value),
        burst=_whole(one.burst),
        min_healthy_percent=_whole(one.min_healthy_percent),
        max_percent=_whole(one.max_percent),
    )


def _whole(figure: Figure | None) -> int:
    return 0 if figure is None else int(figure.value)


def _counter_per_s(options: Options) -> int:
    """Of the counter, were it used."""
    return msgspec.structs.replace(options, distributed=True).counter_per_s or Counter().limit_per_s


def _planned_counter(plan: Plan) -> int:
    limit = plan.dsql.counter_limit_per_s
    return _counter_per_s(Options(anchors=())) if limit is None else _whole(limit)
