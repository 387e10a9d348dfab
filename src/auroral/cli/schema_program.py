"""Run a program of ours in the foreground: its lines are ours, an interrupt goes to it, its status comes back."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType
from typing import IO

from auroral.errors import ExitCode, LostProcessError, OutputError, UsageError

END_TIMEOUT_S = 60.0
"""auroral-schema ends at once when interrupted, but for a statement that DSQL works on."""
_LOOK_S = 0.1
"""How soon an interrupt is passed on."""


def run_program(
    command: Sequence[str], environment: Mapping[str, str], *, out: Callable[[str], None], err: Callable[[str], None]
) -> ExitCode:
    """Run it to its end. An interrupt is passed on and its end awaited; a second one kills it.

    Raises `UsageError` where it cannot be run, `LostProcessError` where a signal ended it.
    """
    with _interrupts() as heard:
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
        for pump in pumps:
            pump.start()
        try:
            status = _wait(process, heard)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            for pump in pumps:
                pump.join()
            process.stdout.close()
            process.stderr.close()
    if failures:
        raise failures[0]
    if heard and status < 0:
        return ExitCode.INTERRUPTED
    if status < 0:
        raise LostProcessError(
            f"{os.path.basename(command[0])} was ended by signal {-status}",
            hint="the same command goes on where it stopped",
        )
    return ExitCode(status) if status in ExitCode.__members__.values() else ExitCode.BUG


@contextlib.contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Take note of what would interrupt us, for as long as the block lasts.

    An exception instead could come while a thread begins, and a signal just before a wait without end would only be
    seen after it.
    """
    heard: list[int] = []

    def hear(number: int, frame: FrameType | None) -> None:
        heard.append(number)

    taken: list[signal.Signals] = []
    if threading.current_thread() is threading.main_thread():
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        taken = [one for one in numbers if signal.getsignal(one) is signal.default_int_handler]
    for one in taken:
        signal.signal(one, hear)
    try:
        yield heard
    finally:
        for one in taken:
            signal.signal(one, signal.default_int_handler)


def _wait(process: subprocess.Popen[bytes], heard: Sequence[int]) -> int:
    """Return its status. What is heard first goes to it; the second, or its not ending, kills it."""
    kill_s: float | None = None
    while True:
        if heard and kill_s is None:
            process.send_signal(signal.SIGINT)
            kill_s = time.monotonic() + END_TIMEOUT_S
        if kill_s is not None and (len(heard) > 1 or time.monotonic() >= kill_s):
            process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(_LOOK_S)


def _pump(stream: IO[bytes], say: Callable[[str], None], failures: list[OutputError]) -> None:
    """Pass lines on until the end, and read on where they can no longer be written: the program must not stall."""
    for line in stream:
        if failures:
            continue
        try:
            say(line.decode(errors="backslashreplace"))
        except OutputError as error:
            failures.append(error)
