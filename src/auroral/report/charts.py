"""Charts as inline SVG: what to draw as plain values, and the drawing. Pure.

A chart is as wide as its place: horizontal positions are shares of the width, vertical ones pixels, so that text keeps
its size on a phone and on a wall. Colours are CSS classes of the page.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Literal

from auroral.report.scales import Axis, Span, Value, buckets, downsample, envelope, finite, runs, value_axis

_MOST_POINTS = 600
_MOST_SPANS = 300
_MOST_HINTS = 60
_TOP = 20
_LANE = 12
_LANE_GAP = 8
_BOTTOM = 26
_PHONE_PX = 250
_DESKTOP_PX = 540
_CHARACTER_PX = 6.4
"""Least widths of a plot, and the mean width of a character: for which labels there is room."""


@dataclass(frozen=True, slots=True)
class Line:
    """One value over x. `missing` says, point by point, what to read where there is no value."""

    label: str
    color: str
    values: Sequence[Value]
    style: Literal["line", "thin", "step", "area", "under", "dots"] = "line"
    missing: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Lane:
    """A strip above the plot that marks points: 0 none, 1 some, 2 from 1 %, 3 from half of that point's starts."""

    label: str
    color: str
    levels: Sequence[int]


@dataclass(frozen=True, slots=True)
class Band:
    """A labelled stretch of the x axis, in shares of its length."""

    start: float
    end: float
    label: str
    kind: str


@dataclass(frozen=True, slots=True)
class Marker:
    """A labelled instant of the x axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Plot:
    """A chart to be drawn. `x` and everything on the x axis are shares of its length, 0 to 1, ascending."""

    id: str
    title: str
    description: str
    x: Sequence[float]
    x_ticks: Sequence[tuple[float, str]]
    x_unit: str
    x_label: Callable[[int, int], str]
    """Name the points from the first index to the last one, both included."""
    lines: Sequence[Line]
    print_value: Callable[[float], str]
    lanes: Sequence[Lane] = ()
    bands: Sequence[Band] = ()
    markers: Sequence[Marker] = ()
    log: bool = False
    height: int = 220
    """Of the plot alone, px."""
    empty: str = ""
    """What to say where no line has a value."""
    uneven: bool = False
    """Whether points lie at uneven distances: each one's tooltip then reaches half-way to the next."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A drawn chart: the SVG, what its crosshair reads (JSON), and its legend as (label, colour, style)."""

    id: str
    title: str
    svg: str
    readout: str
    legend: list[tuple[str, str, str]]
    merged: int
    """How many points each drawn one stands for; 1: every point is drawn."""


def draw(plot: Plot) -> Drawing:
    """Draw a chart."""
    axis = value_axis([line.values for line in plot.lines], log=plot.log)
    top = _TOP + (_LANE * len(plot.lanes) + _LANE_GAP if plot.lanes else 0)
    bottom = top + plot.height
    parts = [
        *(_stretch(plot, one, bottom) for one in plot.bands),
        *_grid(plot, axis, top),
        *(_lane_label(lane, index) for index, lane in enumerate(plot.lanes)),
        *_x_axis(plot, bottom),
        f'<svg class="plot" x="0" y="{_TOP}" width="100%" height="{bottom - _TOP}" '
        f'viewBox="0 0 1000 {bottom - _TOP}" preserveAspectRatio="none">',
        *(_lane(plot, lane, index) for index, lane in enumerate(plot.lanes)),
        *(_line(plot, line, axis, top - _TOP) for line in plot.lines),
        "</svg>",
        *(_marker(marker, top, bottom) for marker in plot.markers),
        *_hints(plot, top),
        f'<line class="cross" x1="0" x2="0" y1="{_TOP}" y2="{bottom}"/>',
    ]
    title, description = escape(plot.title), escape(plot.description)
    svg = (
        f'<svg class="chart" role="img" width="100%" height="{bottom + _BOTTOM}" '
        f'aria-labelledby="{plot.id}-title {plot.id}-desc"><title id="{plot.id}-title">{title}</title>'
        f'<desc id="{plot.id}-desc">{description}</desc>{"".join(parts)}</svg>'
    )
    return Drawing(
        id=plot.id,
        title=plot.title,
        svg=svg,
        readout=_readout_json(plot),
        legend=[(line.label, line.color, line.style) for line in plot.lines],
        merged=len(buckets(len(plot.x), _MOST_SPANS)[0]) if len(plot.x) > _MOST_POINTS else 1,
    )


