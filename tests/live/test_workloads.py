"""Every workload end to end: what the server's history of one workflow says is what the workload said."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
import pytest_asyncio
from temporalio.api.common.v1 import WorkflowType
from temporalio.api.enums.v1 import EventType, TaskQueueType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, StartWorkflowExecutionRequest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle, WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from auroral.bench.manifest import PROBE_WORKFLOW_TYPE, ROOT_WORKFLOW_TYPE, WorkerIdentity
from auroral.bench.protocol import Hello, Ready, WorkerOrder, decode_from_child, encode
from auroral.bench.settings import WorkerSettings
from auroral.bench.steps import Activity, Child, ContinueAsNew, Query, Signal, Timer, Update, Workload, interactions
from auroral.bench.workflows import INJECTED_FAILURE, QUERY_NAME, SIGNAL_NAME, UPDATE_NAME, WORKFLOWS, encode_input
from auroral.bench.workload import block, builtin
from auroral.bench.workload_file import parse
from auroral.temporal.local import LocalServer
from auroral.temporal.spec import ConnectionSpec

pytestmark = pytest.mark.live

Kind = EventType
SLOTS = 2_500


@pytest.fixture(scope="module")
def task_queues(temporal_server: LocalServer) -> Iterator[list[str]]:
    """Task queues that one worker process serves while this module's tests run."""
    queues = [f"workloads-{uuid.uuid4().hex[:8]}-{number}" for number in range(2)]
    order = WorkerOrder(
        connection=ConnectionSpec(address=temporal_server.address, namespace=temporal_server.namespace),
        task_queues=queues,
        settings=WorkerSettings(),
        max_concurrent_activities=2 * SLOTS,
        engine="sdk",
        name="worker-0",
        metrics=True,
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "auroral.bench.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(encode(order))
    process.stdin.flush()
    assert isinstance(decode_from_child(process.stdout.readline()), Hello)
    assert isinstance(decode_from_child(process.stdout.readline()), Ready)
    yield queues
    process.stdin.close()
    assert process.wait(timeout=10) == 0


@pytest_asyncio.fixture
async def client(temporal_server: LocalServer) -> AsyncIterator[Client]:
    yield await Client.connect(temporal_server.address, namespace=temporal_server.namespace)


class Cluster:
    """Starts workflows as the generator does, and reads their histories."""

    def __init__(self, client: Client, task_queues: list[str]) -> None:
        self.client = client
        self.task_queues = task_queues

    async def start(self, workload: Workload, *, queue: int = 0) -> WorkflowHandle[Any, Any]:
        workflow_id = f"t{uuid.uuid4().hex[:12]}"
        request = StartWorkflowExecutionRequest(
            namespace=self.client.namespace,
            workflow_id=workflow_id,
            request_id=workflow_id,
            workflow_type=WorkflowType(name=ROOT_WORKFLOW_TYPE),
            task_queue=TaskQueue(name=self.task_queues[queue]),
            input=encode_input(workload),
        )
        request.workflow_execution_timeout.FromTimedelta(timedelta(seconds=120))
        response = await self.client.workflow_service.start_workflow_execution(request)
        return self.client.get_workflow_handle(workflow_id, first_execution_run_id=response.run_id)

    async def history(self, workload: Workload) -> list[HistoryEvent]:
        handle = await self.start(workload)
        await handle.result()
        return list((await handle.fetch_history()).events)


@pytest.fixture
def cluster(client: Client, task_queues: list[str]) -> Cluster:
    return Cluster(client, task_queues)


def of(events: list[HistoryEvent], kind: EventType.ValueType) -> list[HistoryEvent]:
    return [event for event in events if event.event_type == kind]


def sleeps_s(scheduled: list[HistoryEvent]) -> list[float]:
    """What each activity was told to wait."""
    inputs = [event.activity_task_scheduled_event_attributes.input.payloads for event in scheduled]
    return [json.loads(payloads[0].data).get("sleep_s", 0.0) if payloads else 0.0 for payloads in inputs]


async def test_simple_completes_at_once_and_carries_nothing(cluster: Cluster) -> None:
    events = await cluster.history(builtin("simple"))
    assert [event.event_type for event in events] == [
        Kind.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
        Kind.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED,
        Kind.EVENT_TYPE_WORKFLOW_TASK_STARTED,
        Kind.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
        Kind.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED,
    ]
    assert not events[0].workflow_execution_started_event_attributes.input.payloads


@pytest.mark.parametrize("count", [1, 7])
async def test_multi_activity_runs_that_many_in_sequence(cluster: Cluster, count: int) -> None:
    events = await cluster.history(builtin("multi-activity", activity_count=count))
    scheduled = of(events, Kind.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
    completed = of(events, Kind.EVENT_TYPE_ACTIVITY_TASK_COMPLETED)
    assert len(scheduled) == len(completed) == count
    assert all(before.event_id < after.event_id for before, after in zip(completed, scheduled[1:], strict=False))
    assert not any(event.activity_task_scheduled_event_attributes.input.payloads for event in scheduled)


async def test_timer_lasts_as_long_as_asked(cluster: Cluster) -> None:
    events = await cluster.history(builtin("timer", timer_duration_s=0.35))
    (started,) = of(events, Kind.EVENT_TYPE_TIMER_STARTED)
    (fired,) = of(events, Kind.EVENT_TYPE_TIMER_FIRED)
    assert started.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta() == timedelta(seconds=0.35)
    assert fired.event_time.ToDatetime() - started.event_time.ToDatetime() >= timedelta(seconds=0.34)


@pytest.mark.parametrize("count", [1, 6])
async def test_children_start_together_and_are_all_awaited(cluster: Cluster, count: int) -> None:
    handle = await cluster.start(builtin("child", child_count=count))
    await handle.result()
    events = list((await handle.fetch_history()).events)
    initiated = of(events, Kind.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED)
    told = [event.start_child_workflow_execution_initiated_event_attributes for event in initiated]
    assert [child.workflow_id for child in told] == [f"{handle.id}/c{number}" for number in range(count)]
    assert {child.workflow_type.name for child in told} == {"auroral.child"}
    (first_task,) = {child.workflow_task_completed_event_id for child in told}
    assert first_task == of(events, Kind.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)[0].event_id
    assert len(of(events, Kind.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED)) == count
    assert events[-1].event_type == Kind.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED


async def test_state_transitions_is_four_together_then_six_in_sequence(cluster: Cluster) -> None:
    events = await cluster.history(builtin("state-transitions"))
    scheduled = of(events, Kind.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
    completed = of(events, Kind.EVENT_TYPE_ACTIVITY_TASK_COMPLETED)
    assert len(scheduled) == len(completed) == 10
    tasks = [event.activity_task_scheduled_event_attributes.workflow_task_completed_event_id for event in scheduled]
    assert len(set(tasks[:4])) == 1
    assert len(set(tasks)) == 7
    assert scheduled[4].event_id > completed[3].event_id
    assert all(before.event_id < after.event_id for before, after in zip(completed[4:], scheduled[5:], strict=False))
    told_s = sleeps_s(scheduled)
    assert all(0.1 <= sleep_s <= 0.6 for sleep_s in told_s)
    assert len(set(told_s)) == 10
    started = {
        event.activity_task_started_event_attributes.scheduled_event_id: event.event_time.ToDatetime()
        for event in of(events, Kind.EVENT_TYPE_ACTIVITY_TASK_STARTED)
    }
    ended = {
        event.activity_task_completed_event_attributes.scheduled_event_id: event.event_time.ToDatetime()
        for event in completed
    }
    for event, sleep_s in zip(scheduled, told_s, strict=True):
        assert (ended[event.event_id] - started[event.event_id]).total_seconds() >= sleep_s - 0.02


async def test_payloads_and_results_have_their_size_and_no_encoding(cluster: Cluster) -> None:
    workload = Workload(name="w", steps=(Activity(count=2, mode="parallel", payload_bytes=3_000, result_bytes=5_000),))
    events = await cluster.history(workload)
    for event in of(events, Kind.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED):
        payload = event.activity_task_scheduled_event_attributes.input.payloads[1]
        assert (payload.metadata["encoding"], payload.data) == (b"binary/plain", block(3_000))
    for event in of(events, Kind.EVENT_TYPE_ACTIVITY_TASK_COMPLETED):
        (result,) = event.activity_task_completed_event_attributes.result.payloads
        assert (result.metadata["encoding"], result.data) == (b"binary/plain", block(5_000))


async def test_failing_attempts_are_retried_at_their_interval_until_the_last(cluster: Cluster) -> None:
    failing = Activity(failure_rate=1.0, max_attempts=3, retry_interval_s=0.2)
    handle = await cluster.start(Workload(name="w", steps=(failing,)))
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    cause: Any = caught.value.cause.__cause__
    assert cause.type == INJECTED_FAILURE
    events = list((await handle.fetch_history()).events)
    (started,) = of(events, Kind.EVENT_TYPE_ACTIVITY_TASK_STARTED)
    assert started.activity_task_started_event_attributes.attempt == 3
    (scheduled,) = of(events, Kind.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
    assert started.event_time.ToDatetime() - scheduled.event_time.ToDatetime() >= timedelta(seconds=0.4)


@pytest.mark.whole
async def test_a_share_of_the_attempts_fails_and_the_workflow_completes(cluster: Cluster) -> None:
    flaky = Activity(count=100, mode="parallel", failure_rate=0.3, retry_interval_s=0.05)
    events = await cluster.history(Workload(name="w", steps=(flaky,)))
    attempts = [
        event.activity_task_started_event_attributes.attempt
        for event in of(events, Kind.EVENT_TYPE_ACTIVITY_TASK_STARTED)
    ]
    assert len(attempts) == 100
    # 43 retries are expected with a standard deviation of 8.
    assert 5 <= sum(attempts) - 100 <= 90


async def test_local_activities_leave_no_task_to_the_server(cluster: Cluster) -> None:
    local = Activity(count=3, local=True, mode="parallel", duration_s=0.05)
    events = await cluster.history(Workload(name="w", steps=(local,)))
    assert len(of(events, Kind.EVENT_TYPE_MARKER_RECORDED)) == 3
    assert not of(events, Kind.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)


async def test_signals_and_updates_that_come_early_count_and_queries_say_where_it_is(cluster: Cluster) -> None:
    workload = Workload(name="w", steps=(Timer(duration_s=0.5), Signal(count=2), Update(count=1), Query()))
    handle = await cluster.start(workload)
    await asyncio.gather(*[handle.signal(SIGNAL_NAME, 1) for _ in range(2)])
    assert await handle.execute_update(UPDATE_NAME, args=[2, block(100)]) == 1
    assert await handle.query(QUERY_NAME) == {"run": 0, "step": 0}
    await handle.result()
    events = list((await handle.fetch_history()).events)
    assert (
        of(events, Kind.EVENT_TYPE_TIMER_FIRED)[0].event_id
        > of(events, Kind.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED)[-1].event_id
    )


async def test_a_workflow_waits_for_its_last_signal(cluster: Cluster) -> None:
    handle = await cluster.start(Workload(name="w", steps=(Signal(count=2),)))
    await handle.signal(SIGNAL_NAME, 0)
    await handle.signal(SIGNAL_NAME, 5)
    assert await handle.query(QUERY_NAME) == {"run": 0, "step": 0}
    assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
    await handle.signal(SIGNAL_NAME, 0)
    await handle.result()


EVERYTHING = """
name: everything
steps:
  - activity: {count: 2, mode: parallel, duration: 10ms..50ms, payload: 1KiB, failure_rate: 30%, retry_interval: 50ms}
  - activity: {count: 2, local: true, failure_rate: 0.3, retry_interval: 10ms}
  - signal: {count: 2, after: 50ms, every: 50ms, payload: 200}
  - timer: {exponential: {mean: 20ms, max: 100ms}}
  - update: {count: 1, after: 100ms, payload: 100}
  - query: {count: 2, every: 200ms}
  - child:
      count: 2
      steps:
        - activity: {duration: {lognormal: {median: 10ms, p99: 50ms}}}
        - child: {mode: sequence, count: 2, steps: [activity: {duration: {normal: {mean: 20ms, stddev: 5ms}}}]}
  - continue_as_new: 1
"""


async def interact(handle: WorkflowHandle[Any, Any], workload: Workload) -> None:
    """Send what the workload wants sent, without a run id, as the generator does."""

    async def follow(each: Any) -> None:
        await asyncio.sleep(each.after_s)
        arguments = [each.index, *([block(each.payload_bytes)] if each.payload_bytes else [])]
        for _ in range(each.total):
            match each.kind:
                case "signal":
                    await handle.signal(SIGNAL_NAME, args=arguments)
                case "update":
                    await handle.execute_update(UPDATE_NAME, args=arguments)
                case "query":
                    assert set(await handle.query(QUERY_NAME)) == {"run", "step"}
            await asyncio.sleep(each.every_s)

    await asyncio.gather(*[follow(each) for each in interactions(workload)])


async def test_a_file_with_everything_runs_and_replays(cluster: Cluster) -> None:
    workload = parse(EVERYTHING, format="yaml", origin="everything.yaml")
    handle = await cluster.start(workload, queue=1)
    sending = asyncio.create_task(interact(handle, workload))
    await asyncio.wait_for(handle.result(), 60)
    await asyncio.wait_for(sending, 10)
    runs = await chain(cluster.client, handle)
    assert len(runs) == 2
    for events in runs:
        assert len(of(events, Kind.EVENT_TYPE_ACTIVITY_TASK_COMPLETED)) == 2
        assert len(of(events, Kind.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED)) == 2
        assert len(of(events, Kind.EVENT_TYPE_MARKER_RECORDED)) >= 2
    signals = [len(of(events, Kind.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED)) for events in runs]
    updates = [len(of(events, Kind.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED)) for events in runs]
    assert (sum(signals), sum(updates)) == (4, 2)
    replayer = Replayer(workflows=WORKFLOWS, workflow_runner=UnsandboxedWorkflowRunner())
    for events in runs:
        await replayer.replay_workflow(WorkflowHistory(workflow_id=handle.id, events=events))


async def test_runs_of_a_chain_are_a_second_apart(cluster: Cluster) -> None:
    handle = await cluster.start(Workload(name="w", steps=(ContinueAsNew(times=2),)))
    await handle.result()
    runs = await chain(cluster.client, handle)
    assert len(runs) == 3
    begun = [of(events, Kind.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED)[0].event_time.ToDatetime() for events in runs]
    for earlier, later in pairwise(begun):
        assert timedelta(seconds=0.8) <= later - earlier <= timedelta(seconds=4)


async def chain(client: Client, handle: WorkflowHandle[Any, Any]) -> list[list[HistoryEvent]]:
    """The histories of a continue-as-new chain, from its first run."""
    runs = []
    run_id = handle.first_execution_run_id
    while run_id:
        history = await client.get_workflow_handle(handle.id, run_id=run_id).fetch_history()
        runs.append(list(history.events))
        run_id = history.events[-1].workflow_execution_continued_as_new_event_attributes.new_execution_run_id
    return runs


async def test_children_end_with_their_parent(cluster: Cluster) -> None:
    waiting = Child(count=2, steps=(Timer(duration_s=60),))
    handle = await cluster.start(Workload(name="w", steps=(waiting,)))
    children = [cluster.client.get_workflow_handle(f"{handle.id}/c{number}") for number in range(2)]
    await until(lambda: is_running(children[1]))
    await handle.terminate()
    for child in children:
        with pytest.raises(WorkflowFailureError):
            await asyncio.wait_for(child.result(), 10)
        assert (await child.describe()).status is WorkflowExecutionStatus.TERMINATED


async def is_running(handle: WorkflowHandle[Any, Any]) -> bool:
    from temporalio.service import RPCError

    try:
        return (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
    except RPCError:
        return False


async def until(holds: Any, timeout_s: float = 20.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not await holds():
            await asyncio.sleep(0.05)


async def test_an_input_of_another_language_fails_the_workflow(cluster: Cluster) -> None:
    handle = await cluster.client.start_workflow(
        ROOT_WORKFLOW_TYPE, {"steps": [{"step": "nap"}]}, id=f"t{uuid.uuid4().hex}", task_queue=cluster.task_queues[0]
    )
    with pytest.raises(WorkflowFailureError) as caught:
        await asyncio.wait_for(handle.result(), 10)
    assert "does not understand the workload" in str(caught.value.cause)


async def test_probes_are_answered_on_every_queue_and_pollers_say_who_they_are(cluster: Cluster) -> None:
    for queue in cluster.task_queues:
        await cluster.client.execute_workflow(PROBE_WORKFLOW_TYPE, id=f"t{uuid.uuid4().hex}", task_queue=queue)
        for kind in (TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY):
            described = await cluster.client.workflow_service.describe_task_queue(
                DescribeTaskQueueRequest(
                    namespace=cluster.client.namespace, task_queue=TaskQueue(name=queue), task_queue_type=kind
                )
            )
            (identity,) = {poller.identity for poller in described.pollers}
            parsed = WorkerIdentity.parse(identity)
            assert parsed is not None
            assert parsed.slots == (200, 2 * SLOTS, 200)


@pytest.mark.whole
async def test_one_worker_process_holds_two_thousand_waiting_activities(cluster: Cluster) -> None:
    wait = Activity(count=500, mode="parallel", duration_s=30.0)
    handles = [await cluster.start(Workload(name="w", steps=(wait,))) for _ in range(4)]

    async def all_started() -> bool:
        described = [await handle.describe() for handle in handles]
        states = [one.raw_description.pending_activities for one in described]
        return sum(pending.state == 2 for one in states for pending in one) == 2_000

    await until(all_started, timeout_s=28)
    for handle in handles:
        await handle.terminate()
