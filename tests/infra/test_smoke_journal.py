"""The journal: on disk before the deed, readable after a crash, one runner at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from auroral.errors import OutputError, UsageError
from auroral.infra.smoke import Settings
from auroral.infra.smoke_journal import JOURNAL, create, reopen


def _settings(folder: Path) -> Settings:
    return Settings(project="smoke-ab", region="us-east-1", account_id="123456789012", directory=str(folder))


def _now() -> str:
    return "2026-11-25T12:00:00+00:00"


def test_what_was_written_is_read(tmp_path: Path) -> None:
    with create(_settings(tmp_path), _now) as journal:
        journal.add("bootstrap", "begun")
        journal.add("bootstrap", "failed", "ended with 1")
    with reopen(tmp_path, _now) as again:
        assert again.settings == _settings(tmp_path)
        assert [(one.step, one.kind, one.detail) for one in again.events] == [
            ("bootstrap", "begun", ""),
            ("bootstrap", "failed", "ended with 1"),
        ]
        again.add("bootstrap", "undone")
    assert (tmp_path / JOURNAL).read_bytes().count(b"\n") == 4


def test_a_line_that_a_crash_cut_off_is_left_out(tmp_path: Path) -> None:
    with create(_settings(tmp_path), _now) as journal:
        journal.add("bootstrap", "begun")
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write(b'{"step":"platf')
    with reopen(tmp_path, _now) as again:
        assert [one.step for one in again.events] == ["bootstrap"]
        again.add("bootstrap", "undone")
    with reopen(tmp_path, _now) as once_more:
        assert [one.kind for one in once_more.events] == ["begun", "undone"]


def test_a_directory_is_one_tests_own(tmp_path: Path) -> None:
    with create(_settings(tmp_path), _now):
        pass
    with pytest.raises(UsageError, match="has the journal of another smoke test"), create(_settings(tmp_path), _now):
        pass


def test_two_do_not_work_on_one(tmp_path: Path) -> None:
    with create(_settings(tmp_path), _now), pytest.raises(UsageError, match="still works on"), reopen(tmp_path, _now):
        pass


def test_a_command_that_outlives_its_runner_keeps_the_journal(tmp_path: Path) -> None:
    with create(_settings(tmp_path), _now) as journal:
        child = subprocess.Popen(
            [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(journal.descriptor,)
        )
    with child:
        with pytest.raises(UsageError, match="a command that it started"), reopen(tmp_path, _now):
            pass
        assert child.stdin is not None
        child.stdin.write(b"\n")
    with reopen(tmp_path, _now) as journal:
        assert journal.events == []


def test_what_is_no_journal(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be opened: No such file"), reopen(tmp_path, _now):
        pass
    (tmp_path / JOURNAL).write_text("{}\n")
    with pytest.raises(UsageError, match="is no journal of a smoke test"), reopen(tmp_path, _now):
        pass


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"), create(_settings(tmp_path / "file/in"), _now):
        pass


def test_an_event_that_cannot_be_written_is_known_all_the_same(tmp_path: Path) -> None:
    with create(_settings(tmp_path), _now) as journal:
        spare = os.dup(journal.descriptor)
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, journal.descriptor)
        with pytest.raises(OutputError, match="the journal cannot be written"):
            journal.add("platform", "begun")
        os.dup2(spare, journal.descriptor)
        os.close(full)
        os.close(spare)
        assert [one.step for one in journal.events] == ["platform"]
