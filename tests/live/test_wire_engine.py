"""The wire engine's worker on a real server: the same histories as the SDK engine's, whatever it forgets on the way."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from temporalio.api.common.v1 import Payloads, WorkflowType
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import StartWorkflowExecutionRequest
from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowHistory,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
)
from temporalio.service import RPCError
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from auroral.bench.inputs import decode_work
from auroral.bench.manifest import ROOT_WORKFLOW_TYPE, WorkerIdentity
from auroral.bench.prepare import await_workers, warm_up
from auroral.bench.wire.decide import Run, ScheduleActivity
from auroral.bench.workflows import SIGNAL_NAME, UPDATE_NAME, WORKFLOWS, encode_input
from auroral.bench.workload import Activity, Signal, Timer, Workload, builtin
from auroral.errors import TargetError
from auroral.temporal.local import LocalServer
from tests.bench.wire.histories import drawn_apart, ends_before_begins, loose, of, strict
from tests.bench.wire.processes import Worker, running
from tests.conftest import MakeTemporalServer
from tests.support.workers import manifest

pytestmark = pytest.mark.live

Kind = EventType


@pytest.fixture(scope="module")
def engines(temporal_server: LocalServer) -> Iterator[dict[str, Worker]]:
    """A worker of each engine."""
    with running(temporal_server.address, "sdk") as sdk, running(temporal_server.address, "wire") as wire:
        yield {"sdk": sdk, "wire": wire}


@pytest_asyncio.fixture
async def client(temporal_server: LocalServer) -> AsyncIterator[Client]:
    yield await Client.connect(temporal_server.address, namespace=temporal_server.namespace)


async def start(client: Client, task_queue: str, workload: Workload) -> WorkflowHandle[Any, Any]:
    """Start a workflow as the generator does."""
    return await start_with(client, task_queue, encode_input(workload))


async def start_with(client: Client, task_queue: str, given: Payloads) -> WorkflowHandle[Any, Any]:
    workflow_id = f"t{uuid.uuid4().hex[:12]}"
    request = StartWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_id=workflow_id,
        request_id=workflow_id,
        identity="generator",
        workflow_type=WorkflowType(name=ROOT_WORKFLOW_TYPE),
        task_queue=TaskQueue(name=task_queue),
        input=given,
    )
    request.workflow_execution_timeout.FromTimedelta(timedelta(seconds=120))
    await client.workflow_service.start_workflow_execution(request)
    return client.get_workflow_handle(workflow_id)


async def history(client: Client, workflow_id: str) -> list[HistoryEvent]:
    return list((await client.get_workflow_handle(workflow_id).fetch_history()).events)


async def completed(client: Client, task_queue: str, workload: Workload) -> list[HistoryEvent]:
    handle = await start(client, task_queue, workload)
    await asyncio.wait_for(handle.result(), 60)
    return await history(client, handle.id)


# The same history


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("simple", {}),
        ("multi-activity", {"activity_count": 3}),
        ("timer", {"timer_duration_s": 0.2}),
    ],
)
async def test_where_one_thing_follows_another_both_engines_write_the_same_events(
    client: Client, engines: dict[str, Worker], name: str, options: dict[str, Any]
) -> None:
    workload = builtin(name, **options)
    written = {engine: await completed(client, worker.task_queue, workload) for engine, worker in engines.items()}
    assert strict(written["wire"]) == strict(written["sdk"])
    assert len(written["wire"]) >= 5
    # And the SDK's own worker would have said the same at every workflow task of either.
    replayer = Replayer(workflows=WORKFLOWS, workflow_runner=UnsandboxedWorkflowRunner())
    for events in written.values():
        await replayer.replay_workflow(WorkflowHistory(workflow_id="w", events=events))


async def test_children_are_the_same_with_both_engines(client: Client, engines: dict[str, Worker]) -> None:
    workload = builtin("child", child_count=3)
    written, of_children = {}, {}
    for engine, worker in engines.items():
        handle = await start(client, worker.task_queue, workload)
        await asyncio.wait_for(handle.result(), 60)
        written[engine] = await history(client, handle.id)
        of_children[engine] = [strict(await history(client, f"{handle.id}/c{number}")) for number in range(3)]
    assert loose(written["wire"]) == loose(written["sdk"])
    assert of_children["wire"] == of_children["sdk"]
    # All three are started by the first workflow task, in order, before anything else happens.
    assert strict(written["wire"])[:7] == strict(written["sdk"])[:7]
    assert len(of(written["wire"], Kind.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED)) == 3


async def test_state_transitions_is_the_same_with_both_engines(client: Client, engines: dict[str, Worker]) -> None:
    workload = builtin("state-transitions")
    told = await asyncio.gather(*(completed(client, worker.task_queue, workload) for worker in engines.values()))
    written = {engine: drawn_apart(events) for engine, events in zip(engines, told, strict=True)}
    assert loose(written["wire"]) == loose(written["sdk"])
    assert ends_before_begins(written["wire"]) == ends_before_begins(written["sdk"])
    # The first four are scheduled by the first workflow task, in order.
    assert strict(written["wire"])[:8] == strict(written["sdk"])[:8]


async def test_a_history_says_which_engine_worked_it(client: Client, engines: dict[str, Worker]) -> None:
    said = {}
    for engine, worker in engines.items():
        events = await completed(client, worker.task_queue, builtin("timer", timer_duration_s=0.05))
        tasks = [
            event.workflow_task_completed_event_attributes
            for event in of(events, Kind.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
        ]
        identity = WorkerIdentity.parse(tasks[0].identity)
        assert identity is not None
        assert identity.engine == engine
        said[engine] = [task.sdk_metadata.sdk_name for task in tasks]
    assert said == {"sdk": ["temporal-python", ""], "wire": ["auroral-wire", ""]}


# What is lost on the way


def as_drawn(events: Sequence[HistoryEvent]) -> None:
    """See that every activity was told what this run draws, whoever worked its tasks."""
    run = Run(events[0])
    for at, event in enumerate(events):
        if event.event_type == Kind.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            attributes = event.activity_task_scheduled_event_attributes
            payloads = attributes.input.payloads
            sleep_s = decode_work(payloads[0].data).sleep_s if payloads else 0.0
            assert run.take([])[0] == ScheduleActivity(attributes.activity_id, sleep_s)
        run.take(events[at : at + 1])
    assert run.closed
    assert not of(events, Kind.EVENT_TYPE_WORKFLOW_TASK_FAILED)


@pytest.mark.whole
async def test_runs_that_a_small_cache_forgets_are_built_again(client: Client, temporal_server: LocalServer) -> None:
    with running(temporal_server.address, max_cached_workflows=1) as worker:
        workload = builtin("state-transitions")
        handles = [await start(client, worker.task_queue, workload) for _ in range(4)]
        await asyncio.wait_for(asyncio.gather(*(handle.result() for handle in handles)), 60)
        for handle in handles:
            as_drawn(await history(client, handle.id))
        readings = worker.readings("temporal_sticky_cache")
        assert readings["temporal_sticky_cache_size"] == 0
        assert readings["temporal_sticky_cache_miss_total"] >= 5
        assert readings["temporal_sticky_cache_total_forced_eviction_total"] >= 5


async def test_runs_of_a_worker_that_died_are_gone_on_with_by_another(
    client: Client, temporal_server: LocalServer
) -> None:
    each = Activity(count=2, mode="parallel", duration_s=builtin("state-transitions").steps[0].duration_s)  # type: ignore[union-attr]
    workload = Workload(name="w", steps=(each, Timer(duration_s=1.5), each))
    with running(temporal_server.address, sticky_schedule_to_start_timeout_s=0.5) as first:
        handle = await start(client, first.task_queue, workload)
        async with asyncio.timeout(20):
            while not of(await history(client, handle.id), Kind.EVENT_TYPE_TIMER_STARTED):
                await asyncio.sleep(0.1)
        first.kill()
        with running(temporal_server.address, task_queue=first.task_queue) as second:
            await asyncio.wait_for(handle.result(), 30)
            assert second.readings("temporal_sticky_cache_size") == {"temporal_sticky_cache_size": 0}
    events = await history(client, handle.id)
    as_drawn(events)
    assert len({event.workflow_task_started_event_attributes.identity for event in events} - {""}) == 2


@pytest.mark.whole
async def test_a_history_of_many_pages_is_read_whole(client: Client, make_temporal_server: MakeTemporalServer) -> None:
    """A server that hands out histories in small pages; each run is built again for each of its tasks."""
    small_pages = {"frontend.historyMaxPageSize": 10, "limit.historyMaxPageSize": 10}
    server = await make_temporal_server(dynamic_config=small_pages)
    there = await Client.connect(server.address, namespace=server.namespace)
    with running(server.address, max_cached_workflows=1) as worker:
        workload = Workload(name="w", steps=(Activity(count=12, mode="parallel", duration_s=0.1), Activity(count=8)))
        handles = [await start(there, worker.task_queue, workload) for _ in range(3)]
        await asyncio.wait_for(asyncio.gather(*(handle.result() for handle in handles)), 60)
        for handle in handles:
            as_drawn(await history(there, handle.id))
        readings = worker.readings("temporal_sticky_cache_miss", "temporal_request_total")
        misses = readings["temporal_sticky_cache_miss_total"]
        assert misses >= 3
        assert readings["temporal_request_total/GetWorkflowExecutionHistory"] >= 2 * misses


@pytest.mark.whole
async def test_a_server_that_starts_again_finds_its_worker(
    make_temporal_server: MakeTemporalServer, tmp_path: Any
) -> None:
    server = await make_temporal_server(db_filename=tmp_path / "temporal.db")
    worker = Worker(server.address, "wire")
    try:
        there = await Client.connect(server.address, namespace=server.namespace)
        await completed(there, worker.task_queue, builtin("simple"))
        await server.stop()
        await server.start()
        there = await Client.connect(server.address, namespace=server.namespace)
        await completed(there, worker.task_queue, builtin("multi-activity", activity_count=2))
        status, errors = worker.end()
        assert status == 0
        assert "is tried again: UNAVAILABLE" in errors
    finally:
        if worker.process.poll() is None:
            worker.kill()


# What is refused


async def test_a_workload_of_the_sdk_engine_fails_with_the_reason(client: Client, engines: dict[str, Worker]) -> None:
    handle = await start(client, engines["wire"].task_queue, Workload(name="w", steps=(Signal(),)))
    with pytest.raises(WorkflowFailureError) as caught:
        await asyncio.wait_for(handle.result(), 10)
    assert "steps[0].signal" in str(caught.value.cause)


async def test_a_request_to_cancel_is_followed(client: Client, engines: dict[str, Worker]) -> None:
    handle = await start(client, engines["wire"].task_queue, builtin("timer", timer_duration_s=60))
    await asyncio.sleep(0.2)
    await handle.cancel()
    with pytest.raises(WorkflowFailureError):
        await asyncio.wait_for(handle.result(), 10)
    assert (await handle.describe()).status is WorkflowExecutionStatus.CANCELED


async def test_a_query_is_refused_in_words_and_the_workflow_goes_on(client: Client, engines: dict[str, Worker]) -> None:
    handle = await start(client, engines["wire"].task_queue, builtin("timer", timer_duration_s=0.5))
    with pytest.raises(WorkflowQueryFailedError, match="answer no queries"):
        await handle.query("where")
    await asyncio.wait_for(handle.result(), 10)


async def test_signals_and_updates_keep_no_workflow_from_its_end(client: Client, engines: dict[str, Worker]) -> None:
    handle = await start(client, engines["wire"].task_queue, builtin("timer", timer_duration_s=1.0))
    await handle.signal(SIGNAL_NAME, 0)
    with pytest.raises((WorkflowUpdateFailedError, RPCError)):
        await asyncio.wait_for(handle.execute_update(UPDATE_NAME, 0), 20)
    await asyncio.wait_for(handle.result(), 20)


# Around a run


async def test_the_preflight_knows_its_workers_and_probes_run(client: Client, engines: dict[str, Worker]) -> None:
    queue = engines["wire"].task_queue
    agreed = manifest(f"r{uuid.uuid4().hex[:8]}", task_queues=[queue], engine="wire")
    (worker,) = await await_workers(client, agreed, timeout_s=10, report=lambda _: None)
    assert (worker.engine, worker.slots) == ("wire", (200, 50, 200))
    offset = await warm_up(client, agreed, probes=3)
    assert abs(offset.offset_us) < 1_000_000
    with pytest.raises(TargetError, match="runs the engine wire, not sdk"):
        await await_workers(client, msgspec.structs.replace(agreed, engine="sdk"), timeout_s=10, report=lambda _: None)


async def test_it_shows_slots_and_polls_as_an_sdk_worker_does(client: Client, engines: dict[str, Worker]) -> None:
    handle = await start(
        client,
        engines["wire"].task_queue,
        Workload(name="w", steps=(Activity(count=3, mode="parallel", duration_s=2.0),)),
    )
    names = ("temporal_worker_task_slots_", "temporal_num_pollers")
    async with asyncio.timeout(10):
        while (await asyncio.to_thread(engines["wire"].readings, *names))[
            "temporal_worker_task_slots_used/ActivityWorker"
        ] < 3:
            await asyncio.sleep(0.05)
    wire = await asyncio.to_thread(engines["wire"].readings, *names)
    assert set(wire) == set(await asyncio.to_thread(engines["sdk"].readings, *names))
    assert wire["temporal_worker_task_slots_available/ActivityWorker"] == 47
    assert 1 <= wire["temporal_num_pollers/workflow_task"] <= 16
    await handle.terminate()


@pytest.mark.slow
async def test_one_process_holds_five_thousand_waiting_activities(client: Client, temporal_server: LocalServer) -> None:
    """Most come with a workflow task's answer: polls for 5,000 of them are a development server's work of minutes."""
    with running(temporal_server.address, slots=5_100) as worker:
        wait = Activity(count=50, mode="parallel", duration_s=200.0)
        handles = [await start(client, worker.task_queue, Workload(name="w", steps=(wait,))) for _ in range(100)]
        received = "temporal_activity_task_received_total"
        async with asyncio.timeout(115):
            while (await asyncio.to_thread(worker.readings, received))[received] < 5_000:
                await asyncio.sleep(0.2)
        used = "temporal_worker_task_slots_used"
        assert (await asyncio.to_thread(worker.readings, used))[f"{used}/ActivityWorker"] == 5_000
        for handle in handles:
            await handle.terminate()
