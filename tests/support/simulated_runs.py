"""A small simulation makes each result, so that its numbers agree with one another."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache

from auroral.bench import result as r
from auroral.bench.limits import LimitReport, QueueReading, Reading, SlotsReading
from auroral.bench.manifest import Manifest, ManifestArrival, ManifestWorkload, digest

NEVER_SENT = {"back_pressured", "generator_limited"}


@dataclass(frozen=True)
class Start:
    """One simulated start. Times in seconds since the epoch; `latency_ms` is None where it did not complete."""

    intended_s: float
    outcome: str
    latency_ms: float | None
    lag_ms: float = 0.4
    start_ms: float = 2.5
    cause: str = ""


Behaviour = Callable[[random.Random, float], tuple[str, float | None, str]]


@dataclass(frozen=True)
class Plan:
    """What to simulate."""

    run_id: str
    segments: list[tuple[float, float, float]]
    behave: Behaviour
    ramp_s: float = 0.0
    staged: bool = False
    drain_s: float = 2.0
    seed: int = 7
    workload: str = "multi-activity"
    driven_s: float | None = None
    extra: dict[str, object] = field(default_factory=dict)


def rate_at(segments: Sequence[tuple[float, float, float]], t_s: float) -> float:
    for duration_s, first, last in segments:
        if t_s < duration_s:
            return first + (last - first) * t_s / duration_s
        t_s -= duration_s
    return 0.0


def quantiles(measured: list[float], censored: int = 0) -> r.Quantiles:
    ordered = sorted(measured)
    count = len(ordered) + censored

    def at(share: float) -> float | None:
        rank = max(1, math.ceil(share * count))
        return round(ordered[rank - 1], 3) if count and rank <= len(ordered) else None

    return r.Quantiles(
        count=count,
        censored=censored,
        min_ms=round(ordered[0], 3) if ordered else None,
        mean_ms=round(sum(ordered) / len(ordered), 3) if ordered else None,
        p50_ms=at(0.5),
        p90_ms=at(0.9),
        p95_ms=at(0.95),
        p99_ms=at(0.99),
        p999_ms=at(0.999),
        max_ms=at(1.0),
    )


def latency_of(starts: list[Start]) -> r.Quantiles:
    measured = [start.latency_ms for start in starts if start.latency_ms is not None]
    return quantiles(measured, len(starts) - len(measured))


def starts_of(plan: Plan, schedule_s: float) -> list[Start]:
    rng, starts = random.Random(plan.seed), []
    for t_s in _intended_s(tuple(plan.segments), schedule_s):
        outcome, latency_ms, cause = plan.behave(rng, t_s)
        lag_ms, start_ms = 0.2 + 0.6 * rng.random(), 1.5 + 3 * rng.random()
        starts.append(Start(t_s, outcome, latency_ms, lag_ms, start_ms, cause))
    return starts


@cache
def _intended_s(segments: tuple[tuple[float, float, float], ...], schedule_s: float) -> tuple[float, ...]:
    """When each start is due; many plans have the same load."""
    due, owed = [], 0.0
    step_s = 0.001 if max(max(s[1], s[2]) for s in segments) > 20 else 0.1
    for step in range(round(schedule_s / step_s)):
        t_s = step * step_s
        owed += rate_at(segments, t_s) * step_s
        while owed >= 1:
            owed -= 1
            due.append(t_s)
    return tuple(due)


def series_of(plan: Plan, starts: list[Start], seconds: int, schedule_s: float) -> r.Series:
    by_second: list[list[Start]] = [[] for _ in range(seconds)]
    columns = {name: [0] * seconds for name in ("sent", "accepted", "completed", "failed", "rejected", "dropped")}
    change = [0] * (seconds + 1)
    for start in starts:
        second = int(start.intended_s)
        by_second[second].append(start)
        if start.outcome in NEVER_SENT:
            columns["dropped"][second] += 1
            continue
        columns["sent"][second] += 1
        if start.outcome == "rejected":
            columns["rejected"][second] += 1
            continue
        columns["accepted"][second] += 1
        change[second] += 1
        if start.latency_ms is not None:
            closed = min(seconds - 1, int(start.intended_s + start.latency_ms / 1000))
            columns["completed"][closed] += 1
            change[closed] -= 1
        elif start.outcome != "unfinished":
            closed = min(seconds - 1, second + 1)
            columns["failed"][closed] += 1
            change[closed] -= 1
    in_flight, open_now = [], 0
    for second in range(seconds):
        open_now += change[second]
        in_flight.append(open_now)
    latency = [latency_of(group) for group in by_second]
    return r.Series(
        t_s=list(range(seconds)),
        target_per_s=[
            round(rate_at(plan.segments, t + 0.5), 3) if t + 0.5 < schedule_s else 0.0 for t in range(seconds)
        ],
        intended=[len(group) for group in by_second],
        in_flight=in_flight,
        latency_p50_ms=[q.p50_ms for q in latency],
        latency_p99_ms=[q.p99_ms for q in latency],
        latency_max_ms=[q.max_ms for q in latency],
        lag_p99_ms=[quantiles([s.lag_ms for s in group]).p99_ms for group in by_second],
        **columns,
    )


def windows_of(plan: Plan, starts: list[Start], series: r.Series, schedule_s: float) -> list[r.Window]:
    bounds: list[tuple[str, str, float, float]] = []
    if plan.staged:
        at_s = 0.0
        for number, (duration_s, first, last) in enumerate(plan.segments, 1):
            end_s = min(schedule_s, at_s + duration_s)
            bounds.append((f"stage {number}: {first:g} → {last:g}/s", "stage", at_s, end_s))
            at_s = end_s
    else:
        if plan.ramp_s:
            bounds.append(("ramp", "ramp", 0.0, min(plan.ramp_s, schedule_s)))
        if schedule_s > plan.ramp_s:
            bounds.append(("steady", "steady", plan.ramp_s, schedule_s))
    bounds.append(("drain", "drain", schedule_s, schedule_s + plan.drain_s))
    windows = []
    for name, kind, start_s, end_s in bounds:
        inside = [i for i, t in enumerate(series.t_s) if start_s <= t < end_s]
        length_s = max(1e-9, end_s - start_s)

        def rate(column: list[int], inside: list[int] = inside, length_s: float = length_s) -> float:
            return round(sum(column[i] for i in inside) / length_s, 3)

        completed_per_s = rate(series.completed)
        windows.append(
            r.Window(
                name=name,
                kind=kind,  # type: ignore[arg-type]
                start_s=start_s,
                end_s=end_s,
                target_per_s=rate(series.intended),
                offered_per_s=rate(series.sent),
                started_per_s=rate(series.accepted),
                completed_per_s=completed_per_s,
                state_transitions_per_s=round(completed_per_s * 17, 3) if completed_per_s else None,
                latency=latency_of([s for s in starts if start_s <= s.intended_s < end_s]),
            )
        )
    return windows


def curve_of(starts: list[Start]) -> list[r.CurvePoint]:
    if not starts:
        return []
    ordered = sorted(s.latency_ms for s in starts if s.latency_ms is not None)
    points, percentile, total = [], 0.0, len(starts)
    while 100 - percentile > 100 / total / 2:
        rank = max(1, math.ceil(percentile / 100 * total))
        points.append((percentile, round(ordered[rank - 1], 3) if rank <= len(ordered) else None))
        percentile += (100 - percentile) / 10
    points.append((100.0, round(ordered[-1], 3) if len(ordered) == total else None))
    return [r.CurvePoint(percentile=round(p, 6), latency_ms=v) for p, v in points]


def readings_of(series: r.Series, limit: int, hot: float) -> list[Reading]:
    readings = []
    for i, t in enumerate(series.t_s):
        busy = series.accepted[i] / max(1, max(series.accepted, default=1))
        readings.append(
            Reading(
                t_s=float(t + 1),
                in_flight=series.in_flight[i],
                in_flight_limit=limit,
                watchers=min(1000, series.in_flight[i]),
                watcher_limit=1000,
                refusals={"RESOURCE_EXHAUSTED/RPS_LIMIT/NAMESPACE": series.rejected[i]} if series.rejected[i] else {},
                back_pressured=series.dropped[i],
                lag_p99_ms=series.lag_p99_ms[i],
                workflow_queue=QueueReading(backlog=int(series.in_flight[i] * 0.3), pollers=32),
                activity_queue=QueueReading(backlog=int(series.in_flight[i] * 0.1), pollers=32) if i % 17 else None,
                slots={
                    "WorkflowWorker": SlotsReading(used=int(180 * busy), available=400 - int(180 * busy)),
                    "ActivityWorker": SlotsReading(used=int(390 * busy), available=400 - int(390 * busy)),
                },
                pollers={"workflow_task": 32, "activity_task": 32},
                cpu={
                    "generator-0": round(0.45 * busy, 3),
                    "worker-0": round(hot * busy, 3),
                    "worker-1": round(hot * 0.95 * busy, 3),
                    "coordinator": 0.05,
                    "server": round(1.6 * busy, 3),
                },
                machine_cpu=round(min(1.0, 0.08 + 0.8 * busy), 3),
                server={"persistence_latency_mean_ms": 4.2, "service_requests_per_s": 60 * busy},
            )
        )
    return readings


def manifest_of(plan: Plan) -> Manifest:
    definition = {"steps": [{"activity": {"count": 5, "parallel": False, "duration": "0 s"}}]}
    return Manifest(
        run_id=plan.run_id,
        namespace="benchmark",
        task_queues=[plan.run_id],
        workloads=[ManifestWorkload(name=plan.workload, weight=1.0, definition=definition, digest=digest(definition))],
        arrival=ManifestArrival(
            process="constant", segments=plan.segments, ramp_s=plan.ramp_s, count=None, seed=1, staged=plan.staged
        ),
        engine="sdk",
        observe="watch",
        auroral_version="0.1.0",
        created_at="2026-11-20T09:59:51Z",
    )


CONFIGURATION = [
    ("workload", "multi-activity", "--workload"),
    ("activity-count", "5", "default"),
    ("target-rate", "100/s", "BENCHMARK_TARGET_RATE"),
    ("duration", "60 s", "bench.toml"),
    ("ramp-up", "10 s", "--ramp-up"),
    ("max-in-flight", "10000", "default"),
]


def build(plan: Plan, **changes: object) -> r.Result:
    """Simulate a plan and wrap it as a result; `changes` replace fields of it."""
    planned_s = sum(duration_s for duration_s, _, _ in plan.segments)
    schedule_s = plan.driven_s if plan.driven_s is not None else planned_s
    starts = starts_of(plan, schedule_s)
    seconds = math.ceil(schedule_s + plan.drain_s)
    series = series_of(plan, starts, seconds, schedule_s)
    outcomes = dict(sorted(Counter(start.outcome for start in starts).items()))
    causes = Counter((start.outcome, start.cause) for start in starts if start.cause)
    completed = [start for start in starts if start.latency_ms is not None]
    sent = [start for start in starts if start.outcome not in NEVER_SENT]
    counted = {"completed": len(completed), "running": outcomes.get("unfinished", 0)}
    fields: dict[str, object] = {
        "manifest": manifest_of(plan),
        "started_at": "2026-11-20T10:00:00Z",
        "duration_s": schedule_s,
        "drain_s": plan.drain_s,
        "interrupted": False,
        "configuration": [r.ConfigValue(name=n, value=v, origin=o) for n, v, o in CONFIGURATION],
        "environment": r.Environment(
            address="temporal.internal:7233",
            server_version="1.29.1",
            persistence_store="dsql",
            visibility_store="opensearch",
            history_shards=4096,
            auroral_version="0.1.0",
            sdk_version="1.35.0",
            python_version="3.11.7",
            platform="Linux 6.1 x86_64",
            cpu_model="Graviton4",
            cores=4,
            memory_bytes=16 * 1024**3,
            instance_type="c8g.xlarge",
            availability_zone="eu-central-1a",
            clock_offset_ms=-0.31,
            clock_offset_error_ms=0.4,
        ),
        "scheduled": len(starts),
        "outcomes": outcomes,
        "causes": [
            r.CauseCount(outcome=outcome, cause=cause, count=count) for (outcome, cause), count in causes.items()
        ],
        "times": r.Times(
            latency=latency_of(starts),
            latency_completed=latency_of(completed),
            service_time=quantiles([s.latency_ms - s.lag_ms for s in completed if s.latency_ms is not None]),
            start_latency=quantiles([s.start_ms for s in sent if s.outcome != "rejected"]),
            lag=quantiles([s.lag_ms for s in sent]),
            server_time=quantiles([s.latency_ms * 0.93 for s in completed if s.latency_ms is not None]),
        ),
        "windows": windows_of(plan, starts, series, schedule_s),
        "series": series,
        "percentile_curve": curve_of(starts),
        "observed": r.Observed(watched=len(completed), swept=0, refused_waits=0, resolved_starts=0),
        "interactions": [],
        "readings": readings_of(series, limit=10_000, hot=0.6),
        "limits": LimitReport(findings=[]),
        "workers": r.Workers(
            processes=2,
            options={"max_concurrent_workflow_tasks": 200, "workflow_task_pollers": 32, "eager_activities": True},
        ),
        "processes": [
            r.ProcessUsage(name="generator-0", cpu_s=24.1, max_rss_bytes=96 * 1024**2),
            r.ProcessUsage(name="worker-0", cpu_s=31.7, max_rss_bytes=141 * 1024**2),
            r.ProcessUsage(name="worker-1", cpu_s=30.2, max_rss_bytes=139 * 1024**2),
            r.ProcessUsage(name="coordinator", cpu_s=3.1, max_rss_bytes=88 * 1024**2),
        ],
        "reconciliation": r.Reconciliation(status="agreed", settled_after_s=1.4, ours=counted, server=counted),
        "cleanup": r.Cleanup(left_open=0, terminated_directly=0, terminated_by_batch=0, remaining=0),
        "thresholds": [r.ThresholdResult(expression="latency.p99<2s", observed="1.09 s", passed=True)],
        "verdict": r.Verdict(status="pass", reasons=["all thresholds held and nothing failed"]),
    }
    return r.Result(**{**fields, **plan.extra, **changes})  # type: ignore[arg-type]
