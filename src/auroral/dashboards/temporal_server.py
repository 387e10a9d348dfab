"""The dashboard Temporal Server: health, workflows, requests and the processes. Pure.

Persistence: `temporal_store`; shards, task queues, caches and history's own tasks: `temporal_work`.
"""

from __future__ import annotations

from auroral.dashboards import metrics, temporal_store, temporal_work
from auroral.dashboards.overview_numbers import ANSWERED, FRONTEND
from auroral.dashboards.panels import (
    CLUSTER_VARIABLE,
    NAMESPACE_VARIABLE,
    SERVICE_VARIABLE,
    Board,
    CloudQuery,
    Panel,
    Query,
    Row,
    Shape,
    Unit,
    over,
)
from auroral.dashboards.queries import (
    OF_CLUSTER,
    OF_NAMESPACE,
    counted,
    max_of,
    quantile,
    rate_of,
    ratio,
    sum_of,
    top,
)
from auroral.dashboards.temporal_store import BY_OPERATION, OPERATION, SHOWN_SERIES

NAME = "temporal-server"
"""Of its file; its uid is this after `auroral-`."""

_BY_ECS_SERVICE = {"ClusterName": "$cluster", "ServiceName": "*"}
_ECS_SERVICE = "${PROP('Dim.ServiceName')}"
_BY_SERVICE = (metrics.SERVICE,)


def board() -> Board:
    """Make the dashboard."""
    return Board(
        uid=f"auroral-{NAME}",
        title="Temporal Server",
        description="Temporal's services from within: requests, workflows, persistence, shards, task queues, caches.",
        variables=(CLUSTER_VARIABLE, NAMESPACE_VARIABLE, SERVICE_VARIABLE),
        rows=(
            Row("Service health", _health()),
            Row("Workflows", _workflows()),
            Row("Requests", _requests()),
            Row("Persistence", temporal_store.panels()),
            *temporal_work.rows(),
            Row("Processes", _processes()),
        ),
    )


def _health() -> tuple[Panel, ...]:
    return (
        Panel(
            title="Tasks answering",
            unit=Unit.COUNT,
            queries=(Query(sum_of(metrics.UP, _BY_SERVICE), "{{service}}"),),
            decimals=0,
            shows="Tasks whose metrics answered the last scrape, by service.",
            normal="What `auroral cluster status` calls wanted.",
            otherwise="`auroral cluster status` and `auroral cluster logs` of the service.",
        ),
        Panel(
            title="Requests",
            unit=Unit.REQUESTS_PER_S,
            queries=(Query(rate_of(metrics.SERVICE_REQUESTS, _BY_SERVICE), "{{service}}"),),
            shows="Requests a second that each service gets, those between services included.",
            normal="History gets a few for each of the frontend's.",
            otherwise="History's rising alone: retries. See its errors, and Shards.",
        ),
        Panel(
            title="Errors by the server's fault",
            unit=Unit.SHARE,
            queries=(
                Query(
                    ratio(rate_of(metrics.SERVICE_ERRORS, _BY_SERVICE), rate_of(metrics.SERVICE_REQUESTS, _BY_SERVICE)),
                    "{{service}}",
                ),
            ),
            steps=over(0.01, warn=0.001),
            empty="none",
            shows="Share of each service's requests that failed unexpectedly.",
            normal="0; brief ones while tasks are replaced.",
            otherwise="The next panel says of what type; `auroral cluster logs` has the words.",
        ),
        Panel(
            title="Errors by type",
            unit=Unit.COUNTS_PER_S,
            queries=(
                Query(
                    top(SHOWN_SERIES, rate_of(metrics.SERVICE_ERROR_WITH_TYPE, (metrics.SERVICE, "error_type"))),
                    "{{service}} {{error_type}}",
                ),
            ),
            empty="none",
            shows="All errors, also those that are the caller's: not found, already started, canceled.",
            normal="NotFound and Canceled of clients that come and go.",
            otherwise="Unavailable: a peer is gone. ShardOwnershipLost: see Shards. DeadlineExceeded: see Persistence.",
        ),
        Panel(
            title="Limits reached",
            unit=Unit.COUNTS_PER_S,
            queries=(
                Query(
                    rate_of(metrics.SERVICE_RESOURCE_EXHAUSTED, (metrics.SERVICE, "resource_exhausted_cause")),
                    "{{service}} {{resource_exhausted_cause}}",
                ),
            ),
            empty="none",
            shows="Requests refused as ResourceExhausted, by which limit.",
            normal="None.",
            otherwise="RpsLimit: add frontends, or raise the namespace's limit. BusyWorkflow: one has much to do.",
        ),
        Panel(
            title="Starts, panics, deadlocks",
            unit=Unit.COUNT,
            queries=(
                Query(counted(metrics.RESTARTS, _BY_SERVICE), "{{service}} started"),
                Query(counted(metrics.SERVICE_PANICS, _BY_SERVICE), "{{service}} panicked"),
                Query(sum_of(metrics.DEADLOCKS, _BY_SERVICE), "{{service}} suspects a deadlock"),
            ),
            shape=Shape.BARS,
            shows="Starts of the server's processes in each interval, panics, and locks held suspiciously long.",
            normal="Starts of deployments alone.",
            otherwise="`auroral cluster status` names the reason of stopped tasks; a panic is in the logs.",
        ),
    )


