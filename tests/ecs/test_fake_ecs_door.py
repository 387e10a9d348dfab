"""The double's door: what it refuses, what goes wrong at it, the logs, alarms and metrics behind it, its clock."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from auroral.aws_account import AwsError, listed
from auroral.aws_calls import Call, Kind
from auroral.deployment import parse_outputs
from auroral.ecs.drive import HaltedError, drive
from auroral.ecs.fleet import of_contract
from auroral.ecs.machine import Act, Await, Decision, Finished, after
from auroral.ecs.observe import Observer
from auroral.ecs.seen import ClusterSeen
from auroral.ecs.waiter import Patience
from tests.support.fake_ecs import FakeAws, FakeClock, Refused, outputs
from tests.support.fake_ecs.clock import START
from tests.support.fake_ecs.door import CALLS_OF_A_MOMENT
from tests.support.fake_ecs.example import contract_fleet, contract_value, service, small

GROUP = "/ecs/dev/history"


@pytest.fixture
def aws() -> FakeAws:
    """One service."""
    return small()


def describe(aws: FakeAws) -> Any:
    return aws.call("ecs", "describe_services", cluster="dev", services=["dev-history"])


def test_what_boto3_would_refuse_is_refused(aws: FakeAws) -> None:
    """botocore's own validation of the arguments, by its model of the API."""
    for arguments, words in (
        ({"cluster": "dev", "service": "dev-history", "desired": 1}, 'Unknown parameter in input: "desired"'),
        ({"cluster": "dev"}, 'Missing required parameter in input: "service"'),
        ({"cluster": "dev", "service": "dev-history", "desiredCount": "1"}, "Invalid type for parameter desiredCount"),
    ):
        with pytest.raises(AwsError, match=words) as caught:
            aws.call("ecs", "update_service", **arguments)
        assert (caught.value.failure.kind, caught.value.failure.call) == (Kind.INVALID, "ecs:UpdateService")
    assert aws.changes() == []


def test_what_the_double_does_not_know_fails_the_test(aws: FakeAws) -> None:
    """Silence would prove nothing."""
    with pytest.raises(AssertionError, match=r"knows no ecs.create_cluster"):
        aws.call("ecs", "create_cluster", clusterName="x")
    with pytest.raises(AssertionError, match=r"knows no s3.list_buckets"):
        aws.call("s3", "list_buckets")
    with pytest.raises(AssertionError, match=r"argument of ecs.update_service.*platformVersion"):
        aws.call("ecs", "update_service", cluster="dev", service="dev-history", platformVersion="1.4.0")


def test_calls_of_other_apis_can_be_added(aws: FakeAws) -> None:
    """Requests and answers are held to botocore's model all the same."""

    def identity() -> dict[str, Any]:
        return {"Account": "123456789012", "Arn": "arn:aws:sts::123456789012:assumed-role/operator/me", "UserId": "me"}

    def missing(**_: Any) -> dict[str, Any]:
        raise Refused("NoSuchKey", "The specified key does not exist.")

    aws.add("sts", "get_caller_identity", identity)
    aws.add("s3", "get_object", missing)
    assert aws.call("sts", "get_caller_identity")["Account"] == "123456789012"
    with pytest.raises(AwsError) as caught:
        aws.call("s3", "get_object", Bucket="b", Key="k")
    assert caught.value.failure.kind is Kind.MISSING
    aws.add("sts", "get_caller_identity", lambda: {"account": "1"})
    with pytest.raises(AssertionError, match="never answers so"):
        aws.call("sts", "get_caller_identity")


def test_every_call_is_kept_in_order_with_its_time(aws: FakeAws) -> None:
    """Arguments are copies: what the caller changes later is not changed here."""
    names = ["dev-history"]
    aws.call("ecs", "describe_services", cluster="dev", services=names)
    names.append("x")
    aws.clock.advance(3)
    aws.call("ecs", "update_service", cluster="dev", service="dev-history", desiredCount=2)
    with pytest.raises(AwsError):
        aws.call("ecs", "update_service", cluster="dev", service="none", desiredCount=2)
    assert [(one.at_s, one.name, one.failed) for one in aws.calls] == [
        (0.0, "ecs:DescribeServices", ""),
        (3.0, "ecs:UpdateService", ""),
        (3.0, "ecs:UpdateService", "ServiceNotFoundException"),
    ]
    assert aws.calls[0].arguments["services"] == ["dev-history"]
    assert [one.arguments["desiredCount"] for one in aws.changes("update_service")] == [2]


def test_an_answer_is_a_picture_of_its_moment(aws: FakeAws) -> None:
    """What happens later does not change it."""
    found = describe(aws)["services"][0]
    aws.settle()
    assert (found["runningCount"], len(found["events"])) == (0, 1)


