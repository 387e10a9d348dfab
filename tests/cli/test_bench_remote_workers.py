"""`auroral bench remote workers` in virtual time."""

from __future__ import annotations

from pathlib import Path

import pytest

from auroral.ecs.fleet import BENCHMARK_WORKER
from auroral.ecs.operation import parse
from tests.support.fake_ecs import Behaviour
from tests.support.remote_bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def running(bench: Bench) -> int:
    return sum(one.status == "RUNNING" for one in bench.aws.service(BENCHMARK_WORKER).tasks)


def test_workers_come_are_marked_and_go(bench: Bench) -> None:
    assert bench.workers(4) == 0, bench.said
    assert running(bench) == 4
    assert bench.printed == "4 workers run\n"
    operation = parse(bench.mark)
    assert operation is not None
    assert (operation.name, operation.facts["workers"]) == ("bench", "4")
    assert bench.workers(0) == 0
    assert (running(bench), bench.desired, bench.mark) == (0, 0, "")
    assert bench.printed.endswith("no workers run\n")


def test_twice_the_same_changes_nothing_the_second_time(bench: Bench) -> None:
    bench.workers(2)
    before = len(bench.aws.changes())
    assert bench.workers(2) == 0
    assert len(bench.aws.changes()) == before


@pytest.mark.parametrize(("rate", "count"), [("10", 6), ("15", 10), ("0.5/s", 2)])
def test_a_rate_chooses_by_the_table_and_the_workers_vcpu(bench: Bench, rate: str, count: int) -> None:
    assert bench.workers(rate=rate) == 0
    assert bench.desired == count


@pytest.mark.parametrize("rate", ["100", "200", "400"])
def test_what_the_table_asks_for_and_finds_no_room_is_what_is_planned(bench: Bench, rate: str) -> None:
    assert bench.workers(rate=rate, dry_run=True) == 0
    table = {"100": 60, "200": 80, "400": 102}[rate]
    assert f"{table} workers of 2 vCPU for {rate}/s" in bench.said
    assert "--desired-count 6" in bench.printed


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "got neither"),
        ({"number": 1, "rate": "100"}, "got both"),
        ({"rate": "many"}, "--for many: expected a rate"),
        ({"rate": "0"}, "expected a rate above 0/s"),
        ({"number": 1, "timeout": "soon"}, "--timeout soon: expected a duration"),
        ({"number": 40}, "40 workers find no room"),
    ],
)
def test_what_cannot_be_is_said(bench: Bench, options, words) -> None:
    assert bench.workers(**options) == 2
    assert words in bench.said
    assert not bench.aws.changes()


def test_a_dry_run_changes_nothing(bench: Bench) -> None:
    assert bench.workers(4, dry_run=True) == 0
    assert "ecs update-service --cluster dev --service dev-benchmark-worker --desired-count 4" in bench.printed
    assert not bench.aws.changes()


def test_workers_are_not_taken_from_a_benchmark_unasked(bench: Bench) -> None:
    bench.lasts_s = 3_000.0
    bench.run(detach=True)
    assert bench.workers(0) == 2
    assert "a benchmark is under way" in bench.said
    assert bench.desired == 3
    assert bench.workers(5) == 0  # more of them harm nobody
    assert bench.workers(0, yes=True) == 0


def test_workers_that_crash_are_told(bench: Bench) -> None:
    bench.aws.behaviour(BENCHMARK_WORKER, Behaviour(crash_after_s=3, exit_code=7))
    assert bench.workers(3) == 3
    assert "exit code 7" in bench.said


def test_too_late_says_what_goes_on(bench: Bench) -> None:
    bench.aws.world.groups["dev-benchmark"].shortage = True
    assert bench.workers(3, timeout="2m") == 3
    assert "not done after" in bench.said
    assert bench.workers(0) == 0


def test_an_interrupt_leaves_ecs_at_work_and_says_so(bench: Bench) -> None:
    bench.clock.interrupt_at(20)
    assert bench.workers(3) == 4
    assert "go on: auroral bench remote workers 3 --outputs" in bench.said
    assert bench.desired == 3


def test_throttling_and_denial(bench: Bench) -> None:
    bench.aws.faults.throttle("ecs:UpdateService", times=3)
    assert bench.workers(1) == 0
    bench.aws.faults.deny("ecs:UpdateService")
    assert bench.workers(0) == 3
    assert "the caller needs ecs:UpdateService" in bench.said


def test_another_operation_goes_first_but_scaling_back_is_always_right(bench: Bench) -> None:
    value = f"roll begun {bench.clock.utc().isoformat(timespec='seconds')}"
    bench.workers(2)
    arn = bench.aws.world.names.cluster_arn
    bench.aws.call("ecs", "tag_resource", resourceArn=arn, tags=[{"key": "auroral:operation", "value": value}])
    assert bench.workers(3) == 2
    assert bench.workers(0) == 0
    assert bench.mark == value
