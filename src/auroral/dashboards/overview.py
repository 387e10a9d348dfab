"""The dashboard Overview, one screen: is it healthy, what does it carry, what is close to a limit. Pure."""

from __future__ import annotations

from auroral.dashboards import metrics
from auroral.dashboards.overview_numbers import ANSWERED, BY_DOMAIN, health, limits_near
from auroral.dashboards.panels import (
    CLUSTER_VARIABLE,
    NAMESPACE_VARIABLE,
    Board,
    CloudQuery,
    Panel,
    Query,
    Row,
    Shape,
    Unit,
    Variable,
    over,
)
from auroral.dashboards.queries import (
    OF_CLUSTER,
    OF_NAMESPACE,
    counted,
    quantile,
    rate_of,
    sum_of,
    top,
)
from auroral.dashboards.rule_records import CONNECT_RATE_LIMIT, CONNECTION_LIMIT, quota
from auroral.dsql import limits
from auroral.dsql.connections import usage_dimensions

NAME = "overview"
"""Of its file; its uid is this after `auroral-`."""

DSQL_VARIABLE = Variable(
    name="dsql",
    label="DSQL cluster",
    metric=metrics.DSQL_TRANSACTIONS,
    dimension=metrics.DSQL_TRANSACTIONS.dimensions[0],
)
DOMAIN_VARIABLE = Variable(
    name="domain", label="OpenSearch domain", metric=metrics.SEARCH_NODES, dimension=metrics.SEARCH_NODES.dimensions[0]
)

_BY_ECS_SERVICE = {"ClusterName": "$cluster", "ServiceName": "*"}
_ECS_SERVICE = "${PROP('Dim.ServiceName')}"


def board() -> Board:
    """Make the dashboard."""
    return Board(
        uid=f"auroral-{NAME}",
        title="Overview",
        description="Is the cluster healthy, what does it carry, what is close to a limit.",
        variables=(CLUSTER_VARIABLE, NAMESPACE_VARIABLE, DSQL_VARIABLE, DOMAIN_VARIABLE),
        rows=(Row("", (*health(), *limits_near(), *_carried(), *_dsql(), *_work())),),
    )


def _carried() -> tuple[Panel, ...]:
    outcomes = (
        ("completed", metrics.WORKFLOW_SUCCESS),
        ("failed", metrics.WORKFLOW_FAILED),
        ("timed out", metrics.WORKFLOW_TIMEOUT),
        ("canceled", metrics.WORKFLOW_CANCEL),
        ("terminated", metrics.WORKFLOW_TERMINATE),
        ("continued as new", metrics.WORKFLOW_CONTINUED_AS_NEW),
    )
    return (
        Panel(
            title="Tasks wanted and answering",
            unit=Unit.COUNT,
            queries=(
                Query(sum_of(metrics.UP, (metrics.SERVICE,), scope=OF_CLUSTER), "{{service}}"),
                CloudQuery(metrics.TASKS_WANTED, _BY_ECS_SERVICE, f"{_ECS_SERVICE} wanted"),
            ),
            decimals=0,
            width=6,
            height=5,
            shows="Tasks whose metrics answer, by service, and how many ECS is to run (Container Insights).",
            normal="Equal; more answering than wanted while a deployment rolls.",
            otherwise="`auroral cluster status` says why tasks are missing.",
        ),
        Panel(
            title="Workflows by outcome",
            unit=Unit.COUNTS_PER_S,
            queries=tuple(Query(rate_of(metric, scope=OF_NAMESPACE), name) for name, metric in outcomes),
            shape=Shape.STACKED,
            width=6,
            height=5,
            shows="Workflows that closed a second, by how.",
            normal="Mostly completed.",
            otherwise="Temporal Server, Workflows: by type and queue.",
        ),
        Panel(
            title="Frontend latency",
            unit=Unit.SECONDS,
            queries=tuple(
                Query(quantile(share, metrics.SERVICE_LATENCY, (), ANSWERED, scope=OF_NAMESPACE), f"P{share * 100:.0f}")
                for share in (0.5, 0.95, 0.99)
            ),
            steps=over(2, warn=1),
            width=6,
            height=5,
            shows="Time the frontend takes; requests that wait for a worker are left out.",
            normal="P99 below 0.5 s.",
            otherwise="Temporal Server, Requests: by operation.",
        ),
        Panel(
            title="Task backlog",
            unit=Unit.COUNT,
            queries=(
                Query(
                    top(8, sum_of(metrics.BACKLOG, ("namespace", "taskqueue", "task_type"), scope=OF_NAMESPACE)),
                    "{{namespace}} {{taskqueue}} {{task_type}}",
                ),
            ),
            width=6,
            height=5,
            shows="Tasks that lie in the backlogs of task queues, roughly; the eight longest.",
            normal="0: a task is matched with a waiting poller and never stored.",
            otherwise="Add workers of that queue.",
        ),
    )


