"""`auroral bench report`: the reports again, from what is stored."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from auroral.bench.result import Result, decode
from tests.cli.conftest import Cli

Stored = Callable[[str, Path], Result]


def test_the_reports_are_made_again(cli: Cli, tmp_path: Path, stored: Stored) -> None:
    stored("pass", tmp_path / "run")
    ended = cli("bench", "report", "run")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == (tmp_path / "run" / "summary.txt").read_text()
    assert "run/report.html" in ended.out
    assert "<html" in (tmp_path / "run" / "report.html").read_text()


def test_formats(cli: Cli, tmp_path: Path, stored: Stored) -> None:
    result = stored("fail", tmp_path / "run")
    assert decode(cli("bench", "report", "run", "--format", "json").out.encode()) == result
    assert cli("bench", "report", "run", "--format", "html").out.strip() == (
        (tmp_path / "run" / "report.html").read_text().strip()
    )


def test_no_run_there(cli: Cli, tmp_path: Path) -> None:
    ended = cli("bench", "report", "nowhere")
    assert ended.code == 2
    assert ended.err.startswith("error: nowhere: expected a run's directory with result.json")


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b'{"schema": 5}'])
def test_no_result_there(cli: Cli, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "result.json").write_bytes(content)
    ended = cli("bench", "report", ".")
    assert ended.code == 2
    assert "result.json: expected a result document auroral.bench.result/" in ended.err


def test_reports_that_cannot_be_written(cli: Cli, tmp_path: Path, stored: Stored) -> None:
    stored("pass", tmp_path / "run")
    (tmp_path / "run" / "report.html").mkdir()
    ended = cli("bench", "report", "run")
    assert ended.code == 2
    assert f"the reports cannot be written: {os.strerror(21)}" in ended.err


def test_a_disk_that_is_full_leaves_the_old_reports_whole(cli: Cli, tmp_path: Path, stored: Stored) -> None:
    stored("pass", tmp_path / "run")
    cli("bench", "report", "run")
    before = {path.name: path.read_text() for path in (tmp_path / "run").iterdir()}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        ended = cli("bench", "report", "run")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert ended.code == 2
    assert "the reports cannot be written: File too large" in ended.err
    assert "auroral bench report run" in ended.err
    assert {path.name: path.read_text() for path in (tmp_path / "run").iterdir()} == before


def test_a_document_of_another_schema(cli: Cli, tmp_path: Path, stored: Stored) -> None:
    stored("pass", tmp_path)
    path = tmp_path / "result.json"
    path.write_text(path.read_text().replace("auroral.bench.result/1", "auroral.bench.result/0"))
    ended = cli("bench", "report", ".")
    assert ended.code == 2
    assert "expected a result document auroral.bench.result/1, not auroral.bench.result/0" in ended.err
