"""The numbers at the head of the dashboard Overview: what is wrong, and what is close to a limit. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from auroral.dashboards import metrics
from auroral.dashboards.panels import AMBER, GREEN, RED, CloudQuery, Panel, Query, Shape, Step, Unit, any_is_bad, over
from auroral.dashboards.queries import (
    EVERYTHING,
    OF_CLUSTER,
    OF_NAMESPACE,
    count_of,
    counted,
    max_of,
    quantile,
    rate_of,
    ratio,
    sum_of,
)
from auroral.dashboards.rule_records import CONNECTION_LIMIT, quota
from auroral.dsql import limits

LATE = "5m"
"""What a number of something rare looks back on."""

FRONTEND: Mapping[str, str] = {metrics.SERVICE: "frontend"}
WAITS_FOR_WORK = "Poll.*|QueryWorkflow|UpdateWorkflowExecution|ExecuteMultiOperation|Watch"
"""Requests that wait for a worker, however fast the server is."""
ANSWERED: Mapping[str, str] = {**FRONTEND, "operation": f"!~{WAITS_FOR_WORK}"}

_REQUESTS = rate_of(metrics.SERVICE_REQUESTS, (), FRONTEND, scope=OF_NAMESPACE)

BY_DOMAIN: Mapping[str, str] = {"DomainName": "$domain", "ClientId": "*"}


def _stat(
    title: str,
    unit: Unit,
    *queries: Query | CloudQuery,
    shows: str,
    normal: str,
    otherwise: str,
    steps: tuple[Step, ...] = (),
    empty: str = "0",
) -> Panel:
    return Panel(
        title=title,
        unit=unit,
        shape=Shape.NUMBER,
        width=3,
        height=3,
        queries=queries,
        steps=steps,
        empty=empty,
        shows=shows,
        normal=normal,
        otherwise=otherwise,
    )


def health() -> tuple[Panel, ...]:
    return (
        _stat(
            "Alerts firing",
            Unit.COUNT,
            Query(sum_of(metrics.ALERTS, (), {"alertstate": "firing"}, scope=EVERYTHING)),
            steps=any_is_bad(),
            shows="Alerts of the metrics' rules that fire now. CloudWatch's alarms are not among them.",
            normal="0.",
            otherwise="Open the alert's runbook; `auroral cluster status` shows CloudWatch's alarms as well.",
        ),
        _stat(
            "Tasks not answering",
            Unit.COUNT,
            Query(f"{count_of(metrics.UP, scope=OF_CLUSTER)} - {sum_of(metrics.UP, scope=OF_CLUSTER)}"),
            steps=any_is_bad(),
            empty="no target",
            shows="Running tasks whose metrics could not be scraped the last time.",
            normal="0. A task that starts is here for a scrape or two.",
            otherwise="`auroral cluster status`, then `auroral cluster logs` of the service.",
        ),
        _stat(
            "Workflows completed",
            Unit.COUNTS_PER_S,
            Query(rate_of(metrics.WORKFLOW_SUCCESS, scope=OF_NAMESPACE)),
            shows="Workflows that completed a second, in the chosen namespaces.",
            normal="What the application starts.",
            otherwise="If it falls while the backlog rises, workers are missing or too slow.",
        ),
        _stat(
            f"Failed, timed out ({LATE})",
            Unit.COUNT,
            Query(counted(metrics.WORKFLOW_FAILED, scope=OF_NAMESPACE, over=LATE), "failed"),
            Query(counted(metrics.WORKFLOW_TIMEOUT, scope=OF_NAMESPACE, over=LATE), "timed out"),
            steps=(Step(None, GREEN), Step(1, AMBER)),
            shows="Workflows that failed or timed out of late. Both are the application's own outcomes.",
            normal="What the application expects.",
            otherwise="Dashboard Temporal Server, Workflows: which types and queues.",
        ),
        _stat(
            "Frontend P99",
            Unit.SECONDS,
            Query(quantile(0.99, metrics.SERVICE_LATENCY, (), ANSWERED, scope=OF_NAMESPACE)),
            steps=over(2, warn=1),
            empty="no requests",
            shows="How long the frontend takes, of the slowest in a hundred; waits for a worker apart.",
            normal="Below 0.5 s with DSQL in the same region.",
            otherwise="See which part is slow: Temporal Server, Persistence and Shards; DSQL Persistence, Pool.",
        ),
        _stat(
            "Frontend errors",
            Unit.SHARE,
            Query(
                ratio(
                    f"{rate_of(metrics.SERVICE_ERRORS, (), FRONTEND, scope=OF_NAMESPACE)} or 0 * {_REQUESTS}",
                    _REQUESTS,
                )
            ),
            steps=over(0.01, warn=0.001),
            empty="no requests",
            shows="Share of requests that failed by the server's fault; what a caller did wrong does not count.",
            normal="0; brief ones while tasks are replaced.",
            otherwise="Temporal Server, Service health: errors by type; `auroral cluster logs frontend`.",
        ),
        _stat(
            "Frontend load",
            Unit.SHARE,
            Query(
                ratio(
                    rate_of(metrics.SERVICE_REQUESTS, (), FRONTEND, scope=OF_CLUSTER),
                    sum_of(metrics.HOST_RPS_LIMIT, (), FRONTEND, scope=OF_CLUSTER),
                )
            ),
            steps=over(0.9, warn=0.7),
            empty="no requests",
            shows="Requests a second against what all frontends together admit (frontend.rps).",
            normal="Below 70 %.",
            otherwise="Add frontends: beyond it callers get ResourceExhausted.",
        ),
        _stat(
            "OpenSearch red, blocked",
            Unit.COUNT,
            CloudQuery(metrics.SEARCH_RED, BY_DOMAIN, "red"),
            CloudQuery(metrics.SEARCH_WRITES_BLOCKED, BY_DOMAIN, "blocked"),
            steps=any_is_bad(),
            empty="no data",
            shows="1 where the domain has lost a primary shard (red), or takes no writes (blocked).",
            normal="0 and 0.",
            otherwise="`auroral visibility status`. Workflows run on; they cannot be listed, and their changes queue.",
        ),
    )


def limits_near() -> tuple[Panel, ...]:
    return (
        _stat(
            "DSQL connections used",
            Unit.SHARE,
            Query(ratio(sum_of(metrics.POOL_OPEN, scope=OF_CLUSTER), quota(CONNECTION_LIMIT, limits.MAX_CONNECTIONS))),
            steps=over(0.9, warn=0.75),
            empty="no data",
            shows="Connections that the pools keep open, of those that the DSQL cluster may have.",
            normal="Below 75 %, so that a rolling deployment has room.",
            otherwise="`auroral capacity plan`: smaller pools or fewer tasks; AWS raises the quota on request.",
        ),
        _stat(
            "Pool below target",
            Unit.COUNT,
            Query(f"{sum_of(metrics.POOL_TARGET, scope=OF_CLUSTER)} - {sum_of(metrics.POOL_OPEN, scope=OF_CLUSTER)}"),
            steps=(Step(None, GREEN), Step(1, AMBER), Step(20, RED)),
            empty="no data",
            shows="Connections that the pools want and do not have.",
            normal="0; a few while expired ones are replaced, more while tasks start.",
            otherwise="DSQL Persistence: refusals and limiter waits say why it does not fill.",
        ),
        _stat(
            f"Connects refused ({LATE})",
            Unit.COUNT,
            Query(counted(metrics.CONNECTS, (), {"outcome": "refused"}, scope=OF_CLUSTER, over=LATE)),
            steps=any_is_bad(),
            shows="Attempts to connect to DSQL that were refused, for any reason.",
            normal="0: the limiter keeps below DSQL's rate.",
            otherwise="DSQL Persistence, Connects: by reason. `rate`: someone else connects too; `auth`: the role.",
        ),
        _stat(
            f"Conflicts given up ({LATE})",
            Unit.COUNT,
            Query(counted(metrics.REPLAYS_EXHAUSTED, (), scope=OF_CLUSTER, over=LATE)),
            steps=(Step(None, GREEN), Step(1, AMBER), Step(50, RED)),
            shows="Conflicts that replays did not solve, so that Temporal got the error and tries again itself.",
            normal="0, or few: `changed` is right where another owner has the shard.",
            otherwise="DSQL Persistence, Conflicts: by reason.",
        ),
        _stat(
            "Schedule-to-start P99",
            Unit.SECONDS,
            Query(quantile(0.99, metrics.SCHEDULE_TO_START_LATENCY, scope=OF_NAMESPACE)),
            steps=over(5, warn=1),
            empty="no tasks",
            shows="How long tasks wait until a worker takes them, of the slowest in a hundred.",
            normal="Below 0.2 s where workers are free.",
            otherwise="Add workers or pollers; if the backlog is empty, matching or persistence is slow.",
        ),
        _stat(
            "Oldest task in backlog",
            Unit.SECONDS,
            Query(max_of(metrics.BACKLOG_AGE, scope=OF_NAMESPACE)),
            steps=over(60, warn=10),
            empty="no backlog",
            shows="Age of the oldest task that lies in a backlog.",
            normal="0.",
            otherwise="Temporal Server, Task queues: which queue, and whether anyone polls it.",
        ),
        _stat(
            f"Tasks without poller ({LATE})",
            Unit.COUNT,
            Query(counted(metrics.NO_POLLER_TASKS, (), scope=OF_NAMESPACE, over=LATE)),
            steps=(Step(None, GREEN), Step(1, AMBER)),
            shows="Tasks for queues that nobody has polled for two minutes.",
            normal="0.",
            otherwise="Start the workers of that queue; Temporal Server, Task queues names it.",
        ),
        _stat(
            f"Shards moved ({LATE})",
            Unit.COUNT,
            Query(counted(metrics.SHARDS_CREATED, (), scope=OF_CLUSTER, over=LATE)),
            steps=(Step(None, GREEN), Step(1, AMBER)),
            shows="Shards that a history task took over.",
            normal="0; while history tasks come and go, each shard once or twice.",
            otherwise="Going on without a deployment: Temporal Server, Shards; `auroral cluster status`.",
        ),
    )