def test_throttling_strikes_as_often_as_it_was_told(aws: FakeAws) -> None:
    """botocore's ThrottlingException, after its own attempts."""
    aws.faults.throttle("ecs:DescribeServices", times=2)
    aws.call("ecs", "list_tasks", cluster="dev")
    for _ in range(2):
        with pytest.raises(AwsError) as caught:
            describe(aws)
        assert (caught.value.failure.kind, caught.value.failure.passes) == (Kind.THROTTLED, True)
    describe(aws)


def test_a_token_expires_at_its_time_and_is_renewed(aws: FakeAws) -> None:
    """ExpiredTokenException, for every API."""
    aws.faults.expire(from_s=10)
    describe(aws)
    aws.clock.advance(10)
    for service_name, operation, arguments in (
        ("ecs", "list_tasks", {"cluster": "dev"}),
        ("logs", "describe_log_groups", {}),
    ):
        with pytest.raises(AwsError) as caught:
            aws.call(service_name, operation, **arguments)
        assert caught.value.failure.kind is Kind.EXPIRED
    aws.faults.clear()
    describe(aws)


def test_denials_networks_and_conflicts(aws: FakeAws) -> None:
    """Each has its kind."""
    aws.faults.deny("ecs:UpdateService")
    describe(aws)
    with pytest.raises(AwsError, match="not authorized to perform: ecs:UpdateService") as denied:
        aws.call("ecs", "update_service", cluster="dev", service="dev-history", desiredCount=2)
    assert denied.value.failure.kind is Kind.DENIED
    assert aws.service("history").desired == 0
    aws.faults.clear()
    aws.faults.break_network(from_s=5, until_s=7)
    aws.clock.advance(5)
    with pytest.raises(AwsError) as broken:
        describe(aws)
    assert broken.value.failure.kind is Kind.UNREACHABLE
    aws.clock.advance(2)
    aws.faults.fail("ecs:UpdateService", "UpdateInProgressException", "There's already an update in progress")
    with pytest.raises(AwsError) as conflict:
        aws.call("ecs", "update_service", cluster="dev", service="dev-history", desiredCount=2)
    assert conflict.value.failure.kind is Kind.CONFLICT


def test_an_answer_may_be_lost_after_the_change_was_made(aws: FakeAws) -> None:
    """A timeout does not say whether the request was carried out."""
    words = "Read timeout on endpoint URL"
    aws.faults.fail("ecs:*", "ReadTimeoutError", words, kind=Kind.UNREACHABLE, after_change=True)
    with pytest.raises(AwsError):
        aws.call("ecs", "update_service", cluster="dev", service="dev-history", desiredCount=3)
    assert aws.service("history").desired == 3


def test_a_loop_that_never_sleeps_is_told(aws: FakeAws) -> None:
    """It would hang the test."""
    for _ in range(CALLS_OF_A_MOMENT):
        aws.call("ecs", "list_clusters")
    with pytest.raises(AssertionError, match="no time passed"):
        aws.call("ecs", "list_clusters")
    aws.clock.advance(1)
    aws.call("ecs", "list_clusters")


def test_log_events_are_filtered_by_time_stream_and_terms(aws: FakeAws) -> None:
    """CloudWatch Logs API Reference, FilterLogEvents: both ends included; User Guide, filter patterns of terms."""
    logs = aws.world.logs
    for second, (stream, text) in enumerate((("a/a/1", "pool warm"), ("a/a/2", "pool cold"), ("b/b/1", "Pool warm"))):
        logs.write(GROUP, stream, text, START + timedelta(seconds=second))
    begin = round(START.timestamp() * 1000)

    def found(**arguments: Any) -> list[str]:
        events = listed(aws, "logs", "filter_log_events", "events", logGroupName=GROUP, **arguments)
        return [one["message"] for one in events]

    assert found() == [], "not ingested yet"
    aws.clock.advance(10)
    assert found() == ["pool warm", "pool cold", "Pool warm"]
    assert found(startTime=begin + 1_000, endTime=begin + 1_000) == ["pool cold"]
    assert found(logStreamNamePrefix="a/") == ["pool warm", "pool cold"]
    assert found(logStreamNames=["b/b/1"]) == ["Pool warm"]
    assert found(filterPattern='"pool warm"') == ["pool warm"]
    assert found(filterPattern="pool -cold") == ["pool warm"]
    assert found(filterPattern="?cold ?Pool") == ["pool cold", "Pool warm"]
    assert found(limit=1) == found()
    logs.empty_pages = 2
    assert found() == ["pool warm", "pool cold", "Pool warm"]
    assert aws.call("logs", "filter_log_events", logGroupName=GROUP)["events"] == []
    with pytest.raises(AwsError) as caught:
        found(logStreamNames=["x"], logStreamNamePrefix="x")
    assert caught.value.failure.kind is Kind.INVALID
    with pytest.raises(AssertionError, match="patterns of terms"):
        found(filterPattern='{ $.level = "error" }')
    logs.remove_group(GROUP)
    with pytest.raises(AwsError, match="log group does not exist") as gone:
        found()
    assert gone.value.failure.kind is Kind.MISSING


