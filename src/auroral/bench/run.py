"""The phases of a run, in order: plan, connect, prepare, warm up, drive, drain, reconcile, clean up, judge, write."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from auroral import __version__
from auroral.bench.assemble import Measured, assemble, workers_stated
from auroral.bench.blueprint import make_blueprint
from auroral.bench.clock import MonotonicClock
from auroral.bench.closing import Closing, nothing_settled
from auroral.bench.drive import Drive
from auroral.bench.fleet import Fleet
from auroral.bench.metrics import MetricsEndpoint
from auroral.bench.opening import Opened, Opening, Standing
from auroral.bench.prepare import require_benchmark_namespace
from auroral.bench.progress import Observer, RunSnapshot
from auroral.bench.protocol import Go
from auroral.bench.result import Cleanup, ConfigValue, Environment, ProcessUsage, Result, Workers
from auroral.bench.sampler import Sampler
from auroral.bench.schedule import Schedule
from auroral.bench.settings import BenchSettings
from auroral.bench.settle import Settlement
from auroral.bench.stopping import Stopped, StopSignal
from auroral.bench.store import RunDirectory
from auroral.bench.tally import Tally
from auroral.bench.thresholds import Threshold, from_named, parse, with_defaults
from auroral.bench.workload import Mix
from auroral.errors import OutputError
from auroral.temporal.connect import resolve
from auroral.temporal.spec import ConnectionSpec

_LEAD_S = 0.5
"""Between `Go` and the first start: every generator is waiting by then."""
_BRIEF_DRAIN_S = 5.0
"""Drain of an interrupted run."""


class SoFar(msgspec.Struct, frozen=True, kw_only=True):
    """A run under way, for whoever may end it early. All of it changes as the run goes on."""

    t_s: float
    """Since the epoch: the end of the last whole second."""
    schedule: Schedule
    tally: Tally
    in_flight: Sequence[int]
    """At the end of each second, by the generators."""


EndsEarly = Callable[[SoFar], str | None]


class RunOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a run leaves."""

    result: Result
    directory: Path
    tally: Tally
    unwritten: list[OutputError] = []
    """What could not be written at the end; the result is whole all the same."""


async def run(
    settings: BenchSettings,
    *,
    configuration: list[ConfigValue],
    environ: Mapping[str, str],
    observer: Observer,
    stop: StopSignal,
    standing: Standing | None = None,
    early: EndsEarly | None = None,
) -> RunOutcome:
    """Run one benchmark and write its results.

    `standing` is a cluster reached before, with its workers; both outlive the run. `early` is asked each second
    until everything has drained: its reason, if it has one, ends the run as a lost one, with a brief drain.

    Raises `UsageError` for what cannot be done as asked, `TargetError` where the cluster cannot be reached or
    prepared, `OutputError` where results cannot be written, `InterruptedRunError` when stopped before there was
    anything to write. An interrupted run returns its partial result.
    """
    async with contextlib.AsyncExitStack() as stack:
        running = _Run(
            settings, configuration, environ, observer=observer, stop=stop, stack=stack, standing=standing, early=early
        )
        return await running.execute()