def _workflows() -> tuple[Panel, ...]:
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
            title="Workflows by outcome",
            unit=Unit.COUNTS_PER_S,
            queries=tuple(Query(rate_of(metric, scope=OF_NAMESPACE), name) for name, metric in outcomes),
            shape=Shape.STACKED,
            shows="Workflows that closed a second, by how.",
            normal="Mostly completed.",
            otherwise="Failures are the workflows' own; timeouts may be the workers' or the server's delay.",
        ),
        Panel(
            title="Failed and timed out, by type",
            unit=Unit.COUNT,
            queries=tuple(
                Query(
                    top(SHOWN_SERIES, counted(metric, ("namespace", "workflowType"), scope=OF_NAMESPACE)),
                    f"{{{{namespace}}}} {{{{workflowType}}}} {name}",
                )
                for name, metric in outcomes[1:3]
            ),
            shape=Shape.BARS,
            empty="none",
            shows="Workflows that ended badly in each interval, by type.",
            normal="What the application expects.",
            otherwise="`temporal workflow list` with the type and status; their last event says why.",
        ),
        Panel(
            title="Time from start to close",
            unit=Unit.SECONDS,
            queries=tuple(
                Query(quantile(share, metrics.WORKFLOW_LATENCY, scope=OF_NAMESPACE), f"P{share * 100:.0f}")
                for share in (0.5, 0.95, 0.99)
            ),
            shows="How long closed workflows ran, their own timers and waits included.",
            normal="The application's own.",
            otherwise="If it rises with the same work: schedule-to-start, then history's tasks.",
        ),
        Panel(
            title="Workflow tasks failed",
            unit=Unit.COUNT,
            queries=(Query(counted(metrics.FAILED_WORKFLOW_TASKS, ("failure",), scope=OF_NAMESPACE), "{{failure}}"),),
            shape=Shape.BARS,
            empty="none",
            width=12,
            shows="Workflow tasks that a worker failed, by cause; the server retries them.",
            normal="None.",
            otherwise="NonDeterministicError: workers of another version replay. Roll them back.",
        ),
        Panel(
            title="Tasks timed out",
            unit=Unit.COUNT,
            queries=(
                Query(
                    counted(metrics.START_TO_CLOSE_TIMEOUT, ("operation",), scope=OF_NAMESPACE),
                    "{{operation}}: not ended in time",
                ),
                Query(
                    counted(metrics.SCHEDULE_TO_START_TIMEOUT, ("operation",), scope=OF_NAMESPACE),
                    "{{operation}}: not taken in time",
                ),
            ),
            shape=Shape.BARS,
            empty="none",
            width=12,
            shows="Tasks that their worker did not end in time, or that no worker took in time.",
            normal="None; a few not taken in time when sticky workers go.",
            otherwise="Workers that died or hang (not ended), or are too few (not taken).",
        ),
    )


