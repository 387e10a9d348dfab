"""What is said of a deployment that is well, starts, fails, is rolled or has no room: in the double of ECS."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from auroral.ecs.fleet import ORDER
from auroral.ecs.health.judgement import judge
from auroral.ecs.health.verdict import Finding, Severity, Verdict
from auroral.ecs.operation import Operation, set_mark
from auroral.errors import ExitCode
from tests.support.fake_ecs import Behaviour, FakeAws
from tests.support.observed import deployed, judged, look


@pytest.fixture
def aws() -> FakeAws:
    return deployed()


def _update(aws: FakeAws, service: str, **arguments: Any) -> None:
    aws.call("ecs", "update_service", cluster="dev", service=f"dev-{service}", **arguments)


def _roll(aws: FakeAws, service: str, behaviour: Behaviour) -> None:
    made = aws.register(service)
    aws.behaviour(service, behaviour, revision=made.revision)
    _update(aws, service, taskDefinition=made.arn)


def _found(aws: FakeAws, subject: str, **how: Any) -> list[Finding]:
    return [one for one in judged(aws, **how).findings if one.subject == subject]


def _one(aws: FakeAws, subject: str, **how: Any) -> Finding:
    (found,) = _found(aws, subject, **how)
    return found


def test_all_is_well(aws: FakeAws) -> None:
    found = judged(aws)
    assert found.findings == ()
    assert found.verdict is Verdict.HEALTHY
    assert found.verdict.exit_code is ExitCode.OK


def test_a_cluster_at_0_is_not_started_and_no_fault() -> None:
    found = judged(deployed(settled=False))
    assert found.verdict is Verdict.NOT_STARTED
    assert found.verdict.exit_code is ExitCode.OK
    assert [(one.severity, one.command) for one in found.findings] == [(Severity.NOTE, "auroral cluster up")]


def test_a_service_at_0_while_others_run(aws: FakeAws) -> None:
    _update(aws, "matching", desiredCount=0)
    assert _one(aws, "matching").text == "3 tasks still run, none is wanted: they are stopping"
    aws.clock.advance(300)
    found = _one(aws, "matching")
    assert (found.severity, found.command) == (Severity.UNHEALTHY, "auroral cluster up")
    assert judged(aws).verdict.exit_code is ExitCode.FAILED


def test_a_service_that_is_gone(aws: FakeAws) -> None:
    del aws.world.services["dev-worker"]
    found = _one(aws, "worker", members=None)
    assert (found.text, found.command) == ("there is no service dev-worker", "auroral infra apply")


def test_a_service_that_is_being_deleted(aws: FakeAws) -> None:
    aws.service("ui").status = "DRAINING"
    assert "DRAINING" in _one(aws, "ui").text


def test_tasks_that_start_are_on_the_way_until_they_took_too_long(aws: FakeAws) -> None:
    aws.world.groups["dev-main"].maximum = 7
    _update(aws, "matching", desiredCount=4)
    aws.clock.advance(1)
    found = _one(aws, "matching")
    assert (found.severity, found.text) == (Severity.NOTE, "3 of 4 tasks run: 1 more is on the way")


def test_tasks_that_find_no_room_in_a_pool_that_is_full(aws: FakeAws) -> None:
    aws.world.groups["dev-main"].maximum = 6
    _update(aws, "history", desiredCount=40)
    aws.clock.advance(120)
    found = _one(aws, "history")
    assert found.severity is Severity.UNHEALTHY
    assert "no instance of the pool main has room, and it may have 6" in found.text


def test_ec2_has_no_instance_to_give(aws: FakeAws) -> None:
    aws.world.groups["dev-main"].shortage = True
    _update(aws, "history", desiredCount=40)
    aws.clock.advance(300)
    found = _one(aws, "pool main")
    assert found.severity is Severity.UNHEALTHY
    assert "InsufficientInstanceCapacity" in found.text
    assert found.command == "auroral doctor"


def test_instances_that_come(aws: FakeAws) -> None:
    aws.world.groups["dev-main"].desired = 7
    found = _one(aws, "pool main")
    assert (found.severity, found.text) == (
        Severity.NOTE,
        "6 of 7 instances of dev-main are in service: 1 more is on the way",
    )


def test_an_agent_that_does_not_answer(aws: FakeAws) -> None:
    aws.world.instances[0].connected = False
    found = _one(aws, "instances")
    assert found.severity is Severity.UNHEALTHY
    assert aws.world.instances[0].ec2_id in found.command


def test_a_crash_loop(aws: FakeAws) -> None:
    _roll(aws, "history", Behaviour(crash_after_s=30, exit_code=1))
    aws.clock.advance(400)
    found = _found(aws, "history")[0]
    assert found.text.startswith("crash loop: ")
    assert "exit 1" in found.text
    assert found.command == "auroral cluster logs history"


def test_a_crash_loop_of_the_ring_is_for_recover(aws: FakeAws) -> None:
    trouble = '{"level":"warn","msg":"unable to bootstrap ringpop. retrying","error":"join duration exceeded"}'
    aws.behaviour("history", Behaviour(crash_after_s=30, exit_code=1, lines=((25, trouble),)))
    _update(aws, "history", forceNewDeployment=True)
    aws.clock.advance(400)
    found = judged(aws)
    assert found.findings[0].command == "auroral cluster recover"
    assert found.evidence.of_ring
    assert any("cannot join the ring (history" in line for line in found.evidence.lines)


def test_one_task_that_died_is_worth_a_note(aws: FakeAws) -> None:
    aws.behaviour("history", Behaviour())
    task = aws.service("history").tasks[0]
    assert task.instance is not None
    aws.world.lose(task.instance)
    aws.clock.advance(200)
    found = judged(aws)
    assert found.verdict is Verdict.HEALTHY, found.findings


def test_a_task_that_fails_its_health_check(aws: FakeAws) -> None:
    snapshot = look(aws)
    sick = [msgspec.structs.replace(one, health="UNHEALTHY") for one in snapshot.cluster.tasks[:1]]
    cluster = msgspec.structs.replace(snapshot.cluster, tasks=(*sick, *snapshot.cluster.tasks[1:]))
    (found,) = judge(aws.fleet, msgspec.structs.replace(snapshot, cluster=cluster)).findings
    assert (found.severity, found.text) == (Severity.UNHEALTHY, "1 task found unhealthy by the health check")


def test_a_deployment_that_the_circuit_breaker_ends(aws: FakeAws) -> None:
    history = aws.service("history")
    _roll(aws, "history", Behaviour(crash_after_s=5))
    aws.clock.until(lambda: history.primary.failed > 0)
    assert "1 task of its deployment did not come up" in [one.text for one in _found(aws, "history")]
    aws.clock.until(lambda: history.primary.is_rollback)
    (failed,) = [one for one in _found(aws, "history") if "puts the last one back" in one.text]
    assert failed.severity is Severity.UNHEALTHY
    aws.clock.until(lambda: history.steady)
    (back,) = [one for one in _found(aws, "history") if "put the one before it back" in one.text]
    assert (back.severity, back.command) == (Severity.NOTE, "auroral cluster logs history")


def test_a_deployment_that_fails_and_is_not_put_back(aws: FakeAws) -> None:
    ui = aws.service("ui")
    ui.rollback = False
    _roll(aws, "ui", Behaviour(crash_after_s=5))
    aws.clock.until(lambda: ui.primary.rollout == "FAILED")
    (failed,) = [one for one in _found(aws, "ui") if "its deployment failed" in one.text]
    assert (failed.severity, failed.command) == (Severity.UNHEALTHY, "auroral cluster roll ui")


def test_a_revision_that_waits_to_be_rolled(aws: FakeAws) -> None:
    aws.register("history")
    aws.register("frontend")
    found = _one(aws, "services")
    assert found.severity is Severity.NOTE
    assert "frontend (1 → 2)" in found.text
    assert "history (1 → 2)" in found.text
    assert found.command == "auroral cluster roll"


@pytest.mark.parametrize(
    ("state", "age_s", "says", "command"),
    [
        ("begun", 60, "began 60 s ago and is under way", ""),
        ("begun", 7_200, "did not end: is its terminal gone?", "auroral cluster up --take-over"),
        ("interrupted", 300, "was interrupted 5 m ago, half way", "auroral cluster up"),
        ("failed", 300, "failed 5 m ago, half way", "auroral cluster up"),
    ],
)
def test_the_mark_of_an_operation(aws: FakeAws, state: str, age_s: float, says: str, command: str) -> None:
    _mark(aws, Operation(name="up", state=state, at=aws.clock.utc() - timedelta(seconds=age_s)))
    found = _one(aws, "operation")
    assert says in found.text
    assert found.command == command


def _mark(aws: FakeAws, operation: Operation) -> None:
    call = set_mark(aws.world.names.cluster_arn, operation)
    aws.call(call.service, call.operation, **call.arguments)


def test_a_scale_goes_on_with_its_counts(aws: FakeAws) -> None:
    facts = {"by": "jane.doe", "history": "3", "frontend": "2"}
    _mark(aws, Operation(name="scale", state="failed", at=aws.clock.utc(), facts=facts))
    assert _one(aws, "operation").command == "auroral cluster scale history=3 frontend=2"
    _mark(aws, Operation(name="scale", state="begun", at=aws.clock.utc() - timedelta(hours=2), facts=facts))
    assert _one(aws, "operation").command == "auroral cluster scale history=3 frontend=2 --take-over"


@pytest.mark.parametrize("age_s", [60, 7_200])
def test_workers_without_a_benchmark_name_what_stops_them(aws: FakeAws, age_s: float) -> None:
    """What `auroral bench remote workers` leaves, whether they came or it gave up on them."""
    at = aws.clock.utc() - timedelta(seconds=age_s)
    _mark(aws, Operation(name="bench", state="begun", at=at, facts={"phase": "kept", "workers": "4"}))
    found = _one(aws, "operation")
    assert found.severity is Severity.NOTE
    assert found.text.startswith("4 benchmark workers were asked for ")
    assert found.command == "auroral bench remote workers 0"
    _update(aws, "worker", desiredCount=0)
    aws.clock.advance(300)
    assert _one(aws, "worker").severity is Severity.UNHEALTHY


def test_a_benchmark_that_did_not_end_is_run_again(aws: FakeAws) -> None:
    facts = {"run": "r1", "workers": "4", "phase": "run"}
    _mark(aws, Operation(name="bench", state="begun", at=aws.clock.utc() - timedelta(hours=2), facts=facts))
    assert _one(aws, "operation").command == "auroral bench remote run"


@pytest.mark.parametrize(("state", "age_s"), [("begun", 7200), ("interrupted", 300)])
def test_a_benchmark_that_left_workers_names_what_stops_them(aws: FakeAws, state: str, age_s: float) -> None:
    _update(aws, "benchmark-worker", desiredCount=2)
    aws.clock.advance(600)
    at = aws.clock.utc() - timedelta(seconds=age_s)
    _mark(aws, Operation(name="bench", state=state, at=at, facts={"run": "r1", "workers": "2", "phase": "run"}))
    assert _one(aws, "operation").command == "auroral bench remote workers 0"


def test_a_long_benchmark_whose_generator_runs_is_under_way(aws: FakeAws) -> None:
    at = aws.clock.utc() - timedelta(hours=5)
    _mark(aws, Operation(name="bench", state="begun", at=at, facts={"run": "r1", "workers": "0", "phase": "run"}))
    seen = look(aws)
    ours = msgspec.structs.replace(seen.cluster.tasks[0], service="", started_by="auroral-bench-1")
    ran = msgspec.structs.replace(
        seen, cluster=msgspec.structs.replace(seen.cluster, tasks=(*seen.cluster.tasks, ours))
    )
    found = {one.subject: one.text for one in judge(aws.fleet, ran).findings}
    assert found["operation"] == "`auroral bench remote run` began 5 h ago and is under way"


def test_a_crash_loop_that_a_rollback_ended_is_worth_a_note(aws: FakeAws) -> None:
    history = aws.service("history")
    _roll(aws, "history", Behaviour(crash_after_s=5, exit_code=2))
    aws.clock.until(lambda: history.primary.is_rollback)
    aws.clock.until(lambda: history.steady)
    assert judged(aws).verdict is Verdict.UNHEALTHY
    aws.clock.advance(181)
    (found,) = [one for one in _found(aws, "history") if "crash loop" in one.text]
    assert found.severity is Severity.NOTE
    assert found.text.startswith("a crash loop of another revision is over, it is steady with revision 1: 3 tasks")
    assert judged(aws).verdict is Verdict.HEALTHY


def test_while_up_is_under_way_services_at_0_are_no_fault(aws: FakeAws) -> None:
    _update(aws, "worker", desiredCount=0)
    aws.clock.advance(300)
    _mark(aws, Operation(name="up", state="begun", at=aws.clock.utc()))
    assert judged(aws).verdict is Verdict.HEALTHY
    _mark(aws, Operation(name="up", state="interrupted", at=aws.clock.utc()))
    assert judged(aws).verdict is Verdict.UNHEALTHY


def test_a_down_that_is_done_is_not_started(aws: FakeAws) -> None:
    for key in ORDER:
        _update(aws, key, desiredCount=0)
    aws.clock.advance(600)
    assert judged(aws).verdict is Verdict.NOT_STARTED


def test_what_is_not_known_is_no_fault(aws: FakeAws) -> None:
    found = judged(aws, with_stores=False, members=None)
    assert (found.findings, found.verdict) == ((), Verdict.HEALTHY)
