"""What happened in each window of the schedule, and in the drain after it. Pure.

An event counts in the window in which it happened; a latency counts in that for which its start was intended. Times
come in µs since the run's epoch.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from auroral.bench.counts import WindowCounts
from auroral.bench.histogram import Histogram
from auroral.bench.result import Window
from auroral.bench.schedule import WindowBounds

_US_PER_S = 1_000_000


class WindowTally:
    """What happened in one window. Counts are of events in it, the latency of starts intended in it."""

    __slots__ = ("accepted", "censored", "completed", "last_us", "latency", "sent", "state_transitions")

    def __init__(self) -> None:
        self.sent = 0
        self.accepted = 0
        self.completed = 0
        self.last_us = 0
        self.state_transitions = 0.0
        self.latency = Histogram()
        self.censored = 0

    def merge(self, other: WindowTally) -> None:
        self.sent += other.sent
        self.accepted += other.accepted
        self.completed += other.completed
        self.last_us = max(self.last_us, other.last_us)
        self.state_transitions += other.state_transitions
        self.latency.merge(other.latency)
        self.censored += other.censored

    def plain(self, *, alone: bool) -> WindowCounts:
        """For another process; `alone`: no other window has latencies."""
        return WindowCounts(
            sent=self.sent,
            accepted=self.accepted,
            completed=self.completed,
            last_us=self.last_us,
            censored=self.censored,
            out_of_range=self.latency.out_of_range,
            latency=None if alone and self.latency.count else self.latency.packed(),
        )

    def add_plain(self, plain: WindowCounts, of_all_seconds: Histogram) -> Histogram:
        """Add what `plain` gave; return the latencies that came with it."""
        packed = of_all_seconds.packed() if plain.latency is None else plain.latency
        latency = Histogram.unpacked(packed, out_of_range=plain.out_of_range)
        self.sent += plain.sent
        self.accepted += plain.accepted
        self.completed += plain.completed
        self.last_us = max(self.last_us, plain.last_us)
        self.censored += plain.censored
        self.latency.merge(latency)
        return latency


class Windows:
    """A tally for each window, and one for the drain."""

    def __init__(self, bounds: Sequence[WindowBounds]) -> None:
        self._tallies = [WindowTally() for _ in range(len(bounds) + 1)]
        """The last is the drain's."""
        self._bound(bounds)

    @property
    def end_s(self) -> float:
        """Where the last window ends and the drain begins."""
        return self._bounds[-1].end_s if self._bounds else 0.0

    def at(self, time_us: int) -> WindowTally:
        """The window of a time. What is before the epoch is in the first."""
        ends_us = self._ends_us
        return self._tallies[0 if not ends_us or time_us < ends_us[0] else bisect_right(ends_us, time_us)]

    def of_event(self, time_us: int) -> WindowTally:
        """The window of something that happened."""
        window = self.at(time_us)
        window.last_us = max(window.last_us, time_us)
        return window

    def add_transitions(self, started_us: int, closed_us: int | None, state_transitions: int) -> None:
        """Count them evenly from start to close, and at the start where there is no close.

        Those after the schedule are in no window.
        """
        if closed_us is None or closed_us <= started_us:
            self.at(started_us).state_transitions += state_transitions
            return
        per_us = state_transitions / (closed_us - started_us)
        first = max(0, bisect_right(self._starts_us, started_us) - 1)
        for number in range(first, len(self._bounds)):
            if number > 0 and self._starts_us[number] >= closed_us:
                break
            # What the server's clock puts before the epoch belongs to the first window.
            from_us = started_us if number == 0 else max(started_us, self._starts_us[number])
            overlap_us = min(closed_us, self._ends_us[number]) - from_us
            self._tallies[number].state_transitions += per_us * max(0, overlap_us)

    def cut(self, bounds: Sequence[WindowBounds]) -> None:
        """Keep these windows only, the last perhaps shorter; the drain takes what those that are gone have counted."""
        gone = self._tallies[len(bounds) : -1]
        kept = [*self._tallies[: len(bounds)], self._tallies[-1]]
        for tally in gone:
            kept[-1].merge(tally)
        self._tallies = kept
        self._bound(bounds)

    def merge(self, other: Windows) -> None:
        """Add what others of the same bounds counted. Raises `ValueError` for other bounds."""
        if [bounds[:3] for bounds in self._bounds] != [bounds[:3] for bounds in other._bounds]:
            raise ValueError("expected a tally of the same windows")
        for mine, theirs in zip(self._tallies, other._tallies, strict=True):
            mine.merge(theirs)

    def plain(self) -> list[WindowCounts]:
        """For another process; see `add_plain`."""
        having = sum(1 for window in self._tallies if window.latency.count)
        return [window.plain(alone=having == 1) for window in self._tallies]

    def check_plain(self, count: int) -> None:
        """Raise `ValueError` where so many windows are not those of this schedule or of its beginning."""
        if not 1 <= count <= len(self._tallies):
            raise ValueError(f"expected 1 to {len(self._tallies)} windows, not {count}")

    def add_plain(self, windows: Sequence[WindowCounts], of_all_seconds: Histogram) -> Histogram:
        """Add what `plain` gave, by place, the last to the drain; return the latencies of all of them."""
        latency = Histogram()
        for window, mine in zip(windows, [*self._tallies[: len(windows) - 1], self._tallies[-1]], strict=True):
            latency.merge(mine.add_plain(window, of_all_seconds))
        return latency

    def described(self, *, listed: bool) -> list[Window]:
        """The windows as a result has them, and the drain where anything happened after them.

        `listed`: whether the server has listed executions, so that state transitions are known.
        """
        found = []
        for bounds, tally in zip(self._bounds, self._tallies, strict=False):
            length_s = bounds.end_s - bounds.start_s
            found.append(
                Window(
                    name=bounds.name,
                    kind=bounds.kind,
                    start_s=bounds.start_s,
                    end_s=bounds.end_s,
                    target_per_s=bounds.target_per_s,
                    offered_per_s=tally.sent / length_s,
                    started_per_s=tally.accepted / length_s,
                    completed_per_s=tally.completed / length_s,
                    state_transitions_per_s=tally.state_transitions / length_s if listed else None,
                    latency=tally.latency.quantiles(tally.censored),
                )
            )
        drain, start_s = self._tallies[-1], self.end_s
        length_s = max(tally.last_us for tally in self._tallies) / _US_PER_S - start_s
        if length_s > 0:
            found.append(
                Window(
                    name="drain",
                    kind="drain",
                    start_s=start_s,
                    end_s=start_s + length_s,
                    target_per_s=0.0,
                    offered_per_s=drain.sent / length_s,
                    started_per_s=drain.accepted / length_s,
                    completed_per_s=drain.completed / length_s,
                    latency=drain.latency.quantiles(drain.censored),
                )
            )
        return found

    def _bound(self, bounds: Sequence[WindowBounds]) -> None:
        self._bounds = list(bounds)
        self._starts_us = [round(window.start_s * _US_PER_S) for window in bounds]
        self._ends_us = [round(window.end_s * _US_PER_S) for window in bounds]
