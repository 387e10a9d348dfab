"""The check that a test leaves no process behind, with real ones."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import pytest

from tests.support.processes import nothing_left

SERVER = """
import subprocess, sys
for line in sys.stdin:
    print(subprocess.Popen(["cat"], stdin=subprocess.PIPE).pid, flush=True)
"""


@contextmanager
def _server() -> Iterator[tuple[IO[str], IO[str]]]:
    """A process that starts a child at each line, and ends with its input."""
    command = [sys.executable, "-c", SERVER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdin, process.stdout


def _starts_one(server: tuple[IO[str], IO[str]]) -> int:
    server[0].write("\n")
    server[0].flush()
    return int(server[1].readline())


def test_what_a_server_of_before_starts_is_its_own() -> None:
    with _server() as shared, nothing_left():
        assert _starts_one(shared) > 0


def test_a_child_left_behind_is_told() -> None:
    check = nothing_left()
    check.__enter__()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as left:
        with pytest.raises(AssertionError, match=f"left running: .*pid={left.pid}, name='cat'"):
            check.__exit__(None, None, None)
        left.communicate()


def test_what_a_child_left_behind_has_started_is_told_too() -> None:
    check = nothing_left()
    check.__enter__()
    with _server() as server:
        started = _starts_one(server)
        with pytest.raises(AssertionError, match=f"pid={started}, name='cat'"):
            check.__exit__(None, None, None)


def test_a_child_that_ended_is_no_matter() -> None:
    with nothing_left():
        subprocess.run(["true"], check=True)