class _Run:
    def __init__(
        self,
        settings: BenchSettings,
        configuration: list[ConfigValue],
        environ: Mapping[str, str],
        *,
        observer: Observer,
        stop: StopSignal,
        stack: contextlib.AsyncExitStack,
        standing: Standing | None,
        early: EndsEarly | None,
    ) -> None:
        self._settings = settings
        self._configuration = configuration
        self._environ = environ
        self._observer = observer
        self._stop = stop
        self._stack = stack
        self._standing = standing
        self._early = early
        self._ended_early = False
        self._cpu_before_s = _own_cpu_s() if standing is not None else 0.0
        self._notes: list[str] = list(standing.notes) if standing is not None else []
        self._thresholds = _thresholds(settings)

    async def execute(self) -> RunOutcome:
        settings = self._settings
        standing = self._standing
        if standing is not None:
            connection: ConnectionSpec | None = standing.opened.connection
        else:
            resolved = resolve(settings.target, self._environ, namespace_given=settings.target.namespace_given)
            connection = resolved.connection if resolved is not None else None
        namespace = connection.namespace if connection is not None else settings.target.namespace
        require_benchmark_namespace(namespace, allow=settings.target.allow_namespace)
        now = datetime.now(UTC)
        run_id = settings.run_id or f"r{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        self._blueprint = make_blueprint(
            settings,
            run_id=run_id,
            nonce=secrets.token_hex(8),
            namespace=namespace,
            cores=_cores(),
            created_at=now.isoformat(timespec="milliseconds"),
            version=__version__,
            read_text=lambda path: path.read_text(encoding="utf-8"),
        )
        self._manifest = self._blueprint.manifest
        self._schedule = Schedule(self._manifest.arrival)
        self._mix = Mix([workload.weight for workload in self._manifest.workloads], self._manifest.arrival.seed)
        self._tally = Tally(self._schedule.windows())
        self._drive: Drive | None = None
        self._fleet = Fleet(self._log_path, lent=standing.workers if standing is not None else ())
        # A port that is taken is found before anything is written.
        endpoint = MetricsEndpoint(self._snapshot, self._fleet.metrics_urls, run_id=run_id)
        metrics_port = endpoint.start(settings.metrics_port)
        self._stack.callback(endpoint.stop)
        self._directory = RunDirectory.create(Path(settings.output or Path("results") / run_id), self._manifest)
        self._writer = self._directory.sample_writer()
        self._epoch_unix_us = round(now.timestamp() * 1e6)
        self._notes.extend(self._blueprint.notes)
        opening = self._opening = Opening(
            settings,
            self._blueprint,
            self._environ,
            fleet=self._fleet,
            log_path=self._directory.log_path,
            observer=self._observer,
            stack=self._stack,
        )
        if metrics_port:
            self._observer.detail(f"metrics on port {metrics_port}, path /metrics")
        environment = Environment(address=connection.address if connection else "local")
        try:
            if standing is not None:
                opened = standing.opened
            else:
                opened = await self._stop.unless_softly(opening.reach(connection))
            environment = opened.environment
            offset = await self._stop.unless_softly(opening.make_ready(opened))
        except Stopped:
            return self._write_unstarted(environment)
        self._notes.extend(opening.notes)
        environment = msgspec.structs.replace(
            environment, clock_offset_ms=offset.offset_us / 1e3, clock_offset_error_ms=offset.error_us / 1e3
        )
        return await self._measure(opened, environment, offset.offset_us)

    # The measurement and what follows it

    async def _measure(self, opened: Opened, environment: Environment, offset_us: int) -> RunOutcome:
        settings, manifest, client = self._settings, self._manifest, opened.client
        spread = self._opening.spread
        generators = self._fleet.generators if spread is None else spread.generators
        lead_s = _LEAD_S if spread is None else spread.lead_s
        self._epoch_unix_us = time.time_ns() // 1_000 + round(lead_s * 1e6)
        started_at = datetime.fromtimestamp(self._epoch_unix_us / 1e6, UTC).isoformat(timespec="milliseconds")
        sampler = Sampler(
            client,
            manifest,
            child_metrics=self._fleet.metrics_urls,
            processes=lambda: {"coordinator": os.getpid(), **opened.server_pids(), **self._fleet.pids()},
            server_metrics=[*settings.server_metrics, *opened.server_metrics],
            in_flight_limit=settings.max_in_flight,
            watcher_limit=settings.max_watchers,
        )
        drive = self._drive = Drive(
            schedule=self._schedule,
            clock=MonotonicClock(self._epoch_unix_us),
            tally=self._tally,
            append=self._writer.append,
            generators=generators,
            workers=self._fleet.workers,
            reader=sampler,
            observer=self._observer,
            drain_timeout_s=settings.drain_timeout_s,
            each_second=lambda second: self._end_early(drive, closing, second),
        )
        for generator in generators:
            generator.send(Go(epoch_unix_us=self._epoch_unix_us, clock_offset_us=offset_us))
        closing = Closing(
            settings,
            opened,
            drive,
            tally=self._tally,
            schedule=self._schedule,
            mix=self._mix,
            epoch_unix_us=self._epoch_unix_us,
            clock_offset_us=offset_us,
            manifest=manifest,
            observer=self._observer,
        )
        watching = asyncio.create_task(self._stop_when_asked(closing))
        hurried = False
        settlement: Settlement | None = None
        left: Cleanup | None = None
        try:
            await self._stop.unless_at_once(drive.run())
            settlement = await self._stop.unless_at_once(closing.settle(self._stop))
            left = await self._stop.unless_at_once(closing.clean_up(settlement.reconciliation))
        except Stopped:
            hurried = True
            settlement = settlement or await closing.settle_nothing()
            left = closing.left_behind("the run was stopped at once")
            self._notes.append("Stopped at once: not everything was settled or cleaned up.")
        finally:
            watching.cancel()
        if spread is not None:
            await spread.end(at_once=hurried)
        self._fleet.measure()
        await self._fleet.stop(0.5 if hurried else 10.0)
        end_s = drive.end_s
        self._observer.phase("write", str(self._directory.path))
        result = assemble(
            Measured(
                manifest=manifest,
                schedule=self._schedule,
                tally=self._tally,
                started_at=started_at,
                end_s=end_s,
                drain_s=max(0.0, (drive.drained_s or end_s) - end_s),
                interrupted=drive.interrupted or self._stop.requested,
                configuration=self._effective_configuration(),
                environment=environment,
                readings=drive.readings,
                unread=sampler.unread,
                in_flight=drive.in_flight,
                refused_waits=drive.refused_waits,
                interactions={
                    kind: (tally.sent, tally.causes, tally.times) for kind, tally in drive.interactions.items()
                },
                workers=self._workers(),
                processes=self._usage(),
                reconciliation=settlement.reconciliation,
                cleanup=left,
                thresholds=self._thresholds,
                notes=[*self._notes, *drive.early_ends, *self._eager_note(drive), *settlement.notes],
                spread=spread.seen if spread is not None else (),
            )
        )
        return self._write(result, settlement)

    async def _stop_when_asked(self, closing: Closing) -> None:
        await self._stop.softly.wait()
        self._observer.warning("stopping: no further starts, a brief drain, then clean-up (again: stop at once)")
        closing.stop_schedule(_BRIEF_DRAIN_S)

    def _end_early(self, drive: Drive, closing: Closing, second: int) -> None:
        if self._early is None or self._ended_early or self._stop.requested:
            return
        reason = self._early(
            SoFar(t_s=float(second), schedule=self._schedule, tally=self._tally, in_flight=drive.in_flight)
        )
        if reason:
            self._ended_early = True
            self._notes.append(f"Ended early, at {second} s: {reason}.")
            closing.stop_schedule(_BRIEF_DRAIN_S, interrupted=False)

    # Writing

    def _write_unstarted(self, environment: Environment) -> RunOutcome:
        """An interrupted run that has not begun: a result all the same, with nothing in it."""
        settlement = nothing_settled()
        result = assemble(
            Measured(
                manifest=self._manifest,
                schedule=self._schedule,
                tally=self._tally,
                started_at=self._manifest.created_at,
                end_s=0.0,
                drain_s=0.0,
                interrupted=True,
                configuration=self._configuration,
                environment=environment,
                readings=[],
                unread=[],
                in_flight=[],
                refused_waits=0,
                interactions={},
                workers=self._workers(),
                processes=self._usage(),
                reconciliation=settlement.reconciliation,
                cleanup=Cleanup(left_open=0, terminated_directly=0, terminated_by_batch=0, remaining=0),
                thresholds=self._thresholds,
                notes=[*self._notes, "Stopped before the schedule began."],
            )
        )
        return self._write(result, settlement)

    def _write(self, result: Result, settlement: Settlement) -> RunOutcome:
        unwritten = []
        # The result first: should the disk be full, it matters most.
        writes: list[Callable[[], object]] = [
            lambda: self._directory.write_result(result),
            *self._sample_writes(settlement),
            lambda: self._directory.write_histograms(self._tally, self._epoch_unix_us / 1e6),
        ]
        for write in writes:
            try:
                write()
            except OutputError as error:
                unwritten.append(error)
        return RunOutcome(result=result, directory=self._directory.path, tally=self._tally, unwritten=unwritten)

    def _sample_writes(self, settlement: Settlement) -> list[Callable[[], object]]:
        if self._settings.spread is not None:  # they stay with the generators: a file with some of them would mislead
            return [self._directory.drop_samples]
        return [
            lambda: self._writer.append(settlement.late),
            self._writer.close,
            lambda: self._directory.finish_samples(settlement.server_times.get),
        ]

    # What it knows of itself

    def _log_path(self, name: str) -> Path:
        return self._directory.log_path(name)

    def _workers(self) -> Workers:
        return workers_stated(
            self._settings,
            processes=self._blueprint.worker_processes + self._blueprint.working_generators,
            activity_slots=self._blueprint.activity_slots,
            seen=self._opening.workers,
        )

    def _eager_note(self, drive: Drive) -> list[str]:
        if not self._manifest.eager_start:
            return []
        return [f"Eager starts: the answers to {drive.eager_starts:,} of them brought their first workflow task along."]

    def _effective_configuration(self) -> list[ConfigValue]:
        """The configuration with the values that defaults led to."""
        chosen = {
            "run-id": self._manifest.run_id,
            "worker-count": str(self._blueprint.worker_processes or self._manifest.expected_workers),
            "completion-timeout": f"{self._settings.drain_timeout_s:g}s",
            "max-concurrent-activities": str(self._blueprint.activity_slots),
            "output": str(self._directory.path),
            "task-queue": ", ".join(self._manifest.task_queues),
        }
        return [
            msgspec.structs.replace(value, value=chosen[value.name])
            if value.origin == "default" and value.name in chosen
            else value
            for value in self._configuration
        ]

    def _snapshot(self) -> RunSnapshot:
        return RunSnapshot(target_per_s=0.0, generators=[]) if self._drive is None else self._drive.snapshot()

    def _usage(self) -> list[ProcessUsage]:
        coordinator = ProcessUsage(
            name="coordinator",
            cpu_s=_own_cpu_s() - self._cpu_before_s,
            max_rss_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        )
        spread = self._opening.spread
        elsewhere = [] if spread is None else [generator.usage() for generator in spread.generators]
        return [coordinator, *elsewhere, *(child.usage() for child in self._fleet.children)]


def _thresholds(settings: BenchSettings) -> list[Threshold]:
    named = from_named(settings.max_p99_latency_s, settings.min_throughput_per_s)
    return with_defaults([*named, *(parse(expression) for expression in settings.thresholds)])


def _own_cpu_s() -> float:
    own = os.times()
    return own.user + own.system


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
