"""Whether tasks fit on instances, and how many are enough."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auroral.capacity.instances import InstanceType, instance_type
from auroral.capacity.packing import (
    CONDITIONS,
    RESOURCES,
    Checked,
    Demand,
    TaskSize,
    check,
    instances_by_placement,
    instances_needed,
    pack,
)
from auroral.capacity.placement import Cluster, capacity_for_tasks, vector
from auroral.errors import UsageError

M7G, M8G = instance_type("m7g.2xlarge"), instance_type("m8g.4xlarge")
TYPES = [M7G, M8G, instance_type("m7g.xlarge")]


def tasks(service: str, count: int, vcpu: float, memory_mib: int, surge: int = 0) -> Demand:
    size = TaskSize(service=service, cpu_units=int(vcpu * 1_024), memory_mib=memory_mib)
    return Demand(size=size, count=count, surge_count=surge)


SUPPORT = [
    tasks("ui", 1, 0.25, 512, 1),
    tasks("grafana", 1, 0.25, 512, 1),
    tasks("collector", 1, 0.5, 1_024, 1),
]
OF_150_WPS = [
    tasks("history", 8, 4, 8_192, 2),
    tasks("matching", 6, 1, 2_048, 2),
    tasks("frontend", 4, 2, 4_096, 1),
    tasks("worker", 2, 0.5, 1_024, 1),
    *SUPPORT,
]
OF_400_WPS = [
    tasks("history", 16, 4, 8_192, 4),
    tasks("matching", 16, 1, 2_048, 4),
    tasks("frontend", 9, 2, 4_096, 3),
    tasks("worker", 3, 0.5, 1_024, 1),
    *SUPPORT,
]
FLEET = [tasks("generator", 1, 4, 8_192), tasks("benchmark-worker", 51, 4, 4_096)]

demands = st.lists(
    st.builds(
        tasks,
        service=st.sampled_from(["history", "matching", "frontend", "worker"]),
        count=st.integers(0, 8),
        vcpu=st.sampled_from([0.25, 0.5, 1, 1.5, 2, 4]),
        memory_mib=st.sampled_from([512, 1_024, 2_000, 4_096, 8_192]),
        surge=st.integers(0, 3),
    ),
    max_size=5,
    unique_by=lambda demand: demand.size,
)

spares = st.integers(0, 2)


def held(checked: Sequence[Checked]) -> dict[str, bool]:
    return {one.condition: one.holds for one in checked}


def test_the_150_preset_holds_on_its_ten_instances() -> None:
    """The spec's configuration: 48 of 80 vCPUs."""
    assert held(check(OF_150_WPS, M7G, 10)) == {"steady": True, "instance-lost": True, "rolling": True}
    packing = pack(OF_150_WPS, M7G, 10)
    assert sum(one.used.cpu_units for one in packing.instances) == 48 * 1_024
    assert {one.tasks.get("history", 0) for one in packing.instances} == {0, 1}


def test_the_150_preset_rolled_at_200_percent_does_not() -> None:
    doubled = [msgspec.structs.replace(one, surge_count=one.count) for one in OF_150_WPS]
    rolling = check(doubled, M7G, 10, conditions=("rolling",))[0]
    assert (rolling.holds, rolling.case, rolling.unplaced[0].short) == (False, "history", ("cpu",))


def test_a_loss_that_the_sums_would_bear_is_refused_for_want_of_a_whole_piece() -> None:
    """Nine instances: 24 vCPUs are free after a loss, but in no piece of 4."""
    lost = check(OF_150_WPS, M7G, 9, conditions=("instance-lost",))[0]
    assert not lost.holds
    assert lost.case.startswith("instance ")
    unplaced = lost.unplaced[0]
    assert unplaced.size.service == "history"
    assert unplaced.free_in_all.cpu_units > unplaced.size.cpu_units


def test_the_400_preset_and_its_fleet_hold_on_their_instances() -> None:
    """The public run of 2026-01-23: 10 and 13 m8g.4xlarge."""
    assert all(held(check(OF_400_WPS, M8G, 10)).values())
    assert all(held(check(FLEET, M8G, 13, spare=0)).values())
    assert not check(FLEET, M8G, 12, spare=0)[0].holds


def test_a_benchmark_worker_packs_two_to_a_2xlarge() -> None:
    """4 vCPUs and 4 GiB, also with 8 GiB; the second half of an odd one is left."""
    for memory_mib in (4_096, 8_192):
        workers = [tasks("benchmark-worker", 30, 4, memory_mib)]
        assert instances_needed(workers, M7G, spare=0).count == 15
        packing = pack(workers, M7G, 15)
        assert [one.tasks for one in packing.instances] == [{"benchmark-worker": 2}] * 15
    assert instances_needed([tasks("benchmark-worker", 51, 4, 4_096)], M7G, spare=0).count == 26


