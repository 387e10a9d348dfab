"""Settings → what a run is to do: workloads, manifest, worker options. Pure but for reading workload files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from auroral.bench.manifest import Manifest, ManifestArrival, ManifestWorkload, digest
from auroral.bench.schedule import Schedule, plan
from auroral.bench.settings import BenchSettings
from auroral.bench.wire.supported import require_supported
from auroral.bench.workload import Workload, activity_slots, cautions, estimate, from_plain, to_plain
from auroral.bench.workload_file import load
from auroral.errors import ConfigurationError, Problem

SEPARATE_TASK_QUEUE = "auroral-benchmark"
"""Where workers run apart from the generator, both must name the same queue without having met."""

_TIMEOUT_MARGIN_S = 60.0
_LONGEST_WAIT_S = 600.0
"""Longer than a workflow waits for its turn on a server that still makes sense to measure."""


class Blueprint(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is to do."""

    manifest: Manifest
    workloads: list[Workload]
    worker_processes: int
    """Worker processes that this run starts."""
    working_generators: int = 0
    """Generators that are workers too."""
    activity_slots: int
    notes: list[str]


class WorkerPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What workers apart from their generator are to do."""

    task_queues: list[str]
    activity_slots: int
    note: str
    """Why there are as many slots; empty: no reason."""


def make_blueprint(
    settings: BenchSettings,
    *,
    run_id: str,
    nonce: str,
    namespace: str,
    cores: int,
    created_at: str,
    version: str,
    read_text: Callable[[Path], str],
) -> Blueprint:
    """Decide everything that a run's processes must agree on. Raises `ConfigurationError`."""
    workloads = _load_workloads(settings, read_text)
    weights = [choice.weight for choice in settings.workloads]
    apart = settings.generator_only or settings.worker_only
    if settings.engine == "wire":
        require_supported(workloads)
    working = settings.generator_processes if settings.eager_start else 0
    ours = settings.worker_count if settings.worker_count is not None else 0 if working else max(1, cores // 2)
    share = 1 if apart else max(1, ours + working)
    slots, note = _slots_for(settings, workloads, weights, settings.peak_rate_per_s / share)
    definitions = [to_plain(workload) for workload in workloads]
    arrival = plan(settings, duration_given=settings.duration_given)
    manifest = Manifest(
        run_id=run_id,
        nonce=nonce,
        namespace=namespace,
        task_queues=task_queues(settings, run_id),
        workloads=[
            ManifestWorkload(name=workload.name, weight=choice.weight, definition=definition, digest=digest(definition))
            for workload, choice, definition in zip(workloads, settings.workloads, definitions, strict=True)
        ],
        arrival=arrival,
        engine=settings.engine,
        eager_start=settings.eager_start,
        observe=settings.observe,
        generator_processes=settings.generator_processes if settings.spread is None else settings.spread,
        expected_workers=settings.worker_count or 1 if apart else ours + working,
        execution_timeout_s=execution_timeout_s(settings, arrival, workloads),
        auroral_version=version,
        created_at=created_at,
    )
    if settings.generator_only:
        note = ""  # the slots are those of workers elsewhere: only they know
    return Blueprint(
        manifest=manifest,
        workloads=workloads,
        worker_processes=0 if settings.generator_only else ours,
        working_generators=working,
        activity_slots=slots,
        notes=[*([note] if note else []), *(caution for workload in workloads for caution in cautions(workload))],
    )


def execution_timeout_s(settings: BenchSettings, arrival: ManifestArrival, workloads: Sequence[Workload]) -> float:
    """How long a workflow may live: to the end of a run of ten minutes and its drain, however long the run is."""
    schedule_s = min(_LONGEST_WAIT_S, Schedule(arrival).duration_s)
    longest_s = max(estimate(workload).longest_s for workload in workloads)
    return schedule_s + settings.drain_timeout_s + longest_s + _TIMEOUT_MARGIN_S


def plan_workers(settings: BenchSettings, *, manifest: Manifest | None, read_text: Callable[[Path], str]) -> WorkerPlan:
    """Decide what workers apart from their generator do: as its manifest says, else as the settings do.

    Raises `ConfigurationError`.
    """
    if manifest is None:
        queues, workloads = task_queues(settings, ""), _load_workloads(settings, read_text)
        weights, rate_per_s = [choice.weight for choice in settings.workloads], settings.peak_rate_per_s
        engine = settings.engine
    else:
        queues, workloads = manifest.task_queues, [from_plain(each.definition) for each in manifest.workloads]
        weights, rate_per_s = [each.weight for each in manifest.workloads], manifest.arrival.peak_rate_per_s
        engine = manifest.engine
    if engine == "wire":
        require_supported(workloads)
    # How many processes share the load is not known here: any one may have to carry all of it.
    slots, note = _slots_for(settings, workloads, weights, rate_per_s)
    return WorkerPlan(task_queues=queues, activity_slots=slots, note=note)


def _load_workloads(settings: BenchSettings, read_text: Callable[[Path], str]) -> list[Workload]:
    """Every workload of the mix. Raises `ConfigurationError` with the problems of them all."""
    workloads: list[Workload] = []
    problems: list[Problem] = []
    for choice in settings.workloads:
        try:
            workload = load(
                choice.source,
                activity_count=settings.activity_count,
                timer_duration_s=settings.timer_duration_s,
                child_count=settings.child_count,
                read_text=read_text,
            )
        except ConfigurationError as error:
            problems.extend(error.problems)
            continue
        if any(workload.name == other.name for other in workloads):
            expected = "a name that no other workload of the mix has"
            problems.append(Problem("workload", workload.name, choice.source, expected))
        workloads.append(workload)
    if problems:
        raise ConfigurationError(problems)
    return workloads


def _slots_for(
    settings: BenchSettings, workloads: Sequence[Workload], weights: Sequence[float], rate_per_s: float
) -> tuple[int, str]:
    """Activity slots of each worker process: as given, else the default or what waiting activities need."""
    if settings.worker.max_concurrent_activities is not None:
        return settings.worker.max_concurrent_activities, ""
    return activity_slots(workloads, rate_per_s, weights=weights)


def task_queues(settings: BenchSettings, run_id: str) -> list[str]:
    """Names of the run's task queues."""
    apart = settings.generator_only or settings.worker_only
    name = settings.task_queue or (SEPARATE_TASK_QUEUE if apart else run_id)
    if settings.task_queues == 1:
        return [name]
    return [f"{name}-{number}" for number in range(settings.task_queues)]
