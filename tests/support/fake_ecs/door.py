"""`FakeAws`: an account behind the `Account` protocol, with a cluster in it that is alive."""

from __future__ import annotations

import copy
import json
import pickle
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from auroral.aws_calls import api_name
from auroral.ecs.fleet import DsqlShare, Fleet, FleetService
from tests.support.fake_ecs.behaviour import Behaviour, Chooser, Program
from tests.support.fake_ecs.clock import FakeClock
from tests.support.fake_ecs.definitions import Definition
from tests.support.fake_ecs.deployments import Deployment
from tests.support.fake_ecs.ecs_cluster_api import ClusterApi, GroupsApi
from tests.support.fake_ecs.ecs_tasks_api import TasksApi
from tests.support.fake_ecs.failures import Refused
from tests.support.fake_ecs.faults import Faults
from tests.support.fake_ecs.instances import Group
from tests.support.fake_ecs.models import check_answer, check_request
from tests.support.fake_ecs.services import Service
from tests.support.fake_ecs.world import World

ACCOUNT = "123456789012"
ONE_SHOT_CPU, ONE_SHOT_MEMORY = 512, 1024
CALLS_OF_A_MOMENT = 2_000
"""Whoever makes so many without any time passing is in a loop that never sleeps."""

Operation = Callable[..., Mapping[str, Any]]


@dataclass(frozen=True)
class Made:
    """A call that was made, whatever its answer."""

    at_s: float
    """After the start of the clock."""
    service: str
    operation: str
    arguments: Mapping[str, Any]
    failed: str = ""
    """AWS's code."""

    @property
    def name(self) -> str:
        """`ecs:UpdateService`."""
        return api_name(self.service, self.operation)


