"""Arrival processes: which start is intended when. Pure: elapsed time in, next intended start out.

A schedule is a chain of linear rate segments with the cumulative rate N(t). The k-th arrival (from 0) of a
constant process is at N⁻¹(k); of a Poisson process at N⁻¹ of the sum of k+1 unit exponentials (time
rescaling), drawn from one seed, so that every process of a run computes the same arrivals.
"""

from __future__ import annotations

import itertools
import math
import random
from bisect import bisect_right
from collections.abc import Iterator
from typing import Literal, NamedTuple

import msgspec

from auroral.bench.manifest import ManifestArrival
from auroral.bench.settings import BenchSettings

_US_PER_S = 1_000_000
_RELATIVE_ERROR = 1e-9
"""Far above the rounding of a sum of segments, far below one arrival."""


class Arrival(NamedTuple):
    """One intended start."""

    index: int  # type: ignore[assignment]
    """Its number in the whole schedule, from 0. (It hides the method of `tuple`, which nobody needs here.)"""
    intended_us: int
    """Since the epoch."""


class WindowBounds(NamedTuple):
    """One stretch of the schedule that is reported by itself."""

    name: str
    kind: Literal["ramp", "steady", "stage"]
    start_s: float
    end_s: float
    target_per_s: float = 0.0
    """Mean scheduled rate."""


class Due(msgspec.Struct, frozen=True, gc=False):
    """Start this one now."""

    arrival: Arrival


class Wait(msgspec.Struct, frozen=True, gc=False):
    """Nothing is due before this time since the epoch."""

    until_us: int


class Done(msgspec.Struct, frozen=True, gc=False):
    """The schedule has no further arrival."""


class _Segment(NamedTuple):
    start_s: float
    duration_s: float
    start_per_s: float
    end_per_s: float
    before: float
    """Cumulative rate at its start."""

    def cumulative(self, t_s: float) -> float:
        """N at a time within the segment."""
        into_s = t_s - self.start_s
        slope = (self.end_per_s - self.start_per_s) / self.duration_s
        return self.before + self.start_per_s * into_s + slope * into_s * into_s / 2

    def inverse_s(self, cumulative: float) -> float:
        """The time at which N reaches a value of the segment.

        The quadratic's root in the form that neither cancels nor divides by a slope of zero.
        """
        ahead = max(0.0, cumulative - self.before)
        acceleration = (self.end_per_s - self.start_per_s) / (2 * self.duration_s)
        root = math.sqrt(max(0.0, self.start_per_s * self.start_per_s + 4 * acceleration * ahead))
        divisor = self.start_per_s + root
        return self.start_s + min(self.duration_s, 2 * ahead / divisor if divisor else 0.0)


def plan(settings: BenchSettings, *, duration_given: bool = True) -> ManifestArrival:
    """Turn settings into the arrival process that the manifest keeps.

    A ramp-up lies inside the duration. A count ends the schedule early. Where the user gave a count and no
    duration (`duration_given=False`), the hold is as long as the count needs; stages keep their lengths.
    """
    ramp_s = 0.0
    if settings.stages:
        segments = [
            (stage.duration_s, stage.start_per_s, stage.end_per_s) for stage in settings.stages if stage.duration_s > 0
        ]
    else:
        stretch = settings.count is not None and not duration_given
        rate_per_s = settings.target_rate_per_s
        ramp_s = settings.ramp_up_s if stretch else min(settings.ramp_up_s, settings.duration_s)
        reached_per_s = rate_per_s * ramp_s / settings.ramp_up_s if settings.ramp_up_s > 0 else rate_per_s
        hold_s = settings.duration_s - ramp_s
        if settings.count is not None and stretch:
            due = _unit_time(settings.arrival, settings.seed, settings.count)
            hold_s = max(0.0, due - rate_per_s * ramp_s / 2) / rate_per_s
        segments = [(float(ramp_s), 0.0, reached_per_s)] if ramp_s > 0 else []
        if hold_s > 0:
            segments.append((hold_s, rate_per_s, rate_per_s))
    return ManifestArrival(
        process=settings.arrival,
        segments=segments,
        ramp_s=ramp_s,
        count=settings.count,
        seed=settings.seed,
        staged=bool(settings.stages),
    )


def _unit_time(process: str, seed: int, count: int) -> float:
    """Cumulative rate at which the arrival after `count` of them would be due."""
    if process != "poisson":
        return float(count)
    return math.fsum(itertools.islice(_unit_exponentials(seed), count + 1))


def _unit_exponentials(seed: int) -> Iterator[float]:
    draw = random.Random(seed).expovariate
    while True:
        yield draw(1.0)


