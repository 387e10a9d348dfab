"""Every metric that a panel shows or a rule asks for, named once. Pure.

Temporal's names: `common/metrics/metric_defs.go` of Temporal Server 1.32.2, as the image's configuration exposes them
(default reporter, no prefix): counters as they are, timers as histograms in seconds. Labels: a scrape of a loaded
cluster. Temporal writes `_` for whatever is neither letter, digit nor `_` in the values of its labels
(`temporal-system` is `temporal_system`); the SDK does not.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from auroral.bench import metrics as benchmark
from auroral.dsql import connections

CLUSTER: Final = "cluster"
SERVICE: Final = "service"
REVISION: Final = "revision"
INSTANCE: Final = "instance"
NAMESPACE: Final = "namespace"
TARGET_LABELS = (CLUSTER, SERVICE, REVISION, INSTANCE)
"""On every series, of the scrape's relabelling: ECS cluster; what runs (see `SERVICES`); the task definition's
revision; the task's address and port."""

SERVICES = ("frontend", "history", "matching", "worker")
"""Values of `service` that are Temporal's."""

GENERATOR = "benchmark-generator"
WORKERS = "benchmark-worker"


class Kind(StrEnum):
    """What a metric is to Prometheus."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    """Series `_bucket`, `_sum` and `_count`."""


class Source(StrEnum):
    """Who exposes a metric."""

    STORE = "the server's DSQL store"
    TEMPORAL = "Temporal Server"
    SDK = "Temporal's SDK for Python"
    BENCHMARK = "the benchmark"
    SCRAPE = "the scrape itself"
    RULES = "Prometheus' rules"


class Metric(msgspec.Struct, frozen=True):
    """A metric as Prometheus knows it."""

    name: str
    kind: Kind
    unit: str
    """`s`, `bytes`, or of what it is a number."""
    labels: tuple[str, ...]
    """Its own, beside `TARGET_LABELS`."""
    source: Source
    only_after: str = ""
    """What has to happen before there is a series; empty: a loaded cluster has one."""


class CloudMetric(msgspec.Struct, frozen=True):
    """A metric as CloudWatch knows it."""

    namespace: str
    name: str
    unit: str
    dimensions: tuple[str, ...]
    statistic: str
    """The one that tells most."""
    source: str
    """AWS's page that names it, read in November 2026."""


def _metric(source: Source, kind: Kind, name: str, unit: str, labels: str = "", *, after: str = "") -> Metric:
    return Metric(name, kind, unit, tuple(labels.split()), source, after)


def _counts(name: str, unit: str, labels: str = "", after: str = "") -> Metric:
    return _metric(Source.TEMPORAL, Kind.COUNTER, name, unit, labels, after=after)


def _reads(name: str, unit: str, labels: str = "", after: str = "") -> Metric:
    return _metric(Source.TEMPORAL, Kind.GAUGE, name, unit, labels, after=after)


def _times(name: str, labels: str = "", after: str = "", unit: str = "s") -> Metric:
    return _metric(Source.TEMPORAL, Kind.HISTOGRAM, name, unit, labels, after=after)


def _store(kind: Kind, name: str, unit: str, labels: str = "", after: str = "") -> Metric:
    return _metric(Source.STORE, kind, name, unit, labels, after=after)