class FakeAws:
    """An account. `world` is for a test's hands, `calls` for its eyes."""

    def __init__(self, world: World, *, profile: str | None = None) -> None:
        self.world = world
        self.clock = world.clock
        self.faults = Faults(world.clock)
        self.calls: list[Made] = []
        self.fleet = Fleet(cluster=world.names.cluster, region=world.names.region, services={})
        """What `from_fleet` made, with the ARNs of its task definitions."""
        self._profile = profile
        self._lock = threading.RLock()
        self._moment = (-1.0, 0)
        self._added: set[tuple[str, str]] = set()
        self._operations: dict[str, dict[str, Operation]] = {
            "ecs": {**TasksApi(world).operations(), **ClusterApi(world).operations()},
            "autoscaling": dict(GroupsApi(world).operations()),
            "logs": dict(world.logs.operations()),
            "cloudwatch": dict(world.monitoring.cloudwatch()),
            "application-autoscaling": dict(world.monitoring.application_autoscaling()),
        }

    @classmethod
    def from_fleet(
        cls,
        fleet: Fleet,
        *,
        clock: FakeClock | None = None,
        seed: int = 0,
        zones: tuple[str, ...] = (),
        trunking: bool = True,
        profile: str | None = None,
        account: str = ACCOUNT,
    ) -> FakeAws:
        """A deployment as Terraform leaves it: all services at no tasks, pools at their minimum."""
        world = World(clock or FakeClock(), region=fleet.region, account=account, cluster=fleet.cluster, seed=seed)
        contract = fleet.contract
        named = contract.network.zones if contract is not None else tuple(f"{fleet.region}{one}" for one in "abc")
        world.zones = zones or named
        world.subnets = tuple(f"subnet-{index:017x}" for index in range(1, len(world.zones) + 1))
        fake = cls(world, profile=profile)
        fake._fill(fleet, trunking)
        return fake

    @property
    def region(self) -> str:
        """Where it is asked."""
        return self.world.names.region

    @property
    def profile(self) -> str | None:
        """Of AWS's configuration."""
        return self._profile

    def call(self, service: str, operation: str, /, **arguments: Any) -> Mapping[str, Any]:
        """The answer. Raises `AwsError`, and `AssertionError` at what this double does not know."""
        with self._lock:
            self._watch(service, operation)
            try:
                answer = self._answer(service, operation, arguments)
            except Refused as refusal:
                self._note(service, operation, arguments, refusal.code)
                raise refusal.of(api_name(service, operation)) from None
            self._note(service, operation, arguments, "")
            return answer

    def add(self, service: str, operation: str, answer: Operation) -> None:
        """Let a call of another API be answered; requests are checked as all are. `Refused` is for refusals."""
        self._operations.setdefault(service, {})[operation] = answer
        self._added.add((service, operation))

    def behaviour(self, service: str, behaviour: Behaviour | Chooser, revision: int | None = None) -> None:
        """How tasks of a service (the fleet's key) behave that start from now on."""
        self.world.behaviours.set(service, behaviour, revision)

    def program(self, family: str, program: Program) -> None:
        """What a one-shot task of a family does."""
        self.world.programs[family] = program

    def register(self, service: str, *, image: str | None = None, dsql: DsqlShare | None = None) -> Definition:
        """One more revision for a service (the fleet's key), as an apply registers it; `fleet` names it then.

        `dsql`: another share than it had.
        """
        one = self.fleet.services[service]
        share = dsql or one.dsql
        made = self.world.definitions.again(one.family, image=image, environment=_environment(share))
        changed = msgspec.structs.replace(one, task_definition=made.arn, dsql=share)
        services = {**self.fleet.services, service: changed}
        self.fleet = msgspec.structs.replace(self.fleet, services=services)
        return made

    def service(self, name: str) -> Service:
        """By key or name, for a test's hands."""
        return self.world.service(name)

    def changes(self, operation: str = "") -> list[Made]:
        """The calls that change something, those that AWS refused left out; of one operation, or all."""
        reads = ("describe_", "list_", "get_", "filter_")
        made = [one for one in self.calls if not one.operation.startswith(reads) and not one.failed]
        return [one for one in made if operation in ("", one.operation)]

    def settle(self, desired: Mapping[str, int] | None = None, *, within_s: float = 3_600) -> None:
        """Bring services to their planned counts, or to these, and let time pass until all are steady."""
        counts = {key: one.planned for key, one in self.fleet.services.items()} if desired is None else desired
        for key, count in counts.items():
            found = self.service(key)
            if found.desired != count:
                found.desired, found.steady = count, False
        self.clock.until(lambda: all(self.service(key).steady for key in counts), within_s=within_s)

    def contract(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """A contract (infra/tests/platform/contract.json, …) that names the task definitions of here, and shares."""
        changed = copy.deepcopy(dict(value))
        for key, part in changed["services"].items():
            if key in self.fleet.services and (share := self.fleet.services[key].dsql) is not None:
                part["dsql"] = {**part["dsql"], **msgspec.structs.asdict(share)}
        for part in (*changed["services"].values(), *changed["tasks"].values()):
            part["task_definition_arn"] = self.world.definitions.find(part["task_family"]).arn
        changed["cluster"]["arn"] = self.world.names.cluster_arn
        changed["network"]["subnet_ids"] = list(self.world.subnets)
        return changed

    def _answer(self, service: str, operation: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        known = self._operations.get(service, {})
        if operation not in known:
            raise AssertionError(f"this double knows no {service}.{operation}")
        check_request(service, operation, arguments)
        given = apart(arguments)
        self.faults.strike(service, operation, done=False)
        try:
            answer = known[operation](**given)
        except TypeError as error:
            if "unexpected keyword argument" not in str(error):
                raise
            raise AssertionError(f"this double does not know an argument of {service}.{operation}: {error}") from error
        check_answer(service, operation, answer)
        self.faults.strike(service, operation, done=True)
        return answer if (service, operation) in self._added else apart(answer)

    def _note(self, service: str, operation: str, arguments: Mapping[str, Any], failed: str) -> None:
        self.calls.append(Made(self.clock.elapsed_s, service, operation, apart(arguments), failed))

    def _watch(self, service: str, operation: str) -> None:
        at_s, number = self._moment
        number = number + 1 if at_s == self.clock.elapsed_s else 1
        self._moment = (self.clock.elapsed_s, number)
        if number > CALLS_OF_A_MOMENT:
            raise AssertionError(f"{number} calls and no time passed; the last: {service}.{operation}")

    def _fill(self, fleet: Fleet, trunking: bool) -> None:
        world = self.world
        for pool in fleet.pools.values():
            world.groups[pool.provider] = Group(
                key=pool.key,
                name=pool.group,
                provider=pool.provider,
                type_name=pool.instance_type,
                minimum=pool.minimum,
                maximum=pool.maximum,
                zones=world.zones,
                names=world.names,
                attributes={"workload": pool.key},
                trunking=trunking,
            )
        services = {key: self._service(fleet, one) for key, one in fleet.services.items()}
        self.fleet = msgspec.structs.replace(fleet, services=services)
        if fleet.contract is not None:
            for task in msgspec.structs.asdict(fleet.contract.tasks).values():
                image = fleet.contract.images.get("server", "server")
                container = _container(task.container, image, task.log_group, fleet.region, None)
                world.definitions.register(
                    task.task_family, [container], cpu=ONE_SHOT_CPU, memory=ONE_SHOT_MEMORY, attribute=task.pool
                )
                world.logs.add_group(task.log_group)
        for group in world.groups.values():
            group.fill(world.clock.utc(), world.clock.elapsed_s)

    def _service(self, fleet: Fleet, one: FleetService) -> FleetService:
        world, at = self.world, self.world.clock.utc()
        images = fleet.contract.images if fleet.contract is not None else {}
        image = images.get(
            one.key, images.get("server" if one.dsql is not None else "benchmark", f"registry/{one.key}")
        )
        start_period_s = one.start_period_s or None
        container = _container(one.container, image, one.log_group, fleet.region, start_period_s)
        if one.dsql is not None:
            container["environment"] = _environment(one.dsql)
        made = world.definitions.register(one.family, [container], cpu=one.cpu, memory=one.memory, attribute=one.pool)
        first = Deployment(world.names.deployment(), made.arn, at, at)
        first.complete(at)
        network = {"subnets": list(world.subnets), "securityGroups": ["sg-1"], "assignPublicIp": "DISABLED"}
        alarm = f"{fleet.project}-{one.key}-memory"
        service = Service(
            key=one.key,
            name=one.name,
            arn=world.names.arn("service", one.name),
            provider=fleet.pools[one.pool].provider,
            log_group=one.log_group,
            task_definition=made.arn,
            created_at=at,
            min_healthy_percent=one.min_healthy_percent,
            max_percent=one.max_percent,
            pool_size=None if one.dsql is None else one.dsql.pool_size,
            alarm_names=(alarm,),
            network={"awsvpcConfiguration": network},
            deployments=[first],
            completed=(first.id, made.arn),
            steady=True,
        )
        world.services[one.name] = service
        world.scheduler.tell(service, "has reached a steady state.")
        world.logs.add_group(one.log_group)
        world.monitoring.set_alarm(alarm)
        if one.maximum > one.planned:
            world.monitoring.add_target(f"service/{fleet.cluster}/{one.name}", one.planned, one.maximum)
        return msgspec.structs.replace(one, task_definition=made.arn)


def apart(value: Any) -> Any:
    """A copy that shares nothing with the original; a pickle takes a tenth of `copy.deepcopy`'s time."""
    return pickle.loads(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))


def _environment(share: DsqlShare | None) -> list[dict[str, str]]:
    """A server's variables that say what it takes of DSQL."""
    if share is None:
        return []
    told = {
        "DSQL_ENDPOINT": "cluster.dsql.us-east-1.on.aws",
        "TEMPORAL_SQL_MAX_CONNS": str(share.pool_size),
        "DSQL_CONNECTION_RATE_LIMIT": f"{share.rate_per_s:g}",
        "DSQL_CONNECTION_BURST_LIMIT": str(share.burst),
        "DSQL_RESERVOIR": str(share.reservoir),
    }
    return [{"name": name, "value": value} for name, value in told.items()]


def _container(name: str, image: str, group: str, region: str, start_period_s: int | None) -> dict[str, Any]:
    options = {"awslogs-group": group, "awslogs-region": region, "awslogs-stream-prefix": name}
    made: dict[str, Any] = {
        "name": name,
        "image": image,
        "essential": True,
        "logConfiguration": {"logDriver": "awslogs", "options": options},
    }
    if start_period_s is not None:
        check = {"command": ["CMD-SHELL", "true"], "interval": 10, "timeout": 5, "retries": 3}
        made["healthCheck"] = {**check, "startPeriod": start_period_s}
    return made


def outputs(contract: Mapping[str, Any]) -> str:
    """The text of `terraform output -json` that has a contract."""
    return json.dumps({"contract": {"sensitive": False, "type": "object", "value": contract}})
