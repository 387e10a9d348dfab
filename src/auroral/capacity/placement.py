"""ECS's placement of tasks on instances, played step by step. Pure.

Each service is spread over zones, then over instances; where that leaves a choice, the emptiest instance takes the
task. Tasks that run stay where they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from fractions import Fraction
from heapq import heapify, heappop, heappush
from typing import Literal, get_args

import msgspec

from auroral.capacity.instances import InstanceType, schedulable
from auroral.errors import UsageError

Resource = Literal["cpu", "memory", "interfaces"]
RESOURCES: tuple[Resource, ...] = get_args(Resource)
UNITS: dict[Resource, str] = {"cpu": "CPU units", "memory": "MiB", "interfaces": "network interfaces"}
Vector = tuple[int, int, int]
"""CPU units, MiB, network interfaces."""


class TaskSize(msgspec.Struct, frozen=True, kw_only=True):
    """What one task of a service reserves."""

    service: str
    cpu_units: int
    memory_mib: int


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """Amounts of the three resources."""

    cpu_units: int = 0
    memory_mib: int = 0
    interfaces: int = 0


class Packed(msgspec.Struct, frozen=True, kw_only=True):
    """One instance and what runs on it."""

    index: int
    zone: int
    tasks: dict[str, int]
    """Tasks by service."""
    used: Load
    free: Load


class Unplaced(msgspec.Struct, frozen=True, kw_only=True):
    """Tasks that found no room."""

    size: TaskSize
    count: int
    short: tuple[Resource, ...]
    """What was short: what no instance has enough of, else what most of them lack."""
    free_in_all: Load
    """Free over all instances: room that is there, but in too small pieces."""


class Packing(msgspec.Struct, frozen=True, kw_only=True):
    """Where every task went."""

    instance: str
    instances: tuple[Packed, ...]
    unplaced: tuple[Unplaced, ...]

    @property
    def fits(self) -> bool:
        """Whether every task was placed."""
        return not self.unplaced


class Host:
    """One instance under placement; it does not change, a task more makes another."""

    __slots__ = ("free", "index", "services", "tasks", "zone")

    def __init__(self, index: int, zone: int, free: Vector) -> None:
        self.index, self.zone, self.free = index, zone, free
        self.tasks: Counter[TaskSize] = Counter()
        self.services: Counter[str] = Counter()

    def room_for(self, size: Vector) -> bool:
        """Whether a task of this size fits."""
        free = self.free
        return size[0] <= free[0] and size[1] <= free[1] and size[2] <= free[2]

    def with_task(self, task: TaskSize) -> Host:
        """The instance with a task more."""
        size = vector(task)
        after = Host(self.index, self.zone, (self.free[0] - size[0], self.free[1] - size[1], self.free[2] - size[2]))
        after.tasks, after.services = self.tasks.copy(), self.services.copy()
        after.tasks[task] += 1
        after.services[task.service] += 1
        return after


_Order = tuple[int, int, int, int, int]


def _order(host: Host, service: str, at: int) -> _Order:
    """Which instance of a zone takes the next task of a service: the least one. The last is its place in the list."""
    return host.services[service], -host.free[0], -host.free[1], host.index, at


class Cluster:
    """Instances under placement."""

    def __init__(self, hosts: list[Host], instance: InstanceType, capacity: Vector) -> None:
        self.hosts, self._instance, self._capacity = hosts, instance, capacity
        self._left: Counter[TaskSize] = Counter()

    @classmethod
    def empty(cls, instance: InstanceType, count: int, zones: int, capacity: Vector) -> Cluster:
        """`count` instances, dealt over the zones. Raises `UsageError`."""
        if count < 0 or zones < 1:
            raise UsageError(f"expected at least one zone and no negative number of instances, got {zones} and {count}")
        return cls([Host(index, index % zones, capacity) for index in range(count)], instance, capacity)

    def without(self, lost: Iterable[int]) -> Cluster:
        """The same cluster less some instances, nothing moved yet."""
        gone = set(lost)
        return Cluster([host for host in self.hosts if host.index not in gone], self._instance, self._capacity)

    def running(self) -> Counter[TaskSize]:
        """Every task that has a place."""
        total: Counter[TaskSize] = Counter()
        for host in self.hosts:
            total.update(host.tasks)
        return total

    def place(self, tasks: Counter[TaskSize]) -> None:
        """Place tasks beside what runs, the largest first."""
        for task in sorted(tasks, key=self._largest_first):
            size = vector(task)
            in_zone: Counter[int] = Counter()
            open_in: dict[int, list[_Order]] = {}
            for at, host in enumerate(self.hosts):
                in_zone[host.zone] += host.services[task.service]
                if host.room_for(size):
                    open_in.setdefault(host.zone, []).append(_order(host, task.service, at))
            for hosts in open_in.values():
                heapify(hosts)
            for placed in range(tasks[task]):
                if not open_in:
                    self._left[task] += tasks[task] - placed
                    break
                zone = min(open_in, key=lambda zone: (in_zone[zone], open_in[zone][0]))
                at = heappop(open_in[zone])[-1]
                in_zone[zone] += 1
                self.hosts[at] = host = self.hosts[at].with_task(task)
                if host.room_for(size):
                    heappush(open_in[zone], _order(host, task.service, at))
                elif not open_in[zone]:
                    del open_in[zone]

    def _largest_first(self, task: TaskSize) -> tuple[Fraction, str, int, int]:
        largest = max(
            (Fraction(need, most) for need, most in zip(vector(task), self._capacity, strict=True) if most),
            default=Fraction(0),
        )
        return -largest, task.service, task.cpu_units, task.memory_mib

    def unplaced(self) -> tuple[Unplaced, ...]:
        """What found no room, and what was short."""
        free_in_all = load([sum(host.free[axis] for host in self.hosts) for axis in range(3)])
        return tuple(
            Unplaced(size=task, count=count, short=self._short(task), free_in_all=free_in_all)
            for task, count in self._left.items()
        )

    def _short(self, task: TaskSize) -> tuple[Resource, ...]:
        size = vector(task)
        lacking = [sum(host.free[axis] < size[axis] for host in self.hosts) for axis in range(3)]
        return tuple(name for name, hosts in zip(RESOURCES, lacking, strict=True) if hosts == max(lacking))

    def packing(self) -> Packing:
        """Where every task is."""
        return Packing(
            instance=self._instance.name,
            instances=tuple(
                Packed(
                    index=host.index,
                    zone=host.zone,
                    tasks=dict(sorted(host.services.items())),
                    used=load([most - free for most, free in zip(self._capacity, host.free, strict=True)]),
                    free=load(host.free),
                )
                for host in self.hosts
            ),
            unplaced=self.unplaced(),
        )


def capacity_for_tasks(instance: InstanceType, *, trunking: bool, reserved_mib: int) -> Vector:
    """What tasks can have of one instance."""
    memory_mib = schedulable(instance.memory_mib, reserved_mib=reserved_mib)
    return instance.cpu_units, memory_mib, instance.task_interfaces(trunking=trunking)


def vector(task: TaskSize) -> Vector:
    """What a task takes: an awsvpc task has one network interface."""
    return task.cpu_units, task.memory_mib, 1


def load(amounts: Vector | list[int]) -> Load:
    """Amounts by name."""
    return Load(cpu_units=amounts[0], memory_mib=amounts[1], interfaces=amounts[2])