class Schedule:
    """The intended starts of a run, computed as they are asked for: memory does not grow with them."""

    def __init__(self, arrival: ManifestArrival) -> None:
        if arrival.process not in ("constant", "poisson"):
            raise ValueError(f"expected the arrival process constant or poisson, not {arrival.process!r}")
        self.arrival = arrival
        self._segments: list[_Segment] = []
        start_s, before = 0.0, 0.0
        for duration_s, start_per_s, end_per_s in arrival.segments:
            if duration_s <= 0:
                continue
            self._segments.append(_Segment(start_s, duration_s, start_per_s, end_per_s, before))
            start_s += duration_s
            before += duration_s * (start_per_s + end_per_s) / 2
        self._full_s = start_s
        self._mass = before
        self._starts_s = [segment.start_s for segment in self._segments]
        self._end: tuple[int, float] | None = None

    @property
    def total(self) -> int:
        """Number of arrivals. A Poisson process is run through once to know, with nothing kept."""
        return self._ending()[0]

    @property
    def duration_s(self) -> float:
        """End of the schedule. Where a count ends it: when the arrival after the last one would be due."""
        return self._full_s if self.arrival.count is None else self._ending()[1]

    def target_per_s(self, t_s: float) -> float:
        """Scheduled rate at a time since the epoch; 0 outside the schedule."""
        if not 0 <= t_s < self.duration_s:
            return 0.0
        segment = self._segments[bisect_right(self._starts_s, t_s) - 1]
        share = min(1.0, (t_s - segment.start_s) / segment.duration_s)
        return segment.start_per_s + (segment.end_per_s - segment.start_per_s) * share

    def expected(self, from_s: float, to_s: float) -> float:
        """Mean number of arrivals between two times since the epoch."""
        return max(0.0, self._cumulative(min(to_s, self.duration_s)) - self._cumulative(min(from_s, self.duration_s)))

    def windows(self, end_s: float | None = None) -> list[WindowBounds]:
        """Ramp and steady window, or one per stage; cut at `end_s` where the schedule was stopped early."""
        end_s = self.duration_s if end_s is None else min(end_s, self.duration_s)
        stretches: list[tuple[str, Literal["ramp", "steady", "stage"], float, float]] = []
        if self.arrival.staged:
            for number, segment in enumerate(self._segments, 1):
                stretches.append((f"stage {number}", "stage", segment.start_s, segment.start_s + segment.duration_s))
        else:
            ramp_s = self.arrival.ramp_s
            stretches = [("ramp", "ramp", 0.0, ramp_s), ("steady", "steady", ramp_s, self._full_s)]
        windows = []
        for name, kind, from_s, to_s in stretches:
            cut_s = min(to_s, end_s)
            if cut_s > from_s:
                target_per_s = self.expected(from_s, cut_s) / (cut_s - from_s)
                windows.append(WindowBounds(name, kind, from_s, cut_s, target_per_s))
        return windows

    def arrivals(self, part: int = 0, parts: int = 1) -> Iterator[Arrival]:
        """Yield, in order, the arrivals whose index is congruent to `part` modulo `parts`."""
        if not 0 <= part < parts:
            raise ValueError(f"expected a part from 0 to {parts - 1}, not {part}")
        return self._poisson(part, parts) if self.arrival.process == "poisson" else self._constant(part, parts)

    def _constant(self, part: int, parts: int) -> Iterator[Arrival]:
        index, total = part, self.total
        for segment in self._segments:
            after = segment.before + segment.duration_s * (segment.start_per_s + segment.end_per_s) / 2
            stop = min(total, _ceil(after))
            inverse_s = segment.inverse_s
            for number in range(index, stop, parts):
                yield Arrival(number, round(inverse_s(number) * _US_PER_S))
                index = number + parts

    def _poisson(self, part: int, parts: int) -> Iterator[Arrival]:
        for index, (segment, cumulative) in enumerate(self._points()):
            if index == self.arrival.count:
                return
            if index % parts == part:
                yield Arrival(index, round(segment.inverse_s(cumulative) * _US_PER_S))

    def _points(self) -> Iterator[tuple[_Segment, float]]:
        """The Poisson process on the scale of N: each point with its segment."""
        gaps = _unit_exponentials(self.arrival.seed)
        segments = iter(self._segments)
        segment = next(segments, None)
        cumulative = next(gaps)
        while segment is not None:
            after = segment.before + segment.duration_s * (segment.start_per_s + segment.end_per_s) / 2
            while cumulative < after:
                yield segment, cumulative
                cumulative += next(gaps)
            segment = next(segments, None)

    def _ending(self) -> tuple[int, float]:
        if self._end is None:
            self._end = self._poisson_ending() if self.arrival.process == "poisson" else self._constant_ending()
        return self._end

    def _constant_ending(self) -> tuple[int, float]:
        fitting, count = _ceil(self._mass), self.arrival.count
        if count is None or count >= fitting:
            return fitting, self._full_s
        segment = next(each for each in reversed(self._segments) if each.before <= count)
        return count, segment.inverse_s(count)

    def _poisson_ending(self) -> tuple[int, float]:
        fitting = 0
        for segment, cumulative in self._points():
            if fitting == self.arrival.count:
                return fitting, segment.inverse_s(cumulative)
            fitting += 1
        return fitting, self._full_s

    def _cumulative(self, t_s: float) -> float:
        if t_s <= 0 or not self._segments:
            return 0.0
        if t_s >= self._full_s:
            return self._mass
        return self._segments[bisect_right(self._starts_s, t_s) - 1].cumulative(t_s)


class Pacer:
    """Says what one part of a schedule is to do at an elapsed time. Holds no clock."""

    def __init__(self, schedule: Schedule, part: int = 0, parts: int = 1) -> None:
        self._arrivals = schedule.arrivals(part, parts)
        self._next: Arrival | None = next(self._arrivals, None)

    def next(self, elapsed_us: int) -> Due | Wait | Done:
        """Decide for a time since the epoch. `Due` hands an arrival out: ask again for the one after it."""
        arrival = self._next
        if arrival is None:
            return Done()
        if arrival.intended_us > elapsed_us:
            return Wait(arrival.intended_us)
        self._next = next(self._arrivals, None)
        return Due(arrival)


def _ceil(cumulative: float) -> int:
    """Arrivals before a cumulative rate, whose rounding must not add one."""
    return math.ceil(cumulative - _RELATIVE_ERROR * max(1.0, cumulative))
