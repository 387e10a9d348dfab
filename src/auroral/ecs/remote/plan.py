"""A remote benchmark before it begins: how many workers, whether they find room, what is called. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from auroral.aws_calls import Call
from auroral.bench.settings import BenchSettings
from auroral.capacity.instances import AGENT_RESERVED_MIB, instance_type, known_instances
from auroral.capacity.packing import Demand, pack
from auroral.capacity.placement import TaskSize, capacity_for_tasks
from auroral.capacity.presets import FleetTable
from auroral.capacity.sizing import fleet_workers
from auroral.ecs.fleet import BENCHMARK_WORKER, Fleet, FleetService, Pool
from auroral.ecs.one_shot.request import LogStream, OneShot, Place, container_of, log_stream, run_request, task_id
from auroral.ecs.operation import STARTED_BY
from auroral.ecs.remote.agents import AgentsPlan, plan_agents
from auroral.errors import UsageError
from auroral.units import format_duration, format_rate

COME_S = 900.0
"""How long instances, workers and generator may take to come, unless told otherwise. A scale-out from zero is one or
two steps of ECS's managed scaling, each a minute or more before EC2 even starts (ECS Developer Guide, "Amazon ECS
managed scaling behavior")."""

_CONNECT_S = 120.0
"""A generator apart from its workers tries to connect for so long (docs/benchmarking.md)."""
_SLACK_S = 300.0
"""For probes, reports and sending the results."""
_NO_CPU = 1
"""Units of a task whose definition reserves none."""
_OF_AGENTS = (
    "namespace", "connect-timeout", "control-address", "control-namespace", "control-tls", "generator-processes",
)  # fmt: skip
"""Settings that an agent is told too: how it reaches what it loads, and who conducts it."""
_MOST_PROCESSES = 256
"""Of the setting worker-count."""


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """What the pool holds at its maximum, beside the generator."""

    pool: Pool
    worker: TaskSize
    generator: TaskSize
    generators: int = 1
    """Tasks of its size: a run over several has one more, which coordinates."""
    most: int | None
    """Workers; None: the instance type is not one that auroral knows."""

    @property
    def words(self) -> str:
        """The arithmetic, in one line."""
        if self.most is None:
            return f"pool {self.pool.key}: whether {self.pool.instance_type} has room is not known to auroral"
        kind = instance_type(self.pool.instance_type)
        cpu, memory_mib, interfaces = capacity_for_tasks(kind, trunking=True, reserved_mib=AGENT_RESERVED_MIB)
        return (
            f"pool {self.pool.key}: at most {self.pool.maximum} × {kind.name}, each with {cpu:,} CPU units, "
            f"{memory_mib:,} MiB and {interfaces} tasks, hold {self._generators} and "
            f"{self.most} workers ({_size(self.worker)} each)"
        )

    @property
    def _generators(self) -> str:
        size = _size(self.generator)
        return f"the generator ({size})" if self.generators == 1 else f"{self.generators} generators ({size} each)"


class Sized(msgspec.Struct, frozen=True, kw_only=True):
    """How many workers, and why."""

    workers: int
    words: str


class RemotePlan(msgspec.Struct, frozen=True, kw_only=True):
    """All that a remote run needs."""

    run_id: str
    cluster: str
    service: str
    """Name of the workers' service in ECS."""
    workers: int
    worker_definition: str
    """Task definition of the workers that was registered with the generator's."""
    start_period_s: float = 0.0
    """Of a worker."""
    provider: str = ""
    """Capacity provider of both."""
    group: str = ""
    """Its Auto Scaling group."""
    generator_family: str
    generator_container: str
    request: Mapping[str, Any]
    """The arguments of RunTask."""
    agents: AgentsPlan | None = None
    """Tasks that generate, where the generator is to coordinate them; None: it generates by itself."""
    started_by: str
    log: LogStream | None = None
    """Its stream lacks the task's id: `stream_of`."""
    come_s: float = COME_S
    run_s: float = 3600.0
    """How long the generator may run."""
    keep_workers: bool = False
    detach: bool = False

    def stream_of(self, task: str) -> LogStream | None:
        """Where the lines of a generator go."""
        return None if self.log is None else msgspec.structs.replace(self.log, stream=f"{self.log.stream}{task}")

    def scale(self, workers: int, definition: str = "") -> Call:
        """The call that sets how many workers there are."""
        return scale_call(self.cluster, self.service, workers, definition)

    def start(self) -> Call:
        """The call that starts the generator; sent twice it starts one."""
        return Call(service="ecs", operation="run_task", arguments=self.request, why="start the generator")


