"""Run a task and follow it: through a stateful fake of what moto cannot act, and through moto's server for the rest."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from auroral.aws_account import AwsAccount, AwsError, DryRun
from auroral.aws_calls import Failure, Kind
from auroral.ecs.one_shot.request import LogStream, OneShot, ended
from auroral.ecs.one_shot.tasks import FIRST_POLL_S, LOG_END_S, LOG_TAIL_S, MOST_POLL_S, PLACED_S, UNKNOWN_S, Log, start
from auroral.errors import ExitCode, TargetError, UsageError
from tests.ecs.one_shot.test_request import CONTAINER, PLACE, TASK, at
from tests.support.moto_server import REGION, Moto, moto_server

ARN = "arn:aws:ecs:eu-west-1:123456789012:task/orders/abc"


def failure(kind: Kind, code: str = "Code", call: str = "x:Y") -> AwsError:
    return AwsError(Failure(kind=kind, code=code, words="words", call=call))


class Cluster:
    """An account whose task goes through its states as time passes; logs come late, as CloudWatch's do."""

    region = "eu-west-1"
    profile = None

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
        self.looks: list[float] = []
        self.broken: dict[str, list[tuple[float, float, AwsError]]] = {}
        """Operation → from when, until when, how it fails."""
        self.container: Mapping[str, Any] = CONTAINER

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def now(self) -> float:
        return self.now_s

    def call(self, service: str, operation: str, /, **arguments: Any) -> Mapping[str, Any]:
        for since_s, until_s, error in self.broken.get(operation, ()):
            if since_s <= self.now_s < until_s:
                raise error
        answer: Mapping[str, Any] = getattr(self, f"_{operation}")(**arguments)
        return answer

    def _describe_task_definition(self, **_: Any) -> Mapping[str, Any]:
        return {"taskDefinition": {"containerDefinitions": [self.container]}}

    def _run_task(self, **request: Any) -> Mapping[str, Any]:
        self.requests.append(request)
        return {"failures": self.failures} if self.failures else {"tasks": [{"taskArn": ARN}], "failures": []}

    def _describe_tasks(self, **_: Any) -> Mapping[str, Any]:
        self.looks.append(self.now_s)
        reached = [status for since_s, status in self.states if since_s <= self.now_s]
        if not reached:
            return {"tasks": [], "failures": [{"reason": "MISSING"}]}
        container = {"name": "schema"}
        if reached[-1] == "STOPPED" and self.exit_code is not None:
            done = {**container, "exitCode": self.exit_code}
            return {"tasks": [{"lastStatus": "STOPPED", "containers": [done]}]}
        return {"tasks": [{"lastStatus": reached[-1], "stoppedReason": "no route to ECR", "containers": [container]}]}

    def _stop_task(self, reason: str, **_: Any) -> Mapping[str, Any]:
        self.stopped = reason
        return {"task": {}}

    def _get_log_events(self, logStreamName: str, nextToken: str = "0", **_: Any) -> Mapping[str, Any]:
        assert logStreamName == "ecs/schema/abc"
        there = [line for since_s, line in self.written if since_s <= self.now_s]
        if not there:
            raise failure(Kind.MISSING, "ResourceNotFoundException")
        return {"events": [{"message": line} for line in there[int(nextToken) :]], "nextForwardToken": str(len(there))}

    def follow(self, *, timeout_s: float = 3600, task: OneShot = TASK) -> tuple[ExitCode, list[str], list[str]]:
        out: list[str] = []
        self.told: list[str] = []
        running = start(self, task)
        assert running is not None
        last = running.follow(out.append, self.told.append, timeout_s=timeout_s, sleep=self.sleep, now_s=self.now)
        return ended(last, "x"), out, self.told


def test_a_task_is_followed_to_its_end_and_to_its_last_line() -> None:
    cluster = Cluster(
        (0, "PROVISIONING"),
        (4, "RUNNING"),
        (20, "STOPPED"),
        lines=((6, "@1>one"), (10, "@1>two"), (20 + LOG_TAIL_S / 2, "@1>last"), (20 + LOG_TAIL_S / 2, "@.0")),
    )
    code, out, told = cluster.follow()
    assert (code, out) == (ExitCode.OK, ["one", "two", "last"])
    assert told == ["task abc: provisioning", "task abc: running", "task abc: stopped"]
    assert len(cluster.requests) == 1


def test_marked_lines_go_to_their_streams_until_the_last() -> None:
    late_s = 20 + LOG_END_S - 2 * FIRST_POLL_S
    cluster = Cluster(
        (0, "RUNNING"),
        (20, "STOPPED"),
        lines=((6, "@2>progress"), (8, "Traceback"), (20, "@1+{"), (late_s, "@1>}"), (late_s, "@1>"), (late_s, "@.0")),
    )
    code, out, told = cluster.follow()
    assert (code, out) == (ExitCode.OK, ["{}", ""])
    assert told == ["task abc: running", "progress", "Traceback", "task abc: stopped"]
    assert cluster.now_s < 20 + LOG_END_S


