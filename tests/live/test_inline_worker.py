"""The SDK's worker with workflows on the event loop's own thread, against a real server."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import timedelta

import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from auroral.bench.inline_executor import BLOCKED_S, InlineExecutor
from auroral.temporal.connect import connect
from auroral.temporal.local import LocalServer
from auroral.temporal.spec import ConnectionSpec

pytestmark = pytest.mark.live


@workflow.defn(sandboxed=False)
class Blocks:
    @workflow.run
    async def run(self, blocked_s: float) -> str:
        time.sleep(blocked_s)  # noqa: ASYNC251
        return "done"


@workflow.defn(sandboxed=False)
class Waits:
    def __init__(self) -> None:
        self._told: list[str] = []

    @workflow.run
    async def run(self, wanted: int) -> list[str]:
        await workflow.wait_condition(lambda: len(self._told) >= wanted)
        await asyncio.sleep(0.01)
        return self._told

    @workflow.signal
    def tell(self, word: str) -> None:
        self._told.append(word)


@workflow.defn(sandboxed=False)
class Fails:
    @workflow.run
    async def run(self) -> None:
        raise ApplicationError("as asked", non_retryable=True)


async def client_of(server: LocalServer) -> Client:
    return await connect(ConnectionSpec(address=server.address, namespace=server.namespace))


def worker(client: Client, queue: str, *, cached: int = 100) -> Worker:
    return Worker(
        client,
        task_queue=queue,
        workflows=[Blocks, Waits, Fails],
        workflow_runner=UnsandboxedWorkflowRunner(),
        workflow_task_executor=InlineExecutor(),
        max_cached_workflows=cached,
    )


async def test_a_workflow_that_blocks_completes_and_is_told_of(
    temporal_server: LocalServer, unique: str, caplog: pytest.LogCaptureFixture
) -> None:
    """As no thread stands between, the worker waits with it: the SDK's own limit would have failed the task."""
    client = await client_of(temporal_server)
    with caplog.at_level(logging.WARNING, logger="auroral.bench.inline_executor"):
        async with worker(client, unique):
            result = await client.execute_workflow(Blocks.run, BLOCKED_S + 0.2, id=unique, task_queue=unique)
    assert result == "done"
    assert any("a workflow blocked its worker for 2." in record.getMessage() for record in caplog.records)
    history = await client.get_workflow_handle(unique).fetch_history()
    assert not any(event.HasField("workflow_task_failed_event_attributes") for event in history.events)


async def test_workflows_that_wait_are_evicted_and_replayed(temporal_server: LocalServer, unique: str) -> None:
    """With room for two, each of six is torn down while it waits and built anew from its history."""
    client = await client_of(temporal_server)
    async with worker(client, unique, cached=2):
        handles = [
            await client.start_workflow(Waits.run, 2, id=f"{unique}-{number}", task_queue=unique) for number in range(6)
        ]
        for word in ("one", "two"):
            for handle in handles:
                await handle.signal(Waits.tell, word)
                await asyncio.sleep(0.05)
        assert await asyncio.gather(*(handle.result() for handle in handles)) == [["one", "two"]] * 6


async def test_failures_and_cancellations_reach_the_server(temporal_server: LocalServer, unique: str) -> None:
    client = await client_of(temporal_server)
    async with worker(client, unique):
        with pytest.raises(WorkflowFailureError) as failed:
            await client.execute_workflow(Fails.run, id=f"{unique}-f", task_queue=unique)
        assert isinstance(failed.value.cause, ApplicationError)
        waiting = await client.start_workflow(
            Waits.run, 1, id=f"{unique}-c", task_queue=unique, run_timeout=timedelta(seconds=60)
        )
        await waiting.cancel()
        with pytest.raises(WorkflowFailureError):
            await waiting.result()
        assert (await waiting.describe()).status == WorkflowExecutionStatus.CANCELED
