"""How long to wait before the next look: back-off with a deadline. Pure."""

from __future__ import annotations

import msgspec


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How a wait is paced."""

    deadline_s: float
    """From the start of the whole wait."""
    first_s: float = 2.0
    """DescribeServices and DescribeTasks are throttled for an account as a whole."""
    most_s: float = 15.0
    factor: float = 1.4


class Waiter:
    """Answers the next wait. Waits grow while nothing moves, and begin anew when something does."""

    def __init__(self, patience: Patience, now_s: float) -> None:
        self._patience = patience
        self._began_s = now_s
        self._next_s = patience.first_s

    def wait_s(self, now_s: float, *, progressed: bool = False) -> float | None:
        """Seconds until the next look; None once the deadline is over. The last look is at the deadline."""
        left_s = self._began_s + self._patience.deadline_s - now_s
        if left_s <= 0:
            return None
        if progressed:
            self._next_s = self._patience.first_s
        wait_s = min(self._next_s, left_s)
        self._next_s = min(self._next_s * self._patience.factor, self._patience.most_s)
        return wait_s

    def waited_s(self, now_s: float) -> float:
        """Since the start."""
        return now_s - self._began_s
