"""What a single test left running, seen from the process that runs the tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psutil


@contextmanager
def nothing_left() -> Iterator[None]:
    """Fail if what runs inside leaves a child, or a child's child, behind.

    Servers that tests share may be running already. What they start meanwhile, as PostgreSQL starts a vacuum whenever
    it sees fit, is theirs: only those are counted that no process of before has started.
    """
    before = set(psutil.Process().children(recursive=True))
    yield
    left = [one for one in psutil.Process().children(recursive=True) if one not in before and not _of(before, one)]
    assert not left, f"left running: {left}"


def _of(servers: set[psutil.Process], process: psutil.Process) -> bool:
    try:
        return not servers.isdisjoint(process.parents())
    except psutil.NoSuchProcess:  # it ended by itself, between the two looks
        return True
