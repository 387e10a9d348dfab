"""What `async with` starts and ends."""

from __future__ import annotations

import asyncio

import pytest

from auroral.local.startable import Startable


class Two(Startable):
    """Two parts, the second of which may fail or not come to its end."""

    def __init__(self, *, fails: bool = False, hangs: bool = False) -> None:
        self.parts: list[str] = []
        self.began = asyncio.Event()
        self._fails = fails
        self._hangs = hangs

    async def _start(self) -> None:
        self.parts.append("first")
        self.began.set()
        if self._fails:
            raise ValueError("the second part")
        if self._hangs:
            await asyncio.Event().wait()
        self.parts.append("second")

    async def stop(self) -> None:
        self.parts.clear()


async def test_with_starts_it_and_ends_it() -> None:
    async with Two() as it:
        assert it.parts == ["first", "second"]
    assert it.parts == []


async def test_it_ends_where_what_it_was_for_fails() -> None:
    it = Two()
    with pytest.raises(LookupError):
        async with it:
            raise LookupError
    assert it.parts == []


async def test_a_start_that_fails_leaves_nothing_behind() -> None:
    it = Two(fails=True)
    with pytest.raises(ValueError, match="the second part"):
        await it.start()
    assert it.parts == []


async def test_a_start_that_is_cancelled_leaves_nothing_behind() -> None:
    it = Two(hangs=True)
    starting = asyncio.create_task(it.start())
    await it.began.wait()
    assert it.parts == ["first"]
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert it.parts == []
