"""Who holds how many: what the rows come to, and which of two counts is the total."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from auroral.dsql import usage
from auroral.dsql.connections import CloudWatchCount, newest, tally
from auroral.dsql.errors import MissingObjectError
from auroral.dsql.session import Session
from auroral.dsql.usage import connections
from auroral.report.dsql_connections import document, text
from tests.dsql.running import Cluster

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)


def test_the_largest_come_first() -> None:
    rows = [
        ("temporal_operator", "auroral", "10.0.0.9/32", "active", 1, 1),
        ("temporal_server", "history", "10.0.0.1/32", "idle", 50, 0),
        ("temporal_server", "frontend", "", "", 20, 0),
    ]
    found = tally(rows)
    assert [(one.application, one.connections) for one in found.holders] == [
        ("history", 50), ("frontend", 20), ("auroral", 1)
    ]  # fmt: skip
    assert (found.seen, found.total, found.only_itself) == (71, 71, False)
    assert found.holders[0].address == "10.0.0.1"
    assert tally(rows, CloudWatchCount(connections=400, at=AT)).total == 400
    assert tally(rows[:1]).only_itself
    assert tally([]).only_itself


def test_the_newest_of_cloudwatchs_points() -> None:
    assert newest([]) is None
    earlier = {"Timestamp": AT.replace(minute=1), "Maximum": 7.0}
    later = {"Timestamp": AT.replace(minute=2), "Maximum": 5.0}
    assert newest([later, earlier]) == CloudWatchCount(connections=5.0, at=AT.replace(minute=2))


async def test_as_the_double_tells_them(cluster: Cluster) -> None:
    first = await Session.open(cluster.target, application="one")
    second = await Session.open(cluster.target, application="one")
    async with await Session.open(cluster.target, application="asks") as session:
        found = await connections(session, cloudwatch=False)
    await first.close()
    await second.close()
    counts = {one.application.split(":")[0]: one.connections for one in found.holders if one.role == "admin"}
    assert counts == {"one": 2, "asks": 1}
    assert not found.only_itself
    assert found.cloudwatch is None


async def test_without_the_view_cloudwatchs_total_is_told(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "QUERY", "SELECT FROM pg_no_such_view")
    count = CloudWatchCount(connections=400, at=AT)
    async with await Session.open(cluster.target) as session:
        with pytest.raises(MissingObjectError, match="pg_no_such_view") as caught:
            await connections(session, cloudwatch=False)
        assert "--cloudwatch" in caught.value.hint
        monkeypatch.setattr(usage, "cloudwatch_count", lambda *_: count)
        found = await connections(session, cloudwatch=True)
        monkeypatch.setattr(usage, "cloudwatch_count", lambda *_: None)
        with pytest.raises(MissingObjectError) as caught:
            await connections(session, cloudwatch=True)
        assert "nor has CloudWatch" in caught.value.hint
    assert (found.holders, found.seen, found.total, found.only_itself) == ((), 0, 400, False)
    told = text(document(cluster.target, found, at="now"), asked_cloudwatch=True)
    assert told.startswith("400 counted by CloudWatch")
    assert "pg_no_such_view" in told