# The server's DSQL store: docs/reference/server-metrics.md, which is generated from its source.
POOL_TARGET = _store(Kind.GAUGE, "dsql_pool_target", "connections")
POOL_OPEN = _store(Kind.GAUGE, "dsql_pool_open", "connections")
POOL_IN_USE = _store(Kind.GAUGE, "dsql_pool_in_use", "connections")
POOL_IDLE = _store(Kind.GAUGE, "dsql_pool_idle", "connections")
POOL_OPENING = _store(Kind.GAUGE, "dsql_pool_opening", "connections")
POOL_WAITING = _store(Kind.GAUGE, "dsql_pool_waiting", "callers")
POOL_WAITS = _store(Kind.COUNTER, "dsql_pool_waits", "waits", after="a caller that found no idle connection")
POOL_WAIT_LATENCY = _store(
    Kind.HISTOGRAM, "dsql_pool_wait_latency", "s", after="a caller that found no idle connection"
)
POOL_CLOSED = _store(Kind.COUNTER, "dsql_pool_closed", "connections", "reason", "a connection that was closed")
CONNECTS = _store(Kind.COUNTER, "dsql_connects", "attempts", "outcome reason")
CONNECT_LATENCY = _store(Kind.HISTOGRAM, "dsql_connect_latency", "s", "outcome reason")
WARMUP_LATENCY = _store(Kind.HISTOGRAM, "dsql_warmup_latency", "s")
WARMUP_CONNECTIONS = _store(Kind.COUNTER, "dsql_warmup_connections", "connections", "outcome")
STARTUP_CONNECTIONS = _store(Kind.COUNTER, "dsql_startup_connections", "connections", "outcome")
TOKEN_AGE = _store(Kind.GAUGE, "dsql_token_age", "s")
TOKENS = _store(Kind.COUNTER, "dsql_tokens", "tokens", "outcome")
LIMITER_WAIT_LATENCY = _store(Kind.HISTOGRAM, "dsql_limiter_wait_latency", "s", "limiter")
LIMITER_FAILURES = _store(
    Kind.COUNTER, "dsql_limiter_failures", "openings", after="a counter in DynamoDB that could not be asked"
)
CONFLICTS = _store(Kind.COUNTER, "dsql_transaction_conflicts", "conflicts", "where", "a conflict")
REPLAYS = _store(Kind.COUNTER, "dsql_transaction_replays", "transactions", after="a conflict")
REPLAYS_EXHAUSTED = _store(
    Kind.COUNTER, "dsql_transaction_replays_exhausted", "conflicts", "reason", "a conflict that replays did not solve"
)
TRANSACTION_LATENCY = _store(Kind.HISTOGRAM, "dsql_transaction_latency", "s", "outcome")

# Temporal: requests.
SERVICE_REQUESTS = _counts("service_requests", "requests", "namespace operation")
SERVICE_PENDING_REQUESTS = _reads("service_pending_requests", "requests", "namespace operation")
SERVICE_LATENCY = _times("service_latency", "namespace operation")
SERVICE_LATENCY_NO_USER = _times("service_latency_nouserlatency", "namespace operation")
"""Without the time that a request waits for the user's own lock or limit."""
SERVICE_ERRORS = _counts(
    "service_errors", "errors", "namespace operation", "a request that failed by the server's fault"
)
SERVICE_ERROR_WITH_TYPE = _counts(
    "service_error_with_type", "errors", "error_type namespace operation", "a request that failed, by whose fault ever"
)
SERVICE_RESOURCE_EXHAUSTED = _counts(
    "service_errors_resource_exhausted",
    "errors",
    "namespace operation resource_exhausted_cause resource_exhausted_scope",
    "a limit that was reached",
)
SERVICE_PANICS = _counts("service_panics", "panics", "", "a panic")
HOST_RPS_LIMIT = _reads("host_rps_limit", "requests per second")
"""What one frontend admits a second."""
GRPC_CONNECTIONS = _reads("service_grpc_conn_active", "connections")
CLIENT_LATENCY = _times("client_latency", "namespace operation service_role")
CLIENT_ERRORS = _counts(
    "client_errors", "errors", "error_type namespace operation service_role", "a call between services that failed"
)

# Temporal: workflows.
_OUTCOME = "namespace taskqueue workflowType"
WORKFLOW_SUCCESS = _counts("workflow_success", "workflows", _OUTCOME)
WORKFLOW_FAILED = _counts("workflow_failed", "workflows", _OUTCOME, "a workflow that failed")
WORKFLOW_TIMEOUT = _counts("workflow_timeout", "workflows", _OUTCOME, "a workflow that timed out")
WORKFLOW_CANCEL = _counts("workflow_cancel", "workflows", _OUTCOME, "a workflow that was canceled")
WORKFLOW_TERMINATE = _counts("workflow_terminate", "workflows", _OUTCOME, "a workflow that was terminated")
WORKFLOW_CONTINUED_AS_NEW = _counts("workflow_continued_as_new", "workflows", _OUTCOME, "one that continued as new")
WORKFLOW_LATENCY = _times("workflow_schedule_to_close_latency", _OUTCOME)
FAILED_WORKFLOW_TASKS = _counts(
    "failed_workflow_tasks", "tasks", "namespace failure operation", "a workflow task that failed"
)
START_TO_CLOSE_TIMEOUT = _counts(
    "start_to_close_timeout", "timeouts", "namespace operation", "a task that its worker did not end in time"
)
SCHEDULE_TO_START_TIMEOUT = _counts(
    "schedule_to_start_timeout", "timeouts", "namespace operation", "a task that no worker took in time"
)

