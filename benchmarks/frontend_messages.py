"""Messages of the small frontend: rows, events and errors made from its executions."""

from __future__ import annotations

import grpc
from google.protobuf.message import Message
from temporalio.api.common.v1 import GrpcStatus, WorkflowExecution, WorkflowType
from temporalio.api.enums.v1 import (
    EventType,
    WorkflowExecutionStatus,
)
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflow.v1 import WorkflowExecutionInfo

from benchmarks.frontend_state import COMPLETED, RUNNING, TERMINATED, Execution, Query

STATUS = {
    RUNNING: WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING,
    COMPLETED: WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED,
    TERMINATED: WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TERMINATED,
}
_CLOSE_EVENT = {
    COMPLETED: EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED,
    TERMINATED: EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED,
}


class Refusal(Exception):
    """An answer that is an error."""

    def __init__(self, code: grpc.StatusCode, message: str, detail: Message | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.detail = detail

    def trailing_metadata(self) -> tuple[tuple[str, bytes], ...]:
        """Where gRPC carries the details of a status."""
        status = GrpcStatus(code=self.code.value[0], message=self.message)
        if self.detail is not None:
            status.details.add().Pack(self.detail)
        return (("grpc-status-details-bin", status.SerializeToString()),)


def parse_query(text: str) -> Query:
    """Read a visibility query; refuses one that is not understood."""
    try:
        return Query(text)
    except ValueError as error:
        raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, f"invalid query: {error}") from error


def info_of(execution: Execution) -> WorkflowExecutionInfo:
    """The row that visibility has of an execution."""
    info = WorkflowExecutionInfo(
        execution=WorkflowExecution(workflow_id=execution.workflow_id, run_id=execution.run_id),
        root_execution=WorkflowExecution(workflow_id=execution.workflow_id, run_id=execution.run_id),
        type=WorkflowType(name=execution.workflow_type),
        task_queue=execution.task_queue,
        status=STATUS[execution.status],
        first_run_id=execution.run_id,
    )
    info.start_time.FromMicroseconds(round(execution.started_s * 1e6))
    info.execution_time.CopyFrom(info.start_time)
    if execution.closed_s is not None:
        info.close_time.FromMicroseconds(round(execution.closed_s * 1e6))
        # As a workflow of one task leaves them.
        info.history_length = 5
        info.state_transition_count = 3
    return info


def started_event(execution: Execution) -> HistoryEvent:
    """The first event of a history."""
    event = HistoryEvent(event_id=1, event_type=EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED)
    event.event_time.FromMicroseconds(round(execution.started_s * 1e6))
    started = event.workflow_execution_started_event_attributes
    started.workflow_type.name = execution.workflow_type
    started.workflow_id = execution.workflow_id
    started.original_execution_run_id = execution.run_id
    return event


def close_event(execution: Execution) -> HistoryEvent:
    """The last event of a closed execution's history."""
    event = HistoryEvent(event_id=5, event_type=_CLOSE_EVENT[execution.status])
    event.event_time.FromMicroseconds(round((execution.closed_s or 0.0) * 1e6))
    if execution.status == COMPLETED:
        event.workflow_execution_completed_event_attributes.SetInParent()
    else:
        event.workflow_execution_terminated_event_attributes.SetInParent()
    return event
