"""Clusters as curves: what share of the permitted a rate uses, with noise. For the state machine alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from auroral.bench.search.machine import Found, Measured, Search, Step
from auroral.bench.search.settings import SearchSettings

CLEAR = 3.0
"""A step ends early where it uses this many times what is permitted."""
STALL_S = 75.0
"""A stall uses all that is permitted in so long a step, and two and a half times that of 30 s."""


@dataclass(kw_only=True)
class Curve:
    """A cluster: `used(rate)` is the share of the permitted that late starts use in the long run; 1 is the limit."""

    used: Callable[[float], float]
    random: Random
    noise: float = 0.0
    """Standard deviation of the logarithm, in a step of 30 s; the mean stays."""
    stall_per_s: float = 0.0
    """Stalls a second, at most one in a step."""
    doubt: float = 0.0
    """Share of the steps whose measurement is in doubt."""
    lost_by_chance: float = 0.0
    """Share of the steps that would hold and are lost outright."""
    sick_steps: int = 0
    """Steps that a clear overload spoils, unless one is of half its rate: it answers as at four times the rate."""
    _sick: int = field(default=0, repr=False)
    _sick_from_per_s: float = field(default=0.0, repr=False)

    def limit_per_s(self, least_per_s: float, most_per_s: float) -> float:
        """The largest rate that holds below the first that does not; 0 where the least does not, infinite above."""
        steps = 4_000
        last_per_s = 0.0
        for number in range(steps + 1):
            rate_per_s = least_per_s * (most_per_s / least_per_s) ** (number / steps)
            if self.used(rate_per_s) > 1:
                return last_per_s
            last_per_s = rate_per_s
        return math.inf

    def measure(self, step: Step) -> Measured:
        """One step as `judge` would see it."""
        used = self.used(step.rate_per_s * (4.0 if self._is_sick(step) else 1.0))
        noise = self.noise * math.sqrt(30 / step.hold_s)
        used *= math.exp(self.random.gauss(-noise * noise / 2, noise))
        if self.lost_by_chance and used <= 1 and self.random.random() < self.lost_by_chance:
            used += 10.0
        stalled = self.random.random() < self.stall_per_s * step.hold_s
        spent = used + (STALL_S / step.hold_s if stalled else 0.0)
        early = spent > CLEAR
        load_s = step.ramp_s + (max(5.0, step.hold_s * CLEAR / spent) if early else step.hold_s)
        held: bool | None = spent <= 1
        if self.random.random() < self.doubt:
            held = None
        if self.used(step.rate_per_s) > 2 * CLEAR and self.sick_steps:
            self._sick, self._sick_from_per_s = self.sick_steps, step.rate_per_s
        return Measured(
            step=step,
            held=held,
            reasons=["made up"],
            offered_per_s=step.rate_per_s,
            completed_per_s=step.rate_per_s / max(1.0, spent),
            quantiles_ms={"p50": 1.0, "p90": 1.0, "p95": 1.0, "p99": None if spent > 1 else 1.0},
            backlog_start=0.0,
            backlog_end=0.0,
            load_s=min(step.duration_s, load_s),
            early=early,
            spent=spent,
            doubtful=held is not None and ((stalled and used <= 1) or 0.5 < spent < 2),
        )

    def _is_sick(self, step: Step) -> bool:
        sick = self._sick > 0 and step.rate_per_s > self._sick_from_per_s / 2
        self._sick = self._sick - 1 if sick else 0
        return sick


def search(curve: Curve, settings: SearchSettings) -> Found:
    """A whole search, every step of it within what was asked for."""
    machine = Search(settings)
    for number in range(1, 102):
        step = machine.next()
        assert machine.next() is step
        if isinstance(step, Found):
            return step
        assert step.number == number
        assert settings.least_per_s <= step.rate_per_s <= settings.most_per_s
        machine.take(curve.measure(step))
    raise AssertionError("the search does not end")


def knee(capacity_per_s: float, slack: float) -> Callable[[float], float]:
    """Late starts of a queue: their share falls by e for each `slack` of the rate below the capacity."""
    return lambda rate_per_s: 100.0 * math.exp(min(0.0, (rate_per_s / capacity_per_s - 1) / slack))


def cliff(limit_per_s: float) -> Callable[[float], float]:
    """Nothing late up to a limit, everything beyond."""
    return lambda rate_per_s: 0.0 if rate_per_s <= limit_per_s else 100.0


def flat(used: float) -> Callable[[float], float]:
    """The same at every rate."""
    return lambda _: used


def dip(limit_per_s: float, low_per_s: float, high_per_s: float) -> Callable[[float], float]:
    """A cliff, and rates below it that do not hold either."""
    beyond = cliff(limit_per_s)
    return lambda rate_per_s: 50.0 if low_per_s < rate_per_s < high_per_s else beyond(rate_per_s)
