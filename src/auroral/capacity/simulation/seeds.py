"""Many schedules over the cores: a pool of processes that each simulate one after the other. Acts."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
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
    try:
        yield from _in_order(pool, jobs, processes * _AHEAD)
    except process.BrokenProcessPool as error:
        raise LostProcessError(
            "a process that simulated was killed", hint="memory may have run out: try fewer with --jobs"
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - before:
            child.terminate()
            child.join()


def _in_order(pool: ProcessPoolExecutor, jobs: Sequence[Job], ahead: int) -> Generator[Run]:
    pending: list[Future[Run]] = []
    for index, job in enumerate(jobs):
        pending.append(pool.submit(trial.run, *job))
        if len(pending) >= ahead or index == len(jobs) - 1:
            yield pending.pop(0).result()
    while pending:
        yield pending.pop(0).result()


def _begin() -> None:
    """In a process of the pool: leave interrupts to the parent, and end with it however it dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    with contextlib.suppress(OSError):
        wait([sentinel])
    os._exit(1)
