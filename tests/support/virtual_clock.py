"""A clock for tests: time jumps to the next sleeper as soon as every task waits."""

from __future__ import annotations

import asyncio
import heapq
import itertools

_SETTLE_TURNS = 40
"""Turns of the loop after which everything that can run without time passing has run."""


class VirtualClock:
    """Implements `auroral.bench.clock.Clock` without waiting. Use as an async context manager."""

    def __init__(self, start_us: int = 0) -> None:
        self._now_us = start_us
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._pump: asyncio.Task[None] | None = None

    async def __aenter__(self) -> VirtualClock:
        self._pump = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._pump is not None
        self._pump.cancel()
        await asyncio.gather(self._pump, return_exceptions=True)

    def now_us(self) -> int:
        return self._now_us

    def advance(self, by_us: int) -> None:
        """Let time pass while the code under test holds the processor."""
        self._now_us += by_us

    async def sleep(self, seconds: float) -> None:
        await self.sleep_until(self._now_us + round(seconds * 1e6), asyncio.Event())

    async def sleep_until(self, at_us: int, wake: asyncio.Event) -> None:
        if at_us <= self._now_us:
            await asyncio.sleep(0)
            return
        sleeper: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (at_us, next(self._order), sleeper))
        waking = asyncio.ensure_future(wake.wait())
        try:
            await asyncio.wait({sleeper, waking}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waking.cancel()
            sleeper.cancel()

    async def _run(self) -> None:
        while True:
            for _ in range(_SETTLE_TURNS):
                await asyncio.sleep(0)
            while self._sleepers:
                at_us, _, sleeper = heapq.heappop(self._sleepers)
                if not sleeper.done():
                    self._now_us = max(self._now_us, at_us)
                    sleeper.set_result(None)
                    break
