"""The charts of one run: what of its result goes on which axis. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from auroral.bench.limits import QueueReading, Reading
from auroral.bench.result import CurvePoint, Result
from auroral.report import words
from auroral.report.charts import Band, Drawing, Lane, Line, Marker, Plot, draw
from auroral.report.scales import Value, time_ticks
from auroral.units import format_number

_PALETTE = ("blue", "orange", "green", "purple", "red", "sky", "grey")


def end_s(result: Result) -> float:
    """Where the time axis ends: schedule and drain, or the last second that was seen."""
    last_s = result.series.t_s[-1] + 1 if result.series.t_s else 0
    read_s = result.readings[-1].t_s if result.readings else 0.0
    return max(1.0, result.duration_s + result.drain_s, last_s, read_s)


def rates(result: Result) -> Drawing | None:
    """Target, sent and completed per second; failed, rejected and dropped marked where there were any."""
    series = result.series
    if not series.t_s:
        return None
    lines = [
        Line("target", "grey", series.target_per_s, "under"),
        Line("sent", "orange", series.sent),
        Line("completed", "blue", series.completed),
    ]
    troubles = (
        ("failed", "purple", series.failed),
        ("rejected", "red", series.rejected),
        ("dropped", "dark", series.dropped),
    )
    happened = [(label, color, counts) for label, color, counts in troubles if any(counts)]
    lines += [Line(label, color, counts, "area") for label, color, counts in happened]
    lanes = [Lane(label, color, _levels(counts, series.intended)) for label, color, counts in happened]
    completed = sum(series.completed)
    description = (
        f"{completed:,} workflows completed in {words.clock(end_s(result))}; "
        f"at most {max(series.completed, default=0):,} in one second."
    )
    return _over_time(
        result, "rates", "Rates over time", description, lines, print_value=words.rate, lanes=lanes, height=240
    )


def latency(result: Result) -> Drawing | None:
    """p50, p99 and max of the starts intended in each second; what did not complete is marked, never bridged."""
    series = result.series
    if not series.t_s:
        return None
    columns = (series.latency_max_ms, series.latency_p99_ms, series.latency_p50_ms)
    missing = ["" if not intended else words.DID_NOT_COMPLETE for intended in series.intended]
    levels = [sum(column[i] is None for column in columns) if series.intended[i] else 0 for i in range(len(series.t_s))]
    lanes = [Lane("incomplete", "red", levels)] if any(levels) else []
    lines = [
        Line("max", "grey", columns[0], "thin", missing),
        Line("p99", "orange", columns[1], "line", missing),
        Line("p50", "blue", columns[2], "line", missing),
    ]
    seconds = sum(1 for level in levels if level)
    overall = result.times.latency
    description = (
        f"Over the run p50 {words.quantile(overall, 'p50_ms')}, p99 {words.quantile(overall, 'p99_ms')}, "
        f"max {words.quantile(overall, 'max_ms')}. In {seconds:,} seconds some starts did not complete."
    )
    return _over_time(
        result,
        "latency",
        "Latency over time",
        description,
        lines,
        print_value=words.ms,
        lanes=lanes,
        log=True,
        height=240,
    )


def percentiles(result: Result) -> Drawing | None:
    """The latency percentile curve on HdrHistogram's axis; it ends where starts did not complete."""
    points = sorted(result.percentile_curve, key=_percentile)
    overall = result.times.latency
    if not points or not overall.count:
        return None
    inner = [point.percentile for point in points if point.percentile < 100]
    nines = max(1.0, *(_nines(percentile) for percentile in inner)) if inner else 1.0
    nines = max(nines, math.log10(2 * overall.count)) if overall.count > 5 else nines

    def at(percentile: float) -> float:
        return 1.0 if percentile >= 100 else min(1.0, _nines(percentile) / nines)

    candidates = [0.0, 50.0, *(100 - 100 * 10.0**-power for power in range(1, math.ceil(nines)))]
    ticks = [(at(percentile), f"{percentile:.10g} %") for percentile in candidates if at(percentile) <= 0.93]
    bands = []
    if overall.censored:
        boundary = 100 * (1 - overall.censored / overall.count)
        share = words.share(overall.censored, overall.count)
        bands = [Band(at(boundary), 1.0, f"{words.DID_NOT_COMPLETE}: {share} of the starts", "censored")]
        slowest_ms = result.times.latency_completed.max_ms
        if slowest_ms is not None:
            # All that completed lies below the boundary, so its slowest stands exactly there.
            points = sorted([*points, CurvePoint(percentile=boundary, latency_ms=slowest_ms)], key=_percentile)
    missing = [words.DID_NOT_COMPLETE if point.latency_ms is None else "" for point in points]
    values = [point.latency_ms for point in points]
    lines = [Line("latency", "blue", values, "line", missing)]
    measured = [value for value in values if value]
    plot = Plot(
        id="percentiles",
        title="Latency by percentile",
        description="; ".join(f"{q.label} {words.quantile(overall, q.field)}" for q in words.QUANTILES),
        x=[at(point.percentile) for point in points],
        x_ticks=[*ticks, (1.0, "max")],
        x_unit="",
        x_label=lambda first, _last: f"{points[first].percentile:.7g} %" if points[first].percentile < 100 else "max",
        lines=lines,
        print_value=words.ms,
        bands=bands,
        log=bool(measured) and max(measured) > 50 * min(measured),
        height=260,
    )
    return draw(plot)


