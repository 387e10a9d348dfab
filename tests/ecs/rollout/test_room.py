"""Room on instances, on descriptions made by hand."""

from __future__ import annotations

import msgspec
import pytest

from auroral.ecs.fleet import Fleet
from auroral.ecs.rollout.room import Group, Room, rooms
from auroral.ecs.seen import ClusterSeen, InstanceSeen
from tests.support.rollouts import example_fleet
from tests.support.seen_examples import cluster, instance, service, task

FULL = Group(name="dev-main", maximum=3, desired=3)


@pytest.fixture
def fleet() -> Fleet:
    return example_fleet()


def seen(fleet: Fleet, *instances: InstanceSeen, **running: int) -> ClusterSeen:
    return cluster(*(service(key, running.get(key, 0)) for key in fleet.services), instances=instances)


def one(fleet: Fleet, found: ClusterSeen, group: Group, **counts: int) -> Room:
    (room,) = rooms(fleet, found, {"main": group}, counts)
    return room


def three(**changed: int) -> list[InstanceSeen]:
    return [instance(number, **changed) for number in range(3)]


def test_tasks_that_find_room(fleet: Fleet) -> None:
    room = one(fleet, seen(fleet, *three()), FULL, history=3, frontend=3)
    assert room.fits
    assert (room.instances, room.growth, room.needed) == (3, 0, 0)
    assert room.told() == ()


def test_only_what_is_added_needs_room(fleet: Fleet) -> None:
    assert rooms(fleet, seen(fleet, history=4), {}, {"history": 4, "frontend": 0}) == ()
    assert one(fleet, seen(fleet, *three(cpu_left=2048), history=3), FULL, history=6).fits
    assert not one(fleet, seen(fleet, *three(cpu_left=2048), history=3), FULL, history=7).fits


@pytest.mark.parametrize(
    ("left", "short"),
    [
        ({"cpu_left": 2047}, "short of CPU units"),
        ({"memory_left": 8191}, "short of MiB"),
        ({"trunk": False, "running": 3}, "short of network interfaces"),
    ],
)
def test_each_resource_may_be_short(fleet: Fleet, left: dict[str, int], short: str) -> None:
    room = one(fleet, seen(fleet, *three(**left)), FULL, history=2)
    assert not room.fits
    (text,) = room.unplaced
    assert text.startswith("2 of history find no room: each needs 2,048 CPU units, 8,192 MiB, 1 network interface")
    assert text.endswith(short)
    assert room.told() == ()


def test_instances_that_may_still_come_are_counted(fleet: Fleet) -> None:
    group = Group(name="dev-main", maximum=5, desired=3)
    room = one(fleet, seen(fleet, *three(cpu_left=0)), group, history=2)
    assert room.fits
    assert (room.growth, room.needed) == (2, 2)
    assert room.told()[0].startswith("pool main: 3 instances have not enough room, and 2 of the 2 that may still come")
    assert not one(fleet, seen(fleet, *three(cpu_left=0)), group, history=3).fits


def test_from_no_instance_at_all_the_plans_reckoning_counts(fleet: Fleet) -> None:
    room = one(fleet, seen(fleet), Group(name="dev-main", maximum=2, desired=0), history=2)
    assert room.fits
    assert (room.instances, room.needed) == (0, 2)


@pytest.mark.parametrize(
    "changed", [{"provider": "dev-benchmark"}, {"status": "DRAINING"}, {"connected": False}, {"status": "REGISTERING"}]
)
def test_instances_of_another_pool_and_those_that_take_no_task_do_not_count(
    fleet: Fleet, changed: dict[str, object]
) -> None:
    room = one(fleet, seen(fleet, *three(**changed)), Group(name="dev-main", maximum=0, desired=0), history=1)  # type: ignore[arg-type]
    assert not room.fits


def test_zones_that_would_be_uneven_are_told(fleet: Fleet) -> None:
    hosts = [instance(0), instance(1, cpu_left=0), instance(2, cpu_left=0)]
    room = one(fleet, seen(fleet, *hosts), FULL, frontend=3)
    assert room.fits
    assert room.told() == ("note: zones would be uneven: frontend: 3 in us-east-1a, 0 in us-east-1b, 0 in us-east-1c",)


def test_tasks_that_run_count_for_the_spread(fleet: Fleet) -> None:
    running = [task("frontend", number, instance="arn:instance/0") for number in (1, 2)]
    found = msgspec.structs.replace(seen(fleet, *three(), frontend=2), tasks=tuple(running))
    room = one(fleet, found, FULL, frontend=4)
    assert room.uneven == ()
    assert one(fleet, found, FULL, frontend=3).uneven == (
        "frontend: 2 in us-east-1a, 1 in us-east-1b, 0 in us-east-1c",
    )


def test_what_cannot_be_reckoned_is_told_and_taken_to_fit(fleet: Fleet) -> None:
    pools = {**fleet.pools, "main": msgspec.structs.replace(fleet.pools["main"], instance_type="z9.huge")}
    strange = msgspec.structs.replace(fleet, pools=pools)
    room = one(strange, seen(strange), FULL, history=1)
    assert room.fits
    assert room.told() == ("note: room in pool main is not checked: the instance type z9.huge is not known",)
    nowhere = msgspec.structs.replace(fleet, pools={})
    (unknown,) = rooms(nowhere, seen(nowhere), {}, {"history": 1})
    assert unknown.told() == ("note: room in pool main is not checked: the pool of these services is not known",)
