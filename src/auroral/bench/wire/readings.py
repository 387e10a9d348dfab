"""What calls over the wire and its workers count, as a Prometheus endpoint's text, under the SDK's names. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import Any

BOUNDS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Upper bounds of the latencies' buckets."""
SERVICE = "auroral-wire"


class Spread:
    """How long something took, by buckets."""

    __slots__ = ("counts", "sum_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.sum_s = 0.0

    def add(self, value_s: float) -> None:
        """Count one."""
        self.counts[bisect_left(BOUNDS_S, value_s)] += 1
        self.sum_s += value_s


class Slots:
    """How many tasks of a kind may be worked at a time, and how many are."""

    __slots__ = ("size", "used")

    def __init__(self, size: int) -> None:
        self.size = size
        self.used = 0


class Requests:
    """How requests ended, by method: those that ask the server to wait apart from the others."""

    def __init__(self, namespace: str, task_queue: str = "") -> None:
        """`task_queue`: whose they are; empty: of all of a process."""
        self.namespace = namespace
        self.task_queue = task_queue
        self.requests: dict[str, Spread] = {}
        self.failures: dict[tuple[str, str], int] = {}
        """By method and status."""
        self.long_requests: dict[str, Spread] = {}
        self.long_failures: dict[tuple[str, str], int] = {}

    def answered(self, method: str, took_s: float, error: Any, waits: bool = False) -> None:
        """Count a request, and its failure by status; `waits`: it asked the server to wait."""
        requests = self.long_requests if waits else self.requests
        spread = requests.get(method)
        if spread is None:
            spread = requests[method] = Spread()
        spread.add(took_s)
        if error is not None:
            self.failed(method, error, waits)

    def failed(self, method: str, error: Any, waits: bool = False) -> None:
        """Count a request that failed."""
        failures = self.long_failures if waits else self.failures
        key = (method, error.status.name)
        failures[key] = failures.get(key, 0) + 1


class Readings(Requests):
    """Of the worker of one task queue."""

    def __init__(self, namespace: str, task_queue: str) -> None:
        super().__init__(namespace, task_queue)
        self.slots: dict[str, Slots] = {}
        """By worker type, as the SDK names them."""
        self.pollers: dict[str, Callable[[], int]] = {}
        """Polls under way, by poller type."""
        self.cached: Callable[[], int] = int
        self.evicted: Callable[[], int] = int
        self.sticky_hits = self.sticky_misses = 0
        self.workflow_tasks = self.failed_tasks = self.activities = self.failed_activities = 0
        self.late = 0
        """Answers whose task the server had given up."""
        self.workflow_wait = Spread()
        self.activity_wait = Spread()


def text(readings: Sequence[Readings], *, requests: Requests | None = None) -> str:
    """All of a process's readings in Prometheus' text format; `requests` where they are counted for all of it."""
    lines: list[str] = []
    for name, kind, samples in [*_of_workers(readings), *_of_requests(readings if requests is None else [requests])]:
        lines.append(f"# TYPE {name} {kind}")
        lines.extend(samples)
    return "\n".join([*lines, ""])


def _of_workers(all_of: Sequence[Readings]) -> Iterator[tuple[str, str, list[str]]]:
    used, free = "temporal_worker_task_slots_used", "temporal_worker_task_slots_available"
    yield (
        used,
        "gauge",
        [_line(used, one, slots.used, worker_type=k) for one in all_of for k, slots in one.slots.items()],
    )
    yield (
        free,
        "gauge",
        [_line(free, one, slots.size - slots.used, worker_type=k) for one in all_of for k, slots in one.slots.items()],
    )
    polls = "temporal_num_pollers"
    yield (
        polls,
        "gauge",
        [_line(polls, one, count(), poller_type=k) for one in all_of for k, count in one.pollers.items()],
    )
    size = "temporal_sticky_cache_size"
    yield size, "gauge", [_line(size, one, one.cached()) for one in all_of]
    evicted = "temporal_sticky_cache_total_forced_eviction_total"
    yield evicted, "counter", [_line(evicted, one, one.evicted()) for one in all_of]
    for name, attribute in _COUNTERS.items():
        yield name, "counter", [_line(name, one, getattr(one, attribute)) for one in all_of]
    for name, attribute in _SPREADS.items():
        yield name, "histogram", [line for one in all_of for line in _spread(name, one, getattr(one, attribute))]


def _of_requests(all_of: Sequence[Requests]) -> Iterator[tuple[str, str, list[str]]]:
    for family, requests, failures in (
        ("temporal_request", "requests", "failures"),
        ("temporal_long_request", "long_requests", "long_failures"),
    ):
        spreads = [(one, method, spread) for one in all_of for method, spread in getattr(one, requests).items()]
        name = f"{family}_total"
        lines = [_line(name, one, sum(spread.counts), operation=method) for one, method, spread in spreads]
        yield name, "counter", lines
        name = f"{family}_failure_total"
        failed = [(one, key, count) for one in all_of for key, count in getattr(one, failures).items()]
        lines = [_line(name, one, count, operation=key[0], status_code=key[1]) for one, key, count in failed]
        yield name, "counter", lines
        name = f"{family}_latency_seconds"
        lines = [line for one, method, spread in spreads for line in _spread(name, one, spread, operation=method)]
        yield name, "histogram", lines


_COUNTERS = {
    "temporal_sticky_cache_hit_total": "sticky_hits",
    "temporal_sticky_cache_miss_total": "sticky_misses",
    "temporal_workflow_task_queue_poll_succeed_total": "workflow_tasks",
    "temporal_workflow_task_execution_failed_total": "failed_tasks",
    "temporal_activity_task_received_total": "activities",
    "temporal_activity_execution_failed_total": "failed_activities",
    "auroral_wire_late_answers_total": "late",
}
_SPREADS = {
    "temporal_workflow_task_schedule_to_start_latency_seconds": "workflow_wait",
    "temporal_activity_schedule_to_start_latency_seconds": "activity_wait",
}


def _line(name: str, one: Requests, value: float, **labels: str) -> str:
    queue = {"task_queue": one.task_queue} if one.task_queue else {}
    given = {"namespace": one.namespace, "service_name": SERVICE, **queue, **labels}
    return f"{name}{{{','.join(f'{key}={_quoted(text)}' for key, text in given.items())}}} {value!r}"


def _spread(name: str, one: Requests, spread: Spread, **labels: str) -> Iterator[str]:
    so_far = 0
    for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), spread.counts, strict=True):
        so_far += count
        yield _line(f"{name}_bucket", one, so_far, **labels, le=bound)
    yield _line(f"{name}_sum", one, spread.sum_s, **labels)
    yield _line(f"{name}_count", one, so_far, **labels)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