# Temporal: persistence.
PERSISTENCE_REQUESTS = _counts("persistence_requests", "requests", "namespace operation")
PERSISTENCE_LATENCY = _times("persistence_latency", "namespace operation")
PERSISTENCE_ERRORS = _counts(
    "persistence_errors", "errors", "namespace operation", "a request to the store that failed unexpectedly"
)
PERSISTENCE_ERROR_WITH_TYPE = _counts("persistence_error_with_type", "errors", "error_type namespace operation")
"""What a caller expects as well: what is not found, a condition that does not hold."""
PERSISTENCE_RESOURCE_EXHAUSTED = _counts(
    "persistence_errors_resource_exhausted",
    "errors",
    "namespace operation resource_exhausted_cause resource_exhausted_scope",
    "a limit of requests to the store that was reached",
)
VISIBILITY_REQUESTS = _counts("visibility_persistence_requests", "requests", "operation visibility_plugin_name")
VISIBILITY_LATENCY = _times("visibility_persistence_latency", "operation visibility_plugin_name")
VISIBILITY_ERRORS = _counts(
    "visibility_persistence_errors", "errors", "operation visibility_plugin_name", "a request to visibility that failed"
)

# Temporal: shards and membership.
SHARDS = _reads("numshards_gauge", "shards")
SHARD_ACQUISITION_LATENCY = _times("sharditem_acquisition_latency", "operation")
SHARDS_CREATED = _counts("sharditem_created_count", "shards")
SHARDS_REMOVED = _counts("sharditem_removed_count", "shards", "", "a shard that was given up")
SHARDS_CLOSED = _counts("shard_closed_count", "shards", "", "a shard that was lost to another history")
ACQUIRE_SHARDS = _counts("acquire_shards_count", "rounds")
SHARD_ENGINE_ERRORS = _counts("get_engine_for_shard_errors", "errors", "", "a shard that could not be acquired")
MEMBERSHIP_CHANGES = _counts("membership_changed_count", "changes")
"""Of the history ring, counted by history alone."""
LOCK_LATENCY = _times("lock_latency", "operation")
SEMAPHORE_LATENCY = _times("semaphore_latency", "operation priority")
SHARD_DEADLOCK_PROBE = _times("dd_shard_lock_latency")
DEADLOCKS = _reads("dd_current_suspected_deadlocks", "deadlocks", "", "a suspected deadlock")

# Temporal: task queues, as matching sees them.
_QUEUE = "namespace taskqueue task_type partition"
BACKLOG = _reads("approximate_backlog_count", "tasks", _QUEUE)
BACKLOG_AGE = _reads("approximate_backlog_age_seconds", "s", _QUEUE)
PENDING_POLLS = _reads("pending_polls", "polls", _QUEUE)
"""Polls that wait at matching now."""
POLL_SUCCESS = _counts("poll_success", "polls", _QUEUE)
POLL_SUCCESS_SYNC = _counts("poll_success_sync", "polls", _QUEUE)
POLL_TIMEOUTS = _counts("poll_timeouts", "polls", _QUEUE)
NO_POLLER_TASKS = _counts("no_poller_tasks", "tasks", _QUEUE, "a task for a queue that nobody polled for two minutes")
TASKS_ADDED = _counts("tasks_added", "tasks", f"{_QUEUE} forwarded task_add_result")
SYNC_MATCH_LATENCY = _times("syncmatch_latency", _QUEUE)
TASK_DISPATCH_LATENCY = _times("task_dispatch_latency", _QUEUE)
SCHEDULE_TO_START_LATENCY = _times("task_schedule_to_start_latency", f"{_QUEUE} operation")
"""From history's scheduling of a task to a worker's taking it, as history sees it."""
LOADED_TASK_QUEUES = _reads("loaded_task_queue_count", "task queues", "namespace task_type")

