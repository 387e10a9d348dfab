"""The server that answers at once keeps the meaning of what it is asked, for auroral's own workers and for the wire."""

from __future__ import annotations

import asyncio
import subprocess
import uuid
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.batch.v1 import BatchOperationTermination
from temporalio.api.command.v1 import (
    Command,
    CompleteWorkflowExecutionCommandAttributes,
    RecordMarkerCommandAttributes,
    ScheduleActivityTaskCommandAttributes,
    StartTimerCommandAttributes,
)
from temporalio.api.common.v1 import ActivityType, WorkflowExecution, WorkflowType
from temporalio.api.enums.v1 import (
    CommandType,
    EventType,
    HistoryEventFilterType,
    TaskQueueKind,
    WorkflowTaskFailedCause,
)
from temporalio.api.taskqueue.v1 import StickyExecutionAttributes, TaskQueue
from temporalio.api.workflowservice.v1 import (
    CountWorkflowExecutionsRequest,
    DescribeBatchOperationRequest,
    DescribeTaskQueueRequest,
    DescribeWorkflowExecutionRequest,
    GetWorkflowExecutionHistoryRequest,
    ListWorkflowExecutionsRequest,
    PollActivityTaskQueueRequest,
    PollWorkflowTaskQueueRequest,
    PollWorkflowTaskQueueResponse,
    RespondActivityTaskCompletedRequest,
    RespondActivityTaskFailedRequest,
    RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskFailedRequest,
    SignalWorkflowExecutionRequest,
    StartBatchOperationRequest,
    StartWorkflowExecutionRequest,
    TerminateWorkflowExecutionRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from auroral.bench.manifest import ROOT_WORKFLOW_TYPE
from auroral.bench.steps import Activity
from auroral.bench.workflows import ACTIVITIES, WORKFLOWS, encode_input
from auroral.bench.workload import Uniform, Workload, builtin
from benchmarks.engines_servers import NAMESPACE, InstantServer

QUEUE = "q"
COMPLETE = Command(
    command_type=CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION,
    complete_workflow_execution_command_attributes=CompleteWorkflowExecutionCommandAttributes(),
)


class Wire:
    """What one client asks of it, without a worker."""

    def __init__(self, client: Client) -> None:
        self.service = client.workflow_service

    async def start(self, workflow_id: str, **more: Any) -> Any:
        request = StartWorkflowExecutionRequest(
            namespace=NAMESPACE,
            workflow_id=workflow_id,
            workflow_type=WorkflowType(name=more.pop("kind", "t")),
            task_queue=TaskQueue(name=QUEUE),
            request_id=more.pop("request_id", uuid.uuid4().hex),
            **more,
        )
        return await self.service.start_workflow_execution(request)

    async def poll(self, queue: str = QUEUE, *, sticky: bool = False) -> PollWorkflowTaskQueueResponse:
        kind = TaskQueueKind.TASK_QUEUE_KIND_STICKY if sticky else TaskQueueKind.TASK_QUEUE_KIND_NORMAL
        request = PollWorkflowTaskQueueRequest(
            namespace=NAMESPACE, task_queue=TaskQueue(name=queue, kind=kind, normal_name=QUEUE), identity="poller"
        )
        return await self.service.poll_workflow_task_queue(request, timeout=timedelta(seconds=5))

    async def complete(self, task: PollWorkflowTaskQueueResponse, *commands: Command, **more: Any) -> Any:
        request = RespondWorkflowTaskCompletedRequest(
            namespace=NAMESPACE, task_token=task.task_token, commands=commands, identity="poller", **more
        )
        return await self.service.respond_workflow_task_completed(request)

    async def history(self, workflow_id: str, **more: Any) -> Any:
        request = GetWorkflowExecutionHistoryRequest(
            namespace=NAMESPACE, execution=WorkflowExecution(workflow_id=workflow_id), **more
        )
        return await self.service.get_workflow_execution_history(request)

    async def events(self, workflow_id: str) -> list[str]:
        answer = await self.history(workflow_id)
        return [short(event.event_type) for event in answer.history.events]

    async def activity(self) -> Any:
        request = PollActivityTaskQueueRequest(namespace=NAMESPACE, task_queue=TaskQueue(name=QUEUE), identity="a")
        return await self.service.poll_activity_task_queue(request, timeout=timedelta(seconds=5))


def short(kind: EventType.ValueType) -> str:
    return EventType.Name(kind).removeprefix("EVENT_TYPE_").replace("WORKFLOW_EXECUTION", "WE").replace("_TASK_", "_")


def duration(value_s: float) -> Duration:
    made = Duration()
    made.FromTimedelta(timedelta(seconds=value_s))
    return made


def activity(number: int, *, eager: bool = False, timeout_s: float = 10.0) -> Command:
    return Command(
        command_type=CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK,
        schedule_activity_task_command_attributes=ScheduleActivityTaskCommandAttributes(
            activity_id=str(number),
            activity_type=ActivityType(name="a"),
            task_queue=TaskQueue(name=QUEUE),
            start_to_close_timeout=duration(timeout_s),
            request_eager_execution=eager,
        ),
    )


def sticky(wait_s: float = 5.0) -> StickyExecutionAttributes:
    queue = TaskQueue(name="own", kind=TaskQueueKind.TASK_QUEUE_KIND_STICKY, normal_name=QUEUE)
    return StickyExecutionAttributes(worker_task_queue=queue, schedule_to_start_timeout=duration(wait_s))


@pytest.fixture
async def client(instant: InstantServer) -> Client:
    return await Client.connect(instant.address, namespace=NAMESPACE)


@pytest.fixture
def wire(client: Client) -> Wire:
    return Wire(client)


FIRST = ["WE_STARTED", "WORKFLOW_SCHEDULED", "WORKFLOW_STARTED", "WORKFLOW_COMPLETED"]


@pytest.mark.parametrize(
    ("workload", "expected"),
    [
        (builtin("simple"), {"WE_COMPLETED": 1, "WORKFLOW_COMPLETED": 1}),
        (
            builtin("multi-activity", activity_count=3),
            {"ACTIVITY_SCHEDULED": 3, "ACTIVITY_STARTED": 3, "ACTIVITY_COMPLETED": 3, "WE_COMPLETED": 1},
        ),
        (builtin("timer", timer_duration_s=0.05), {"TIMER_STARTED": 1, "TIMER_FIRED": 1, "WE_COMPLETED": 1}),
        (
            builtin("child", child_count=3),
            {
                "START_CHILD_WE_INITIATED": 3,
                "CHILD_WE_STARTED": 3,
                "CHILD_WE_COMPLETED": 3,
                "WE_COMPLETED": 1,
            },
        ),
        (
            Workload(name="w", steps=(Activity(count=4, mode="parallel", duration_s=Uniform(min_s=0.01, max_s=0.06)),)),
            {"ACTIVITY_SCHEDULED": 4, "ACTIVITY_COMPLETED": 4, "WE_COMPLETED": 1},
        ),
    ],
    ids=["simple", "multi-activity", "timer", "child", "waits"],
)
async def test_it_carries_what_the_built_in_workloads_are_made_of(
    instant: InstantServer, client: Client, wire: Wire, workload: Workload, expected: dict[str, int]
) -> None:
    async with Worker(
        client,
        task_queue=QUEUE,
        workflows=WORKFLOWS,
        activities=ACTIVITIES,
        workflow_runner=UnsandboxedWorkflowRunner(),
        graceful_shutdown_timeout=timedelta(0),
    ):
        await wire.start("w", kind=ROOT_WORKFLOW_TYPE, input=encode_input(workload))
        await asyncio.wait_for(client.get_workflow_handle("w").result(), 10)
        events = await wire.events("w")
    assert events[:4] == FIRST
    seen = Counter(events)
    assert {kind: seen[kind] for kind in expected} == expected
    assert seen["WORKFLOW_FAILED"] == seen["WORKFLOW_TIMED_OUT"] == 0
    counts = instant.counts()
    assert counts.open == 0
    assert counts.started == counts.closed == (4 if workload.name == "child" else 1)
    assert counts.calls["RespondWorkflowTaskCompleted"] == sum(
        events.count("WORKFLOW_COMPLETED") for events in [events, *await children(wire, events)]
    )


async def children(wire: Wire, events: list[str]) -> list[list[str]]:
    return [await wire.events(f"w/c{number}") for number in range(events.count("CHILD_WE_STARTED"))]


async def test_a_start_sent_again_is_the_same_start_and_another_is_refused(wire: Wire) -> None:
    first = await wire.start("w", request_id="r")
    again = await wire.start("w", request_id="r")
    assert (again.run_id, again.started) == (first.run_id, True)
    with pytest.raises(RPCError) as refused:
        await wire.start("w", request_id="s")
    assert refused.value.status is RPCStatusCode.ALREADY_EXISTS


async def test_an_eager_start_brings_the_first_task_with_it(wire: Wire) -> None:
    answer = await wire.start("w", request_eager_execution=True)
    task = answer.eager_workflow_task
    assert [short(event.event_type) for event in task.history.events] == FIRST[:3]
    await wire.complete(task, COMPLETE)
    assert await wire.events("w") == [*FIRST, "WE_COMPLETED"]


async def test_an_eager_activity_comes_with_the_answer_and_a_sticky_task_brings_what_is_new(wire: Wire) -> None:
    await wire.start("w")
    answer = await wire.complete(await wire.poll(), activity(1, eager=True), sticky_attributes=sticky())
    (given,) = answer.activity_tasks
    assert (given.activity_id, given.attempt, given.workflow_execution.workflow_id) == ("1", 1, "w")
    await wire.service.respond_activity_task_completed(
        RespondActivityTaskCompletedRequest(namespace=NAMESPACE, task_token=given.task_token)
    )
    task = await wire.poll("own", sticky=True)
    assert [short(event.event_type) for event in task.history.events] == [
        *("WORKFLOW_COMPLETED", "ACTIVITY_SCHEDULED", "ACTIVITY_STARTED", "ACTIVITY_COMPLETED"),
        *("WORKFLOW_SCHEDULED", "WORKFLOW_STARTED"),
    ]
    assert (task.previous_started_event_id, task.started_event_id) == (3, 9)
    answer = await wire.complete(
        task, sticky_attributes=sticky(), force_create_new_workflow_task=True, return_new_workflow_task=True
    )
    assert answer.workflow_task.started_event_id == 12
    await wire.complete(answer.workflow_task, COMPLETE)
    assert (await wire.events("w"))[-1] == "WE_COMPLETED"


async def test_a_sticky_task_that_nobody_takes_moves_to_the_normal_queue(wire: Wire) -> None:
    await wire.start("w")
    timer = Command(
        command_type=CommandType.COMMAND_TYPE_START_TIMER,
        start_timer_command_attributes=StartTimerCommandAttributes(timer_id="1", start_to_fire_timeout=duration(0.01)),
    )
    await wire.complete(await wire.poll(), timer, sticky_attributes=sticky(0.05))
    task = await wire.poll()
    kinds = [short(event.event_type) for event in task.history.events]
    assert kinds[0] == "WE_STARTED"
    assert kinds[-4:] == ["WORKFLOW_SCHEDULED", "WORKFLOW_TIMED_OUT", "WORKFLOW_SCHEDULED", "WORKFLOW_STARTED"]


async def test_what_happens_during_a_task_waits_for_its_end_and_a_close_over_it_is_refused(wire: Wire) -> None:
    await wire.start("w")
    answer = await wire.complete(
        await wire.poll(), activity(1, eager=True), force_create_new_workflow_task=True, return_new_workflow_task=True
    )
    (given,) = answer.activity_tasks
    await wire.service.respond_activity_task_completed(
        RespondActivityTaskCompletedRequest(namespace=NAMESPACE, task_token=given.task_token)
    )
    with pytest.raises(RPCError) as refused:
        await wire.complete(answer.workflow_task, COMPLETE)
    assert "UnhandledCommand" in refused.value.message
    await wire.complete(await wire.poll(), COMPLETE)
    assert (await wire.events("w"))[4:] == [
        *("ACTIVITY_SCHEDULED", "WORKFLOW_SCHEDULED", "WORKFLOW_STARTED", "WORKFLOW_FAILED"),
        *("ACTIVITY_STARTED", "ACTIVITY_COMPLETED"),
        *("WORKFLOW_SCHEDULED", "WORKFLOW_STARTED", "WORKFLOW_COMPLETED", "WE_COMPLETED"),
    ]


async def test_a_task_that_is_not_answered_is_given_to_another(wire: Wire) -> None:
    await wire.start("w", workflow_task_timeout=duration(0.05))
    lost = await wire.poll()
    task = await wire.poll()
    assert task.attempt == 2
    with pytest.raises(RPCError) as refused:
        await wire.complete(lost, COMPLETE)
    assert refused.value.status is RPCStatusCode.NOT_FOUND
    await wire.complete(task, COMPLETE)
    assert "WORKFLOW_TIMED_OUT" in await wire.events("w")


async def test_a_failed_task_is_given_again(wire: Wire) -> None:
    await wire.start("w")
    failed = RespondWorkflowTaskFailedRequest(
        namespace=NAMESPACE,
        task_token=(await wire.poll()).task_token,
        cause=WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE,
    )
    await wire.service.respond_workflow_task_failed(failed)
    assert (await wire.poll()).attempt == 2


async def test_an_activity_is_tried_again_by_its_policy_when_it_fails_or_is_lost(wire: Wire) -> None:
    await wire.start("w")
    command = activity(1, timeout_s=0.05)
    policy = command.schedule_activity_task_command_attributes.retry_policy
    policy.initial_interval.FromTimedelta(timedelta(milliseconds=10))
    policy.backoff_coefficient = 1.0
    policy.maximum_attempts = 3
    await wire.complete(await wire.poll(), command)
    given = await wire.activity()
    await wire.service.respond_activity_task_failed(
        RespondActivityTaskFailedRequest(namespace=NAMESPACE, task_token=given.task_token)
    )
    assert [(await wire.activity()).attempt for _ in range(2)] == [2, 3]  # neither is answered
    task = await wire.poll()
    assert [short(event.event_type) for event in task.history.events][4:7] == [
        *("ACTIVITY_SCHEDULED", "ACTIVITY_STARTED", "ACTIVITY_TIMED_OUT"),
    ]


async def test_a_long_poll_waits_for_the_close(wire: Wire) -> None:
    await wire.start("w")
    waiting = asyncio.ensure_future(
        wire.history(
            "w",
            wait_new_event=True,
            history_event_filter_type=HistoryEventFilterType.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT,
        )
    )
    await wire.complete(await wire.poll(), COMPLETE)
    (event,) = (await waiting).history.events
    assert (event.event_id, short(event.event_type)) == (5, "WE_COMPLETED")


async def test_a_history_comes_in_pages(wire: Wire) -> None:
    await wire.start("w")
    await wire.complete(await wire.poll(), COMPLETE)
    first = await wire.history("w", maximum_page_size=3)
    rest = await wire.history("w", maximum_page_size=3, next_page_token=first.next_page_token)
    assert [event.event_id for page in (first, rest) for event in page.history.events] == [1, 2, 3, 4, 5]
    assert not rest.next_page_token


async def test_visibility_lists_and_counts_what_auroral_asks_for(wire: Wire) -> None:
    for number in range(5):
        await wire.start(f"run-0-{number}")
    for _ in range(3):
        await wire.complete(await wire.poll(), COMPLETE)
    prefix = "WorkflowId STARTS_WITH 'run-' AND WorkflowType = 't'"
    counted = await wire.service.count_workflow_executions(
        CountWorkflowExecutionsRequest(namespace=NAMESPACE, query=f"{prefix} GROUP BY ExecutionStatus")
    )
    assert {group.group_values[0].data: group.count for group in counted.groups} == {b'"Running"': 2, b'"Completed"': 3}
    query = f"{prefix} AND ExecutionStatus != 'Running' AND CloseTime >= '2020-01-01T00:00:00Z'"
    found = []
    token = b""
    while True:
        page = await wire.service.list_workflow_executions(
            ListWorkflowExecutionsRequest(namespace=NAMESPACE, query=query, page_size=2, next_page_token=token)
        )
        found += [one.execution.workflow_id for one in page.executions]
        token = page.next_page_token
        if not token:
            break
    assert found == ["run-0-2", "run-0-1", "run-0-0"]
    described = await wire.service.describe_workflow_execution(
        DescribeWorkflowExecutionRequest(namespace=NAMESPACE, execution=WorkflowExecution(workflow_id="run-0-0"))
    )
    assert described.workflow_execution_info.history_length == 5
    with pytest.raises(RPCError) as refused:
        await wire.service.count_workflow_executions(
            CountWorkflowExecutionsRequest(namespace=NAMESPACE, query="Colour = 'red'")
        )
    assert "Colour" in refused.value.message


async def test_what_is_open_is_terminated_by_batch_or_one_by_one(wire: Wire) -> None:
    for number in range(4):
        await wire.start(f"run-{number}")
    await wire.service.terminate_workflow_execution(
        TerminateWorkflowExecutionRequest(
            namespace=NAMESPACE, workflow_execution=WorkflowExecution(workflow_id="run-0"), reason="enough"
        )
    )
    await wire.service.start_batch_operation(
        StartBatchOperationRequest(
            namespace=NAMESPACE,
            job_id="job",
            visibility_query="WorkflowId STARTS_WITH 'run-' AND ExecutionStatus = 'Running'",
            termination_operation=BatchOperationTermination(identity="me"),
        )
    )
    state = await wire.service.describe_batch_operation(
        DescribeBatchOperationRequest(namespace=NAMESPACE, job_id="job")
    )
    assert state.complete_operation_count == 3
    assert [await wire.events(f"run-{number}") for number in range(4)] == [[*FIRST[:2], "WE_TERMINATED"]] * 4


async def test_an_execution_ends_at_its_time_out(wire: Wire, instant: InstantServer) -> None:
    await wire.start("w", workflow_execution_timeout=duration(0.03))
    answer = await wire.history(
        "w",
        wait_new_event=True,
        history_event_filter_type=HistoryEventFilterType.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT,
    )
    assert short(answer.history.events[0].event_type) == "WE_TIMED_OUT"
    assert instant.counts().open == 0


async def test_pollers_and_backlog_are_shown(wire: Wire) -> None:
    await wire.start("w")
    await wire.poll()
    await wire.start("v")
    answer = await wire.service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=NAMESPACE,
            task_queue=TaskQueue(name=QUEUE),
            task_queue_type=1,  # type: ignore[arg-type]
            report_stats=True,
        )
    )
    assert [poller.identity for poller in answer.pollers] == ["poller"]
    assert answer.stats.approximate_backlog_count == 1


