"""Many schedules over the cores: a pool of processes that each simulate one after the other. Acts."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, process
from multiprocessing.connection import wait

from auroral.capacity.simulation import trial
from auroral.capacity.simulation.result import Run
from auroral.capacity.simulation.scenario import Scenario
from auroral.errors import LostProcessError

Job = tuple[Scenario, int]
"""A scenario, and the seed to run it under."""
_AHEAD = 4
"""Jobs given to the pool for each process: what has run ahead of its turn is kept in memory."""


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_all(jobs: Sequence[Job], processes: int) -> Generator[Run]:
    """Run the jobs and yield each run in the jobs' order, whatever the number of processes.

    Ends its processes when it is closed, by an interrupt too. Raises `LostProcessError` where one was killed, and what
    `trial.run` raises.
    """
    processes = min(processes, len(jobs))
    if processes <= 1:
        for scenario, seed in jobs:
            yield trial.run(scenario, seed)
        return
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _begin)
    pending: deque[Future[Run]] = deque()
    try:
        for job in jobs:
            pending.append(pool.submit(_run, *job))
            if len(pending) >= processes * _AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    except process.BrokenProcessPool as error:
        raise LostProcessError(
            "a process that simulated was killed", hint="memory may have run out: try fewer with --jobs"
        ) from error
    finally:
        if any(not future.cancel() for future in pending):
            for child in set(multiprocessing.active_children()) - before:
                child.terminate()
        pool.shutdown(cancel_futures=True)


class _Stopped(Exception):
    """The parent wants no more of this process's work."""


class _Stop:
    """What SIGTERM does to a process of the pool: it ends a simulation, and never the writing of a result, of which the
    parent would wait for the rest.
    """

    simulating = False
    asked = False

    @classmethod
    def ask(cls, *_: object) -> None:
        cls.asked = True
        if cls.simulating:
            cls.simulating = False
            raise _Stopped


def _run(scenario: Scenario, seed: int) -> Run:
    if _Stop.asked:
        raise _Stopped
    _Stop.simulating = True
    try:
        return trial.run(scenario, seed)
    finally:
        _Stop.simulating = False


def _begin() -> None:
    """In a process of the pool: leave interrupts to the parent, and end with it however it dies."""
    signal.signal(signal.SIGTERM, _Stop.ask)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    with contextlib.suppress(OSError):
        wait([sentinel])
    os._exit(1)
