"""Rows of the dashboard Temporal Server: shards, task queues, history's caches and its own tasks. Pure."""

from __future__ import annotations

from auroral.dashboards import metrics
from auroral.dashboards.panels import Panel, Query, Row, Shape, Unit, over
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

_QUEUES = 10
_BY_QUEUE = ("namespace", "taskqueue", "task_type")
_QUEUE = "{{namespace}} {{taskqueue}} {{task_type}}"
_BY_TASK = (metrics.INSTANCE,)
_SHARD = {"operation": "ShardInfo"}
_WORKFLOW_LOCK = {"cache_type": "mutablestate", "operation": "HistoryCacheGetOrCreate"}


def rows() -> tuple[Row, ...]:
    """Make the rows."""
    return (
        Row("Shards", _shards()),
        Row("Task queues", _queues()),
        Row("History caches", _caches()),
        Row("History tasks", _tasks()),
    )


def _shards() -> tuple[Panel, ...]:
    return (
        Panel(
            title="Shards owned",
            unit=Unit.COUNT,
            queries=(
                Query(sum_of(metrics.SHARDS, _BY_TASK, scope=OF_CLUSTER), "{{instance}}"),
                Query(sum_of(metrics.SHARDS, scope=OF_CLUSTER), "all"),
            ),
            shows="Shards that each history task owns, and all together.",
            normal="Nearly even; all together is numHistoryShards.",
            otherwise="All together is more or less for minutes: the ring disagrees. `auroral cluster status`.",
        ),
        Panel(
            title="Shards moved",
            unit=Unit.COUNT,
            queries=(
                Query(counted(metrics.SHARDS_CREATED, scope=OF_CLUSTER), "taken over"),
                Query(counted(metrics.SHARDS_REMOVED, scope=OF_CLUSTER), "given up"),
                Query(counted(metrics.SHARDS_CLOSED, scope=OF_CLUSTER), "lost"),
                Query(counted(metrics.SHARD_ENGINE_ERRORS, scope=OF_CLUSTER), "not acquired"),
            ),
            shape=Shape.BARS,
            shows="Shards that changed their owner in each interval.",
            normal="None; each once or twice while history tasks come and go.",
            otherwise="Without end: tasks that restart, a ring that disagrees, or a store too slow to renew ownership.",
        ),
        Panel(
            title="Time to acquire a shard",
            unit=Unit.SECONDS,
            queries=tuple(
                Query(
                    quantile(share, metrics.SHARD_ACQUISITION_LATENCY, scope=OF_CLUSTER),
                    f"P{share * 100:.0f}",
                )
                for share in (0.5, 0.99)
            ),
            steps=over(5, warn=1),
            empty="none acquired",
            shows="How long it takes to own a shard; its workflows wait meanwhile.",
            normal="Below 0.5 s.",
            otherwise="Pools that are not full yet, or conflicts on the shard's row: DSQL Persistence.",
        ),
        Panel(
            title="Changes of the ring",
            unit=Unit.COUNT,
            queries=(Query(counted(metrics.MEMBERSHIP_CHANGES, _BY_TASK, scope=OF_CLUSTER), "{{instance}}"),),
            shape=Shape.BARS,
            width=12,
            shows="Changes of history's membership that each history task heard of, in each interval.",
            normal="None; the same number at every task while tasks come and go.",
            otherwise="At some tasks alone: they do not reach each other. `auroral cluster status`.",
        ),
        Panel(
            title="Wait for a shard's locks, P99",
            unit=Unit.SECONDS,
            queries=(
                Query(quantile(0.99, metrics.LOCK_LATENCY, (), _SHARD, scope=OF_CLUSTER), "lock"),
                Query(quantile(0.99, metrics.SEMAPHORE_LATENCY, (), _SHARD, scope=OF_CLUSTER), "slot for the store"),
            ),
            steps=over(1, warn=0.1),
            width=12,
            shows="How long requests wait for their shard: its lock, and one of its slots for the store.",
            normal="Below 0.01 s.",
            otherwise="Too few shards for the load, or a slow store. The number of shards is fixed for a cluster.",
        ),
    )


