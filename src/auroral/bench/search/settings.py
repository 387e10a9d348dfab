"""The settings of a search, and what is wrong with them. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import msgspec

from auroral.bench import thresholds
from auroral.errors import Problem
from auroral.units import format_duration, format_rate

SHORTEST_STEP_S = 5.0
"""A shorter hold shows a handful of starts and no trend."""
HIGHEST_PER_S = 1e6
FINEST_PRECISION, COARSEST_PRECISION = 0.005, 0.5


class SearchSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a search is told. Rates per second, times in seconds."""

    slo: tuple[str, ...]
    """Threshold expressions (`bench/thresholds.py`), all of which must hold at a rate that counts as sustained."""
    start_per_s: float | None = None
    """The first rate tried; None: the least rate, or 10/s where that is less and allowed."""
    least_per_s: float = 1.0
    most_per_s: float = 10_000.0
    precision: float = 0.03
    """Bisecting ends when the bracket is no wider than this, relative to its lower rate."""
    step_s: float = 30.0
    """What is measured of a step: without its ramp."""
    ramp_s: float = 5.0
    """At the start of each step, not measured."""
    confirm_s: float = 120.0
    """What is measured of the confirming step."""
    budget_s: float = 600.0
    """Load in all, ramps included."""
    settle_limit_s: float = 60.0
    """The longest wait for backlog to clear between two steps."""

    @property
    def first_per_s(self) -> float:
        """The first rate tried."""
        wanted_per_s = max(10.0, self.least_per_s) if self.start_per_s is None else self.start_per_s
        return min(wanted_per_s, self.most_per_s)

    @property
    def least_budget_s(self) -> float:
        """Load for one step of the bracket, one of the bisection and the confirming one: less finds nothing."""
        return 3 * self.ramp_s + 2 * self.step_s + self.confirm_s


def problems(settings: SearchSettings, origin: Callable[[str], str] = lambda name: name) -> list[Problem]:
    """Every problem of the settings; `origin` says where a setting came from, by its name, e.g. `budget`."""
    return [
        Problem(name, value, origin(name), expected)
        for name, value, expected in (*_slo_problems(settings), *_rate_problems(settings), *_time_problems(settings))
    ]


_Found = Iterator[tuple[str, str, str]]


def _slo_problems(settings: SearchSettings) -> _Found:
    if not settings.slo:
        yield "slo", "nothing", "at least one expression such as latency.p99<500ms"
    for expression in settings.slo:
        try:
            threshold = thresholds.parse(expression)
        except ValueError as error:
            yield "slo", expression, str(error)
            continue
        if not _harder_with_the_rate(threshold):
            expected = (
                "what a larger rate makes harder to meet, such as latency.p99<500ms, failures.ratio<=0.1% or "
                "completed.ratio>=99.9%; that the completed rate keeps up is always asked for"
            )
            yield "slo", expression, expected


def _harder_with_the_rate(threshold: thresholds.Threshold) -> bool:
    """Else lower rates are lost and higher ones hold, and there is no largest rate to find."""
    if threshold.metric == "completed.ratio":
        return threshold.op in (">", ">=") or (threshold.op == "==" and threshold.limit == 1)
    return threshold.op in ("<", "<=") or (threshold.op == "==" and threshold.limit == 0)


def _rate_problems(settings: SearchSettings) -> _Found:
    least_per_s, most_per_s, start_per_s = settings.least_per_s, settings.most_per_s, settings.start_per_s
    if not 0 < least_per_s <= HIGHEST_PER_S:
        yield "least-rate", format_rate(least_per_s), f"above 0, at most {format_rate(HIGHEST_PER_S)}"
        return
    if not least_per_s < most_per_s <= HIGHEST_PER_S:
        expected = f"above the least rate ({format_rate(least_per_s)}), at most {format_rate(HIGHEST_PER_S)}"
        yield "most-rate", format_rate(most_per_s), expected
        return
    if start_per_s is not None and not least_per_s <= start_per_s <= most_per_s:
        expected = f"from the least rate ({format_rate(least_per_s)}) to the most ({format_rate(most_per_s)})"
        yield "start-rate", format_rate(start_per_s), expected


def _time_problems(settings: SearchSettings) -> _Found:
    if not FINEST_PRECISION <= settings.precision <= COARSEST_PRECISION:
        yield "precision", f"{settings.precision:.1%}", f"{FINEST_PRECISION:.1%} to {COARSEST_PRECISION:.0%}"
    sound = True
    for name, value_s, low_s in (
        ("step", settings.step_s, SHORTEST_STEP_S),
        ("ramp", settings.ramp_s, 0.0),
        ("confirm", settings.confirm_s, settings.step_s),
        ("settle-limit", settings.settle_limit_s, 0.0),
    ):
        if not low_s <= value_s < math.inf:
            sound = False
            atleast = f"at least {format_duration(low_s)}"
            yield name, format_duration(value_s), f"{atleast}, the length of a step" if name == "confirm" else atleast
    if sound and not settings.least_budget_s <= settings.budget_s < math.inf:
        yield (
            "budget",
            format_duration(settings.budget_s),
            f"at least {format_duration(settings.least_budget_s)}: two steps and a confirming one, each with its ramp",
        )