def limits(result: Result) -> list[Drawing]:
    """What was sampled each second: in flight, backlog, slots, CPU, lag, refusals; only what could be read."""
    drawn = [_in_flight(result), _backlog(result), _slots(result), _cpu(result), _lag(result), _refusals(result)]
    return [drawing for drawing in drawn if drawing is not None]


def _in_flight(result: Result) -> Drawing | None:
    if not result.series.t_s:
        return None
    peak = max(result.series.in_flight, default=0)
    limit = max((reading.in_flight_limit for reading in result.readings), default=0)
    about = f"At most {peak:,} workflows open at once" + (f", of {limit:,} allowed." if limit else ".")
    lines = [Line("in flight", "blue", result.series.in_flight)]
    if limit and peak >= limit / 2:
        lines.insert(0, Line("limit", "grey", [float(limit)] * len(result.series.t_s), "under"))
    return _over_time(result, "in-flight", "Workflows in flight", about, lines, print_value=format_number, height=130)


def _backlog(result: Result) -> Drawing | None:
    queues: tuple[tuple[str, str, Callable[[Reading], QueueReading | None]], ...] = (
        ("workflow tasks", "blue", lambda reading: reading.workflow_queue),
        ("activity tasks", "orange", lambda reading: reading.activity_queue),
    )
    lines = []
    for label, color, queue in queues:
        values = [None if (q := queue(reading)) is None else float(q.backlog) for reading in result.readings]
        if any(value is not None for value in values):
            lines.append(Line(label, color, values, "line", ["not read"] * len(values)))
    return _read_over_time(result, "backlog", "Backlog of the task queues", lines, format_number)


def _slots(result: Result) -> Drawing | None:
    kinds = sorted({kind for reading in result.readings for kind in reading.slots})
    lines = []
    for kind, color in zip(kinds, _PALETTE, strict=False):
        values = [None if (s := reading.slots.get(kind)) is None else float(s.used) for reading in result.readings]
        most = max(s.used + s.available for reading in result.readings if (s := reading.slots.get(kind)) is not None)
        name = {"WorkflowWorker": "workflow tasks", "ActivityWorker": "activities"}.get(kind, "")
        name = name or {"LocalActivityWorker": "local activities"}.get(kind, kind)
        lines.append(Line(f"{name} (of {most:,})", color, values, "line", ["not read"] * len(values)))
    return _read_over_time(result, "slots", "Worker slots in use", lines, format_number)


def _cpu(result: Result) -> Drawing | None:
    names = sorted({name for reading in result.readings for name in reading.cpu})
    groups = {name: [name] for name in names}
    if len(names) > 6:
        groups = {}
        for name in names:
            stem = name.rstrip("0123456789").rstrip("-")
            groups.setdefault(stem, []).append(name)
    lines = []
    for (label, members), color in zip(groups.items(), _PALETTE, strict=False):
        values: list[Value] = [
            max((reading.cpu[name] for name in members if name in reading.cpu), default=None)
            for reading in result.readings
        ]
        text = label if len(members) == 1 else f"busiest {label} of {len(members)}"
        lines.append(Line(text, color, values, "line", ["not read"] * len(values)))
    cores = result.environment.cores
    if cores and any(reading.machine_cpu is not None for reading in result.readings):
        busy = [None if r.machine_cpu is None else r.machine_cpu * cores for r in result.readings]
        lines.insert(0, Line(f"whole machine (of {cores})", "grey", busy, "under"))
    return _read_over_time(result, "cpu", "CPU in use, cores", lines, format_number)


