"""One child process that does not outlive us, told apart from whoever gets its id later."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from auroral.errors import TargetError

_POLL_S = 0.02
_GUARD_TIMEOUT_S = 15.0  # the guard kills its command after 10


class GuardedProcess:
    """A command under `auroral.temporal.guard`, its output in a log file. It may be started again."""

    def __init__(
        self, name: str, command: Sequence[str], *, environment: Mapping[str, str], directory: Path, log_path: Path
    ) -> None:
        self.name = name
        self.environment = dict(environment)
        self.log_path = log_path
        self.pid = 0
        """Of the command itself; 0 before the first start."""
        self.started_s = 0.0
        """When the process began, in seconds since the epoch, as the operating system tells it."""
        self._command = list(command)
        self._directory = directory
        self._guard: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether the process is there, paused or not."""
        return self._guard is not None and self._guard.poll() is None

    def start(self) -> None:
        """Start the command. Raises `TargetError` where it cannot be run."""
        with self.log_path.open("ab") as log:
            self._guard = subprocess.Popen(
                [sys.executable, "-m", "auroral.temporal.guard", "--", *self._command],
                cwd=self._directory,
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # a terminal's Ctrl-C is for us
            )
        assert self._guard.stdout is not None
        with self._guard.stdout as announced:
            self.pid = int(announced.readline() or 0)
        if not self.pid:
            raise TargetError(f"{self.name} cannot be started:\n{self.log_tail()}")
        self.started_s = started_s(self.pid)

    async def stop(self, timeout_s: float) -> bool:
        """Ask the process to end, and kill it if it has not after `timeout_s`. Whether it ended by itself."""
        guard, self._guard = self._guard, None
        if guard is None:
            return True
        assert guard.stdin is not None
        try:
            if guard.poll() is None:
                self._send(signal.SIGTERM)
                self._send(signal.SIGCONT)  # a stopped process does not act on SIGTERM until it is continued
            return await ended(guard, timeout_s)
        finally:
            if guard.poll() is None:
                self._send(signal.SIGKILL)
                await ended(guard, _GUARD_TIMEOUT_S)
            with contextlib.suppress(OSError):
                guard.stdin.close()
            if guard.poll() is None:
                guard.kill()
                await ended(guard, _GUARD_TIMEOUT_S)

    async def kill(self) -> None:
        """Kill the process as a crash would, and wait for that."""
        if self.running:
            self._send(signal.SIGKILL)
        await self.stop(_GUARD_TIMEOUT_S)

    def pause(self) -> None:
        """Stop the process in its tracks (SIGSTOP)."""
        import psutil

        self._send(signal.SIGSTOP)
        deadline = time.monotonic() + 1.0
        # Its threads run on for a moment: the signal stops them one by one.
        while self.running and psutil.Process(self.pid).status() != psutil.STATUS_STOPPED:
            if time.monotonic() > deadline:
                break
            time.sleep(0.001)

    def resume(self) -> None:
        """Let a paused process go on."""
        self._send(signal.SIGCONT)

    def log_tail(self, lines: int = 15) -> str:
        """The end of its log, each line marked."""
        return log_tail(self.log_path, lines)

    def _send(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            if self.pid:
                os.kill(self.pid, number)


def log_tail(path: Path, lines: int = 15) -> str:
    """The end of a log, each line marked and none longer than 300 characters."""
    try:
        text = path.read_text(errors="replace")
    except OSError as error:
        return f"(no log: {error.strerror})"
    return "\n".join(f"  | {line[:300]}" for line in text.splitlines()[-lines:])


def alive(pid: int, started_s: float) -> bool:
    """Whether that very process is there: ids come again, start times do not."""
    import psutil

    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - started_s) < 1.0
    except psutil.Error:
        return False


async def ended(process: subprocess.Popen[bytes], timeout_s: float) -> bool:
    """Wait for a process without a thread and without belonging to one event loop."""
    deadline = time.monotonic() + timeout_s
    while process.poll() is None:
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(_POLL_S)
    return True


def started_s(pid: int) -> float:
    """When a process began, in seconds since the epoch; 0 where there is none."""
    import psutil

    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return 0.0


def end_all(named: Sequence[tuple[int, float]], *, timeout_s: float = 5.0) -> None:
    """Kill those that are still there, of process ids with their start times, and wait for that."""
    import psutil

    found = []
    for pid, began_s in named:
        if alive(pid, began_s):
            with contextlib.suppress(psutil.Error):
                found.append(psutil.Process(pid))
    for process in found:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(found, timeout=timeout_s)
