"""Whether a service is as it was asked to be, on its way there, failing, or short of instances. Pure.

Nothing here compares AWS's times with this machine's clock: what is new is what was not there when the wait began.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from enum import StrEnum

import msgspec

from auroral.ecs.seen import ClusterSeen, ServiceSeen, TaskSeen

LISTED_S = 60.0
"""How long ListTasks may lag behind a service's own counts before the counts are believed alone."""
UNPLACED_S = 30.0
"""How long a task may be without an instance before that is told as a shortage."""
SHOWN = 3
"""Reasons of stopped tasks that are told."""
_UNABLE = "was unable to place a task"
_STUCK = "was unable to stop or start tasks during a deployment"
"""ECS developer guide, "Viewing Amazon ECS service event messages"."""
_DRAINING = ("DEACTIVATING", "STOPPING")
"""Its containers still run, with their connections (ECS developer guide, "Amazon ECS task lifecycle")."""
_EPOCH = datetime.fromtimestamp(0, UTC)
_OWN_FAULT = ("EssentialContainerExited", "TaskFailedToStart")


class State(StrEnum):
    """How a service stands."""

    STEADY = "steady"
    MOVING = "moving"
    SHORT = "short"
    """Of instances: a task waits for room."""
    FAILING = "failing"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a service was asked to be."""

    key: str
    count: int | None = None
    """Tasks; None: as many as it wants now."""
    task_definition: str = ""
    """ARN; empty: the one it has."""
    other_than: str = ""
    """Id of the deployment that a new one must have replaced; empty: none was asked for."""
    health_checked: bool | None = None
    """Whether its tasks have a health check; None: it is not known, and UNKNOWN is believed."""
    start_period_s: float = 0.0


class Before(msgspec.Struct, frozen=True, kw_only=True):
    """What was there when the wait began."""

    events: frozenset[str] = frozenset()
    """Ids."""
    deployments: frozenset[str] = frozenset()
    """Ids."""
    failed: frozenset[str] = frozenset()
    """Ids of deployments that had failed."""
    tasks: frozenset[str] = frozenset()
    """ARNs of tasks, those that had stopped too."""
    warming: frozenset[str] = frozenset()
    """ARNs of tasks that were there, and not yet healthy."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a service stands, and why."""

    key: str
    state: State
    reason: str
    running: int = 0
    desired: int = 0
    healthy: int = 0
    stops: tuple[str, ...] = ()
    """Why its tasks stopped, each reason once, the newest first."""


def before(seen: ClusterSeen, key: str) -> Before:
    """What is there now."""
    service = seen.services[key]
    there = [one for one in (*seen.tasks, *seen.stopped) if one.service == key]
    return Before(
        events=frozenset(one.id for one in service.events),
        deployments=frozenset(one.id for one in service.deployments),
        failed=frozenset(one.id for one in service.deployments if one.rollout == "FAILED"),
        tasks=frozenset(one.arn for one in there),
        warming=frozenset(one.arn for one in seen.tasks_of(key) if one.health != "HEALTHY"),
    )


def standing(seen: ClusterSeen, wanted: Wanted, began: Before, waited_s: float) -> Standing:
    """How a service stands `waited_s` after it was asked."""
    view = _View(
        service=seen.services[wanted.key],
        tasks=seen.tasks_of(wanted.key),
        stopped=tuple(one for one in seen.stopped if one.service == wanted.key),
        wanted=wanted,
        began=began,
        waited_s=waited_s,
    )
    failures = _failures(view)
    state, reason = _judged(view, failures)
    return Standing(
        key=wanted.key,
        state=state,
        reason=reason,
        running=view.service.running,
        desired=view.service.desired,
        healthy=sum(_well(one, wanted) for one in view.tasks),
        stops=_words(failures),
    )


def threshold(desired: int) -> int:
    """Tasks in a row that must fail before a service is failing.

    The circuit breaker's: half of the tasks, 3 at least, 200 at most (ECS developer guide, "How the Amazon ECS
    deployment circuit breaker detects failures"). It judges deployments only, so that a service that is scaled from 0
    crash-loops without it.
    """
    return min(max(3, math.ceil(desired / 2)), 200)


class _View(msgspec.Struct, frozen=True, kw_only=True):
    """One service, and what is asked about it."""

    service: ServiceSeen
    tasks: tuple[TaskSeen, ...]
    stopped: tuple[TaskSeen, ...]
    wanted: Wanted
    began: Before
    waited_s: float


def _judged(view: _View, failures: list[TaskSeen]) -> tuple[State, str]:
    failing = next(_faults(view, failures), "")
    if failing:
        return State.FAILING, failing
    missing = next(_missing(view), "")
    if not missing:
        return State.STEADY, "steady"
    short = next(_shortages(view), "")
    return (State.SHORT, short) if short else (State.MOVING, missing)


def _faults(view: _View, failures: list[TaskSeen]) -> Iterator[str]:
    """Why it is failing: the weightiest first."""
    service, primary = view.service, view.service.primary
    if service.status != "ACTIVE":
        yield f"ECS has it as {service.status.lower() or 'unknown'}: expected it to be active"
    rolled_back = _rolled_back(view)
    if rolled_back:
        yield rolled_back
    if primary is not None and primary.rollout == "FAILED" and primary.id not in view.began.failed:
        yield f"its deployment failed: {primary.reason or 'ECS gives no reason'}"
    newest = service.events[0] if service.events else None
    if newest is not None and newest.id not in view.began.events and _STUCK in newest.text:
        yield newest.text
    # A deployment is the breaker's to judge: it also rolls back, which is worth waiting for.
    most = threshold(service.desired) * (2 if view.wanted.other_than else 1)
    if len(failures) >= most and view.waited_s >= view.wanted.start_period_s:
        yield f"{len(failures)} of its tasks stopped since this began: {_words(failures)[0]}"