def test_a_stream_is_read_forward_until_its_token_stays(aws: FakeAws) -> None:
    """CloudWatch Logs API Reference, GetLogEvents: at the end it gives the token back; endTime is excluded."""
    with pytest.raises(AwsError, match="log stream does not exist"):
        aws.call("logs", "get_log_events", logGroupName=GROUP, logStreamName="s")
    for second in range(5):
        aws.world.logs.write(GROUP, "s", str(second), START + timedelta(seconds=second))
    aws.clock.advance(10)

    def read(**arguments: Any) -> tuple[list[str], str]:
        answer = aws.call("logs", "get_log_events", logGroupName=GROUP, logStreamName="s", **arguments)
        return [one["message"] for one in answer["events"]], answer["nextForwardToken"]

    lines, token = read(startFromHead=True, limit=3)
    assert lines == ["0", "1", "2"]
    lines, token = read(nextToken=token)
    assert lines == ["3", "4"]
    assert read(nextToken=token) == ([], token)
    aws.world.logs.write(GROUP, "s", "5")
    aws.clock.advance(5)
    assert read(nextToken=token)[0] == ["5"]
    assert read(limit=2)[0] == ["4", "5"], "the newest, without startFromHead"
    begin = round(START.timestamp() * 1000)
    assert read(startTime=begin + 1_000, endTime=begin + 3_000)[0] == ["1", "2"]


def test_groups_and_streams_are_listed(aws: FakeAws) -> None:
    """CloudWatch Logs API Reference, DescribeLogGroups, DescribeLogStreams."""
    aws.world.logs.add_group("/ecs/dev/ui")
    groups = aws.call("logs", "describe_log_groups", logGroupNamePrefix="/ecs/dev")["logGroups"]
    assert [one["logGroupName"] for one in groups] == [GROUP, "/ecs/dev/ui"]
    for name in ("b", "a"):
        aws.world.logs.write(GROUP, name, "x", aws.clock.utc())
        aws.clock.advance(5)

    def streams(**arguments: Any) -> list[str]:
        found = listed(aws, "logs", "describe_log_streams", "logStreams", logGroupName=GROUP, **arguments)
        return [one["logStreamName"] for one in found]

    assert (streams(), streams(limit=1), streams(logStreamNamePrefix="b")) == (["a", "b"], ["a", "b"], ["b"])
    assert streams(orderBy="LastEventTime", descending=True) == ["a", "b"]


