"""What a run tells whoever watches it while it runs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a run, once a second."""

    phase: str
    """`drive` or `drain`."""
    t_s: float
    """Since the epoch."""
    schedule_s: float
    target_per_s: float
    """Scheduled in the last second."""
    sent_per_s: float
    completed_per_s: float
    in_flight: int
    scheduled: int
    """Intended so far."""
    outcomes: dict[str, int]
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    """Latency so far; null: none yet, or did not complete."""
    lag_p99_ms: float | None
    completed_series: list[float]
    """Completed per second, for a sparkline: the last 60 seconds."""
    limit: str = ""
    """The first limit reached so far, or empty."""


Buckets = Sequence[tuple[float, int]]
"""(upper bound in s, how many are at most that), bounds ascending; without the last one, +Inf."""


class GeneratorSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What one generator has done so far, as the run's Prometheus endpoint shows it."""

    process: str
    outcomes: Mapping[str, int]
    scheduled: int
    """Intended starts: sent or dropped. Never falls."""
    latency_buckets: Buckets
    """Of what completed: what did not has no latency."""
    latency_sum_s: float
    latency_count: int
    lag_buckets: Buckets
    lag_sum_s: float
    lag_count: int
    in_flight: int


class RunSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a run, as its Prometheus endpoint shows it."""

    target_per_s: float
    generators: Sequence[GeneratorSnapshot]


class Observer(Protocol):
    """Whoever watches a run. Called from the run's event loop: return quickly."""

    def phase(self, name: str, detail: str = "") -> None:
        """A phase of the run begins: `server`, `connect`, `prepare`, `warm-up`, `drive`, `drain`, `reconcile`, …"""

    def detail(self, text: str) -> None:
        """Progress within a phase, e.g. a line of a build."""

    def progress(self, progress: Progress) -> None:
        """The state of the run."""

    def warning(self, text: str) -> None:
        """Something the user should know now."""
