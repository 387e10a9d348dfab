from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.engines_build import INSTANT, obtain_program
from benchmarks.engines_servers import InstantServer


@pytest.fixture(scope="session")
def instant_program() -> Path:
    """The program that answers at once, built where it is not in the cache."""
    return asyncio.run(obtain_program(INSTANT, report=print))


@pytest.fixture
def instant(instant_program: Path) -> Iterator[InstantServer]:
    """A fresh one."""
    with InstantServer(instant_program) as server:
        yield server