def path(points: Sequence[tuple[float, Value]], style: str, baseline: float, half_step: float = 0.0) -> str:
    """The `d` of a path through points in drawing units. A missing value breaks it; lone points are left to `dots`."""
    parts: list[str] = []
    for run in runs(points):
        if style in ("step", "area"):
            edges = [(x - half_step, y) for x, y in run]
            end = run[-1][0] + half_step
            inner = "".join(f"H{_n(x)}V{_n(y)}" for x, y in edges[1:])
            if style == "area":
                parts.append(f"M{_n(edges[0][0])} {_n(baseline)}V{_n(edges[0][1])}{inner}H{_n(end)}V{_n(baseline)}Z")
            else:
                parts.append(f"M{_n(edges[0][0])} {_n(edges[0][1])}{inner}H{_n(end)}")
        elif len(run) > 1:
            parts.append("M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in run))
    return "".join(parts)


def dots(points: Sequence[tuple[float, Value]]) -> str:
    """The `d` of the points that stand alone between gaps: strokes of no length, drawn as dots by their round ends."""
    return "".join(f"M{_n(run[0][0])} {_n(run[0][1])}h0" for run in runs(points) if len(run) == 1)


def band(stretch: Sequence[Span], y: Callable[[float], float]) -> str:
    """The `d` of the shade between the least and the greatest values of a stretch of merged points."""
    upper = "".join(f"L{_n(span.start)} {_n(y(span.high))}H{_n(span.end)}" for span in stretch)
    lower = "".join(f"L{_n(span.end)} {_n(y(span.low))}H{_n(span.start)}" for span in reversed(stretch))
    return f"M{upper[1:]}{lower}Z"


def _line(plot: Plot, line: Line, axis: Axis, top: float) -> str:
    def y(value: float) -> float:
        return top + plot.height * (1 - axis.share(value))

    points = [(1000 * x, value) for x, value in zip(plot.x, line.values, strict=True)]
    if line.style in ("line", "thin", "under") and len(points) > _MOST_POINTS:
        return _merged(line, envelope(points, _MOST_SPANS), y)
    kept = downsample(points, _MOST_POINTS)
    half_step = 500 * (plot.x[1] - plot.x[0]) if len(plot.x) > 1 and len(kept) == len(plot.x) else 0.0
    if line.style == "area":
        kept = [(x, value or None) for x, value in kept]
    placed = [(x, None if value is None else y(value)) for x, value in kept]
    if line.style == "dots":
        return _path(f"s s-dots c-{line.color}", "".join(dots([point]) for point in placed))
    d = path(placed, line.style, top + plot.height, half_step)
    alone = dots(placed) if line.style in ("line", "thin") else ""
    return _path(f"s s-{line.style} c-{line.color}", d) + _path(f"s s-dot c-{line.color}", alone)


def _merged(line: Line, stretches: list[list[Span]], y: Callable[[float], float]) -> str:
    middles: list[tuple[float, Value]] = []
    for stretch in stretches:
        middles += [((span.start + span.end) / 2, y(span.middle)) for span in stretch]
        middles.append((stretch[-1].end, None))
    shade = "" if line.style == "under" else "".join(band(stretch, y) for stretch in stretches)
    return (
        _path(f"shade c-{line.color}", shade)
        + _path(f"s s-{line.style} c-{line.color}", path(middles, "line", 0))
        + _path(f"s s-dot c-{line.color}", dots(middles))
    )


def _path(classes: str, d: str) -> str:
    return f'<path class="{classes}" d="{d}"/>' if d else ""


def _lane(plot: Plot, lane: Lane, index: int) -> str:
    y0, y1 = index * _LANE + 1, index * _LANE + _LANE - 3
    half = 500 / max(1, len(plot.x))
    drawn: dict[int, list[str]] = {}
    for bucket in buckets(len(plot.x), _MOST_POINTS):
        level = max(lane.levels[i] for i in bucket)
        if level:
            left, right = 1000 * plot.x[bucket[0]] - half, 1000 * plot.x[bucket[-1]] + half
            drawn.setdefault(level, []).append(f"M{_n(left)} {y0}H{_n(right)}V{y1}H{_n(left)}Z")
    return "".join(f'<path class="lane level-{k} c-{lane.color}" d="{"".join(d)}"/>' for k, d in sorted(drawn.items()))


def _lane_label(lane: Lane, index: int) -> str:
    return f'<text class="tick" x="-8" y="{_TOP + index * _LANE + 9}" text-anchor="end">{escape(lane.label)}</text>'


def _stretch(plot: Plot, band: Band, bottom: int) -> str:
    start, length = max(0.0, min(band.start, 1.0)), max(0.0, min(band.end, 1.0) - max(0.0, band.start))
    if not length:
        return ""
    place = f'x="{_p(start)}" width="{_p(length)}" y="{_TOP}" height="{bottom - _TOP}"'
    drawn = f'<rect class="band band-{band.kind}" {place}/>'
    if band.kind == "censored":
        drawn += (
            f'<defs><pattern id="{plot.id}-hatch" width="7" height="7" patternUnits="userSpaceOnUse" '
            'patternTransform="rotate(45)"><line class="hatch" x1="0" x2="0" y1="0" y2="7"/></pattern></defs>'
            f'<rect fill="url(#{plot.id}-hatch)" {place}/>'
            f'<line class="boundary" x1="{_p(start)}" x2="{_p(start)}" y1="{_TOP}" y2="{bottom}"/>'
        )
    full_px, short = _text_px(band.label), band.label.split(":")[0]
    if band.kind == "censored" and length * _PHONE_PX < full_px:
        return drawn + _stretch_label(1.0, "end", "", band.label)
    middle = start + length / 2
    if length * _PHONE_PX >= full_px:
        return drawn + _stretch_label(middle, "middle", "", band.label)
    if length * _DESKTOP_PX >= full_px:
        drawn += _stretch_label(middle, "middle", " wide-only", band.label)
    if length * _PHONE_PX >= _text_px(short):
        drawn += _stretch_label(middle, "middle", " phone-only", short)
    return drawn


def _stretch_label(at: float, anchor: str, kind: str, label: str) -> str:
    return f'<text class="band-label{kind}" x="{_p(at)}" y="13" text-anchor="{anchor}">{escape(label)}</text>'


def _text_px(text: str) -> float:
    return len(text) * _CHARACTER_PX + 8


def _grid(plot: Plot, axis: Axis, top: int) -> list[str]:
    parts = [f'<line class="axis" x1="0" x2="100%" y1="{top + plot.height}" y2="{top + plot.height}"/>']
    if not axis.ticks and plot.empty:
        middle = top + plot.height // 2
        parts.append(f'<text class="nothing" x="50%" y="{middle}" text-anchor="middle">{escape(plot.empty)}</text>')
    for tick in axis.ticks:
        y = _n(top + plot.height * (1 - axis.share(tick)))
        label = escape(plot.print_value(tick))
        parts.append(
            f'<line class="grid" x1="0" x2="100%" y1="{y}" y2="{y}"/>'
            f'<text class="tick" x="-8" y="{y}" dy=".32em" text-anchor="end">{label}</text>'
        )
    return parts


def _x_axis(plot: Plot, bottom: int) -> list[str]:
    parts = [f'<text class="tick unit" x="-8" y="{bottom + 18}" text-anchor="end">{escape(plot.x_unit)}</text>']
    on_phone = _ticks_with_room(plot.x_ticks)
    for index, (at, label) in enumerate(plot.x_ticks):
        kind = "tick" if index in on_phone else "tick wide-only"
        parts.append(
            f'<line class="axis" x1="{_p(at)}" x2="{_p(at)}" y1="{bottom}" y2="{bottom + 4}"/>'
            f'<text class="{kind}" x="{_p(at)}" y="{bottom + 18}" text-anchor="{_anchor(at)}">{escape(label)}</text>'
        )
    return parts


def _ticks_with_room(ticks: Sequence[tuple[float, str]]) -> set[int]:
    """Which ticks keep their label on a phone: every one, or every second, third …, and one at the far end."""
    far = {len(ticks) - 1} if ticks and ticks[-1][0] > 0.97 else set()
    for stride in range(1, len(ticks)):
        chosen = {index for index in range(0, len(ticks), stride) if not far or index < len(ticks) - stride} | far
        edges = [_edges_px(*ticks[index]) for index in sorted(chosen)]
        if all(left[1] <= right[0] for left, right in pairwise(edges)):
            return chosen
    return {0}


def _edges_px(at: float, label: str) -> tuple[float, float]:
    width_px = _text_px(label)
    left_px = at * _PHONE_PX - {"end": width_px, "start": 0.0, "middle": width_px / 2}[_anchor(at)]
    return left_px, left_px + width_px


def _anchor(at: float) -> str:
    return "end" if at > 0.97 else "start" if at < 0.03 else "middle"


def _marker(marker: Marker, top: int, bottom: int) -> str:
    at = min(max(marker.at, 0.0), 1.0)
    anchor, shift = ("end", -5) if at > 0.6 else ("start", 5)
    return (
        f'<line class="marker" x1="{_p(at)}" x2="{_p(at)}" y1="{_TOP}" y2="{bottom}"/>'
        f'<text class="marker-label" x="{_p(at)}" dx="{shift}" y="{top + 16}" text-anchor="{anchor}">'
        f"{escape(marker.label)}</text>"
    )


def _read(plot: Plot, line: Line, bucket: range) -> str:
    values = [value for i in bucket if (value := finite(line.values[i])) is not None]
    missing = {line.missing[i] for i in bucket if finite(line.values[i]) is None and line.missing and line.missing[i]}
    if not values:
        return next(iter(sorted(missing)), "–")
    low, high = plot.print_value(min(values)), plot.print_value(max(values))
    high = next(iter(sorted(missing)), high)
    return low if low == high else f"{low} … {high}"


def _readout_json(plot: Plot) -> str:
    cuts = buckets(len(plot.x), _MOST_SPANS)
    content = {
        "x": [round(100 * (plot.x[cut[0]] + plot.x[cut[-1]]) / 2, 2) for cut in cuts],
        "t": [plot.x_label(cut[0], cut[-1]) for cut in cuts],
        "rows": [[line.label, line.color, [_read(plot, line, cut) for cut in cuts]] for line in plot.lines],
    }
    # Inside a script element nothing but "<" could end it.
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _hints(plot: Plot, top: int) -> list[str]:
    """Native tooltips for a page whose script may not run."""
    parts = []
    half, last = 0.5 / max(1, len(plot.x)), len(plot.x) - 1
    for cut in buckets(len(plot.x), _MOST_HINTS):
        left, right = plot.x[cut[0]] - half, plot.x[cut[-1]] + half
        if plot.uneven:
            left = _between(plot.x, cut[0] - 1) if cut[0] else left
            right = _between(plot.x, cut[-1]) if cut[-1] < last else right
        left, right = max(0.0, left), min(1.0, right)
        said = ", ".join(f"{line.label} {_read(plot, line, cut)}" for line in plot.lines)
        label = escape(f"{plot.x_label(cut[0], cut[-1])}: {said}")
        parts.append(
            f'<rect class="hint" x="{_p(left)}" width="{_p(max(0.0, right - left))}" y="{_TOP}" '
            f'height="{top + plot.height - _TOP}"><title>{label}</title></rect>'
        )
    return parts


def _between(x: Sequence[float], index: int) -> float:
    return (x[index] + x[index + 1]) / 2


def _n(value: float) -> str:
    text = f"{value:.1f}"
    return text.removesuffix(".0") if text != "-0.0" else "0"


def _p(share: float) -> str:
    return f"{_n(100 * share)}%" if share in (0.0, 1.0) else f"{100 * share:.2f}%"
