"""ECS's service scheduler: starts, stops and replaces tasks, completes deployments or rolls them back.

Texts of events and of `rolloutStateReason` are those that DescribeServices gives; ECS Developer Guide, "Amazon ECS
service event messages" and "deployment circuit breaker", read in November 2026.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Protocol

from tests.support.fake_ecs.clock import FakeClock
from tests.support.fake_ecs.deployments import (
    Deployment,
    breaker_threshold,
    least_healthy,
    most_running,
    throttle_s,
)
from tests.support.fake_ecs.names import Names
from tests.support.fake_ecs.services import REPEATED_S, Service
from tests.support.fake_ecs.tasks import Task

LOOKS_EVERY_S = 5.0
FAILED_HEALTH = "Task failed container health checks"


class Surroundings(Protocol):
    """What the scheduler needs of the world."""

    clock: FakeClock
    names: Names
    rollback_keeps_id: bool

    def launch(self, service: Service, deployment: Deployment, *, replaces: bool = False) -> Task:
        """One more task, placed where there is room."""

    def alarms_raised(self, names: Sequence[str]) -> bool:
        """Whether one of them is in ALARM."""


class Scheduler:
    """Looks at a service every few seconds."""

    def __init__(self, world: Surroundings) -> None:
        self._world = world

    def look(self, service: Service) -> None:
        """Do what the service needs now."""
        if self._world.clock.elapsed_s < service.next_look_s:
            return
        service.next_look_s = self._world.clock.elapsed_s + LOOKS_EVERY_S
        self._count(service)
        self._judge(service)
        self._replace_unhealthy(service)
        self._stop_old(service)
        self._shrink(service)
        self._grow(service)
        self._settle(service)

    def deploy(self, service: Service, definition: str) -> Deployment:
        """A new primary deployment; those before it become ACTIVE."""
        for one in service.deployments:
            one.status = "ACTIVE"
        at = self._world.clock.utc()
        made = Deployment(self._world.names.deployment(), definition, at, at)
        service.deployments.insert(0, made)
        service.task_definition = definition
        self.resume(service)
        return made

    def resume(self, service: Service) -> None:
        """An update ends the holding back of launches."""
        service.launches_failed, service.no_launch_until_s = 0, 0.0
        service.next_look_s = self._world.clock.elapsed_s
        service.steady = False
        service.causes.clear()

    def tell(self, service: Service, text: str) -> None:
        """Write an event."""
        service.told(f"(service {service.name}) {text}", self._world.names.uuid(), self._world.clock.utc())

    def tell_once(self, service: Service, text: str) -> None:
        """Write an event whose cause lasts: once, and again after six hours."""
        now_s = self._world.clock.elapsed_s
        if now_s - service.causes.get(text, -REPEATED_S) >= REPEATED_S:
            service.causes[text] = now_s
            self.tell(service, text)

    def tell_started(self, service: Service) -> None:
        """Of the tasks that have a place since the last time."""
        placed = [one for one in service.tasks if one.instance is not None and not one.told]
        if not placed:
            return
        for one in placed:
            one.told = True
        replaced = sum(one.replaces for one in placed)
        more = f" Amazon ECS replaced {replaced} tasks due to an unhealthy status." if replaced else ""
        self.tell(service, f"has started {len(placed)} tasks: {_named(placed)}.{more}")

    def _count(self, service: Service) -> None:
        """Failures, and successes that make them forgotten (`resetOnHealthyTask` is true by default)."""
        deployments = {one.id: one for one in service.deployments}
        for task in service.tasks:
            deployment = deployments.get(task.started_by)
            if task.ran and service.launches_failed and not task.counted:
                service.launches_failed = 0
            if task.failed and not task.counted:
                task.counted = True
                if deployment is not None:
                    deployment.failed += 1
                if not task.ran:
                    self._hold_back(service)
            if task.was_healthy and not task.counted_healthy:
                task.counted_healthy = True
                if deployment is not None:
                    deployment.failed = 0

    def _hold_back(self, service: Service) -> None:
        service.launches_failed += 1
        wait_s = throttle_s(service.launches_failed)
        if wait_s:
            service.no_launch_until_s = self._world.clock.elapsed_s + wait_s
            self.tell_once(service, "is unable to consistently start tasks successfully.")

    def _judge(self, service: Service) -> None:
        """Open the circuit, and roll back to the deployment that was completed last."""
        primary = service.primary
        if primary.rollout != "IN_PROGRESS":
            return
        if self._world.alarms_raised(service.alarm_names):
            # The event's words were seen of ECS; those of the reason are assumed.
            why, reason = "alarm detected.", "ECS deployment failed: alarm detected."
        elif service.breaker and primary.failed >= breaker_threshold(service.desired):
            why = "tasks failed to start."
            reason = f"ECS deployment circuit breaker: {why}"
        else:
            return
        primary.fail(reason, self._world.clock.utc())
        self.tell(service, f"(deployment {primary.id}) deployment failed: {why}")
        if not service.rollback or service.completed is None or primary.is_rollback:
            return
        back = self._back_to(service, *service.completed)
        back.is_rollback = True
        back.reason = f"ECS deployment circuit breaker: rolling back to deploymentId {back.id}."
        self.tell(service, f"rolling back to deployment {back.id}.")

    def _back_to(self, service: Service, previous: str, definition: str) -> Deployment:
        """The old deployment with its tasks, or a new one of the same task definition."""
        old = next((one for one in service.deployments if one.id == previous), None)
        if old is None or not self._world.rollback_keeps_id:
            return self.deploy(service, definition)
        service.primary.status = "ACTIVE"
        service.deployments.remove(old)
        service.deployments.insert(0, old)
        old.status, old.rollout, old.failed, old.updated_at = "PRIMARY", "IN_PROGRESS", 0, self._world.clock.utc()
        service.task_definition = definition
        self.resume(service)
        return old

    def _replace_unhealthy(self, service: Service) -> None:
        """Replacements first where `maximumPercent` has room; else one at a time is stopped first."""
        unhealthy = [one for one in service.live() if one.health == "UNHEALTHY"]
        if not unhealthy:
            return
        primary, live = service.primary, service.live()
        room = most_running(service.desired, service.max_percent) - len(live)
        if room > 0:
            unhealthy = unhealthy[:room]
            mine = sum(one.started_by == primary.id and one not in unhealthy for one in live)
            needed = 0 if primary.rollout == "FAILED" else max(0, service.desired - mine)
            for _ in unhealthy[:needed]:
                self._world.launch(service, primary, replaces=True)
            self.tell_started(service)
        else:
            unhealthy = unhealthy[:1] if not any(one.pending for one in live) else []
        for one in unhealthy:
            one.failed = True
            self.tell(service, f"(task {one.id}) failed container health checks.")
        self._stop(service, unhealthy, FAILED_HEALTH)
        self._count(service)

    def _stop_old(self, service: Service) -> None:
        """Make room for the primary deployment, without going below `minimumHealthyPercent`."""
        primary, live = service.primary, service.live()
        old = [one for one in live if one.started_by != primary.id]
        if not old or primary.rollout == "FAILED":
            return
        spare = sum(one.serves for one in live) - least_healthy(service.desired, service.min_healthy_percent)
        serving = [one for one in old if one.serves]
        self._stop(service, [one for one in old if not one.serves] + serving[: max(0, spare)])

    def _shrink(self, service: Service) -> None:
        mine = [one for one in service.live() if one.started_by == service.primary.id]
        surplus = len(mine) - service.desired
        if surplus > 0:
            self._stop(service, _least_wanted(mine, surplus))

    def _grow(self, service: Service) -> None:
        primary, live = service.primary, service.live()
        if primary.rollout == "FAILED" or self._world.clock.elapsed_s < service.no_launch_until_s:
            return
        mine = sum(one.started_by == primary.id for one in live)
        ceiling = most_running(service.desired, service.max_percent) if mine < len(live) else service.desired
        for _ in range(min(service.desired - mine, ceiling - len(live))):
            self._world.launch(service, primary)
        self.tell_started(service)

    def _settle(self, service: Service) -> None:
        """Steady: as many tasks as desired, all of the primary deployment, all healthy, no other left."""
        primary, there = service.primary, [one for one in service.tasks if one.status != "STOPPED"]
        mine = [one for one in there if one.started_by == primary.id and one.serves]
        steady = len(mine) == len(there) == service.desired and primary.rollout != "FAILED"
        now_s = self._world.clock.elapsed_s
        if steady and primary.rollout == "IN_PROGRESS":
            at = self._world.clock.utc()
            primary.complete(at)
            service.deployments = [primary]
            service.completed = (primary.id, primary.definition)
            self.tell(service, f"(deployment {primary.id}) deployment completed.")
        if steady and (not service.steady or now_s - service.steady_told_s >= REPEATED_S):
            self.tell(service, "has reached a steady state.")
            service.steady_told_s = now_s
            service.causes.clear()
        service.steady = steady

    def _stop(self, service: Service, tasks: Iterable[Task], reason: str = "") -> None:
        tasks = list(tasks)
        if not tasks:
            return
        running = [one for one in tasks if one.status == "RUNNING"]
        waiting = len(tasks) - len(running)
        clock = self._world.clock
        for one in tasks:
            why = reason or f"Scaling activity initiated by (deployment {service.primary.id})"
            one.stop("ServiceSchedulerInitiated", why, clock.utc(), clock.elapsed_s)
        if running:
            self.tell(service, f"has stopped {len(running)} running tasks: {_named(running)}.")
        if waiting:
            self.tell(service, f"stopped {waiting} pending tasks.")


def _least_wanted(tasks: Sequence[Task], number: int) -> list[Task]:
    """Those that do not serve first, then of the zone that has most, the newest first."""
    left, chosen = list(tasks), []
    for _ in range(number):
        zones = Counter(one.zone for one in left)
        goes = max(left, key=lambda one: (not one.serves, zones[one.zone], one.created_s, one.arn))
        left.remove(goes)
        chosen.append(goes)
    return chosen


def _named(tasks: Iterable[Task]) -> str:
    return " ".join(f"(task {one.id})" for one in tasks)
