"""At what pace connections are opened, and how long a refused one waits. Pure: the time is an argument."""

from __future__ import annotations


class Pace:
    """So many openings a second, evenly: no burst, however long nothing was opened."""

    def __init__(self, rate_per_s: float) -> None:
        self._interval_s = 1.0 / rate_per_s
        self._next_s: float | None = None

    def wait_s(self, now_s: float) -> float:
        """Reserve the next opening; return how long to wait for it."""
        at_s = now_s if self._next_s is None else max(now_s, self._next_s)
        self._next_s = at_s + self._interval_s
        return at_s - now_s
