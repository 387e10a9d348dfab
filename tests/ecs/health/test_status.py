"""A look at a whole deployment, where parts of it cannot be read."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from auroral.aws_account import AwsError
from auroral.aws_calls import Kind
from auroral.ecs.health.judgement import judge
from auroral.ecs.health.snapshot import Part
from auroral.ecs.health.status import gather
from auroral.ecs.health.verdict import Verdict
from auroral.errors import TargetError
from tests.support.fake_ecs import FakeAws
from tests.support.observed import deployed, look, members


@pytest.fixture
def aws() -> FakeAws:
    return deployed()


def test_everything_is_seen(aws: FakeAws) -> None:
    aws.world.monitoring.set_alarm("dev-history-memory", "ALARM")
    aws.world.monitoring.set_alarm("other-x", "ALARM")
    seen = look(aws)
    assert seen.unknown == {}
    assert seen.connections is not None
    assert seen.connections.connections == 412
    assert seen.search is not None
    assert (seen.search.status, seen.search.nodes) == ("green", 3)
    assert seen.domain is not None
    assert seen.domain.version == "OpenSearch_2.19"
    assert [alarm.name for alarm in seen.alarms or ()] == ["dev-history-memory"]
    assert seen.membership is not None
    assert len(seen.membership.rows) == 11
    assert seen.refusals is not None
    assert seen.refusals.source == "logs"
    assert seen.groups["main"].in_service == 6
    assert seen.ring is None, "nobody asks for lines of the ring while there is no crash loop"
    history = seen.cluster.services["history"]
    assert seen.newest["history"] == history.task_definition
    assert "server@sha256:" in seen.images[history.task_definition]


def test_the_image_is_that_of_the_revision_that_runs(aws: FakeAws) -> None:
    made = aws.register("history", image="registry/server:2")
    seen = look(aws)
    history = seen.cluster.services["history"]
    assert seen.newest["history"] == made.arn != history.task_definition
    assert "server@sha256:" in seen.images[history.task_definition]


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        ("cloudwatch:DescribeAlarms", {Part.ALARMS}),
        ("cloudwatch:GetMetricData", {Part.CONNECTIONS, Part.SEARCH}),
        ("opensearch:DescribeDomain", {Part.DOMAIN}),
        ("logs:FilterLogEvents", {Part.REFUSALS}),
        ("autoscaling:DescribeAutoScalingGroups", {Part.GROUPS}),
        ("ecs:DescribeTaskDefinition", {Part.IMAGES}),
    ],
)
def test_what_a_policy_denies_is_not_known_and_sinks_nothing_else(aws: FakeAws, call: str, parts: set[Part]) -> None:
    aws.faults.deny(call)
    seen = look(aws)
    assert set(seen.unknown) == parts
    assert all("not authorized" in why for why in seen.unknown.values())
    assert judge(aws.fleet, seen).verdict is Verdict.HEALTHY


def test_rows_that_cannot_be_read(aws: FakeAws) -> None:
    def fail() -> Any:
        raise TargetError("cannot connect")

    seen = look(aws, members=fail)
    assert (seen.membership, seen.unknown) == (None, {Part.MEMBERSHIP: "cannot connect"})


def test_who_does_not_answer_in_time_is_left_behind(aws: FakeAws) -> None:
    let_go = threading.Event()

    def hang() -> Any:
        let_go.wait(30)
        return members(aws)

    seen = look(aws, members=hang, deadline_s=0.3)
    assert seen.unknown == {Part.MEMBERSHIP: "no answer within 0.3 s"}
    let_go.set()


def test_a_bug_in_a_reader_is_no_unknown(aws: FakeAws) -> None:
    def wrong() -> Any:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        look(aws, members=wrong)


@pytest.mark.parametrize("kind", [Kind.THROTTLED, Kind.EXPIRED, Kind.DENIED, Kind.UNREACHABLE])
def test_without_ecs_there_is_nothing_to_see(aws: FakeAws, kind: Kind) -> None:
    {
        Kind.THROTTLED: lambda: aws.faults.throttle("ecs:DescribeServices"),
        Kind.EXPIRED: aws.faults.expire,
        Kind.DENIED: lambda: aws.faults.deny("ecs:DescribeClusters"),
        Kind.UNREACHABLE: aws.faults.break_network,
    }[kind]()
    with pytest.raises(AwsError) as raised:
        look(aws)
    assert raised.value.failure.kind is kind


def test_stores_are_left_alone_where_nobody_wants_them(aws: FakeAws) -> None:
    seen = gather(aws, aws.fleet, members=lambda: members(aws), with_stores=False, now=aws.clock.utc)
    assert {one.operation for one in aws.calls} & {"get_metric_data", "describe_domain", "filter_log_events"} == set()
    assert (seen.membership, seen.connections, seen.search, seen.unknown) == (None, None, None, {})
    assert seen.alarms == ()


def test_names_that_are_not_known(aws: FakeAws) -> None:
    import msgspec

    from auroral.ecs.fleet import Named

    aws.fleet = msgspec.structs.replace(aws.fleet, named=Named())
    seen = look(aws)
    assert seen.unknown[Part.CONNECTIONS] == "no task definition names the DSQL cluster"
    assert seen.unknown[Part.SEARCH].startswith("no task definition names a domain")
    assert seen.alarms is None


def test_a_look_changes_nothing(aws: FakeAws) -> None:
    look(aws)
    assert aws.changes() == []
