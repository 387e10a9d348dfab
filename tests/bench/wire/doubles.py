"""What the wire worker's tests share: a history that grows as a server's would, calls that are answered by hand, and
timers without a clock."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from typing import Any

from temporalio.api.common.v1 import WorkflowType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.service import RPCError, RPCStatusCode

from auroral.bench.wire import decide
from auroral.bench.wire.decide import Cancel, Command, Complete, Fail, ScheduleActivity, StartChild, StartTimer
from auroral.bench.workflows import encode_input
from auroral.bench.workload import Workload

TASK_SCHEDULED, TASK_STARTED, TASK_COMPLETED, TASK_FAILED = 5, 6, 7, 9


class History:
    """The events of one run, made as the server makes them."""

    def __init__(
        self, workload: Workload | None = None, *, kind: str = "auroral.workload", run_id: str = "run"
    ) -> None:
        self.events: list[HistoryEvent] = []
        self.open: dict[int, Command] = {}
        """What was commanded and has not ended, by the event that began it."""
        self.closed = False
        start = self.add(decide.STARTED).workflow_execution_started_event_attributes
        start.workflow_type.CopyFrom(WorkflowType(name=kind))
        start.task_queue.CopyFrom(TaskQueue(name="q"))
        if workload is not None:
            start.input.CopyFrom(encode_input(workload))
        start.workflow_execution_timeout.seconds = 120
        start.original_execution_run_id = run_id
        start.workflow_id = "w"

    def add(self, kind: int) -> HistoryEvent:
        """One more event."""
        event = HistoryEvent(event_id=len(self.events) + 1)
        event.event_type = kind  # type: ignore[assignment]
        self.events.append(event)
        return event

    def task(self) -> None:
        """A workflow task is scheduled and started."""
        self.add(TASK_SCHEDULED)
        self.add(TASK_STARTED)

    def answer(self, commands: list[Command]) -> None:
        """The workflow task is completed with these commands."""
        self.add(TASK_COMPLETED)
        for command in commands:
            match command:
                case ScheduleActivity(activity_id, _):
                    event = self.add(decide.ACTIVITY_SCHEDULED)
                    event.activity_task_scheduled_event_attributes.activity_id = activity_id
                    self.open[event.event_id] = command
                case StartTimer(timer_id, _):
                    event = self.add(decide.TIMER_STARTED)
                    event.timer_started_event_attributes.timer_id = timer_id
                    self.open[event.event_id] = command
                case StartChild(workflow_id):
                    event = self.add(decide.CHILD_INITIATED)
                    event.start_child_workflow_execution_initiated_event_attributes.workflow_id = workflow_id
                    self.open[event.event_id] = command
                case Complete() | Cancel() | Fail():
                    self.closed = True

    def end(self, begun_by: int) -> None:
        """What this event began has completed."""
        match self.open.pop(begun_by):
            case ScheduleActivity():
                self.add(decide.ACTIVITY_STARTED).activity_task_started_event_attributes.scheduled_event_id = begun_by
                event = self.add(decide.ACTIVITY_COMPLETED)
                event.activity_task_completed_event_attributes.scheduled_event_id = begun_by
            case StartTimer(timer_id, _):
                event = self.add(decide.TIMER_FIRED)
                event.timer_fired_event_attributes.started_event_id = begun_by
                event.timer_fired_event_attributes.timer_id = timer_id
            case StartChild():
                started = self.add(decide.CHILD_STARTED).child_workflow_execution_started_event_attributes
                started.initiated_event_id = begun_by
                event = self.add(decide.CHILD_COMPLETED)
                event.child_workflow_execution_completed_event_attributes.initiated_event_id = begun_by


class Timers:
    """An event loop's timers, whose time moves when told."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._due: list[tuple[float, int, _Timer]] = []
        self._numbers = itertools.count()

    def time(self) -> float:
        return self.now_s

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any) -> _Timer:
        timer = _Timer(callback, args)
        heapq.heappush(self._due, (self.now_s + delay, next(self._numbers), timer))
        return timer

    def advance(self, by_s: float) -> None:
        """Let time pass."""
        until_s = self.now_s + by_s
        while self._due and self._due[0][0] <= until_s:
            self.now_s, _, timer = heapq.heappop(self._due)
            if not timer.cancelled:
                timer.callback(*timer.args)
        self.now_s = until_s

    @property
    def waiting(self) -> int:
        """Timers that have not run."""
        return sum(not timer.cancelled for _, _, timer in self._due)


class _Timer:
    def __init__(self, callback: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.callback = callback
        self.args = args
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Sent:
    """A call under way."""

    def __init__(self, calls: Calls, method: str, request: Any, on_done: Callable[..., None]) -> None:
        self.method = method
        self.request = request
        self.cancelled = False
        self._calls = calls
        self._on_done = on_done

    def cancel(self) -> None:
        self.cancelled = True
        self._calls.under_way.remove(self)

    def answer(self, response: Any) -> None:
        """The server answers."""
        self._calls.under_way.remove(self)
        self._on_done(response, None)

    def fail(self, status: RPCStatusCode, message: str = "no") -> None:
        """The server refuses."""
        self._calls.under_way.remove(self)
        self._on_done(None, RPCError(message, status, b""))


class Calls:
    """Keeps what is sent, and is answered by hand."""

    def __init__(self) -> None:
        self.under_way: list[Sent] = []

    def call(self, method: str, request: Any, on_done: Callable[..., None], /, *, timeout_s: float) -> Sent:
        copy = type(request)()
        copy.CopyFrom(request)
        sent = Sent(self, method, copy, on_done)
        self.under_way.append(sent)
        return sent

    def of(self, method: str) -> list[Sent]:
        """Those of this method."""
        return [sent for sent in self.under_way if sent.method == method]