def _queues() -> tuple[Panel, ...]:
    return (
        Panel(
            title="Backlog",
            unit=Unit.COUNT,
            queries=(Query(top(_QUEUES, sum_of(metrics.BACKLOG, _BY_QUEUE, scope=OF_NAMESPACE)), _QUEUE),),
            shows="Tasks stored because no poller waited, roughly; the longest queues.",
            normal="0.",
            otherwise="More workers or pollers of that queue.",
        ),
        Panel(
            title="Age of the backlog",
            unit=Unit.SECONDS,
            queries=(Query(top(_QUEUES, max_of(metrics.BACKLOG_AGE, _BY_QUEUE, scope=OF_NAMESPACE)), _QUEUE),),
            steps=over(60, warn=10),
            shows="Age of the oldest stored task of each queue.",
            normal="0.",
            otherwise="Rising by a second each second: nobody takes any. Start workers.",
        ),
        Panel(
            title="Schedule-to-start",
            unit=Unit.SECONDS,
            queries=tuple(
                Query(
                    quantile(share, metrics.SCHEDULE_TO_START_LATENCY, ("task_type",), scope=OF_NAMESPACE),
                    f"{{{{task_type}}}} P{share * 100:.0f}",
                )
                for share in (0.5, 0.99)
            ),
            steps=over(5, warn=1),
            shows="From scheduling a task to a worker's taking it.",
            normal="P99 below 0.2 s.",
            otherwise="With a backlog: workers. Without: Persistence, history's tasks.",
        ),
        Panel(
            title="Matched at once",
            unit=Unit.SHARE,
            queries=(
                Query(
                    ratio(
                        rate_of(metrics.POLL_SUCCESS_SYNC, ("task_type",), scope=OF_NAMESPACE),
                        rate_of(metrics.POLL_SUCCESS, ("task_type",), scope=OF_NAMESPACE),
                    ),
                    "{{task_type}}",
                ),
            ),
            highest=1,
            shows="Share of tasks that met a waiting poller and were never stored.",
            normal="Above 95 %.",
            otherwise="Too few pollers for the rate, or too many partitions for few pollers.",
        ),
        Panel(
            title="Pollers waiting",
            unit=Unit.COUNT,
            queries=(Query(top(_QUEUES, sum_of(metrics.PENDING_POLLS, _BY_QUEUE, scope=OF_NAMESPACE)), _QUEUE),),
            shows="Polls that wait at matching now, the queues with the most.",
            normal="Above 0 for every queue that is in use.",
            otherwise="0: all workers are busy, or gone.",
        ),
        Panel(
            title="Tasks added",
            unit=Unit.COUNTS_PER_S,
            queries=(
                Query(
                    rate_of(metrics.TASKS_ADDED, ("task_add_result",), {"forwarded": "false"}, scope=OF_NAMESPACE),
                    "{{task_add_result}}",
                ),
                Query(rate_of(metrics.NO_POLLER_TASKS, ("taskqueue",), scope=OF_NAMESPACE), "no poller: {{taskqueue}}"),
            ),
            shows="Tasks that history hands to matching, by what became of them, and those that nobody polls for.",
            normal="Nearly all sync_match.",
            otherwise="backlog: see the age. throttled or failure: matching's logs.",
        ),
    )


def _caches() -> tuple[Panel, ...]:
    by = ("cache_type",)
    return (
        Panel(
            title="Missed",
            unit=Unit.SHARE,
            queries=(
                Query(
                    ratio(
                        rate_of(metrics.CACHE_MISSES, by, scope=OF_CLUSTER),
                        rate_of(metrics.CACHE_REQUESTS, by, scope=OF_CLUSTER),
                    ),
                    "{{cache_type}}",
                ),
            ),
            highest=1,
            shows="Share of look-ups that a cache of history did not answer, so that the store is read.",
            normal="mutablestate: one for each new workflow, about 5 to 20 %.",
            otherwise="Larger history.cacheMaxSize, if memory has room; after shards moved it falls by itself.",
        ),
        Panel(
            title="Full",
            unit=Unit.SHARE,
            queries=(
                Query(
                    ratio(
                        max_of(metrics.CACHE_USAGE, (metrics.INSTANCE, *by), scope=OF_CLUSTER),
                        max_of(metrics.CACHE_SIZE, (metrics.INSTANCE, *by), scope=OF_CLUSTER),
                    ),
                    "{{instance}} {{cache_type}}",
                ),
            ),
            steps=over(1),
            headroom=True,
            shows="How full each history task's caches are.",
            normal="Full is normal; evictions say whether it is too small.",
            otherwise="See evictions.",
        ),
        Panel(
            title="Evicted",
            unit=Unit.COUNTS_PER_S,
            queries=(Query(rate_of(metrics.CACHE_EVICTION_AGE, by, scope=OF_CLUSTER), "{{cache_type}}"),),
            empty="none",
            shows="Entries that had to make room, a second.",
            normal="None, or fewer than workflows are closed.",
            otherwise="As many as misses: the cache is too small for the workflows that are open.",
        ),
        Panel(
            title="Wait for a workflow's lock, P99",
            unit=Unit.SECONDS,
            queries=(Query(quantile(0.99, metrics.CACHE_LATENCY, (), _WORKFLOW_LOCK, scope=OF_CLUSTER), "all"),),
            steps=over(1, warn=0.5),
            width=12,
            height=6,
            shows="How long requests wait for their workflow, which one at a time may change.",
            normal="Below 0.05 s.",
            otherwise="Many signals or activities of one workflow at once; or a slow store holds the lock long.",
        ),
        Panel(
            title="Locks not had",
            unit=Unit.COUNT,
            queries=(Query(counted(metrics.CACHE_ERRORS, ("operation",), scope=OF_CLUSTER), "{{operation}}"),),
            shape=Shape.BARS,
            empty="none",
            width=12,
            height=6,
            shows="Requests that gave up waiting for their workflow, in each interval.",
            normal="None.",
            otherwise="Find the workflow in history's logs, and spread its work.",
        ),
    )