def test_the_fleet_needs_exactly_thirteen() -> None:
    needed = instances_needed(FLEET, M8G, spare=0)
    assert (needed.count, needed.by_volume, needed.resource) == (13, 13, "cpu")


def test_without_trunking_a_2xlarge_has_three_tasks() -> None:
    """Four network interfaces, one its own."""
    small = [tasks("small", 7, 0.25, 512)]
    assert instances_needed(small, M7G, spare=0, trunking=False).count == 3
    assert instances_needed(small, M7G, spare=0).by_condition["steady"] == 1
    packing = pack(small, M7G, 2, trunking=False)
    assert packing.unplaced[0].short == ("interfaces",)


def test_memory_can_be_what_binds() -> None:
    needed = instances_needed([tasks("cache", 12, 0.25, 8_192)], M7G)
    assert needed.resource == "memory"
    assert pack([tasks("cache", 4, 0.25, 8_192)], M7G, 1).unplaced[0].short == ("memory",)


def test_zones_can_be_what_binds() -> None:
    needed = instances_needed([tasks("ui", 1, 0.25, 512)], M7G, zones=3)
    assert (needed.count, needed.binding, needed.resource) == (3, "zones", None)
    steady = check([tasks("ui", 1, 0.25, 512)], M7G, 2, conditions=("steady",))[0]
    assert (steady.holds, steady.empty_zones) == (False, 1)


def test_nothing_needs_nothing() -> None:
    assert instances_needed([], M7G).count == 0


def test_only_the_conditions_asked_for_count() -> None:
    assert instances_needed(OF_150_WPS, M7G, conditions=("steady",)).by_condition == {"steady": 11}
    assert instances_needed(OF_150_WPS, M7G).by_condition == {"steady": 11, "instance-lost": 12, "rolling": 13}
    assert instances_needed(OF_150_WPS, M7G, spare=2).by_condition["instance-lost"] == 13


def test_placement_as_played_needs_no_more_than_what_holds_however_they_are_placed() -> None:
    assert instances_by_placement(OF_150_WPS, M7G) == 10
    assert instances_by_placement(OF_400_WPS, M8G) == 8


def test_a_larger_type_loses_less_to_pieces() -> None:
    """The same 48 vCPUs: 13 × 8 are enough, or 5 × 16."""
    assert instances_needed(OF_150_WPS, M7G).count * 8 == 104
    assert instances_needed(OF_150_WPS, M8G).count * 16 == 80


@pytest.mark.parametrize(
    ("task", "message"),
    [
        pytest.param(tasks("huge", 1, 9, 512), r"9,216 CPU units; an m7g\.2xlarge has 8,192", id="too much CPU"),
        pytest.param(tasks("huge", 1, 1, 32_768), r"32,768 MiB; an m7g\.2xlarge has 31,", id="too much memory"),
    ],
)
def test_a_task_larger_than_an_instance_is_refused(task: Demand, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        instances_needed([task], M7G)
    assert not pack([task], M7G, 3).fits


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda: instances_needed([tasks("a", -1, 1, 1)], M7G), id="a negative count"),
        pytest.param(lambda: pack([tasks("a", 1, 0, 1)], M7G, 1), id="no CPU"),
        pytest.param(lambda: pack([], M7G, -1), id="a negative number of instances"),
        pytest.param(lambda: check([], M7G, 1, zones=0), id="no zone"),
        pytest.param(lambda: check([], M7G, 1, spare=3), id="three to spare"),
        pytest.param(lambda: instances_needed([], M7G, spare=-1), id="a negative spare"),
    ],
)
def test_impossible_arguments_are_refused(call: object) -> None:
    assert callable(call)
    with pytest.raises(UsageError, match="expected"):
        call()


@given(wanted=demands, count=st.integers(0, 12), instance=st.sampled_from(TYPES), trunking=st.booleans())
@settings(deadline=None, max_examples=80)
def test_never_overcommits_and_places_every_task_once_or_says_so(
    wanted: list[Demand], count: int, instance: InstanceType, trunking: bool
) -> None:
    packing = pack(wanted, instance, count, trunking=trunking)
    capacity = capacity_for_tasks(instance, trunking=trunking, reserved_mib=256)
    for one in packing.instances:
        assert min(one.free.cpu_units, one.free.memory_mib, one.free.interfaces) >= 0
        assert one.used.cpu_units + one.free.cpu_units == capacity[0]
        assert one.used.memory_mib + one.free.memory_mib == capacity[1]
        assert one.used.interfaces == sum(one.tasks.values())
    found: Counter[str] = Counter()
    for one in packing.instances:
        found.update(one.tasks)
    for left in packing.unplaced:
        found[left.size.service] += left.count
        assert set(left.short) <= set(RESOURCES)
        assert left.short
    asked: Counter[str] = Counter()
    for demand in wanted:
        asked[demand.size.service] += demand.count
    assert +found == +asked


