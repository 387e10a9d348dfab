"""The double's tasks live as ECS's do: their states, their health, their logs, those that run once.

API: Amazon ECS API Reference. Guide: Amazon ECS Developer Guide. Both read in November 2026.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from auroral.aws_account import AwsError, listed
from auroral.aws_calls import Kind
from auroral.ecs.fleet import ADDRESS_LINE, WARMUP_LINE
from auroral.ecs.seen import task_seen
from tests.support.fake_ecs import Behaviour, FakeAws, Outcome, Run
from tests.support.fake_ecs.example import contract_fleet, service, small

LIFE = ["PROVISIONING", "PENDING", "ACTIVATING", "RUNNING", "DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED"]
"""Guide, "Amazon ECS task lifecycle"."""


def task(aws: FakeAws, arn: str) -> dict[str, Any]:
    (found,) = aws.call("ecs", "describe_tasks", cluster="dev", tasks=[arn])["tasks"]
    return dict(found)


def arns(aws: FakeAws, **filters: Any) -> list[str]:
    return list(listed(aws, "ecs", "list_tasks", "taskArns", cluster="dev", **filters))


def update(aws: FakeAws, **arguments: Any) -> None:
    aws.call("ecs", "update_service", cluster="dev", service="dev-history", **arguments)


def run(aws: FakeAws, family: str = "dev-schema", **arguments: Any) -> dict[str, Any]:
    vpc = {"subnets": ["subnet-1"], "securityGroups": ["sg-1"], "assignPublicIp": "DISABLED"}
    request = {"taskDefinition": family, "networkConfiguration": {"awsvpcConfiguration": vpc}, **arguments}
    return dict(aws.call("ecs", "run_task", cluster="dev", **request))


@pytest.fixture
def aws() -> FakeAws:
    """The contract's deployment."""
    return FakeAws.from_fleet(contract_fleet())


def test_a_task_goes_through_its_states_in_order() -> None:
    """Guide, "task lifecycle"; API, Task: startedAt, stoppingAt, stoppedAt, desiredStatus."""
    aws = small(service(planned=1))
    update(aws, desiredCount=1)
    aws.clock.advance(0.5)
    (arn,) = arns(aws)
    seen = [task(aws, arn)]
    for second in range(90):
        if second == 45:
            aws.call("ecs", "stop_task", cluster="dev", task=arn, reason="because")
        aws.clock.advance(1)
        seen.append(task(aws, arn))
    states = [one["lastStatus"] for one in seen]
    assert list(dict.fromkeys(states)) == LIFE
    last = seen[-1]
    assert last["createdAt"] < last["pullStartedAt"] < last["pullStoppedAt"] < last["startedAt"]
    assert last["startedAt"] < last["stoppingAt"] < last["executionStoppedAt"] < last["stoppedAt"]
    assert (last["stopCode"], last["stoppedReason"], last["desiredStatus"]) == ("UserInitiated", "because", "STOPPED")
    assert last["containers"][0]["exitCode"] == 0
    assert [one["version"] for one in seen] == sorted(one["version"] for one in seen)
    assert arn in arns(aws, desiredStatus="STOPPED")
    assert arn not in arns(aws)


def test_a_task_has_its_own_address_and_a_runtime() -> None:
    """API, Attachment and Container: an ElasticNetworkInterface with privateIPv4Address; runtimeId once it runs."""
    aws = small()
    aws.settle()
    found = [task(aws, arn) for arn in arns(aws, serviceName="dev-history")]
    addresses = [task_seen("history", one).address for one in found]
    assert len(set(addresses)) == 4
    for one in found:
        (attachment,) = one["attachments"]
        assert (attachment["type"], attachment["status"]) == ("ElasticNetworkInterface", "ATTACHED")
        seen = task_seen("history", one)
        assert set(seen.runtime_ids) == {"history"}
        assert re.fullmatch(r"[0-9a-f]{32}-\d{10}", seen.runtime_ids["history"])
        assert (one["group"], one["startedBy"]) == ("service:dev-history", aws.service("history").primary.id)
        assert (one["capacityProviderName"], one["launchType"]) == ("dev-main", "EC2")


