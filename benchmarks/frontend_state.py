"""The executions of the small frontend: a queue in front of a known number of servers. Pure.

Time is an argument, in seconds since 1970, and never goes back. An execution waits until one of the servers is
free, is served for the service time and completes, so that at most `servers / service_time_s` complete each second.
Service times are all equal, or drawn from a log-normal distribution of that mean.
Open executions are all kept; of the closed ones the last `retain`. Those forgotten are counted by the first part
of their id, so that counts stay right when memory does not grow.
"""

from __future__ import annotations

import heapq
import math
import operator
import random
import re
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

RUNNING = "Running"
COMPLETED = "Completed"
TERMINATED = "Terminated"


@dataclass(slots=True, eq=False)
class Execution:
    """One workflow. Times in seconds since 1970."""

    workflow_id: str
    run_id: str
    request_id: str
    workflow_type: str
    task_queue: str
    started_s: float
    status: str = RUNNING
    closed_s: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether it has not closed."""
        return self.closed_s is None


class Executions:
    """Every execution that the frontend knows, and the servers that serve them in the order of their arrival."""

    def __init__(
        self,
        *,
        service_time_s: float,
        servers: int | None,
        retain: int,
        service_time_cv: float = 0.0,
        seed: int = 1,
    ) -> None:
        """`servers` None: as many as there is work. `service_time_cv`: standard deviation of service times / mean."""
        self._draw_s = _service_times(service_time_s, service_time_cv, seed)
        self._servers = servers
        self._retain = retain
        self._by_id: dict[str, Execution] = {}
        self._closed: deque[Execution] = deque()
        self._waiting: deque[Execution] = deque()
        self._served: list[tuple[float, int, Execution]] = []
        self._forgotten: Counter[tuple[str, str, str]] = Counter()
        self.added = 0
        """Executions that came."""
        self.dispatched = 0
        """Executions that got a server."""

    def find(self, workflow_id: str) -> Execution | None:
        """The last execution of an id, while it is kept."""
        return self._by_id.get(workflow_id)

    def start(self, execution: Execution) -> None:
        """Take a new execution, at its start time. Call `advance` to that time first."""
        self.added += 1
        replaced = self._by_id.pop(execution.workflow_id, None)
        if replaced is not None:
            self._count_forgotten(replaced)
        self._by_id[execution.workflow_id] = execution
        if self._servers is not None and len(self._served) >= self._servers:
            self._waiting.append(execution)
        else:
            self._serve(execution, execution.started_s)

    def advance(self, now_s: float) -> list[Execution]:
        """Complete what is due by now; returns it in order of its close."""
        completed = []
        while self._served and self._served[0][0] <= now_s:
            finished_s, _, execution = heapq.heappop(self._served)
            if execution.is_open:
                self._close(execution, COMPLETED, finished_s)
                completed.append(execution)
            while self._waiting:
                following = self._waiting.popleft()
                if following.is_open:
                    # The server is free from the instant it finished, however late this is called.
                    self._serve(following, max(finished_s, following.started_s))
                    break
        return completed

    def next_close_s(self) -> float | None:
        """When the next execution completes, or None."""
        return self._served[0][0] if self._served else None

    def terminate(self, execution: Execution, now_s: float) -> None:
        """Close an open execution. One that waits gives way; one that is served keeps its server to the end."""
        self._close(execution, TERMINATED, now_s)

    @property
    def backlog(self) -> int:
        """Open executions that wait for a server."""
        return sum(execution.is_open for execution in self._waiting)

    def backlog_age_s(self, now_s: float) -> float:
        """For how long the oldest of them has waited."""
        return next((now_s - execution.started_s for execution in self._waiting if execution.is_open), 0.0)

    def select(self, query: Query) -> Iterator[Execution]:
        """The kept executions that match, oldest first."""
        return (execution for execution in self._by_id.values() if query.matches(execution))

    def count(self, query: Query) -> Counter[str]:
        """How many match, by status, forgotten ones included; those only by prefix, type and status."""
        counts = Counter(execution.status for execution in self.select(query))
        for (group, workflow_type, status), count in self._forgotten.items():
            stand_in = Execution(f"{group}-", "", "", workflow_type, "", 0.0, status, 0.0)
            if query.matches(stand_in):
                counts[status] += count
        return counts

    def _serve(self, execution: Execution, now_s: float) -> None:
        self.dispatched += 1
        heapq.heappush(self._served, (now_s + self._draw_s(), self.dispatched, execution))

    def _close(self, execution: Execution, status: str, closed_s: float) -> None:
        execution.status = status
        execution.closed_s = closed_s
        self._closed.append(execution)
        if len(self._closed) > self._retain:
            oldest = self._closed.popleft()
            if self._by_id.get(oldest.workflow_id) is oldest:
                del self._by_id[oldest.workflow_id]
                self._count_forgotten(oldest)

    def _count_forgotten(self, execution: Execution) -> None:
        group = execution.workflow_id.rpartition("-")[0]
        self._forgotten[group, execution.workflow_type, execution.status] += 1


def _service_times(mean_s: float, cv: float, seed: int) -> Callable[[], float]:
    """Log-normal service times of this mean and coefficient of variation."""
    if cv <= 0 or mean_s <= 0:
        return lambda: mean_s
    variance = math.log1p(cv * cv)
    draw, location, scale = random.Random(f"service times {seed}").lognormvariate, math.log(mean_s), math.sqrt(variance)
    return lambda: draw(location - variance / 2, scale)


_CONDITION = re.compile(
    r"""\s*(?P<field>\w+?)\s*(?P<operator>\bSTARTS_WITH|!=|>=|<=|=|>|<)\s*(?P<quote>['"])(?P<value>[^'"]*)(?P=quote)\s*""",
    re.IGNORECASE,
)
_GROUP_BY = re.compile(r"(?:^|\s)GROUP\s+BY\s+ExecutionStatus\s*$", re.IGNORECASE)
_FIELDS = {
    "WorkflowId": "workflow_id",
    "RunId": "run_id",
    "WorkflowType": "workflow_type",
    "TaskQueue": "task_queue",
    "ExecutionStatus": "status",
    "StartTime": "started_s",
    "CloseTime": "closed_s",
}
_TIMES = frozenset({"started_s", "closed_s"})


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "STARTS_WITH": str.startswith,
}


class Query:
    """A visibility query: conditions joined by AND on ids, types, statuses and times; GROUP BY ExecutionStatus."""

    def __init__(self, text: str) -> None:
        """Raises `ValueError` for anything else."""
        self.grouped = _GROUP_BY.search(text) is not None
        self._conditions: list[tuple[str, Callable[[Any, Any], bool], Any]] = []
        conditions = _GROUP_BY.sub("", text)
        for part in re.split(r"\s+AND\s+", conditions, flags=re.IGNORECASE) if conditions.strip() else ():
            match = _CONDITION.fullmatch(part)
            if match is None or match["field"] not in _FIELDS:
                raise ValueError(f"expected conditions such as WorkflowId STARTS_WITH 'x' joined by AND, got {part!r}")
            field = _FIELDS[match["field"]]
            value = datetime.fromisoformat(match["value"]).timestamp() if field in _TIMES else match["value"]
            self._conditions.append((field, _OPERATORS[match["operator"].upper()], value))

    def matches(self, execution: Execution) -> bool:
        """Whether every condition holds. A close time that is not there fails every comparison."""
        for field, holds, wanted in self._conditions:
            actual = getattr(execution, field)
            if actual is None or not holds(actual, wanted):
                return False
        return True
