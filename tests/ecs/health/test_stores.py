"""CloudWatch's counts, alarms, a domain and logs, put into moto and read over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from auroral.aws_account import AwsAccount, AwsError
from auroral.aws_calls import Failure, Kind
from auroral.dsql.connections import USAGE_METRIC, USAGE_NAMESPACE, usage_dimensions
from auroral.ecs.fleet import Fleet, FleetService
from auroral.ecs.health import stores
from auroral.ecs.health.prometheus import Sample
from auroral.errors import TargetError
from tests.support.moto_server import ACCOUNT, REGION, Moto, moto_server

DSQL = "abcdefghijklmnopqrstuvwxyz"
NOW = datetime.now(UTC).replace(microsecond=0)
LINE = '{"level":"warn","msg":"DSQL refused a connection","error":"%s","failures":1}'


def _service(key: str) -> FleetService:
    return FleetService(
        key=key,
        name=f"dev-{key}",
        container=key,
        family=f"dev-{key}",
        task_definition="",
        log_group=f"/ecs/dev/{key}",
        cpu=1,
        memory=1,
        pool="main",
        planned=1,
        maximum=1,
    )


FLEET = Fleet(cluster="dev", region=REGION, services={key: _service(key) for key in ("frontend", "history", "ui")})


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    with moto_server(tmp_path_factory.mktemp("moto") / "log") as running:
        _metrics(running.client("cloudwatch"))
        _logs(running.client("logs"))
        running.client("opensearch").create_domain(DomainName="dev-visibility", EngineVersion="OpenSearch_2.19")
        yield running


def _metrics(cloudwatch: Any) -> None:
    domain = [{"Name": "DomainName", "Value": "dev"}, {"Name": "ClientId", "Value": ACCOUNT}]

    def put(namespace: str, name: str, dimensions: Any, *points: tuple[float, float]) -> None:
        data = [
            {
                "MetricName": name,
                "Dimensions": dimensions,
                "Timestamp": NOW - timedelta(seconds=ago_s),
                "Value": value,
            }
            for ago_s, value in points
        ]
        cloudwatch.put_metric_data(Namespace=namespace, MetricData=data)

    put(USAGE_NAMESPACE, USAGE_METRIC, usage_dimensions(DSQL), (400, 900.0), (180, 412.0), (3_000, 9_000.0))
    put("AWS/ES", "ClusterStatus.green", domain, (300, 1.0), (120, 0.0))
    put("AWS/ES", "ClusterStatus.yellow", domain, (300, 0.0), (120, 1.0))
    put("AWS/ES", "ClusterStatus.red", domain, (300, 0.0), (120, 0.0))
    put("AWS/ES", "Nodes", domain, (120, 2.0))
    put("AWS/ES", "FreeStorageSpace", domain, (120, 40_960.0))
    put("AWS/ES", "ClusterIndexWritesBlocked", domain, (120, 1.0))
    for name, state in (("dev-dsql-timeouts", "ALARM"), ("dev-ui-memory", "OK"), ("prod-x", "ALARM")):
        cloudwatch.put_metric_alarm(
            AlarmName=name,
            AlarmDescription="See: auroral dsql probe",
            Namespace="x",
            MetricName="x",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanThreshold",
        )
        cloudwatch.set_alarm_state(AlarmName=name, StateValue=state, StateReason="x")


def _logs(logs: Any) -> None:
    lines = {
        "frontend": [
            LINE % "FATAL: connection rate exceeded (SQLSTATE 53400)",
            LINE % "FATAL: connection rate exceeded (SQLSTATE 53400)",
            LINE % "dial tcp: lookup x.dsql.us-east-1.on.aws: no such host",
            '{"level":"info","msg":"Starting DSQL pool warmup"}',
        ],
        "history": [
            LINE % "context deadline exceeded",
            LINE % "FATAL: something new (SQLSTATE XX000)",
            '{"level":"warn","msg":"unable to bootstrap ringpop. retrying","error":"join duration of 30s exceeded"}',
        ],
    }
    for key, said in lines.items():
        group = f"/ecs/dev/{key}"
        logs.create_log_group(logGroupName=group)
        logs.create_log_stream(logGroupName=group, logStreamName="x")
        at_ms = round(time.time() * 1000)
        logs.put_log_events(
            logGroupName=group, logStreamName="x", logEvents=[{"timestamp": at_ms, "message": line} for line in said]
        )


@pytest.fixture
def account(moto: Moto, monkeypatch: pytest.MonkeyPatch) -> AwsAccount:
    for name, value in moto.environ.items():
        monkeypatch.setenv(name, value)
    return AwsAccount()


def test_the_newest_count_of_connections(account: AwsAccount) -> None:
    found = stores.connections(account, DSQL, NOW)
    assert found.connections == 412
    assert timedelta(seconds=120) <= NOW - found.at <= timedelta(seconds=240)


def test_a_cluster_without_a_count(account: AwsAccount) -> None:
    with pytest.raises(TargetError, match="no count of the last 15 minutes"):
        stores.connections(account, "other", NOW)


def test_the_colour_is_that_of_the_newest_minute(account: AwsAccount) -> None:
    found = stores.search(account, "dev", ACCOUNT, NOW)
    assert (found.status, found.nodes, found.free_mib, found.writes_blocked) == ("yellow", 2, 40_960, True)
    assert stores.search(account, "dev", "", NOW).status == "yellow", "moto's account is asked for, where none is known"


def test_a_domain_without_data_points(account: AwsAccount) -> None:
    with pytest.raises(TargetError, match="no data points of the domain other"):
        stores.search(account, "other", ACCOUNT, NOW)


def test_the_domain_as_its_service_describes_it(account: AwsAccount) -> None:
    found = stores.domain(account, "dev-visibility")
    assert (found.version, found.deleted) == ("OpenSearch_2.19", False)
    with pytest.raises(AwsError) as raised:
        stores.domain(account, "other")
    assert raised.value.failure.kind is Kind.MISSING


def test_alarms_in_alarm_of_this_deployment(account: AwsAccount) -> None:
    (one,) = stores.alarms(account, "dev-")
    assert (one.name, one.description) == ("dev-dsql-timeouts", "See: auroral dsql probe")
    assert abs((one.since - datetime.now(UTC)).total_seconds()) < 600


def test_refusals_of_the_logs_by_reason(account: AwsAccount) -> None:
    found = stores.refusals(account, FLEET, None, datetime.now(UTC))
    assert found.by_reason == {"rate": 2, "network": 1, "other": 1, "timeout": 1}
    assert (found.source, found.at_least, found.total) == ("logs", False, 5)


def test_refusals_of_the_metrics_where_they_answer(account: AwsAccount) -> None:
    asked: list[str] = []

    def ask(question: str) -> tuple[Sample, ...]:
        asked.append(question)
        return (
            Sample(labels={"outcome": "opened", "reason": "none"}, value=400.0),
            Sample(labels={"outcome": "refused", "reason": "rate"}, value=3.2),
            Sample(labels={"outcome": "refused", "reason": "auth"}, value=0.0),
        )

    found = stores.refusals(account, FLEET, ask, NOW)
    assert (found.by_reason, found.source) == ({"rate": 4}, "metrics")
    assert asked == [stores.QUESTION]


def _failing(kind: Kind) -> Any:
    def ask(_: str) -> tuple[Sample, ...]:
        raise AwsError(Failure(kind=kind, code="x", words="no", call="aps:QueryMetrics"))

    return ask


def test_the_logs_are_asked_where_the_metrics_do_not_answer(account: AwsAccount) -> None:
    assert stores.refusals(account, FLEET, _failing(Kind.DENIED), datetime.now(UTC)).source == "logs"
    assert stores.refusals(account, FLEET, lambda _: (), datetime.now(UTC)).source == "logs"
    with pytest.raises(AwsError):
        stores.refusals(account, FLEET, _failing(Kind.EXPIRED), datetime.now(UTC))


def test_where_neither_tells_both_say_why() -> None:
    class Door:
        region, profile = REGION, None

        def call(self, service: str, operation: str, /, **arguments: Any) -> Mapping[str, Any]:
            raise AwsError(Failure(kind=Kind.DENIED, code="AccessDenied", words="no logs", call=f"{service}:x"))

    with pytest.raises(TargetError, match="aps:QueryMetrics failed: x: no; logs:x failed: AccessDenied: no logs"):
        stores.refusals(Door(), FLEET, _failing(Kind.DENIED), NOW)
    with pytest.raises(TargetError, match="no workspace of metrics is known; and the services' log groups"):
        stores.refusals(Door(), Fleet(cluster="x", region="x", services={}), None, NOW)


def test_pages_of_a_log_that_goes_on(account: AwsAccount) -> None:
    class Endless:
        region, profile = REGION, None

        def call(self, service: str, operation: str, /, **arguments: Any) -> Mapping[str, Any]:
            return {"events": [{"message": LINE % "EOF"}], "nextToken": "more"}

    found = stores.refusals(Endless(), FLEET, None, NOW)
    assert (found.by_reason, found.at_least) == ({"network": 2 * stores.PAGES}, True)


def test_lines_of_servers_without_a_ring(account: AwsAccount) -> None:
    found = stores.ring_lines(account, FLEET, ("frontend", "history", "ui"), datetime.now(UTC))
    assert found.by_service == {"history": 1}
    assert "join duration of 30s exceeded" in found.example
