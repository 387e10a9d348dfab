"""A cluster and what belongs to it, as time passes: services, tasks, instances, logs."""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

from tests.support.fake_ecs.behaviour import Behaviour, Behaviours, Outcome, Program, Run, server_lines
from tests.support.fake_ecs.clock import FakeClock
from tests.support.fake_ecs.definitions import Definition, Definitions
from tests.support.fake_ecs.deployments import Deployment
from tests.support.fake_ecs.failures import service_not_found
from tests.support.fake_ecs.instances import Group, Instance, place
from tests.support.fake_ecs.logs import Logs
from tests.support.fake_ecs.monitoring import Monitoring
from tests.support.fake_ecs.names import Names
from tests.support.fake_ecs.scheduler import Scheduler
from tests.support.fake_ecs.services import Service
from tests.support.fake_ecs.tasks import KEPT_S, Task

PROVISIONING_S = 900.0
"""A task that gets no place is given up after 10 to 30 minutes."""
REQUIREMENTS = "was unable to place a task because no container instance met all of its requirements."
SEE_ALSO = "For more information, see the Troubleshooting section of the Amazon ECS Developer Guide."
LACKS = {
    "CPU": "has insufficient CPU units available.",
    "MEMORY": "has insufficient memory available.",
    "ENI": 'encountered error "RESOURCE:ENI".',
    "AGENT": 'encountered error "AGENT".',
}


