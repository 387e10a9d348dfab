"""A worker process: `python -m auroral.bench.worker`, driven over stdin and stdout (see `protocol.py`)."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

import auroral
from auroral.bench.child import quiet_collector, run_child
from auroral.bench.manifest import LANGUAGE_VERSION, WorkerIdentity
from auroral.bench.pipes import Pipes
from auroral.bench.protocol import Hello, Ready, WorkerOrder, decode_to_worker
from auroral.errors import TargetError, UsageError

if TYPE_CHECKING:
    from temporalio.client import Client
    from temporalio.runtime import Runtime
    from temporalio.worker import Worker

    from auroral.temporal.spec import ConnectionSpec

_GRACE_S = 0.5
"""What activities that wait get to end by themselves; the server gives them to nobody else, the run is over."""
_SHUTDOWN_S = 3.0
"""After this long the process ends whatever the SDK still waits for."""
_NAMESPACE_WAIT_S = 0.5
_STARTING_WAIT_S = 0.01
_FEWEST = 2
"""The SDK refuses to cache workflows with less than two workflow task slots or pollers."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What one SDK worker, which serves one task queue, gets."""

    workflow_tasks: int
    activities: int
    local_activities: int
    workflow_pollers: int
    activity_pollers: int
    cached_workflows: int


def options_for(order: WorkerOrder) -> list[Options]:
    """Share the process's slots, pollers and cache out among its task queues.

    The settings are per process: with several queues each of them gets its part, so that the sum is the setting
    (unless that leaves a queue less than the SDK needs).
    """
    settings, queues = order.settings, len(order.task_queues)
    return [
        Options(
            workflow_tasks=_part(settings.max_concurrent_workflow_tasks, queues, number, least=_FEWEST),
            activities=_part(order.max_concurrent_activities, queues, number),
            local_activities=_part(settings.max_concurrent_local_activities, queues, number),
            workflow_pollers=_part(settings.workflow_task_pollers, queues, number, least=_FEWEST),
            activity_pollers=_part(settings.activity_task_pollers, queues, number),
            cached_workflows=_part(
                settings.max_cached_workflows, queues, number, least=min(1, settings.max_cached_workflows)
            ),
        )
        for number in range(queues)
    ]


