"""Run a task and follow it: through a stateful fake of what moto cannot act, and through moto's server for the rest."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest

from auroral.ecs.one_shot import LogStream, OneShot, ended
from auroral.ecs.tasks import LOG_TAIL_S, POLL_S, UNKNOWN_S, AwsEcs, start
from auroral.errors import ExitCode, TargetError, UsageError
from tests.ecs.test_one_shot import CONTAINER, TASK

ARN = "arn:aws:ecs:eu-west-1:123456789012:task/orders/abc"


class Cluster:
    """An ECS whose task goes through its states as time passes; logs come late, as CloudWatch's do."""

    def __init__(
        self, *states: tuple[float, str], exit_code: int | None = 0, lines: tuple[tuple[float, str], ...] = ()
    ) -> None:
        self.states = states
        self.exit_code = exit_code
        self.written = lines
        self.now_s = 0.0
        self.requests: list[Mapping[str, Any]] = []
        self.failures: list[dict[str, str]] = []
        self.stopped = ""

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def now(self) -> float:
        return self.now_s

    def definition(self, name: str) -> Mapping[str, Any]:
        return {"containerDefinitions": [CONTAINER]}

    def run(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        self.requests.append(request)
        return {"failures": self.failures} if self.failures else {"tasks": [{"taskArn": ARN}], "failures": []}

    def describe(self, cluster: str, arn: str) -> Mapping[str, Any] | None:
        reached = [status for since_s, status in self.states if since_s <= self.now_s]
        if not reached:
            return None
        container = {"name": "schema"}
        if reached[-1] == "STOPPED" and self.exit_code is not None:
            return {"lastStatus": "STOPPED", "containers": [{**container, "exitCode": self.exit_code}]}
        return {"lastStatus": reached[-1], "stoppedReason": "no route to ECR", "containers": [container]}

    def stop(self, cluster: str, arn: str, reason: str) -> None:
        self.stopped = reason

    def lines(self, stream: LogStream, token: str | None) -> tuple[list[str], str | None]:
        assert stream.stream == "ecs/schema/abc"
        there = [line for since_s, line in self.written if since_s <= self.now_s]
        seen = int(token or "0")
        return there[seen:], str(len(there))

    def follow(self, *, timeout_s: float = 3600) -> tuple[ExitCode, list[str], list[str]]:
        out: list[str] = []
        told: list[str] = []
        running = start(self, TASK, None)
        last = running.follow(out.append, told.append, timeout_s=timeout_s, sleep=self.sleep, now_s=self.now)
        return ended(last, "x"), out, told


def test_a_task_is_followed_to_its_end_and_to_its_last_line() -> None:
    cluster = Cluster(
        (0, "PROVISIONING"),
        (4, "RUNNING"),
        (20, "STOPPED"),
        lines=((6, "one"), (10, "two"), (20 + LOG_TAIL_S / 2, "last")),
    )
    code, out, told = cluster.follow()
    assert (code, out) == (ExitCode.OK, ["one", "two", "last"])
    assert told == ["task abc: provisioning", "task abc: running", "task abc: stopped"]
    assert len(cluster.requests) == 1


def test_its_status_is_ours() -> None:
    assert Cluster((0, "STOPPED"), exit_code=1).follow()[0] is ExitCode.FAILED
    with pytest.raises(TargetError, match="did not run: no route to ECR"):
        Cluster((0, "STOPPED"), exit_code=None).follow()


def test_a_task_that_ecs_does_not_know_yet_is_waited_for() -> None:
    assert Cluster((3 * POLL_S, "RUNNING"), (30, "STOPPED")).follow()[0] is ExitCode.OK
    never = Cluster((1e9, "RUNNING"))
    with pytest.raises(TargetError, match="does not know task abc"):
        never.follow()
    assert never.now_s <= UNKNOWN_S + 2 * POLL_S


def test_a_task_that_goes_on_for_too_long_is_left_and_told() -> None:
    with pytest.raises(TargetError, match="still running after 60 s; it goes on") as caught:
        Cluster((0, "RUNNING")).follow(timeout_s=60)
    assert f"aws ecs stop-task --cluster orders --task {ARN}" in caught.value.hint


def test_what_cannot_be_placed_is_told() -> None:
    cluster = Cluster()
    cluster.failures = [{"reason": "RESOURCE:CPU"}]
    with pytest.raises(TargetError, match="RESOURCE:CPU"):
        cluster.follow()


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """moto's server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).parent / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            url, deadline_s = f"http://127.0.0.1:{port}", time.monotonic() + 60
            while True:
                try:
                    with urllib.request.urlopen(f"{url}/moto-api/data.json", timeout=5):
                        break
                except (urllib.error.URLError, OSError):
                    assert time.monotonic() < deadline_s
                    time.sleep(0.1)
            yield url
        finally:
            process.terminate()


@pytest.fixture
def aws(moto: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> OneShot:
    """A cluster, a task definition and a network at moto's; AWS's libraries find them."""
    for name, value in {
        "AWS_ENDPOINT_URL": moto,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.delenv("AWS_REGION", raising=False)
    request = urllib.request.Request(f"{moto}/moto-api/reset", method="POST")
    with urllib.request.urlopen(request, timeout=10):
        pass
    ecs, ec2 = boto3.client("ecs"), boto3.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})  # moto's awsvpc tasks fail without
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="schema", Description="x", VpcId=vpc)["GroupId"]
    ecs.create_cluster(clusterName="orders")
    container = {**CONTAINER, "image": "benchmark:1", "cpu": 256, "memory": 512, "entryPoint": ["auroral-schema"]}
    ecs.register_task_definition(family="orders-schema", networkMode="awsvpc", containerDefinitions=[container])
    # moto places a task without an instance on Fargate only.
    return msgspec.structs.replace(TASK, subnets=(subnet,), security_groups=(group,), capacity_provider="FARGATE")


def test_through_aws_own_interface(aws: OneShot) -> None:
    client = AwsEcs(region="eu-west-1", profile=None)
    running = start(client, aws, None)
    described = boto3.client("ecs").describe_tasks(cluster="orders", tasks=[running.arn])["tasks"][0]
    assert described["startedBy"] == "auroral-schema"
    assert described["overrides"]["containerOverrides"][0]["command"] == list(aws.command)
    found = client.describe("orders", running.arn)
    assert found is not None
    assert client.describe("orders", running.arn.rsplit("/", 1)[0] + "/none") is None
    running.stop()
    stopped = client.describe("orders", running.arn)
    assert stopped is not None
    assert stopped["lastStatus"] == "STOPPED"


def test_logs_are_read_from_where_they_were_left(aws: OneShot) -> None:
    client, logs = AwsEcs(region="eu-west-1", profile=None), boto3.client("logs")
    stream = LogStream(group="/orders/schema", stream="ecs/schema/abc", region="eu-west-1")
    assert client.lines(stream, None) == ([], None)
    logs.create_log_group(logGroupName=stream.group)
    assert client.lines(stream, None) == ([], None)
    logs.create_log_stream(logGroupName=stream.group, logStreamName=stream.stream)

    def write(*lines: str) -> None:
        now_ms = int(time.time() * 1000)
        events = [{"timestamp": now_ms, "message": line} for line in lines]
        logs.put_log_events(logGroupName=stream.group, logStreamName=stream.stream, logEvents=events)

    write("one", "two")
    lines, token = client.lines(stream, None)
    assert lines == ["one", "two"]
    assert client.lines(stream, token)[0] == []
    write(*(f"line {number}" for number in range(50)))
    assert len(client.lines(stream, token)[0]) == 50


def test_what_aws_refuses_is_told(aws: OneShot, monkeypatch: pytest.MonkeyPatch) -> None:
    client = AwsEcs(region="eu-west-1", profile=None)
    with pytest.raises(TargetError, match="AWS refuses to read task definition nothing"):
        start(client, msgspec.structs.replace(aws, task_definition="nothing"), None)
    with pytest.raises(TargetError, match="AWS refuses to run the task: ClusterNotFoundException"):
        start(client, msgspec.structs.replace(aws, cluster="nothing"), None)
    with pytest.raises(UsageError, match="no AWS access"):
        AwsEcs(region="eu-west-1", profile="nobody")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(UsageError, match="no region of the ECS cluster"):
        AwsEcs(region=None, profile=None)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(UsageError, match="no AWS credentials"):
        start(AwsEcs(region="eu-west-1", profile=None), aws, None)


def test_nobody_there(aws: OneShot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(TargetError, match="cannot read task definition orders-schema"):
        start(AwsEcs(region="eu-west-1", profile=None), aws, None)
