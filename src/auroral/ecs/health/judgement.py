"""Judges a deployment: what is unhealthy, what is worth a note, and the command that mends each. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

import msgspec

from auroral.ecs.fleet import BENCHMARK_WORKER, TEMPORAL, Fleet, FleetService
from auroral.ecs.health.crash_loop import CrashLoop, Evidence, by_itself, evidence
from auroral.ecs.health.judgement_stores import stores
from auroral.ecs.health.snapshot import Snapshot, revision_of
from auroral.ecs.health.verdict import Finding, Severity, Verdict, note, sorted_findings, unhealthy
from auroral.ecs.operation import BEGUN, BENCH, FAILED, KEPT, STARTED_BY, TAKE_OVER, Operation
from auroral.ecs.operation import parse as parse_mark
from auroral.ecs.seen import ServiceSeen, TaskSeen
from auroral.units import format_duration

PATIENCE_S = 600
"""A task may take so long to run, beyond its health check's start period: an instance that has to come first takes
minutes, an image some more."""

OPERATION_S = 3600
"""An operation that began longer ago is taken for one whose terminal is gone."""

EVENT_S = 600
"""So long ECS's word that it cannot place a task counts: it repeats it every few minutes."""

_NO_WORKERS = "auroral bench remote workers 0"
_NO_ROOM = "unable to place a task"
_ROLLED_BACK = "rolling back"


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict, and what it is made of."""

    verdict: Verdict
    findings: tuple[Finding, ...]
    """The unhealthy first."""
    evidence: Evidence
    """Of a crash loop; without loops there is none."""
    operation: Operation | None
    """Under way, interrupted or failed."""


def judge(fleet: Fleet, seen: Snapshot) -> Judgement:
    """Say how a deployment is."""
    found = evidence(seen.cluster, seen.membership, seen.ring)
    operation = parse_mark(seen.cluster.mark)
    ours = [seen.cluster.services[service.key] for service in fleet.ordered()]
    stopped = all(one.status == "ACTIVE" and one.desired == 0 and one.running == 0 for one in ours)
    judging = _Judging(fleet, seen, found, operation, stopped)
    findings = sorted_findings(judging.all())
    bad = any(one.severity is Severity.UNHEALTHY for one in findings)
    verdict = (
        Verdict.UNHEALTHY if bad else Verdict.NOT_STARTED if stopped and not judging.under_way else Verdict.HEALTHY
    )
    return Judgement(verdict=verdict, findings=findings, evidence=found, operation=operation)


class _Judging:
    """One judgement."""

    def __init__(
        self, fleet: Fleet, seen: Snapshot, found: Evidence, operation: Operation | None, stopped: bool
    ) -> None:
        self._fleet = fleet
        self._seen = seen
        self._evidence = found
        self._operation = operation
        self._stopped = stopped
        age_s = (seen.at - operation.at).total_seconds() if operation else 0.0
        self._age_s = age_s
        bench = operation is not None and operation.name == BENCH
        self._kept = bench and operation is not None and operation.facts.get("phase") == KEPT
        begun = operation is not None and operation.state == BEGUN and not self._kept
        self._generates = bench and any(
            one.started_by.startswith(STARTED_BY) and one.status != "STOPPED" for one in seen.cluster.tasks
        )
        self.under_way = begun and (age_s <= OPERATION_S or self._generates)

    def all(self) -> Iterator[Finding]:
        """Every finding."""
        yield from self._mark()
        if self._stopped and self._operation is None:
            yield note("services", "not started: every service is at 0", "auroral cluster up")
        ordered = self._fleet.ordered()
        for service in (*ordered, *(one for one in self._fleet.services.values() if one not in ordered)):
            yield from self._service(service, self._seen.cluster.services[service.key])
        yield from self._roll()
        yield from self._pools()
        yield from stores(self._fleet, self._seen)

    def _mark(self) -> Iterator[Finding]:
        if self._operation is None:
            return
        name, ago = self._operation.name, format_duration(round(self._age_s))
        if self._kept:
            workers = self._operation.facts.get("workers", "some")
            told = f"{workers} benchmark workers were asked for {ago} ago without a benchmark, and cost until they go"
            yield note("operation", told, _NO_WORKERS)
            return
        command = "auroral bench remote run" if name == BENCH else f"auroral cluster {name}"
        if self.under_way:
            yield note("operation", f"`{command}` began {ago} ago and is under way")
        elif self._operation.state == BEGUN:
            told = f"`{command}` began {ago} ago and did not end: is its terminal gone?"
            yield note("operation", told, self._again(command) + ("" if name == BENCH else f" {TAKE_OVER}"))
        else:
            became = "failed" if self._operation.state == FAILED else "was interrupted"
            yield note("operation", f"`{command}` {became} {ago} ago, half way", self._again(command))

    def _again(self, command: str) -> str:
        """With the counts that it was given, where it needs them; for a benchmark that left workers what stops them."""
        assert self._operation is not None
        workers = self._seen.cluster.services.get(BENCHMARK_WORKER)
        if self._operation.name == BENCH and workers is not None and max(workers.desired, workers.running):
            return _NO_WORKERS
        if self._operation.name != "scale":
            return command
        return " ".join(
            [
                command,
                *(f"{key}={value}" for key, value in self._operation.facts.items() if key in self._fleet.services),
            ]
        )

    def _service(self, service: FleetService, seen: ServiceSeen) -> Iterator[Finding]:
        key = service.key
        if seen.status == "MISSING":
            yield unhealthy(key, f"there is no service {service.name}", "auroral infra apply")
            return
        if seen.status != "ACTIVE":
            yield unhealthy(
                key, f"the service {service.name} is {seen.status}: it is being deleted", "auroral infra apply"
            )
            return
        loop = next((one for one in self._evidence.loops if one.service == key), None)
        over = next((one for one in self._evidence.over if one.service == key), None)
        if loop is not None:
            yield self._loop(loop)
        elif over is not None:
            runs = revision_of(seen.task_definition)
            told = f"a crash loop of another revision is over, it is steady with revision {runs}: {over.text}"
            yield note(key, told, f"auroral cluster logs {key}")
        else:
            yield from self._stops(key)
        if seen.desired == 0:
            yield from self._at_zero(service, seen)
        elif seen.running < seen.desired and loop is None:
            yield from self._missing(service, seen)
        yield from self._deployment(key, seen)
        sick = [task for task in self._tasks(key) if task.health == "UNHEALTHY"]
        if sick:
            yield unhealthy(
                key, f"{_tasks(len(sick))} found unhealthy by the health check", f"auroral cluster logs {key}"
            )

    def _loop(self, loop: CrashLoop) -> Finding:
        ring = self._evidence.of_ring and loop.service in TEMPORAL
        command = "auroral cluster recover" if ring else f"auroral cluster logs {loop.service}"
        return unhealthy(loop.service, f"crash loop: {loop.text}", command)

    def _stops(self, key: str) -> Iterator[Finding]:
        """Those of the last hour that make no loop."""
        stops = [task for task in self._seen.cluster.stopped if task.service == key and by_itself(task)]
        if stops:
            reason = Counter(_why(task) for task in stops).most_common(1)[0][0]
            told = f"within the last hour {_tasks(len(stops))} stopped without being told to: {reason}"
            yield note(key, told, f"auroral cluster logs {key}")

    def _at_zero(self, service: FleetService, seen: ServiceSeen) -> Iterator[Finding]:
        if seen.running:
            yield note(service.key, f"{_tasks(seen.running)} still run, none is wanted: they are stopping")
        elif not self._stopped and service.key != BENCHMARK_WORKER and (service.planned or service.key in TEMPORAL):
            make = note if self.under_way else unhealthy
            yield make(service.key, "at 0, while other services run", "auroral cluster up")

    def _missing(self, service: FleetService, seen: ServiceSeen) -> Iterator[Finding]:
        key, missing = service.key, seen.desired - seen.running
        told = f"{seen.running} of {seen.desired} tasks run"
        placing = next((one for one in seen.events if _NO_ROOM in one.text and self._ago_s(one.at) <= EVENT_S), None)
        pool, group = self._fleet.pools.get(service.pool), self._seen.groups.get(service.pool)
        patience_s = service.start_period_s + PATIENCE_S
        if placing is not None and pool is not None and (group is None or group.desired >= group.maximum):
            limit = group.maximum if group is not None else pool.maximum
            full = f"{told}: no instance of the pool {pool.key} has room, and it may have {limit}"
            yield unhealthy(key, full, "auroral capacity plan")
            return
        young = [
            task
            for task in self._tasks(key)
            if task.status != "RUNNING" and task.created_at is not None and self._ago_s(task.created_at) <= patience_s
        ]
        primary = seen.primary
        rolling = primary is not None and primary.rollout == "IN_PROGRESS" and not primary.failed
        fresh = rolling and primary is not None and self._ago_s(primary.created_at) <= patience_s
        if len(young) >= missing or fresh or self.under_way:
            yield note(key, f"{told}: {missing} more {'is' if missing == 1 else 'are'} on the way")
        else:
            waiting = f": ECS waits for an instance of the pool {service.pool}" if placing else ""
            yield unhealthy(key, f"{told}{waiting}", f"auroral cluster logs {key}")

    def _deployment(self, key: str, seen: ServiceSeen) -> Iterator[Finding]:
        primary = seen.primary
        if primary is None:
            return
        logs = f"auroral cluster logs {key}"
        back = next((one.reason for one in seen.deployments if _ROLLED_BACK in one.reason), "")
        told = next((one.text for one in seen.events if _ROLLED_BACK in one.text), "")
        if primary.rollout == "IN_PROGRESS" and back:
            yield unhealthy(key, f"its deployment failed, and ECS puts the last one back: {back}", logs)
        elif primary.rollout == "COMPLETED" and (back or told):
            yield note(key, "its last deployment failed, and ECS put the one before it back", logs)
        elif primary.rollout == "FAILED":
            yield unhealthy(key, f"its deployment failed: {primary.reason}", f"auroral cluster roll {key}")
        elif primary.rollout == "IN_PROGRESS" and primary.failed:
            yield unhealthy(key, f"{_tasks(primary.failed)} of its deployment did not come up", logs)

    def _roll(self) -> Iterator[Finding]:
        pending = [
            f"{key} ({revision_of(seen.task_definition)} → {revision_of(newest)})"
            for key, newest in self._seen.newest.items()
            if (seen := self._seen.cluster.services[key]).status == "ACTIVE" and newest != seen.task_definition
        ]
        if pending:
            yield note(
                "services",
                f"roll pending, a newer revision is registered: {', '.join(pending)}",
                "auroral cluster roll",
            )

    def _pools(self) -> Iterator[Finding]:
        for one in self._seen.cluster.instances:
            if one.status == "ACTIVE" and not one.connected:
                replace = (
                    f"aws autoscaling set-instance-health --instance-id {one.instance_id} --health-status Unhealthy"
                )
                told = f"the agent of instance {one.instance_id} does not answer: nobody supervises its tasks"
                yield unhealthy("instances", told, replace)
        for key, group in self._seen.groups.items():
            missing = max(group.desired, group.minimum) - group.in_service
            if missing <= 0:
                continue
            told = f"{group.in_service} of {group.desired} instances of {group.name} are in service"
            if group.trouble:
                yield unhealthy(f"pool {key}", f"{told}: {group.trouble}", "auroral doctor")
            else:
                yield note(f"pool {key}", f"{told}: {missing} more {'is' if missing == 1 else 'are'} on the way")

    def _tasks(self, key: str) -> list[TaskSeen]:
        return [task for task in self._seen.cluster.tasks if task.service == key]

    def _ago_s(self, at: datetime) -> float:
        return (self._seen.at - at).total_seconds()


def _why(task: TaskSeen) -> str:
    codes = ", ".join(f"exit {code}" for code in dict.fromkeys(task.exit_codes.values()) if code)
    return ": ".join(part for part in (codes, task.reason) if part) or task.stop_code


def _tasks(count: int) -> str:
    return f"{count} task{'' if count == 1 else 's'}"
