"""Rows of the dashboard Benchmark: its workers, and requests as generator and workers see them. Pure.

They are of the cluster's benchmark, whichever run: workers serve one after the other and know no run.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from auroral.dashboards import metrics
from auroral.dashboards.metrics import GENERATOR, INSTANCE, SERVICE, Metric
from auroral.dashboards.panels import CloudQuery, Panel, Query, Row, Shape, Unit, over, under
from auroral.dashboards.queries import OF_CLUSTER, counted, quantile, rate_of, ratio, sum_of, top

SCOPE = MappingProxyType({**OF_CLUSTER, SERVICE: f"=~{GENERATOR}|{metrics.WORKERS}"})
"""Other workers of the cluster are somebody's product. A run without a service of workers has them in its own task."""

FULL_SHARE = 0.9
MOST = 10
"""Operations shown."""

_TYPE = ("worker_type",)
_POLLER = ("poller_type",)
_PROCESS = (INSTANCE, "process")


def _quantiles(metric: Metric, by: Sequence[str] = ()) -> tuple[Query, ...]:
    legend = "".join(f" {{{{{label}}}}}" for label in by)
    return tuple(
        Query(quantile(share, metric, by, scope=SCOPE), f"P{share * 100:.0f}{legend}") for share in (0.5, 0.99)
    )


def _slots(by: Sequence[str]) -> str:
    used = sum_of(metrics.SDK_SLOTS_USED, by, scope=SCOPE)
    free = sum_of(metrics.SDK_SLOTS_AVAILABLE, by, scope=SCOPE)
    return ratio(used, f"({used}) + ({free})")


_HITS = rate_of(metrics.SDK_STICKY_HITS, scope=SCOPE)
_MISSES = rate_of(metrics.SDK_STICKY_MISSES, scope=SCOPE)

WORKERS = Row(
    "The workers",
    (
        Panel(
            title="Slots used, of all",
            unit=Unit.SHARE,
            shows="Task slots of the workers that run a task.",
            normal=f"Below {FULL_SHARE:.0%}.",
            otherwise="Full: tasks wait for a worker. More workers (`--workers`) or more slots "
            "(`--max-concurrent-activities`, `--max-concurrent-workflow-tasks`).",
            queries=(Query(_slots(_TYPE), "{{worker_type}}"),),
            steps=over(FULL_SHARE),
            highest=1,
        ),
        Panel(
            title="Slots used and free",
            unit=Unit.COUNT,
            shows="Task slots of all workers together.",
            normal="Used follows the load; free stays above 0.",
            otherwise="No slots at all: no worker is there. `auroral bench remote workers` starts them.",
            queries=(
                Query(sum_of(metrics.SDK_SLOTS_USED, _TYPE, scope=SCOPE), "used {{worker_type}}"),
                Query(sum_of(metrics.SDK_SLOTS_AVAILABLE, _TYPE, scope=SCOPE), "free {{worker_type}}"),
            ),
        ),
        Panel(
            title="Pollers",
            unit=Unit.COUNT,
            shows="Polls that workers keep open, by what they wait for.",
            normal="Steady; `sticky_workflow_task` takes most of those for workflow tasks.",
            otherwise="0 of a kind: nobody takes such tasks. Falling: workers are busy, or their polls fail.",
            queries=(Query(sum_of(metrics.SDK_POLLERS, _POLLER, scope=SCOPE), "{{poller_type}}"),),
        ),
        Panel(
            title="Workflow task: scheduled to started",
            unit=Unit.SECONDS,
            shows="How long workflow tasks waited for a worker, as workers see it.",
            normal="Some milliseconds to tens of them.",
            otherwise="With free slots: matching, or too few pollers. Without: too few workers.",
            queries=_quantiles(metrics.SDK_WORKFLOW_TASK_SCHEDULE_TO_START),
        ),
        Panel(
            title="Workflow task: execution",
            unit=Unit.SECONDS,
            shows="The worker's own time for a workflow task.",
            normal="Milliseconds.",
            otherwise="The workers' CPU is full, or the cache lost what has to be replayed; see *Sticky cache*.",
            queries=_quantiles(metrics.SDK_WORKFLOW_TASK_LATENCY),
        ),
        Panel(
            title="Activities",
            unit=Unit.SECONDS,
            shows="P99 of how long activities waited for a worker, and of how long they ran.",
            normal="The wait as of workflow tasks; the run as the workload has it.",
            otherwise="A long wait with full slots: more workers, or more slots for activities.",
            queries=(
                Query(quantile(0.99, metrics.SDK_ACTIVITY_SCHEDULE_TO_START, scope=SCOPE), "waited"),
                Query(quantile(0.99, metrics.SDK_ACTIVITY_LATENCY, scope=SCOPE), "ran"),
            ),
            empty="no activity has run",
        ),
        Panel(
            title="Sticky cache",
            unit=Unit.COUNT,
            shows="Workflows that workers have in memory, and those that a full cache pushed out.",
            normal="As many as are in flight; none pushed out.",
            otherwise="Pushed out: those are replayed from their history. More workers, or a larger cache.",
            queries=(
                Query(sum_of(metrics.SDK_STICKY_CACHE, scope=SCOPE), "in memory"),
                Query(counted(metrics.SDK_STICKY_EVICTIONS, scope=SCOPE), "pushed out"),
            ),
        ),
        Panel(
            title="Sticky cache: found",
            unit=Unit.SHARE,
            shows="Workflow tasks that found their workflow in memory. There are no misses to count before the first.",
            normal="100 %.",
            otherwise="Less: workers were replaced, or the cache is too small.",
            queries=(Query(ratio(_HITS, f"({_HITS}) + (({_MISSES}) or vector(0))"), "found"),),
            steps=under(0.95),
            highest=1,
            empty="nothing to find yet",
        ),
        Panel(
            title="Failed tasks",
            unit=Unit.COUNT,
            shows="Workflow tasks and activities that failed in a worker.",
            normal="None, but for workloads that fail on purpose.",
            otherwise="`auroral cluster logs benchmark-worker`.",
            queries=(
                Query(counted(metrics.SDK_WORKFLOW_TASK_FAILURES, scope=SCOPE), "workflow tasks"),
                Query(counted(metrics.SDK_ACTIVITY_FAILURES, scope=SCOPE), "activities"),
            ),
            shape=Shape.BARS,
            empty="none failed",
        ),
        Panel(
            title="CPU of the services",
            unit=Unit.PERCENT,
            shows="CPU of the busiest task of each ECS service, of what it reserves. The generator is no service and "
            "not in it; its lag tells.",
            normal="Below 85 %.",
            otherwise="Workers full: `--workers`. A service of the server full: it is the limit that was looked for.",
            queries=(
                CloudQuery(
                    metrics.SERVICE_CPU, {"ClusterName": "$cluster", "ServiceName": "*"}, "${PROP('Dim.ServiceName')}"
                ),
            ),
            steps=over(85),
        ),
        Panel(
            title="Processes that answer",
            unit=Unit.COUNT,
            shows="Processes of a run, or of a task of workers, whose own metrics could be read.",
            normal="All of them, steady.",
            otherwise="Falling: a process ended or is too busy to answer. `auroral cluster logs benchmark-worker`.",
            queries=(Query(sum_of(metrics.BENCHMARK_PROCESS_UP, (SERVICE,), scope=SCOPE), "{{service}}"),),
            shape=Shape.STACKED,
        ),
        Panel(
            title="Busiest processes",
            unit=Unit.SHARE,
            shows=f"Slots used, of the {MOST} processes with most.",
            normal="Alike in all.",
            otherwise="One alone is full: its task queue partition is hot, or others do not poll.",
            queries=(Query(top(MOST, _slots(_PROCESS)), "{{instance}} {{process}}"),),
            steps=over(FULL_SHARE),
            highest=1,
        ),
    ),
)