async def test_what_it_does_not_do_it_refuses(wire: Wire) -> None:
    await wire.start("w")
    with pytest.raises(RPCError) as unimplemented:
        await wire.service.signal_workflow_execution(
            SignalWorkflowExecutionRequest(
                namespace=NAMESPACE, workflow_execution=WorkflowExecution(workflow_id="w"), signal_name="s"
            )
        )
    assert unimplemented.value.status is RPCStatusCode.UNIMPLEMENTED
    marker = Command(
        command_type=CommandType.COMMAND_TYPE_RECORD_MARKER,
        record_marker_command_attributes=RecordMarkerCommandAttributes(marker_name="m"),
    )
    with pytest.raises(RPCError) as refused:
        await wire.complete(await wire.poll(), marker)
    assert refused.value.status is RPCStatusCode.INVALID_ARGUMENT
    with pytest.raises(RPCError) as unknown:
        await wire.service.start_workflow_execution(StartWorkflowExecutionRequest(namespace="other", workflow_id="w"))
    assert unknown.value.status is RPCStatusCode.NOT_FOUND


async def test_it_measures_how_late_waits_are_answered(wire: Wire, instant: InstantServer) -> None:
    await wire.start("w")
    command = activity(1, eager=True)
    command.schedule_activity_task_command_attributes.input.payloads.add().data = b'{"sleep_s":0.02,"x":1}'
    answer = await wire.complete(await wire.poll(), command)
    assert instant.counts().held == 1
    await asyncio.sleep(0.06)
    await wire.service.respond_activity_task_completed(
        RespondActivityTaskCompletedRequest(namespace=NAMESPACE, task_token=answer.activity_tasks[0].task_token)
    )
    counts = instant.counts()
    assert (counts.held, counts.held_most, counts.activities) == (0, 1, 1)
    assert 35 < counts.late_p50_ms < 500


async def test_it_forgets_the_oldest_beyond_its_bounds(instant_program: Path) -> None:
    with InstantServer(instant_program, "-keep", "10", "-events", "20") as server:
        wire = Wire(await Client.connect(server.address, namespace=NAMESPACE))
        for number in range(15):
            answer = await wire.start(f"w{number}", request_eager_execution=True)
            await wire.complete(answer.eager_workflow_task, COMPLETE)
        counted = await wire.service.count_workflow_executions(CountWorkflowExecutionsRequest(namespace=NAMESPACE))
        assert counted.count == 10
        assert len(await wire.events("w14")) == 5
        for gone, why in (("w4", "workflow not found"), ("w5", "has been forgotten")):
            with pytest.raises(RPCError, match=why):
                await wire.history(gone)
    assert server.final is not None
    assert server.final.closed == 15


def test_it_says_what_is_wrong_with_its_arguments(instant_program: Path) -> None:
    ended = subprocess.run([instant_program, "-keep", "0"], capture_output=True, text=True, check=False, timeout=10)
    assert ended.returncode == 1
    assert "-keep" in ended.stderr
