"""A worker process of the wire engine, driven over stdin and stdout as any other (see `bench/protocol.py`)."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import auroral
from auroral.bench.child import quiet_collector
from auroral.bench.pipes import Pipes
from auroral.bench.protocol import Hello, Ready, WorkerOrder
from auroral.bench.wire import readings
from auroral.bench.wire.endpoint import Endpoint
from auroral.bench.worker import identity_of, namespace_known, options_for, until_end_of_input
from auroral.errors import TargetError

if TYPE_CHECKING:
    from temporalio.service import RPCError

    from auroral.bench.wire.calls import Calls
    from auroral.bench.wire.queue_worker import QueueWorker
    from auroral.temporal.wire.service import WireServiceClient

_SHUTDOWN_S = 1.5
"""A server that does not answer holds the end up no longer."""
_GRACE_S = 0.5
"""What activities that wait get to end by themselves; the run is over."""


async def run_worker(order: WorkerOrder, pipes: Pipes) -> None:
    """Connect with patience, poll; return when the parent is gone.

    Raises `TargetError` when no connection came about in time, or the server refuses the polls for good.
    """
    workers: list[QueueWorker] = []
    endpoint = Endpoint(lambda: readings.text([worker.readings for worker in workers]))
    port = await endpoint.start() if order.metrics else None
    pipes.emit(Hello(pid=os.getpid(), metrics_port=port))
    identity = str(identity_of(order, pid=os.getpid(), host=socket.gethostname()))
    connecting = asyncio.create_task(_connect(order, identity))
    ended = asyncio.create_task(until_end_of_input(pipes))
    await asyncio.wait({connecting, ended}, return_when=asyncio.FIRST_COMPLETED)
    if not connecting.done():
        return
    refused: asyncio.Future[TargetError] = asyncio.get_running_loop().create_future()
    service = connecting.result()
    workers += make_workers(service, order, identity, refused)
    for worker in workers:
        worker.start()
    quiet_collector()
    pipes.emit(Ready())
    until: set[asyncio.Future[Any]] = {ended, refused}
    await asyncio.wait(until, return_when=asyncio.FIRST_COMPLETED)
    if refused.done():
        raise refused.result()
    await shut_down(workers)
    await service.close()
    await endpoint.stop()


def make_workers(
    calls: Calls, order: WorkerOrder, identity: str, refused: asyncio.Future[TargetError]
) -> list[QueueWorker]:
    """One worker per task queue, not yet polling; `refused` gets the error when one's polls are refused for good."""
    from auroral.bench.wire.queue_worker import QueueSettings, QueueWorker

    settings = order.settings
    loop = asyncio.get_running_loop()

    def on_fatal(error: RPCError) -> None:
        if not refused.done():
            refused.set_result(TargetError(f"the server refuses polls: {error.status.name}: {error.message}"))

    return [
        QueueWorker(
            calls,
            loop,
            QueueSettings(
                namespace=order.connection.namespace,
                task_queue=task_queue,
                identity=identity,
                build_id=f"auroral-{auroral.__version__}",
                workflow_tasks=options.workflow_tasks,
                activities=options.activities,
                local_activities=options.local_activities,
                workflow_pollers=options.workflow_pollers,
                activity_pollers=options.activity_pollers,
                nonsticky_ratio=settings.nonsticky_to_sticky_poll_ratio,
                cached_workflows=options.cached_workflows,
                eager_activities=max(1, settings.max_eager_activities_per_workflow_task)
                if settings.eager_activities
                else 0,
                sticky_timeout_s=settings.sticky_schedule_to_start_timeout_s,
            ),
            random=Random(),
            on_fatal=on_fatal,
        )
        for task_queue, options in zip(order.task_queues, options_for(order), strict=True)
    ]


async def shut_down(workers: Sequence[QueueWorker], *, grace_s: float = _GRACE_S) -> None:
    """Tell the server, stop the polls, and give what is held a moment to end."""
    known: list[asyncio.Future[None]] = []
    for worker in workers:
        known.append(asyncio.get_running_loop().create_future())
        worker.stop_polling(partial(_resolve, known[-1]))
    if known:
        await asyncio.wait(known, timeout=_SHUTDOWN_S)
    idle: list[asyncio.Future[None]] = []
    for worker in workers:
        worker.cancel_polls()
        if worker.busy:
            idle.append(asyncio.get_running_loop().create_future())
            worker.answers.on_idle = partial(_resolve_if, worker, idle[-1])
    if idle:
        await asyncio.wait(idle, timeout=grace_s)
    for worker in workers:
        worker.stop()


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _resolve_if(worker: QueueWorker, future: asyncio.Future[None]) -> None:
    if not worker.busy:
        _resolve(future)


async def _connect(order: WorkerOrder, identity: str) -> WireServiceClient:
    from auroral.temporal.wire.connect import connect_wire

    target = order.connection
    give_up_s = asyncio.get_running_loop().time() + target.connect_timeout_s
    client, service = await connect_wire(target, identity=identity, patience_s=target.connect_timeout_s)
    await namespace_known(client, target, give_up_s=give_up_s)
    return service
