"""How long to wait before a transaction that met a conflict is tried again. Pure: the draw is an argument."""

from __future__ import annotations

import msgspec


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """Attempts and the waits between them: doubling from the first to the largest, each times 50 to 150 %.

    The jitter parts writers that met each other, so that they do not meet again at the next attempt.
    """

    attempts: int = 8
    """In all, the first included."""
    first_s: float = 0.02
    largest_s: float = 1.0

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"at least one attempt, not {self.attempts}")
        if not 0 <= self.first_s <= self.largest_s:
            raise ValueError(f"waits from 0, the first at most the largest; got {self.first_s:g}, {self.largest_s:g}")

    def wait_s(self, failed: int, draw: float) -> float | None:
        """The wait after so many failed attempts; None where none is left. `draw` is from 0 up to 1."""
        if failed >= self.attempts:
            return None
        base_s = min(self.largest_s, self.first_s * 2.0 ** min(failed - 1, 60))
        return base_s * (0.5 + draw)


CONFLICTS = Backoff()
"""For transactions: at a conflict rate of one half, 8 attempts fail once in 256."""

DDL = Backoff(attempts=12, first_s=0.1, largest_s=5.0)
"""For changes of the schema, which are rare and slow; as auroral-schema has it."""
