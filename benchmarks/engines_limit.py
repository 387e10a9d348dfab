"""The search for the most that a load sustains: which rate to try next. Pure."""

from __future__ import annotations

FACTOR = 1.5
"""Between one rate and the next while nothing has failed, or nothing has held."""
CLOSE = 1.1
"""A rate that failed this little above one that held ends the search."""
MOST_TRIES = 10


class Climb:
    """Looks for the largest rate that holds, from a first guess."""

    def __init__(self, start_per_s: float) -> None:
        self._start_per_s = start_per_s
        self.held_per_s: float | None = None
        """The largest rate that held."""
        self.failed_per_s: float | None = None
        """The smallest one that did not, above it."""
        self.tries = 0

    def next_per_s(self) -> float | None:
        """The rate to try; None: the search is over."""
        if self.tries >= MOST_TRIES:
            return None
        if self.held_per_s is None and self.failed_per_s is None:
            return self._start_per_s
        if self.failed_per_s is None:
            assert self.held_per_s is not None
            return _rounded(self.held_per_s * FACTOR)
        if self.held_per_s is None:
            lower_per_s = _rounded(self.failed_per_s / FACTOR)
            return lower_per_s if lower_per_s >= 1 else None
        if self.failed_per_s <= self.held_per_s * CLOSE:
            return None
        between_per_s = _rounded((self.held_per_s * self.failed_per_s) ** 0.5)
        return between_per_s if self.held_per_s < between_per_s < self.failed_per_s else None

    def tell(self, rate_per_s: float, *, held: bool) -> None:
        """Say what became of a rate."""
        self.tries += 1
        if held:
            self.held_per_s = max(rate_per_s, self.held_per_s or 0.0)
            if self.failed_per_s is not None and self.failed_per_s <= self.held_per_s:
                self.failed_per_s = None
        else:
            self.failed_per_s = min(rate_per_s, self.failed_per_s or rate_per_s)


def _rounded(rate_per_s: float) -> float:
    """To a rate that reads well: two digits."""
    step = 10 ** max(0, len(str(int(rate_per_s))) - 2)
    return float(round(rate_per_s / step) * step)
