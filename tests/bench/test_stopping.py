from __future__ import annotations

import asyncio

import pytest

from auroral.bench.stopping import Stopped, StopSignal


async def answer(value: int) -> int:
    return value


async def test_work_that_ends_first_gives_its_value() -> None:
    assert await StopSignal().unless_softly(answer(7)) == 7


async def test_the_first_request_gives_up_what_need_not_be_finished() -> None:
    stop = StopSignal()
    work = asyncio.Event()
    asyncio.get_running_loop().call_soon(stop.request)
    with pytest.raises(Stopped):
        await stop.unless_softly(work.wait())


async def test_only_the_second_request_gives_up_the_rest() -> None:
    stop = StopSignal()
    stop.request()
    assert await stop.unless_at_once(answer(7)) == 7
    stop.request()
    with pytest.raises(Stopped):
        await stop.unless_at_once(asyncio.Event().wait())


async def test_what_is_given_up_is_cancelled_before_the_call_returns() -> None:
    stop = StopSignal()
    ends: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ends.append("cancelled")

    asyncio.get_running_loop().call_soon(stop.request)
    with pytest.raises(Stopped):
        await stop.unless_softly(work())
    assert ends == ["cancelled"]


async def test_an_error_of_the_work_is_its_own() -> None:
    async def fail() -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError):
        await StopSignal().unless_softly(fail())