def scale_call(cluster: str, service: str, workers: int, definition: str = "") -> Call:
    """UpdateService. The Auto Scaling group follows by ECS's managed scaling."""
    arguments: dict[str, Any] = {"cluster": cluster, "service": service, "desiredCount": workers}
    if definition:
        arguments["taskDefinition"] = definition
    return Call(service="ecs", operation="update_service", arguments=arguments, why=f"{workers} benchmark workers")


def worker_service(fleet: Fleet) -> FleetService:
    """The workers' service. Raises `UsageError`."""
    found = fleet.services.get(BENCHMARK_WORKER)
    if found is None:
        raise UsageError(
            f"{fleet.source or fleet.cluster} has no service {BENCHMARK_WORKER}",
            hint="the platform stack makes it: apply it, then name its outputs anew",
        )
    return found


def task_size(service: str, definition: Mapping[str, Any]) -> TaskSize:
    """What a task of a definition reserves: its own figures, else the sum over its containers."""
    containers = definition.get("containerDefinitions") or ()

    def amount(name: str, other: str) -> int:
        own = definition.get(name)
        return int(own) if own else sum(int(one.get(name) or one.get(other) or 0) for one in containers)

    return TaskSize(
        service=service,
        cpu_units=amount("cpu", "cpu") or _NO_CPU,
        memory_mib=amount("memory", "memoryReservation") or 1,
    )


