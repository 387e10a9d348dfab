"""From the events of one run to the commands that answer them. Pure.

A run takes events in order, the whole history at once or the news since its last workflow task, and says which
commands stand now: those that no event has confirmed yet. As only events move it, and its randomness is seeded by
the run, a run that is built again from the whole history says the same.

Events are Temporal's own messages, of which only fields are read; the numbers of their types are those of
`temporal/api/enums/v1/event_type.proto`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any, NamedTuple

import msgspec

from auroral.bench.durations import sample
from auroral.bench.inputs import decode_input
from auroral.bench.manifest import CHILD_WORKFLOW_TYPE, PROBE_WORKFLOW_TYPE, ROOT_WORKFLOW_TYPE
from auroral.bench.steps import Activity, Child, Step, Timer
from auroral.bench.wire.supported import differences

STARTED = 1
ACTIVITY_SCHEDULED, ACTIVITY_STARTED, ACTIVITY_COMPLETED, ACTIVITY_FAILED, ACTIVITY_TIMED_OUT = 10, 11, 12, 13, 14
ACTIVITY_CANCELED = 16
TIMER_STARTED, TIMER_FIRED = 17, 18
CANCEL_REQUESTED = 20
CHILD_INITIATED, CHILD_START_FAILED, CHILD_STARTED, CHILD_COMPLETED = 29, 30, 31, 32
CHILD_FAILED, CHILD_CANCELED, CHILD_TIMED_OUT, CHILD_TERMINATED = 33, 34, 35, 36

INPUT_FAILURE = "auroral.input"


class ScheduleActivity(NamedTuple):
    """Run an activity that waits for so long."""

    activity_id: str
    sleep_s: float


class StartTimer(NamedTuple):
    """Start a timer."""

    timer_id: str
    duration_s: float


class StartChild(NamedTuple):
    """Start a child workflow that completes at once."""

    workflow_id: str


class Complete(NamedTuple):
    """The workflow is done."""


class Cancel(NamedTuple):
    """The workflow ends because it was asked to."""


class Fail(NamedTuple):
    """The workflow fails."""

    message: str
    kind: str = ""
    """The failure's type; empty where an event's own failure is the cause."""
    event: Any = None
    """Of the activity or child that failed."""


Command = ScheduleActivity | StartTimer | StartChild | Complete | Cancel | Fail

COMPLETE = Complete()


class HistoryMismatch(Exception):
    """The history is not one of this workflow: it confirms what was never commanded."""


class UnknownWorkflow(Exception):
    """A workflow of a type that is not auroral's."""


