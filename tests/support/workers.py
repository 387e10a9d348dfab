"""A worker process of the product's own, and a manifest that fits it."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from auroral.bench.manifest import NO_MANIFEST, Manifest, ManifestArrival
from auroral.bench.protocol import ChildFailed, Hello, Ready, WorkerOrder, decode_from_child, encode
from auroral.bench.settings import WorkerSettings
from auroral.temporal.spec import ConnectionSpec


def manifest(run_id: str, **changes: Any) -> Manifest:
    """A run with one task queue of its own."""
    plain = Manifest(
        run_id=run_id,
        namespace="benchmark",
        task_queues=[run_id],
        workloads=[],
        arrival=ManifestArrival(
            process="constant", segments=[(1.0, 1.0, 1.0)], ramp_s=0.0, count=None, seed=1, staged=False
        ),
        engine="sdk",
        observe="watch",
    )
    return msgspec.structs.replace(plain, **changes)


@contextlib.asynccontextmanager
async def worker(
    connection: ConnectionSpec, of: Manifest, *, engine: str = "sdk", manifest_digest: str = NO_MANIFEST
) -> AsyncIterator[int]:
    """Run one worker process on the manifest's task queues; yields its process id once it polls."""
    order = WorkerOrder(
        connection=connection,
        task_queues=of.task_queues,
        settings=WorkerSettings(workflow_task_pollers=5, activity_task_pollers=5),
        max_concurrent_activities=10,
        engine=engine,
        manifest_digest=manifest_digest,
        name="worker-0",
        metrics=False,
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "auroral.bench.worker", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(encode(order))
        await process.stdin.drain()
        while not isinstance(frame := decode_from_child(await process.stdout.readline()), Ready):
            assert isinstance(frame, Hello), frame if isinstance(frame, ChildFailed) else "unexpected"
        yield process.pid
    finally:
        process.stdin.close()
        await process.wait()
