"""Instances, the Auto Scaling groups that launch them, and ECS's managed scaling of those."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from auroral.capacity.instances import InstanceType, instance_type
from tests.support.fake_ecs.failures import Refused
from tests.support.fake_ecs.names import Names

LAUNCH_S = 90.0
"""From a launch until the agent has registered."""
SCALE_OUT_EVERY_S = 60.0
"""CapacityProviderReservation has a point each minute."""
SCALE_IN_AFTER_S = 900.0
"""The alarm that scales in needs 15 points of a minute (ECS Developer Guide, cluster auto scaling)."""
NO_CAPACITY = (
    "Could not launch On-Demand Instances. InsufficientInstanceCapacity - We currently do not have sufficient {type} "
    "capacity in the Availability Zone you requested ({zone}). Our system will be working on provisioning additional "
    "capacity. Launching EC2 instance failed."
)


@dataclass
class Instance:
    """One container instance."""

    arn: str
    ec2_id: str
    provider: str
    zone: str
    type: InstanceType
    trunking: bool
    attributes: dict[str, str]
    registered_at: datetime
    empty_since_s: float
    status: str = "ACTIVE"
    connected: bool = True
    held: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Task → CPU units and MiB, from its placement until it has stopped."""

    @property
    def id(self) -> str:
        """The last part of its ARN."""
        return self.arn.rsplit("/", 1)[-1]

    @property
    def cpu_left(self) -> int:
        """CPU units."""
        return self.type.cpu_units - sum(cpu for cpu, _ in self.held.values())

    @property
    def memory(self) -> int:
        """MiB that it registered."""
        return self.type.schedulable_mib()

    @property
    def memory_left(self) -> int:
        """MiB."""
        return self.memory - sum(memory for _, memory in self.held.values())

    @property
    def interfaces_left(self) -> int:
        """Tasks that may still get one."""
        return self.type.task_interfaces(trunking=self.trunking) - len(self.held)

    def lacks(self, cpu: int, memory: int) -> str:
        """What it has not enough of: `CPU`, `MEMORY`, `ENI`, `AGENT`; empty where the task fits."""
        if not self.connected:
            return "AGENT"
        if self.cpu_left < cpu:
            return "CPU"
        if self.memory_left < memory:
            return "MEMORY"
        return "ENI" if self.interfaces_left < 1 else ""


@dataclass
class Launch:
    """An instance that comes."""

    ready_s: float
    zone: str


