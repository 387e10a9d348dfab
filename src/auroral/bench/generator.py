"""A generator process: `python -m auroral.bench.generator`, driven over stdin and stdout (see `protocol.py`)."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from temporalio.client import Client

from auroral.bench.child import quiet_collector, run_child
from auroral.bench.cleanup import terminate_directly
from auroral.bench.clock import MonotonicClock
from auroral.bench.driver import Driver, open_driver
from auroral.bench.executions import list_executions
from auroral.bench.interact import Interactor
from auroral.bench.load import Generator
from auroral.bench.pipes import Pipes, exit_now
from auroral.bench.protocol import (
    CleanedUp,
    CleanUp,
    GeneratorOrder,
    Go,
    Hello,
    Ready,
    StopSchedule,
    decode_to_generator,
)
from auroral.bench.starts import Starter
from auroral.bench.watch import Contact, Sweeper
from auroral.bench.workflows import encode_input
from auroral.bench.workload import from_plain

_Frame = TypeVar("_Frame")
_T = TypeVar("_T")

_RESOLVE_S = 30.0
"""How long a lost acknowledgement is looked for before the start counts as refused, visibility permitting."""


async def serve(pipes: Pipes) -> None:
    """Take the order, connect, wait for `Go`, drive; then clean up when told, until the parent is gone."""
    order = await _read(pipes, GeneratorOrder)
    driver = await _unless_orphaned(pipes, open_driver(order))
    try:
        pipes.emit(Hello(pid=os.getpid(), metrics_port=driver.metrics_port))
        pipes.emit(Ready(note=driver.note, transport=driver.transport))
        go = await _unless_broken(driver, _read(pipes, Go))
        generator, stop_all = build(order, go, driver, pipes.emit)
        quiet_collector()
        driving = asyncio.create_task(generator.run())
        listening = asyncio.create_task(_listen(pipes, generator, driver.client, order))
        await asyncio.wait({driving, listening}, return_when=asyncio.FIRST_COMPLETED)
        if driving.done():
            driving.result()
            await stop_all()
        await listening
        driving.cancel()
    finally:
        await driver.stop()


def build(
    order: GeneratorOrder, go: Go, driver: Driver, emit: Callable[..., None]
) -> tuple[Generator, Callable[[], asyncio.Future[None]]]:
    """Wire a generator to a real cluster and the real clock; also return what stops its polls."""
    manifest, client = order.manifest, driver.client
    clock = MonotonicClock(go.epoch_unix_us)
    contact = Contact()
    workloads = [from_plain(workload.definition) for workload in manifest.workloads]
    starter = Starter(
        client.workflow_service,
        manifest,
        [encode_input(workload) for workload in workloads],
        clock,
        identity=f"auroral-generator/{order.generator};{os.getpid()}@{socket.gethostname()}",
        timeout_s=order.start_timeout_s,
        resolve_s=_RESOLVE_S,
    )
    generator = Generator(order, clock, driver.starts(starter, clock, order), contact, emit)
    driver.broken.add_done_callback(lambda broken: generator.fail(broken.result()))
    if manifest.observe == "watch" and order.max_watchers > 0:
        generator.watcher = driver.watcher(
            client.workflow_service,
            manifest.namespace,
            clock,
            contact,
            limit=order.max_watchers,
            epoch_unix_us=go.epoch_unix_us,
            clock_offset_us=go.clock_offset_us,
            on_closed=generator.closed,
            on_refused=generator.refused_wait,
            on_error=generator.fail,
        )
    if manifest.observe != "none":
        generator.sweeper = Sweeper(
            lambda since: list_executions(
                client, manifest, root_only=True, closed_after_unix_us=since, generator=order.generator
            ),
            clock,
            contact,
            epoch_unix_us=go.epoch_unix_us,
            clock_offset_us=go.clock_offset_us,
            on_swept=generator.swept,
            on_refused=generator.refused_wait,
        )
    interactor = Interactor(
        client.workflow_service, manifest.namespace, workloads, clock, on_done=generator.interaction
    )
    if interactor.needed:
        generator.on_accepted = interactor.begin

    async def stop_all() -> None:
        await interactor.stop()
        if generator.watcher is not None:
            await generator.watcher.stop()

    return generator, lambda: asyncio.ensure_future(stop_all())


async def _listen(pipes: Pipes, generator: Generator, client: Client, order: GeneratorOrder) -> None:
    while (line := await pipes.read_line()) is not None:
        match decode_to_generator(line):
            case StopSchedule(drain_timeout_s=drain_timeout_s):
                generator.stop(drain_timeout_s)
            case CleanUp(deadline_s=deadline_s):
                done, failed = await _unless_orphaned(
                    pipes,
                    terminate_directly(client, order.manifest.namespace, generator.held_ids, deadline_s=deadline_s),
                )
                pipes.emit(CleanedUp(terminated=done, failed=failed))
            case _:
                pass


async def _unless_orphaned(pipes: Pipes, work: Coroutine[Any, Any, _T]) -> _T:
    """Await something during which the parent has nothing to say, and end when the parent goes."""

    async def parent_gone() -> None:
        while await pipes.read_line() is not None:
            pass

    working = asyncio.ensure_future(work)
    listening = asyncio.ensure_future(parent_gone())
    await asyncio.wait({working, listening}, return_when=asyncio.FIRST_COMPLETED)
    if not working.done():
        exit_now(0)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    return working.result()


async def _unless_broken(driver: Driver, work: Coroutine[Any, Any, _T]) -> _T:
    """Await something. Raises `TargetError` when the driver breaks before."""
    working = asyncio.ensure_future(work)
    either: set[asyncio.Future[Any]] = {working, driver.broken}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if not working.done():
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        raise driver.broken.result()
    return working.result()


async def _read(pipes: Pipes, kind: type[_Frame]) -> _Frame:
    while (line := await pipes.read_line()) is not None:
        frame = decode_to_generator(line)
        if isinstance(frame, kind):
            return frame
    exit_now(0)
    raise SystemExit(0)


if __name__ == "__main__":
    run_child(serve)
