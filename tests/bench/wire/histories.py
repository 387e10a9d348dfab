"""What two histories of one workload have in common, and what one run's must be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import msgspec
from google.protobuf.json_format import MessageToDict
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from auroral.bench.inputs import decode_work, encode_sleep
from auroral.bench.manifest import WorkerIdentity

Kind = EventType
TASK_KINDS = (
    Kind.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED,
    Kind.EVENT_TYPE_WORKFLOW_TASK_STARTED,
    Kind.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
)


def of(events: Sequence[HistoryEvent], kind: EventType.ValueType) -> list[HistoryEvent]:
    return [event for event in events if event.event_type == kind]


def plain(event: HistoryEvent, *, keep_ids: bool) -> str:
    """An event without what differs from run to run: times, ids of runs, requests and workers, sizes.

    `keep_ids`: with the ids of events that it refers to, which are the same where the order of events is.
    Of a workflow task's completion the library's name and flags are left out: they say which engine worked it, and
    are looked at on their own.
    """
    attributes = MessageToDict(getattr(event, str(event.WhichOneof("attributes"))))
    workflow_id = attributes.pop("workflowId", "")
    if "/" in workflow_id:
        attributes["child"] = workflow_id.partition("/")[2]
    for name in ("sdkMetadata", "historySizeBytes", "requestId", "originalExecutionRunId", "firstExecutionRunId"):
        attributes.pop(name, None)
    for name in ("workflowExecutionExpirationTime", "parentWorkflowExecution", "rootWorkflowExecution"):
        attributes.pop(name, None)
    if "workflowExecution" in attributes:
        attributes["child"] = attributes.pop("workflowExecution")["workflowId"].partition("/")[2]
    for name in ("namespaceId", "parentWorkflowNamespaceId"):
        attributes.pop(name, None)
    if "identity" in attributes:
        identity = WorkerIdentity.parse(attributes["identity"])
        attributes["identity"] = "a worker" if identity is not None else attributes["identity"]
    queue = attributes.get("taskQueue")
    if queue is not None:
        queue["name"] = "of the run" if queue["kind"] == "TASK_QUEUE_KIND_NORMAL" else "sticky"
        queue.pop("normalName", None)
    if not keep_ids:
        attributes = {name: value for name, value in attributes.items() if not name.endswith("EventId")}
    return f"{EventType.Name(event.event_type)} {msgspec.json.encode(attributes, order='sorted').decode()}"


def strict(events: Sequence[HistoryEvent]) -> list[str]:
    return [plain(event, keep_ids=True) for event in events]


def loose(events: Sequence[HistoryEvent]) -> tuple[Counter[str], set[str]]:
    """What must be the same where things happen at the same time: which workflow task hears of an end is chance, and so
    how many of them there are; every other event is there as often, with the same content.
    """
    others = Counter(plain(event, keep_ids=False) for event in events if event.event_type not in TASK_KINDS)
    return others, {plain(event, keep_ids=False) for event in events if event.event_type in TASK_KINDS}


def drawn_apart(events: Sequence[HistoryEvent]) -> list[HistoryEvent]:
    """The events with every draw replaced by the same one, after a look at each."""
    copies = []
    for event in events:
        copy = HistoryEvent()
        copy.CopyFrom(event)
        if event.event_type == Kind.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            attributes = copy.activity_task_scheduled_event_attributes
            sleep_s = decode_work(attributes.input.payloads[0].data).sleep_s
            assert 0.1 <= sleep_s <= 0.6
            timeout = attributes.start_to_close_timeout.ToTimedelta()
            assert timeout == timedelta(seconds=10 + 3 * sleep_s)
            assert attributes.input.payloads[0].data == encode_sleep(sleep_s)
            attributes.input.payloads[0].data = b"drawn"
            attributes.start_to_close_timeout.Clear()
        copies.append(copy)
    return copies


def ends_before_begins(events: Sequence[HistoryEvent]) -> dict[str, set[str]]:
    """For each activity those that had ended when it was scheduled."""
    ids: dict[int, str] = {}
    ended: set[str] = set()
    before = {}
    for event in events:
        if event.event_type == Kind.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            ids[event.event_id] = event.activity_task_scheduled_event_attributes.activity_id
            before[ids[event.event_id]] = set(ended)
        elif event.event_type == Kind.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
            ended.add(ids[event.activity_task_completed_event_attributes.scheduled_event_id])
    return before