class Group:
    """An Auto Scaling group behind a capacity provider with managed scaling."""

    def __init__(
        self,
        *,
        key: str,
        name: str,
        provider: str,
        type_name: str,
        minimum: int,
        maximum: int,
        zones: Iterable[str],
        names: Names,
        attributes: dict[str, str],
        trunking: bool,
    ) -> None:
        self.key = key
        self.name = name
        self.provider = provider
        self.type = instance_type(type_name)
        self.minimum = minimum
        self.maximum = maximum
        self.desired = minimum
        self.instances: list[Instance] = []
        self.activities: list[dict[str, Any]] = []
        """The newest first."""
        self.launch_s = LAUNCH_S
        self.shortage = False
        """AWS has no instance of this type."""
        self.managed = True
        self._launching: list[Launch] = []
        self._zones = tuple(zones)
        self._names = names
        self._attributes = attributes
        self._trunking = trunking
        self._looked_s = 0.0
        self._turn = 0

    @property
    def coming(self) -> int:
        """Instances that were launched and have not registered."""
        return len(self._launching)

    def fill(self, at: datetime, now_s: float) -> None:
        """Register what is desired, at once: a group that has been there for long."""
        while len(self.instances) < self.desired:
            self._register(self._zone(), at, now_s)

    def step(self, at: datetime, now_s: float, waiting: list[tuple[int, int]]) -> None:
        """Let a moment pass; `waiting` has what the provider's tasks without a place ask for."""
        for one in self.instances:
            if one.held:
                one.empty_since_s = now_s
        for launch in [one for one in self._launching if one.ready_s <= now_s]:
            self._launching.remove(launch)
            self._register(launch.zone, at, now_s)
        if now_s - self._looked_s >= SCALE_OUT_EVERY_S:
            self._looked_s = now_s
            if self.managed:
                self._manage(waiting, now_s)
        self._follow(at, now_s)

    def ask(self, desired: int, *, minimum: int | None = None, maximum: int | None = None) -> None:
        """SetDesiredCapacity, UpdateAutoScalingGroup. Raises `Refused` out of bounds."""
        least = self.minimum if minimum is None else minimum
        most = self.maximum if maximum is None else maximum
        for word, wrong, bound in (("above max", desired > most, most), ("below min", desired < least, least)):
            if wrong:
                words = f"New SetDesiredCapacity value {desired} is {word} value {bound} for the AutoScalingGroup."
                raise Refused("ValidationError", words)
        self.minimum, self.maximum, self.desired = least, most, desired

    def drop(self, instance: Instance) -> None:
        """It is terminated."""
        self.instances.remove(instance)
        instance.status, instance.connected = "INACTIVE", False

    def _manage(self, waiting: list[tuple[int, int]], now_s: float) -> None:
        if waiting:
            most = min(self.maximum, len(self.instances) + self._bins(waiting))
            self.desired = max(self.desired, most)
            return
        idle = [one for one in self.instances if not one.held and now_s - one.empty_since_s >= SCALE_IN_AFTER_S]
        self.desired = max(self.minimum, self.desired - len(idle))

    def _bins(self, waiting: list[tuple[int, int]]) -> int:
        """Instances that the waiting tasks fill, the first that fits each."""
        bins: list[list[int]] = []
        for cpu, memory in waiting:
            for room in bins:
                if room[0] >= cpu and room[1] >= memory and room[2] >= 1:
                    break
            else:
                room = [
                    self.type.cpu_units,
                    self.type.schedulable_mib(),
                    self.type.task_interfaces(trunking=self._trunking),
                ]
                bins.append(room)
            room[0], room[1], room[2] = room[0] - cpu, room[1] - memory, room[2] - 1
        return len(bins)

    def _follow(self, at: datetime, now_s: float) -> None:
        """Launch and terminate. Who holds tasks is protected from scale-in."""
        missing = self.desired - len(self.instances) - self.coming
        if missing > 0 and self.shortage:
            self._refuse(at)
            return
        for _ in range(missing):
            self._launching.append(Launch(now_s + self.launch_s, self._zone()))
            self._note(at, "Successful", "Launching a new EC2 instance", "")
        del self._launching[: max(0, -missing)]
        surplus = len(self.instances) + self.coming - self.desired
        for instance in [one for one in reversed(self.instances) if not one.held][: max(0, surplus)]:
            self.drop(instance)
            self._note(at, "Successful", f"Terminating EC2 instance: {instance.ec2_id}", "")

    def _refuse(self, at: datetime) -> None:
        last = self.activities[0]["StartTime"] if self.activities else None
        if last is None or self.activities[0]["StatusCode"] != "Failed" or (at - last).total_seconds() >= 60:
            words = NO_CAPACITY.format(type=self.type.name, zone=self._zone())
            self._note(at, "Failed", "Launching a new EC2 instance.  Status Reason: " + words, words)

    def _note(self, at: datetime, status: str, description: str, message: str) -> None:
        activity: dict[str, Any] = {
            "ActivityId": self._names.uuid(),
            "AutoScalingGroupName": self.name,
            "Description": description,
            "Cause": f"the group's desired capacity is {self.desired}",
            "StartTime": at,
            "StatusCode": status,
            "Progress": 100,
        }
        if message:
            activity["StatusMessage"] = message
        self.activities.insert(0, activity)

    def _zone(self) -> str:
        self._turn += 1
        return self._zones[(self._turn - 1) % len(self._zones)]

    def _register(self, zone: str, at: datetime, now_s: float) -> None:
        self.instances.append(
            Instance(
                arn=self._names.arn("container-instance", self._names.hex(32)),
                ec2_id=f"i-{self._names.hex(17)}",
                provider=self.provider,
                zone=zone,
                type=self.type,
                trunking=self._trunking,
                attributes=dict(self._attributes),
                registered_at=at,
                empty_since_s=now_s,
            )
        )


@dataclass(frozen=True)
class Place:
    """Where a task may go, or why it may not."""

    instance: Instance | None
    lacks: str = ""
    """`CPU`, `MEMORY`, `ENI`, `AGENT`; empty where there is no instance at all."""
    closest: Instance | None = None


def place(instances: Iterable[Instance], cpu: int, memory: int, kin: Callable[[Instance], tuple[int, int]]) -> Place:
    """Spread over zones, then over instances: `kin` tells how many of the same group are in a zone, on an instance."""
    candidates = [one for one in instances if one.status == "ACTIVE"]
    fitting = [one for one in candidates if not one.lacks(cpu, memory)]
    if fitting:
        return Place(min(fitting, key=lambda one: (*kin(one), one.arn)))
    if not candidates:
        return Place(None)
    closest = max(candidates, key=lambda one: (one.connected, one.cpu_left, one.memory_left, one.arn))
    return Place(None, closest.lacks(cpu, memory), closest)