def _part(total: int, parts: int, number: int, *, least: int = 1) -> int:
    return max(least, total // parts + (1 if number < total % parts else 0))


def identity_of(order: WorkerOrder, *, pid: int, host: str) -> WorkerIdentity:
    """What the process says of itself to the server."""
    settings = order.settings
    return WorkerIdentity(
        auroral_version=auroral.__version__,
        language_version=LANGUAGE_VERSION,
        engine=order.engine,
        manifest_digest=order.manifest_digest,
        slots=(
            settings.max_concurrent_workflow_tasks,
            order.max_concurrent_activities,
            settings.max_concurrent_local_activities,
        ),
        pollers=(settings.workflow_task_pollers, settings.activity_task_pollers),
        nonsticky_ratio=float(settings.nonsticky_to_sticky_poll_ratio),
        eager_activities=settings.max_eager_activities_per_workflow_task if settings.eager_activities else 0,
        where=f"{pid}@{host}",
    )


def make_workers(client: Client, order: WorkerOrder, identity: str) -> list[Worker]:
    """One SDK worker per task queue, not yet running."""
    from temporalio.worker import UnsandboxedWorkflowRunner, Worker

    from auroral.bench.inline_executor import InlineExecutor
    from auroral.bench.workflows import ACTIVITIES, WORKFLOWS

    settings = order.settings
    executor = InlineExecutor()
    return [
        Worker(
            client,
            task_queue=task_queue,
            workflows=WORKFLOWS,
            activities=ACTIVITIES,
            identity=identity,
            build_id=f"auroral-{auroral.__version__}",
            workflow_runner=UnsandboxedWorkflowRunner(),
            workflow_task_executor=executor,
            max_cached_workflows=options.cached_workflows,
            max_concurrent_workflow_tasks=options.workflow_tasks,
            max_concurrent_activities=options.activities,
            max_concurrent_local_activities=options.local_activities,
            max_concurrent_workflow_task_polls=options.workflow_pollers,
            max_concurrent_activity_task_polls=options.activity_pollers,
            nonsticky_to_sticky_poll_ratio=settings.nonsticky_to_sticky_poll_ratio,
            sticky_queue_schedule_to_start_timeout=timedelta(seconds=settings.sticky_schedule_to_start_timeout_s),
            disable_eager_activity_execution=not settings.eager_activities,
            max_eager_activity_reservations_per_workflow_task=max(1, settings.max_eager_activities_per_workflow_task),
            graceful_shutdown_timeout=timedelta(seconds=_GRACE_S),
            # Nothing is stored elsewhere; above one, every payload is visited in a task of its own (SDK 1.35).
            max_workflow_task_external_storage_concurrency=1,
        )
        for task_queue, options in zip(order.task_queues, options_for(order), strict=True)
    ]


async def serve(pipes: Pipes) -> None:
    """Take the order, connect with patience, poll; return when the parent is gone.

    Raises `TargetError` when no connection came about in time, and `UsageError` for an order that cannot be read.
    """
    line = await pipes.read_line()
    if line is None:
        return
    try:
        order = decode_to_worker(line)
    except msgspec.DecodeError as error:
        raise UsageError(f"expected a worker's order on stdin, got {line[:80]!r}: {error}") from error
    if order.engine == "wire":
        from auroral.bench.wire.worker import run_worker

        await run_worker(order, pipes)
        return
    from auroral.bench.telemetry import runtime_with_metrics

    runtime, metrics_port = runtime_with_metrics(enabled=order.metrics)
    pipes.emit(Hello(pid=os.getpid(), metrics_port=metrics_port))
    identity = str(identity_of(order, pid=os.getpid(), host=socket.gethostname()))
    connecting = asyncio.create_task(connect_when_possible(order, runtime, identity))
    ended = asyncio.create_task(until_end_of_input(pipes))
    await asyncio.wait({connecting, ended}, return_when=asyncio.FIRST_COMPLETED)
    if not connecting.done():
        return
    await poll(make_workers(connecting.result(), order, identity), until=ended, ready=lambda: pipes.emit(Ready()))


async def connect_when_possible(order: WorkerOrder, runtime: Runtime, identity: str) -> Client:
    """Connect, and wait for the namespace. Tries for `connect_timeout_s`, then raises `TargetError`."""
    from auroral.temporal.connect import connect

    target = order.connection
    give_up_s = asyncio.get_running_loop().time() + target.connect_timeout_s
    client = await connect(target, runtime=runtime, identity=identity, patience_s=target.connect_timeout_s)
    await namespace_known(client, target, give_up_s=give_up_s)
    return client


async def namespace_known(client: Client, target: ConnectionSpec, *, give_up_s: float) -> None:
    """Wait for the namespace: a new one is unknown to a frontend for some seconds.

    Raises `TargetError` when the loop's clock says `give_up_s`.
    """
    from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
    from temporalio.service import RPCError, RPCStatusCode

    from auroral.temporal.rpc import target_error

    loop = asyncio.get_running_loop()
    while True:
        try:
            await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=target.namespace))
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                # Not every server lets everyone ask; the worker's own polls will tell.
                return
            if loop.time() >= give_up_s:
                raise target_error(
                    error,
                    f"namespace {target.namespace} at {target.address}",
                    hint="create the namespace, or name an existing one with --namespace",
                ) from error
            await asyncio.sleep(_NAMESPACE_WAIT_S)
        else:
            return


async def poll(workers: Sequence[Worker], *, until: asyncio.Future[None], ready: Callable[[], None]) -> None:
    """Run the workers until told to end; say when all of them poll. Raises `TargetError` when one fails."""
    running = [asyncio.create_task(worker.run()) for worker in workers]
    # The SDK tells by a property only.
    while not all(worker.is_running for worker in workers) and not any(task.done() for task in running):  # noqa: ASYNC110
        await asyncio.sleep(_STARTING_WAIT_S)
    if not any(task.done() for task in running):
        quiet_collector()
        ready()
    await asyncio.wait({until, *running}, return_when=asyncio.FIRST_COMPLETED)
    for worker, task in zip(workers, running, strict=True):
        if task.done() and (error := task.exception()) is not None:
            raise TargetError(f"the worker of task queue {worker.task_queue} failed: {error}") from error
    # A server that is gone would hold the end up: its polls answer no more.
    await asyncio.wait([asyncio.create_task(worker.shutdown()) for worker in workers], timeout=_SHUTDOWN_S)


async def until_end_of_input(pipes: Pipes) -> None:
    """Return when the parent is gone."""
    while await pipes.read_line() is not None:
        pass


if __name__ == "__main__":
    run_child(serve)