def test_alarms_metrics_and_targets_are_as_they_were_set(aws: FakeAws) -> None:
    """CloudWatch and Application Auto Scaling API References."""
    monitoring = aws.world.monitoring
    monitoring.set_alarm("dev-connections", "ALARM", "Threshold Crossed")
    found = aws.call("cloudwatch", "describe_alarms", AlarmNamePrefix="dev-", StateValue="ALARM")["MetricAlarms"]
    assert [(one["AlarmName"], one["StateReason"]) for one in found] == [("dev-connections", "Threshold Crossed")]
    assert len(aws.call("cloudwatch", "describe_alarms", AlarmNamePrefix="dev-")["MetricAlarms"]) == 2
    monitoring.set_metric("AWS/AuroraDSQL", "Connections", [1, 2, 3], ClusterId="abc")
    stat = {"Period": 60, "Stat": "Sum"}
    dimensions = [{"Name": "ClusterId", "Value": "abc"}]
    metric = {"Namespace": "AWS/AuroraDSQL", "MetricName": "Connections", "Dimensions": dimensions}
    times = {"StartTime": START, "EndTime": aws.clock.utc()}
    query = {"Id": "a", "MetricStat": {"Metric": metric, **stat}}
    answer = aws.call("cloudwatch", "get_metric_data", MetricDataQueries=[query], **times)
    assert answer["MetricDataResults"][0]["Values"] == [3.0, 2.0, 1.0]
    points = aws.call("cloudwatch", "get_metric_statistics", **metric, **times, Period=60, Statistics=["Sum"])
    assert [one["Sum"] for one in points["Datapoints"]] == [1.0, 2.0, 3.0]
    resource = "service/dev/dev-history"
    monitoring.add_target(resource, 2, 4)
    which = {"ServiceNamespace": "ecs", "ResourceId": resource, "ScalableDimension": "ecs:service:DesiredCount"}
    suspended = {"DynamicScalingInSuspended": True, "DynamicScalingOutSuspended": True}
    aws.call("application-autoscaling", "register_scalable_target", **which, SuspendedState=suspended)
    targets = aws.call("application-autoscaling", "describe_scalable_targets", ServiceNamespace="ecs")
    (target,) = targets["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 4)
    assert target["SuspendedState"] == {**suspended, "ScheduledScalingSuspended": False}
    with pytest.raises(AwsError, match="less than minimum"):
        aws.call("application-autoscaling", "register_scalable_target", **which, MaxCapacity=1)


def test_the_clock_moves_by_sleeping_and_calls_back_at_the_second() -> None:
    """Ctrl-C comes while somebody sleeps, and leaves the time where it is."""
    clock = FakeClock()
    seen: list[float] = []
    clock.after(2.5, lambda: seen.append(clock.elapsed_s))
    clock.interrupt_at(7)
    began_s = clock.now_s()
    clock.sleep(5)
    assert (seen, clock.now_s() - began_s, clock.utc() - START) == ([2.5], 5.0, timedelta(seconds=5))
    with pytest.raises(KeyboardInterrupt):
        clock.sleep(10)
    assert (clock.elapsed_s, clock.slept) == (7.0, [5, 10])
    clock.sleep(1)
    assert clock.elapsed_s == 8.0
    with pytest.raises(ValueError, match="non-negative"):
        clock.sleep(-1)
    with pytest.raises(AssertionError, match="not within 3 s"):
        clock.until(lambda: False, within_s=3)


class _Grow:
    """A machine that wants one count of one service, and waits until it is steady."""

    def next(self, seen: ClusterSeen, now_s: float) -> Decision:
        found = seen.services["history"]
        if found.desired != 4:
            arguments = {"cluster": "dev", "service": found.name, "desiredCount": 4}
            return Act(calls=(Call(service="ecs", operation="update_service", arguments=arguments),), say="four tasks")
        if any(one.health != "HEALTHY" for one in seen.tasks_of("history")) or found.running != 4:
            return Await(say=f"{found.running} of 4 run")
        return Finished(say="four tasks are healthy")

    def failed(self, failure: Any, now_s: float) -> Decision:
        return after(failure, doing="growing", again="go on")

    def where(self) -> str:
        return "growing"


def _drive(aws: FakeAws) -> list[str]:
    said: list[str] = []
    look = Observer(aws, aws.fleet, now=aws.clock.utc).look
    clock = aws.clock
    patience = Patience(deadline_s=900)
    done = drive(_Grow(), aws, look, said.append, patience=patience, again="x", sleep=clock.sleep, now_s=clock.now_s)
    return [*said, done.say]


def test_the_one_loop_that_sleeps_drives_it(aws: FakeAws) -> None:
    """`auroral.ecs.drive` and `observe` see of the double what they see of AWS."""
    aws.faults.throttle("ecs:DescribeServices", times=2)
    said = _drive(aws)
    assert said[0] == "growing: ecs:DescribeServices throttled; asking again more slowly"
    assert said[1:3] == ["four tasks", "0 of 4 run"]
    assert said[-1] == "four tasks are healthy"
    assert len(aws.changes("update_service")) == 1
    assert aws.clock.elapsed_s < 120


def test_an_expired_token_stops_it(aws: FakeAws) -> None:
    """Half way."""
    aws.faults.expire(from_s=12)
    with pytest.raises(HaltedError, match="ExpiredTokenException"):
        _drive(aws)
    assert aws.service("history").desired == 4


def test_a_contract_names_the_definitions_of_the_double() -> None:
    """So that a command may act on the double by a file of outputs."""
    aws = FakeAws.from_fleet(contract_fleet())
    found = parse_outputs(outputs(aws.contract(contract_value())), "outputs.json").contract
    assert found is not None
    assert of_contract(found).services == aws.fleet.services
    assert found.tasks.schema.task_definition_arn.endswith("task-definition/dev-schema:1")


def test_fleets_without_a_contract_do_as_well() -> None:
    """Names that were given by flag."""
    aws = small(service("history"), service("ui", dsql=None, planned=1, start_period_s=0))
    aws.settle()
    assert {key: aws.service(key).steady for key in ("history", "ui")} == {"history": True, "ui": True}
    assert (aws.region, aws.profile) == ("us-east-1", None)