class Run:
    """One run of a workflow: where it is in its steps, what it waits for, what it has commanded."""

    __slots__ = (
        "_activities",
        "_awaited",
        "_children",
        "_issued",
        "_left",
        "_next",
        "_pending",
        "_random",
        "_step",
        "_steps",
        "_timers",
        "closed",
        "last_event_id",
        "start",
    )

    def __init__(self, start: Any) -> None:
        """Begin at the start event. Raises `UnknownWorkflow` for a type that is not auroral's."""
        self.start = start.workflow_execution_started_event_attributes
        """The start event's attributes."""
        self.closed = False
        """Whether the commands end the run."""
        self.last_event_id = 1
        """Of the last event taken."""
        self._steps: Sequence[Step] = ()
        self._next = 0
        self._step: Step | None = None
        self._left = 0
        """Of a step in sequence: how many are still to be started."""
        self._awaited = 0
        self._pending: set[int] = set()
        """Ids of the events that started what is awaited."""
        self._issued: deque[Command] = deque()
        """Commands that no event has confirmed."""
        self._activities = self._timers = self._children = 0
        self._random: Random | None = None
        kind = self.start.workflow_type.name
        if kind == PROBE_WORKFLOW_TYPE:
            self._close(COMPLETE)
        elif kind in (ROOT_WORKFLOW_TYPE, CHILD_WORKFLOW_TYPE):
            self._begin()
        else:
            raise UnknownWorkflow(f"expected a workflow of auroral's, got the type {kind!r}")

    def _begin(self) -> None:
        payloads = self.start.input.payloads
        if payloads:
            try:
                self._steps = decode_input(payloads[0].data).steps
            except msgspec.DecodeError as error:
                self._close(Fail(f"this worker does not understand the workload: {error}", INPUT_FAILURE))
                return
            for place, value, expected in differences(self._steps):
                text = f"the wire engine does not run this workload: {place} = {value}: expected {expected}"
                self._close(Fail(text, INPUT_FAILURE))
                return
        self._advance()

    def take(self, events: Iterable[Any]) -> Sequence[Command]:
        """Take the next events; return the commands that stand now, oldest first.

        Raises `HistoryMismatch` where the events cannot follow what was commanded.
        """
        handlers = _HANDLERS
        for event in events:
            handler = handlers.get(event.event_type)
            if handler is not None:
                handler(self, event)
        return self._issued

    # What moves it

    def _advance(self) -> None:
        """Go on with the steps until something is awaited or there are none left."""
        while not self._awaited and not self.closed:
            if self._left:
                self._left -= 1
                self._activity()
            elif self._next < len(self._steps):
                self._step = self._steps[self._next]
                self._next += 1
                self._enter(self._step)
            else:
                self._close(COMPLETE)

    def _enter(self, step: Step) -> None:
        match step:
            case Activity(mode="parallel"):
                for _ in range(step.count):
                    self._activity()
            case Activity():
                self._left = step.count
            case Timer():
                # A timer of zero would still write its events.
                if (duration_s := self._draw(step)) > 0:
                    self._timers += 1
                    self._issue(StartTimer(str(self._timers), duration_s))
            case Child():
                for _ in range(step.count):
                    self._issue(StartChild(f"{self.start.workflow_id}/c{self._children}"))
                    self._children += 1

    def _activity(self) -> None:
        self._activities += 1
        self._issue(ScheduleActivity(str(self._activities), self._draw(self._step)))

    def _draw(self, step: Any) -> float:
        duration = step.duration_s
        if isinstance(duration, int | float):
            return duration
        if self._random is None:
            self._random = Random(self.start.original_execution_run_id)
        return sample(duration, self._random)

    def _issue(self, command: Command) -> None:
        self._issued.append(command)
        self._awaited += 1

    def _close(self, command: Command) -> None:
        self._issued.append(command)
        self.closed = True

    # What events say

    def _confirm(self, event: Any, kind: type[ScheduleActivity | StartTimer | StartChild], name: str) -> None:
        """The oldest command has become this event."""
        head = self._issued[0] if self._issued else None
        if not isinstance(head, kind) or head[0] != name:
            raise HistoryMismatch(
                f"event {event.event_id} says {kind.__name__} {name}, but this workflow's next command is {head}"
            )
        self._issued.popleft()
        self._pending.add(event.event_id)

    def _activity_scheduled(self, event: Any) -> None:
        self._confirm(event, ScheduleActivity, event.activity_task_scheduled_event_attributes.activity_id)

    def _timer_started(self, event: Any) -> None:
        self._confirm(event, StartTimer, event.timer_started_event_attributes.timer_id)

    def _child_initiated(self, event: Any) -> None:
        name = event.start_child_workflow_execution_initiated_event_attributes.workflow_id
        self._confirm(event, StartChild, name)

    def _settle(self, event: Any, begun_by: int) -> None:
        try:
            self._pending.remove(begun_by)
        except KeyError:
            raise HistoryMismatch(
                f"event {event.event_id} ends what event {begun_by} began, which this workflow does not await"
            ) from None
        self._awaited -= 1

    def _activity_completed(self, event: Any) -> None:
        self._settle(event, event.activity_task_completed_event_attributes.scheduled_event_id)
        if not self._awaited:
            self._advance()

    def _timer_fired(self, event: Any) -> None:
        self._settle(event, event.timer_fired_event_attributes.started_event_id)
        if not self._awaited:
            self._advance()

    def _child_completed(self, event: Any) -> None:
        self._settle(event, event.child_workflow_execution_completed_event_attributes.initiated_event_id)
        if not self._awaited:
            self._advance()

    def _failed(self, event: Any) -> None:
        """An activity or child ended otherwise; the first one fails the workflow."""
        begun_by, what = _FAILURES[event.event_type](event)
        self._settle(event, begun_by)
        if not self.closed:
            self._close(Fail(what, event=event))

    def _cancel_requested(self, event: Any) -> None:
        if not self.closed:
            self._close(Cancel())


_FAILURES: dict[int, Callable[[Any], tuple[int, str]]] = {
    ACTIVITY_FAILED: lambda event: (
        event.activity_task_failed_event_attributes.scheduled_event_id,
        "Activity task failed",
    ),
    ACTIVITY_TIMED_OUT: lambda event: (
        event.activity_task_timed_out_event_attributes.scheduled_event_id,
        "Activity task timed out",
    ),
    ACTIVITY_CANCELED: lambda event: (
        event.activity_task_canceled_event_attributes.scheduled_event_id,
        "Activity task cancelled",
    ),
    CHILD_START_FAILED: lambda event: (
        event.start_child_workflow_execution_failed_event_attributes.initiated_event_id,
        "Child Workflow execution could not be started",
    ),
    CHILD_FAILED: lambda event: (
        event.child_workflow_execution_failed_event_attributes.initiated_event_id,
        "Child Workflow execution failed",
    ),
    CHILD_CANCELED: lambda event: (
        event.child_workflow_execution_canceled_event_attributes.initiated_event_id,
        "Child Workflow execution cancelled",
    ),
    CHILD_TIMED_OUT: lambda event: (
        event.child_workflow_execution_timed_out_event_attributes.initiated_event_id,
        "Child Workflow execution timed out",
    ),
    CHILD_TERMINATED: lambda event: (
        event.child_workflow_execution_terminated_event_attributes.initiated_event_id,
        "Child Workflow execution terminated",
    ),
}

_HANDLERS: dict[int, Callable[[Run, Any], None]] = {
    ACTIVITY_SCHEDULED: Run._activity_scheduled,
    ACTIVITY_COMPLETED: Run._activity_completed,
    TIMER_STARTED: Run._timer_started,
    TIMER_FIRED: Run._timer_fired,
    CHILD_INITIATED: Run._child_initiated,
    CHILD_COMPLETED: Run._child_completed,
    CANCEL_REQUESTED: Run._cancel_requested,
    **dict.fromkeys(_FAILURES, Run._failed),
}
