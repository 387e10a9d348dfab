"""Run auroral's commands as processes of their own: shown, kept in a log, ended in good order. Acts."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, TextIO

from auroral.errors import OutputError

_POLL_S = 0.1
ENDS_S = 2700.0
"""How long an interrupted command may take to end: Terraform waits for what it is making, longest for OpenSearch."""


class Processes:
    """Runs commands. Each is in a session of its own, so that Ctrl-C reaches it once, from here."""

    def __init__(
        self,
        screen: TextIO,
        *,
        keep_open: int | None = None,
        program: Sequence[str] = (sys.executable, "-m", "auroral"),
        ends_s: float = ENDS_S,
    ) -> None:
        self._screen = screen
        self._keep_open = keep_open
        self._program = tuple(program)
        self._ends_s = ends_s

    def run(
        self,
        command: Sequence[str],
        *,
        log: Path,
        output: Path | None,
        timeout_s: float | None,
        interrupted: Callable[[], bool],
    ) -> int | None:
        """Run it to its end: its status, or None where it took longer than `timeout_s`.

        Raises `OutputError` where it cannot be started or `output` cannot be written; a log that cannot be written is
        done without.
        """
        try:
            with contextlib.ExitStack() as stack:
                kept = stack.enter_context(_log(log))
                with contextlib.suppress(OSError):
                    kept.write(f"$ auroral {' '.join(command)}\n".encode())
                stdout = stack.enter_context(output.open("wb")) if output is not None else subprocess.PIPE
                return self._run(command, kept, stdout, timeout_s, interrupted)
        except OSError as error:
            raise OutputError(f"{error.filename or command[0]}: {error.strerror}") from error

    def _run(
        self,
        command: Sequence[str],
        log: IO[bytes],
        stdout: int | IO[bytes],
        timeout_s: float | None,
        interrupted: Callable[[], bool],
    ) -> int | None:
        process = subprocess.Popen(
            [*self._program, *command],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE if stdout != subprocess.PIPE else subprocess.STDOUT,
            start_new_session=True,
            pass_fds=() if self._keep_open is None else (self._keep_open,),
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        shown = process.stdout or process.stderr
        assert shown is not None
        teller = threading.Thread(target=self._tell, args=(shown, log), daemon=True)
        teller.start()
        try:
            return self._wait(process, timeout_s, interrupted)
        finally:
            teller.join(5)
            shown.close()

    def _wait(
        self, process: subprocess.Popen[bytes], timeout_s: float | None, interrupted: Callable[[], bool]
    ) -> int | None:
        late = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(_POLL_S)
            if interrupted():
                return self._end(process)
            if late is not None and time.monotonic() >= late:
                self._end(process)
                return None

    def _tell(self, lines: IO[bytes], log: IO[bytes]) -> None:
        with contextlib.suppress(ValueError, OSError):
            for line in lines:
                with contextlib.suppress(OSError):
                    log.write(line)
                self._screen.write(line.decode(errors="replace"))
                self._screen.flush()

    def _end(self, process: subprocess.Popen[bytes]) -> int:
        """Interrupt it, and wait for it to end in good order; kill its session where it does not."""
        process.send_signal(signal.SIGINT)
        try:
            return process.wait(self._ends_s)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            return process.wait()


def _log(path: Path) -> IO[bytes]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("ab", buffering=0)
    except OSError:
        return Path(os.devnull).open("ab", buffering=0)
