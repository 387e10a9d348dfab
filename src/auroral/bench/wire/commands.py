"""What a run decided, as Temporal's messages; the same fields as the SDK's own workers set. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from temporalio.api.command.v1 import Command as Message
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import CommandType, ParentClosePolicy, RetryState, TaskQueueKind, WorkflowIdReusePolicy
from temporalio.api.failure.v1 import ActivityFailureInfo, ChildWorkflowExecutionFailureInfo, Failure

from auroral.bench.inputs import ACTIVITY_NAME, encode_sleep
from auroral.bench.manifest import CHILD_WORKFLOW_TYPE
from auroral.bench.wire import decide
from auroral.bench.wire.decide import Cancel, Command, Complete, Fail, Run, ScheduleActivity, StartChild, StartTimer

JSON = b"json/plain"
NOTHING = Payloads(payloads=[Payload(metadata={"encoding": b"binary/null"})])
"""What a workflow or an activity returns that has no result."""
_SOURCE = "auroral"


class Writer:
    """Writes the commands of one namespace's runs."""

    def __init__(self, namespace: str) -> None:
        self._complete = Message(command_type=CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION)
        self._complete.complete_workflow_execution_command_attributes.result.CopyFrom(NOTHING)
        self._activity = Message(command_type=CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK)
        activity = self._activity.schedule_activity_task_command_attributes
        activity.activity_type.name = ACTIVITY_NAME
        activity.task_queue.kind = TaskQueueKind.TASK_QUEUE_KIND_NORMAL
        activity.use_workflow_build_id = True
        activity.header.SetInParent()
        activity.priority.SetInParent()
        self._child = Message(command_type=CommandType.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION)
        child = self._child.start_child_workflow_execution_command_attributes
        child.namespace = namespace
        child.workflow_type.name = CHILD_WORKFLOW_TYPE
        child.task_queue.kind = TaskQueueKind.TASK_QUEUE_KIND_NORMAL
        child.parent_close_policy = ParentClosePolicy.PARENT_CLOSE_POLICY_TERMINATE
        child.workflow_id_reuse_policy = WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
        child.inherit_build_id = True
        child.header.SetInParent()
        child.memo.SetInParent()
        child.priority.SetInParent()

    def write(self, run: Run, commands: Iterable[Command], *, eager: int = 0) -> tuple[list[Message], int]:
        """The commands as messages, and how many activities of them ask to be run at once: at most `eager`."""
        written = []
        asked = 0
        for command in commands:
            match command:
                case Complete():
                    written.append(self._complete)
                case ScheduleActivity():
                    written.append(self._schedule(run, command, asked < eager))
                    asked += asked < eager
                case StartTimer(timer_id, duration_s):
                    message = Message(command_type=CommandType.COMMAND_TYPE_START_TIMER)
                    message.start_timer_command_attributes.timer_id = timer_id
                    timeout = timedelta(seconds=duration_s)
                    message.start_timer_command_attributes.start_to_fire_timeout.FromTimedelta(timeout)
                    written.append(message)
                case StartChild(workflow_id):
                    written.append(self._start_child(run, workflow_id))
                case Cancel():
                    message = Message(command_type=CommandType.COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION)
                    message.cancel_workflow_execution_command_attributes.SetInParent()
                    written.append(message)
                case Fail():
                    message = Message(command_type=CommandType.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION)
                    message.fail_workflow_execution_command_attributes.failure.CopyFrom(failure_of(command))
                    written.append(message)
        return written, asked

    def _schedule(self, run: Run, command: ScheduleActivity, eager: bool) -> Message:
        message = Message()
        message.CopyFrom(self._activity)
        attributes = message.schedule_activity_task_command_attributes
        attributes.activity_id = command.activity_id
        attributes.task_queue.name = run.start.task_queue.name
        if command.sleep_s:
            payload = attributes.input.payloads.add()
            payload.metadata["encoding"] = JSON
            payload.data = encode_sleep(command.sleep_s)
        # Wide enough for a busy worker, and narrow enough that a lost one's activities move on.
        attributes.start_to_close_timeout.FromTimedelta(timedelta(seconds=10 + 3 * command.sleep_s))
        if eager:
            attributes.request_eager_execution = True
        return message

    def _start_child(self, run: Run, workflow_id: str) -> Message:
        message = Message()
        message.CopyFrom(self._child)
        attributes = message.start_child_workflow_execution_command_attributes
        attributes.workflow_id = workflow_id
        attributes.task_queue.name = run.start.task_queue.name
        timeout = run.start.workflow_execution_timeout
        if timeout.seconds or timeout.nanos:
            attributes.workflow_execution_timeout.CopyFrom(timeout)
        return message


def failure_of(command: Fail) -> Failure:
    """The failure that a workflow ends with, as an SDK worker's would."""
    event = command.event
    if event is None:
        failure = Failure(message=command.message, source=_SOURCE)
        failure.application_failure_info.type = command.kind
        failure.application_failure_info.non_retryable = True
        return failure
    failure = Failure(message=command.message)
    attributes = getattr(event, event.WhichOneof("attributes"))
    cause = getattr(attributes, "failure", None)
    if isinstance(cause, Failure):
        failure.cause.CopyFrom(cause)
    if event.event_type in (decide.ACTIVITY_FAILED, decide.ACTIVITY_TIMED_OUT, decide.ACTIVITY_CANCELED):
        failure.activity_failure_info.CopyFrom(_of_activity(attributes))
    else:
        failure.child_workflow_execution_failure_info.CopyFrom(_of_child(attributes))
    return failure


def _of_activity(attributes: Any) -> ActivityFailureInfo:
    info = ActivityFailureInfo(
        scheduled_event_id=attributes.scheduled_event_id,
        started_event_id=attributes.started_event_id,
        identity=getattr(attributes, "identity", ""),
        retry_state=getattr(attributes, "retry_state", RetryState.RETRY_STATE_UNSPECIFIED),
    )
    info.activity_type.name = ACTIVITY_NAME
    return info


def _of_child(attributes: Any) -> ChildWorkflowExecutionFailureInfo:
    info = ChildWorkflowExecutionFailureInfo(
        namespace=attributes.namespace,
        initiated_event_id=attributes.initiated_event_id,
        started_event_id=getattr(attributes, "started_event_id", 0),
        retry_state=getattr(attributes, "retry_state", RetryState.RETRY_STATE_UNSPECIFIED),
    )
    info.workflow_type.name = attributes.workflow_type.name
    if hasattr(attributes, "workflow_execution"):
        info.workflow_execution.CopyFrom(attributes.workflow_execution)
    else:
        info.workflow_execution.workflow_id = attributes.workflow_id
    return info
