"""What is changed in which order: the waves of `up`, `down`, `scale` and `roll`, and the calls of each. Pure.

No wave has two services that open connections to DSQL: each fills its pools alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from auroral.aws_calls import Call
from auroral.ecs.fleet import BENCHMARK_WORKER, ORDER, Fleet
from auroral.ecs.rollout.steady import revision
from auroral.ecs.seen import ClusterSeen, ServiceSeen

ALL = (*ORDER, BENCHMARK_WORKER)
"""Every service, in the order in which they start."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What one service is asked to be."""

    key: str
    count: int | None = None
    """Tasks; None: as many as it has."""
    task_definition: str = ""
    """ARN; empty: the one it has."""
    force: bool = False
    """A new deployment, even of the same."""


Wave = tuple[Step, ...]
"""Steps that go together."""


class Lowered(msgspec.Struct, frozen=True, kw_only=True):
    """A service that loses tasks."""

    key: str
    running: int
    count: int


def up(fleet: Fleet, seen: ClusterSeen, counts: Mapping[str, int] | None = None) -> tuple[Wave, ...]:
    """Temporal's services one by one, then what only watches: each with its count and the registered definition.

    A count is the given one, else the planned one; a service that was scaled above the plan keeps what it has.
    """
    given = counts or {}
    steps = [
        Step(
            key=one.key,
            count=given.get(one.key, max(one.planned, seen.services[one.key].desired)),
            task_definition=one.task_definition,
        )
        for one in fleet.ordered()
    ]
    steps += [
        Step(key=key, count=count, task_definition=fleet.services[key].task_definition)
        for key, count in given.items()
        if key not in ORDER
    ]
    return _grouped(fleet, steps)


def down(fleet: Fleet, seen: ClusterSeen) -> tuple[Wave, ...]:
    """To 0, the other way round: the benchmark's workers first, the frontend last."""
    steps = [
        Step(key=key, count=0) for key in reversed(ALL) if key in fleet.services and not _gone(seen.services[key], seen)
    ]
    return _grouped(fleet, steps)


def scale(fleet: Fleet, seen: ClusterSeen, counts: Mapping[str, int]) -> tuple[Wave, ...]:
    """What shrinks first, from the end, so that its connections are free; then what grows, from the beginning."""
    ordered = [key for key in ALL if key in counts]
    shrinking = [key for key in reversed(ordered) if counts[key] < seen.services[key].desired]
    growing = [key for key in ordered if key not in shrinking]
    return _grouped(fleet, [Step(key=key, count=counts[key]) for key in (*shrinking, *growing)], alone=True)


def roll(fleet: Fleet, seen: ClusterSeen, chosen: Sequence[str] = (), *, force: bool = False) -> tuple[Wave, ...]:
    """One service at a time: those that do not run the registered task definition; with `force` all that are chosen."""
    steps = []
    for key in ALL:
        one = fleet.services.get(key)
        if one is None or (chosen and key not in chosen):
            continue
        service = seen.services[key]
        again = force and service.desired > 0
        if again or service.task_definition != one.task_definition or _unfinished(service):
            steps.append(Step(key=key, task_definition=one.task_definition, force=again))
    return _grouped(fleet, steps, alone=True)


def update(fleet: Fleet, seen: ClusterSeen, step: Step, *, forced: bool = False) -> Call | None:
    """The call that asks for it; None where the service has been asked already. `forced`: its deployment has begun."""
    service = seen.services[step.key]
    arguments: dict[str, object] = {}
    if step.count is not None and service.desired != step.count:
        arguments["desiredCount"] = step.count
    if step.task_definition and service.task_definition != step.task_definition:
        arguments["taskDefinition"] = step.task_definition
    if not forced and (step.force or _failed(service)):
        arguments["forceNewDeployment"] = True
    rolling = _rolling(fleet, service, step, arguments)
    if not arguments and rolling is None:
        return None
    words = told(step, service)
    if rolling is not None:
        least, most = rolling
        percents = {"minimumHealthyPercent": least, "maximumPercent": most}
        # What is left out of it might be reset: the circuit breaker, alarms.
        arguments["deploymentConfiguration"] = {**service.rolling, **percents}
        words += f", replaced with {least} % healthy at least and {most} % at most"
    return Call(
        service="ecs",
        operation="update_service",
        arguments={"cluster": fleet.cluster, "service": service.name, **arguments},
        why=words,
    )


def moves(count: int, percents: tuple[int, int]) -> bool:
    """Whether ECS can replace a task at this count: stop one, or start one."""
    least, most = bounds(count, percents)
    return least < count or most > count


