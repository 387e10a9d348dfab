from __future__ import annotations

from datetime import timedelta

import pytest
from temporalio.api.enums.v1 import CommandType, ParentClosePolicy, TaskQueueKind, WorkflowIdReusePolicy
from temporalio.api.failure.v1 import Failure

from auroral.bench.inputs import decode_work
from auroral.bench.wire import decide
from auroral.bench.wire.commands import NOTHING, Writer, failure_of
from auroral.bench.wire.decide import Cancel, Complete, Fail, Run, ScheduleActivity, StartChild, StartTimer
from auroral.bench.workload import builtin
from tests.bench.wire.doubles import History


@pytest.fixture
def run() -> Run:
    return Run(History(builtin("multi-activity")).events[0])


@pytest.fixture
def writer() -> Writer:
    return Writer("benchmark")


def test_nothing_is_what_the_sdk_s_converter_makes_of_none() -> None:
    from temporalio.converter import DefaultPayloadConverter

    assert list(NOTHING.payloads) == DefaultPayloadConverter().to_payloads([None])


def test_an_activity_that_returns_at_once_has_no_input(writer: Writer, run: Run) -> None:
    (message,), asked = writer.write(run, [ScheduleActivity("7", 0.0)])
    assert asked == 0
    assert message.command_type == CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK
    activity = message.schedule_activity_task_command_attributes
    assert (activity.activity_id, activity.activity_type.name) == ("7", "auroral.activity")
    assert (activity.task_queue.name, activity.task_queue.kind) == ("q", TaskQueueKind.TASK_QUEUE_KIND_NORMAL)
    assert activity.start_to_close_timeout.ToTimedelta() == timedelta(seconds=10)
    assert not activity.HasField("input")
    assert not activity.HasField("retry_policy")
    assert not activity.request_eager_execution


def test_an_activity_is_told_its_wait_and_given_time_for_it(writer: Writer, run: Run) -> None:
    (message,), _ = writer.write(run, [ScheduleActivity("1", 0.4)])
    activity = message.schedule_activity_task_command_attributes
    (payload,) = activity.input.payloads
    assert dict(payload.metadata) == {"encoding": b"json/plain"}
    assert decode_work(payload.data).sleep_s == 0.4
    assert activity.start_to_close_timeout.ToTimedelta() == timedelta(seconds=10 + 3 * 0.4)


@pytest.mark.parametrize(("eager", "asked"), [(0, 0), (2, 2), (9, 3)])
def test_no_more_activities_ask_to_be_run_at_once_than_may(writer: Writer, run: Run, eager: int, asked: int) -> None:
    messages, count = writer.write(run, [ScheduleActivity(str(number), 0.0) for number in range(3)], eager=eager)
    assert count == asked
    flags = [message.schedule_activity_task_command_attributes.request_eager_execution for message in messages]
    assert flags == [True] * asked + [False] * (3 - asked)


def test_a_timer(writer: Writer, run: Run) -> None:
    (message,), _ = writer.write(run, [StartTimer("2", 1.25)])
    timer = message.start_timer_command_attributes
    assert (timer.timer_id, timer.start_to_fire_timeout.ToTimedelta()) == ("2", timedelta(seconds=1.25))


def test_a_child_ends_with_its_parent_and_lives_no_longer(writer: Writer, run: Run) -> None:
    (message,), _ = writer.write(run, [StartChild("w/c0")])
    child = message.start_child_workflow_execution_command_attributes
    assert (child.namespace, child.workflow_id, child.workflow_type.name) == ("benchmark", "w/c0", "auroral.child")
    assert child.task_queue.name == "q"
    assert child.parent_close_policy == ParentClosePolicy.PARENT_CLOSE_POLICY_TERMINATE
    assert child.workflow_id_reuse_policy == WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
    assert child.workflow_execution_timeout.ToTimedelta() == timedelta(seconds=120)
    assert not child.HasField("input")


def test_a_child_of_a_parent_without_a_timeout_has_none(writer: Writer) -> None:
    history = History(builtin("child"))
    history.events[0].workflow_execution_started_event_attributes.ClearField("workflow_execution_timeout")
    (message,), _ = writer.write(Run(history.events[0]), [StartChild("w/c0")])
    assert not message.start_child_workflow_execution_command_attributes.HasField("workflow_execution_timeout")


def test_the_ends_of_a_workflow(writer: Writer, run: Run) -> None:
    messages, _ = writer.write(run, [Complete(), Cancel(), Fail("why", "kind")])
    assert [message.command_type for message in messages] == [
        CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION,
        CommandType.COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION,
        CommandType.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION,
    ]
    assert messages[0].complete_workflow_execution_command_attributes.result == NOTHING
    failure = messages[2].fail_workflow_execution_command_attributes.failure
    assert (failure.message, failure.application_failure_info.type) == ("why", "kind")
    assert failure.application_failure_info.non_retryable


def test_messages_written_twice_do_not_share_what_differs(writer: Writer, run: Run) -> None:
    (first,), _ = writer.write(run, [ScheduleActivity("1", 0.5)], eager=1)
    (second,), _ = writer.write(run, [ScheduleActivity("2", 0.0)])
    assert first.schedule_activity_task_command_attributes.activity_id == "1"
    assert not second.schedule_activity_task_command_attributes.HasField("input")
    assert not second.schedule_activity_task_command_attributes.request_eager_execution


def test_an_activity_s_failure_keeps_its_cause() -> None:
    event = History().add(decide.ACTIVITY_FAILED)
    attributes = event.activity_task_failed_event_attributes
    attributes.failure.CopyFrom(Failure(message="theirs"))
    attributes.scheduled_event_id, attributes.started_event_id, attributes.identity = 5, 6, "who"
    failure = failure_of(Fail("Activity task failed", event=event))
    assert failure.cause.message == "theirs"
    info = failure.activity_failure_info
    assert (info.scheduled_event_id, info.started_event_id, info.identity) == (5, 6, "who")
    assert info.activity_type.name == "auroral.activity"


def test_a_cancelled_activity_s_failure_has_no_cause() -> None:
    event = History().add(decide.ACTIVITY_CANCELED)
    event.activity_task_canceled_event_attributes.scheduled_event_id = 5
    failure = failure_of(Fail("Activity task cancelled", event=event))
    assert failure.activity_failure_info.scheduled_event_id == 5
    assert not failure.HasField("cause")


def test_a_child_s_failure_names_the_child() -> None:
    event = History().add(decide.CHILD_TERMINATED)
    attributes = event.child_workflow_execution_terminated_event_attributes
    attributes.workflow_execution.workflow_id = "w/c0"
    attributes.workflow_type.name = "auroral.child"
    info = failure_of(Fail("terminated", event=event)).child_workflow_execution_failure_info
    assert (info.workflow_execution.workflow_id, info.workflow_type.name) == ("w/c0", "auroral.child")


def test_a_child_that_could_not_start_is_named_by_its_id() -> None:
    event = History().add(decide.CHILD_START_FAILED)
    event.start_child_workflow_execution_failed_event_attributes.workflow_id = "w/c3"
    info = failure_of(Fail("not started", event=event)).child_workflow_execution_failure_info
    assert info.workflow_execution.workflow_id == "w/c3"
