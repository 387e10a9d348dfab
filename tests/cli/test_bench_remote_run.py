"""Benchmarks on a deployed cluster, in virtual time: what is asked of AWS, what is brought back, what is left."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from auroral.bench.result import decode
from auroral.ecs.fleet import BENCHMARK_WORKER
from auroral.ecs.operation import parse
from tests.support.fake_ecs import Behaviour, outputs
from tests.support.remote_bench import GENERATOR, Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def left_clean(bench: Bench) -> None:
    assert (bench.desired, bench.generators, bench.mark) == (0, 0, ""), bench.said


# To its end


def test_workers_come_the_generator_runs_results_arrive_and_workers_go(bench: Bench) -> None:
    assert bench.run() == 0, bench.said
    left_clean(bench)
    assert [one.operation for one in bench.aws.changes()] == [
        "tag_resource", "update_service", "run_task", "tag_resource", "update_service", "untag_resource",
    ]  # fmt: skip
    counts = [one.arguments["desiredCount"] for one in bench.aws.changes("update_service")]
    assert counts == [3, 0]
    files = sorted(path.name for path in (bench.directory / "run").rglob("*") if path.is_file())
    assert files == ["report.html", "result.json", "summary.txt", "worker-0.log"]
    assert "PASS" in bench.printed
    assert bench.runs[0].command[:2] == ("bench", "run")
    assert "drive: 1m" in bench.said
    assert "as the generator prints it" not in bench.said + bench.printed


def test_no_generator_is_started_before_all_workers_run(bench: Bench) -> None:
    bench.run()
    started = bench.aws.changes("run_task")[0]
    assert started.at_s >= 90  # an instance takes so long to come
    ready = [one.started_at for one in bench.aws.service(BENCHMARK_WORKER).tasks]
    assert len(ready) == 3
    assert started.arguments["capacityProviderStrategy"] == [{"capacityProvider": "dev-benchmark", "weight": 1}]
    assert started.arguments["count"] == 1


def test_the_generator_is_told_the_load_and_how_many_worker_processes_there_are(bench: Bench) -> None:
    flags = {
        "workload": ("simple=2", "timer"), "target-rate": "10", "duration": "30s", "threshold": ("latency.p99<1s",),
        "run-id": "mine",
    }  # fmt: skip
    bench.run(flags=flags, workers=2)
    command = bench.runs[0].command[2:]
    told = list(itertools.pairwise(command))
    for pair in [("--workload", "simple=2"), ("--workload", "timer"), ("--threshold", "latency.p99<1s"),
                 ("--run-id", "mine"), ("--worker-count", "4")]:  # fmt: skip
        assert pair in told


@pytest.mark.parametrize(("code", "example"), [(1, "fail"), (5, "inconclusive")])
def test_the_exit_code_is_the_runs_own(bench: Bench, code: int, example: str) -> None:
    bench.exit_code, bench.example = code, example
    assert bench.run() == code
    left_clean(bench)
    assert example.upper() in bench.printed.upper()


def test_json_is_the_document_alone(bench: Bench) -> None:
    assert bench.run(json=True, flags={"target-rate": "10", "run-id": "mine"}) == 0
    assert decode(bench.printed.encode()) == bench.result("mine")


def test_workers_and_generator_are_of_one_apply(bench: Bench) -> None:
    ran = bench.aws.service(BENCHMARK_WORKER).deployments[0].definition
    newest = bench.aws.register(BENCHMARK_WORKER).arn
    contract = bench.aws.contract(bench.contract)
    bench.outputs.write_text(outputs(contract))
    assert bench.run() == 0, bench.said
    first = bench.aws.changes("update_service")[0].arguments
    assert first["taskDefinition"] == newest != ran
    left_clean(bench)


# Results by other ways


def test_a_document_in_the_log_is_enough(bench: Bench) -> None:
    bench.sends, bench.logs_document = False, True
    assert bench.run(flags={"target-rate": "10", "run-id": "mine"}) == 0
    left_clean(bench)
    assert decode((bench.directory / "run/result.json").read_bytes()) == bench.result("mine")
    assert "the samples are lost" in bench.said
    assert "auroral-result" not in bench.said
    assert "PASS" in bench.printed


def test_without_any_result_it_says_what_is_lost_and_where_the_log_is(bench: Bench) -> None:
    bench.sends = False
    assert bench.run() == 0
    left_clean(bench)
    assert "warning: no result" in bench.said
    assert "/ecs/dev/benchmark-generator, stream benchmark-generator/benchmark-generator/" in bench.said
    assert "as the generator prints it" in bench.said  # what was held back for the result's sake
    assert not bench.printed


def test_storage_that_may_not_be_read_is_told(bench: Bench) -> None:
    bench.store.denied = True
    bench.logs_document = True
    assert bench.run() == 0
    assert "AccessDenied" in bench.said
    assert "PASS" in bench.printed


# Interrupts


@pytest.mark.parametrize("at_s", [0.5, 3, 95, 160, 185, 260, 320, 340])
def test_an_interrupt_at_any_time_leaves_no_workers(bench: Bench, at_s: float) -> None:
    bench.clock.interrupt_at(at_s)
    code = bench.run()
    assert code == 4 or (code == 0 and bench.clock.elapsed_s < at_s + 1), bench.said
    left_clean(bench)
    assert all(one.status == "STOPPED" for one in bench.aws.service(BENCHMARK_WORKER).tasks)


def test_an_interrupted_run_brings_its_partial_result(bench: Bench) -> None:
    bench.example, bench.sends, bench.lasts_s = "interrupted", True, 600.0

    def send() -> None:
        if bench.runs:
            run_id = bench.runs[0].command[bench.runs[0].command.index("--run-id") + 1]
            bench.store.put_run(bench.result(run_id))

    bench.clock.at(299, send)
    bench.clock.interrupt_at(300)
    assert bench.run() == 4
    left_clean(bench)
    stops = bench.aws.changes("stop_task")
    assert len(stops) == 1
    assert bench.aws.changes("update_service")[-1].at_s > stops[0].at_s
    assert "INTERRUPTED" in bench.printed


@pytest.mark.parametrize("at_s", [100, 200])
def test_a_second_interrupt_leaves_all_as_it_is_and_says_how_to_stop_it(bench: Bench, at_s: float) -> None:
    bench.lasts_s = 600.0
    bench.clock.interrupt_at(at_s)
    bench.clock.interrupt_at(at_s + 1)
    assert bench.run() == 4
    assert "workers" in bench.said.splitlines()[-2]
    operation = parse(bench.mark)
    if bench.desired:
        assert f"auroral bench remote workers 0 --outputs {bench.outputs}" in bench.said
        assert operation is not None
        assert operation.name == "bench"
    # The command that it names does what it says.
    assert bench.workers(0, yes=True) == 0
    bench.clock.advance(60)
    left_clean(bench)


# Failures of AWS


def test_throttling_is_borne(bench: Bench) -> None:
    for call in ("ecs:UpdateService", "ecs:RunTask", "ecs:DescribeServices", "ecs:TagResource", "logs:GetLogEvents"):
        bench.aws.faults.throttle(call, times=2, from_s=1)
    assert bench.run() == 0, bench.said
    left_clean(bench)
    assert len(bench.runs) == 1


def test_a_lost_answer_of_run_task_starts_no_second_generator(bench: Bench) -> None:
    bench.aws.faults.fail("ecs:RunTask", "ServerException", "lost", after_change=True)
    assert bench.run() == 0, bench.said
    assert len(bench.runs) == 1
    left_clean(bench)


def test_lists_that_lag_start_no_second_generator(bench: Bench) -> None:
    bench.aws.world.lag_s = 15.0
    assert bench.run() == 0, bench.said
    assert len(bench.runs) == 1
    bench.clock.advance(60)
    left_clean(bench)


def test_a_token_that_expires_says_what_goes_on_and_how_to_stop_it(bench: Bench) -> None:
    bench.aws.faults.expire(from_s=200)
    assert bench.run() == 3
    assert "ExpiredToken" in bench.said
    assert "renew the credentials" in bench.said
    assert "auroral bench remote workers 0" in bench.said
    assert bench.desired == 3  # nobody could change it
    bench.aws.faults.clear()
    bench.clock.advance(300)
    assert bench.workers(0) == 0
    left_clean(bench)


def test_a_policy_that_denies_the_generator_scales_back(bench: Bench) -> None:
    bench.aws.faults.deny("ecs:RunTask")
    assert bench.run() == 3
    assert "ecs:RunTask" in bench.said
    left_clean(bench)


def test_a_policy_that_denies_scaling_leaves_nothing(bench: Bench) -> None:
    bench.aws.faults.deny("ecs:UpdateService")
    assert bench.run() == 3
    assert bench.desired == 0
    assert not bench.runs


def test_a_shortage_of_instances_ends_at_the_timeout_and_says_so(bench: Bench) -> None:
    bench.aws.world.groups["dev-benchmark"].shortage = True
    assert bench.run(timeout=300.0) == 3
    left_clean(bench)
    assert "not steady after 5 m" in bench.said
    assert "0 instances are ready. The Auto Scaling group, 2026-11-26T" in bench.said
    assert "Could not launch On-Demand Instances. InsufficientInstanceCapacity" in bench.said
    assert bench.clock.elapsed_s < 300 + 120


@pytest.mark.parametrize("denied", ["ecs:UpdateService", "ecs:TagResource", "ecs:RunTask"])
def test_what_a_policy_denies_leaves_no_mark_and_no_workers(bench: Bench, denied: str) -> None:
    bench.aws.faults.deny(denied)
    assert bench.run() == 3
    left_clean(bench)
    assert f"{denied} failed: AccessDeniedException" in bench.said or f"the caller needs {denied}" in bench.said


def test_a_generator_that_is_throttled_for_minutes_still_starts(bench: Bench) -> None:
    bench.aws.faults.throttle("ecs:RunTask", times=None, until_s=400.0)
    assert bench.run() == 0
    left_clean(bench)
    assert len(bench.runs) == 1


def test_a_generator_that_is_never_taken_is_told_by_what_aws_said(bench: Bench) -> None:
    bench.aws.faults.throttle("ecs:RunTask", times=None)
    assert bench.run() == 3
    left_clean(bench)
    assert "the generator was not started within 15 m: ecs:RunTask failed: ThrottlingException" in bench.said


def test_an_interrupt_while_results_come_says_how_to_fetch_them(bench: Bench) -> None:
    def interrupted(**_: str) -> dict[str, object]:
        raise KeyboardInterrupt

    bench.aws.add("s3", "get_object", interrupted)
    assert bench.run(flags={"target-rate": "10", "duration": "1m", "run-id": "mine"}) == 4
    left_clean(bench)
    assert "this does: auroral bench remote results mine --task" in bench.said


def test_workers_that_crash_end_it_with_their_reason(bench: Bench) -> None:
    bench.aws.behaviour(BENCHMARK_WORKER, Behaviour(crash_after_s=5, exit_code=3))
    assert bench.run() == 3
    left_clean(bench)
    assert "exit code 3" in bench.said
    assert not bench.runs


def test_workers_that_are_rolled_back_end_it(bench: Bench) -> None:
    bench.aws.register(BENCHMARK_WORKER)
    bench.outputs.write_text(outputs(bench.aws.contract(bench.contract)))
    bench.aws.behaviour(BENCHMARK_WORKER, Behaviour(never_healthy=True), revision=2)
    assert bench.run() == 3
    left_clean(bench)
    assert "the workers fail" in bench.said


@pytest.mark.parametrize(("code", "words"), [(137, "signal 9"), (70, ""), (42, "status 42")])
def test_a_generator_that_ends_badly_is_told_and_workers_go(bench: Bench, code: int, words: str) -> None:
    bench.exit_code, bench.sends = code, False
    assert bench.run() == (70 if code == 70 else 3)
    left_clean(bench)
    assert words in bench.said


def test_a_generator_that_somebody_stops_is_told(bench: Bench) -> None:
    bench.lasts_s, bench.sends = 600.0, False

    def stop() -> None:
        task = bench.aws.world.standalone[0]
        bench.aws.call("ecs", "stop_task", cluster="dev", task=task.arn, reason="maintenance")

    bench.clock.at(250, stop)
    assert bench.run() == 4  # its own: it was interrupted
    left_clean(bench)


def test_a_generator_that_runs_too_long_is_stopped(bench: Bench) -> None:
    bench.lasts_s = 1e6
    assert bench.run() == 3
    left_clean(bench)
    assert "longer than its settings allow" in bench.said
    assert len(bench.aws.changes("stop_task")) == 1


# What keeps it from beginning


def unchanged(bench: Bench) -> None:
    assert not bench.aws.changes()


@pytest.mark.parametrize(
    ("flags", "options", "words"),
    [
        ({"namespace": "benchmark-2"}, {}, "expected it, got benchmark-2"),
        ({"workload": ("mine.toml",)}, {}, "the generator cannot read mine.toml"),
        ({"target-rate": "fast"}, {}, "target-rate = fast (from --target-rate)"),
        ({}, {"workers": 500}, "500 workers find no room. pool benchmark: at most 7 × m7g.xlarge"),
        ({}, {"outputs": None, "cluster": "dev"}, "from the deployment's outputs alone"),
        ({}, {"outputs": None}, "expected one of --outputs, --stack and --cluster"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_changed(bench: Bench, flags, options, words) -> None:
    assert bench.run(flags=flags, **options) == 2
    assert words in bench.said
    unchanged(bench)


def test_a_directory_with_a_run_is_left_alone(bench: Bench) -> None:
    (bench.directory / "run").mkdir()
    (bench.directory / "run/result.json").write_text("{}")
    assert bench.run() == 2
    assert "holds a run already" in bench.said
    unchanged(bench)


def test_a_run_id_that_is_stored_already_is_refused(bench: Bench) -> None:
    bench.store.put_run(bench.result("mine"))
    assert bench.run(flags={"run-id": "mine"}) == 2
    assert "runs/mine/ holds a run already" in bench.said
    unchanged(bench)


def test_the_default_says_its_arithmetic(bench: Bench) -> None:
    bench.run(flags={"target-rate": "400"}, dry_run=True)
    assert "102 workers of 2 vCPU for 400/s: 51 × 4 vCPU ÷ 2 vCPU" in bench.said
    assert "6 workers, as the deployment plans" in bench.said
    assert "at most 7 × m7g.xlarge, each with 4,096 CPU units" in bench.said


def test_a_dry_run_prints_the_calls_and_makes_none(bench: Bench) -> None:
    assert bench.run(dry_run=True) == 0
    unchanged(bench)
    lines = bench.printed.splitlines()
    assert [line.split("ecs ")[1].split()[0] for line in lines] == [
        "tag-resource", "update-service", "run-task", "tag-resource", "update-service", "untag-resource",
    ]  # fmt: skip
    assert "--desired-count 3" in lines[1]
    assert "--desired-count 0" in lines[4]


def test_two_benchmarks_at_once_are_refused(bench: Bench) -> None:
    bench.lasts_s = 3_000.0
    assert bench.run(detach=True) == 0
    before = len(bench.aws.changes())
    assert bench.run(output=str(bench.directory / "other"), yes=True) == 2
    assert "a benchmark is under way" in bench.said
    assert len(bench.aws.changes()) == before


@pytest.mark.parametrize("mark", ["roll begun", "recover interrupted"])
def test_another_operation_on_the_cluster_is_respected(bench: Bench, mark: str) -> None:
    value = f"{mark} {bench.clock.utc().isoformat(timespec='seconds')}"
    arn = bench.aws.world.names.cluster_arn
    bench.aws.call("ecs", "tag_resource", resourceArn=arn, tags=[{"key": "auroral:operation", "value": value}])
    assert bench.run() == 2
    assert "auroral cluster status" in bench.said
    assert bench.desired == 0
    assert bench.mark == value


def test_workers_that_run_already_are_not_taken_away_unasked(bench: Bench) -> None:
    assert bench.workers(2) == 0
    before = len(bench.aws.changes())
    assert bench.run() == 2
    assert "2 workers run already, and would be scaled to 3, and afterwards to 0, and nobody is here" in bench.said
    assert len(bench.aws.changes()) == before
    assert bench.run(yes=True) == 0
    left_clean(bench)


# Other ends


def test_detached_it_says_how_to_fetch_and_to_scale_back(bench: Bench) -> None:
    assert bench.run(detach=True, flags={"target-rate": "10", "run-id": "mine"}) == 0
    assert (bench.desired, bench.generators) == (6, 1)
    assert f"auroral bench remote results mine --task {bench.aws.world.standalone[0].id} --outputs" in bench.printed
    assert "auroral bench remote workers 0 --outputs" in bench.printed
    assert parse(bench.mark) is not None
    bench.clock.advance(300)
    assert bench.results("mine", output=str(bench.directory / "later")) == 0
    assert bench.workers(0) == 0
    left_clean(bench)


def test_kept_workers_stay_and_are_told(bench: Bench) -> None:
    assert bench.run(keep_workers=True) == 0
    assert (bench.desired, bench.mark) == (3, "")
    assert "the workers are kept, and cost money; stop them: auroral bench remote workers 0" in bench.said


def test_the_marks_tell_how_far_it_is(bench: Bench) -> None:
    seen: list[str] = []

    def look() -> None:
        seen.append(bench.mark)

    for at_s in (20, 260):
        bench.clock.at(at_s, look)
    bench.run(flags={"target-rate": "10", "run-id": "mine"})
    first, second = map(parse, seen)
    assert first is not None
    assert second is not None
    assert (first.facts["phase"], second.facts["phase"]) == ("workers", "run")
    assert first.facts["run"] == "mine"


def test_the_family_of_the_generator_is_the_contracts(bench: Bench) -> None:
    assert bench.contract["tasks"]["generator"]["task_family"] == GENERATOR


# Over several generators

SPREAD = {"target-rate": "10", "duration": "1m", "spread": "3"}


def test_generators_come_before_their_coordinator_and_go_after_it(bench: Bench) -> None:
    assert bench.run(flags=SPREAD, workers=2) == 0, bench.said
    left_clean(bench)
    starts = bench.aws.changes("run_task")
    assert [one.arguments["count"] for one in starts] == [3, 1]
    assert starts[1].at_s > starts[0].at_s
    assert [one.command for one in bench.agents] == [("bench", "generator", "--once")] * 3
    assert ("--spread", "3") in itertools.pairwise(bench.runs[0].command)
    assert len(bench.aws.changes("stop_task")) == 3
    assert "generators 3 tasks, and one more that coordinates them" in bench.said
    assert all(one.status == "STOPPED" for one in bench.aws.world.standalone)
    order = [one.operation for one in bench.aws.changes()]
    assert order.index("stop_task") > len(order) - order[::-1].index("run_task") - 1


def test_more_than_ten_generators_are_started_ten_at_once(bench: Bench) -> None:
    assert bench.run(flags={**SPREAD, "spread": "12", "control-namespace": "mine"}, workers=1) == 0, bench.said
    assert [one.arguments["count"] for one in bench.aws.changes("run_task")] == [10, 2, 1]
    tokens = [one.arguments["clientToken"] for one in bench.aws.changes("run_task")]
    assert len(set(tokens)) == 3
    assert max(map(len, tokens)) <= 64
    assert len(bench.agents) == 12
    assert bench.agents[0].command == ("bench", "generator", "--once", "--control-namespace", "mine")
    left_clean(bench)


def test_generators_count_where_room_is_reckoned(bench: Bench) -> None:
    assert bench.run(flags={**SPREAD, "spread": "60"}, workers=3) == 2
    assert "3 workers find no room" in bench.said
    assert "61 generators" in bench.said
    unchanged(bench)


@pytest.mark.parametrize("at_s", [3, 95, 130, 160, 200, 260])
def test_an_interrupt_at_any_time_leaves_no_generators(bench: Bench, at_s: float) -> None:
    bench.clock.interrupt_at(at_s)
    code = bench.run(flags=SPREAD, workers=2)
    assert code == 4 or (code == 0 and bench.clock.elapsed_s < at_s + 1), bench.said
    left_clean(bench)
    assert all(one.status == "STOPPED" for one in bench.aws.world.standalone)


@pytest.mark.parametrize("at_s", [340, 400])
def test_a_second_interrupt_names_the_generators_that_wait_on(bench: Bench, at_s: float) -> None:
    bench.lasts_s = 600.0
    bench.clock.interrupt_at(at_s)
    bench.clock.interrupt_at(at_s + 1)
    assert bench.run(flags=SPREAD, workers=2) == 4
    assert len(bench.agents) == 3
    assert "up to 3 tasks that generate wait or run, and cost money" in bench.said
    cluster, started_by = bench.aws.world.names.cluster, bench.aws.changes("run_task")[0].arguments["startedBy"]
    assert f"aws ecs list-tasks --cluster {cluster} --started-by {started_by}" in bench.said


def test_generators_that_are_never_taken_are_told_by_what_aws_said(bench: Bench) -> None:
    bench.aws.faults.throttle("ecs:RunTask", times=None)
    assert bench.run(flags=SPREAD, workers=2) == 3
    assert "0 of 3 generators run after 15 m" in bench.said
    assert "ecs:RunTask failed: ThrottlingException" in bench.said
    assert "tasks that generate wait" not in bench.said
    left_clean(bench)


def test_a_generator_that_ends_before_the_run_ends_it(bench: Bench) -> None:
    bench.agents_last_s = 4.0
    assert bench.run(flags=SPREAD, workers=2) == 3
    assert "has ended before the run began" in bench.said
    assert bench.runs == []
    left_clean(bench)


def test_lost_answers_and_lists_that_lag_start_no_further_generators(bench: Bench) -> None:
    bench.aws.world.lag_s = 15.0
    bench.aws.faults.fail("ecs:RunTask", "ServerException", "lost", after_change=True)
    assert bench.run(flags=SPREAD, workers=2) == 0, bench.said
    assert len(bench.agents) == 3
    assert len(bench.runs) == 1
    bench.clock.advance(60)
    left_clean(bench)


def test_detached_generators_would_be_forgotten(bench: Bench) -> None:
    assert bench.run(flags=SPREAD, detach=True) == 2
    assert "expected --spread or --detach, not both" in bench.said
    unchanged(bench)


def test_a_dry_run_prints_the_generators_too(bench: Bench) -> None:
    assert bench.run(flags=SPREAD, dry_run=True) == 0
    unchanged(bench)
    assert bench.printed.count("ecs run-task") == 2
    assert "--once" in bench.printed