CLIENT = Row(
    "Requests to the server, as generator and workers see them",
    (
        Panel(
            title="Requests a second",
            unit=Unit.REQUESTS_PER_S,
            shows=f"The {MOST} operations with most requests, of generator and workers, and of those that wait.",
            normal="In proportion to the rate.",
            otherwise="Starts below the target: the generator lags.",
            queries=(
                Query(top(MOST, rate_of(metrics.SDK_REQUESTS, ("operation",), scope=SCOPE)), "{{operation}}"),
                Query(
                    top(MOST, rate_of(metrics.SDK_LONG_REQUESTS, ("operation",), scope=SCOPE)), "{{operation}}, waiting"
                ),
            ),
        ),
        Panel(
            title="Latency of requests",
            unit=Unit.SECONDS,
            shows=f"P99 of the {MOST} slowest operations, long polls aside.",
            normal="Tens of milliseconds.",
            otherwise="Compare with *Temporal Server*: what is not there was spent on the way.",
            queries=(
                Query(
                    top(MOST, quantile(0.99, metrics.SDK_REQUEST_LATENCY, ("operation",), scope=SCOPE)),
                    "{{operation}}",
                ),
            ),
        ),
        Panel(
            title="Failed requests",
            unit=Unit.COUNT,
            shows="Requests that failed, tried again or not.",
            normal="None.",
            otherwise="Starts and waits: limits of the frontend; see *Temporal Server*. All: a frontend went away.",
            queries=(
                Query(counted(metrics.SDK_REQUEST_FAILURES, ("operation",), scope=SCOPE), "{{operation}}"),
                Query(
                    counted(metrics.SDK_LONG_REQUEST_FAILURES, ("operation",), scope=SCOPE), "{{operation}}, waiting"
                ),
            ),
            shape=Shape.BARS,
            empty="none failed",
        ),
    ),
)
