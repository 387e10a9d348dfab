"""Whatever happens and whenever: a remote run leaves nothing behind, or says what and how to stop it."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import pytest

from auroral.ecs.fleet import BENCHMARK_WORKER
from tests.support.fake_ecs import Behaviour
from tests.support.remote_bench import Bench

CALLS = ("ecs:UpdateService", "ecs:RunTask", "ecs:StopTask", "ecs:DescribeServices", "ecs:DescribeTasks",
         "ecs:TagResource", "ecs:UntagResource", "ecs:ListTasks", "logs:GetLogEvents")  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_a_run_through_trouble_ends_clean_or_says_what_is_left(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    bench = Bench(tmp_path)
    bench.lasts_s = rng.choice([60.0, 300.0, 900.0])
    bench.aws.world.lag_s = rng.choice([0.0, 0.0, 8.0])
    for _ in range(rng.randrange(4)):
        from_s = rng.uniform(1, 400)
        bench.aws.faults.throttle(rng.choice(CALLS), times=rng.randrange(1, 5), from_s=from_s)
    if rng.random() < 0.3:
        began_s = rng.uniform(1, 300)
        bench.aws.faults.break_network(from_s=began_s, until_s=began_s + rng.uniform(5, 60))
    if rng.random() < 0.3:
        bench.aws.behaviour(BENCHMARK_WORKER, Behaviour(crash_after_s=rng.uniform(1, 200)))
    for _ in range(rng.randrange(3)):
        bench.clock.interrupt_at(rng.uniform(1, 500))
    code = bench.run(timeout=400.0)
    assert code in (0, 3, 4), bench.said
    if bench.desired or bench.generators:
        assert f"auroral bench remote workers 0 --outputs {bench.outputs}" in bench.said, bench.said
        later(bench, 1_200)
        assert bench.workers(0, yes=True) == 0, bench.said
    later(bench, 600)
    assert bench.desired == 0
    assert len(bench.runs) <= 1
    assert all(one.status == "STOPPED" for one in bench.aws.service(BENCHMARK_WORKER).tasks)


def later(bench: Bench, seconds: float) -> None:
    """Time passes; an interrupt that was planned for it finds nobody."""
    until_s = bench.clock.elapsed_s + seconds
    while bench.clock.elapsed_s < until_s:
        with contextlib.suppress(KeyboardInterrupt):
            bench.clock.advance(until_s - bench.clock.elapsed_s)


def test_instances_that_came_for_it_go_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    assert bench.run() == 0
    group = bench.aws.world.groups["dev-benchmark"]
    assert group.instances
    bench.clock.until(lambda: not group.instances)
    assert not [one for one in bench.aws.changes() if one.service == "autoscaling"]  # ECS does that, not we
