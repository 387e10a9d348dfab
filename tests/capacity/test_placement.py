"""ECS's placement, as played."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.capacity.instances import instance_type
from auroral.capacity.placement import Cluster, TaskSize, capacity_for_tasks, vector
from auroral.errors import UsageError

M7G = instance_type("m7g.2xlarge")
CAPACITY = capacity_for_tasks(M7G, trunking=True, reserved_mib=0)
BIG = TaskSize(service="big", cpu_units=4_096, memory_mib=8_192)
MIDDLE = TaskSize(service="middle", cpu_units=1_024, memory_mib=4_096)
SMALL = TaskSize(service="small", cpu_units=256, memory_mib=512)


def placed(count: int, tasks: dict[TaskSize, int], *, zones: int = 3) -> Cluster:
    cluster = Cluster.empty(M7G, count, zones, CAPACITY)
    cluster.place(Counter(tasks))
    return cluster


def test_a_service_is_spread_over_zones_before_instances() -> None:
    """Six instances in three zones: three tasks are in three zones, six on six instances."""
    assert [host.services["big"] for host in placed(6, {BIG: 3}).hosts] == [1, 1, 1, 0, 0, 0]
    assert [host.services["big"] for host in placed(6, {BIG: 6}).hosts] == [1] * 6


def test_zones_differ_by_one_task_at_most_while_there_is_room() -> None:
    by_zone: Counter[int] = Counter()
    for host in placed(7, {BIG: 8}).hosts:
        by_zone[host.zone] += host.services["big"]
    assert max(by_zone.values()) - min(by_zone.values()) <= 1


def test_a_full_zone_sends_its_tasks_elsewhere() -> None:
    """Four instances in three zones, eight tasks of half an instance: zones 1 and 2 are full with two each."""
    cluster = placed(4, {BIG: 8})
    assert [host.services["big"] for host in cluster.hosts] == [2] * 4
    assert cluster.unplaced() == ()


def test_the_largest_goes_first() -> None:
    """Small ones first would leave no instance with room for the second half."""
    assert placed(1, {SMALL: 32, BIG: 2}, zones=1).hosts[0].services["big"] == 2


def test_what_runs_stays_when_instances_are_lost() -> None:
    cluster = placed(3, {BIG: 3, SMALL: 9})
    rest = cluster.without([1])
    assert [host.index for host in rest.hosts] == [0, 2]
    before = [dict(host.services) for host in rest.hosts]
    rest.place(Counter({SMALL: 5}))
    assert [host.services["big"] for host in rest.hosts] == [services["big"] for services in before]
    assert sum(host.services["small"] for host in rest.hosts) == sum(services["small"] for services in before) + 5
    assert rest.running() == Counter({BIG: 2, SMALL: 11})
    assert [host.services["big"] for host in cluster.hosts] == [1, 1, 1], "the cluster before is unchanged"


def test_what_is_short_is_named() -> None:
    unplaced = placed(2, {BIG: 5}).unplaced()[0]
    assert (unplaced.size, unplaced.count, unplaced.short) == (BIG, 1, ("cpu",))
    assert unplaced.free_in_all.cpu_units == 0
    assert unplaced.free_in_all.memory_mib == 2 * CAPACITY[1] - 4 * 8_192


def test_no_instances_leave_everything_unplaced() -> None:
    unplaced = placed(0, {BIG: 2}).unplaced()
    assert unplaced[0].count == 2


@pytest.mark.parametrize(("count", "zones"), [(-1, 3), (1, 0)])
def test_impossible_clusters_are_refused(count: int, zones: int) -> None:
    with pytest.raises(UsageError, match="at least one zone"):
        Cluster.empty(M7G, count, zones, CAPACITY)


@given(st.tuples(st.integers(0, 12), st.integers(1, 4)), st.integers(0, 20), st.integers(0, 40), st.integers(0, 60))
def test_each_task_goes_where_a_look_at_every_instance_would_put_it(
    shape: tuple[int, int], big: int, middle: int, small: int
) -> None:
    """Fewest tasks of the service in the zone, then on the instance, then the most room; the first instance is lost."""
    count, zones = shape
    cluster = placed(count, {BIG: big, SMALL: small}, zones=zones).without([0])
    wanted = [dict(host.services) for host in cluster.hosts]
    free = [list(host.free) for host in cluster.hosts]
    for _ in range(middle):
        fitting = [at for at in range(len(free)) if all(a <= b for a, b in zip(vector(MIDDLE), free[at], strict=True))]
        if not fitting:
            break
        in_zone: Counter[int] = Counter()
        for at, host in enumerate(cluster.hosts):
            in_zone[host.zone] += wanted[at].get("middle", 0)

        def order(at: int, in_zone: Counter[int] = in_zone) -> tuple[int, ...]:
            host = cluster.hosts[at]
            return in_zone[host.zone], wanted[at].get("middle", 0), -free[at][0], -free[at][1], host.index

        at = min(fitting, key=order)
        wanted[at]["middle"] = wanted[at].get("middle", 0) + 1
        free[at] = [have - need for have, need in zip(free[at], vector(MIDDLE), strict=True)]
    cluster.place(Counter({MIDDLE: middle}))
    assert [dict(host.services) for host in cluster.hosts] == wanted
    left = middle - sum(services.get("middle", 0) for services in wanted)
    assert sum(one.count for one in cluster.unplaced()) == left
