"""`auroral bench worker`: worker processes for runs elsewhere, until they are told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path

import msgspec

from auroral.bench import prepare
from auroral.bench.blueprint import plan_workers
from auroral.bench.fleet import Fleet
from auroral.bench.manifest import NO_MANIFEST, Manifest
from auroral.bench.manifest_file import read_manifest
from auroral.bench.metrics import MetricsEndpoint
from auroral.bench.opening import patience_apart_s
from auroral.bench.progress import Observer
from auroral.bench.protocol import WorkerOrder
from auroral.bench.settings import BenchSettings
from auroral.bench.stopping import Stopped, StopSignal
from auroral.errors import InterruptedRunError, LostProcessError, TargetError, UsageError
from auroral.temporal.connect import Resolved, connect, resolve
from auroral.temporal.spec import ConnectionSpec


async def run_workers(
    settings: BenchSettings, *, environ: Mapping[str, str], observer: Observer, stop: StopSignal
) -> None:
    """Run workers until `stop`.

    Raises `UsageError` for what cannot be done as asked, `TargetError` where the cluster cannot be reached in time,
    and the error of the first worker that ends by itself.
    """
    manifest = read_manifest(settings.manifest) if settings.manifest is not None else None
    resolved = resolve(settings.target, environ, namespace_given=settings.target.namespace_given)
    if resolved is None:
        raise UsageError(
            "expected the address of the cluster that the generator loads, but none was given",
            hint="name it with --address or TEMPORAL_ADDRESS",
        )
    spec = msgspec.structs.replace(
        resolved.connection,
        namespace=agreed_namespace(resolved, manifest),
        connect_timeout_s=patience_apart_s(resolved.connection),
    )
    prepare.require_benchmark_namespace(spec.namespace, allow=settings.target.allow_namespace)
    plan = plan_workers(settings, manifest=manifest, read_text=lambda path: path.read_text(encoding="utf-8"))
    if manifest is not None:
        observer.detail(f"for the run {manifest.run_id} alone, manifest {manifest.digest}")
    if plan.note:
        observer.detail(plan.note)
    async with contextlib.AsyncExitStack() as stack:
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="auroral-worker-")))
        fleet = Fleet(lambda name: logs / f"{name}.log")
        endpoint = MetricsEndpoint(None, fleet.metrics_urls)
        port = endpoint.start(settings.metrics_port)
        stack.callback(endpoint.stop)
        stack.push_async_callback(fleet.stop)
        observer.phase("connect", f"{spec.address}, task queues {', '.join(plan.task_queues)}")
        try:
            await stop.unless_softly(_ensure_namespace(settings, spec, observer))
        except Stopped:
            raise InterruptedRunError("stopped before any worker polled") from None
        for number in range(settings.worker_count or max(1, (os.cpu_count() or 1) // 2)):
            name = f"worker-{number}"
            await fleet.add_worker(
                name,
                WorkerOrder(
                    connection=spec,
                    task_queues=plan.task_queues,
                    settings=settings.worker,
                    max_concurrent_activities=plan.activity_slots,
                    engine=manifest.engine if manifest is not None else settings.engine,
                    manifest_digest=manifest.digest if manifest is not None else NO_MANIFEST,
                    name=name,
                    metrics=True,
                ),
            )
        try:
            await stop.unless_softly(fleet.wait_ready())
        except Stopped:
            raise InterruptedRunError("stopped before every worker polled") from None
        observer.phase("work", f"{len(fleet.workers)} × worker" + (f", metrics on port {port}" if port else ""))
        with contextlib.suppress(Stopped):
            await stop.unless_softly(_first_end(fleet))


def agreed_namespace(resolved: Resolved, manifest: Manifest | None) -> str:
    """The namespace that target and manifest agree on: the manifest's, where nobody named one. Pure.

    Raises `UsageError` where they do not agree.
    """
    asked = resolved.connection.namespace
    if manifest is None or manifest.namespace == asked:
        return asked
    origin = resolved.origins.get("namespace", "default")
    if origin != "default":
        raise UsageError(
            f"the manifest's run is in the namespace {manifest.namespace}, but {origin} names {asked}",
            hint="leave the namespace out, or name the manifest of a run in that one",
        )
    return manifest.namespace


async def _ensure_namespace(settings: BenchSettings, spec: ConnectionSpec, observer: Observer) -> None:
    """Create a missing namespace, so that workers need not end because no generator came before them.

    Raises `TargetError` where the cluster cannot be reached in time; where the namespace may not be created, the
    workers wait for it.
    """
    client = await connect(spec, patience_s=spec.connect_timeout_s, report=observer.detail)
    try:
        state = await prepare.ensure_namespace(client, spec, allow_namespace=settings.target.allow_namespace)
        if state.created:
            observer.detail(f"namespace {spec.namespace} created, retention one day")
            await prepare.wait_usable(
                client, spec.namespace, f"auroral-{uuid.uuid4().hex[:12]}", timeout_s=settings.worker_wait_s
            )
    except TargetError as error:
        observer.detail(f"waiting for the namespace {spec.namespace}: {error.message}")


async def _first_end(fleet: Fleet) -> None:
    waits = [asyncio.create_task(worker.ended.wait()) for worker in fleet.workers]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
    lost = next(worker for worker in fleet.workers if worker.ended.is_set())
    raise lost.error() if lost.lost else LostProcessError(f"{lost.name} ended")
