"""`auroral bench worker`: worker processes without a run, until they are told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec

from auroral.bench.blueprint import slots_for, task_queues
from auroral.bench.fleet import Fleet
from auroral.bench.metrics import MetricsEndpoint
from auroral.bench.opening import PATIENCE_APART_S
from auroral.bench.prepare import require_benchmark_namespace
from auroral.bench.progress import Observer
from auroral.bench.protocol import WorkerOrder
from auroral.bench.settings import BenchSettings
from auroral.bench.stopping import Stopped, StopSignal
from auroral.bench.workload_file import load
from auroral.errors import LostProcessError, UsageError
from auroral.temporal.connect import resolve


async def run_workers(
    settings: BenchSettings, *, environ: Mapping[str, str], observer: Observer, stop: StopSignal
) -> None:
    """Run workers until `stop`. Raises the error of the first one that ends by itself."""
    resolved = resolve(settings.target, environ, namespace_given=settings.target.namespace_given)
    if resolved is None:
        raise UsageError(
            "expected the address of the cluster that the generator loads, but none was given",
            hint="name it with --address or TEMPORAL_ADDRESS",
        )
    require_benchmark_namespace(resolved.connection.namespace, allow=settings.target.allow_namespace)
    spec = msgspec.structs.replace(
        resolved.connection, connect_timeout_s=max(PATIENCE_APART_S, resolved.connection.connect_timeout_s)
    )
    workloads = [
        load(
            choice.source,
            activity_count=settings.activity_count,
            timer_duration_s=settings.timer_duration_s,
            child_count=settings.child_count,
            read_text=lambda path: path.read_text(encoding="utf-8"),
        )
        for choice in settings.workloads
    ]
    slots, note = slots_for(settings, workloads, 1)
    if note:
        observer.detail(note)
    queues = task_queues(settings, "")
    async with contextlib.AsyncExitStack() as stack:
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="auroral-worker-")))
        fleet = Fleet(lambda name: logs / f"{name}.log")
        endpoint = MetricsEndpoint(None, fleet.metrics_urls)
        port = endpoint.start(settings.metrics_port)
        stack.callback(endpoint.stop)
        stack.push_async_callback(fleet.stop)
        observer.phase("connect", f"{spec.address}, task queues {', '.join(queues)}")
        for number in range(settings.worker_count or max(1, (os.cpu_count() or 1) // 2)):
            name = f"worker-{number}"
            await fleet.add_worker(
                name,
                WorkerOrder(
                    connection=spec,
                    task_queues=queues,
                    settings=settings.worker,
                    max_concurrent_activities=slots,
                    engine="sdk",
                    name=name,
                    metrics=True,
                ),
            )
        with contextlib.suppress(Stopped):
            await stop.unless_softly(fleet.wait_ready())
            observer.phase(
                "work", f"{len(fleet.workers)} worker processes poll" + (f", metrics on port {port}" if port else "")
            )
            await stop.unless_softly(_first_end(fleet))


async def _first_end(fleet: Fleet) -> None:
    waits = [asyncio.create_task(worker.ended.wait()) for worker in fleet.workers]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
    lost = next(worker for worker in fleet.workers if worker.ended.is_set())
    raise lost.error() if lost.lost else LostProcessError(f"{lost.name} ended")