def test_health_is_unknown_until_the_first_check_passed() -> None:
    """API, HealthCheck.startPeriod, HealthStatus."""
    aws = small(service(planned=1, start_period_s=60))
    aws.behaviour("history", Behaviour(healthy_after_s=25))
    update(aws, desiredCount=1)
    aws.clock.until(lambda: aws.service("history").tasks != [] and aws.service("history").tasks[0].ran, within_s=60)
    (arn,) = arns(aws)
    assert task(aws, arn)["healthStatus"] == "UNKNOWN"
    aws.clock.advance(24)
    assert task(aws, arn)["healthStatus"] == "UNKNOWN"
    aws.clock.advance(2)
    assert task(aws, arn)["healthStatus"] == "HEALTHY"


def test_who_never_passes_is_unhealthy_after_the_start_period_and_the_retries() -> None:
    """API, HealthCheck: failures within startPeriod do not count; `retries` failures in a row make it UNHEALTHY."""
    aws = small(service(planned=1, start_period_s=60))
    aws.behaviour("history", Behaviour(never_healthy=True))
    update(aws, desiredCount=1)
    aws.clock.until(lambda: any(one.health == "UNHEALTHY" for one in aws.service("history").tasks), within_s=300)
    first = aws.service("history").tasks[0]
    assert first.started_s is not None
    assert 90 <= aws.clock.elapsed_s - first.started_s <= 92


def test_without_a_check_a_task_counts_after_forty_seconds_and_its_health_stays_unknown() -> None:
    """API, DeploymentConfiguration.minimumHealthyPercent; Container.healthStatus."""
    aws = small(service(planned=1, start_period_s=0))
    update(aws, desiredCount=1)
    aws.clock.until(lambda: aws.service("history").steady, within_s=120)
    (one,) = aws.service("history").tasks
    assert one.started_s is not None
    assert 40 <= aws.clock.elapsed_s - one.started_s <= 46
    assert task(aws, one.arn)["healthStatus"] == "UNKNOWN"


def test_a_container_that_ends_tells_its_exit_code_and_reason() -> None:
    """Guide, "stopped tasks error codes": EssentialContainerExited; the container's own reason."""
    aws = small(service(planned=1))
    out = "OutOfMemoryError: Container killed due to memory usage"
    aws.behaviour("history", Behaviour(crash_after_s=4, exit_code=137, reason=out))
    update(aws, desiredCount=1)
    aws.clock.advance(40)
    found = task(aws, arns(aws, desiredStatus="STOPPED")[0])
    assert (found["stopCode"], found["stoppedReason"]) == (
        "EssentialContainerExited",
        "Essential container in task exited",
    )
    assert (found["containers"][0]["exitCode"], found["containers"][0]["reason"]) == (137, out)
    seen = task_seen("history", found)
    assert seen.exit_codes == {"history": 137}
    assert seen.reason == f"Essential container in task exited: {out}"


def test_an_image_that_is_not_there_ends_a_task_before_it_runs() -> None:
    """Guide, "stopped tasks error codes": TaskFailedToStart, CannotPullContainerError; no exit code."""
    aws = small(service(planned=1))
    words = "CannotPullContainerError: The task cannot pull registry/history:2: not found"
    aws.behaviour("history", Behaviour(pull_error=words))
    update(aws, desiredCount=1)
    aws.clock.advance(30)
    found = task(aws, arns(aws, desiredStatus="STOPPED")[0])
    assert (found["stopCode"], found["stoppedReason"]) == ("TaskFailedToStart", words)
    assert "exitCode" not in found["containers"][0]
    assert "startedAt" not in found


def test_stopped_tasks_are_told_of_for_an_hour() -> None:
    """API, DescribeTasks: "stopped tasks appear in the returned results for at least one hour"."""
    aws = small(service(planned=1))
    aws.settle()
    (arn,) = arns(aws)
    aws.settle({"history": 0})
    aws.clock.advance(3_500)
    assert task(aws, arn)["lastStatus"] == "STOPPED"
    aws.clock.advance(200)
    answer = aws.call("ecs", "describe_tasks", cluster="dev", tasks=[arn])
    assert (answer["tasks"], answer["failures"]) == ([], [{"arn": arn, "reason": "MISSING"}])


