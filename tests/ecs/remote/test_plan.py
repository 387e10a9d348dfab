"""How many workers, whether they find room, and what the generator is told."""

from __future__ import annotations

import pytest

from auroral.bench.settings import BenchSettings
from auroral.capacity.placement import TaskSize
from auroral.capacity.presets import presets
from auroral.ecs.fleet import Pool
from auroral.ecs.remote.plan import agent_tasks, arguments_of, room, run_limit_s, sized, task_size
from auroral.errors import UsageError

TABLE = presets().benchmark
GENERATOR = TaskSize(service="generator", cpu_units=4096, memory_mib=8192)
WORKER = TaskSize(service="benchmark-worker", cpu_units=4096, memory_mib=4096)


def pool(kind: str, most: int) -> Pool:
    return Pool(key="benchmark", provider="p", group="g", instance_type=kind, minimum=0, maximum=most)


def test_the_designs_pool_holds_its_51_workers_and_the_generator() -> None:
    assert room(pool("m8g.4xlarge", 13), WORKER, GENERATOR).most == 51


@pytest.mark.parametrize(("instances", "most"), [(0, 0), (1, 0), (2, 1), (7, 6)])
def test_the_generator_takes_its_room_first(instances: int, most: int) -> None:
    assert room(pool("m7g.xlarge", instances), WORKER, GENERATOR).most == most


def test_no_more_fit_than_the_sums_allow_and_one_more_finds_no_room() -> None:
    small = TaskSize(service="benchmark-worker", cpu_units=1024, memory_mib=3000)
    found = room(pool("m7g.xlarge", 5), small, GENERATOR)
    assert found.most == 4 * 4  # four vCPU each, less the generator's instance
    assert "at most 5 × m7g.xlarge" in found.words


@pytest.mark.parametrize(("rate", "count"), [(100, 30), (200, 40), (400, 51), (150, 35), (300, 46), (1, 1), (50, 15)])
def test_the_table_decides_and_between_its_rows_it_is_rounded_up(rate: float, count: int) -> None:
    assert sized(rate, None, 6, TABLE, room(pool("m8g.4xlarge", 20), WORKER, GENERATOR)).workers == count


@pytest.mark.parametrize(
    ("units", "count", "told"),
    [
        (2048, 60, "60 workers of 2 vCPU for 100/s: 30 × 4 vCPU ÷ 2 vCPU, rounded up"),
        (3072, 40, "40 workers of 3 vCPU for 100/s: 30 × 4 vCPU ÷ 3 vCPU, rounded up"),
        (8192, 15, "15 workers of 8 vCPU"),
        (4096, 30, "30 workers for 100/s (the design"),
        (1, 30, "30 workers for 100/s (the design"),  # none is reserved: nobody knows what such a worker has
    ],
)
def test_workers_of_another_size_are_as_many_as_have_the_tables_vcpu(units: int, count: int, told: str) -> None:
    worker = TaskSize(service="benchmark-worker", cpu_units=units, memory_mib=2048)
    chosen = sized(100, None, 6, TABLE, room(pool("m8g.4xlarge", 20), worker, GENERATOR))
    assert (chosen.workers, chosen.words.startswith(told)) == (count, True), chosen.words


def test_what_finds_no_room_is_as_planned_and_says_why() -> None:
    chosen = sized(400, None, 6, TABLE, room(pool("m7g.xlarge", 7), WORKER, GENERATOR))
    assert chosen.workers == 6
    assert chosen.words.startswith("6 workers, as the deployment plans: 51 workers for 400/s")
    fewer = sized(400, None, 60, TABLE, room(pool("m7g.xlarge", 7), WORKER, GENERATOR))
    assert (fewer.workers, "as many as find room" in fewer.words) == (6, True)


def test_what_was_asked_for_and_finds_no_room_is_refused_with_the_arithmetic() -> None:
    with pytest.raises(UsageError, match=r"7 workers find no room. pool benchmark: at most 7 × m7g.xlarge"):
        sized(10, 7, 6, TABLE, room(pool("m7g.xlarge", 7), WORKER, GENERATOR))
    with pytest.raises(UsageError, match="no worker finds room beside the generator"):
        sized(10, None, 6, TABLE, room(pool("m7g.xlarge", 1), WORKER, GENERATOR))


def test_an_instance_type_that_is_not_known_is_not_guessed() -> None:
    unknown = room(pool("x9z.large", 3), WORKER, GENERATOR)
    assert unknown.most is None
    assert "not known to auroral" in sized(400, None, 6, TABLE, unknown).words
    assert sized(400, 500, 6, TABLE, unknown).workers == 500


def test_flags_become_the_same_flags() -> None:
    flags = {"tls": True, "eager-activities": False, "workload": ("simple=2", "timer"), "seed": "-5", "count": 7}
    assert arguments_of(flags) == [
        "--tls", "--no-eager-activities", "--workload", "simple=2", "--workload", "timer", "--seed=-5", "--count", "7",
    ]  # fmt: skip


def test_a_tasks_size_is_its_own_or_its_containers() -> None:
    whole = task_size("g", {"cpu": "4096", "memory": "8192", "containerDefinitions": [{"cpu": 1}]})
    assert (whole.cpu_units, whole.memory_mib) == (4096, 8192)
    parts = task_size("g", {"containerDefinitions": [{"cpu": 512, "memory": 100}, {"cpu": 1, "memoryReservation": 5}]})
    assert (parts.cpu_units, parts.memory_mib) == (513, 105)


def test_a_run_may_take_all_that_its_settings_allow() -> None:
    settings = BenchSettings(duration_s=600, completion_timeout_s=100, settle_timeout_s=30, cleanup_timeout_s=120)
    assert run_limit_s(settings) >= 600 + 100 + 30 + 120 + settings.worker_wait_s


@pytest.mark.parametrize(
    ("spread", "processes", "tasks"), [(None, 3, 0), (1, 1, 1), (3, 1, 3), (3, 3, 1), (4, 3, 2), (64, 3, 22)]
)
def test_a_task_takes_as_many_parts_as_it_has_processes(spread: int | None, processes: int, tasks: int) -> None:
    assert agent_tasks(BenchSettings(spread=spread, generator_processes=processes)) == tasks