def test_lines_that_are_missing_are_told() -> None:
    cut = Cluster((0, "STOPPED"), lines=((0, "@1>{"), (0, "@1+x")))
    code, out, told = cut.follow()
    assert (code, out) == (ExitCode.OK, ["{", "x"])
    assert told[-1] == "the end of its log did not come within 30 s: lines may be missing"
    assert cut.now_s >= LOG_END_S
    assert "older auroral" in Cluster((0, "STOPPED"), lines=((0, "{"),)).follow()[2][-1]
    killed = Cluster((0, "STOPPED"), exit_code=137, lines=((0, "@1>{"),))
    with pytest.raises(TargetError, match="signal 9"):
        killed.follow()
    assert killed.now_s <= LOG_TAIL_S + FIRST_POLL_S


def test_looks_become_rarer_while_nothing_moves() -> None:
    cluster = Cluster((0, "RUNNING"), (600, "STOPPED"), lines=((300, "@1>one"),))
    cluster.follow()
    waits = [later - earlier for earlier, later in zip(cluster.looks, cluster.looks[1:], strict=False)]
    assert waits[0] == FIRST_POLL_S
    assert max(waits) == pytest.approx(MOST_POLL_S)
    assert len(cluster.looks) < 100
    after_line = waits[next(n for n, at_s in enumerate(cluster.looks) if at_s >= 300)]
    assert after_line == pytest.approx(FIRST_POLL_S)


def test_its_status_is_ours() -> None:
    assert Cluster((0, "STOPPED"), exit_code=1).follow()[0] is ExitCode.FAILED
    with pytest.raises(TargetError, match="did not run: no route to ECR"):
        Cluster((0, "STOPPED"), exit_code=None).follow()


def test_a_task_that_ecs_does_not_know_yet_is_waited_for() -> None:
    assert Cluster((3 * FIRST_POLL_S, "RUNNING"), (30, "STOPPED")).follow()[0] is ExitCode.OK
    never = Cluster((1e9, "RUNNING"))
    with pytest.raises(TargetError, match="does not know task abc"):
        never.follow()
    assert never.now_s <= UNKNOWN_S + 2 * MOST_POLL_S


def test_a_task_without_room_is_told() -> None:
    cluster = Cluster((0, "PROVISIONING"), (200, "STOPPED"))
    placed = at(capacity_provider="dev-main", pool="main", group="dev-main", most_instances=7)
    _, _, told = cluster.follow(task=placed)
    (room,) = [line for line in told if "waits for room" in line]
    assert room.startswith("task abc: it waits for room in the pool main: its Auto Scaling group dev-main grows")
    quick = Cluster((0, "PROVISIONING"), (PLACED_S / 2, "RUNNING"), (60, "STOPPED"))
    assert not any("waits for room" in line for line in quick.follow(task=placed)[2])
    with pytest.raises(TargetError, match=r"still provisioning after 60 s \(it waits for room in the pool main"):
        Cluster((0, "PROVISIONING")).follow(task=placed, timeout_s=60)


def test_a_task_that_goes_on_for_too_long_is_left_and_told() -> None:
    cluster = Cluster((0, "RUNNING"))
    with pytest.raises(TargetError, match="still running after 60 s; it goes on") as caught:
        cluster.follow(timeout_s=60)
    assert f"ecs stop-task --cluster orders --task {ARN}" in caught.value.hint
    assert cluster.looks[-1] == 60


def test_what_cannot_be_placed_is_told() -> None:
    cluster = Cluster()
    cluster.failures = [{"reason": "RESOURCE:CPU"}]
    with pytest.raises(TargetError, match="RESOURCE:CPU"):
        cluster.follow()


@pytest.mark.parametrize("kind", [Kind.THROTTLED, Kind.UNREACHABLE])
@pytest.mark.parametrize("operation", ["describe_tasks", "get_log_events"])
def test_a_failure_that_passes_is_waited_out(kind: Kind, operation: str) -> None:
    cluster = Cluster((0, "RUNNING"), (60, "STOPPED"), lines=((2, "@1>one"), (50, "@1>two"), (60, "@.0")))
    cluster.broken[operation] = [(10, 40, failure(kind))]
    code, out, told = cluster.follow()
    assert (code, out) == (ExitCode.OK, ["one", "two"])
    assert told.count("x:Y failed: Code: words; asking again") == 1