def bounds(count: int, percents: tuple[int, int]) -> tuple[int, int]:
    """Tasks that must stay, rounded up, and that may be there, rounded down (ECS API Reference,
    `DeploymentConfiguration`, read in November 2026).
    """
    least, most = percents
    return -(-count * least // 100), count * most // 100


def percents(fleet: Fleet, service: ServiceSeen) -> tuple[int, int]:
    """(minimumHealthyPercent, maximumPercent) that ECS has, else the plan's."""
    own = fleet.services[service.key]
    return (
        service.rolling.get("minimumHealthyPercent", own.min_healthy_percent),
        service.rolling.get("maximumPercent", own.max_percent),
    )


def fitting(count: int, percents: tuple[int, int]) -> tuple[int, int]:
    """Those with which one task at a time is replaced, in the way that these have; the same for the only task of a
    service that would have to stop before its successor starts.
    """
    least, most = percents
    if most > 100:
        return least, -(-100 * (count + 1) // count)
    return (100 * (count - 1) // count, most) if count > 1 else percents


def deadlocked(fleet: Fleet, service: ServiceSeen) -> bool:
    """Whether a deployment under way can neither stop nor start a task."""
    under_way = len(service.deployments) > 1 and service.running > 0
    return under_way and service.desired > 0 and not moves(service.desired, percents(fleet, service))


def as_rolled(fleet: Fleet, seen: ClusterSeen, waves: Iterable[Wave]) -> Fleet:
    """The fleet with the percentages with which these waves replace tasks."""
    services = dict(fleet.services)
    for step in (step for wave in waves for step in wave):
        service = seen.services[step.key]
        found = _rolling(fleet, service, step, {"taskDefinition": step.task_definition or service.task_definition})
        least, most = found or percents(fleet, service)
        services[step.key] = msgspec.structs.replace(services[step.key], min_healthy_percent=least, max_percent=most)
    return msgspec.structs.replace(fleet, services=services)


def deploys(fleet: Fleet, seen: ClusterSeen, step: Step) -> bool:
    """Whether it makes a new deployment."""
    call = update(fleet, seen, step)
    return call is not None and any(name in call.arguments for name in ("taskDefinition", "forceNewDeployment"))


def replaced(fleet: Fleet, seen: ClusterSeen, waves: Iterable[Wave]) -> tuple[str, ...]:
    """Services whose running tasks a new deployment replaces, so that some of either run at once."""
    return tuple(
        step.key for wave in waves for step in wave if seen.services[step.key].running and deploys(fleet, seen, step)
    )


def told(step: Step, service: ServiceSeen) -> str:
    """`history: 0 → 4 tasks, dev-history:6 → dev-history:7`."""
    parts = []
    if step.count is not None and service.desired != step.count:
        parts.append(f"{service.desired} → {step.count} tasks")
    if step.task_definition and service.task_definition != step.task_definition:
        parts.append(f"{revision(service.task_definition)} → {revision(step.task_definition)}")
    elif step.force or _failed(service):
        parts.append(f"a new deployment of {revision(service.task_definition)}")
    return f"{step.key}: {', '.join(parts) or 'as wanted'}"


def lowered(seen: ClusterSeen, waves: Iterable[Wave]) -> tuple[Lowered, ...]:
    """Services that lose tasks by these waves, in their order."""
    return tuple(
        Lowered(key=step.key, running=max(service.desired, service.running), count=step.count)
        for wave in waves
        for step in wave
        if step.count is not None
        for service in (seen.services[step.key],)
        if step.count < max(service.desired, service.running)
    )


def after(counts: Mapping[str, int], wave: Wave) -> dict[str, int]:
    """The counts once a wave has been asked for."""
    return {**counts, **{step.key: step.count for step in wave if step.count is not None}}


def present(seen: ClusterSeen) -> dict[str, int]:
    """The counts now: what runs, or is wanted, whichever is more."""
    return {key: max(one.desired, one.running) for key, one in seen.services.items()}


def missing(fleet: Fleet, seen: ClusterSeen, waves: Iterable[Wave]) -> tuple[str, ...]:
    """Names of services of these waves that ECS does not have."""
    keys = [step.key for wave in waves for step in wave]
    return tuple(fleet.services[key].name for key in keys if seen.services[key].status != "ACTIVE")


def _rolling(fleet: Fleet, service: ServiceSeen, step: Step, arguments: Mapping[str, object]) -> tuple[int, int] | None:
    """The percentages to set; None: those that are there do.

    A plan's are made for its counts: at the counts before a larger plan's, ECS could neither stop nor start a task
    with them. They come back with the plan's count.
    """
    own, has = fleet.services[service.key], percents(fleet, service)
    plan = (own.min_healthy_percent, own.max_percent)
    count = service.desired if step.count is None else step.count
    deployed = "taskDefinition" in arguments or "forceNewDeployment" in arguments or len(service.deployments) > 1
    if count and service.running and deployed and not moves(count, has):
        wanted = plan if moves(count, plan) else fitting(count, plan)
        return wanted if moves(count, wanted) else None
    set_by_us = service.desired > 0 and not moves(service.desired, plan) and has == fitting(service.desired, plan)
    if "desiredCount" in arguments and set_by_us and has != plan and moves(count, plan):
        return plan
    return None


def _grouped(fleet: Fleet, steps: Sequence[Step], *, alone: bool = False) -> tuple[Wave, ...]:
    """A wave for each service; with `alone` unset, neighbours that open no connection to DSQL share one."""
    waves: list[Wave] = []
    for step in steps:
        quiet = fleet.services[step.key].dsql is None and step.key != BENCHMARK_WORKER
        shares = waves and all(
            fleet.services[one.key].dsql is None and one.key != BENCHMARK_WORKER for one in waves[-1]
        )
        if quiet and shares and not alone:
            waves[-1] = (*waves[-1], step)
        else:
            waves.append((step,))
    return tuple(waves)


def _gone(service: ServiceSeen, seen: ClusterSeen) -> bool:
    """Whether there is nothing left to stop."""
    if service.status != "ACTIVE":
        return True
    leaving = any(one.service == service.key and one.status != "STOPPED" for one in seen.stopped)
    return not (service.desired or service.running or service.pending or leaving or seen.tasks_of(service.key))


def _failed(service: ServiceSeen) -> bool:
    """Whether its deployment failed without a rollback: such a one starts no task any more."""
    return service.primary is not None and service.primary.rollout == "FAILED"


def _unfinished(service: ServiceSeen) -> bool:
    """Whether a deployment is under way: whoever rolls again after an interruption awaits it."""
    return any(one.rollout in ("IN_PROGRESS", "FAILED") for one in service.deployments) or len(service.deployments) > 1
