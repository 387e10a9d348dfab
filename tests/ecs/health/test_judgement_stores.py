"""What is said of DSQL, OpenSearch, alarms and the ring of a deployment that is well otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from auroral.dsql.connections import CloudWatchCount
from auroral.ecs.health.judgement import judge
from auroral.ecs.health.snapshot import AlarmSeen, DomainSeen, Refusals, SearchSeen
from auroral.ecs.health.verdict import Finding, Severity
from tests.support.fake_ecs import FakeAws
from tests.support.observed import deployed, judged, look, members, row


@pytest.fixture
def aws() -> FakeAws:
    return deployed()


def _found(aws: FakeAws, subject: str, **how: Any) -> list[Finding]:
    return [one for one in judged(aws, **how).findings if one.subject == subject]


def _one(aws: FakeAws, subject: str, **how: Any) -> Finding:
    (found,) = _found(aws, subject, **how)
    return found


def _changed(aws: FakeAws, **parts: Any) -> list[Finding]:
    """Findings of a snapshot with other parts."""
    return list(judge(aws.fleet, msgspec.structs.replace(look(aws), **parts)).findings)


@pytest.mark.parametrize(
    ("count", "severity"), [(7_999, None), (8_000, Severity.NOTE), (9_499, Severity.NOTE), (9_500, Severity.UNHEALTHY)]
)
def test_connections(aws: FakeAws, count: float, severity: Severity | None) -> None:
    found = _changed(aws, connections=CloudWatchCount(connections=count, at=aws.clock.utc()))
    assert [one.severity for one in found] == ([] if severity is None else [severity])


@pytest.mark.parametrize(
    ("reason", "severity", "command"),
    [
        ("rate", Severity.NOTE, "auroral dsql connections"),
        ("connections", Severity.UNHEALTHY, "auroral dsql connections"),
        ("auth", Severity.UNHEALTHY, "auroral schema status"),
        ("network", Severity.NOTE, "auroral dsql probe"),
        ("of a later version", Severity.NOTE, "auroral cluster logs"),
    ],
)
def test_refusals(aws: FakeAws, reason: str, severity: Severity, command: str) -> None:
    (found,) = _changed(aws, refusals=Refusals(by_reason={reason: 1_234}, source="logs", at_least=True))
    assert (found.severity, found.command) == (severity, command)
    assert found.text.startswith("at least 1,234 connects refused in 15 m")


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ({"search": SearchSeen(status="red")}, "unhealthy: red"),
        ({"search": SearchSeen(status="yellow")}, "note: yellow"),
        ({"search": SearchSeen(status="green", writes_blocked=True)}, "unhealthy: it takes no writes"),
        ({"domain": DomainSeen(version="", processing=True, upgrading=False)}, "note: a change"),
        ({"domain": DomainSeen(version="", processing=True, upgrading=True)}, "note: the domain is being upgraded"),
        ({"domain": DomainSeen(version="", processing=True, upgrading=False, deleted=True)}, "unhealthy: the domain"),
    ],
)
def test_opensearch(aws: FakeAws, part: Mapping[str, Any], says: str) -> None:
    (found,) = _changed(aws, **part)
    assert found.subject == "opensearch"
    assert f"{found.severity.value}: {found.text}".startswith(says)


def test_an_alarm_names_what_shows_more(aws: FakeAws) -> None:
    described = "Transactions reach DSQL's maximum duration and are ended. See: auroral dsql probe"
    alarm = AlarmSeen(name="dev-dsql-timeouts", since=aws.clock.utc() - timedelta(minutes=5), description=described)
    (found,) = _changed(aws, alarms=(alarm,))
    assert found.text == ("dev-dsql-timeouts rings since 5 m: Transactions reach DSQL's maximum duration and are ended")
    assert (found.severity, found.command) == (Severity.UNHEALTHY, "auroral dsql probe")
    itself = msgspec.structs.replace(alarm, description="Fewer tasks. See: auroral cluster status")
    assert _changed(aws, alarms=(itself,))[0].command == ""


def test_tasks_that_run_and_write_no_heartbeat(aws: FakeAws) -> None:
    aws.clock.advance(200)
    silent = {row_.address for row_ in members(aws).rows if row_.role == "history"}
    kept = tuple(row_ for row_ in members(aws).rows if row_.address not in silent)
    found = _one(aws, "history", members=lambda: msgspec.structs.replace(members(aws), rows=kept))
    assert found.severity is Severity.UNHEALTHY
    assert found.text.startswith("4 of its running tasks wrote no heartbeat of late (10.")


def test_tasks_that_are_new_have_time_to_join(aws: FakeAws) -> None:
    assert judged(aws, members=lambda: msgspec.structs.replace(members(aws), rows=())).findings == ()


def test_old_rows_are_no_fault(aws: FakeAws) -> None:
    stale = tuple(row(f"10.9.9.{n}", silent_s=40_000) for n in range(9))
    assert judged(aws, members=lambda: members(aws, more=stale)).findings == ()


def test_another_cluster_that_writes_in_this_database(aws: FakeAws) -> None:
    found = _one(aws, "membership", members=lambda: members(aws, more=(row("172.16.0.9", silent_s=4),)))
    assert found.severity is Severity.NOTE
    assert "172.16.0.9:6934" in found.text
