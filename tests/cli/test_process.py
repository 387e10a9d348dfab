"""Streams that are closed, full, gone, or of another encoding."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from auroral.cli.process import Diagnostics, Process
from auroral.errors import OutputError

AURORAL = [sys.executable, "-m", "auroral"]


def shell(line: str, environ: dict[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run a shell line in which "$@" is auroral."""
    return subprocess.run(
        ["sh", "-c", line, "sh", *AURORAL],
        capture_output=True,
        check=False,
        timeout=60,
        env={**os.environ, **(environ or {})},
    )


@pytest.mark.parametrize("arguments", ["--help", "bench config", "bench config --json", "bench run --help"])
def test_a_full_stdout_is_told(arguments: str) -> None:
    ended = shell(f'"$@" {arguments} > /dev/full')
    assert ended.returncode == 2
    assert ended.stderr.startswith(b"error: stdout cannot be written: No space left on device\n  hint: ")


def test_closed_streams_change_no_exit_code() -> None:
    assert shell('"$@" bench config >&-').returncode == 0
    assert shell('"$@" bench config --bogus 2>&-').returncode == 2
    assert shell('"$@" bench config --bogus 2>/dev/full').returncode == 2


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_what_an_encoding_lacks_is_escaped(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[bench]\ntask-queue = '→'\n", encoding="utf-8")
    environ = {"PYTHONIOENCODING": encoding}
    ended = shell(f'"$@" bench config --config {tmp_path}/c.toml', environ)
    assert ended.returncode == 2
    assert "→".encode(encoding, "backslashreplace") in ended.stdout
    document = shell(f'"$@" bench config --json --config {tmp_path}/c.toml', environ).stdout
    assert "→".encode() in document


def test_diagnostics_outlive_their_reader() -> None:
    read, write = os.pipe()
    with os.fdopen(write, "w") as stream:
        told = Diagnostics(stream)
        os.close(read)
        for _ in range(3):
            assert told.write("a line\n") == 7
            told.flush()


def test_diagnostics_are_the_stream_below() -> None:
    below = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    told = Diagnostics(below)
    told.write("a line")
    told.flush()
    assert (below.buffer.getvalue(), told.encoding, told.isatty()) == (b"a line", "ascii", False)  # type: ignore[attr-defined]


def test_a_stdout_that_cannot_be_written_is_no_bug() -> None:
    with Path("/dev/full").open("w") as full:
        process = Process([], {}, full, io.StringIO())
        with pytest.raises(OutputError, match="stdout cannot be written"):
            process.out("x")
        process.out("nothing more is tried")