# Temporal: history's caches and queues.
CACHE_REQUESTS = _counts("cache_requests", "requests", "cache_type operation")
CACHE_MISSES = _counts("cache_miss", "requests", "cache_type operation")
CACHE_ERRORS = _counts("cache_errors", "requests", "cache_type operation", "a lock that was not had in time")
CACHE_LATENCY = _times("cache_latency", "cache_type operation")
CACHE_SIZE = _reads("cache_size", "entries or bytes", "cache_type")
"""What the cache may hold."""
CACHE_USAGE = _reads("cache_usage", "entries or bytes", "cache_type")
CACHE_EVICTION_AGE = _times("cache_entry_age_on_eviction", "cache_type", "an entry that was evicted")
_TASK = "namespace operation task_type"
TASK_REQUESTS = _counts("task_requests", "tasks", _TASK)
TASK_LATENCY_QUEUE = _times("task_latency_queue", _TASK)
"""From when a history task is due, which is its making for all but timers, to its end."""
TASK_LATENCY_LOAD = _times("task_latency_load", _TASK)
TASK_LATENCY_SCHEDULE = _times("task_latency_schedule", _TASK)
TASK_LATENCY_PROCESSING = _times("task_latency_processing", _TASK)
TASK_ERRORS = _counts("task_errors", "tasks", _TASK, "a history task that failed unexpectedly")
TASK_WORKFLOW_BUSY = _counts(
    "task_errors_workflow_busy", "tasks", _TASK, "a history task that did not get its workflow's lock"
)
TASK_TERMINAL_FAILURES = _counts("task_terminal_failures", "tasks", _TASK, "a history task that can never succeed")
PENDING_TASKS = _times("pending_tasks", "operation", unit="tasks")
"""Of each shard's queue, in memory."""
SCHEDULED_QUEUE_LAG = _times(
    "shardinfo_scheduled_queue_lag", "operation task_category", "a shard that wrote its state, minutes after it was had"
)

# Temporal: the process.
RESTARTS = _counts("restarts", "starts")
GOROUTINES = _reads("num_goroutines", "goroutines")
HEAP_IN_USE = _reads("memory_heapinuse", "bytes")
GC_PAUSE = _times("memory_gc_pause_ms")
"""In seconds, whatever its name says."""


def _sdk(kind: Kind, name: str, unit: str, labels: str, after: str = "") -> Metric:
    return _metric(Source.SDK, kind, name, unit, f"{labels} process", after=after or "workers of the benchmark")


