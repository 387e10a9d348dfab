"""Properties 14 to 16: the deployment keeps to DSQL's connection budget. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from auroral.capacity.budget import ServiceConnections, judge
from auroral.infra.findings import Finding, broken, judged, kept, unknown
from auroral.infra.model import UNKNOWN, Platform
from auroral.infra.numbers import allowance, connecting, services, shared_limit_per_s, unread
from auroral.infra.tasks import Task, service_name, tasks
from auroral.units import parse_duration_s

LONGEST_LIFETIME_S = 3600
"""DSQL ends a connection after 60 minutes: "Cluster quotas and database limits", AWS, read in November 2026."""


def rate_within(platform: Platform) -> Iterator[Finding]:
    """14: all processes that can run at once, a deployment's included, connect no faster than DSQL admits."""
    allowed = allowance(platform)
    shared = shared_limit_per_s(platform)
    if platform.at("dsql", "limiter", "mode") is UNKNOWN:
        yield unknown("dsql.limiter", "the limiter's mode")
    elif shared is not None:
        fine = shared <= allowed.rate_per_s
        told = f"the distributed limiter admits {shared:g}/s: expected at most {allowed.rate_per_s:g}/s"
        yield kept("dsql.limiter") if fine else broken("dsql.limiter", told)
    else:
        yield from _sums(platform, ("rate",))
    yield from _as_contracted(platform)


def connections_within(platform: Platform) -> Iterator[Finding]:
    """15: all pools and bursts that can be at once fit DSQL's connections."""
    yield from _sums(platform, ("connections", "burst"))
    own = {one.service: one for one in connecting(platform)}
    for task in tasks(platform):
        if task.name in own and task.containers is None:
            yield unknown(task.resource, "its environment")
        elif task.name in own:
            yield judged(task.resource, _other_numbers(task, own[task.name]))


def _sums(platform: Platform, kinds: tuple[str, ...]) -> Iterator[Finding]:
    for name in unread(platform):
        yield unknown(f"services.{name}", "its numbers")
    found = connecting(platform)
    if not found:
        return
    for check in judge(found, allowance(platform)).checks:
        if check.name.partition("-")[0] in kinds:
            yield kept(check.name) if check.passed else broken(check.name, f"{check.title}: {check.spelled_out()}")


def _other_numbers(task: Task, own: ServiceConnections) -> Iterator[str]:
    environment = task.environment()
    expected: dict[str, float] = {
        "TEMPORAL_SQL_MAX_CONNS": own.pool_size,
        "DSQL_CONNECTION_RATE_LIMIT": own.rate_per_s,
        "DSQL_CONNECTION_BURST_LIMIT": own.burst,
        "DSQL_RESERVOIR": own.reservoir,
    }
    for name, wanted in expected.items():
        found = environment.get(name)
        if found is None and name == "DSQL_RESERVOIR" and wanted == 0:
            continue
        if _number(found) != wanted:
            yield f"{name}={found}: expected {wanted:g}, which the budget counts"


def _as_contracted(platform: Platform) -> Iterator[Finding]:
    """Services and autoscaling are as the budget counts them."""
    own = {one.service: one for one in connecting(platform)}
    for service in platform.of_type("aws_ecs_service"):
        name = service_name(platform, service)
        if name in own:
            found = service.get("deployment_maximum_percent")
            fine = found is UNKNOWN or found <= own[name].max_percent
            told = (
                f"deployment_maximum_percent {found}: expected at most {own[name].max_percent}, which the budget counts"
            )
            yield kept(service) if fine else broken(service, told)
    for target in platform.of_type("aws_appautoscaling_target"):
        where = target.get("resource_id")
        if not isinstance(where, str):
            yield unknown(target, "the service that it scales")
            continue
        names = [name for name, one in services(platform).items() if where.endswith(f"/{one.get('service')}")]
        for name in (one for one in names if one in own):
            most = target.get("max_capacity")
            fine = most is UNKNOWN or most <= own[name].maximum
            told = f"max_capacity {most}: expected at most {own[name].maximum}, which the budget counts"
            yield kept(target) if fine else broken(target, told)


def pool_settings(platform: Platform) -> Iterator[Finding]:
    """16: a pool stays full and is renewed before DSQL ends its connections."""
    for task in tasks(platform):
        if task.containers is None:
            yield unknown(task.resource, "its environment")
        elif "TEMPORAL_SQL_MAX_CONNS" in task.environment():
            yield judged(task.resource, _settings(task.environment()))


def _settings(environment: dict[str, str]) -> Iterator[str]:
    most = environment["TEMPORAL_SQL_MAX_CONNS"]
    idle = environment.get("TEMPORAL_SQL_MAX_IDLE_CONNS", most)
    if idle != most:
        yield f"TEMPORAL_SQL_MAX_IDLE_CONNS={idle}: expected {most}, as TEMPORAL_SQL_MAX_CONNS"
    for name, value in environment.items():
        if "IDLE_TIME" in name and _seconds(value) != 0:
            yield f"{name}={value}: expected 0, so that no idle connection is closed"
    lifetime = environment.get("TEMPORAL_SQL_MAX_CONN_LIFETIME", "55m")
    if not 0 < _seconds(lifetime) < LONGEST_LIFETIME_S:
        yield f"TEMPORAL_SQL_MAX_CONN_LIFETIME={lifetime}: expected more than 0 and less than 60m"


def _seconds(text: str) -> float:
    try:
        return parse_duration_s(text)
    except ValueError:
        return 0.0 if text in ("0", "0s") else float("inf")


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
