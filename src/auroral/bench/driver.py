"""What a generator drives the API with: auroral's own transport, and the SDK's client where that cannot connect.

The engine says who answers the tasks. Starts, waits and sweeps go over the wire with either one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from auroral.bench.clock import Clock
from auroral.bench.load import BeginsStarts
from auroral.bench.manifest import Transport
from auroral.bench.protocol import GeneratorOrder
from auroral.bench.starts import InTasks, Starter
from auroral.bench.watch import Watcher
from auroral.bench.wire.generating import WireDriver
from auroral.errors import TargetError

if TYPE_CHECKING:
    from temporalio.client import Client

_AGAIN_S = 1.0
"""For how long the wire is tried once more when the SDK's client has connected: several times, should it be refused."""


class Driver(Protocol):
    """What a generator drives the API with."""

    client: Client
    metrics_port: int | None
    """Where the process shows what its calls came to, on the loopback address."""
    transport: Transport
    note: str
    """What the run is to say of it, after the generator's name; empty: nothing."""
    broken: asyncio.Future[TargetError]
    """Done, with the reason, when it can serve the run no longer."""

    def starts(self, starter: Starter, clock: Clock, order: GeneratorOrder) -> BeginsStarts:
        """What begins the starts that `starter` makes."""

    @property
    def watcher(self) -> Callable[..., Watcher]:
        """Makes a `Watcher`; takes what that takes."""

    async def stop(self) -> None:
        """End what it holds."""


class SdkDriver:
    """The client of Temporal's SDK."""

    def __init__(self, client: Client, metrics_port: int | None) -> None:
        self.client = client
        self.metrics_port = metrics_port
        self.transport: Transport = "sdk"
        self.note = ""
        self.watcher = Watcher
        self.broken: asyncio.Future[TargetError] = asyncio.get_running_loop().create_future()

    @classmethod
    async def open(cls, order: GeneratorOrder, *, patience_s: float) -> SdkDriver:
        """Connect; failures are tried again for `patience_s`. Raises `TargetError`."""
        from auroral.bench.telemetry import runtime_with_metrics
        from auroral.temporal.connect import connect

        runtime, metrics_port = runtime_with_metrics(enabled=order.metrics)
        client = await connect(order.connection, runtime=runtime, retry=False, patience_s=patience_s)
        return cls(client, metrics_port)

    def starts(self, starter: Starter, clock: Clock, order: GeneratorOrder) -> BeginsStarts:
        """Each in a task of its own."""
        return InTasks(starter)

    async def stop(self) -> None:
        """Nothing to do: the process ends."""


async def open_driver(order: GeneratorOrder) -> Driver:
    """Connect within the patience that the order gives. Raises `TargetError`.

    With the engine `sdk` the SDK's client stands in where the wire cannot connect and the SDK can, and its `note` says
    so. The wire has the first attempt, of at most half the patience; the SDK what is left of it. A cluster that comes
    up in between is no reason to stand in: once the SDK has connected, the wire is tried again.
    """
    patience_s = order.connection.connect_timeout_s
    if order.manifest.engine == "wire":
        return await WireDriver.open(order, patience_s=patience_s)
    loop = asyncio.get_running_loop()
    give_up_s = loop.time() + patience_s
    try:
        return await _over_wire(order, patience_s=0.0, within_s=patience_s / 2)
    except TargetError:
        sdk = await SdkDriver.open(order, patience_s=give_up_s - loop.time())
    try:
        return await _over_wire(order, patience_s=_AGAIN_S, within_s=patience_s / 2)
    except TargetError as error:
        sdk.note = f"drove the API with the SDK's client, as auroral's own transport {error.message}"
        return sdk


async def _over_wire(order: GeneratorOrder, *, patience_s: float, within_s: float) -> WireDriver:
    try:
        async with asyncio.timeout(within_s):
            return await WireDriver.open(order, patience_s=patience_s)
    except TimeoutError as error:
        address = order.connection.address
        raise TargetError(f"cannot connect to {address}: no answer within {within_s:g} s") from error
