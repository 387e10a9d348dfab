"""One guarded process: started, stopped, killed, paused, and told apart from others."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psutil
import pytest

from auroral.errors import TargetError
from auroral.local.processes import GuardedProcess, alive, end_all, log_tail, started_s

WAIT = "import signal; print('here', flush=True); signal.pause()"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WAIT}"


def made(tmp_path: Path, program: str) -> GuardedProcess:
    command = [sys.executable, "-c", program]
    return GuardedProcess("it", command, environment=os.environ, directory=tmp_path, log_path=tmp_path / "it.log")


def until_said(process: GuardedProcess) -> None:
    while "here" not in process.log_tail():
        assert process.running


async def test_it_ends_when_asked_and_starts_again(tmp_path: Path) -> None:
    process = made(tmp_path, WAIT)
    process.start()
    first = process.pid
    assert alive(first, process.started_s)
    assert not alive(first, process.started_s - 60)
    until_said(process)
    assert await process.stop(10)
    assert not process.running
    assert not alive(first, process.started_s)
    process.start()
    assert process.pid != first
    assert await process.stop(10)
    assert await process.stop(10)  # harmless


async def test_a_paused_one_ends_as_well(tmp_path: Path) -> None:
    process = made(tmp_path, WAIT)
    process.start()
    until_said(process)
    process.pause()
    assert psutil.Process(process.pid).status() == psutil.STATUS_STOPPED
    process.resume()
    process.pause()
    assert await process.stop(10)


async def test_one_that_does_not_end_is_killed(tmp_path: Path) -> None:
    process = made(tmp_path, STUBBORN)
    process.start()
    until_said(process)
    assert not await process.stop(0.2)
    assert not alive(process.pid, process.started_s)


async def test_a_kill_is_at_once(tmp_path: Path) -> None:
    process = made(tmp_path, STUBBORN)
    process.start()
    until_said(process)
    await process.kill()
    assert not alive(process.pid, process.started_s)


async def test_a_command_that_is_not_there_is_told(tmp_path: Path) -> None:
    process = GuardedProcess(
        "it", ["/no/such"], environment=os.environ, directory=tmp_path, log_path=tmp_path / "it.log"
    )
    with pytest.raises(TargetError, match=r"it cannot be started:\n.*cannot run /no/such"):
        process.start()
    await process.stop(1)


def test_processes_are_ended_by_id_and_start_time(tmp_path: Path) -> None:
    process = made(tmp_path, STUBBORN)
    process.start()
    until_said(process)
    end_all([(process.pid, process.started_s - 100), (2**22 + 1, 1.0)])  # another process's time; no process
    assert alive(process.pid, process.started_s)
    end_all([(process.pid, process.started_s)])
    assert not alive(process.pid, process.started_s)
    assert started_s(2**22 + 1) == 0


def test_the_end_of_a_log(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a\nb\n" + "c" * 1000)
    assert log_tail(tmp_path / "log", 2) == "  | b\n  | " + "c" * 300
    assert log_tail(tmp_path / "none") == "(no log: No such file or directory)"