class World:
    """One cluster of one account."""

    def __init__(self, clock: FakeClock, *, region: str, account: str, cluster: str, seed: int = 0) -> None:
        self.clock = clock
        self.random = random.Random(seed)
        self.names = Names(region, account, cluster, self.random)
        self.definitions = Definitions(f"arn:aws:ecs:{region}:{account}")
        self.groups: dict[str, Group] = {}
        """By capacity provider."""
        self.services: dict[str, Service] = {}
        """By name."""
        self.standalone: list[Task] = []
        self.behaviours = Behaviours()
        self.programs: dict[str, Program] = {}
        """By family."""
        self.logs = Logs(clock, arn_prefix=f"arn:aws:logs:{region}:{account}")
        self.monitoring = Monitoring(clock, account=account, region=region)
        self.tags: dict[str, dict[str, str]] = {}
        """By ARN."""
        self.zones: tuple[str, ...] = ()
        self.subnets: tuple[str, ...] = ()
        self.lag_s = 0.0
        """How old the answers of ListTasks and DescribeTasks are."""
        self.rollback_keeps_id = True
        """Whether a rollback goes on with the old deployment, its id and its tasks, as observed events tell; else a
        new deployment of the same task definition replaces them."""
        self.scheduler = Scheduler(self)
        self._past: deque[tuple[float, list[dict[str, Any]]]] = deque()
        clock.listen(self.step)

    @property
    def tasks(self) -> list[Task]:
        """All that ECS still tells of."""
        return [*(task for service in self.services.values() for task in service.tasks), *self.standalone]

    @property
    def instances(self) -> list[Instance]:
        """All that are registered."""
        return [one for group in self.groups.values() for one in group.instances]

    def service(self, name: str) -> Service:
        """By name, ARN or key of the fleet. Raises `Refused`."""
        short = name.rsplit("/", 1)[-1]
        for one in self.services.values():
            if one.name == short or one.key == name:
                return one
        raise service_not_found()

    def step(self) -> None:
        """Let what is due happen."""
        at, now_s = self.clock.utc(), self.clock.elapsed_s
        for group in self.groups.values():
            waiting = [
                one for one in self.tasks if one.live and one.instance is None and one.provider == group.provider
            ]
            group.step(at, now_s, [(one.definition.cpu, one.definition.memory) for one in waiting])
            for task in waiting:
                self._place(task)
        for task in self.tasks:
            self._write_lines(task)
            task.step(at, now_s)
        for service in self.services.values():
            self.scheduler.tell_started(service)
            self.scheduler.look(service)
            service.tasks = [one for one in service.tasks if self._kept(one)]
        self.standalone = [one for one in self.standalone if self._kept(one)]
        if self.lag_s:
            self._remember(now_s)

    def launch(self, service: Service, deployment: Deployment, *, replaces: bool = False) -> Task:
        """One more task of a service, placed where there is room."""
        definition = self.definitions.find(deployment.definition)
        behaviour = self.behaviours.next(service.key, definition.revision)
        task = self._task(definition, f"service:{service.name}", deployment.id, behaviour, service.provider)
        task.exec_enabled, task.replaces = service.exec_enabled, replaces
        task.tags = {"aws:ecs:clusterName": self.names.cluster, "aws:ecs:serviceName": service.name}
        service.tasks.append(task)
        self._place(task)
        return task

    def run(
        self,
        definition: Definition,
        *,
        started_by: str,
        provider: str,
        overrides: dict[str, Any],
        group: str,
        exec_enabled: bool = False,
    ) -> Task:
        """A one-shot task; without a provider, the caller has seen that there is room."""
        made = self._task(definition, group, started_by, Behaviour(), provider)
        changed: dict[str, Any] = next(
            (one for one in overrides.get("containerOverrides", []) if one["name"] == definition.container["name"]), {}
        )
        environment = {one["name"]: one["value"] for one in definition.container.get("environment", [])}
        environment |= {one["name"]: one["value"] for one in changed.get("environment", [])}
        run = Run(
            family=definition.family,
            container=definition.container["name"],
            task_id=made.id,
            command=tuple(changed.get("command", definition.container.get("command", ()))),
            environment=environment,
            at=self.clock.utc(),
        )
        program = self.programs.get(definition.family)
        outcome = program(run) if program is not None else Outcome(lasts_s=5.0)
        made.behaviour = Behaviour(
            exit_code=outcome.exit_code, pull_error=outcome.pull_error, stop_s=outcome.stop_s, lines=outcome.lines
        )
        made.ends_s, made.at_end, made.overrides = outcome.end_s, outcome.at_end, overrides
        made.stopped_exit_code, made.exec_enabled = outcome.stopped_exit_code, exec_enabled
        self.standalone.append(made)
        self._place(made)
        return made

    def lacking(self, definition: Definition, provider: str = "") -> tuple[str, Instance | None]:
        """What no instance has enough of, and the closest one; empty where the task fits."""
        found = place(self._for(definition, provider), definition.cpu, definition.memory, lambda _: (0, 0))
        return ("", found.instance) if found.instance is not None else (found.lacks or "NONE", found.closest)

    def lose(self, instance: Instance) -> None:
        """Its host is terminated; its tasks end with it."""
        at, now_s = self.clock.utc(), self.clock.elapsed_s
        for group in self.groups.values():
            if instance in group.instances:
                group.drop(instance)
        for task in self.tasks:
            if task.instance is instance and task.status != "STOPPED":
                task.lose(f"Host EC2 (instance {instance.ec2_id}) terminated.", at, now_s)

    def alarms_raised(self, names: Sequence[str]) -> bool:
        """Whether one of them is in ALARM."""
        return any(self.monitoring.alarms.get(name, {}).get("StateValue") == "ALARM" for name in names)

    def listed(self) -> list[dict[str, Any]]:
        """All tasks with at least what ListTasks knows them by, as old as `lag_s`."""
        return self._lagging() if self.lag_s else [one.listed() for one in self.tasks]

    def told(self, names: Collection[str]) -> list[dict[str, Any]]:
        """Tasks of these ARNs or ids as DescribeTasks tells them, as old as `lag_s`."""
        if not self.lag_s:
            cluster_arn = self.names.cluster_arn
            return [one.described(cluster_arn) for one in self.tasks if one.arn in names or one.id in names]
        return [one for one in self._lagging() if {one["taskArn"], one["taskArn"].rsplit("/", 1)[-1]} & {*names}]

    def _lagging(self) -> list[dict[str, Any]]:
        oldest: list[dict[str, Any]] = []
        for at_s, tasks in self._past:
            if at_s > self.clock.elapsed_s - self.lag_s:
                break
            oldest = tasks
        return oldest

    def _task(self, definition: Definition, group: str, started_by: str, behaviour: Behaviour, provider: str) -> Task:
        return Task(
            arn=self.names.arn("task", self.names.hex(32)),
            definition=definition,
            group=group,
            started_by=started_by,
            behaviour=behaviour,
            created_at=self.clock.utc(),
            created_s=self.clock.elapsed_s,
            provider=provider,
            runtime_id=f"{self.names.hex(32)}-{self.random.randrange(10**9, 10**10)}",
            attachment_id=self.names.uuid(),
            interface_id=f"eni-{self.names.hex(17)}",
            jitter_s=self.random.uniform(0, 2),
        )

    def _for(self, definition: Definition, provider: str) -> list[Instance]:
        return [
            one
            for one in self.instances
            if not provider or one.provider == provider
            if not definition.attribute or one.attributes.get("workload") == definition.attribute
        ]

    def _place(self, task: Task) -> None:
        if not task.live or task.instance is not None:
            return
        kin = [one for one in self.tasks if one.group == task.group and one.live and one.instance is not None]
        zones, hosts = Counter(one.zone for one in kin), Counter(one.instance.arn for one in kin if one.instance)
        definition = task.definition
        found = place(
            self._for(definition, task.provider),
            definition.cpu,
            definition.memory,
            lambda one: (zones[one.zone], hosts[one.arn]),
        )
        if found.instance is not None:
            zone = self.zones.index(found.instance.zone)
            task.put(found.instance, self.names.address(zone), self.subnets[zone], self.clock.elapsed_s)
            return
        service = self.services.get(task.group.removeprefix("service:"))
        if service is not None:
            why = "Reason: No Container Instances were found in your capacity provider."
            if found.closest is not None:
                why = f"The closest matching (container-instance {found.closest.id}) {LACKS[found.lacks]}"
            self.scheduler.tell_once(service, f"{REQUIREMENTS} {why} {SEE_ALSO}")
        if self.clock.elapsed_s - task.created_s >= PROVISIONING_S:
            reason = f"TaskFailedToStart: RESOURCE:{found.lacks or 'CPU'}"
            task.fail_to_start(reason, self.clock.utc(), self.clock.elapsed_s)
            if service is not None:
                self.scheduler.tell_once(service, f"was unable to place a task. Reason: {reason}.")

    def _write_lines(self, task: Task) -> None:
        """Lines that are due, in the order of their seconds; those of a container that ended are lost."""
        if task.started_s is None or (task.prepared and not task.lines):
            return
        log = task.definition.log
        if log is None or task.exit_code is not None or task.status == "STOPPED":
            return
        if not task.prepared:
            task.prepared, task.lines = True, self._lines(task)
        ran_s = self.clock.elapsed_s - task.started_s
        for limit_s in (task.behaviour.crash_after_s, task.ends_s):
            ran_s = ran_s if limit_s is None else min(ran_s, limit_s)
        began = self.clock.utc() - timedelta(seconds=self.clock.elapsed_s - task.started_s)
        if not task.live and task.status != "DEACTIVATING":
            return
        group, prefix = log
        stream = f"{prefix}/{task.definition.container['name']}/{task.id}"
        for at_s, text in [line for line in task.lines if line[0] <= ran_s]:
            self.logs.write(group, stream, text, began + timedelta(seconds=at_s))
        task.lines = [line for line in task.lines if line[0] > ran_s]

    def _lines(self, task: Task) -> list[tuple[float, str]]:
        given = task.behaviour.lines
        if given is not None:
            return sorted(given, key=lambda line: line[0])
        service = self.services.get(task.group.removeprefix("service:"))
        if service is None or service.pool_size is None or task.started_at is None:
            return []
        began = task.started_at
        return server_lines(task.behaviour, lambda s: began + timedelta(seconds=s), task.address, service.pool_size)

    def _kept(self, task: Task) -> bool:
        return task.stopped_s is None or self.clock.elapsed_s - task.stopped_s < KEPT_S

    def _remember(self, now_s: float) -> None:
        self._past.append((now_s, [one.described(self.names.cluster_arn) for one in self.tasks]))
        while len(self._past) > 1 and self._past[1][0] <= now_s - self.lag_s:
            self._past.popleft()
