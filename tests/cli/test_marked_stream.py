"""auroral as a process whose lines are marked: nothing else changes."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from auroral import marked
from auroral.cli.marked_stream import MarkedStream

AURORAL = [sys.executable, "-m", "auroral"]


def ran(*arguments: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*AURORAL, *arguments], cwd=cwd, env={**os.environ, **environ}, capture_output=True, check=False, timeout=60
    )


def unmarked(data: bytes) -> tuple[dict[int | None, bytes], bool]:
    unmarker, found = marked.Unmarker(), dict.fromkeys((marked.OUT, marked.ERR, None), b"")
    for line in data.decode().removesuffix("\n").split("\n"):
        taken = unmarker.take(line)
        if taken is not None:
            found[taken[0]] += f"{taken[1]}\n".encode()
    return found, unmarker.ended


@pytest.mark.parametrize(
    "arguments",
    [
        ("bench", "config", "--json"),
        ("bench", "config"),
        ("bench", "confi"),
        ("bench", "--help"),
        ("dsql",),
        ("bench", "config", "--config", "c.toml", "--json"),
    ],
)
def test_the_same_bytes_on_the_same_streams(arguments: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(f"[bench]\ntask-queue = '{'→' * 9_000}'\n", encoding="utf-8")
    plain = ran(*arguments, cwd=tmp_path, PYTHONIOENCODING="utf-8")
    # Whatever the locale: marked lines are UTF-8.
    ended = ran(*arguments, cwd=tmp_path, AURORAL_OUTPUT="marked", PYTHONIOENCODING="ascii")
    found, whole = unmarked(ended.stdout)
    assert (found, whole) == ({marked.OUT: plain.stdout, marked.ERR: plain.stderr, None: b""}, True)
    assert (ended.returncode, ended.stderr) == (plain.returncode, b"")
    assert ended.stdout.endswith(f"@.{plain.returncode}\n".encode())


def test_another_value_marks_nothing(tmp_path: Path) -> None:
    assert ran("bench", "config", cwd=tmp_path, AURORAL_OUTPUT="plain").stdout.startswith(b"@") is False


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    line = '"$@" bench config --json | head -n 1; echo ${PIPESTATUS[0]}'
    ended = subprocess.run(
        ["bash", "-c", line, "bash", *AURORAL],
        cwd=tmp_path,
        env={**os.environ, "AURORAL_OUTPUT": "marked"},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert ended.stdout.splitlines() == [b"@1>{", b"0"]
    assert b"Traceback" not in ended.stderr


def test_lines_are_written_whole() -> None:
    file = io.BytesIO()
    stream = MarkedStream(file, marked.OUT)
    stream.write("a")
    stream.flush()
    assert file.getvalue() == b""
    stream.write("b\nc\n\nd")
    assert file.getvalue() == b"@1>ab\n@1>c\n@1>\n"
    stream.finish()
    stream.finish()
    stream.end(3)
    assert file.getvalue().endswith(b"@1>d\n@.3\n")
    assert (stream.isatty(), stream.encoding) == (False, "utf-8")
