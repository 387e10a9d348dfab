"""The time of a run: microseconds since its epoch, and the only sleep of the schedule."""

from __future__ import annotations

import asyncio
import math
import time
from typing import Protocol


class Clock(Protocol):
    """Owns time. Tests have one of their own."""

    def now_us(self) -> int:
        """Microseconds since the epoch."""

    async def sleep_until(self, at_us: int, wake: asyncio.Event) -> None:
        """Return at that time, or as soon as `wake` is set."""

    async def sleep(self, seconds: float) -> None:
        """Return after this long."""


class MonotonicClock:
    """The system's monotonic clock, counted from an epoch given in wall-clock time.

    The two clocks are read once, so that a step of the wall clock during a run changes nothing.
    """

    def __init__(self, epoch_unix_us: int) -> None:
        self._epoch_ns = time.monotonic_ns() + epoch_unix_us * 1_000 - time.time_ns()

    def now_us(self) -> int:
        """Microseconds since the epoch; negative before it."""
        return (time.monotonic_ns() - self._epoch_ns) // 1_000

    async def sleep_until(self, at_us: int, wake: asyncio.Event) -> None:
        """Return at that time, or as soon as `wake` is set."""
        delay_s = (at_us - self.now_us()) / 1e6
        if delay_s <= 0:
            # Behind: let answers in between two starts.
            await asyncio.sleep(0)
        elif delay_s < 0.1:
            # Too short to be worth a second timer; `wake` is seen on return. Timers count in whole milliseconds, and
            # uvloop rounds them to the nearest: a fraction short of the time it would spin.
            while delay_s > 0:
                await asyncio.sleep(math.ceil(delay_s * 1e3) / 1e3)
                delay_s = (at_us - self.now_us()) / 1e6
        else:
            try:
                await asyncio.wait_for(wake.wait(), delay_s)
            except TimeoutError:
                return

    async def sleep(self, seconds: float) -> None:
        """Return after this long."""
        await asyncio.sleep(seconds)
