from __future__ import annotations

from auroral.capacity.instances import instance_type
from tests.support.plans import of_preset, of_rate


def test_what_has_no_connections_says_nothing_of_them() -> None:
    plan = of_preset("150wps")
    for one in plan.services:
        connected = one.service in ("history", "matching", "frontend", "worker")
        assert (one.pool_size is not None) == connected
        assert (one.start_period_s is not None) == connected


def test_the_quota_is_both_groups_at_their_maximum() -> None:
    plan = of_preset("400wps")
    assert plan.quota.running.value == 368
    assert plan.quota.needed.value == 384
    for name in ("dev", "150wps"):
        each = of_preset(name)
        vcpu = instance_type(each.pools[0].instance_type).vcpu
        assert each.quota.needed.value == sum(pool.maximum.value for pool in each.pools) * vcpu


def test_every_task_is_on_some_instance() -> None:
    plan = of_preset("400wps")
    placed: dict[str, int] = {}
    for one in (*plan.pool("main").packing, *plan.pool("benchmark").packing):
        for name, count in one.tasks.items():
            placed[name] = placed.get(name, 0) + count
    assert placed.pop("benchmark-worker") == plan.fleet.workers.value
    assert placed.pop("generator") == 1
    assert placed == {one.service: one.replicas.value for one in plan.services}


def test_shards_are_shared_and_the_users_own_are_told() -> None:
    shards = of_preset("150wps").shards
    assert (shards.shards.value, shards.per_replica.value, shards.shards.basis) == (4096, 512, "measured")
    own = of_rate(150, history_shards=8192).shards
    assert (own.shards.value, own.shards.basis) == (8192, "assumed")


def test_deployments_say_why_they_go_as_they_do() -> None:
    assert "one in eight starts" in of_preset("150wps").service("history").max_percent.source
    assert "stops before as many start" in of_preset("dev").service("history").max_percent.source
    collector = of_preset("dev").service("collector")
    assert (collector.min_healthy_percent.value, collector.max_percent.value) == (0, 100)
