"""The wire engine in a generator's process, with the workers that eager starts need beside it."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Mapping
from functools import partial

from temporalio.client import Client

from auroral.bench.clock import Clock
from auroral.bench.load import BeginsStarts
from auroral.bench.pipes import Pipes
from auroral.bench.protocol import GeneratorOrder, Hello
from auroral.bench.starts import Starter
from auroral.bench.watch import Watcher
from auroral.bench.wire import readings
from auroral.bench.wire.endpoint import Endpoint
from auroral.bench.wire.queue_worker import QueueWorker
from auroral.bench.wire.starter import WireStarter
from auroral.bench.wire.watcher import WireWatcher
from auroral.bench.wire.worker import make_workers, shut_down
from auroral.bench.worker import identity_of
from auroral.errors import TargetError
from auroral.temporal.wire.connect import connect_wire
from auroral.temporal.wire.service import WireServiceClient


class WireEngine:
    """The public gRPC API itself."""

    def __init__(self, client: Client, service: WireServiceClient) -> None:
        self.client = client
        self._service = service
        self._workers: Mapping[str, QueueWorker] = {}
        self._endpoint: Endpoint | None = None
        self.broken: asyncio.Future[TargetError] = asyncio.get_running_loop().create_future()

    @classmethod
    async def open(cls, order: GeneratorOrder, pipes: Pipes) -> WireEngine:
        """Connect, and begin to poll where starts are eager. Raises `TargetError`."""
        workers: list[QueueWorker] = []
        endpoint = Endpoint(lambda: readings.text([worker.readings for worker in workers]))
        port = await endpoint.start() if order.worker is not None and order.metrics else None
        pipes.emit(Hello(pid=os.getpid(), metrics_port=port))
        client, service = await connect_wire(order.connection, patience_s=order.connection.connect_timeout_s)
        engine = cls(client, service)
        if port is not None:
            engine._endpoint = endpoint
        if order.worker is not None:
            identity = str(identity_of(order.worker, pid=os.getpid(), host=socket.gethostname()))
            workers += make_workers(service, order.worker, identity, engine.broken)
            engine._workers = dict(zip(order.worker.task_queues, workers, strict=True))
            for worker in workers:
                worker.start()
        return engine

    def starts(self, starter: Starter, clock: Clock, order: GeneratorOrder) -> BeginsStarts:
        """A call each."""
        return WireStarter(self._service, starter, clock, timeout_s=order.start_timeout_s, workers=self._workers)

    @property
    def watcher(self) -> Callable[..., Watcher]:
        """Makes a watcher whose polls are calls."""
        return partial(WireWatcher, calls=self._service)

    async def stop(self) -> None:
        """End workers and connection."""
        await shut_down(list(self._workers.values()))
        await self._service.close()
        if self._endpoint is not None:
            await self._endpoint.stop()