def test_tasks_are_listed_by_page_and_by_filter(aws: FakeAws) -> None:
    """API, ListTasks: pages, filters; startedBy "must be the only filter"; PENDING gives nothing."""
    aws.settle()
    all_of_them = arns(aws)
    assert len(all_of_them) == 20
    first = aws.call("ecs", "list_tasks", cluster="dev", maxResults=7)
    assert (first["taskArns"], "nextToken" in first) == (all_of_them[:7], True)
    assert arns(aws, maxResults=7) == all_of_them
    assert len(arns(aws, serviceName="dev-history")) == len(arns(aws, family="dev-history")) == 4
    assert arns(aws, startedBy=aws.service("ui").primary.id) == [one.arn for one in aws.service("ui").tasks]
    assert arns(aws, desiredStatus="PENDING") == []
    for wrong in ({"startedBy": "x", "family": "dev-ui"}, {"maxResults": 101}):
        with pytest.raises(AwsError) as caught:
            arns(aws, **wrong)
        assert caught.value.failure.kind is Kind.INVALID
    with pytest.raises(AwsError) as missing:
        arns(aws, serviceName="dev-other")
    assert missing.value.failure.code == "ServiceNotFoundException"


def test_the_server_logs_its_address_and_its_warm_pool(aws: FakeAws) -> None:
    """server/internal/host/address.go, server/internal/pool/keeper.go; stream `<prefix>/<container>/<task id>`."""
    aws.settle({"history": 2, "ui": 1})
    streams = aws.call("logs", "describe_log_streams", logGroupName="/ecs/dev/history")["logStreams"]
    tasks = aws.service("history").tasks
    assert {one["logStreamName"] for one in streams} == {f"history/history/{one.id}" for one in tasks}
    for one in tasks:
        stream = f"history/history/{one.id}"
        answer = aws.call(
            "logs", "get_log_events", logGroupName="/ecs/dev/history", logStreamName=stream, startFromHead=True
        )
        lines = [json.loads(event["message"]) for event in answer["events"]]
        assert [line["msg"] for line in lines] == [ADDRESS_LINE, "Starting DSQL pool warmup", WARMUP_LINE]
        assert lines[0]["ip"] == one.address
        assert lines[2]["connections_created"] == 50
    assert aws.world.logs.lines("/ecs/dev/ui") == []


def test_lines_of_a_container_that_ended_are_lost() -> None:
    """A crash at five seconds writes what came before, only."""
    aws = small(service(planned=1))
    aws.behaviour("history", Behaviour(crash_after_s=5, lines=[(1, "one"), (5, "five"), (6, "six")]))
    update(aws, desiredCount=1)
    aws.clock.until(lambda: any(one.exit_code is not None for one in aws.service("history").tasks), within_s=60)
    assert aws.world.logs.lines("/ecs/dev/history") == ["one", "five"]


def test_a_pool_that_never_warms(aws: FakeAws) -> None:
    """The line that `up` waits for does not come."""
    aws.behaviour("history", Behaviour(warm_after_s=None))
    aws.settle({"history": 1})
    assert not any(WARMUP_LINE in line for line in aws.world.logs.lines("/ecs/dev/history"))


def test_a_program_runs_once(aws: FakeAws) -> None:
    """API, RunTask: overrides of command and environment, startedBy, group; the exit code is the container's."""
    runs: list[Run] = []
    ended: list[float] = []

    def program(seen: Run) -> Outcome:
        runs.append(seen)
        end = lambda: ended.append(aws.clock.elapsed_s)  # noqa: E731
        return Outcome(lines=[(1, "begins"), (30, "ends")], exit_code=3, at_end=end)

    aws.program("dev-schema", program)
    override = {"name": "schema", "command": ["status"], "environment": [{"name": "A", "value": "b"}]}
    answer = run(
        aws,
        overrides={"containerOverrides": [override]},
        startedBy="auroral",
        capacityProviderStrategy=[{"capacityProvider": "dev-main", "weight": 1}],
    )
    (begun,) = answer["tasks"]
    assert (begun["lastStatus"], begun["startedBy"], begun["group"]) == ("PROVISIONING", "auroral", "family:dev-schema")
    assert (runs[0].command, runs[0].environment) == (("status",), {"A": "b"})
    aws.clock.until(lambda: task(aws, begun["taskArn"])["lastStatus"] == "STOPPED", within_s=120)
    found = task(aws, begun["taskArn"])
    assert found["containers"][0]["exitCode"] == 3
    assert found["stopCode"] == "EssentialContainerExited"
    assert aws.world.logs.lines("/ecs/dev/schema") == ["begins", "ends"]
    assert len(ended) == 1
    assert arns(aws, startedBy="auroral", desiredStatus="STOPPED") == [begun["taskArn"]]


