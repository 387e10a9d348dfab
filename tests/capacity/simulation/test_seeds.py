"""Many schedules over the cores: the same as one after the other, and nothing left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import msgspec
import psutil
import pytest

from auroral.capacity.simulation.scenario import Event
from auroral.capacity.simulation.seeds import cores, run_all
from auroral.errors import LostProcessError, UsageError
from tests.support.scenarios import scenario

SMALL = scenario(Event(at_s=60.0, do="cut"))


def test_parallel_and_serial_runs_are_the_same() -> None:
    jobs = [(SMALL, seed) for seed in range(12)]
    alone, together = (msgspec.json.encode(list(run_all(jobs, processes))) for processes in (1, 3))
    assert alone == together
    assert multiprocessing.active_children() == []


def test_there_is_a_core() -> None:
    assert cores() >= 1


def test_whoever_stops_early_leaves_no_process() -> None:
    with closing(run_all([(SMALL, seed) for seed in range(50)], 2)) as runs:
        assert next(runs).seed == 0
        assert len(multiprocessing.active_children()) == 2
    assert multiprocessing.active_children() == []


def test_a_long_simulation_is_not_waited_for() -> None:
    long = msgspec.structs.replace(SMALL, duration_s=7 * 86_400.0)
    with closing(run_all([(SMALL, 1), *((long, seed) for seed in range(3))], 2)) as runs:
        next(runs)
        began = time.monotonic()
    assert time.monotonic() - began < 3.0
    assert multiprocessing.active_children() == []


def test_what_a_run_raises_comes_through() -> None:
    nothing = msgspec.structs.replace(SMALL, services=())
    with pytest.raises(UsageError, match="names no services"):
        list(run_all([(nothing, 1), (nothing, 2)], 2))
    assert multiprocessing.active_children() == []


def test_a_killed_process_is_told() -> None:
    with closing(run_all([(SMALL, seed) for seed in range(400)], 2)) as runs:
        next(runs)
        child = multiprocessing.active_children()[0]
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        with pytest.raises(LostProcessError, match="was killed"):
            list(runs)
    assert multiprocessing.active_children() == []


PROGRAM = """
from auroral.capacity.simulation.seeds import run_all
from tests.capacity.simulation.test_seeds import SMALL

if __name__ == "__main__":
    for index, run in enumerate(run_all([(SMALL, seed) for seed in range(100_000)], 2)):
        if not index:
            print("running", flush=True)
"""


def test_the_processes_end_with_their_parent_however_it_dies(tmp_path: Path) -> None:
    program = tmp_path / "endless.py"
    program.write_text(PROGRAM, encoding="utf-8")
    environ = {**os.environ, "PYTHONPATH": os.getcwd()}
    with subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, env=environ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"running\n"
        children = psutil.Process(parent.pid).children(recursive=True)
        assert len(children) >= 2
        parent.kill()
    assert psutil.wait_procs(children, timeout=20)[1] == []