# Workers and generators of the benchmark, under the SDK's names, as its endpoint shows them: namespaces unchanged.
_WORKER = "namespace task_queue"
SDK_SLOTS_USED = _sdk(Kind.GAUGE, "temporal_worker_task_slots_used", "slots", f"{_WORKER} worker_type")
SDK_SLOTS_AVAILABLE = _sdk(Kind.GAUGE, "temporal_worker_task_slots_available", "slots", f"{_WORKER} worker_type")
SDK_POLLERS = _sdk(Kind.GAUGE, "temporal_num_pollers", "pollers", f"{_WORKER} poller_type")
SDK_STICKY_CACHE = _sdk(Kind.GAUGE, "temporal_sticky_cache_size", "workflows", _WORKER)
SDK_STICKY_HITS = _sdk(
    Kind.COUNTER, "temporal_sticky_cache_hit_total", "tasks", _WORKER, "a workflow of several workflow tasks"
)
SDK_STICKY_MISSES = _sdk(
    Kind.COUNTER, "temporal_sticky_cache_miss_total", "tasks", _WORKER, "a workflow that the cache had lost"
)
SDK_STICKY_EVICTIONS = _sdk(
    Kind.COUNTER, "temporal_sticky_cache_total_forced_eviction_total", "workflows", _WORKER, "a full cache"
)
SDK_REQUESTS = _sdk(Kind.COUNTER, "temporal_request_total", "requests", "namespace operation")
SDK_REQUEST_FAILURES = _sdk(
    Kind.COUNTER, "temporal_request_failure_total", "requests", "namespace operation", "a request that failed"
)
SDK_LONG_REQUESTS = _sdk(Kind.COUNTER, "temporal_long_request_total", "requests", "namespace operation")
"""Requests that ask the server to wait: polls for tasks, and a generator's for the end of its workflows."""
SDK_LONG_REQUEST_FAILURES = _sdk(
    Kind.COUNTER, "temporal_long_request_failure_total", "requests", "namespace operation", "a long poll that failed"
)
SDK_REQUEST_LATENCY = _sdk(Kind.HISTOGRAM, "temporal_request_latency_seconds", "s", "namespace operation")
SDK_POLLS = _sdk(Kind.COUNTER, "temporal_workflow_task_queue_poll_succeed_total", "polls", _WORKER)
SDK_WORKFLOW_TASK_SCHEDULE_TO_START = _sdk(
    Kind.HISTOGRAM, "temporal_workflow_task_schedule_to_start_latency_seconds", "s", _WORKER
)
SDK_WORKFLOW_TASK_LATENCY = _sdk(
    Kind.HISTOGRAM, "temporal_workflow_task_execution_latency_seconds", "s", f"{_WORKER} workflow_type"
)
SDK_WORKFLOW_TASK_FAILURES = _sdk(
    Kind.COUNTER,
    "temporal_workflow_task_execution_failed_total",
    "tasks",
    f"{_WORKER} workflow_type",
    "a workflow task that failed",
)
SDK_ACTIVITY_SCHEDULE_TO_START = _sdk(
    Kind.HISTOGRAM, "temporal_activity_schedule_to_start_latency_seconds", "s", _WORKER, "an activity"
)
SDK_ACTIVITY_LATENCY = _sdk(
    Kind.HISTOGRAM, "temporal_activity_execution_latency_seconds", "s", f"{_WORKER} activity_type", "an activity"
)
SDK_ACTIVITY_FAILURES = _sdk(
    Kind.COUNTER, "temporal_activity_execution_failed_total", "activities", f"{_WORKER} activity_type", "a failed one"
)


def _benchmark(kind: Kind, name: str, unit: str, labels: str) -> Metric:
    return _metric(Source.BENCHMARK, kind, name, unit, labels, after="a run of the benchmark")


BENCHMARK_INFO = _benchmark(Kind.GAUGE, benchmark.INFO, "run", "run_id")
BENCHMARK_TARGET_RATE = _benchmark(Kind.GAUGE, benchmark.TARGET_RATE, "workflows per second", "")
BENCHMARK_WORKFLOWS = _benchmark(Kind.COUNTER, benchmark.WORKFLOWS, "workflows", "process outcome")
BENCHMARK_SCHEDULED = _benchmark(Kind.COUNTER, benchmark.SCHEDULED, "workflows", "process")
BENCHMARK_LATENCY = _benchmark(Kind.HISTOGRAM, benchmark.LATENCY, "s", "process")
BENCHMARK_LAG = _benchmark(Kind.HISTOGRAM, benchmark.LAG, "s", "process")
BENCHMARK_IN_FLIGHT = _benchmark(Kind.GAUGE, benchmark.IN_FLIGHT, "workflows", "process")
BENCHMARK_PROCESS_UP = _benchmark(Kind.GAUGE, benchmark.PROCESS_UP, "processes", "process")

UP = _metric(Source.SCRAPE, Kind.GAUGE, "up", "targets")
"""1 where the last scrape of a target answered."""
SCRAPE_DURATION = _metric(Source.SCRAPE, Kind.GAUGE, "scrape_duration_seconds", "s")
SCRAPE_SAMPLES = _metric(Source.SCRAPE, Kind.GAUGE, "scrape_samples_scraped", "samples")
ALERTS = _metric(Source.RULES, Kind.GAUGE, "ALERTS", "alerts", "alertname alertstate severity", after="an alert")

_DSQL_PAGE = "Aurora DSQL User Guide, Monitoring Aurora DSQL with Amazon CloudWatch"
_SEARCH_PAGE = "OpenSearch Service Developer Guide, Monitoring OpenSearch cluster metrics with Amazon CloudWatch"
_ECS_PAGE = "ECS Developer Guide, Amazon ECS service utilization metrics"
_INSIGHTS_PAGE = "CloudWatch User Guide, Amazon ECS Container Insights metrics"


