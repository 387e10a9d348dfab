"""The phases of a run, in order: plan, connect, prepare, warm up, drive, drain, reconcile, clean up, judge, write."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import secrets
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from auroral import __version__
from auroral.bench import cleanup, executions, prepare
from auroral.bench.assemble import Measured, assemble, worker_options
from auroral.bench.blueprint import make_blueprint
from auroral.bench.clock import MonotonicClock
from auroral.bench.drive import Drive
from auroral.bench.environment import describe
from auroral.bench.fleet import Fleet
from auroral.bench.histogram import Histogram
from auroral.bench.metrics import BenchSnapshot, MetricsEndpoint
from auroral.bench.progress import Observer
from auroral.bench.protocol import GeneratorOrder, Go, WorkerOrder
from auroral.bench.result import Cleanup, ConfigValue, Environment, ProcessUsage, Reconciliation, Result, Workers
from auroral.bench.sampler import Sampler
from auroral.bench.samples import Outcome
from auroral.bench.schedule import Schedule
from auroral.bench.settings import BenchSettings
from auroral.bench.settle import Settlement, settle
from auroral.bench.stopping import Stopped, StopSignal
from auroral.bench.store import RunDirectory, ServerTimes
from auroral.bench.tally import Tally
from auroral.bench.thresholds import Threshold, from_named, parse, with_defaults
from auroral.bench.workload import Mix
from auroral.temporal.connect import connect, resolve
from auroral.temporal.local import LocalServer, start_local
from auroral.temporal.spec import ConnectionSpec

_LEAD_S = 0.5
"""Between `Go` and the first start: every generator is waiting by then."""
_BRIEF_DRAIN_S = 5.0
"""Drain of an interrupted run."""
_PATIENCE_APART_S = 120.0
"""How long separate generators and workers try to connect: in ECS the mesh's proxy comes up after the process."""
_LATENCY_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_LAG_BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class RunOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a run leaves."""

    result: Result
    directory: Path


async def run(
    settings: BenchSettings,
    *,
    configuration: list[ConfigValue],
    environ: Mapping[str, str],
    observer: Observer,
    stop: StopSignal,
) -> RunOutcome:
    """Run one benchmark and write its results.

    Raises `UsageError` for what cannot be done as asked, `TargetError` where the cluster cannot be reached or
    prepared, `OutputError` where results cannot be written, `InterruptedRunError` when stopped before there was
    anything to write. An interrupted run returns its partial result.
    """
    async with contextlib.AsyncExitStack() as stack:
        running = _Run(settings, configuration, environ, observer=observer, stop=stop, stack=stack)
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
    ) -> None:
        self._settings = settings
        self._configuration = configuration
        self._environ = environ
        self._observer = observer
        self._stop = stop
        self._stack = stack
        self._notes: list[str] = []
        self._local: LocalServer | None = None
        self._thresholds = _thresholds(settings)

    async def execute(self) -> RunOutcome:
        settings = self._settings
        resolved = resolve(settings.target, self._environ, namespace_given=settings.target.namespace_given)
        namespace = resolved.connection.namespace if resolved is not None else settings.target.namespace
        prepare.require_benchmark_namespace(namespace, allow=settings.target.allow_namespace)
        now = datetime.now(UTC)
        run_id = settings.run_id or f"r{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        self._blueprint = make_blueprint(
            settings,
            run_id=run_id,
            namespace=namespace,
            cores=_cores(),
            created_at=now.isoformat(timespec="milliseconds"),
            version=__version__,
            read_text=lambda path: path.read_text(encoding="utf-8"),
        )
        self._manifest = self._blueprint.manifest
        self._schedule = Schedule(self._manifest.arrival)
        self._tally = Tally(self._schedule.windows())
        self._directory = RunDirectory.create(Path(settings.output or Path("results") / run_id), self._manifest)
        self._writer = self._directory.sample_writer()
        self._fleet = Fleet(self._directory.log_path)
        self._drive: Drive | None = None
        self._epoch_unix_us = round(now.timestamp() * 1e6)
        self._notes.extend(self._blueprint.notes)
        spec = resolved.connection if resolved is not None else None
        environment = Environment(address=spec.address if spec else "local")
        try:
            spec = await self._stop.unless_softly(self._reach(spec))
            environment = await self._stop.unless_softly(
                describe(self._client, spec, local_server=self._local is not None, environ=self._environ)
            )
            offset = await self._stop.unless_softly(self._make_ready(spec))
        except Stopped:
            return await self._write_unstarted(environment)
        environment = msgspec.structs.replace(
            environment, clock_offset_ms=offset.offset_us / 1e3, clock_offset_error_ms=offset.error_us / 1e3
        )
        return await self._measure(spec, environment, offset.offset_us)

    # Phases before the schedule

    async def _reach(self, spec: ConnectionSpec | None) -> ConnectionSpec:
        if spec is None:
            spec = await self._start_local()
        self._observer.phase("connect", spec.address)
        patience_s = _PATIENCE_APART_S if self._settings.generator_only else spec.connect_timeout_s
        self._client = await connect(spec, retry=True, patience_s=patience_s)
        await prepare.check_health(self._client, spec.address, timeout_s=spec.connect_timeout_s)
        return spec

    async def _start_local(self) -> ConnectionSpec:
        self._observer.phase("server", "no address was given: starting a local Temporal server")
        server = await start_local(
            namespace=self._manifest.namespace,
            directory=Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="auroral-"))),
            log_path=self._directory.log_path("server"),
            report=self._observer.detail,
            executable=self._environ.get("AURORAL_TEMPORAL_CLI"),
        )
        self._stack.push_async_callback(server.stop)
        self._local = server
        self._notes.append("The server ran on the same machine as the load: its limit is not a cluster's.")
        return ConnectionSpec(address=server.address, namespace=self._manifest.namespace)

    async def _make_ready(self, spec: ConnectionSpec) -> prepare.ClockOffset:
        settings, manifest, observer = self._settings, self._manifest, self._observer
        observer.phase("prepare", f"namespace {manifest.namespace}")
        state = await prepare.ensure_namespace(self._client, spec, allow_namespace=settings.target.allow_namespace)
        if state.created:
            observer.detail(f"namespace {manifest.namespace} created, retention one day")
        await prepare.wait_usable(
            self._client, manifest.namespace, f"{manifest.run_id}-usable", timeout_s=settings.worker_wait_s
        )
        self._endpoint = MetricsEndpoint(self._snapshot, self._fleet.metrics_urls, run_id=manifest.run_id)
        port = self._endpoint.start(settings.metrics_port)
        self._stack.callback(self._endpoint.stop)
        if port:
            observer.detail(f"metrics on port {port}, path /metrics")
        self._stack.push_async_callback(self._fleet.stop)
        observer.phase(
            "workers",
            f"{self._blueprint.worker_processes} × worker, {manifest.generator_processes} × generator",
        )
        for number in range(self._blueprint.worker_processes):
            await self._fleet.add_worker(f"worker-{number}", self._worker_order(spec, number))
        for number in range(manifest.generator_processes):
            await self._fleet.add_generator(self._generator_order(spec, number))
        await self._fleet.wait_ready()
        await prepare.await_workers(self._client, manifest, timeout_s=settings.worker_wait_s, report=observer.detail)
        observer.phase("warm-up", "probe workflows")
        return await prepare.warm_up(self._client, manifest)

    def _worker_order(self, spec: ConnectionSpec, number: int) -> WorkerOrder:
        return WorkerOrder(
            connection=spec,
            task_queues=self._manifest.task_queues,
            settings=self._settings.worker,
            max_concurrent_activities=self._blueprint.activity_slots,
            engine=self._manifest.engine,
            name=f"worker-{number}",
            metrics=True,
        )

    def _generator_order(self, spec: ConnectionSpec, number: int) -> GeneratorOrder:
        settings, parts = self._settings, self._manifest.generator_processes
        return GeneratorOrder(
            connection=spec,
            manifest=self._manifest,
            generator=number,
            max_in_flight=_share(settings.max_in_flight, number, parts),
            max_lag_s=settings.max_lag_s,
            max_watchers=_share(settings.max_watchers, number, parts),
            start_timeout_s=settings.start_timeout_s,
            drain_timeout_s=settings.drain_timeout_s,
            metrics=True,
        )

    # The measurement and what follows it

    async def _measure(self, spec: ConnectionSpec, environment: Environment, offset_us: int) -> RunOutcome:
        settings, manifest = self._settings, self._manifest
        self._epoch_unix_us = time.time_ns() // 1_000 + round(_LEAD_S * 1e6)
        started_at = datetime.fromtimestamp(self._epoch_unix_us / 1e6, UTC).isoformat(timespec="milliseconds")
        sampler = Sampler(
            self._client,
            manifest,
            child_metrics=self._fleet.metrics_urls,
            processes=self._pids,
            server_metrics=[*settings.server_metrics, *([self._local.metrics_url] if self._local else [])],
            in_flight_limit=settings.max_in_flight,
            watcher_limit=settings.max_watchers,
        )
        drive = self._drive = Drive(
            schedule=self._schedule,
            clock=MonotonicClock(self._epoch_unix_us),
            tally=self._tally,
            append=self._writer.append,
            generators=self._fleet.generators,
            workers=self._fleet.workers,
            reader=sampler,
            observer=self._observer,
            drain_timeout_s=settings.drain_timeout_s,
        )
        for generator in self._fleet.generators:
            generator.send(Go(epoch_unix_us=self._epoch_unix_us, clock_offset_us=offset_us))
        watching = asyncio.create_task(self._stop_when_asked(drive))
        hurried = False
        settlement = _nothing_settled()
        left = Cleanup(left_open=0, terminated_directly=0, terminated_by_batch=0, remaining=None)
        try:
            await self._stop.unless_at_once(drive.run())
            settlement = await self._stop.unless_at_once(self._settle(drive, offset_us))
            left = await self._stop.unless_at_once(self._clean_up(spec, drive))
        except Stopped:
            hurried = True
            left = msgspec.structs.replace(left, commands=cleanup.manual_commands(spec, manifest))
            self._notes.append("Stopped at once: not everything was settled or cleaned up.")
        finally:
            watching.cancel()
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
                configuration=self._configuration,
                environment=environment,
                readings=drive.readings,
                unread=sampler.unread,
                in_flight=drive.in_flight,
                refused_waits=drive.refused_waits,
                resolved_starts=drive.resolved_starts,
                interactions={
                    kind: (tally.sent, tally.causes, tally.times) for kind, tally in drive.interactions.items()
                },
                workers=self._workers(),
                processes=self._usage(),
                reconciliation=settlement.reconciliation,
                cleanup=left,
                thresholds=self._thresholds,
                notes=[*self._notes, *drive.early_ends, *settlement.notes],
            )
        )
        self._writer.append(settlement.late)
        return self._write(result, settlement)

    async def _stop_when_asked(self, drive: Drive) -> None:
        await self._stop.softly.wait()
        self._observer.warning("stopping: no further starts, a brief drain, then clean-up (again: stop at once)")
        drive.stop_schedule(_BRIEF_DRAIN_S)
        if drive.interrupted:
            self._tally.cut(self._schedule.windows(drive.end_s))

    async def _settle(self, drive: Drive, offset_us: int) -> Settlement:
        self._observer.phase("reconcile", "with the server's own counts")
        manifest, settings = self._manifest, self._settings
        mix = Mix([workload.weight for workload in manifest.workloads], manifest.arrival.seed)
        return await settle(
            count=lambda: executions.count_by_status(self._client, manifest),
            listing=lambda: executions.list_executions(self._client, manifest),
            tally=self._tally,
            schedule=self._schedule,
            end_s=drive.end_s,
            epoch_unix_us=self._epoch_unix_us,
            clock_offset_us=offset_us,
            unresolved=drive.unresolved,
            lost_generators=drive.lost_generators,
            generator_processes=manifest.generator_processes,
            received=drive.received,
            choose_workload=mix.choose,
            deadline_s=min(5.0, settings.settle_timeout_s) if drive.interrupted else settings.settle_timeout_s,
        )

    async def _clean_up(self, spec: ConnectionSpec, drive: Drive) -> Cleanup:
        self._observer.phase("clean-up")
        open_before = self._tally.outcomes[Outcome.UNFINISHED]
        done, _ = await drive.clean_up(self._settings.cleanup_timeout_s / 4)
        rest = await cleanup.terminate_rest(
            self._client,
            spec,
            self._manifest,
            deadline_s=self._settings.cleanup_timeout_s,
            report=self._observer.detail,
        )
        return Cleanup(
            left_open=open_before,
            terminated_directly=done,
            terminated_by_batch=rest.terminated,
            remaining=rest.remaining,
            failure=rest.failure,
            commands=rest.commands,
        )

    # Writing

    async def _write_unstarted(self, environment: Environment) -> RunOutcome:
        """An interrupted run that has not begun: a result all the same, with nothing in it."""
        settlement = _nothing_settled()
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
                resolved_starts=0,
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
        self._writer.close()
        self._directory.finish_samples(settlement.server_times.get)
        self._directory.write_histograms(self._tally, self._epoch_unix_us / 1e6)
        self._directory.write_result(result)
        return RunOutcome(result=result, directory=self._directory.path)

    # What it knows of itself

    def _pids(self) -> dict[str, int]:
        own = {"coordinator": os.getpid()}
        if self._local is not None:
            own["server"] = self._local.pid
        return {**own, **self._fleet.pids()}

    def _workers(self) -> Workers:
        return Workers(
            processes=self._blueprint.worker_processes,
            options=worker_options(self._settings, self._blueprint.activity_slots),
        )

    def _usage(self) -> list[ProcessUsage]:
        own = os.times()
        coordinator = ProcessUsage(
            name="coordinator",
            cpu_s=own.user + own.system,
            max_rss_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        )
        return [coordinator, *(child.usage() for child in self._fleet.children)]

    def _snapshot(self) -> BenchSnapshot:
        tally, drive = self._tally, self._drive
        now_s = drive.now_s if drive is not None else 0.0
        return BenchSnapshot(
            outcomes={outcome.value: count for outcome, count in tally.outcomes.items()},
            scheduled=tally.scheduled,
            latency_buckets=_buckets(tally.latency, _LATENCY_BOUNDS_S),
            latency_sum_s=tally.latency.sum_us / 1e6,
            latency_count=tally.latency.count,
            lag_buckets=_buckets(tally.lag, _LAG_BOUNDS_S),
            lag_sum_s=tally.lag.sum_us / 1e6,
            lag_count=tally.lag.count,
            in_flight=drive.in_flight[-1] if drive is not None and drive.in_flight else 0,
            target_per_s=self._schedule.target_per_s(now_s),
        )


def _buckets(histogram: Histogram, bounds_s: Sequence[float]) -> list[tuple[float, int]]:
    cumulative = histogram.cumulative([round(bound_s * 1e6) for bound_s in bounds_s])
    return list(zip(bounds_s, cumulative, strict=True))


def _thresholds(settings: BenchSettings) -> list[Threshold]:
    named = from_named(settings.max_p99_latency_s, settings.min_throughput_per_s)
    return with_defaults([*named, *(parse(expression) for expression in settings.thresholds)])


def _share(whole: int, part: int, parts: int) -> int:
    """One part's share of a limit, the shares' sum being the whole."""
    return whole // parts + (1 if part < whole % parts else 0)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _nothing_settled() -> Settlement:
    return Settlement(
        reconciliation=Reconciliation(
            status="unavailable", settled_after_s=0.0, ours={}, server={}, detail="the run was stopped before"
        ),
        server_times=ServerTimes(),
        late=[],
        notes=[],
    )