@pytest.mark.parametrize("kind", [Kind.EXPIRED, Kind.DENIED])
@pytest.mark.parametrize("operation", ["describe_tasks", "get_log_events"])
def test_where_it_can_no_longer_be_followed_the_task_goes_on(kind: Kind, operation: str) -> None:
    cluster = Cluster((0, "RUNNING"), (60, "STOPPED"), lines=((2, "@1>one"),))
    cluster.broken[operation] = [(10, 1e9, failure(kind))]
    with pytest.raises(TargetError, match="x:Y failed: Code: words; task abc goes on") as caught:
        cluster.follow()
    assert "stop it: aws --region eu-west-1 ecs stop-task --cluster orders" in caught.value.hint
    if kind is Kind.EXPIRED:
        assert "renew the credentials" in caught.value.hint


def test_a_log_that_fails_after_the_end_tells_how_it_ended() -> None:
    cluster = Cluster((0, "RUNNING"), (8, "STOPPED"), exit_code=1, lines=((2, "@1>one"),))
    cluster.broken["get_log_events"] = [(8, 1e9, failure(Kind.DENIED))]
    with pytest.raises(TargetError, match="task abc has ended, with status 1") as caught:
        cluster.follow()
    assert "stop-task" not in caught.value.hint


def test_a_log_that_is_elsewhere_is_told() -> None:
    cluster = Cluster((0, "STOPPED"))
    cluster.container = {"name": "schema"}
    assert "no lines are shown" in cluster.follow()[2][0]


def test_a_dry_run_starts_nothing() -> None:
    cluster, said = Cluster(), list[str]()
    assert start(DryRun(cluster, said.append), TASK) is None
    assert cluster.requests == []
    (line,) = said
    assert line.startswith("aws --region eu-west-1 ecs run-task --cluster orders --task-definition orders-schema")


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    with moto_server(tmp_path_factory.mktemp("moto") / "log") as server:
        yield server


@pytest.fixture(scope="module")
def deployed(moto: Moto) -> OneShot:
    """A cluster, a task definition and a network at moto's."""
    ecs, ec2 = moto.client("ecs"), moto.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})  # moto's awsvpc tasks fail without
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="schema", Description="x", VpcId=vpc)["GroupId"]
    ecs.create_cluster(clusterName="orders")
    container = {**CONTAINER, "image": "benchmark:1", "cpu": 256, "memory": 512, "entryPoint": ["auroral-schema"]}
    ecs.register_task_definition(family="orders-schema", networkMode="awsvpc", containerDefinitions=[container])
    # moto places a task without an instance on Fargate only.
    return at(subnets=(subnet,), security_groups=(group,), capacity_provider="FARGATE")


@pytest.fixture
def account(moto: Moto, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AwsAccount:
    for name, value in {**moto.environ, "AWS_CONFIG_FILE": str(tmp_path / "none")}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    return AwsAccount(region=REGION)


@pytest.mark.whole
def test_through_aws_own_interface(moto: Moto, deployed: OneShot, account: AwsAccount) -> None:
    running = start(account, deployed)
    assert running is not None
    described = moto.client("ecs").describe_tasks(cluster="orders", tasks=[running.arn])["tasks"][0]
    assert described["startedBy"] == "auroral-schema"
    assert described["overrides"]["containerOverrides"][0]["command"] == list(deployed.command)
    running.stop()
    described = moto.client("ecs").describe_tasks(cluster="orders", tasks=[running.arn])["tasks"][0]
    assert described["lastStatus"] == "STOPPED"


def test_logs_are_read_from_where_they_were_left(moto: Moto, account: AwsAccount) -> None:
    logs = moto.client("logs")
    stream = LogStream(group="/orders/schema", stream="ecs/schema/abc", region=REGION)
    log = Log(account, stream)
    assert log.lines() == []
    logs.create_log_group(logGroupName=stream.group)
    assert log.lines() == []
    logs.create_log_stream(logGroupName=stream.group, logStreamName=stream.stream)

    def write(*lines: str) -> None:
        now_ms = int(time.time() * 1000)
        events = [{"timestamp": now_ms, "message": line} for line in lines]
        logs.put_log_events(logGroupName=stream.group, logStreamName=stream.stream, logEvents=events)

    write("one", "two")
    assert log.lines() == ["one", "two"]
    assert log.lines() == []
    write(*(f"line {number}" for number in range(50)))
    assert len(log.lines()) == 50


def test_a_log_of_another_region_is_read_there(moto: Moto, account: AwsAccount) -> None:
    assert Log(account, LogStream(group="/g", stream="s", region="eu-west-1")).lines() == []


def test_what_aws_refuses_is_told(deployed: OneShot, account: AwsAccount) -> None:
    with pytest.raises(TargetError, match="ecs:DescribeTaskDefinition failed: ClientException"):
        start(account, at(task_definition="nothing"))
    nowhere = msgspec.structs.replace(deployed.place, cluster="nothing")
    with pytest.raises(TargetError, match="ecs:RunTask failed: ClusterNotFoundException"):
        start(account, msgspec.structs.replace(deployed, place=nowhere))
    with pytest.raises(UsageError, match="expected the container other"):
        start(account, msgspec.structs.replace(deployed, place=msgspec.structs.replace(PLACE, container="other")))
