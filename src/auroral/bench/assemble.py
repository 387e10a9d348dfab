"""Everything that was measured → the result document. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from auroral.bench.detect import find_limits, wait_notes
from auroral.bench.histogram import Histogram
from auroral.bench.limits import Reading
from auroral.bench.manifest import Manifest
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
    steady = next((window for window in reversed(windows) if window.kind in ("steady", "stage")), None)
    facts = Facts(times=times, steady=steady, outcomes=outcomes, scheduled=tally.scheduled)
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
            Interactions(kind=kind, sent=sent, failed=sum(causes.values()), causes=dict(causes), time=spent.quantiles())
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
