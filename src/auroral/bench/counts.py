"""What a tally holds, as plain values that travel between processes. Pure.

Histograms are lists of `Histogram.packed`. What follows from the rest is left out: the latency and the lag of the
whole run are the sums over windows and seconds.
"""

from __future__ import annotations

import msgspec


class WindowCounts(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False):
    """What happened in one window."""

    sent: int
    accepted: int
    completed: int
    last_us: int
    censored: int
    out_of_range: int
    latency: list[int] | None
    """None: the latencies of all seconds, as no other window has any."""


class SecondCounts(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False):
    """What happened in one second."""

    second: int
    counts: list[int]
    """The columns of `seconds.Seconds`, in their order."""
    latency: list[int]
    lag: list[int]


class TallyCounts(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False):
    """Everything that a tally counts of samples; what the server's listing adds is not part of it."""

    outcomes: dict[str, int]
    """Those that are not 0."""
    observations: dict[str, int]
    resolved_starts: int
    causes: list[tuple[str, str, int]]
    windows: list[WindowCounts]
    """In order; the last is the drain's."""
    seconds: list[SecondCounts]
    service_time: list[int]
    start_latency: list[int]
    out_of_range: tuple[int, int, int]
    """Of service time, start latency and lag."""
