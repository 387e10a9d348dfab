"""Counts and lists of a run's executions, from a real server's visibility store."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

import grpc
import pytest

from auroral.bench.executions import Execution, _parse_id, _rfc3339, count_by_status, list_executions, run_query
from auroral.bench.manifest import CHILD_WORKFLOW_TYPE, ROOT_WORKFLOW_TYPE, Manifest
from auroral.errors import TargetError
from auroral.temporal.connect import connect
from auroral.temporal.local import LocalServer
from auroral.temporal.spec import ConnectionSpec
from tests.support.workers import manifest

if TYPE_CHECKING:
    from temporalio.client import Client


def test_the_query_finds_a_run_and_nothing_else() -> None:
    of = manifest("run-1")
    assert run_query(of) == "WorkflowId STARTS_WITH 'run-1-'"
    assert run_query(of, root_only=True).endswith("AND WorkflowType = 'auroral.workload'")
    assert run_query(of, running_only=True).endswith("AND ExecutionStatus = 'Running'")


def test_ids_tell_generator_and_index() -> None:
    of = manifest("run-1")
    assert _parse_id(of.workflow_id(2, 345), of) == (2, 345)
    assert _parse_id("run-1-2-345/c3", of) == (2, 345)
    for other in ("run-1-probe-0-1", "run-1-usable-abc", "run-10-2-3", "else", "run-1-2-x", "run-1-1"):
        assert _parse_id(other, of) == (None, None)


def test_instants_keep_their_microseconds() -> None:
    assert _rfc3339(1_700_000_000_000_001) == "2023-11-14T22:13:20.000001Z"


async def _until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Visibility lags behind: ask again for a while."""
    for _ in range(200):
        if await condition():
            return
        await asyncio.sleep(0.05)
    pytest.fail("not within 10 s")


async def _all(pages: AsyncIterator[list[Execution]]) -> list[Execution]:
    return [one async for page in pages for one in page]


@pytest.fixture
async def client(temporal_server: LocalServer) -> Client:
    return await connect(ConnectionSpec(address=temporal_server.address, namespace="benchmark"))


async def _start(client: Client, of: Manifest) -> None:
    """Five roots of two generators, two of them terminated, a child and a stranger."""
    for generator, index in ((0, 0), (1, 1), (0, 2), (1, 3), (0, 4)):
        await client.start_workflow(
            ROOT_WORKFLOW_TYPE, id=of.workflow_id(generator, index), task_queue=of.task_queues[0]
        )
    await client.start_workflow(CHILD_WORKFLOW_TYPE, id=f"{of.workflow_id(0, 0)}/c0", task_queue=of.task_queues[0])
    await client.start_workflow(ROOT_WORKFLOW_TYPE, id=f"{of.run_id}x-0-0", task_queue=of.task_queues[0])
    for generator, index in ((0, 0), (1, 1)):
        await client.get_workflow_handle(of.workflow_id(generator, index)).terminate()


@pytest.mark.live
async def test_counts_and_lists_agree_with_what_was_started(client: Client, unique: str) -> None:
    of = manifest(unique)
    await _start(client, of)

    async def settled() -> bool:
        return await count_by_status(client, of, root_only=False) == {"running": 4, "terminated": 2}

    await _until(settled)
    assert await count_by_status(client, of) == {"running": 3, "terminated": 2}

    found = await _all(list_executions(client, of, page_size=2))
    assert len(found) == 6
    assert len({one.run_id for one in found}) == 6
    roots = {one.index: one for one in found if one.root}
    assert sorted(roots) == [0, 1, 2, 3, 4]
    assert roots[1].status == "terminated"
    assert roots[1].generator == 1
    assert roots[1].closed_unix_us is not None
    assert roots[1].closed_unix_us > roots[1].started_unix_us
    assert roots[1].history_length == 3
    assert roots[1].state_transitions > 0
    assert roots[2].status == "running"
    assert roots[2].closed_unix_us is None

    assert {one.index for one in await _all(list_executions(client, of, root_only=True, generator=0))} == {0, 2, 4}
    later = roots[0].closed_unix_us
    assert later is not None
    closed = await _all(list_executions(client, of, root_only=True, closed_after_unix_us=later))
    assert {one.index for one in closed} == {0, 1}
    after = await _all(list_executions(client, of, closed_after_unix_us=later + 60_000_000))
    assert after == []


@pytest.mark.live
async def test_a_chain_shows_each_of_its_runs(client: Client, unique: str) -> None:
    from datetime import timedelta

    from temporalio.common import RetryPolicy

    # A run that times out and is tried again continues its chain, without any worker.
    of = manifest(unique)
    await client.start_workflow(
        ROOT_WORKFLOW_TYPE,
        id=of.workflow_id(0, 0),
        task_queue=of.task_queues[0],
        run_timeout=timedelta(seconds=1),
        retry_policy=RetryPolicy(maximum_attempts=2, initial_interval=timedelta(milliseconds=10)),
    )

    async def ended() -> bool:
        return (await count_by_status(client, of)).get("timed_out", 0) >= 1 and "running" not in (
            await count_by_status(client, of)
        )

    await _until(ended)
    found = await _all(list_executions(client, of))
    assert {one.workflow_id for one in found} == {of.workflow_id(0, 0)}
    assert len({one.run_id for one in found}) == len(found) == sum((await count_by_status(client, of)).values())


@contextlib.asynccontextmanager
async def denying() -> AsyncIterator[Client]:
    class Denying(grpc.GenericRpcHandler):
        def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
            async def answer(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
                if handler_call_details.method.endswith("/GetSystemInfo"):
                    return b""
                return await context.abort(grpc.StatusCode.PERMISSION_DENIED, "not yours")

            return grpc.unary_unary_rpc_method_handler(answer)

    server = grpc.aio.server()
    server.add_generic_rpc_handlers([Denying()])
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    yield await connect(ConnectionSpec(address=address, namespace="benchmark"))
    await server.stop(grace=None)


async def test_a_refusal_is_told() -> None:
    async with denying() as client:
        with pytest.raises(TargetError, match="cannot count the run's executions: PERMISSION_DENIED: not yours"):
            await count_by_status(client, manifest("run"))
        with pytest.raises(TargetError, match="cannot list the run's executions: PERMISSION_DENIED: not yours"):
            await _all(list_executions(client, manifest("run")))
