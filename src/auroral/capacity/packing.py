"""Tasks onto instances by CPU, memory and network interfaces, as ECS would place them. Pure.

Two questions, two answers:

- *Does a given number of instances hold them?* `pack` and `check` play ECS's placement: each service spread over zones,
  then over instances, the largest tasks first. Running tasks never move: what a lost instance carried, or a deployment
  adds, must find room beside the rest, as on a real cluster.
- *How many instances are enough?* `instances_needed` counts so many that every task finds room **wherever** ECS has
  put the others. An instance is closed to a task only once it holds more than (capacity - task) of some resource;
  sizes come in steps (their greatest common divisor), so it then holds at least the next step above. No more instances
  can be closed than all other tasks can fill to that mark, and one more is open. Another task adds to that sum and
  never takes away, so more tasks never need fewer instances; greedy placement alone cannot promise that.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import combinations
from typing import Literal

import msgspec

from auroral.capacity.instances import AGENT_RESERVED_MIB, InstanceType
from auroral.capacity.placement import (
    RESOURCES,
    UNITS,
    Cluster,
    Load,
    Packed,
    Packing,
    Resource,
    TaskSize,
    Unplaced,
    Vector,
    capacity_for_tasks,
    vector,
)
from auroral.errors import UsageError

__all__ = [
    "CONDITIONS",
    "RESOURCES",
    "Checked",
    "Condition",
    "Demand",
    "Load",
    "Needed",
    "Packed",
    "Packing",
    "Resource",
    "TaskSize",
    "Unplaced",
    "check",
    "instances_by_placement",
    "instances_needed",
    "pack",
]

Condition = Literal["steady", "instance-lost", "rolling", "zone-lost"]
CONDITIONS: tuple[Condition, ...] = ("steady", "instance-lost", "rolling")
"""What a number of instances is planned for. A lost zone is not among them: a group starts instances elsewhere."""
_MOST_SPARE = 2


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """Tasks of one service."""

    size: TaskSize
    count: int
    surge_count: int = 0
    """Tasks on top of `count` while the service is deployed."""


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """Whether one condition holds for a given number of instances."""

    condition: Condition
    holds: bool
    case: str = ""
    """The first case that does not hold: the instances lost, or the service deployed."""
    unplaced: tuple[Unplaced, ...] = ()
    empty_zones: int = 0
    """Zones without an instance."""


class Needed(msgspec.Struct, frozen=True, kw_only=True):
    """How many instances are enough, and why no fewer can be promised."""

    count: int
    binding: Condition | Literal["zones"]
    """What asks for that many; `zones` when there must be one instance in each."""
    case: str
    """The service whose task, or whose deployment, asks for it."""
    resource: Resource | None
    by_condition: dict[Condition, int]
    by_volume: int
    """Instances that the sums alone would fill: no placement does with fewer."""


def pack(
    demands: Sequence[Demand],
    instance: InstanceType,
    count: int,
    *,
    zones: int = 3,
    trunking: bool = True,
    reserved_mib: int = AGENT_RESERVED_MIB,
) -> Packing:
    """Place the steady tasks on `count` instances. Raises `UsageError` for impossible arguments."""
    return _play(demands, instance, count, zones=zones, trunking=trunking, reserved_mib=reserved_mib).packing()


def check(
    demands: Sequence[Demand],
    instance: InstanceType,
    count: int,
    *,
    zones: int = 3,
    spare: int = 1,
    conditions: Sequence[Condition] = CONDITIONS,
    trunking: bool = True,
    reserved_mib: int = AGENT_RESERVED_MIB,
) -> tuple[Checked, ...]:
    """Whether each condition holds on `count` instances; every instance, service or zone in turn.

    `instance-lost` loses any `spare` instances (0 to 2). Raises `UsageError`.
    """
    _require_spare(spare)
    steady = _play(demands, instance, count, zones=zones, trunking=trunking, reserved_mib=reserved_mib)
    answers: dict[Condition, Checked] = {}
    if "steady" in conditions:
        empty_zones = max(0, zones - count)
        unplaced = steady.unplaced()
        answers["steady"] = Checked(
            condition="steady", holds=not unplaced and not empty_zones, unplaced=unplaced, empty_zones=empty_zones
        )
    if "instance-lost" in conditions:
        answers["instance-lost"] = _first_failure("instance-lost", _losses(steady, demands, spare))
    if "rolling" in conditions:
        answers["rolling"] = _first_failure("rolling", _deployments(steady, demands))
    if "zone-lost" in conditions:
        answers["zone-lost"] = _first_failure("zone-lost", _zone_losses(steady, demands))
    return tuple(answers.values())


def instances_needed(
    demands: Sequence[Demand],
    instance: InstanceType,
    *,
    zones: int = 3,
    spare: int = 1,
    conditions: Sequence[Condition] = CONDITIONS,
    trunking: bool = True,
    reserved_mib: int = AGENT_RESERVED_MIB,
) -> Needed:
    """The number of instances on which the conditions hold wherever ECS puts the tasks; see the module's text.

    Raises `UsageError` for a task that is larger than the instance, and for impossible arguments.
    """
    _require_spare(spare)
    _require_possible(demands)
    capacity = capacity_for_tasks(instance, trunking=trunking, reserved_mib=reserved_mib)
    _require_fitting(demands, instance, capacity)
    steady = _counts(demands)
    found: dict[Condition, tuple[int, str, Resource | None]] = {}
    for condition in CONDITIONS:
        if condition not in conditions:
            continue
        if condition == "rolling":
            found[condition] = max(
                (_enough(steady + surge, capacity) for surge in _surges(demands).values()),
                key=lambda enough: enough[0],
                default=(0, "", None),
            )
        else:
            enough, case, resource = _enough(steady, capacity)
            found[condition] = (enough + (spare if condition == "instance-lost" and enough else 0), case, resource)
    binding: Condition | Literal["zones"] = "zones"
    count, case, resource = zones if demands else 0, "", None
    for condition, (enough, its_case, its_resource) in found.items():
        if enough > count:
            binding, count, case, resource = condition, enough, its_case, its_resource
    return Needed(
        count=count,
        binding=binding,
        case=case,
        resource=resource,
        by_condition={condition: enough for condition, (enough, _, _) in found.items()},
        by_volume=_by_volume(steady, capacity),
    )


def instances_by_placement(
    demands: Sequence[Demand],
    instance: InstanceType,
    *,
    zones: int = 3,
    spare: int = 1,
    conditions: Sequence[Condition] = CONDITIONS,
    trunking: bool = True,
    reserved_mib: int = AGENT_RESERVED_MIB,
) -> int:
    """The smallest number of instances from which on `check` holds: what ECS's placement, as played, gets by with.

    At most `instances_needed`. It leans on where tasks happen to be and may fall when tasks are added: good for
    judging a known configuration, not for a promise. Raises `UsageError`.
    """
    enough = instances_needed(
        demands,
        instance,
        zones=zones,
        spare=spare,
        conditions=conditions,
        trunking=trunking,
        reserved_mib=reserved_mib,
    )
    count = enough.count
    while count > 0:
        checked = check(
            demands,
            instance,
            count - 1,
            zones=zones,
            spare=spare,
            conditions=conditions,
            trunking=trunking,
            reserved_mib=reserved_mib,
        )
        if not all(one.holds for one in checked):
            break
        count -= 1
    return count


def _play(
    demands: Sequence[Demand],
    instance: InstanceType,
    count: int,
    *,
    zones: int,
    trunking: bool,
    reserved_mib: int,
) -> Cluster:
    _require_possible(demands)
    capacity = capacity_for_tasks(instance, trunking=trunking, reserved_mib=reserved_mib)
    cluster = Cluster.empty(instance, count, zones, capacity)
    cluster.place(_counts(demands))
    return cluster


def _losses(steady: Cluster, demands: Sequence[Demand], spare: int) -> Iterable[tuple[str, tuple[Unplaced, ...]]]:
    total = _counts(demands)
    for lost in combinations([host.index for host in steady.hosts], min(spare, len(steady.hosts))):
        rest = steady.without(lost)
        rest.place(total - rest.running())
        yield " and ".join(f"instance {index}" for index in lost), rest.unplaced()


def _zone_losses(steady: Cluster, demands: Sequence[Demand]) -> Iterable[tuple[str, tuple[Unplaced, ...]]]:
    total = _counts(demands)
    for zone in sorted({host.zone for host in steady.hosts}):
        rest = steady.without(host.index for host in steady.hosts if host.zone == zone)
        rest.place(total - rest.running())
        yield f"zone {'abcdef'[zone % 6]}", rest.unplaced()


def _deployments(steady: Cluster, demands: Sequence[Demand]) -> Iterable[tuple[str, tuple[Unplaced, ...]]]:
    before = Counter({one.size: one.count for one in steady.unplaced()})
    for service, surge in _surges(demands).items():
        with_surge = steady.without(())
        with_surge.place(before + surge)
        yield service, with_surge.unplaced()


def _surges(demands: Sequence[Demand]) -> dict[str, Counter[TaskSize]]:
    """By service, what its deployment adds."""
    surges: dict[str, Counter[TaskSize]] = {}
    for demand in demands:
        surges.setdefault(demand.size.service, Counter())[demand.size] += demand.surge_count
    return surges


def _first_failure(condition: Condition, cases: Iterable[tuple[str, tuple[Unplaced, ...]]]) -> Checked:
    for case, unplaced in cases:
        if unplaced:
            return Checked(condition=condition, holds=False, case=case, unplaced=unplaced)
    return Checked(condition=condition, holds=True)


def _enough(tasks: Counter[TaskSize], capacity: Vector) -> tuple[int, str, Resource | None]:
    """Instances on which every task finds room wherever the others are; which task, and what closes instances to it."""
    kinds = Counter({vector(task): 0 for task in tasks})
    names: dict[Vector, str] = {}
    for task, count in tasks.items():
        if count:
            kinds[vector(task)] += count
            names.setdefault(vector(task), task.service)
    kinds = Counter({size: count for size, count in kinds.items() if count})
    step = [math.gcd(*(size[axis] for size in kinds)) for axis in range(3)] if kinds else [1, 1, 1]
    worst: tuple[int, str, Resource | None] = (0, "", None)
    for size in kinds:
        mark = [(capacity[axis] - size[axis]) // step[axis] * step[axis] + step[axis] for axis in range(3)]
        filled, by_axis = Fraction(0), [Fraction(0)] * 3
        for other, count in kinds.items():
            shares = [Fraction(other[axis], mark[axis]) for axis in range(3)]
            others = count - (other == size)
            filled += others * max(shares)
            by_axis = [total + others * share for total, share in zip(by_axis, shares, strict=True)]
        enough = math.floor(filled) + 1
        if enough > worst[0]:
            worst = (enough, names[size], RESOURCES[by_axis.index(max(by_axis))])
    return worst


def _by_volume(tasks: Counter[TaskSize], capacity: Vector) -> int:
    totals = [sum(vector(task)[axis] * count for task, count in tasks.items()) for axis in range(3)]
    return max(-(-total // most) if most else 0 for total, most in zip(totals, capacity, strict=True))


def _require_fitting(demands: Sequence[Demand], instance: InstanceType, capacity: Vector) -> None:
    for demand in demands:
        if not demand.count + demand.surge_count:
            continue
        for name, need, most in zip(RESOURCES, vector(demand.size), capacity, strict=True):
            if need > most:
                raise UsageError(
                    f"a task of {demand.size.service} takes {need:,} {UNITS[name]}; an {instance.name} has {most:,}",
                    hint="take a larger instance type, or smaller tasks and more of them",
                )


def _require_possible(demands: Sequence[Demand]) -> None:
    for demand in demands:
        if min(demand.count, demand.surge_count) < 0 or min(demand.size.cpu_units, demand.size.memory_mib) < 1:
            raise UsageError(f"expected counts of 0 and more and sizes of 1 and more for {demand.size.service}")


def _require_spare(spare: int) -> None:
    if not 0 <= spare <= _MOST_SPARE:
        raise UsageError(f"expected 0 to {_MOST_SPARE} instances to spare, got {spare}")


def _counts(demands: Sequence[Demand]) -> Counter[TaskSize]:
    counts: Counter[TaskSize] = Counter()
    for demand in demands:
        counts[demand.size] += demand.count
    return counts
