"""Interrupts: the first stops the schedule and drains briefly, the second stops at once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Stopped(Exception):
    """The user has asked to stop while something was awaited that need not be finished."""


class StopSignal:
    """What the terminal's interrupts set."""

    def __init__(self) -> None:
        self.softly = asyncio.Event()
        self.at_once = asyncio.Event()

    def request(self) -> None:
        """Once: stop the schedule, drain briefly, clean up, write. Again: stop at once."""
        if self.softly.is_set():
            self.at_once.set()
        self.softly.set()

    @property
    def requested(self) -> bool:
        """Whether a stop was asked for."""
        return self.softly.is_set()

    async def unless_softly(self, work: Coroutine[Any, Any, T]) -> T:
        """Await `work`, but give it up at the first request. Raises `Stopped`."""
        return await _race(work, self.softly)

    async def unless_at_once(self, work: Coroutine[Any, Any, T]) -> T:
        """Await `work`, but give it up at the second request. Raises `Stopped`."""
        return await _race(work, self.at_once)


async def _race(work: Coroutine[Any, Any, T], stop: asyncio.Event) -> T:
    task = asyncio.ensure_future(work)
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise Stopped
    finally:
        for pending in (task, stopped):
            if not pending.done():
                pending.cancel()
        await asyncio.gather(task, stopped, return_exceptions=True)
