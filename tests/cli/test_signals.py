"""Signals are heard inside the block, and by whoever had them before it afterwards."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from auroral.cli.signals import heard


@pytest.fixture(autouse=True)
def _ignored() -> Iterator[None]:
    """A test that fails to take a signal must not end the tests."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, lambda *_: None) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_is_heard_by_its_number(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    asked: asyncio.Queue[signal.Signals] = asyncio.Queue()
    with heard(asked.put_nowait):
        os.kill(os.getpid(), number)
        assert await asyncio.wait_for(asked.get(), timeout=10) is number
    assert signal.getsignal(number) is before


async def test_what_nohup_ignores_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with heard(lambda _: None):
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
