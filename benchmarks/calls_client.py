"""One client process of the benchmark `calls`: `python -m benchmarks.calls_client KIND ADDRESS RATE COUNT`.

Makes COUNT calls of StartWorkflowExecution, RATE a second or, with 0, as fast as 20 at a time go, and prints what they
cost of this process, all threads, as JSON. Start-up, connecting and the first calls are left out.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import resource
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from temporalio.api.common.v1 import WorkflowType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import StartWorkflowExecutionRequest, StartWorkflowExecutionResponse

NAMESPACE = "benchmark"
IN_FLIGHT = 20
_WARM_UP = 100
_TIMEOUT_S = 30.0
_METHOD = "/temporal.api.workflowservice.v1.WorkflowService/StartWorkflowExecution"
_numbers = itertools.count()

Begin = Callable[[Callable[[], None]], None]
"""Begins a call; what is given is called at its end."""
Pending = set[asyncio.Task[None]]


def _request() -> StartWorkflowExecutionRequest:
    name = f"calls-{os.getpid()}-{next(_numbers)}"
    return StartWorkflowExecutionRequest(
        namespace=NAMESPACE,
        workflow_id=name,
        request_id=name,
        workflow_type=WorkflowType(name="simple"),
        task_queue=TaskQueue(name="calls"),
        identity="benchmarks.calls",
    )


def _in_tasks(call: Callable[[], Awaitable[Any]]) -> Begin:
    pending: Pending = set()

    async def one(on_end: Callable[[], None]) -> None:
        await call()
        on_end()

    def begin(on_end: Callable[[], None]) -> None:
        task = asyncio.create_task(one(on_end))
        pending.add(task)
        task.add_done_callback(pending.discard)

    return begin


@contextlib.asynccontextmanager
async def _sdk(address: str) -> AsyncIterator[Begin]:
    from temporalio.client import Client

    service = (await Client.connect(address, namespace=NAMESPACE)).workflow_service
    yield _in_tasks(lambda: service.start_workflow_execution(_request(), retry=False))


@contextlib.asynccontextmanager
async def _grpc(address: str) -> AsyncIterator[Begin]:
    import grpc

    async with grpc.aio.insecure_channel(address) as channel:
        start = channel.unary_unary(
            _METHOD,
            request_serializer=StartWorkflowExecutionRequest.SerializeToString,
            response_deserializer=StartWorkflowExecutionResponse.FromString,
        )
        yield _in_tasks(lambda: start(_request(), timeout=_TIMEOUT_S))


@contextlib.asynccontextmanager
async def _wire(address: str) -> AsyncIterator[Begin]:
    from auroral.temporal.spec import ConnectionSpec
    from auroral.temporal.wire.service import WireServiceClient

    client = WireServiceClient(ConnectionSpec(address=address, namespace=NAMESPACE))
    await client.connect()

    def begin(on_end: Callable[[], None]) -> None:
        def ended(reply: Any, error: Exception | None) -> None:
            if error is not None:
                raise error  # no end: the run times out, and the loop has printed why
            on_end()

        client.call("StartWorkflowExecution", _request(), ended, timeout_s=_TIMEOUT_S)

    try:
        yield begin
    finally:
        await client.close()


KINDS = {"sdk": _sdk, "grpc.aio": _grpc, "wire": _wire}


async def _paced(begin: Begin, rate_per_s: float, count: int) -> None:
    done, left = asyncio.Event(), count

    def on_end() -> None:
        nonlocal left
        left -= 1
        if not left:
            done.set()

    began_s = time.perf_counter()
    for number in range(count):
        wait_s = began_s + number / rate_per_s - time.perf_counter()
        await asyncio.sleep(max(0.0, wait_s))
        begin(on_end)
    await done.wait()


async def _flat_out(begin: Begin, count: int) -> None:
    done, begun, left = asyncio.Event(), 0, count

    def more() -> None:
        nonlocal begun
        if begun < count:
            begun += 1
            begin(on_end)

    def on_end() -> None:
        nonlocal left
        left -= 1
        if left:
            more()
        else:
            done.set()

    for _ in range(IN_FLIGHT):
        more()
    await done.wait()


async def measure(kind: str, address: str, rate_per_s: float, count: int) -> dict[str, float]:
    """What a call costs: `cpu_us`, `switches` (voluntary context switches), `calls_per_s`."""
    async with asyncio.timeout(300), KINDS[kind](address) as begin:
        await _flat_out(begin, _WARM_UP)
        before, began_s = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        if rate_per_s:
            await _paced(begin, rate_per_s, count)
        else:
            await _flat_out(begin, count)
        after, took_s = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter() - began_s
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "cpu_us": cpu_s / count * 1e6,
        "switches": (after.ru_nvcsw - before.ru_nvcsw) / count,
        "calls_per_s": count / took_s,
    }


def main() -> None:
    """Run once."""
    kind, address, rate_per_s, count = sys.argv[1:5]
    print(json.dumps(asyncio.run(measure(kind, address, float(rate_per_s), int(count)))), flush=True)
    # The SDK's threads call into Python while it ends, and one such end in two is a crash.
    os._exit(0)


if __name__ == "__main__":
    main()
