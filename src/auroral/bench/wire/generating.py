"""A generator's calls over the wire transport, with the workers beside it that eager starts need."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from auroral.bench.clock import Clock
from auroral.bench.load import BeginsStarts
from auroral.bench.manifest import Transport
from auroral.bench.protocol import GeneratorOrder, WorkerOrder
from auroral.bench.starts import Starter
from auroral.bench.watch import Watcher
from auroral.bench.wire import readings
from auroral.bench.wire.endpoint import Endpoint
from auroral.bench.wire.readings import Requests
from auroral.bench.wire.starter import WireStarter
from auroral.bench.wire.watcher import WireWatcher
from auroral.errors import TargetError
from auroral.temporal.wire.connect import connect_wire
from auroral.temporal.wire.service import WireServiceClient

if TYPE_CHECKING:
    from temporalio.client import Client

    from auroral.bench.wire.queue_worker import QueueWorker


class WireDriver:
    """The public gRPC API itself: a call for each start, poll and sweep."""

    def __init__(self, client: Client, service: WireServiceClient) -> None:
        self.client = client
        self.metrics_port: int | None = None
        self.transport: Transport = "wire"
        self.note = ""
        self.broken: asyncio.Future[TargetError] = asyncio.get_running_loop().create_future()
        self._service = service
        self._workers: dict[str, QueueWorker] = {}
        self._endpoint: Endpoint | None = None

    @classmethod
    async def open(cls, order: GeneratorOrder, *, patience_s: float) -> WireDriver:
        """Connect, and begin to poll where starts are eager; failures are tried again for `patience_s`.

        Raises `TargetError`.
        """
        client, service = await connect_wire(order.connection, patience_s=patience_s)
        driver = cls(client, service)
        try:
            if order.metrics:
                await driver._show_metrics(order.connection.namespace)
        except BaseException:
            await driver.stop()
            raise
        if order.worker is not None:
            driver._begin_to_poll(order.worker)
        return driver

    def starts(self, starter: Starter, clock: Clock, order: GeneratorOrder) -> BeginsStarts:
        """A call each."""
        return WireStarter(self._service, starter, clock, timeout_s=order.start_timeout_s, workers=self._workers)

    @property
    def watcher(self) -> Callable[..., Watcher]:
        """Makes a watcher whose polls are calls."""
        return partial(WireWatcher, calls=self._service)

    async def stop(self) -> None:
        """End workers and connection."""
        if self._workers:
            from auroral.bench.wire.worker import shut_down

            await shut_down(list(self._workers.values()))
        await self._service.close()
        if self._endpoint is not None:
            await self._endpoint.stop()

    async def _show_metrics(self, namespace: str) -> None:
        requests = Requests(namespace)
        self._service.on_ended = requests.answered
        self._endpoint = Endpoint(
            lambda: readings.text([worker.readings for worker in self._workers.values()], requests=requests)
        )
        self.metrics_port = await self._endpoint.start()

    def _begin_to_poll(self, order: WorkerOrder) -> None:
        from auroral.bench.wire.worker import make_workers
        from auroral.bench.worker import identity_of

        identity = str(identity_of(order, pid=os.getpid(), host=socket.gethostname()))
        workers = make_workers(self._service, order, identity, self.broken)
        self._workers |= zip(order.task_queues, workers, strict=True)
        for worker in workers:
            worker.start()
