"""The charts of one simulation. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from auroral.capacity.simulation.result import SimulationResult
from auroral.report import words
from auroral.report.charts import Band, Drawing, Line, Marker, Plot, draw
from auroral.report.scales import time_ticks
from auroral.units import format_number

_SERVICE_COLORS = {"history": "blue", "matching": "orange", "frontend": "green", "worker": "purple"}

_PHONE_PX, _CHARACTER_PX = 250, 6.8
"""Least width of a plot, and of a character of a label: for which names there is room."""


def charts(result: SimulationResult) -> list[Drawing]:
    """Connects a second, open connections, waits; then the bucket and the tasks that are short."""
    return [_connects(result), _open(result), _waits(result)]


def small_charts(result: SimulationResult) -> list[Drawing]:
    """What stands behind them: DSQL's bucket, tasks and those that are short of connections."""
    return [_bucket(result), _tasks(result)]


def _connects(result: SimulationResult) -> Drawing:
    points, database = result.run.points, result.scenario.database
    rate = [database.connect_rate_per_s] * len(points.t_s)
    lines = [
        Line("DSQL's lasting rate", "grey", rate, "under"),
        Line("connects", "blue", points.attempts, "line" if points.step_s > 1 else "step"),
    ]
    if any(points.uncounted):
        lines.append(Line("without the counter's word", "orange", points.uncounted, "thin"))
    if any(points.refused_outage):
        lines.append(Line("failed in an outage", "dark", points.refused_outage, "area"))
    if any(points.refused):
        lines.append(Line("refused", "red", points.refused, "area"))
    totals = result.run.totals
    about = f"{totals.attempts:,} connects, at most {totals.most_attempts_in_a_second:,} in a second."
    return _over_time(result, "connects", "Connects per second", about, lines, words.rate, height=220)


def _open(result: SimulationResult) -> Drawing:
    points, cap = result.run.points, result.scenario.limits.most_connections
    planned = sum(shape.replicas * shape.pool_size for shape in result.scenario.services)
    lines = [
        Line("planned", "grey", [float(planned)] * len(points.t_s), "under"),
        Line("all", "dark", points.open_most, "line"),
        *(
            Line(service, _SERVICE_COLORS.get(service, "sky"), column, "thin")
            for service, column in points.open_by_service.items()
        ),
    ]
    most = result.run.totals.most_open
    if most >= cap / 4:
        lines.append(Line(f"limit {cap:,}", "red", [float(cap)] * len(points.t_s), "thin"))
    about = f"At most {most:,} open of {cap:,} allowed; {planned:,} planned."
    return _over_time(result, "open", "Open connections", about, lines, format_number, height=220)


def _waits(result: SimulationResult) -> Drawing:
    points, limit_ms = result.run.points, 1e3 * result.scenario.limits.longest_wait_s
    lines = [Line("longest wait", "orange", points.longest_wait_ms, "line", ["nobody waited"] * len(points.t_s))]
    if any(value is not None for value in points.longest_wait_ms):
        lines.insert(0, Line(f"limit {words.ms(limit_ms)}", "red", [limit_ms] * len(points.t_s), "thin"))
    longest = max((value for value in points.longest_wait_ms if value is not None), default=None)
    about = "No request waited." if longest is None else f"The longest wait was {words.ms(longest)}."
    return _over_time(result, "waits", "Waits for a connection", about, lines, words.ms, log=True, height=180)


def _bucket(result: SimulationResult) -> Drawing:
    points = result.run.points
    lines = [Line("tokens left", "green", points.bucket_least, "line")]
    about = f"DSQL's token bucket of {result.scenario.database.connect_burst:,}: it refuses at 0."
    return _over_time(result, "bucket", "Tokens in DSQL's bucket, least", about, lines, format_number, height=130)


def _tasks(result: SimulationResult) -> Drawing:
    points = result.run.points
    lines = [
        Line("running", "grey", points.running, "under"),
        Line("short of connections", "orange", points.short, "line"),
    ]
    about = f"At most {max(points.short, default=0):,} tasks had fewer connections than their pool's size."
    return _over_time(result, "tasks", "Tasks", about, lines, format_number, height=130)


def _over_time(  # noqa: PLR0917
    result: SimulationResult,
    identifier: str,
    title: str,
    description: str,
    lines: Sequence[Line],
    print_value: Callable[[float], str],
    *,
    height: int,
    log: bool = False,
) -> Drawing:
    points, length_s = result.run.points, result.scenario.duration_s
    middles_s = [t + points.step_s / 2 for t in points.t_s]

    def label(a: int, b: int) -> str:
        until_s = points.t_s[b] + points.step_s
        return words.clock(points.t_s[a]) + ("" if until_s - points.t_s[a] <= 1 else f" – {words.clock(until_s)}")

    return draw(
        Plot(
            id=f"{result.scenario.name}-{identifier}",
            title=title,
            description=description,
            x=[min(1.0, t / length_s) for t in middles_s],
            x_ticks=[(tick / length_s, words.clock(tick)) for tick in time_ticks(length_s)],
            x_unit="h:m:s" if length_s >= 3600 else "m:s",
            x_label=label,
            lines=lines,
            print_value=print_value,
            bands=_bands(result),
            markers=_markers(result),
            log=log,
            height=height,
            empty="nobody waited",
        )
    )


def _bands(result: SimulationResult) -> list[Band]:
    """Each event until it was over."""
    length_s = result.scenario.duration_s
    converged = {check.name: check.observed for check in result.run.checks}
    bands = []
    for index, event in enumerate(result.scenario.events, start=1):
        took_s = converged.get(f"converged-{index}", event.over_s)
        until_s = length_s if took_s is None else max(event.ends_s + took_s, event.at_s + event.over_s)
        bands.append(Band(event.at_s / length_s, until_s / length_s, "", "ramp"))
    return bands


def _markers(result: SimulationResult) -> list[Marker]:
    """The first violation and the events by name, where there is room; the table below names all of them."""
    length_s, first = result.scenario.duration_s, result.run.first_violation
    wanted = [Marker(event.at_s / length_s, event.label) for event in result.scenario.events]
    if first is not None and first.at_s is not None:
        wanted.insert(0, Marker(min(1.0, first.at_s / length_s), "first violation"))
    markers: list[Marker] = []
    for marker in wanted:
        left, right = _edges_px(marker)
        edges = [_edges_px(other) for other in markers]
        if left >= 0 and right <= _PHONE_PX and all(right < other[0] or left > other[1] for other in edges):
            markers.append(marker)
    return sorted(markers, key=lambda marker: marker.at)


def _edges_px(marker: Marker) -> tuple[float, float]:
    """Where a marker and its name lie, as `charts` puts them: to the right of the line, from 60 % on to the left."""
    at_px, name_px = marker.at * _PHONE_PX, len(marker.label) * _CHARACTER_PX + 8
    return (at_px - name_px, at_px) if marker.at > 0.6 else (at_px, at_px + name_px)