def room(pool: Pool, worker: TaskSize, generator: TaskSize, generators: int = 1) -> Room:
    """How many workers find room at the pool's maximum beside so many generators, as ECS places them."""
    if pool.instance_type not in known_instances():
        return Room(pool=pool, worker=worker, generator=generator, generators=generators, most=None)
    kind = instance_type(pool.instance_type)

    def fits(workers: int) -> bool:
        demands = [Demand(size=generator, count=generators), Demand(size=worker, count=workers)]
        return pack(demands, kind, pool.maximum, zones=1).fits

    low, high = 0, 1 + pool.maximum * max(1, kind.cpu_units // worker.cpu_units)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return Room(pool=pool, worker=worker, generator=generator, generators=generators, most=low if fits(0) else 0)


def sized(rate_per_s: float, asked: int | None, planned: int, table: FleetTable, room: Room) -> Sized:
    """How many workers: as asked, else by the table, else as planned. Raises `UsageError` where they find no room."""
    wanted, table_words = _by_table(rate_per_s, table, room.worker)
    if asked is not None:
        if room.most is not None and asked > room.most:
            raise UsageError(
                f"{asked} workers find no room. {room.words}",
                hint=f"ask for at most {room.most}, or raise the pool's maximum in the platform stack",
            )
        return Sized(workers=asked, words=f"{asked} workers, as asked; {room.words}")
    if room.most is None or wanted <= room.most:
        return Sized(workers=wanted, words=f"{table_words}; {room.words}")
    chosen = min(planned, room.most)
    if chosen < 1:
        raise UsageError(
            f"no worker finds room beside the generator. {room.words}",
            hint="raise the pool's maximum in the platform stack",
        )
    why = "as the deployment plans" if chosen == planned else "as many as find room"
    return Sized(workers=chosen, words=f"{chosen} workers, {why}: {table_words} find no room; {room.words}")


def _by_table(rate_per_s: float, table: FleetTable, worker: TaskSize) -> tuple[int, str]:
    """How many workers of this size the table asks for, and the arithmetic: as many vCPU as its own would have."""
    figure = fleet_workers(rate_per_s, table)
    count, rate = int(figure.value), format_rate(rate_per_s)
    if worker.cpu_units in (table.cpu_units, _NO_CPU):
        return count, f"{count} workers for {rate} ({figure.source})"
    wanted = math.ceil(count * table.cpu_units / worker.cpu_units)
    own, theirs = f"{worker.cpu_units / 1024:g}", f"{table.cpu_units / 1024:g}"
    return wanted, (
        f"{wanted} workers of {own} vCPU for {rate}: {count} × {theirs} vCPU ÷ {own} vCPU, rounded up ({figure.source})"
    )


def environment_of(container: Mapping[str, Any]) -> dict[str, str]:
    """The environment that a container is started with."""
    return {str(one["name"]): str(one.get("value", "")) for one in container.get("environment") or ()}


def arguments_of(flags: Mapping[str, Any]) -> list[str]:
    """Flags of `auroral bench run` as they came, for another command line."""
    found: list[str] = []
    for name, value in flags.items():
        if isinstance(value, bool):
            found.append(f"--{name}" if value else f"--no-{name}")
            continue
        for one in value if isinstance(value, list | tuple) else (value,):
            text = str(one)
            found += [f"--{name}={text}"] if text.startswith("-") else [f"--{name}", text]
    return found


def agent_tasks(settings: BenchSettings) -> int:
    """How many tasks generate beside the one that coordinates: each takes as many parts as it has processes."""
    return 0 if settings.spread is None else -(-settings.spread // settings.generator_processes)


def run_limit_s(settings: BenchSettings) -> float:
    """How long a generator with these settings may run at most, in seconds."""
    waits_s = settings.worker_wait_s + settings.settle_timeout_s + settings.cleanup_timeout_s
    return _CONNECT_S + waits_s + settings.schedule_s + settings.drain_timeout_s + _SLACK_S


def length_words(settings: BenchSettings) -> str:
    """How long it is going to take, in words."""
    return (
        f"the schedule takes {format_duration(settings.schedule_s)}, draining at most "
        f"{format_duration(settings.drain_timeout_s)}"
    )


def make(
    fleet: Fleet,
    definition: Mapping[str, Any],
    *,
    run_id: str,
    flags: Mapping[str, Any],
    settings: BenchSettings,
    workers: int,
    processes: int,
    nonce: str,
    come_s: float = COME_S,
    keep_workers: bool = False,
    detach: bool = False,
) -> RemotePlan:
    """The plan of a run. `definition` is the generator's task definition, `processes` are those of one worker, `nonce`
    some 16 random characters.

    Raises `UsageError` where the deployment is not known whole, or the flags are too long for a task's overrides.
    """
    contract = fleet.contract
    if contract is None:
        raise UsageError(
            "the generator's task is known from the deployment's outputs alone", hint="name them: --outputs or --stack"
        )
    task, service = contract.tasks.generator, worker_service(fleet)
    container = container_of(definition, task.container)
    flags = {**flags, "run-id": run_id}
    if "worker-count" not in flags and workers:
        flags["worker-count"] = min(_MOST_PROCESSES, workers * processes)
    started_by = f"{STARTED_BY}{nonce}"
    place = Place(
        cluster=fleet.cluster,
        task_definition=task.task_definition_arn,
        subnets=task.subnet_ids,
        security_groups=task.group_ids,
        container=task.container,
        capacity_provider=task.capacity_provider or None,
    )
    agents = None
    if settings.spread is not None:
        told = {name: value for name, value in flags.items() if name in _OF_AGENTS}
        agents = plan_agents(
            place,
            task.container,
            agent_tasks(settings),
            command=("bench", "generator", "--once", *arguments_of(told)),
            started_by=f"{started_by}-agents",
            token=f"{started_by}-agents",
        )
    one_shot = OneShot(
        place=place,
        command=("bench", "run", *arguments_of(flags)),
        started_by=started_by,
        client_token=started_by,
    )
    return RemotePlan(
        run_id=run_id,
        cluster=fleet.cluster,
        service=service.name,
        workers=workers,
        worker_definition=service.task_definition,
        start_period_s=float(service.start_period_s),
        provider=task.capacity_provider,
        group=fleet.pools[task.pool].group if task.pool in fleet.pools else "",
        generator_family=task.task_family,
        generator_container=task.container,
        request=run_request(one_shot, task.container),
        agents=agents,
        started_by=started_by,
        log=log_stream(container, ""),
        come_s=come_s,
        run_s=run_limit_s(settings),
        keep_workers=keep_workers,
        detach=detach,
    )


def follow_up(task: str, run_id: str, flags: Sequence[str]) -> tuple[str, str]:
    """The commands that fetch the results of a run, and that stop its workers."""
    named = " ".join(flags)
    return (
        f"auroral bench remote results {run_id} --task {task_id(task)} {named}".rstrip(),
        f"auroral bench remote workers 0 {named}".rstrip(),
    )


def _size(task: TaskSize) -> str:
    return f"{task.cpu_units:,} units, {task.memory_mib:,} MiB"
