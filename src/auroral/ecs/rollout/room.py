"""Whether more tasks find room: what is left on a pool's instances, and the instances that it may still get. Pure.

ECS's placement is played by `auroral.capacity.placement`. Room that a shrinking service gives back is not counted: ECS
chooses which of its tasks stop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from auroral.capacity.instances import AGENT_RESERVED_MIB, InstanceType, known_instances
from auroral.capacity.placement import UNITS, Cluster, Host, TaskSize, Unplaced, Vector, capacity_for_tasks, vector
from auroral.ecs.fleet import Fleet, Pool
from auroral.ecs.seen import ClusterSeen, InstanceSeen


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """An Auto Scaling group."""

    name: str
    maximum: int
    desired: int


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the tasks that are to come fit into one pool."""

    pool: str
    group: str
    instances: int
    """Registered, and able to take tasks."""
    growth: int
    """Instances that may still come."""
    needed: int
    """Of them, those that the tasks need."""
    unplaced: tuple[str, ...]
    """Tasks without room, the arithmetic spelled out."""
    uneven: tuple[str, ...]
    """Services whose zones would differ by more than one task."""
    unknown: str = ""
    """Why it cannot be reckoned."""

    @property
    def fits(self) -> bool:
        """Whether every task finds room; so it is taken where it cannot be reckoned."""
        return not self.unplaced

    def told(self) -> tuple[str, ...]:
        """What whoever watches should know of it."""
        if self.unknown:
            return (f"note: room in pool {self.pool or '(unknown)'} is not checked: {self.unknown}",)
        found = []
        if self.needed and self.fits:
            found.append(
                f"pool {self.pool}: {self.instances} instances have not enough room, and {self.needed} of the "
                f"{self.growth} that may still come are needed: tasks wait for them"
            )
        if self.fits:
            found += [f"note: zones would be uneven: {text}" for text in self.uneven]
        return tuple(found)


def rooms(fleet: Fleet, seen: ClusterSeen, groups: Mapping[str, Group], counts: Mapping[str, int]) -> tuple[Room, ...]:
    """Each pool that gets more tasks by these counts."""
    more: dict[str, Counter[TaskSize]] = {}
    for key, count in counts.items():
        service = fleet.services[key]
        extra = count - max(seen.services[key].desired, seen.services[key].running)
        if extra > 0:
            size = TaskSize(service=key, cpu_units=service.cpu, memory_mib=service.memory)
            more.setdefault(service.pool, Counter())[size] += extra
    return tuple(_room(fleet, seen, groups, key, tasks) for key, tasks in more.items())


def _room(fleet: Fleet, seen: ClusterSeen, groups: Mapping[str, Group], key: str, tasks: Counter[TaskSize]) -> Room:
    pool = fleet.pools.get(key)
    if pool is None:
        return _unknown(key, "", "the pool of these services is not known")
    group = groups.get(key) or Group(name=pool.group, maximum=pool.maximum, desired=0)
    there = [one for one in seen.instances if one.provider == pool.provider and one.status != "DRAINING"]
    usable = [one for one in there if one.status == "ACTIVE" and one.connected]
    kind = known_instances().get(next((one.instance_type for one in usable if one.instance_type), pool.instance_type))
    if kind is None:
        return _unknown(key, group.name, f"the instance type {pool.instance_type or '(none)'} is not known")
    growth = max(0, group.maximum - len(usable))
    trunking = any(one.trunk for one in usable) or not usable
    fresh = _fresh(usable, kind, trunking=trunking)
    zones = _zones(fleet, usable)
    hosts = _hosts(fleet, seen, usable, zones)
    placed, needed = hosts, 0
    for needed in range(growth + 1):
        placed = [*hosts, *_grown(len(hosts), zones, hosts, fresh, needed)]
        cluster = Cluster(placed, kind, fresh)
        cluster.place(Counter(tasks))
        if not cluster.unplaced():
            break
    return Room(
        pool=key,
        group=group.name,
        instances=len(usable),
        growth=growth,
        needed=needed,
        unplaced=tuple(_short(one, pool, len(usable), growth, fresh) for one in cluster.unplaced()),
        uneven=_uneven(cluster.hosts, tasks, zones),
    )


def _unknown(pool: str, group: str, why: str) -> Room:
    return Room(pool=pool, group=group, instances=0, growth=0, needed=0, unplaced=(), uneven=(), unknown=why)


def _fresh(usable: Sequence[InstanceSeen], kind: InstanceType, *, trunking: bool) -> Vector:
    """What a new instance has for tasks: as those that are registered, else as the plan reckons."""
    reckoned = capacity_for_tasks(kind, trunking=trunking, reserved_mib=AGENT_RESERVED_MIB)
    if not usable:
        return reckoned
    return min(one.cpu for one in usable), min(one.memory for one in usable), reckoned[2]


def _zones(fleet: Fleet, usable: Sequence[InstanceSeen]) -> list[str]:
    named = fleet.contract.network.zones if fleet.contract is not None else ()
    return sorted({*named, *(one.zone for one in usable)}) or [""]


def _hosts(fleet: Fleet, seen: ClusterSeen, usable: Sequence[InstanceSeen], zones: Sequence[str]) -> list[Host]:
    hosts = []
    for index, one in enumerate(usable):
        kind = known_instances().get(one.instance_type)
        most = kind.task_interfaces(trunking=one.trunk) if kind is not None else one.cpu_left
        host = Host(
            index, zones.index(one.zone), (one.cpu_left, one.memory_left, max(0, most - one.running - one.pending))
        )
        host.services.update(task.service for task in seen.tasks if task.instance == one.arn and task.service)
        hosts.append(host)
    return hosts


def _grown(start: int, zones: Sequence[str], hosts: Sequence[Host], fresh: Vector, count: int) -> list[Host]:
    """New instances, each in the zone that has the fewest: so an Auto Scaling group balances its zones."""
    in_zone = Counter({index: 0 for index in range(len(zones))})
    in_zone.update(host.zone for host in hosts)
    grown = []
    for index in range(count):
        zone = min(in_zone, key=lambda one: (in_zone[one], one))
        in_zone[zone] += 1
        grown.append(Host(start + index, zone, fresh))
    return grown


def _short(one: Unplaced, pool: Pool, instances: int, growth: int, fresh: Vector) -> str:
    size = vector(one.size)
    needs = f"{size[0]:,} CPU units, {size[1]:,} MiB, {size[2]} network interface"
    free = one.free_in_all
    left = f"{free.cpu_units:,} CPU units, {free.memory_mib:,} MiB, {free.interfaces} network interfaces"
    short = " and ".join(UNITS[resource] for resource in one.short)
    new = f" + {growth} new of {fresh[0]:,} CPU units and {fresh[1]:,} MiB" if growth else ""
    return (
        f"{one.count} of {one.size.service} find no room: each needs {needs}; {instances} instances{new} of pool "
        f"{pool.key} have {left} left in all, the others placed: short of {short}"
    )


def _uneven(hosts: Sequence[Host], tasks: Counter[TaskSize], zones: Sequence[str]) -> tuple[str, ...]:
    found = []
    for size in tasks:
        in_zone = Counter({index: 0 for index in range(len(zones))})
        for host in hosts:
            in_zone[host.zone] += host.services[size.service]
        if max(in_zone.values()) - min(in_zone.values()) > 1:
            spread = ", ".join(f"{count} in {zones[index]}" for index, count in sorted(in_zone.items()))
            found.append(f"{size.service}: {spread}")
    return tuple(found)
