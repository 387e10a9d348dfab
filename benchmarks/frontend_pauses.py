"""When the small frontend answers nothing: pauses at given times, and pauses by chance. Pure.

Times in seconds since the first start that is no probe.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right


class Pauses:
    """Whether a time lies in a pause, and when that pause ends."""

    def __init__(
        self,
        fixed_s: tuple[tuple[float, float], ...] = (),
        *,
        every_s: float = 0.0,
        for_s: float = 0.0,
        seed: int = 1,
    ) -> None:
        """`fixed_s`: (after, for) of each. `every_s`: mean of the exponential gaps between those by chance; 0: none."""
        self._fixed_s = [(after_s, after_s + length_s) for after_s, length_s in fixed_s]
        self._every_s = every_s
        self._for_s = for_s
        self._random = random.Random(f"pauses {seed}")
        self._begins_s: list[float] = []
        self._drawn_to_s = 0.0 if every_s > 0 else math.inf

    def end_s(self, t_s: float) -> float:
        """When whatever comes at this time is answered: the end of its pause, else the time itself."""
        while True:
            end_s = max(
                t_s,
                self._end_by_chance_s(t_s),
                *(end_s for begin_s, end_s in self._fixed_s if begin_s <= t_s),
            )
            if end_s == t_s:
                return t_s
            t_s = end_s

    def _end_by_chance_s(self, t_s: float) -> float:
        """Pauses by chance do not overlap each other."""
        while self._drawn_to_s <= t_s:
            begin_s = self._drawn_to_s + self._random.expovariate(1 / self._every_s)
            self._begins_s.append(begin_s)
            self._drawn_to_s = begin_s + self._for_s
        before = bisect_right(self._begins_s, t_s)
        return self._begins_s[before - 1] + self._for_s if before else t_s
