"""Reaches the cluster once for all steps, and starts the workers that serve them. Acts."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from auroral import __version__
from auroral.bench import prepare
from auroral.bench.blueprint import SEPARATE_TASK_QUEUE, Blueprint, make_blueprint
from auroral.bench.fleet import Fleet
from auroral.bench.manifest import NO_MANIFEST, Manifest
from auroral.bench.opening import Opened, Opening, Standing
from auroral.bench.progress import Observer
from auroral.bench.protocol import WorkerOrder
from auroral.bench.settings import BenchSettings
from auroral.temporal.connect import resolve


class Stood(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster that is ready for the first step."""

    standing: Standing
    manifest: Manifest
    """Of no run: what all of the steps' have in common."""
    activity_slots: int
    notes: list[str]


def step_base(settings: BenchSettings, search_id: str) -> BenchSettings:
    """The settings that all steps share: the workers are started once, so the task queue is the search's. Pure."""
    return msgspec.structs.replace(
        settings,
        task_queue=settings.task_queue or (SEPARATE_TASK_QUEUE if settings.generator_only else search_id),
        stages=(),
        count=None,
        duration_given=True,
        iterations=1,
        max_p99_latency_s=None,
        min_throughput_per_s=None,
    )


async def stand(
    settings: BenchSettings,
    *,
    search_id: str,
    most_per_s: float,
    environ: Mapping[str, str],
    observer: Observer,
    log_path: Callable[[str], Path],
    stack: contextlib.AsyncExitStack,
) -> Stood:
    """Connect, prepare the namespace, start the workers, and wait until they poll; `stack` ends what was started.

    `settings` are those of `step_base`. Workers get the activity slots that the most rate asks for. Raises
    `UsageError` for what cannot be done as asked and `TargetError` where the cluster cannot be reached or prepared.
    """
    resolved = resolve(settings.target, environ, namespace_given=settings.target.namespace_given)
    connection = resolved.connection if resolved is not None else None
    namespace = connection.namespace if connection is not None else settings.target.namespace
    prepare.require_benchmark_namespace(namespace, allow=settings.target.allow_namespace)
    blueprint = make_blueprint(
        msgspec.structs.replace(settings, target_rate_per_s=most_per_s),
        run_id=search_id,
        nonce="",
        namespace=namespace,
        cores=_cores(),
        created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        version=__version__,
        read_text=lambda path: path.read_text(encoding="utf-8"),
    )
    fleet = Fleet(log_path)
    opening = Opening(settings, blueprint, environ, fleet=fleet, log_path=log_path, observer=observer, stack=stack)
    opened = await opening.reach(connection)
    observer.phase("prepare", f"namespace {namespace}")
    state = await prepare.ensure_namespace(
        opened.client, opened.connection, allow_namespace=settings.target.allow_namespace
    )
    if state.created:
        observer.detail(f"namespace {namespace} created, retention one day")
    await prepare.wait_usable(opened.client, namespace, f"{search_id}-usable", timeout_s=settings.worker_wait_s)
    await _start_workers(settings, blueprint, opened, fleet=fleet, observer=observer, stack=stack)
    await prepare.await_workers(
        opened.client, blueprint.manifest, timeout_s=settings.worker_wait_s, report=observer.detail
    )
    return Stood(
        standing=Standing(opened=opened, workers=fleet.workers, notes=opening.notes),
        manifest=blueprint.manifest,
        activity_slots=blueprint.activity_slots,
        notes=[*opening.notes, *blueprint.notes],
    )


async def _start_workers(
    settings: BenchSettings,
    blueprint: Blueprint,
    opened: Opened,
    *,
    fleet: Fleet,
    observer: Observer,
    stack: contextlib.AsyncExitStack,
) -> None:
    count, manifest = blueprint.worker_processes, blueprint.manifest
    observer.phase("workers", f"{count} × worker, for all steps" if count else "they run elsewhere")
    stack.push_async_callback(fleet.stop)
    for number in range(count):
        name = f"worker-{number}"
        await fleet.add_worker(
            name,
            WorkerOrder(
                connection=opened.connection,
                task_queues=manifest.task_queues,
                settings=settings.worker,
                max_concurrent_activities=blueprint.activity_slots,
                engine=manifest.engine,
                manifest_digest=NO_MANIFEST,
                name=name,
                metrics=True,
            ),
        )
    await fleet.wait_ready()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
