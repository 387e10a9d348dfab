"""Workloads: the built-in ones, and mixes of several. Pure.

The language itself is in `steps` and `durations`, what to expect of a workload in `estimate`; their names can be
had from here.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate

from auroral.bench.durations import Duration, Exponential, LogNormal, Normal, Uniform, sample
from auroral.bench.estimate import Estimate, activity_slots, cautions, estimate
from auroral.bench.steps import (
    Activity,
    Child,
    ContinueAsNew,
    Interaction,
    Query,
    Signal,
    Step,
    Timer,
    Update,
    Workload,
    from_plain,
    interactions,
    to_plain,
    validate,
)
from auroral.errors import ConfigurationError, Problem

__all__ = [
    "BUILTINS",
    "QUERY_NAME",
    "SIGNAL_NAME",
    "UPDATE_NAME",
    "Activity",
    "Child",
    "ContinueAsNew",
    "Duration",
    "Estimate",
    "Exponential",
    "Interaction",
    "LogNormal",
    "Mix",
    "Normal",
    "Query",
    "Signal",
    "Step",
    "Timer",
    "Uniform",
    "Update",
    "Workload",
    "activity_slots",
    "block",
    "builtin",
    "cautions",
    "estimate",
    "from_plain",
    "interactions",
    "sample",
    "to_plain",
    "validate",
]

BUILTINS = ("simple", "multi-activity", "timer", "child", "state-transitions")

SIGNAL_NAME = "auroral.signal"
UPDATE_NAME = "auroral.update"
QUERY_NAME = "auroral.query"


def builtin(name: str, *, activity_count: int = 5, timer_duration_s: float = 1.0, child_count: int = 3) -> Workload:
    """The built-in workload of this name. Raises `ConfigurationError` for an unknown name or a value out of range."""
    steps: tuple[Step, ...]
    problems: list[Problem] = []
    match name:
        case "simple":
            steps = ()
        case "multi-activity":
            problems = _out_of_range("activity-count", activity_count)
            steps = (Activity(count=activity_count),)
        case "timer":
            steps = (Timer(duration_s=timer_duration_s),)
        case "child":
            problems = _out_of_range("child-count", child_count)
            steps = (Child(count=child_count),)
        case "state-transitions":
            each = Uniform(min_s=0.1, max_s=0.6)
            steps = (
                Activity(count=4, mode="parallel", duration_s=each),
                Activity(count=6, mode="sequence", duration_s=each),
            )
        case _:
            problem = Problem("workload", name, "the workload's name", f"one of {', '.join(BUILTINS)}")
            raise ConfigurationError([problem])
    workload = Workload(name=name, steps=steps)
    if problems := problems or validate(workload, origin=f"the built-in workload {name}"):
        raise ConfigurationError(problems)
    return workload


def _out_of_range(name: str, count: int) -> list[Problem]:
    return [] if 1 <= count <= 100 else [Problem(name, str(count), "the built-in workload's settings", "1 to 100")]


@lru_cache(maxsize=64)
def block(size_bytes: int) -> bytes:
    """Bytes that do not compress, the same in every process."""
    return hashlib.shake_128(b"auroral").digest(size_bytes)


class Mix:
    """Chooses the workload of each start by weight: the same for an index in every process, the shares exact in
    the long run and nearly so in any stretch (a golden-ratio sequence).
    """

    _STEP = 0x9E3779B97F4A7C15
    """2^64 divided by the golden ratio."""
    _SIZE = 1 << 64

    def __init__(self, weights: Sequence[float], seed: int) -> None:
        """Take relative weights. Raises `ValueError` unless all are finite, none is negative and one is above zero."""
        total = sum(weights)
        if not all(weight >= 0 for weight in weights) or not 0 < total < math.inf:
            raise ValueError(f"weights of zero or more, one above zero, not {list(weights)}")
        last = max(index for index, weight in enumerate(weights) if weight > 0)
        bounds = [round(self._SIZE * (sum_so_far / total)) for sum_so_far in accumulate(weights)]
        self._bounds = bounds[:last]
        self._offset = int.from_bytes(hashlib.blake2b(str(seed).encode(), digest_size=8).digest(), "big")

    def choose(self, index: int) -> int:
        """Which workload the start of this index runs."""
        return bisect_right(self._bounds, (self._offset + index * self._STEP) % self._SIZE)
