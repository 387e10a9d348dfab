"""A program of ours in the foreground: lines, status, interrupts."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from auroral.cli.schema_program import run_program
from auroral.errors import ExitCode, LostProcessError, OutputError, UsageError


def run(script: str) -> tuple[ExitCode, str, str]:
    out: list[str] = []
    err: list[str] = []
    code = run_program(["/bin/sh", "-c", script], os.environ, out=out.append, err=err.append)
    return code, "".join(out), "".join(err)


def test_lines_and_status() -> None:
    assert run("echo one; echo two >&2; printf three; exit 1") == (ExitCode.FAILED, "one\nthree", "two\n")


def test_what_is_no_text_is_escaped() -> None:
    assert run(r"printf 'caf\351\n'")[1] == "caf\\xe9\n"


def test_a_status_of_nobody_is_a_bug() -> None:
    assert run("exit 99")[0] is ExitCode.BUG


def test_an_end_by_a_signal_is_told() -> None:
    with pytest.raises(LostProcessError, match="sh was ended by signal 9"):
        run("kill -9 $$")


def test_what_cannot_be_run_is_told() -> None:
    with pytest.raises(UsageError, match="cannot run /no/such"):
        run_program(["/no/such"], {}, out=print, err=print)


def test_an_interrupt_is_passed_on_and_its_end_awaited() -> None:
    started = threading.Event()

    def interrupt() -> None:
        started.wait(30)
        os.kill(os.getpid(), signal.SIGINT)

    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        started.set()

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    other = threading.Thread(target=interrupt)
    other.start()
    try:
        script = "trap 'echo cleaned up; exit 4' INT; echo ready; while :; do sleep 0.05; done"
        code = run_program(["/bin/sh", "-c", script], os.environ, out=say, err=say)
    finally:
        other.join()
        signal.signal(signal.SIGINT, before)
    assert code is ExitCode.INTERRUPTED
    assert said == ["ready\n", "cleaned up\n"]


def test_what_does_not_end_when_interrupted_is_killed_and_was_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auroral.cli.schema_program.END_TIMEOUT_S", 0.1)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupt(line: str) -> None:
        if line == "waiting\n":
            os.kill(os.getpid(), signal.SIGINT)

    try:
        script = "trap '' INT; sleep 0.3; echo waiting; while :; do sleep 0.05; done"
        code = run_program(["/bin/sh", "-c", script], os.environ, out=interrupt, err=print)
    finally:
        signal.signal(signal.SIGINT, before)
    assert code is ExitCode.INTERRUPTED


def test_a_full_disk_does_not_stall_the_program() -> None:
    def full(line: str) -> None:
        raise OutputError("stdout cannot be written: No space left on device")

    started_s = time.monotonic()
    with pytest.raises(OutputError, match="No space left"):
        run_program(["/bin/sh", "-c", "yes | head -c 1000000"], os.environ, out=full, err=full)
    assert time.monotonic() - started_s < 30