def test_a_program_that_is_stopped_ends_by_the_signal(aws: FakeAws) -> None:
    """Guide: StopTask sends SIGTERM; 128 + 15."""
    ended: list[int] = []
    aws.program("dev-schema", lambda _: Outcome(lines=[(600, "late")], at_end=lambda: ended.append(1)))
    (begun,) = run(aws)["tasks"]
    aws.clock.advance(60)
    aws.call("ecs", "stop_task", cluster="dev", task=begun["taskArn"])
    aws.clock.advance(900)
    found = task(aws, begun["taskArn"])
    assert (found["containers"][0]["exitCode"], found["stopCode"]) == (143, "UserInitiated")
    assert aws.world.logs.lines("/ecs/dev/schema") == []
    assert ended == []


def test_a_request_that_is_sent_twice_starts_one_task(aws: FakeAws) -> None:
    """API, RunTask.clientToken and ConflictException."""
    first, second = (run(aws, clientToken="t")["tasks"][0]["taskArn"] for _ in range(2))
    assert first == second
    assert len(arns(aws)) == 1
    with pytest.raises(AwsError) as caught:
        run(aws, clientToken="t", count=2)
    assert caught.value.failure.kind is Kind.CONFLICT


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"count": 11}, "count must be between 1 and 10"),
        ({"networkConfiguration": {}}, "Network Configuration must be provided"),
        ({"overrides": {"containerOverrides": [{"name": "other"}]}}, "container named other"),
        ({"capacityProviderStrategy": [{"capacityProvider": "dev-other"}]}, "capacity provider was not found"),
        ({"launchType": "EC2", "capacityProviderStrategy": [{"capacityProvider": "dev-main"}]}, "both a launch type"),
    ],
)
def test_a_wrong_run_is_refused(aws: FakeAws, wrong: dict[str, Any], words: str) -> None:
    """API, RunTask."""
    with pytest.raises(AwsError, match=words) as caught:
        run(aws, **wrong)
    assert caught.value.failure.kind is Kind.INVALID


def test_exec_reaches_a_running_task_only() -> None:
    """API, ExecuteCommand: TargetNotConnectedException; InvalidParameterException where it is not enabled."""
    aws = small(service(planned=1))
    update(aws, desiredCount=1)
    aws.clock.advance(2)
    (arn,) = arns(aws)
    ask = {"cluster": "dev", "task": arn, "command": "/bin/sh", "interactive": True}
    with pytest.raises(AwsError) as caught:
        aws.call("ecs", "execute_command", **ask)
    assert caught.value.failure.code == "TargetNotConnectedException"
    aws.clock.advance(60)
    session = aws.call("ecs", "execute_command", **ask)["session"]
    assert set(session) == {"sessionId", "streamUrl", "tokenValue"}
    (agent,) = task(aws, arn)["containers"][0]["managedAgents"]
    assert (agent["name"], agent["lastStatus"]) == ("ExecuteCommandAgent", "RUNNING")
    aws.service("history").tasks[0].exec_enabled = False
    with pytest.raises(AwsError, match="not enabled"):
        aws.call("ecs", "execute_command", **ask)


def test_answers_about_tasks_may_lag() -> None:
    """API, RunTask: "eventual consistency model": a result may not be visible to the calls that follow."""
    aws = FakeAws.from_fleet(contract_fleet())
    aws.world.lag_s = 5
    aws.clock.advance(10)
    (begun,) = run(aws)["tasks"]
    arn = begun["taskArn"]
    answer = aws.call("ecs", "describe_tasks", cluster="dev", tasks=[arn])
    assert answer["failures"] == [{"arn": arn, "reason": "MISSING"}]
    assert arns(aws) == []
    aws.clock.advance(4)
    assert arns(aws) == []
    aws.clock.advance(2)
    assert arns(aws) == [arn]
    assert task(aws, arn)["lastStatus"] == "PROVISIONING"
    assert aws.world.standalone[0].status == "PENDING"
