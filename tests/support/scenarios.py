"""Scenarios of the tests' own: small ones, and those that must fail."""

from __future__ import annotations

from typing import Any

import msgspec

from auroral.capacity.budget import ServiceConnections, derive
from auroral.capacity.simulation.scenario import Event, Limits, Policy, Scenario, ServiceShape


def shape(service: str = "history", **changes: Any) -> ServiceShape:
    """A small service, with changes."""
    usual = {
        "replicas": 3,
        "pool_size": 10,
        "rate_per_s": 5.0,
        "burst": 5,
        "min_healthy_percent": 66,
        "max_percent": 134,
        "requests_per_s": 60.0,
    }
    return ServiceShape(service=service, **{**usual, **changes})


def scenario(*events: Event, services: tuple[ServiceShape, ...] = (), **changes: Any) -> Scenario:
    """A scenario of ten minutes with these events, on the small service unless others are given."""
    usual: dict[str, Any] = {
        "name": "small",
        "about": "A test.",
        "duration_s": 600.0,
        "services": services or (shape(),),
    }
    return Scenario(events=events, **{**usual, **changes})


def spec_100(pool_size: int) -> tuple[ServiceShape, ...]:
    """The 100/s configuration of the spec, 88 connects a second together, with ECS's own percentages."""
    rows = (("history", 6, 8.0, 40, 3000.0), ("matching", 4, 6.0, 30, 900.0), ("frontend", 3, 4.0, 20, 400.0))
    return tuple(
        ServiceShape(
            service=service,
            replicas=replicas,
            pool_size=pool_size,
            rate_per_s=rate_per_s,
            burst=burst,
            min_healthy_percent=100,
            max_percent=200,
            requests_per_s=requests_per_s,
        )
        for service, replicas, rate_per_s, burst, requests_per_s in (*rows, ("worker", 2, 2.0, 10, 200.0))
    )


def derived(services: tuple[ServiceShape, ...]) -> tuple[ServiceShape, ...]:
    """The same services with the rates and bursts that the budget gives them."""
    connections = [
        ServiceConnections(
            service=one.service,
            planned=one.replicas,
            maximum=one.replicas,
            pool_size=one.pool_size,
            min_healthy_percent=one.min_healthy_percent,
            max_percent=one.max_percent,
        )
        for one in services
    ]
    return tuple(
        msgspec.structs.replace(one, rate_per_s=given.rate_per_s, burst=given.burst)
        for one, given in zip(services, derive(connections), strict=True)
    )


def defaults(pool_size: int) -> tuple[ServiceShape, ...]:
    """44 processes with the server's default limits, 10/s and 100 each, as nobody has derived them from a budget."""
    counts = {"history": 16, "matching": 16, "frontend": 9, "worker": 3}
    return tuple(
        shape(service, replicas=count, pool_size=pool_size, rate_per_s=10, burst=100, requests_per_s=2000.0)
        for service, count in counts.items()
    )


def cut_while_deploying(services: tuple[ServiceShape, ...]) -> Scenario:
    """All connections break while history's new tasks, as many as the old ones, warm up beside them."""
    return scenario(
        Event(at_s=10.0, do="deploy", services=("history",)),
        Event(at_s=43.0, do="cut"),
        services=services,
        limits=Limits(converged_within_s=590.0, longest_wait_s=30.0),
        policy=Policy(stagger_s=0.0),
    )