def _dsql() -> tuple[Panel, ...]:
    usage = {one["Name"]: one["Value"] for one in usage_dimensions("$dsql")}
    return (
        Panel(
            title="DSQL connections",
            unit=Unit.COUNT,
            queries=(
                Query(sum_of(metrics.POOL_TARGET, scope=OF_CLUSTER), "target"),
                Query(sum_of(metrics.POOL_OPEN, scope=OF_CLUSTER), "open"),
                Query(sum_of(metrics.POOL_IN_USE, scope=OF_CLUSTER), "in use"),
                CloudQuery(metrics.DSQL_CONNECTIONS, usage, "counted by AWS"),
                Query(quota(CONNECTION_LIMIT, limits.MAX_CONNECTIONS), "quota", limit=True),
            ),
            width=6,
            height=5,
            shows="Connections of all pools, and AWS's own count, against the quota (dashed).",
            normal="Open is target; AWS counts a few more, of commands and of tasks that end.",
            otherwise="If AWS counts many more, someone else is connected: `auroral dsql connections`.",
        ),
        Panel(
            title="Connects",
            unit=Unit.COUNTS_PER_S,
            queries=(
                Query(rate_of(metrics.CONNECTS, ("outcome",), scope=OF_CLUSTER), "{{outcome}}"),
                Query(rate_of(metrics.CONNECTS, scope=OF_CLUSTER), "all"),
                Query(quota(CONNECT_RATE_LIMIT, limits.CONNECT_RATE_PER_S), "limit", limit=True),
            ),
            width=6,
            height=5,
            shows="Attempts to connect, against what DSQL refills a second for a cluster (dashed).",
            normal="Open connections divided by their lifetime; more while tasks start.",
            otherwise="DSQL Persistence, Connects: which service, and whether the limiters wait.",
        ),
        Panel(
            title="DSQL trouble",
            unit=Unit.COUNT,
            queries=(
                Query(
                    counted(metrics.CONNECTS, ("reason",), {"outcome": "refused"}, scope=OF_CLUSTER),
                    "refused: {{reason}}",
                ),
                Query(counted(metrics.REPLAYS_EXHAUSTED, ("reason",), scope=OF_CLUSTER), "given up: {{reason}}"),
                Query(counted(metrics.LIMITER_FAILURES, scope=OF_CLUSTER), "shared limiter not asked"),
                Query(counted(metrics.TOKENS, (), {"outcome": "failed"}, scope=OF_CLUSTER), "token failed"),
            ),
            shape=Shape.BARS,
            width=6,
            height=5,
            empty="none",
            shows="What went wrong with DSQL in each interval, by kind.",
            normal="Nothing.",
            otherwise="DSQL Persistence has each of them, by service and task.",
        ),
        Panel(
            title="Store latency P99",
            unit=Unit.SECONDS,
            queries=(
                Query(quantile(0.99, metrics.PERSISTENCE_LATENCY, (metrics.SERVICE,), scope=OF_CLUSTER), "{{service}}"),
                Query(quantile(0.99, metrics.VISIBILITY_LATENCY, (), scope=OF_CLUSTER), "visibility"),
            ),
            steps=over(2, warn=1),
            width=6,
            height=5,
            shows="Time of requests to the store (DSQL) by service, and to visibility (OpenSearch).",
            normal="Below 0.2 s.",
            otherwise="DSQL Persistence: whether callers wait for a connection, replay, or DSQL itself is slow.",
        ),
    )


def _work() -> tuple[Panel, ...]:
    return (
        Panel(
            title="Schedule-to-start P99, by type",
            unit=Unit.SECONDS,
            queries=(
                Query(
                    quantile(0.99, metrics.SCHEDULE_TO_START_LATENCY, ("task_type",), scope=OF_NAMESPACE),
                    "{{task_type}}",
                ),
            ),
            steps=over(5, warn=1),
            width=6,
            height=5,
            shows="How long tasks wait until a worker takes them.",
            normal="Below 0.2 s.",
            otherwise="Temporal Server, Task queues.",
        ),
        Panel(
            title="CPU of services",
            unit=Unit.PERCENT,
            queries=(CloudQuery(metrics.SERVICE_CPU, _BY_ECS_SERVICE, _ECS_SERVICE),),
            steps=over(80),
            highest=100,
            width=6,
            height=5,
            shows="CPU of each service's busiest task, of what its task definition has.",
            normal="Below 80 %.",
            otherwise="`auroral cluster scale`, after `auroral capacity plan` for the load.",
        ),
        Panel(
            title="Memory of services",
            unit=Unit.PERCENT,
            queries=(CloudQuery(metrics.SERVICE_MEMORY, _BY_ECS_SERVICE, _ECS_SERVICE),),
            steps=over(85),
            highest=100,
            width=6,
            height=5,
            shows="Memory of each service's largest task, of what its task definition has.",
            normal="Level, below 85 %; history grows until its caches are full.",
            otherwise="Give it more: a task beyond 100 % is killed.",
        ),
        Panel(
            title="OpenSearch",
            unit=Unit.PERCENT,
            queries=(
                CloudQuery(metrics.SEARCH_CPU, BY_DOMAIN, "CPU"),
                CloudQuery(metrics.SEARCH_MEMORY, BY_DOMAIN, "heap"),
            ),
            steps=over(95, warn=80),
            highest=100,
            width=6,
            height=5,
            shows="CPU and heap of the domain's busiest node.",
            normal="CPU below 80 %; the heap goes up and down below 75 %.",
            otherwise="`auroral visibility status`; larger nodes.",
        ),
    )
