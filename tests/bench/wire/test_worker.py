from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Iterator

import msgspec
import pytest
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.service import RPCStatusCode

from auroral.bench.protocol import ChildFailed, Hello, WorkerOrder, encode
from auroral.bench.wire.worker import make_workers, shut_down
from auroral.bench.worker import namespace_known
from auroral.bench.workload import builtin
from auroral.errors import TargetError
from auroral.temporal.spec import ConnectionSpec
from auroral.temporal.wire.connect import connect_wire
from benchmarks.frontend_process import FrontendProcess
from tests.bench.test_worker import Worker
from tests.bench.test_worker import order as sdk_order
from tests.bench.wire.doubles import Calls
from tests.bench.wire.test_workflow_tasks import begun, task


def order(**options: object) -> WorkerOrder:
    return msgspec.structs.replace(sdk_order(**options), engine="wire")  # type: ignore[arg-type]


@pytest.fixture
def process() -> Iterator[Worker]:
    one = Worker()
    yield one
    if one.process.poll() is None:
        one.process.kill()
        one.process.wait()


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Bound, so that nobody else gets it, and refusing connections."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_a_target_that_refuses_is_told_with_status_3_and_no_traceback(process: Worker, closed_port: int) -> None:
    process.tell(encode(order(port=closed_port)))
    status, frames, stderr = process.ended()
    assert status == 3
    assert isinstance(frames[0], Hello)
    (failed,) = frames[1:]
    assert isinstance(failed, ChildFailed)
    assert f"127.0.0.1:{closed_port}" in failed.error
    assert failed.hint
    assert stderr == ""


def test_metrics_are_served_from_the_first_word_on_and_the_end_of_input_ends_it(
    process: Worker, closed_port: int
) -> None:
    process.tell(encode(order(port=closed_port, timeout_s=600, metrics=True)))
    hello = process.hear()
    assert isinstance(hello, Hello)
    assert hello.metrics_port is not None
    with socket.create_connection(("127.0.0.1", hello.metrics_port), timeout=5) as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
    process.end_of_input()
    began_s = time.monotonic()
    assert process.ended() == (0, [], "")
    assert time.monotonic() - began_s < 5


async def test_a_namespace_that_does_not_come_is_told_with_what_to_do() -> None:
    with FrontendProcess() as frontend:
        target = ConnectionSpec(address=frontend.address, namespace="other")
        client, service = await connect_wire(target)
        now_s = asyncio.get_running_loop().time()
        with pytest.raises(TargetError, match=f"namespace other at {frontend.address}: NOT_FOUND") as caught:
            await namespace_known(client, target, give_up_s=now_s)
        assert "--namespace" in caught.value.hint
        waiting = asyncio.ensure_future(namespace_known(client, target, give_up_s=now_s + 60))
        await client.workflow_service.register_namespace(RegisterNamespaceRequest(namespace="other"))
        async with asyncio.timeout(10):
            await waiting
        await service.close()


async def test_several_queues_share_what_the_process_has() -> None:
    calls = Calls()
    refused: asyncio.Future[TargetError] = asyncio.get_running_loop().create_future()
    workers = make_workers(calls, order(queues=3), "me", refused)
    assert [worker.readings.task_queue for worker in workers] == ["q-0", "q-1", "q-2"]
    for kind, size in (("WorkflowWorker", 200), ("ActivityWorker", 1_000), ("LocalActivityWorker", 200)):
        assert sum(worker.readings.slots[kind].size for worker in workers) == size
    for worker in workers:
        worker.start()
    assert {sent.request.task_queue.name for sent in calls.under_way} == {"q-0", "q-1", "q-2"}
    assert len({sent.request.worker_instance_key for sent in calls.under_way}) == 3


async def test_polls_refused_for_good_end_the_worker_with_the_server_s_words() -> None:
    calls = Calls()
    refused: asyncio.Future[TargetError] = asyncio.get_running_loop().create_future()
    (worker,) = make_workers(calls, order(), "me", refused)
    worker.start()
    for sent in list(calls.under_way):
        sent.fail(RPCStatusCode.UNAUTHENTICATED, "no such key")
    assert refused.result().message == "the server refuses polls: UNAUTHENTICATED: no such key"


async def test_the_end_waits_for_what_is_held() -> None:
    calls = Calls()
    refused: asyncio.Future[TargetError] = asyncio.get_running_loop().create_future()
    (worker,) = make_workers(calls, order(), "me", refused)
    worker.start()
    worker.take_workflow_task(task(begun(builtin("simple"))))
    ending = asyncio.create_task(shut_down([worker], grace_s=30))
    async with asyncio.timeout(10):
        while not calls.of("ShutdownWorker"):
            await asyncio.sleep(0)
        calls.of("ShutdownWorker")[0].answer(None)
        while worker.polls:
            await asyncio.sleep(0)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(ending), 0)
        assert not ending.done()
        from temporalio.api.workflowservice.v1 import RespondWorkflowTaskCompletedResponse

        calls.of("RespondWorkflowTaskCompleted")[0].answer(RespondWorkflowTaskCompletedResponse())
        await ending
    assert not worker.busy


async def test_the_end_waits_no_longer_than_its_grace() -> None:
    calls = Calls()
    refused: asyncio.Future[TargetError] = asyncio.get_running_loop().create_future()
    (worker,) = make_workers(calls, order(), "me", refused)
    worker.start()
    worker.take_workflow_task(task(begun(builtin("simple"))))
    ending = asyncio.create_task(shut_down([worker], grace_s=0.01))
    async with asyncio.timeout(10):
        while not calls.of("ShutdownWorker"):
            await asyncio.sleep(0)
        calls.of("ShutdownWorker")[0].answer(None)
        await ending
    assert worker.busy


async def test_nothing_to_end() -> None:
    await shut_down([])