@given(wanted=demands, count=st.integers(0, 12))
@settings(deadline=None, max_examples=50)
def test_is_deterministic_whatever_the_order(wanted: list[Demand], count: int) -> None:
    assert pack(wanted, M7G, count) == pack(wanted[::-1], M7G, count)


@given(
    wanted=demands,
    grow=st.tuples(st.integers(0, 5), st.integers(1, 5)),
    instance=st.sampled_from(TYPES[:2]),
    spare=spares,
)
@settings(deadline=None, max_examples=200)
def test_more_tasks_never_need_fewer_instances(
    wanted: list[Demand], grow: tuple[int, int], instance: InstanceType, spare: int
) -> None:
    at, more = grow
    before = instances_needed(wanted, instance, spare=spare)
    grown = [msgspec.structs.replace(one, count=one.count + more * (at == number)) for number, one in enumerate(wanted)]
    if at >= len(wanted):
        grown.append(tasks("extra", more, 0.75, 1_500))
    after = instances_needed(grown, instance, spare=spare)
    assert after.count >= before.count
    assert after.count >= after.by_volume


@given(wanted=demands, instance=st.sampled_from(TYPES[:2]), spare=st.integers(0, 1), trunking=st.booleans())
@settings(deadline=None, max_examples=60)
def test_what_is_enough_holds_every_condition_and_so_do_more(
    wanted: list[Demand], instance: InstanceType, spare: int, trunking: bool
) -> None:
    needed = instances_needed(wanted, instance, spare=spare, trunking=trunking)
    for count in (needed.count, needed.count + 1):
        checked = check(wanted, instance, count, spare=spare, trunking=trunking)
        assert [one.condition for one in checked] == list(CONDITIONS)
        assert all(one.holds for one in checked) or not any(one.count for one in wanted)


@given(wanted=demands, instance=st.sampled_from(TYPES[:2]), seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=80)
def test_what_is_enough_holds_wherever_the_tasks_are(wanted: list[Demand], instance: InstanceType, seed: int) -> None:
    """The promise itself: any order, any instance with room, and every task still finds one."""
    count = instances_needed(wanted, instance, spare=0, zones=1, conditions=("steady",)).count
    chance = random.Random(seed)
    waiting = [demand.size for demand in wanted for _ in range(demand.count)]
    chance.shuffle(waiting)
    hosts = [_Room(capacity_for_tasks(instance, trunking=True, reserved_mib=256)) for _ in range(count)]
    fill = chance.random() < 0.5  # by chance, or as full as can be: what leaves the least elsewhere
    for task in waiting:
        room = [host for host in hosts if host.takes(task)]
        assert room, "a task without a place"
        (min(room, key=lambda host: host.free) if fill else chance.choice(room)).put(task)


@given(wanted=demands, count=st.integers(1, 8), instance=st.sampled_from(TYPES[:2]))
@settings(deadline=None, max_examples=60)
def test_a_loss_is_tried_for_each_instance(wanted: list[Demand], count: int, instance: InstanceType) -> None:
    """What `check` says of a loss is what the loss of each single instance says."""
    lost = check(wanted, instance, count, conditions=("instance-lost",))[0]
    steady = Cluster.empty(instance, count, 3, capacity_for_tasks(instance, trunking=True, reserved_mib=256))
    total: Counter[TaskSize] = Counter()
    for demand in wanted:
        total[demand.size] += demand.count
    steady.place(total)
    bad = []
    for index in range(count):
        rest = steady.without([index])
        rest.place(total - rest.running())
        if rest.unplaced():
            bad.append(f"instance {index}")
    assert lost.holds == (not bad)
    assert lost.case == (bad[0] if bad else "")


@dataclass
class _Room:
    free: tuple[int, int, int]

    def takes(self, task: TaskSize) -> bool:
        return all(need <= free for need, free in zip(vector(task), self.free, strict=True))

    def put(self, task: TaskSize) -> None:
        cpu, memory, interfaces = vector(task)
        self.free = (self.free[0] - cpu, self.free[1] - memory, self.free[2] - interfaces)


def test_a_lost_zone_is_told_by_what_finds_no_room_in_the_others() -> None:
    """Ten instances in three zones, of which zone a has four: eight history of half an instance find room on six, seven
    do beside the rest.
    """
    (told,) = check(OF_150_WPS, M7G, 10, conditions=("zone-lost",))
    assert (told.condition, told.holds, told.case) == ("zone-lost", False, "zone a")
    assert [(one.size.service, one.count) for one in told.unplaced] == [("history", 1)]
    assert check(OF_150_WPS, M7G, 15, conditions=("zone-lost",))[0].holds
    assert not check(OF_150_WPS, M7G, 15, zones=1, conditions=("zone-lost",))[0].holds
    assert "zone-lost" not in {one.condition for one in check(OF_150_WPS, M7G, 15)}
