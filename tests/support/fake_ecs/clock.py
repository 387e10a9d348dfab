"""A clock that moves when somebody sleeps, and lets time pass in a world meanwhile."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
MONOTONIC_START_S = 5_000.0
"""Where a machine's monotonic clock begins is arbitrary; zero would hide who takes it for a time since the start."""
STEP_S = 1.0


class FakeClock:
    """`now_s`, `sleep` and `utc` are what `auroral.ecs` takes for a clock."""

    def __init__(self) -> None:
        self.elapsed_s = 0.0
        self.slept: list[float] = []
        self._listeners: list[Callable[[], None]] = []
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def now_s(self) -> float:
        """A monotonic clock."""
        return MONOTONIC_START_S + self.elapsed_s

    def utc(self) -> datetime:
        """The time of day."""
        return START + timedelta(seconds=self.elapsed_s)

    def sleep(self, seconds: float) -> None:
        """What `time.sleep` is to others: remembered in `slept`."""
        self.slept.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass. What was given to `at` may raise; time stands where it did then."""
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        until_s = self.elapsed_s + seconds
        while self.elapsed_s < until_s:
            next_s = min(self.elapsed_s + STEP_S, until_s)
            if self._due and self._due[0][0] <= next_s:
                next_s = max(self._due[0][0], self.elapsed_s)
            self.elapsed_s = next_s
            for listener in self._listeners:
                listener()
            while self._due and self._due[0][0] <= self.elapsed_s:
                heapq.heappop(self._due)[2]()

    def at(self, elapsed_s: float, happens: Callable[[], None]) -> None:
        """Call back so many seconds after the start."""
        heapq.heappush(self._due, (elapsed_s, next(self._order), happens))

    def after(self, seconds: float, happens: Callable[[], None]) -> None:
        """Call back so many seconds from now."""
        self.at(self.elapsed_s + seconds, happens)

    def interrupt_at(self, elapsed_s: float) -> None:
        """Ctrl-C for whoever sleeps then."""

        def interrupt() -> None:
            raise KeyboardInterrupt

        self.at(elapsed_s, interrupt)

    def until(self, condition: Callable[[], bool], *, within_s: float = 3_600) -> float:
        """Let time pass until it holds, and give the seconds that took. Raises `AssertionError`."""
        began_s = self.elapsed_s
        while not condition():
            if self.elapsed_s - began_s >= within_s:
                raise AssertionError(f"not within {within_s:g} s: {condition}")
            self.advance(STEP_S)
        return self.elapsed_s - began_s

    def listen(self, listener: Callable[[], None]) -> None:
        """Called at each step."""
        self._listeners.append(listener)
