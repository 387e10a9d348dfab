"""What every child process does around its work: signals, plain warnings, the collector, and a last word on failure."""

from __future__ import annotations

import asyncio
import gc
import logging
import math
import signal
import sys
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress

from auroral.bench.event_loop import run
from auroral.bench.pipes import Pipes, exit_now, leave_interrupts_to_parent
from auroral.bench.protocol import ChildFailed
from auroral.errors import AuroralError, ExitCode

_REPEAT_S = 10.0
_LINE_CHARACTERS = 500
_LINES_KEPT = 1_000


def run_child(serve: Callable[[Pipes], Awaitable[None]]) -> None:
    """Run a child's work to its end and leave the process; what fails is said in a frame."""
    run(_run(serve))


async def _run(serve: Callable[[Pipes], Awaitable[None]]) -> None:
    leave_interrupts_to_parent()
    signal.signal(signal.SIGTERM, lambda *_: exit_now(0))
    log_plainly()
    pipes = await Pipes.open()
    status = 0
    try:
        await serve(pipes)
    except AuroralError as error:
        status = int(error.exit_code)
        pipes.emit(ChildFailed(error=error.message, hint=error.hint, exit_code=status))
    except Exception as error:
        status = int(ExitCode.BUG)
        traceback.print_exception(error)  # into the process's log, not onto the user's screen
        pipes.emit(ChildFailed(error=f"{type(error).__name__}: {error}", exit_code=status))
    with suppress(OSError, TimeoutError):
        await asyncio.wait_for(pipes.flush(), 5.0)
    exit_now(status)


def quiet_collector() -> None:
    """Collect garbage seldom: what is loaded now stays. Full collections took 16 to 38 ms of a process's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 1_000)


class PlainWarnings(logging.Handler):
    """One plain line per warning on stderr: the same one at most every ten seconds, and none for failures that the
    workload asks for.
    """

    def __init__(self) -> None:
        super().__init__()
        self._last_s: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Print the record, unless it is one of the above."""
        from auroral.bench.workflows import INJECTED_FAILURE

        error = record.exc_info[1] if record.exc_info else None
        if getattr(error, "type", None) == INJECTED_FAILURE:
            return
        message = record.getMessage().splitlines()[0] if record.getMessage() else record.name
        cause = f": {type(error).__name__}: {error}" if error is not None else ""
        line = f"{record.levelname.lower()}: {message}{cause}".replace("\n", " ")[:_LINE_CHARACTERS]
        if record.created - self._last_s.get(line, -math.inf) >= _REPEAT_S:
            if len(self._last_s) >= _LINES_KEPT:
                self._last_s.clear()
            self._last_s[line] = record.created
            print(line, file=sys.stderr, flush=True)


def log_plainly() -> None:
    """Write the SDK's and asyncio's warnings as plain lines."""
    logging.basicConfig(level=logging.WARNING, handlers=[PlainWarnings()], force=True)
