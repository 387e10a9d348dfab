from __future__ import annotations

import asyncio
import time

from auroral.bench.clock import MonotonicClock


def unix_us() -> int:
    return time.time_ns() // 1_000


def test_time_is_negative_before_the_epoch_and_runs_on() -> None:
    clock = MonotonicClock(unix_us() + 10_000_000)
    first = clock.now_us()
    assert -10_000_000 <= first < -9_000_000
    assert clock.now_us() >= first


async def test_a_sleep_is_never_short_and_one_in_the_past_yields() -> None:
    clock = MonotonicClock(unix_us())
    target_us = clock.now_us() + 3_000
    await clock.sleep_until(target_us, asyncio.Event())
    assert clock.now_us() >= target_us
    turns: list[int] = []
    asyncio.get_running_loop().call_soon(turns.append, 1)
    await clock.sleep_until(target_us, asyncio.Event())
    assert turns == [1]


async def test_a_long_sleep_ends_when_woken() -> None:
    clock = MonotonicClock(unix_us())
    wake = asyncio.Event()
    asyncio.get_running_loop().call_soon(wake.set)
    await clock.sleep_until(clock.now_us() + 3_600_000_000, wake)
    assert clock.now_us() < 60_000_000
