"""The wire transport to a real Temporal server, which is a Go gRPC server too: calls, long polls, errors, goodbyes."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution, WorkflowType
from temporalio.api.enums.v1 import HistoryEventFilterType, WorkflowIdConflictPolicy, WorkflowIdReusePolicy
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice import v1 as workflowservice
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from auroral.temporal.local import LocalServer
from auroral.temporal.rpc import refusal_cause
from auroral.temporal.spec import ConnectionSpec
from auroral.temporal.wire.connect import connect_wire
from auroral.temporal.wire.service import WireServiceClient
from tests.conftest import MakeTemporalServer

pytestmark = pytest.mark.live

NAMESPACE = "benchmark"


async def connected(server: LocalServer) -> tuple[Client, WireServiceClient]:
    return await connect_wire(ConnectionSpec(address=server.address, namespace=NAMESPACE), patience_s=10)


@pytest_asyncio.fixture
async def wire(temporal_server: LocalServer) -> AsyncIterator[tuple[Client, WireServiceClient]]:
    client, service = await connected(temporal_server)
    yield client, service
    await service.close()


def start_request(workflow_id: str, *, size_bytes: int = 0) -> workflowservice.StartWorkflowExecutionRequest:
    return workflowservice.StartWorkflowExecutionRequest(
        namespace=NAMESPACE,
        workflow_id=workflow_id,
        workflow_type=WorkflowType(name="Idle"),
        task_queue=TaskQueue(name=f"queue-{workflow_id.partition('-')[0]}"),
        request_id=str(uuid.uuid4()),
        identity="a test",
        input=Payloads(payloads=[Payload(metadata={"encoding": b"binary/plain"}, data=bytes(size_bytes))]),
        workflow_id_reuse_policy=WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
    )


async def test_starts_long_polls_lists_and_ends(wire: tuple[Client, WireServiceClient], unique: str) -> None:
    client, service = wire
    replies: asyncio.Queue[tuple[Any, RPCError | None]] = asyncio.Queue()
    ids = [f"{unique}-{number}" for number in range(50)]
    for workflow_id in ids:
        service.call("StartWorkflowExecution", start_request(workflow_id), lambda *one: replies.put_nowait(one))
    for _ in ids:
        reply, error = await replies.get()
        assert error is None
        assert reply.started

    # One long poll for each close, none of which is there yet.
    closes: asyncio.Queue[tuple[Any, RPCError | None]] = asyncio.Queue()
    for workflow_id in ids:
        request = workflowservice.GetWorkflowExecutionHistoryRequest(
            namespace=NAMESPACE,
            execution=WorkflowExecution(workflow_id=workflow_id),
            wait_new_event=True,
            history_event_filter_type=HistoryEventFilterType.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT,
        )
        service.call("GetWorkflowExecutionHistory", request, lambda *one: closes.put_nowait(one), timeout_s=70)
    await asyncio.sleep(0.3)
    assert closes.empty()
    await asyncio.gather(*(client.get_workflow_handle(one).terminate(reason="the end") for one in ids))
    for _ in ids:
        reply, error = await asyncio.wait_for(closes.get(), 20)
        assert error is None
        assert reply.history.events[-1].workflow_execution_terminated_event_attributes.reason == "the end"

    query = f"WorkflowId STARTS_WITH '{unique}'"
    async with asyncio.timeout(20):
        while (await client.count_workflows(f"{query} AND ExecutionStatus = 'Terminated'")).count < len(ids):
            await asyncio.sleep(0.1)
        listed = [one async for one in client.list_workflows(query, page_size=7)]
    assert {one.id for one in listed} == set(ids)
    assert {one.status for one in listed} == {WorkflowExecutionStatus.TERMINATED}
    description = await client.get_workflow_handle(ids[0]).describe()
    assert description.workflow_type == "Idle"


async def test_a_task_is_polled_for_and_answered(wire: tuple[Client, WireServiceClient], unique: str) -> None:
    client, service = wire
    request = start_request(unique)
    tasks: asyncio.Queue[tuple[Any, RPCError | None]] = asyncio.Queue()
    polling = workflowservice.PollWorkflowTaskQueueRequest(
        namespace=NAMESPACE, task_queue=request.task_queue, identity="a test"
    )
    service.call("PollWorkflowTaskQueue", polling, lambda *one: tasks.put_nowait(one), timeout_s=70)
    await service.workflow_service.start_workflow_execution(request)
    task, error = await asyncio.wait_for(tasks.get(), 20)
    assert error is None
    assert task.workflow_execution.workflow_id == unique
    # A poll that nobody wants any more gives its task to another.
    polled: list[Any] = []
    service.call("PollWorkflowTaskQueue", polling, lambda *one: polled.append(one), timeout_s=70).cancel()
    await client.get_workflow_handle(unique).terminate()
    assert polled == []


async def test_errors_are_the_servers_own(wire: tuple[Client, WireServiceClient], unique: str) -> None:
    client, service = wire
    with pytest.raises(RPCError) as caught:
        await client.get_workflow_handle(f"{unique}-none").describe()
    assert caught.value.status is RPCStatusCode.NOT_FOUND
    assert caught.value.grpc_status.details
    request = start_request(unique)
    first = await service.workflow_service.start_workflow_execution(request)
    again = await service.workflow_service.start_workflow_execution(request)  # the same request id: the same start
    assert again.run_id == first.run_id
    request.request_id = str(uuid.uuid4())
    request.workflow_id_conflict_policy = WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_FAIL
    with pytest.raises(RPCError) as caught:
        await service.workflow_service.start_workflow_execution(request)
    assert caught.value.status is RPCStatusCode.ALREADY_EXISTS
    with pytest.raises(RPCError) as caught:
        await service.workflow_service.start_workflow_execution(workflowservice.StartWorkflowExecutionRequest())
    assert caught.value.status in (RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.NOT_FOUND)
    await client.get_workflow_handle(unique).terminate()


async def test_large_messages_go_both_ways(wire: tuple[Client, WireServiceClient], unique: str) -> None:
    client, service = wire
    size_bytes = 1_500_000  # Temporal takes payloads of up to 2 MiB
    request = start_request(unique, size_bytes=size_bytes)
    await asyncio.gather(
        service.workflow_service.start_workflow_execution(request),
        service.workflow_service.start_workflow_execution(start_request(f"{unique}-small")),
    )
    history = await client.get_workflow_handle(unique).fetch_history()
    [payload] = history.events[0].workflow_execution_started_event_attributes.input.payloads
    assert payload.data == bytes(size_bytes)
    for workflow_id in (unique, f"{unique}-small"):
        await client.get_workflow_handle(workflow_id).terminate()


async def test_a_refusal_names_its_cause(make_temporal_server: MakeTemporalServer) -> None:
    server = await make_temporal_server(dynamic_config={"frontend.namespaceRPS": 2, "frontend.namespaceBurst": 2})
    client, service = await connected(server)
    try:
        refusals = set()
        for result in await asyncio.gather(
            *(client.count_workflows("WorkflowId = 'x'") for _ in range(20)),
            *(service.workflow_service.start_workflow_execution(start_request(f"r{n}")) for n in range(20)),
            return_exceptions=True,
        ):
            if isinstance(result, RPCError):
                refusals.add(refusal_cause(result))
        assert "RESOURCE_EXHAUSTED/RPS_LIMIT/NAMESPACE" in refusals
    finally:
        await service.close()
        await server.kill()  # under its limit, it takes as long as it may to end in good order


@pytest.mark.whole
async def test_goodbyes_of_a_go_server_are_not_noticed_and_a_restart_is_survived(
    make_temporal_server: MakeTemporalServer,
) -> None:
    server = await make_temporal_server(
        dynamic_config={
            "frontend.keepAliveMaxConnectionAge": "1s",
            "frontend.keepAliveMaxConnectionAgeGrace": "30s",
        }
    )
    client, service = await connected(server)
    try:
        end_s, count = time.monotonic() + 5, 0
        while time.monotonic() < end_s:
            asked = [
                service.workflow_service.start_workflow_execution(start_request(f"{count}-{n}")) for n in range(10)
            ]
            assert len({one.run_id for one in await asyncio.gather(*asked)}) == 10
            count += 10
        assert service.failures == {}
        assert 3 <= service._channel.attempts <= 15
        assert (await client.count_workflows()).count <= count

        await server.kill()
        with pytest.raises(RPCError) as caught:
            await service.workflow_service.start_workflow_execution(start_request("lost"))
        assert caught.value.status is RPCStatusCode.UNAVAILABLE
        await server.restart()
        async with asyncio.timeout(20):
            while True:
                try:
                    await service.workflow_service.get_system_info(workflowservice.GetSystemInfoRequest())
                    break
                except RPCError:
                    await asyncio.sleep(0.05)
    finally:
        await service.close()
