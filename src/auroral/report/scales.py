"""The arithmetic of charts: ticks, positions, and fewer points for long series. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Value = float | None
Point = tuple[float, Value]

_TIME_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
_MIN_LOG = 1e-3


def finite(value: Value) -> Value:
    """The value, or None where it is no number."""
    return value if value is not None and math.isfinite(value) else None


def nice_ticks(high: float, wanted: int = 5) -> list[float]:
    """Ticks 0, step, … of a linear axis from 0 that holds `high`; steps are 1, 2, 2.5 or 5 × 10ⁿ."""
    if not math.isfinite(high) or high < 1e-9:
        return [0.0, 1.0]
    magnitude: float = 10.0 ** math.floor(math.log10(high / wanted))
    step = next(factor * magnitude for factor in (1, 2, 2.5, 5, 10, 20) if factor * magnitude * wanted >= high * 0.999)
    count = max(1, math.ceil(high / step - 1e-9))
    return [round(index * step, 12 - math.floor(math.log10(step))) for index in range(count + 1)]


def log_bounds(low: float, high: float) -> tuple[float, float]:
    """The nearest ends at 1, 2 or 5 × 10ⁿ of a logarithmic axis that holds `low` and `high`."""
    low = max(low, _MIN_LOG)
    high = max(high, low)
    ends = _one_two_five(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    start = max(end for end in ends if end <= low * (1 + 1e-9))
    return start, min(end for end in ends if end >= high * (1 - 1e-9) and end > start)


def log_ticks(low: float, high: float, most: int = 8) -> list[float]:
    """Ticks of a logarithmic axis from `low` to `high`: 1-2-5 where there are few, else powers of ten."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    inside = [tick for tick in _one_two_five(first, last) if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]
    if len(inside) <= most:
        return inside
    decades = [tick for tick in (10.0**power for power in range(first, last + 1)) if low <= tick <= high]
    return decades[:: math.ceil(len(decades) / most)]


def _one_two_five(first: int, last: int) -> list[float]:
    return [float(f"{factor}e{power}") for power in range(first, last + 1) for factor in (1, 2, 5)]


def time_ticks(end_s: float, wanted: int = 6) -> list[float]:
    """Ticks of a time axis from 0 to `end_s`, at steps that clocks have."""
    if not math.isfinite(end_s) or end_s <= 0:
        return [0.0]
    step_s = next((step for step in _TIME_STEPS_S if step * wanted >= end_s), math.ceil(end_s / wanted / 86400) * 86400)
    return [float(index * step_s) for index in range(int(end_s / step_s + 1e-9) + 1)]


@dataclass(frozen=True, slots=True)
class Axis:
    """Maps values of `low` to `high` to 0 … 1, linearly or by their logarithm; what lies outside is clamped."""

    low: float
    high: float
    ticks: tuple[float, ...]
    log: bool = False

    def share(self, value: float) -> float:
        """Where a value lies, 0 at the low end and 1 at the high end."""
        if self.high <= self.low:
            return 0.0
        if self.log:
            bounded = min(max(value, self.low), self.high)
            return math.log(bounded / self.low) / math.log(self.high / self.low)
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)


def value_axis(columns: Sequence[Sequence[Value]], *, log: bool = False) -> Axis:
    """The axis that holds every value of the columns. A linear one starts at 0."""
    values = [value for column in columns for value in column if value is not None and math.isfinite(value)]
    if log:
        positive = [value for value in values if value > 0]
        if not positive:
            return Axis(1.0, 10.0, (), log=True)
        low, high = log_bounds(min(positive), max(positive))
        return Axis(low, high, tuple(log_ticks(low, high)), log=True)
    if not values:
        return Axis(0.0, 1.0, ())
    ticks = nice_ticks(max(values))
    return Axis(ticks[0], ticks[-1], tuple(ticks))


def buckets(count: int, most: int) -> list[range]:
    """Cut `count` points into at most `most` runs of equal length, the last one perhaps shorter."""
    if count <= 0:
        return []
    size = max(1, math.ceil(count / most))
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


def downsample(points: Sequence[Point], most: int = 600) -> list[Point]:
    """At most about `most` points that keep every extreme and show every gap.

    Of each bucket the least and the greatest value stay, in their order. A bucket that holds a missing value stands
    between gaps, so that no line runs over it.
    """
    if len(points) <= most:
        return [(x, finite(y)) for x, y in points]
    kept: list[Point] = []
    for bucket in buckets(len(points), max(1, most // 2)):
        held = [(points[i][0], value) for i in bucket if (value := finite(points[i][1])) is not None]
        whole = len(held) == len(bucket)
        if not whole:
            kept.append((points[bucket[0]][0], None))
        if held:
            kept += sorted({min(held, key=lambda point: point[1]), max(held, key=lambda point: point[1])})
        if not whole:
            kept.append((points[bucket[-1]][0], None))
    return kept


@dataclass(frozen=True, slots=True)
class Span:
    """What the points of one bucket hold: where it begins and ends, and its least, middle and greatest value."""

    start: float
    end: float
    low: float
    middle: float
    high: float


def envelope(points: Sequence[Point], most: int = 300) -> list[list[Span]]:
    """Stretches of at most `most` buckets in all; a bucket that holds a missing value stands alone."""
    stretches: list[list[Span]] = [[]]
    for bucket in buckets(len(points), most):
        held = sorted(value for i in bucket if (value := finite(points[i][1])) is not None)
        whole = len(held) == len(bucket)
        if not whole:
            stretches.append([])
        if held:
            middle = held[(len(held) - 1) // 2]
            stretches[-1].append(Span(points[bucket[0]][0], points[bucket[-1]][0], held[0], middle, held[-1]))
        if not whole:
            stretches.append([])
    return [stretch for stretch in stretches if stretch]


def runs(points: Sequence[Point]) -> list[list[tuple[float, float]]]:
    """The stretches of consecutive points that have a value."""
    stretches: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if y is None:
            stretches.append([])
        else:
            stretches[-1].append((x, y))
    return [stretch for stretch in stretches if stretch]