def _requests() -> tuple[Panel, ...]:
    return (
        Panel(
            title="Requests by operation",
            unit=Unit.REQUESTS_PER_S,
            queries=(Query(top(SHOWN_SERIES, rate_of(metrics.SERVICE_REQUESTS, BY_OPERATION)), OPERATION),),
            shows="Requests a second of the busiest operations.",
            normal="Polls, and what the workflows do.",
            otherwise="An operation that nobody expects: find the client by its namespace.",
        ),
        Panel(
            title="Latency P99 by operation",
            unit=Unit.SECONDS,
            queries=(
                Query(
                    top(
                        SHOWN_SERIES,
                        quantile(0.99, metrics.SERVICE_LATENCY, BY_OPERATION, {"operation": ANSWERED["operation"]}),
                    ),
                    OPERATION,
                ),
            ),
            steps=over(2, warn=1),
            shows="Time of the slowest operations; those that wait for a worker are left out.",
            normal="Below 0.5 s; history's below 0.2 s.",
            otherwise="History slow too: Persistence. Only the frontend: its CPU.",
        ),
        Panel(
            title="Frontend's requests and limit",
            unit=Unit.REQUESTS_PER_S,
            queries=(
                Query(
                    rate_of(metrics.SERVICE_REQUESTS, (metrics.INSTANCE,), FRONTEND, scope=OF_CLUSTER), "{{instance}}"
                ),
                Query(max_of(metrics.HOST_RPS_LIMIT, scope=OF_CLUSTER), "limit of each", limit=True),
            ),
            shows="Requests a second of each frontend against what one admits (frontend.rps, dynamic configuration).",
            normal="Even among frontends, below 70 % of the limit.",
            otherwise="Near the limit: add frontends. Uneven: connections live too long.",
        ),
        Panel(
            title="Frontend's waiting requests",
            unit=Unit.COUNT,
            queries=(
                Query(
                    top(SHOWN_SERIES, sum_of(metrics.SERVICE_PENDING_REQUESTS, ("namespace", "operation"))),
                    "{{namespace}} {{operation}}",
                ),
            ),
            shows="Long polls that frontends hold, by namespace.",
            normal="What workers keep open: pollers times queues.",
            otherwise="0 for a namespace with work: its workers are gone.",
        ),
        Panel(
            title="Calls between services, P99",
            unit=Unit.SECONDS,
            queries=(
                Query(
                    quantile(
                        0.99,
                        metrics.CLIENT_LATENCY,
                        (metrics.SERVICE, "service_role"),
                        {"operation": "!~.*(Poll|Query|Stream).*"},
                    ),
                    "{{service}} to {{service_role}}",
                ),
            ),
            steps=over(2, warn=1),
            shows="Time of calls from one service to another, retries included; polls are left out.",
            normal="Below 0.2 s.",
            otherwise="To history alone: Persistence, Shards. To all: network or CPU.",
        ),
        Panel(
            title="Calls between services that failed",
            unit=Unit.COUNTS_PER_S,
            queries=(
                Query(
                    top(
                        SHOWN_SERIES,
                        rate_of(metrics.CLIENT_ERRORS, (metrics.SERVICE, "service_role", "error_type")),
                    ),
                    "{{service}} to {{service_role}}: {{error_type}}",
                ),
            ),
            empty="none",
            shows="Calls from one service to another that failed, by type.",
            normal="NotFound; Unavailable for seconds while tasks are replaced.",
            otherwise="Unavailable that stays: a ring that disagrees. `auroral cluster status`.",
        ),
    )


def _processes() -> tuple[Panel, ...]:
    return (
        Panel(
            title="Heap in use",
            unit=Unit.BYTES,
            queries=(
                Query(max_of(metrics.HEAP_IN_USE, (metrics.SERVICE, metrics.INSTANCE)), "{{service}} {{instance}}"),
            ),
            shows="Memory of each task's heap.",
            normal="Level; history grows until its caches are full.",
            otherwise="Rising for hours: smaller caches (history.cacheMaxSize), or more memory.",
        ),
        Panel(
            title="Goroutines",
            unit=Unit.COUNT,
            queries=(
                Query(max_of(metrics.GOROUTINES, (metrics.SERVICE, metrics.INSTANCE)), "{{service}} {{instance}}"),
            ),
            shows="Goroutines of each task.",
            normal="Hundreds; thousands in history, with its shards.",
            otherwise="Rising with the latency: callers pile up behind the store.",
        ),
        Panel(
            title="Pauses for garbage",
            unit=Unit.SECONDS,
            queries=(Query(quantile(0.99, metrics.GC_PAUSE, _BY_SERVICE), "{{service}} P99"),),
            steps=over(0.1),
            shows="How long collecting garbage stops a task.",
            normal="Below 0.01 s.",
            otherwise="The task has too little CPU: see the next panel.",
        ),
        Panel(
            title="CPU",
            unit=Unit.PERCENT,
            queries=(CloudQuery(metrics.SERVICE_CPU, _BY_ECS_SERVICE, _ECS_SERVICE),),
            steps=over(80),
            highest=100,
            width=12,
            shows="CPU of each service's busiest task, of what its task definition has.",
            normal="Below 80 %.",
            otherwise="`auroral capacity plan` for the load, then `auroral cluster scale`.",
        ),
        Panel(
            title="Memory",
            unit=Unit.PERCENT,
            queries=(CloudQuery(metrics.SERVICE_MEMORY, _BY_ECS_SERVICE, _ECS_SERVICE),),
            steps=over(85),
            highest=100,
            width=12,
            shows="Memory of each service's largest task, of what its task definition has.",
            normal="Level, below 85 %.",
            otherwise="Give it more: a task beyond 100 % is killed.",
        ),
    )
