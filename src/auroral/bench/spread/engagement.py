"""An agent's part in one run: its generator, and the heartbeats that tell the coordinator of it. Acts."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import psutil
from temporalio.client import Client, RPCError, WorkflowExecutionStatus
from temporalio.service import RPCStatusCode

from auroral.bench import prepare
from auroral.bench.fleet import Child, wait_each
from auroral.bench.manifest import Manifest, Transport
from auroral.bench.opening import share
from auroral.bench.protocol import (
    CleanedUp,
    CleanUp,
    Drained,
    FromChild,
    GeneratorOrder,
    Go,
    Samples,
    ScheduleEnded,
    StopSchedule,
    Tick,
)
from auroral.bench.sample_file import SampleWriter, finish
from auroral.bench.samples import Sample
from auroral.bench.schedule import Schedule
from auroral.bench.spread import plan
from auroral.bench.spread.part import Emptied, Ended, Heartbeat, Recorder, Ring, encode_account, encode_heartbeat
from auroral.bench.spread.plan import Begin, ClaimOrder, LetGo, Released
from auroral.errors import AuroralError, LostProcessError, OutputError
from auroral.temporal.connect import connect
from auroral.temporal.rpc import bounded
from auroral.temporal.spec import ConnectionSpec

_LOOK_S = 5.0
"""How often an agent looks whether its run is still there."""
_GRACE_S = 2.0
_SAMPLES = "samples.parquet"


class Engagement:
    """One part of one run, from its claim until it is let go."""

    def __init__(
        self,
        order: ClaimOrder,
        generator: int,
        connection: ConnectionSpec,
        control: Client,
        workflow: tuple[str, str],
        *,
        logs: Path,
        output: Path | None,
        report: Callable[[str], None],
        at_once: Callable[[], int] = lambda: 1,
    ) -> None:
        """`workflow` names the control workflow and its run; `output` is where samples are kept, None: nowhere.

        `at_once` says how many parts this process serves now: they share what it uses itself.
        """
        self.generator = generator
        self.manifest: Manifest = order.manifest
        self.over = asyncio.Event()
        """Set when the agent is free again."""
        self.target_clock = self.control_clock = prepare.ClockOffset(0, 0)
        self.child: Child | None = None
        self._order = order
        self._connection = msgspec.structs.replace(connection, namespace=order.manifest.namespace)
        self._control = control
        self._workflow = workflow
        self._logs = logs
        self._output = output
        self._report = report
        self._recorder = Recorder(Schedule(self.manifest.arrival), generator, self.manifest.generator_processes)
        self._ring = Ring(plan.heartbeat_bytes(self.manifest.generator_processes))
        self._changed = asyncio.Event()
        self._ended: Ended | None = None
        self._emptied: Emptied | None = None
        self._cleaned: CleanedUp | None = None
        self._stopping = False
        self._began = False
        self._failure: AuroralError | None = None
        self._writer: SampleWriter | None = None
        self._used = _Used(at_once)
        self._looking: asyncio.Task[None] | None = None

    @property
    def note(self) -> str:
        """What its generator said of itself when it was ready."""
        return self.child.note if self.child is not None else ""

    @property
    def transport(self) -> Transport | None:
        """What its generator drives the API with."""
        return self.child.transport if self.child is not None else None

    def is_of(self, workflow_id: str | None, run_id: str | None) -> bool:
        """Whether it is part of the run with this control workflow."""
        return self._workflow == (workflow_id, run_id)

    # From claim to release

    async def open(self, beat: Callable[[], None]) -> None:
        """Start the generator and learn the clocks; `beat` is called meanwhile. Raises `AuroralError`."""
        beating = asyncio.create_task(_beat(beat))
        try:
            await self._open()
        except BaseException:
            await self.close()
            raise
        finally:
            beating.cancel()
        self._looking = asyncio.create_task(self._look())

    async def generate(self, begin: Begin, beat: Callable[[bytes], None], cancelled: Callable[[], bool]) -> bytes:
        """Drive the part, and return its last heartbeat.

        Where the task is cancelled and `cancelled()` says that the coordinator asked for it, the schedule stops and
        drains briefly; else the run has given us up, and the generator ends at once. Raises `AuroralError` where the
        generator is lost.
        """
        child = self._require_child()
        epoch_unix_us = begin.epoch_control_us - self.control_clock.offset_us
        self._began = True
        child.send(Go(epoch_unix_us=epoch_unix_us, clock_offset_us=self.target_clock.offset_us))
        beat(self._heartbeat())
        while not self._is_done():
            self._changed.clear()
            try:
                await self._wait(plan.HEARTBEAT_S)
            except asyncio.CancelledError:
                if self._failure is not None or not cancelled():
                    await self.close()
                    raise
                self._soft_stop()
            if self._failure is None and child.broken is not None:
                self._failure = _as_ours(child.broken)
            if self._failure is None and child.ended.is_set() and not self._is_done():
                self._failure = child.error()
            if self._failure is not None:
                raise self._failure
            if self._emptied is not None and self._recorder.waiting:
                self._close_account(None)
            beat(self._heartbeat())
        return self._heartbeat()

    async def release(self, order: LetGo) -> Released:
        """Terminate what the generator holds, if asked to, and be free."""
        child = self._require_child()
        if order.cleanup_s > 0 and self._emptied is not None and self._emptied.held and not child.ended.is_set():
            child.send(CleanUp(deadline_s=order.cleanup_s))
            end_s = time.monotonic() + order.cleanup_s + 1
            while self._cleaned is None and not child.ended.is_set() and time.monotonic() < end_s:
                self._changed.clear()
                await self._wait(min(0.5, max(0.0, end_s - time.monotonic())))
        await self.close()
        cleaned = self._cleaned
        return Released(terminated=cleaned.terminated if cleaned else 0, failed=cleaned.failed if cleaned else 0)

    def fail(self, words: str) -> None:
        """Give the part up: the activity under way fails with these words."""
        self._failure = LostProcessError(words)
        self._changed.set()

    async def until_closed(self, most_s: float) -> None:
        """Wait until the control workflow has ended, at most this long."""
        workflow_id, run_id = self._workflow
        handle = self._control.get_workflow_handle(workflow_id, run_id=run_id)
        end_s = time.monotonic() + most_s
        while time.monotonic() < end_s:
            with contextlib.suppress(RPCError):
                if (await bounded(handle.describe(), _LOOK_S)).status is not WorkflowExecutionStatus.RUNNING:
                    return
            await asyncio.sleep(0.3)

    async def close(self) -> None:
        """End the generator, write what samples there are, and be free."""
        if self.over.is_set():
            return
        if self._looking is not None and self._looking is not asyncio.current_task():
            self._looking.cancel()
        if self.child is not None:
            await self.child.stop(_GRACE_S)
        self._finish_samples()
        self.over.set()

    # Parts

    async def _open(self) -> None:
        order, manifest, parts = self._order, self.manifest, self.manifest.generator_processes
        self.child = await Child.spawn(
            "auroral.bench.generator",
            f"generator-{self.generator}",
            self._logs / f"{manifest.run_id}-generator-{self.generator}.log",
            GeneratorOrder(
                connection=self._connection,
                manifest=manifest,
                generator=self.generator,
                max_in_flight=max(1, share(order.max_in_flight, self.generator, parts)),
                max_lag_s=order.max_lag_s,
                max_watchers=share(order.max_watchers, self.generator, parts),
                start_timeout_s=order.start_timeout_s,
                drain_timeout_s=order.drain_timeout_s,
                metrics=True,
            ),
        )
        self.child.on_frame = self._on_frame
        if self._output is not None:
            directory = self._samples_directory(self._output)
            self._writer = SampleWriter(
                directory / "samples.parts",
                run_id=manifest.run_id,
                workloads=[workload.name for workload in manifest.workloads],
            )
        target = await connect(self._connection, patience_s=self._connection.connect_timeout_s, report=self._report)
        prefix = f"{manifest.run_id}-clock-{self.generator}"
        self.target_clock = await prepare.estimate_clock(target, prefix)
        self.control_clock = await prepare.estimate_clock(self._control, f"auroral-spread-clock-{prefix}")
        await wait_each([self.child.ready], [self.child])

    def _require_child(self) -> Child:
        if self.child is None or self.over.is_set():
            raise LostProcessError("this agent has no generator for the run any more")
        return self.child

    def _on_frame(self, child: Child, frame: FromChild) -> None:
        match frame:
            case Samples(samples=samples):
                self._keep(samples)
                self._recorder.add(samples)
                return  # the next tick tells of them
            case Tick():
                cpu = self._used.cores(child)
                self._close_account(msgspec.structs.replace(frame, cpu=cpu))
            case ScheduleEnded(t_s=t_s, scheduled=scheduled, interrupted=interrupted):
                self._ended = Ended(t_s=t_s, scheduled=scheduled, interrupted=interrupted)
                if interrupted:
                    self._recorder.stop(t_s)
            case Drained(t_s=t_s, held=held, reason=reason):
                # Its last samples came before it.
                self._close_account(None)
                self._emptied = Emptied(t_s=t_s, held=held, reason=reason)
            case CleanedUp():
                self._cleaned = frame
        self._changed.set()

    def _close_account(self, tick: Tick | None) -> None:
        self._ring.push(encode_account(self._recorder.close(tick)))

    def _heartbeat(self) -> bytes:
        return encode_heartbeat(
            Heartbeat(
                generator=self.generator,
                first=self._ring.first,
                accounts=self._ring.accounts,
                ended=self._ended,
                # Whoever reads this has all accounts.
                emptied=None if self._recorder.waiting else self._emptied,
                cpu_s=self._used.cpu_s,
                max_rss_bytes=self._used.max_rss_bytes,
            )
        )

    def _is_done(self) -> bool:
        return self._emptied is not None and not self._recorder.waiting

    async def _wait(self, seconds: float) -> None:
        """Return when anything has changed, or after this long."""
        changed = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait({changed}, timeout=seconds)
        finally:
            changed.cancel()

    def _soft_stop(self) -> None:
        if not self._stopping:
            self._stopping = True
            self._report("stopping: no further starts, a brief drain")
            self._require_child().send(StopSchedule(drain_timeout_s=plan.BRIEF_DRAIN_S))

    async def _look(self) -> None:
        """Be free when the run is over, however it ended."""
        workflow_id, run_id = self._workflow
        handle = self._control.get_workflow_handle(workflow_id, run_id=run_id)
        over = f"the run {self.manifest.run_id} is over"
        seen_s = time.monotonic()
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                found = await bounded(handle.describe(), _LOOK_S)
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    if time.monotonic() - seen_s < plan.HEARTBEAT_TIMEOUT_S:
                        continue
                    # By now it counts as lost there, and nobody could stop it.
                    over = f"the control cluster was not reached for {plan.HEARTBEAT_TIMEOUT_S:g} s: {error.message}"
            else:
                if found.status is WorkflowExecutionStatus.RUNNING:
                    seen_s = time.monotonic()
                    continue
            self._report(over)
            self.fail(over)
            await self.close()
            return

    # Samples

    def _samples_directory(self, output: Path) -> Path:
        return output / self.manifest.run_id / f"generator-{self.generator}"

    def _keep(self, samples: list[Sample]) -> None:
        if self._writer is not None:
            try:
                self._writer.append(samples)
            except OutputError as error:
                self.fail(error.message)

    def _finish_samples(self) -> None:
        writer, self._writer = self._writer, None
        if writer is None or self._output is None:
            return
        directory = self._samples_directory(self._output)
        parts = directory / "samples.parts"
        if not self._began:
            with contextlib.suppress(OSError):
                parts.rmdir()
                directory.rmdir()
            return
        try:
            writer.close()
            finish(parts, directory / _SAMPLES, self.manifest.run_id, lambda index: (None, None, None))
            for part in parts.iterdir():
                part.unlink()
            parts.rmdir()
        except (OutputError, OSError) as error:
            self._report(f"samples: {error}")
        else:
            self._report(f"samples: {directory / _SAMPLES}")


class _Used:
    """What a generator uses, and its share of what the agent does."""

    def __init__(self, at_once: Callable[[], int]) -> None:
        self.cpu_s = 0.0
        self.max_rss_bytes = 0
        self._at_once = at_once
        self._share_s = 0.0
        self._own = psutil.Process()
        self._own_before_s = self._own_cpu_s()
        self._child_before_s = 0.0
        self._before_s = time.monotonic()

    def cores(self, child: Child) -> dict[str, float]:
        """Of each since it was last asked."""
        now_s, own_s = time.monotonic(), self._own_cpu_s()
        child.measure()
        usage = child.usage()
        passed_s = max(0.001, now_s - self._before_s)
        share_s = max(0.0, own_s - self._own_before_s) / max(1, self._at_once())
        cores = {
            child.name: max(0.0, usage.cpu_s - self._child_before_s) / passed_s,
            f"{child.name}-agent": share_s / passed_s,
        }
        self._before_s, self._child_before_s, self._own_before_s = now_s, usage.cpu_s, own_s
        self._share_s += share_s
        self.cpu_s = usage.cpu_s + self._share_s
        self.max_rss_bytes = usage.max_rss_bytes
        return cores

    def _own_cpu_s(self) -> float:
        times = self._own.cpu_times()
        return float(times.user + times.system)


def _as_ours(error: Exception) -> AuroralError:
    return error if isinstance(error, AuroralError) else LostProcessError(f"{type(error).__name__}: {error}")


async def _beat(beat: Callable[[], None]) -> None:
    while True:
        beat()
        await asyncio.sleep(plan.HEARTBEAT_S)
