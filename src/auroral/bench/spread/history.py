"""What the history of a control workflow says of each generator. Reads Temporal's messages; asks nobody."""

from __future__ import annotations

import msgspec
from temporalio.api.common.v1 import Payloads
from temporalio.api.enums.v1 import EventType, TimeoutType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent

from auroral.bench.spread import plan
from auroral.units import format_duration

_ENDED = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: "",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: "the control workflow has failed",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT: "the control workflow has taken longer than its run may take",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED: "somebody has cancelled the control workflow",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED: "somebody has terminated the control workflow",
}


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """An activity of a generator has ended."""

    kind: str
    """`plan.CLAIM`, `GENERATE` or `RELEASE`."""
    generator: int
    data: bytes = b""
    """What it answered."""
    failure: str = ""
    """Why it did not; empty: it did."""
    refused: bool = False
    """Whether that is because it does not match the run."""
    hint: str = ""
    last: bytes = b""
    """Its last heartbeat, where it was lost by silence."""
    untaken: bool = False
    """Whether it was cancelled before its agent had taken it."""


class GivenUp(msgspec.Struct, frozen=True, kw_only=True):
    """The coordinator counts as gone there: the generators stop by themselves."""

    failure: str


class Over(msgspec.Struct, frozen=True, kw_only=True):
    """The workflow has ended."""

    failure: str
    """Empty: by itself."""


class Reader:
    """Takes the events in order."""

    def __init__(self) -> None:
        self._ids: dict[int, str] = {}
        self._seen = 0

    def read(self, event: HistoryEvent) -> Done | GivenUp | Over | None:
        """What an event says; None: nothing of interest, or it was read before."""
        if event.event_id <= self._seen:
            return None
        self._seen = event.event_id
        if event.event_type in _ENDED:
            return Over(failure=_ENDED[event.event_type])
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            self._ids[event.event_id] = event.activity_task_scheduled_event_attributes.activity_id
            return None
        return self._end_of_activity(event)

    def _end_of_activity(self, event: HistoryEvent) -> Done | GivenUp | None:
        match event.event_type:
            case EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
                completed = event.activity_task_completed_event_attributes
                return self._done(completed.scheduled_event_id, data=first_of(completed.result))
            case EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED:
                failed = event.activity_task_failed_event_attributes
                info = failed.failure.application_failure_info
                return self._done(
                    failed.scheduled_event_id,
                    failure=_words(failed.failure),
                    refused=info.type == plan.REFUSED,
                    hint=plan.text_of(first_of(info.details)),
                )
            case EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
                late = event.activity_task_timed_out_event_attributes
                last = first_of(late.failure.timeout_failure_info.last_heartbeat_details)
                return self._done(late.scheduled_event_id, failure=_words(late.failure), last=last)
            case EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED:
                canceled = event.activity_task_canceled_event_attributes
                untaken = not canceled.started_event_id
                return self._done(canceled.scheduled_event_id, failure="it was stopped", untaken=untaken)
            case _:
                return None

    def _done(
        self,
        scheduled_id: int,
        *,
        data: bytes = b"",
        failure: str = "",
        refused: bool = False,
        hint: str = "",
        last: bytes = b"",
        untaken: bool = False,
    ) -> Done | GivenUp | None:
        activity_id = self._ids.pop(scheduled_id, "")
        if activity_id == plan.COORDINATOR and failure:
            return GivenUp(failure=failure)
        found = plan.parse_activity_id(activity_id)
        if found is None:
            return None
        return Done(
            kind=found[0],
            generator=found[1],
            data=data,
            failure=failure,
            refused=refused,
            hint=hint,
            last=last,
            untaken=untaken,
        )


def first_of(payloads: Payloads) -> bytes:
    """The data of the first payload; empty where there is none."""
    return payloads.payloads[0].data if payloads.payloads else b""


def _words(failure: Failure) -> str:
    if failure.WhichOneof("failure_info") != "timeout_failure_info":
        return failure.message
    kind = failure.timeout_failure_info.timeout_type
    if kind == TimeoutType.TIMEOUT_TYPE_HEARTBEAT:
        return f"nothing was heard of it for {format_duration(plan.HEARTBEAT_TIMEOUT_S)}"
    if kind == TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START:
        return f"its agent did not take up its task within {format_duration(plan.TAKE_UP_S)}"
    return "it took longer than its run may take"