def _lag(result: Result) -> Drawing | None:
    series = result.series
    if not any(value is not None for value in series.lag_p99_ms):
        return None
    lines = [Line("lag p99", "green", series.lag_p99_ms, "line", ["nothing sent"] * len(series.t_s))]
    about = f"How late our own generator sent: p99 {words.quantile(result.times.lag, 'p99_ms')} over the run."
    return _over_time(result, "lag", "Lag of the generator", about, lines, print_value=words.ms, height=130)


def _refusals(result: Result) -> Drawing | None:
    totals: dict[str, int] = {}
    for reading in result.readings:
        for cause, count in reading.refusals.items():
            totals[cause] = totals.get(cause, 0) + count
    causes = sorted(totals, key=lambda cause: (-totals[cause], cause))[: len(_PALETTE)]
    colors = ("red", "orange", "purple", "blue", "green", "sky", "grey")
    lines = [
        Line(cause, color, [float(reading.refusals.get(cause, 0)) for reading in result.readings], "area")
        for cause, color in zip(causes, colors, strict=False)
    ]
    return _read_over_time(result, "refusals", "Requests that the server refused", lines, words.rate)


def _read_over_time(
    result: Result, identifier: str, title: str, lines: list[Line], print_value: Callable[[float], str]
) -> Drawing | None:
    if not lines:
        return None
    peaks = [(line.label, max((value for value in line.values if value is not None), default=0.0)) for line in lines]
    about = "Highest: " + ", ".join(f"{label} {print_value(peak)}" for label, peak in peaks) + "."
    times_s = [reading.t_s for reading in result.readings]
    return _over_time(result, identifier, title, about, lines, print_value=print_value, times_s=times_s, height=130)


def _over_time(
    result: Result,
    identifier: str,
    title: str,
    description: str,
    lines: Sequence[Line],
    *,
    print_value: Callable[[float], str],
    lanes: Sequence[Lane] = (),
    times_s: Sequence[float] | None = None,
    log: bool = False,
    height: int = 220,
) -> Drawing:
    length_s = end_s(result)
    # A second of the series is drawn at its middle; a reading stands for the second that it ends.
    middles_s = [t + 0.5 for t in result.series.t_s] if times_s is None else [max(0.0, t - 0.5) for t in times_s]
    first = result.limits.first
    plot = Plot(
        id=identifier,
        title=title,
        description=description,
        x=[min(1.0, t / length_s) for t in middles_s],
        x_ticks=[(tick / length_s, words.clock(tick)) for tick in time_ticks(length_s)],
        x_unit="h:m:s" if length_s >= 3600 else "m:s",
        x_label=lambda a, b: (
            words.clock(middles_s[a] - 0.5) + ("" if a == b else f" – {words.clock(middles_s[b] + 0.5)}")
        ),
        lines=lines,
        print_value=print_value,
        lanes=lanes,
        bands=[Band(w.start_s / length_s, w.end_s / length_s, w.name, w.kind) for w in result.windows],
        markers=[] if first is None else [Marker(first.since_s / length_s, "first limit")],
        log=log,
        height=height,
        empty="nothing completed" if identifier == "latency" else "",
    )
    return draw(plot)


def _levels(counts: Sequence[int], intended: Sequence[int]) -> list[int]:
    levels = []
    for count, of in zip(counts, intended, strict=True):
        part = count / of if of else 1.0
        levels.append(0 if not count else 3 if part >= 0.5 else 2 if part >= 0.01 else 1)
    return levels


def _nines(percentile: float) -> float:
    return -math.log10(max(1e-12, 1 - percentile / 100))


def _percentile(point: CurvePoint) -> tuple[float, bool]:
    return point.percentile, point.latency_ms is None
