"""A generator's calls over the wire with the workers beside it that eager starts need, against a real gRPC server."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families
from temporalio.api.workflowservice import v1 as api

from auroral.bench.fleet import Child
from auroral.bench.generator import _unless_broken, build
from auroral.bench.protocol import Drained, GeneratorOrder, Go
from auroral.bench.scrape import fetch
from auroral.bench.wire.generating import WireDriver
from auroral.errors import ExitCode, TargetError
from auroral.temporal.spec import ConnectionSpec
from benchmarks.frontend_process import FrontendProcess
from tests.bench.test_load import order
from tests.bench.wire.test_worker import order as worker_order

_SERVICE = "temporal.api.workflowservice.v1.WorkflowService"


class Frontend:
    """A server that takes starts, and holds polls until they are given up or the worker says goodbye."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.polls = 0
        """Under way now."""
        self.goodbye = asyncio.Event()
        self.refuse_polls = asyncio.Event()
        self.refusal = grpc.StatusCode.PERMISSION_DENIED

    def handler(self) -> grpc.GenericRpcHandler:
        answers: dict[str, Callable[[Any, grpc.aio.ServicerContext], Awaitable[Any]]] = {
            "PollWorkflowTaskQueue": self._poll,
            "PollActivityTaskQueue": self._poll,
            "ShutdownWorker": self._shutdown,
            "StartWorkflowExecution": self._start,
            "RespondWorkflowTaskCompleted": self._completed,
        }
        return grpc.method_handlers_generic_handler(
            _SERVICE, {name: self._method(name, answer) for name, answer in answers.items()}
        )

    def _method(self, name: str, answer: Callable[[Any, grpc.aio.ServicerContext], Awaitable[Any]]) -> Any:
        async def handle(request: Any, context: grpc.aio.ServicerContext) -> Any:
            self.requests[name] += 1
            return await answer(request, context)

        return grpc.unary_unary_rpc_method_handler(
            handle,
            request_deserializer=getattr(api, f"{name}Request").FromString,
            response_serializer=getattr(api, f"{name}Response").SerializeToString,
        )

    async def _poll(self, _request: Any, context: grpc.aio.ServicerContext) -> Any:
        self.polls += 1
        try:
            await self.refuse_polls.wait()
            await context.abort(self.refusal, "not you")
        finally:
            self.polls -= 1

    async def _shutdown(self, _request: Any, _context: grpc.aio.ServicerContext) -> Any:
        self.goodbye.set()
        return api.ShutdownWorkerResponse()

    async def _start(self, request: api.StartWorkflowExecutionRequest, _context: grpc.aio.ServicerContext) -> Any:
        response = api.StartWorkflowExecutionResponse(run_id=request.workflow_id)
        if request.request_eager_execution:
            task = response.eager_workflow_task
            task.task_token = request.workflow_id.encode()
            task.workflow_execution.workflow_id = task.workflow_execution.run_id = request.workflow_id
            task.started_event_id = 3
            started = task.history.events.add(event_id=1, event_type=1)
            started.workflow_execution_started_event_attributes.workflow_type.CopyFrom(request.workflow_type)
        return response

    async def _completed(self, _request: Any, _context: grpc.aio.ServicerContext) -> Any:
        return api.RespondWorkflowTaskCompletedResponse()


