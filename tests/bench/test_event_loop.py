"""Which event loop a run's processes have."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from auroral.bench import event_loop

_PROGRAM = """
import asyncio, sys
{before}
from auroral.bench import event_loop

async def main():
    print(event_loop.NAME, type(asyncio.get_running_loop()).__module__.split(".")[0])

event_loop.run(main())
"""


def loop_of(before: str = "") -> list[str]:
    program = _PROGRAM.format(before=before)
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    return ended.stdout.split()


def test_the_loop_that_runs_is_the_one_that_is_named() -> None:
    assert loop_of() == [event_loop.NAME, event_loop.NAME]


def test_without_uvloop_it_is_asyncio() -> None:
    """As on Windows, for which there is none."""
    before = 'sys.modules["uvloop"] = None'
    assert loop_of(before) == ["asyncio", "asyncio"]


def test_what_fails_is_raised() -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        event_loop.run(fail())
