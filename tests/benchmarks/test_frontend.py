"""The small frontend answers a real SDK client as Temporal does, for all that a generator uses."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from temporalio.api.batch.v1 import BatchOperationTermination
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import BatchOperationState, EventType, HistoryEventFilterType, TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice import v1 as api
from temporalio.client import Client, RPCError, WorkflowFailureError
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import TerminatedError, WorkflowAlreadyStartedError
from temporalio.service import RPCStatusCode

from auroral.bench.manifest import PROBE_WORKFLOW_TYPE, ROOT_WORKFLOW_TYPE, WorkerIdentity
from auroral.temporal.rpc import may_have_arrived, refusal_cause
from benchmarks.frontend_process import FrontendProcess, matching_identity


@asynccontextmanager
async def frontend(*arguments: str) -> AsyncIterator[tuple[Client, FrontendProcess]]:
    """A frontend and a client of it."""
    with FrontendProcess(*arguments) as process:
        yield await Client.connect(process.address, namespace="benchmark"), process


async def start(client: Client, workflow_id: str, request_id: str = "") -> api.StartWorkflowExecutionResponse:
    request = api.StartWorkflowExecutionRequest(
        namespace="benchmark", workflow_id=workflow_id, request_id=request_id or workflow_id
    )
    request.workflow_type.name = ROOT_WORKFLOW_TYPE
    request.task_queue.name = "queue"
    return await client.workflow_service.start_workflow_execution(request)


async def count(client: Client, query: str) -> dict[str, int]:
    answer = await client.count_workflows(f"{query} GROUP BY ExecutionStatus")
    return {str(group.group_values[0]): group.count for group in answer.groups}


async def test_a_client_connects_finds_it_healthy_and_describes_the_cluster() -> None:
    identity = matching_identity()
    async with frontend("--worker-identity", identity) as (client, _):
        assert await client.service_client.check_health()
        cluster = await client.workflow_service.get_cluster_info(api.GetClusterInfoRequest())
        assert cluster.history_shard_count == 1
        queue = await client.workflow_service.describe_task_queue(
            api.DescribeTaskQueueRequest(
                namespace="benchmark",
                task_queue=TaskQueue(name="queue"),
                task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
                report_stats=True,
                report_pollers=True,
            )
        )
        assert [poller.identity for poller in queue.pollers] == [identity]
        assert WorkerIdentity.parse(identity) is not None


async def test_a_namespace_must_be_registered_once() -> None:
    async with frontend("--namespaces") as (client, _):
        service = client.workflow_service
        with pytest.raises(RPCError) as missing:
            await start(client, "a")
        assert missing.value.status is RPCStatusCode.NOT_FOUND
        register = api.RegisterNamespaceRequest(namespace="benchmark")
        await service.register_namespace(register)
        described = await service.describe_namespace(api.DescribeNamespaceRequest(namespace="benchmark"))
        assert described.config.workflow_execution_retention_ttl.ToTimedelta() == timedelta(days=1)
        with pytest.raises(RPCError) as again:
            await service.register_namespace(register)
        assert again.value.status is RPCStatusCode.ALREADY_EXISTS
        assert (await start(client, "a")).started


async def test_one_request_id_is_one_start_and_a_second_is_refused() -> None:
    async with frontend("--service-time", "1h") as (client, process):
        first = await start(client, "a", "request")
        again = await start(client, "a", "request")
        assert first.started
        assert first.run_id == again.run_id
        with pytest.raises(RPCError) as taken:
            await start(client, "a", "another")
        assert taken.value.status is RPCStatusCode.ALREADY_EXISTS
        assert process.close() | {"StartWorkflowExecution": 3, "accepted": 1} == process.counts


async def test_a_closed_id_is_used_again_only_where_the_policy_allows() -> None:
    async with frontend() as (client, _):
        for _ in range(2):
            handle = await client.start_workflow(ROOT_WORKFLOW_TYPE, id="a", task_queue="queue")
            assert await handle.result() is None
        with pytest.raises(WorkflowAlreadyStartedError):
            await client.start_workflow(
                ROOT_WORKFLOW_TYPE,
                id="a",
                task_queue="queue",
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            )


async def test_a_wait_ends_with_the_close_event_after_the_service_time() -> None:
    async with frontend("--service-time", "300ms") as (client, _):
        begun_s = time.monotonic()
        handle = await client.start_workflow(ROOT_WORKFLOW_TYPE, id="a", task_queue="queue")
        await handle.result()
        assert 0.3 <= time.monotonic() - begun_s < 2
        history = await client.workflow_service.get_workflow_execution_history(
            api.GetWorkflowExecutionHistoryRequest(
                namespace="benchmark",
                execution=WorkflowExecution(workflow_id="a"),
                wait_new_event=True,
                history_event_filter_type=HistoryEventFilterType.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT,
            )
        )
        (event,) = history.history.events
        assert event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED
        row = await handle.describe()
        assert row.close_time is not None
        served = row.close_time - row.start_time
        assert abs(served - timedelta(milliseconds=300)) <= timedelta(microseconds=1)  # each time is rounded
        assert event.event_time.ToMicroseconds() == round(row.close_time.timestamp() * 1e6)


async def test_servers_bound_the_rate_and_waiting_executions_are_the_backlog() -> None:
    async with frontend("--service-time", "100ms", "--servers", "2") as (client, _):
        handles = [await client.start_workflow(ROOT_WORKFLOW_TYPE, id=f"r-{i}", task_queue="q") for i in range(10)]
        describe = api.DescribeTaskQueueRequest(namespace="benchmark", task_queue=TaskQueue(name="q"))
        before = (await client.workflow_service.describe_task_queue(describe)).stats
        assert before.approximate_backlog_count > 0
        assert before.approximate_backlog_age.ToTimedelta() > timedelta(0)
        await asyncio.gather(*(handle.result() for handle in handles))
        rows = [await handle.describe() for handle in handles]
        closes_s = sorted(row.close_time.timestamp() for row in rows if row.close_time is not None)
        # Two each 100 ms, exactly: the servers are busy all the time.
        assert closes_s[-1] - closes_s[1] == pytest.approx(0.4, abs=1e-4)
        after = (await client.workflow_service.describe_task_queue(describe)).stats
        assert (after.approximate_backlog_count, after.tasks_add_rate) == (0, 0)
        assert after.tasks_dispatch_rate > 5


async def test_waits_on_a_terminated_execution_end() -> None:
    async with frontend("--service-time", "1h") as (client, _):
        handle = await client.start_workflow(ROOT_WORKFLOW_TYPE, id="a", task_queue="q")
        waiting = asyncio.create_task(handle.result())
        await handle.terminate()
        with pytest.raises(WorkflowFailureError) as failure:
            await waiting
        assert isinstance(failure.value.cause, TerminatedError)
        with pytest.raises(RPCError) as late:
            await handle.terminate()
        assert late.value.status is RPCStatusCode.NOT_FOUND


async def test_counts_and_lists_by_prefix() -> None:
    async with frontend("--service-time", "1h") as (client, _):
        for index in range(12):
            await start(client, f"run1-0-{index}")
        await start(client, "run10-0-0")
        await client.get_workflow_handle("run1-0-3").terminate()
        assert await count(client, "WorkflowId STARTS_WITH 'run1-'") == {"Running": 11, "Terminated": 1}
        query = f"WorkflowId STARTS_WITH 'run1-' AND WorkflowType='{ROOT_WORKFLOW_TYPE}' AND ExecutionStatus='Running'"
        listed = [row.id async for row in client.list_workflows(query, page_size=5)]
        assert sorted(listed) == sorted(f"run1-0-{index}" for index in range(12) if index != 3)
        with pytest.raises(RPCError) as unknown:
            await client.count_workflows("Colour = 'red'")
        assert unknown.value.status is RPCStatusCode.INVALID_ARGUMENT


async def test_a_batch_terminates_what_is_open() -> None:
    async with frontend("--service-time", "1h") as (client, _):
        for index in range(3):
            await start(client, f"run1-0-{index}")
        await start(client, "run2-0-0")
        await client.workflow_service.start_batch_operation(
            api.StartBatchOperationRequest(
                namespace="benchmark",
                job_id="job",
                visibility_query="WorkflowId STARTS_WITH 'run1-' AND ExecutionStatus='Running'",
                termination_operation=BatchOperationTermination(),
            )
        )
        described = await client.workflow_service.describe_batch_operation(
            api.DescribeBatchOperationRequest(namespace="benchmark", job_id="job")
        )
        assert described.state == BatchOperationState.BATCH_OPERATION_STATE_COMPLETED
        assert described.complete_operation_count == 3
        assert await count(client, "WorkflowId STARTS_WITH 'run'") == {"Running": 1, "Terminated": 3}


async def test_forgotten_executions_still_count() -> None:
    async with frontend("--retain", "5") as (client, _):
        for index in range(20):
            await start(client, f"run1-0-{index}")
        assert await count(client, "WorkflowId STARTS_WITH 'run1-'") == {"Completed": 20}
        assert len([row async for row in client.list_workflows("WorkflowId STARTS_WITH 'run1-'")]) == 5


async def test_a_refusal_says_cause_and_scope() -> None:
    async with frontend("--refuse", "100%") as (client, process):
        with pytest.raises(RPCError) as refused:
            await start(client, "a")
        assert refusal_cause(refused.value) == "RESOURCE_EXHAUSTED/RPS_LIMIT/NAMESPACE"
        assert not may_have_arrived(refused.value)
        assert process.close()["refused"] == process.counts["StartWorkflowExecution"]


async def test_a_lost_acknowledgement_is_of_a_start_that_was_accepted() -> None:
    async with frontend("--lose-acknowledgements", "100%") as (client, process):
        with pytest.raises(RPCError) as lost:
            await start(client, "run1-0-0")
        assert lost.value.status is RPCStatusCode.UNAVAILABLE
        assert may_have_arrived(lost.value)
        assert await count(client, "WorkflowId STARTS_WITH 'run1-'") == {"Completed": 1}
        assert process.close()["accepted"] == 1


async def test_nothing_is_answered_during_a_pause_after_the_first_start_that_is_no_probe() -> None:
    async with frontend("--pause", "0s:400ms") as (client, _):
        begun_s = time.monotonic()
        await client.start_workflow(PROBE_WORKFLOW_TYPE, id="probe", task_queue="q")
        assert time.monotonic() - begun_s < 0.4
        begun_s = time.monotonic()
        await start(client, "a")
        assert time.monotonic() - begun_s >= 0.4
        begun_s = time.monotonic()
        await start(client, "b")
        assert time.monotonic() - begun_s < 0.4


def test_it_ends_with_its_stdin() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.frontend"], input="", capture_output=True, text=True, timeout=20, check=True
    )
    port, counts = ended.stdout.splitlines()
    assert int(port) > 0
    assert counts == "{}"
