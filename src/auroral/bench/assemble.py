"""Everything that was measured → the result document. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from auroral.bench.detect import find_limits, wait_notes
from auroral.bench.histogram import Histogram
from auroral.bench.limits import Reading
from auroral.bench.manifest import Manifest, WorkerIdentity
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
    SpreadGenerator,
    Workers,
    WorkerSeen,
)
from auroral.bench.samples import InteractionKind, Observation
from auroral.bench.schedule import Schedule
from auroral.bench.settings import BenchSettings
from auroral.bench.spread.plan import clock_remarks
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
    interactions: Mapping[InteractionKind, tuple[int, Mapping[str, int], Histogram]]
    workers: Workers
    processes: list[ProcessUsage]
    reconciliation: Reconciliation
    cleanup: Cleanup
    thresholds: Sequence[Threshold]
    notes: list[str]
    spread: Sequence[SpreadGenerator] = ()
    """The generators of a run over several machines."""


def assemble(measured: Measured) -> Result:
    """Make the document: counts, times, limits, thresholds and verdict."""
    tally = measured.tally
    outcomes = {outcome.value: count for outcome, count in tally.outcomes.items()}
    times, windows = tally.times(), tally.windows()
    judged = [window for window in windows if window.kind in ("steady", "stage") and window.target_per_s > 0]
    facts = Facts(times=times, judged=judged, outcomes=outcomes, scheduled=tally.scheduled)
    thresholds = [evaluate(threshold, facts) for threshold in measured.thresholds]
    clock_notes, clock_doubts = clock_remarks(measured.spread)
    verdict = judge(
        VerdictFacts(
            scheduled=tally.scheduled,
            outcomes=outcomes,
            thresholds=thresholds,
            reconciliation=measured.reconciliation,
            doubts=clock_doubts,
            lost=[process for process in measured.processes if process.lost],
            interrupted=measured.interrupted,
            times=times,
            steady_s=_driven_steady_s(measured),
        )
    )
    unread = [*measured.unread, *(_UNREAD_ELSEWHERE if measured.readings and not measured.workers.processes else ())]
    report = find_limits(measured.readings, unread=unread, local_server=measured.environment.local_server)
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
            resolved_starts=tally.resolved_starts,
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
        spread=list(measured.spread),
        reconciliation=measured.reconciliation,
        cleanup=measured.cleanup,
        thresholds=thresholds,
        verdict=verdict,
        notes=[*measured.notes, *clock_notes, *wait_notes(measured.readings)],
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


_Options = dict[str, int | float | bool | str]
_UNREAD_ELSEWHERE = ("worker slots, pollers and CPU: the workers run elsewhere",)


def workers_stated(
    settings: BenchSettings, *, processes: int, activity_slots: int, seen: Sequence[WorkerIdentity]
) -> Workers:
    """The workers as the result states them: `processes` of ours, as told; else only what those elsewhere tell."""
    found = [
        WorkerSeen(
            where=worker.where,
            auroral_version=worker.auroral_version,
            manifest_digest=worker.manifest_digest,
            workflow_task_slots=worker.slots[0],
            activity_slots=worker.slots[1],
            local_activity_slots=worker.slots[2],
        )
        for worker in sorted(seen, key=lambda worker: worker.where)
    ]
    if processes:
        options: _Options = msgspec.structs.asdict(settings.worker)
        options["max_concurrent_activities"] = activity_slots
        return Workers(processes=processes, options=options, seen=found)
    notes = ["The workers run elsewhere: their CPU, their cache and their sticky settings are not known here."]
    has = sum(worker.activity_slots for worker in found)
    if found and has < activity_slots:
        notes.append(
            f"The workers have {has:,} activity slots in all; for these workloads at this rate {activity_slots:,} "
            "would be chosen."
        )
    return Workers(processes=0, options=_options_told(seen), seen=found, notes=notes)


def _options_told(seen: Sequence[WorkerIdentity]) -> _Options:
    """Each option of the workers elsewhere, a text where they differ; and how many slots they have together."""
    if not seen:
        return {}
    each: dict[str, list[int | float | bool]] = {
        "max_concurrent_workflow_tasks": [worker.slots[0] for worker in seen],
        "max_concurrent_activities": [worker.slots[1] for worker in seen],
        "max_concurrent_local_activities": [worker.slots[2] for worker in seen],
        "workflow_task_pollers": [worker.pollers[0] for worker in seen],
        "activity_task_pollers": [worker.pollers[1] for worker in seen],
        "nonsticky_to_sticky_poll_ratio": [worker.nonsticky_ratio for worker in seen],
        "eager_activities": [worker.eager_activities > 0 for worker in seen],
        "max_eager_activities_per_workflow_task": [
            worker.eager_activities for worker in seen if worker.eager_activities
        ],
    }
    options: _Options = {}
    for name, values in each.items():
        different = sorted(set(values))
        if different:
            options[name] = different[0] if len(different) == 1 else "differing: " + ", ".join(map(str, different))
    for number, kind in enumerate(("workflow_task", "activity", "local_activity")):
        options[f"all_{kind}_slots"] = sum(worker.slots[number] for worker in seen)
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
