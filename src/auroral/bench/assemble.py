"""Everything that was measured → the result document. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from auroral.bench.detect import find_limits, wait_notes
from auroral.bench.histogram import Histogram
from auroral.bench.limits import Reading
from auroral.bench.manifest import Manifest
from auroral.bench.progress import GeneratorSnapshot
from auroral.bench.result import (
    Cleanup,
    ConfigValue,
    Environment,
    Interactions,
    Observed,
    ProcessUsage,
    Reconciliation,
    Result,
    Series,
    Workers,
)
from auroral.bench.samples import InteractionKind, Observation
from auroral.bench.schedule import Schedule
from auroral.bench.settings import BenchSettings
from auroral.bench.tally import Tally
from auroral.bench.thresholds import Facts, Threshold, evaluate
from auroral.bench.verdict import VerdictFacts, judge


class Measured(msgspec.Struct, kw_only=True):
    """What a run has gathered."""

    manifest: Manifest
    schedule: Schedule
    tally: Tally
    started_at: str
    end_s: float
    drain_s: float
    interrupted: bool
    configuration: list[ConfigValue]
    environment: Environment
    readings: list[Reading]
    unread: list[str]
    in_flight: list[int]
    refused_waits: int
    resolved_starts: int
    interactions: Mapping[InteractionKind, tuple[int, Mapping[str, int], Histogram]]
    workers: Workers
    processes: list[ProcessUsage]
    reconciliation: Reconciliation
    cleanup: Cleanup
    thresholds: Sequence[Threshold]
    notes: list[str]


def assemble(measured: Measured) -> Result:
    """Make the document: counts, times, limits, thresholds and verdict."""
    tally = measured.tally
    outcomes = {outcome.value: count for outcome, count in tally.outcomes.items()}
    times, windows = tally.times(), tally.windows()
    judged = [window for window in windows if window.kind in ("steady", "stage") and window.target_per_s > 0]
    facts = Facts(times=times, judged=judged, outcomes=outcomes, scheduled=tally.scheduled)
    thresholds = [evaluate(threshold, facts) for threshold in measured.thresholds]
    verdict = judge(
        VerdictFacts(
            scheduled=tally.scheduled,
            outcomes=outcomes,
            thresholds=thresholds,
            reconciliation=measured.reconciliation,
            lost=[process for process in measured.processes if process.lost],
            interrupted=measured.interrupted,
            times=times,
            steady_s=_driven_steady_s(measured),
        )
    )
    report = find_limits(measured.readings, unread=measured.unread, local_server=measured.environment.local_server)
    return Result(
        manifest=measured.manifest,
        started_at=measured.started_at,
        duration_s=measured.end_s,
        drain_s=measured.drain_s,
        interrupted=measured.interrupted,
        configuration=measured.configuration,
        environment=measured.environment,
        scheduled=tally.scheduled,
        outcomes=outcomes,
        causes=tally.causes(),
        times=times,
        windows=windows,
        series=with_in_flight(tally.series(measured.end_s + measured.drain_s, measured.schedule), measured.in_flight),
        percentile_curve=tally.curve(),
        observed=Observed(
            watched=tally.observations[Observation.WATCHED],
            swept=tally.observations[Observation.SWEPT],
            refused_waits=measured.refused_waits,
            resolved_starts=measured.resolved_starts,
        ),
        interactions=[
            Interactions(
                kind=kind,
                sent=sent,
                failed=sum(causes.values()),
                causes=dict(causes),
                time=spent.quantiles(sum(causes.values())),
            )
            for kind, (sent, causes, spent) in sorted(measured.interactions.items())
        ],
        readings=measured.readings,
        limits=report,
        workers=measured.workers,
        processes=measured.processes,
        reconciliation=measured.reconciliation,
        cleanup=measured.cleanup,
        thresholds=thresholds,
        verdict=verdict,
        notes=[*measured.notes, *wait_notes(measured.readings)],
    )


def _driven_steady_s(measured: Measured) -> float:
    """How much of the schedule after its ramp was driven."""
    return sum(
        window.end_s - window.start_s for window in measured.schedule.windows(measured.end_s) if window.kind != "ramp"
    )


def with_in_flight(series: Series, in_flight: Sequence[int]) -> Series:
    """The series with the counts that the generators gave of themselves."""
    length = len(series.t_s)
    column = [*in_flight[:length], *([in_flight[-1] if in_flight else 0] * (length - len(in_flight)))]
    return msgspec.structs.replace(series, in_flight=column)


def worker_options(settings: BenchSettings, activity_slots: int) -> dict[str, int | float | bool | str]:
    """The workers' options as the result states them."""
    options: dict[str, int | float | bool | str] = msgspec.structs.asdict(settings.worker)
    options["max_concurrent_activities"] = activity_slots
    return options


_LATENCY_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_LAG_BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


def snapshot(
    process: str,
    *,
    outcomes: Mapping[str, int],
    scheduled: int,
    latency: Histogram,
    lag: Histogram,
    in_flight: int,
) -> GeneratorSnapshot:
    """The state of one generator under way, for the run's Prometheus endpoint."""
    return GeneratorSnapshot(
        process=process,
        outcomes=dict(outcomes),
        scheduled=scheduled,
        latency_buckets=_buckets(latency, _LATENCY_BOUNDS_S),
        latency_sum_s=latency.sum_us / 1e6,
        latency_count=latency.count,
        lag_buckets=_buckets(lag, _LAG_BOUNDS_S),
        lag_sum_s=lag.sum_us / 1e6,
        lag_count=lag.count,
        in_flight=in_flight,
    )


def _buckets(histogram: Histogram, bounds_s: Sequence[float]) -> list[tuple[float, int]]:
    cumulative = histogram.cumulative([round(bound_s * 1e6) for bound_s in bounds_s])
    return list(zip(bounds_s, cumulative, strict=True))