def _dsql(name: str, unit: str, statistic: str) -> CloudMetric:
    return CloudMetric("AWS/AuroraDSQL", name, unit, ("ClusterId",), statistic, _DSQL_PAGE)


DSQL_TRANSACTIONS = _dsql("TotalTransactions", "transactions", "Sum")
DSQL_READ_ONLY_TRANSACTIONS = _dsql("ReadOnlyTransactions", "transactions", "Sum")
DSQL_CONFLICTS = _dsql("OccConflicts", "transactions", "Sum")
DSQL_TIMEOUTS = _dsql("QueryTimeouts", "queries", "Sum")
DSQL_COMMIT_LATENCY = _dsql("CommitLatency", "ms", "Average")
"""Of the median: AWS publishes the P50."""
DSQL_COMPUTE_TIME = _dsql("ComputeTime", "ms", "Sum")
DSQL_BYTES_READ = _dsql("BytesRead", "bytes", "Sum")
DSQL_BYTES_WRITTEN = _dsql("BytesWritten", "bytes", "Sum")
DSQL_STORAGE = _dsql("ClusterStorageSize", "bytes", "Maximum")
DSQL_CONNECTIONS = CloudMetric(
    connections.USAGE_NAMESPACE,
    connections.USAGE_METRIC,
    "connections",
    tuple(one["Name"] for one in connections.usage_dimensions("")),
    "Maximum",
    _DSQL_PAGE,
)
"""Values of its dimensions: `auroral.dsql.connections.usage_dimensions`."""
DSQL_CONNECT_CALLS = CloudMetric(
    connections.USAGE_NAMESPACE, "CallCount", "calls", DSQL_CONNECTIONS.dimensions, "Sum", _DSQL_PAGE
)
"""Type `API`, resource `DbConnect` or `DbConnectAdmin`; the rest as of `DSQL_CONNECTIONS`."""
DSQL_TOTAL_UNITS = _dsql("TotalDPU", "DPU", "Sum")
DSQL_COMPUTE_UNITS = _dsql("ComputeDPU", "DPU", "Sum")
DSQL_READ_UNITS = _dsql("ReadDPU", "DPU", "Sum")
DSQL_WRITE_UNITS = _dsql("WriteDPU", "DPU", "Sum")
"""What is billed. AWS's table calls the dimension of these ResourceId; they are with the others under ClusterId."""


def _search(name: str, unit: str, statistic: str) -> CloudMetric:
    return CloudMetric("AWS/ES", name, unit, ("DomainName", "ClientId"), statistic, _SEARCH_PAGE)


SEARCH_RED = _search("ClusterStatus.red", "domains", "Maximum")
SEARCH_YELLOW = _search("ClusterStatus.yellow", "domains", "Maximum")
SEARCH_GREEN = _search("ClusterStatus.green", "domains", "Maximum")
SEARCH_WRITES_BLOCKED = _search("ClusterIndexWritesBlocked", "domains", "Maximum")
SEARCH_NODES = _search("Nodes", "nodes", "Minimum")
SEARCH_CPU = _search("CPUUtilization", "percent", "Maximum")
SEARCH_MEMORY = _search("JVMMemoryPressure", "percent", "Maximum")
SEARCH_FREE_STORAGE = _search("FreeStorageSpace", "MiB", "Minimum")

_SERVICE = ("ClusterName", "ServiceName")
TASKS_WANTED = CloudMetric("ECS/ContainerInsights", "DesiredTaskCount", "tasks", _SERVICE, "Average", _INSIGHTS_PAGE)
TASKS_RUNNING = CloudMetric("ECS/ContainerInsights", "RunningTaskCount", "tasks", _SERVICE, "Average", _INSIGHTS_PAGE)
SERVICE_CPU = CloudMetric("AWS/ECS", "CPUUtilization", "percent", _SERVICE, "Maximum", _ECS_PAGE)
SERVICE_MEMORY = CloudMetric("AWS/ECS", "MemoryUtilization", "percent", _SERVICE, "Maximum", _ECS_PAGE)

ALL: tuple[Metric, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
CLOUD: tuple[CloudMetric, ...] = tuple(value for value in list(globals().values()) if isinstance(value, CloudMetric))
BY_NAME = {metric.name: metric for metric in ALL}
