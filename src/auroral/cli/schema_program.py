"""Run a program of ours in the foreground: its lines are ours, an interrupt goes to it, its status comes back."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import IO

from auroral.errors import ExitCode, LostProcessError, OutputError, UsageError

END_TIMEOUT_S = 60.0
"""auroral-schema ends at once when interrupted, but for a statement that DSQL works on."""


def run_program(
    command: Sequence[str], environment: Mapping[str, str], *, out: Callable[[str], None], err: Callable[[str], None]
) -> ExitCode:
    """Run it to its end. An interrupt is passed on and its end awaited; a second one kills it.

    Raises `UsageError` where it cannot be run, `LostProcessError` where a signal ended it.
    """
    try:
        process = subprocess.Popen(
            list(command),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # a terminal's Ctrl-C reaches it through us, once
        )
    except OSError as error:
        raise UsageError(f"cannot run {command[0]}: {error.strerror}") from error
    assert process.stdout is not None
    assert process.stderr is not None
    failures: list[OutputError] = []
    pumps = [
        threading.Thread(target=_pump, args=(stream, say, failures), daemon=True)
        for stream, say in ((process.stdout, out), (process.stderr, err))
    ]
    try:
        status, interrupted = _wait(process, pumps)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        for pump in pumps:
            if pump.ident is not None:  # an interrupt may come before it began
                pump.join()
        process.stdout.close()
        process.stderr.close()
    if failures:
        raise failures[0]
    if interrupted and status < 0:
        return ExitCode.INTERRUPTED
    if status < 0:
        raise LostProcessError(
            f"{os.path.basename(command[0])} was ended by signal {-status}",
            hint="the same command goes on where it stopped",
        )
    return ExitCode(status) if status in ExitCode.__members__.values() else ExitCode.BUG


def _wait(process: subprocess.Popen[bytes], pumps: Sequence[threading.Thread]) -> tuple[int, bool]:
    """Its status, and whether we were interrupted meanwhile, which may be while the pumps begin."""
    try:
        _begin(pumps)
        return process.wait(), False
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        _begin(pumps)
        try:
            return process.wait(END_TIMEOUT_S), True
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait(), True


def _begin(pumps: Sequence[threading.Thread]) -> None:
    for pump in pumps:
        if pump.ident is None:
            with contextlib.suppress(RuntimeError):  # it began in the moment of the interrupt
                pump.start()


def _pump(stream: IO[bytes], say: Callable[[str], None], failures: list[OutputError]) -> None:
    """Pass lines on until the end, and read on where they can no longer be written: the program must not stall."""
    for line in stream:
        if failures:
            continue
        try:
            say(line.decode(errors="backslashreplace"))
        except OutputError as error:
            failures.append(error)