def _tasks() -> tuple[Panel, ...]:
    by = ("task_type",)
    return (
        Panel(
            title="From due to end, P99",
            unit=Unit.SECONDS,
            queries=(
                Query(
                    top(_QUEUES, quantile(0.99, metrics.TASK_LATENCY_QUEUE, by, scope=OF_NAMESPACE)), "{{task_type}}"
                ),
            ),
            steps=over(10, warn=2),
            shows="How long history's own tasks take from when they are due, by type: transfer, timer, visibility.",
            normal="Below 0.5 s; visibility waits for its bulk.",
            otherwise="The next panel says in which step.",
        ),
        Panel(
            title="Where it goes, P99",
            unit=Unit.SECONDS,
            queries=(
                Query(quantile(0.99, metrics.TASK_LATENCY_LOAD, scope=OF_NAMESPACE), "until it is read"),
                Query(quantile(0.99, metrics.TASK_LATENCY_SCHEDULE, scope=OF_NAMESPACE), "until it runs"),
                Query(quantile(0.99, metrics.TASK_LATENCY_PROCESSING, scope=OF_NAMESPACE), "one run"),
            ),
            steps=over(10, warn=2),
            shows="Steps of history's tasks: read from the store, waiting in memory, running.",
            normal="Each below 0.2 s.",
            otherwise="Reading: the store. Waiting: history's CPU. Running: the store, matching or visibility.",
        ),
        Panel(
            title="Lag of timers",
            unit=Unit.SECONDS,
            queries=(
                Query(
                    quantile(0.99, metrics.SCHEDULED_QUEUE_LAG, ("task_category",), scope=OF_CLUSTER),
                    "{{task_category}} P99",
                ),
            ),
            empty="not written yet",
            shows="How far a shard's timers lie behind the clock, told when a shard writes its state.",
            normal="Minutes at most: the write itself is that rare.",
            otherwise="Growing: one workflow's task fails again and again. See errors.",
        ),
        Panel(
            title="Tasks run",
            unit=Unit.COUNTS_PER_S,
            queries=(Query(top(_QUEUES, rate_of(metrics.TASK_REQUESTS, by, scope=OF_NAMESPACE)), "{{task_type}}"),),
            shows="Runs of history's tasks a second, by type.",
            normal="A few for each workflow.",
            otherwise="More than the workflows explain: retries.",
        ),
        Panel(
            title="Tasks that failed",
            unit=Unit.COUNT,
            queries=(
                Query(top(_QUEUES, counted(metrics.TASK_ERRORS, by, scope=OF_NAMESPACE)), "{{task_type}}"),
                Query(counted(metrics.TASK_WORKFLOW_BUSY, (), scope=OF_NAMESPACE), "workflow busy"),
                Query(counted(metrics.TASK_TERMINAL_FAILURES, (), scope=OF_NAMESPACE), "given up"),
            ),
            shape=Shape.BARS,
            empty="none",
            shows="Runs of history's tasks that failed unexpectedly, in each interval; they are tried again.",
            normal="None; some while shards move.",
            otherwise="`auroral cluster logs history`; what is given up is in the DLQ (`tdbg dlq`).",
        ),
        Panel(
            title="Tasks in memory of a shard, P99",
            unit=Unit.COUNT,
            queries=(Query(quantile(0.99, metrics.PENDING_TASKS, ("operation",), scope=OF_CLUSTER), "{{operation}}"),),
            steps=over(10_000, warn=5_000),
            shows="Tasks that a shard's queue holds in memory.",
            normal="Tens.",
            otherwise="Thousands: they are not run as fast as they are made.",
        ),
    )
