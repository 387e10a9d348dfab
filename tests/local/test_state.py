"""The state file, and what a supervisor announces."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from auroral.errors import AuroralError, LostProcessError, OutputError, TargetError, UsageError
from auroral.local import announce
from auroral.local.announce import Failed, Progress, Ready
from auroral.local.detached import chosen_logs, standing
from auroral.local.plan import ClusterOptions
from auroral.local.processes import alive, started_s
from auroral.local.state import ClusterState, Phase, ProcessState, read_state, remove_state, write_state
from auroral.local.supervisor import clear_remains


def paused() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])


def state(pid: int, began_s: float, *processes: ProcessState) -> ClusterState:
    return ClusterState(
        phase=Phase.READY,
        supervisor_pid=pid,
        supervisor_started_s=began_s,
        options=ClusterOptions(histories=2, dynamic_config={"a": 1}),
        processes=list(processes),
    )


def test_it_comes_back_as_written(tmp_path: Path) -> None:
    assert read_state(tmp_path) is None
    written = state(1, 2.5)
    write_state(tmp_path, written)
    assert read_state(tmp_path) == written
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]
    remove_state(tmp_path)
    remove_state(tmp_path)
    assert read_state(tmp_path) is None


def test_a_file_that_is_not_ours_is_told(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("{}")
    with pytest.raises(OutputError, match="cannot be read from"):
        read_state(tmp_path)
    with pytest.raises(OutputError, match="cannot be written"):
        write_state(tmp_path / "none", state(1, 1))


async def test_remains_are_cleared_only_where_the_supervisor_is_gone(tmp_path: Path) -> None:
    with paused() as left:
        named = ProcessState(name="history", pid=left.pid, started_s=started_s(left.pid), address="", log_path="")
        write_state(tmp_path, state(os.getpid(), started_s(os.getpid()), named))
        assert not clear_remains(tmp_path)
        assert alive(named.pid, named.started_s)

        write_state(tmp_path, state(os.getpid(), started_s(os.getpid()) - 100, named))
        found = await standing(tmp_path)
        assert found is not None
        assert found.unhealthy == {"supervisor": "its process has ended without `auroral local down`"}
        lines: list[str] = []
        assert clear_remains(tmp_path, report=lines.append)
        assert not alive(named.pid, named.started_s)
        assert lines == ["clearing the state of a cluster that ended without `auroral local down`"]
    assert read_state(tmp_path) is None
    assert not clear_remains(tmp_path)


@pytest.mark.parametrize("error", [UsageError("a", hint="b"), OutputError("a"), TargetError("a", hint="b")])
def test_an_error_travels(error: AuroralError) -> None:
    announced = announce.decode(announce.encode(announce.failed(error)))
    assert isinstance(announced, Failed)
    found = announce.error_of(announced)
    assert type(found) is type(error)
    assert (found.message, found.hint) == (error.message, error.hint)


def test_other_announcements() -> None:
    for one in (Progress("starting"), Ready()):
        assert announce.decode(announce.encode(one)) == one
    assert type(announce.error_of(announce.failed(LostProcessError("gone")))) is TargetError
    with pytest.raises(ValueError, match="malformed"):
        announce.decode(b"no JSON")


def test_logs_by_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there are no logs"):
        chosen_logs(tmp_path, ())
    (tmp_path / "logs").mkdir()
    for name in ("history-1", "history-2", "matching"):
        (tmp_path / "logs" / f"{name}.log").touch()
    assert list(chosen_logs(tmp_path, ())) == ["history-1", "history-2", "matching"]
    assert list(chosen_logs(tmp_path, ("history",))) == ["history-1", "history-2"]
    assert list(chosen_logs(tmp_path, ("history-2", "matching"))) == ["history-2", "matching"]
    with pytest.raises(UsageError, match="expected one of history-1, history-2, matching, got 'frontend'"):
        chosen_logs(tmp_path, ("frontend",))