def _missing(view: _View) -> Iterator[str]:
    """What keeps it from being steady."""
    service, primary, wanted = view.service, view.service.primary, view.wanted
    if wanted.count is not None and service.desired != wanted.count:
        yield f"ECS has not yet taken the count of {wanted.count}"
    if wanted.task_definition and (primary is None or primary.task_definition != wanted.task_definition):
        yield f"ECS has not yet taken {revision(wanted.task_definition)}"
    if wanted.other_than and (primary is None or primary.id == wanted.other_than):
        yield "its new deployment has not begun"
    if service.pending or service.running != service.desired:
        yield f"{service.running} of {service.desired} running"
    if len(service.deployments) > 1:
        yield "tasks of the deployment before it still run"
    if primary is not None and primary.rollout not in ("COMPLETED", ""):
        yield "ECS has not yet completed its deployment"
    if service.desired == 0:
        yield from _leaving(view)
        return
    draining = sum(one.arn in view.began.tasks and one.status in _DRAINING for one in view.stopped)
    if draining:
        yield f"{draining} of its tasks {'is' if draining == 1 else 'are'} still stopping"
    if not view.tasks:
        if view.waited_s < LISTED_S:
            yield "ECS lists none of its tasks yet"
    elif not _all_well(view):
        yield f"{service.running} of {service.desired} running, {sum(_well(one, wanted) for one in view.tasks)} healthy"


def _leaving(view: _View) -> Iterator[str]:
    """A task that stops has its connections until it is gone."""
    left = len(view.tasks) + sum(one.status != "STOPPED" for one in view.stopped)
    if left:
        yield f"{left} of its tasks {'is' if left == 1 else 'are'} still there"


def _all_well(view: _View) -> bool:
    primary = view.service.primary
    return len(view.tasks) == view.service.desired and all(
        _well(one, view.wanted) and (primary is None or one.revision == primary.task_definition) for one in view.tasks
    )


def _well(task: TaskSeen, wanted: Wanted) -> bool:
    if task.status != "RUNNING" or task.health == "UNHEALTHY":
        return False
    return task.health == "HEALTHY" or not wanted.health_checked


def _rolled_back(view: _View) -> str:
    """ECS's reason, where it went back to an earlier deployment than the one that was asked for."""
    service, primary, began = view.service, view.service.primary, view.began
    if primary is None:
        return ""
    failed = [one for one in service.deployments if one.rollout == "FAILED" and one.id not in began.failed]
    back = "rolling back" in primary.reason.lower() and primary.id not in began.deployments
    if not back and not any(one.id != primary.id for one in failed):
        return ""
    told = [event.text for event in service.events if event.id not in began.events]
    reason = next((one.reason for one in failed if one.reason), "") or primary.reason
    event = next((text for text in told if "deployment failed" in text or "rolling back" in text), "")
    return f"ECS rolled it back to {revision(primary.task_definition)}: {reason or event or 'it gives no reason'}"


def _shortages(view: _View) -> Iterator[str]:
    service = view.service
    if service.running >= service.desired:
        return
    newest = service.events[0] if service.events else None
    if newest is not None and newest.id not in view.began.events and _UNABLE in newest.text:
        yield newest.text
    count = sum(one.status == "PROVISIONING" and not one.instance for one in view.tasks)
    if count and view.waited_s >= UNPLACED_S:
        yield f"{count} of its tasks {'waits' if count == 1 else 'wait'} for an instance with room"


def _failures(view: _View) -> list[TaskSeen]:
    """Tasks started since the wait began that stopped by their own fault, the newest first."""
    primary = view.service.primary
    expected = view.wanted.task_definition or (primary.task_definition if primary else "")
    found = [
        one for one in view.stopped if one.arn not in view.began.tasks and one.revision == expected and _own_fault(one)
    ]
    return sorted(found, key=lambda one: (one.stopped_at or _EPOCH, one.arn), reverse=True)


def _own_fault(task: TaskSeen) -> bool:
    return task.stop_code in _OWN_FAULT or "health check" in task.reason.lower()


def _words(stopped: Iterable[TaskSeen]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(why_stopped, stopped)))[:SHOWN]


def why_stopped(task: TaskSeen) -> str:
    """`Essential container in task exited (history: exit code 1)`."""
    codes = ", ".join(f"{name}: exit code {code}" for name, code in sorted(task.exit_codes.items()))
    reason = task.reason or task.stop_code or "ECS gives no reason"
    return f"{reason} ({codes})" if codes else reason


def revision(arn: str) -> str:
    """`dev-history:7` of a task definition's ARN."""
    return arn.rsplit("/", 1)[-1]


def filling(seen: ClusterSeen, keys: Iterable[str]) -> tuple[str, ...]:
    """Of these services, whose tasks have health checks, those with a task that is not warm yet."""
    return tuple(
        key
        for key in keys
        if any(one.health == "UNKNOWN" or one.status != "RUNNING" for one in seen.tasks_of(key))
        or seen.services[key].running < seen.services[key].desired
    )
