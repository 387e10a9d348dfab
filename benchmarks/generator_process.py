"""A real generator process, driven as the coordinator drives it, against the small frontend."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from pathlib import Path

import psutil

from auroral.bench.blueprint import make_blueprint
from auroral.bench.fleet import Child
from auroral.bench.manifest import Manifest
from auroral.bench.protocol import Drained, FromChild, GeneratorOrder, Go, Samples, ScheduleEnded, Tick
from auroral.bench.samples import Outcome
from auroral.bench.settings import BenchSettings
from auroral.temporal.spec import ConnectionSpec

NAMESPACE = "benchmark"
_LEAD_US = 500_000
_DRAIN_S = 15.0


class GeneratorRun:
    """One schedule of a generator process, starts only, and what the process said of it."""

    def __init__(self, address: str, rate_per_s: float, duration_s: float, run_id: str) -> None:
        self.order = _order(address, manifest_of(rate_per_s, duration_s, run_id))
        self.epoch_unix_us = 0
        self.lags_us: list[int] = []
        self.intended_us: dict[str, int] = {}
        """By workflow id, of what was sent."""
        self.outcomes: dict[Outcome, int] = dict.fromkeys(Outcome, 0)
        self.cpu_s = 0.0
        """Of the process, all threads, from `Go` to the end of the schedule."""
        self.rss_bytes: list[int] = []
        """Each second."""
        self._drained = asyncio.Event()

    async def drive(self) -> None:
        """Run it. Raises the error of a generator that ends before it should."""
        with tempfile.TemporaryDirectory() as directory:
            child = await Child.spawn("auroral.bench.generator", "generator", Path(directory) / "log", self.order)
            try:
                child.on_frame = self._on_frame
                await _until(child.ready, child)
                self.epoch_unix_us = time.time_ns() // 1_000 + _LEAD_US
                before_s = _cpu_s(child)
                child.send(Go(epoch_unix_us=self.epoch_unix_us, clock_offset_us=0))
                await _until(self._drained, child)
                self.cpu_s -= before_s
            finally:
                await child.stop(grace_s=5.0)

    def _on_frame(self, child: Child, frame: FromChild) -> None:
        match frame:
            case Samples(samples=samples):
                for sample in samples:
                    self.outcomes[sample.outcome] += 1
                    if sample.lag_us is not None:
                        self.lags_us.append(sample.lag_us)
                        self.intended_us[self.order.manifest.workflow_id(0, sample.index)] = sample.intended_us
            case Tick():
                with contextlib.suppress(psutil.Error):
                    self.rss_bytes.append(psutil.Process(child.pid).memory_info().rss)
            case ScheduleEnded():
                self.cpu_s = _cpu_s(child)
            case Drained():
                self._drained.set()
            case _:
                pass


def manifest_of(rate_per_s: float, duration_s: float, run_id: str) -> Manifest:
    """A constant rate of the workload `simple` whose results nobody waits for."""
    return make_blueprint(
        BenchSettings(target_rate_per_s=rate_per_s, duration_s=duration_s, observe="none"),
        run_id=run_id,
        namespace=NAMESPACE,
        nonce="benchmark",
        cores=1,
        created_at="",
        version="",
        read_text=Path.read_text,
    ).manifest


def _order(address: str, manifest: Manifest) -> GeneratorOrder:
    defaults = BenchSettings()
    return GeneratorOrder(
        connection=ConnectionSpec(address=address, namespace=NAMESPACE),
        manifest=manifest,
        generator=0,
        max_in_flight=defaults.max_in_flight,
        max_lag_s=defaults.max_lag_s,
        max_watchers=defaults.max_watchers,
        start_timeout_s=defaults.start_timeout_s,
        drain_timeout_s=_DRAIN_S,
        metrics=False,
    )


def _cpu_s(child: Child) -> float:
    child.measure()
    return child.usage().cpu_s


async def _until(event: asyncio.Event, child: Child) -> None:
    waits = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(child.ended.wait())]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await wait
    if not event.is_set():
        raise child.error()
