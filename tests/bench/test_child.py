"""What every child process does around its work."""

from __future__ import annotations

import gc
import logging
import subprocess
import sys
import textwrap

import pytest

from auroral.bench.child import PlainWarnings, quiet_collector
from auroral.bench.protocol import ChildFailed, Ready, decode_from_child


def record(message: str, created_s: float, error: BaseException | None = None) -> object:
    made = logging.LogRecord("x", logging.WARNING, "", 0, message, (), (type(error), error, None) if error else None)
    made.created = created_s
    return made


def test_warnings_are_plain_lines_told_once_in_a_while(capsys: pytest.CaptureFixture[str]) -> None:
    from temporalio.exceptions import ApplicationError

    from auroral.bench.workflows import INJECTED_FAILURE

    handler = PlainWarnings()
    for made in (
        record("it\nwent wrong", 0),
        record("it\nwent wrong", 9),
        record("it\nwent wrong", 11),
        record("failing", 12, ValueError("no\nway")),
        record("failing", 13, ApplicationError("asked for", type=INJECTED_FAILURE)),
    ):
        handler.emit(made)  # type: ignore[arg-type]
    assert capsys.readouterr().err == "warning: it\nwarning: it\nwarning: failing: ValueError: no way\n"


def child(body: str) -> subprocess.CompletedProcess[bytes]:
    program = """
import os, signal
from auroral.bench.child import run_child
from auroral.bench.protocol import Ready
from auroral.errors import TargetError

async def serve(pipes):
"""
    program += textwrap.indent(textwrap.dedent(body), "    ") + "\nrun_child(serve)"
    return subprocess.run([sys.executable, "-c", program], input=b"", capture_output=True, timeout=30, check=False)


def test_work_that_ends_ends_the_process() -> None:
    ended = child("pipes.emit(Ready())")
    assert ended.returncode == 0
    assert decode_from_child(ended.stdout) == Ready()


def test_what_the_user_is_told_is_said_in_a_frame() -> None:
    ended = child('raise TargetError("no such cluster", hint="look")')
    assert ended.returncode == 3
    assert decode_from_child(ended.stdout) == ChildFailed(error="no such cluster", hint="look", exit_code=3)
    assert ended.stderr == b""


def test_a_bug_is_said_too_and_its_traceback_is_in_the_log() -> None:
    ended = child('raise KeyError("mine")')
    assert ended.returncode == 70
    frame = decode_from_child(ended.stdout)
    assert isinstance(frame, ChildFailed)
    assert "KeyError" in frame.error
    assert b"Traceback" in ended.stderr


def test_an_interrupt_is_left_to_the_parent_and_a_termination_ends_it() -> None:
    ended = child(
        """
        os.kill(os.getpid(), signal.SIGINT)
        pipes.emit(Ready())
        await pipes.flush()
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("never reached")
        """
    )
    assert ended.returncode == 0
    assert decode_from_child(ended.stdout) == Ready()


def test_the_collector_is_quiet() -> None:
    before = gc.get_threshold()
    try:
        quiet_collector()
        assert gc.get_threshold()[0] >= 50_000
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
