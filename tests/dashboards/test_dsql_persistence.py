"""The dashboard DSQL Persistence: what its numbers are of, and its limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from auroral.dashboards.dsql_persistence import board
from auroral.dashboards.metrics import ALL, Source
from auroral.dashboards.panels import CloudQuery, Panel, Query
from auroral.dashboards.queries import names_in
from auroral.dsql import limits
from auroral.dsql.connections import usage_dimensions

from .asked import answers

DOCUMENTED = {
    "AWS/AuroraDSQL": {
        "ReadOnlyTransactions",
        "TotalTransactions",
        "QueryTimeouts",
        "OccConflicts",
        "CommitLatency",
        "BytesWritten",
        "BytesRead",
        "ComputeTime",
        "ClusterStorageSize",
        "WriteDPU",
        "MultiRegionWriteDPU",
        "ReadDPU",
        "ComputeDPU",
        "TotalDPU",
    },
    "AWS/Usage": {"ResourceCount", "CallCount"},
}
"""What "Monitoring Aurora DSQL with Amazon CloudWatch" lists, without the metrics of CDC streams."""


def panel(title: str) -> Panel:
    """By its title."""
    (found,) = (each for each in board().panels() if each.title == title)
    return found


def only(title: str) -> str:
    """The one thing that a panel asks."""
    (query,) = panel(title).queries
    assert isinstance(query, Query)
    return query.expr


def cloud() -> list[CloudQuery]:
    """What is asked of CloudWatch."""
    return [query for each in board().panels() for query in each.queries if isinstance(query, CloudQuery)]


def pool(name: str, service: str, instance: str) -> str:
    """A series of one task's pool."""
    labels = f'cluster="c",service="{service}",instance="{instance}",service_name="{service}"'
    return f"dsql_pool_{name}{{{labels}}}"


def test_that_every_metric_of_the_store_is_shown() -> None:
    shown = {
        name
        for each in board().panels()
        for query in each.queries
        if isinstance(query, Query)
        for name in names_in(query.expr)
    }
    assert {metric.name for metric in ALL if metric.source is Source.STORE} <= shown


def test_that_aws_documents_what_is_asked_of_it() -> None:
    assert cloud()
    for query in cloud():
        assert query.metric.name in DOCUMENTED[query.metric.namespace]
    for name in ("TotalTransactions", "OccConflicts", "CommitLatency", "ClusterStorageSize", "TotalDPU"):
        assert any(query.metric.name == name for query in cloud())


def test_that_connections_are_those_that_the_commands_ask_for() -> None:
    (query,) = (each for each in panel("Connections of the cluster").queries if isinstance(each, CloudQuery))
    wanted: dict[str, Any] = {one["Name"]: one["Value"] for one in usage_dimensions("${dsql}")}
    assert query.dimensions == wanted


def limit(title: str) -> str:
    """What a panel draws as the limit."""
    (query,) = (each for each in panel(title).queries if isinstance(each, Query) and each.limit)
    return query.expr


def test_that_limits_are_dsqls(tmp_path: Path) -> None:
    """As the deployment records them, and AWS's own where nothing is recorded."""
    for title, recorded, default in (
        ("Connects a second, of the cluster", "auroral:dsql_connect_rate:limit", limits.CONNECT_RATE_PER_S),
        ("Connections of the cluster", "auroral:dsql_connections:limit", limits.MAX_CONNECTIONS),
    ):
        answers(tmp_path, limit(title), {"up": "1x40"}, {"{}": default}, at_s=300)
        answers(tmp_path, limit(title), {recorded: f"{3 * default}x40"}, {"{}": 3 * default}, at_s=300)
    assert drawn("Age of tokens") == {None, limits.SESSION_LIFETIME_S + limits.TOKEN_LIFETIME_S}
    assert limits.CONNECT_BURST + 60 * limits.CONNECT_RATE_PER_S in drawn("Connects in a minute, of the bucket")


def drawn(title: str) -> set[float | None]:
    """Where a panel's colour changes."""
    return {step.at for step in panel(title).steps}


def test_that_the_first_numbers_are_shares_of_what_may_be(tmp_path: Path) -> None:
    connects = 'dsql_connects{cluster="c",service="history",instance="a:1",outcome="opened",reason="none"}'
    answers(tmp_path, only("Connects, of the limit"), {connects: "0+300x40"}, {"{}": 0.2}, at_s=300)
    given = {pool("open", "history", "a:1"): "4500x40", pool("open", "matching", "b:1"): "4500x40"}
    answers(tmp_path, only("Connections, of the quota"), given, {"{}": 0.9}, at_s=300)


def test_that_connects_beside_the_limit_are_the_whole_clusters() -> None:
    """DSQL's limit knows no service: a choice of some must not make it look far."""
    for title in (
        "Connects, of the limit",
        "Connections, of the quota",
        "Connects a second, of the cluster",
        "Connects in a minute, of the bucket",
    ):
        for query in panel(title).queries:
            assert isinstance(query, Query)
            assert "$service" not in query.expr


def test_that_the_worst_service_decides_how_full_pools_are(tmp_path: Path) -> None:
    given = {
        pool("open", "history", "a:1"): "50x40",
        pool("open", "history", "b:1"): "40x40",
        pool("open", "matching", "c:1"): "10x40",
        pool("target", "history", "a:1"): "50x40",
        pool("target", "history", "b:1"): "50x40",
        pool("target", "matching", "c:1"): "10x40",
    }
    answers(tmp_path, only("Pools filled"), given, {"{}": 0.9}, at_s=300)
    answers(tmp_path, only("Pools filled"), given, {"{}": 1.0}, at_s=300, variables={"service": "matching"})
    expected = {'{service="history"}': 0.9, '{service="matching"}': 1.0}
    answers(tmp_path, only("Filled, by service"), given, expected, at_s=300)


def test_that_the_busiest_task_is_one_task(tmp_path: Path) -> None:
    given = {
        pool("in_use", "history", "a:1"): "45x40",
        pool("in_use", "history", "b:1"): "5x40",
        pool("target", "history", "a:1"): "50x40",
        pool("target", "history", "b:1"): "50x40",
    }
    answers(tmp_path, only("Busiest pool"), given, {"{}": 0.9}, at_s=300)


def test_that_a_warm_up_is_shown_after_it_has_ended(tmp_path: Path) -> None:
    """It happens once a process: a rate of it is nothing as soon as it is over."""
    labels = 'cluster="c",service="history",instance="a:1"'
    given = {f"dsql_warmup_latency_sum{{{labels}}}": "12.5x40", f"dsql_warmup_latency_count{{{labels}}}": "1x40"}
    expected = {'{service="history",instance="a:1"}': 12.5}
    answers(tmp_path, only("Warm-up, by task"), given, expected, at_s=600)


def test_that_a_first_refusal_is_counted_under_its_reason(tmp_path: Path) -> None:
    labels = 'cluster="c",service="history",instance="a:1",outcome="refused",reason="auth"'
    given = {f"dsql_connects{{{labels}}}": "_x20 2x20"}
    answers(tmp_path, only("Refusals, by reason"), given, {'{reason="auth"}': 2.0}, at_s=21 * 15)