class Said:
    """What a generator says to its parent."""

    def __init__(self) -> None:
        self.frames: list[msgspec.Struct] = []

    def emit(self, frame: msgspec.Struct) -> None:
        self.frames.append(frame)


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[Frontend, str]]:
    frontend, server = Frontend(), grpc.aio.server()
    server.add_generic_rpc_handlers((frontend.handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield frontend, f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


def order_for(address: str, *, eager: bool = True, metrics: bool = False, duration_s: float = 0.2) -> GeneratorOrder:
    what = order(duration_s=duration_s)
    connection = ConnectionSpec(address=address, namespace="benchmark", connect_timeout_s=5.0)
    manifest = msgspec.structs.replace(what.manifest, engine="wire", task_queues=["q-0"], observe="none")
    worker = msgspec.structs.replace(worker_order(), connection=connection) if eager else None
    result: GeneratorOrder = msgspec.structs.replace(
        what, connection=connection, manifest=manifest, worker=worker, metrics=metrics
    )
    return result


async def until(met: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not met():
            await asyncio.sleep(0.005)


async def opened(order: GeneratorOrder) -> WireDriver:
    return await WireDriver.open(order, patience_s=5.0)


async def test_the_worker_beside_the_generator_polls_until_the_end_and_says_goodbye() -> None:
    async with serving() as (frontend, address):
        driver = await opened(order_for(address))
        await until(lambda: frontend.polls == 8)
        await driver.stop()
        assert frontend.goodbye.is_set()
        await until(lambda: frontend.polls == 0)
        assert frontend.requests["ShutdownWorker"] == 1
        assert not driver.broken.done()


async def test_without_eager_starts_there_is_no_worker() -> None:
    async with serving() as (frontend, address):
        driver = await opened(order_for(address, eager=False))
        await driver.stop()
        assert frontend.requests == {}
    assert driver.metrics_port is None


async def test_the_worker_s_numbers_and_every_call_once_are_served_while_it_lives() -> None:
    async with serving() as (frontend, address):
        order = order_for(address, metrics=True)
        driver, said = await opened(order), Said()
        url = f"http://127.0.0.1:{driver.metrics_port}/metrics"
        generator, stop = build(order, Go(epoch_unix_us=now_us(), clock_offset_us=0), driver, said.emit)
        await generator.run()
        await until(lambda: frontend.requests["RespondWorkflowTaskCompleted"] == 20)
        await stop()
        await until(lambda: not any(worker.busy for worker in driver._workers.values()))
        shown = await asyncio.to_thread(fetch, url, 5.0)
        assert b'worker_type="WorkflowWorker"' in shown
        families = {family.name: family for family in text_string_to_metric_families(shown.decode())}
        counted = {one.labels["operation"]: one.value for one in families["temporal_request"].samples}
        assert counted == {"StartWorkflowExecution": 20, "RespondWorkflowTaskCompleted": 20}
        await driver.stop()
        with pytest.raises(OSError, match="refused"):
            await asyncio.to_thread(fetch, url, 5.0)


async def test_starts_bring_their_first_task_along_and_no_poll_is_needed() -> None:
    async with serving() as (frontend, address):
        order = order_for(address)
        driver, said = await opened(order), Said()
        generator, stop = build(order, Go(epoch_unix_us=now_us(), clock_offset_us=0), driver, said.emit)
        await generator.run()
        await stop()
        await driver.stop()
    drained = said.frames[-1]
    assert isinstance(drained, Drained)
    assert drained.eager == frontend.requests["StartWorkflowExecution"] == 20
    assert frontend.requests["RespondWorkflowTaskCompleted"] == 20


async def test_polls_refused_before_the_schedule_begins_end_the_generator() -> None:
    async with serving() as (frontend, address):
        driver = await opened(order_for(address))
        waiting = asyncio.ensure_future(_unless_broken(driver, forever()))
        await until(lambda: frontend.polls == 8)
        frontend.refuse_polls.set()
        with pytest.raises(TargetError, match="refuses polls: PERMISSION_DENIED: not you"):
            await asyncio.wait_for(waiting, 10)
        await driver.stop()


async def test_the_process_says_so_without_waiting_for_its_schedule(tmp_path: Path) -> None:
    """This frontend knows no polls."""
    with FrontendProcess() as frontend:
        what = order_for(frontend.address)
        child = await Child.spawn("auroral.bench.generator", "generator-0", tmp_path / "log", what)
        async with asyncio.timeout(20):
            await child.ended.wait()
        await child.stop(1)
    assert "the server refuses polls: UNIMPLEMENTED" in child.error().message
    assert child.error().exit_code is ExitCode.UNREACHABLE


async def test_polls_refused_during_the_schedule_end_the_run() -> None:
    async with serving() as (frontend, address):
        order = order_for(address, duration_s=3_600.0)
        driver = await opened(order)
        generator, stop = build(order, Go(epoch_unix_us=now_us(), clock_offset_us=0), driver, Said().emit)
        driving = asyncio.ensure_future(generator.run())
        await until(lambda: frontend.requests["StartWorkflowExecution"] > 0)
        frontend.refuse_polls.set()
        with pytest.raises(TargetError, match="refuses polls"):
            await asyncio.wait_for(driving, 10)
        await stop()
        await driver.stop()


async def test_what_ends_before_the_driver_breaks_is_returned() -> None:
    async with serving() as (_, address):
        driver = await opened(order_for(address, eager=False))

        async def word() -> str:
            return "go"

        assert await _unless_broken(driver, word()) == "go"
        await driver.stop()


async def forever() -> None:
    await asyncio.Event().wait()


def now_us() -> int:
    return time.time_ns() // 1_000
