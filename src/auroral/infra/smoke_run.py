"""Run the steps of a smoke test, and take down whatever they made: after success, failure, Ctrl-C or a kill. Acts."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import msgspec

from auroral.errors import ExitCode, OutputError
from auroral.infra.smoke import PLANNED_H, TEARDOWN_H, UNDO_PAUSE_S, UNDO_TRIES, Step, held_by, steps, to_undo
from auroral.infra.smoke_journal import Journal

Say = Callable[[str], None]
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Executor(Protocol):
    """What runs one of auroral's commands."""

    def run(
        self,
        command: Sequence[str],
        *,
        log: Path,
        output: Path | None,
        timeout_s: float | None,
        interrupted: Callable[[], bool],
    ) -> int | None:
        """Run it to its end, which is asked for once `interrupted`: its status, or None where it took too long."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a smoke test ended."""

    code: ExitCode
    failed: str | None = None
    """The step that failed."""
    left: tuple[str, ...] = ()
    """Steps that could not be undone: what they made is there and costs money."""


class Interrupts:
    """Signals of a person or a system that wants an end. The first one ends the steps; the teardown hears none.

    The handler only takes note: an exception out of it could fall between the start of a command and its keeping.
    """

    def __init__(self, say: Say, *, tearing_down: bool = False) -> None:
        self._say = say
        self.wanted = False
        """Whether an end was asked for."""
        self.tearing_down = tearing_down

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Take the signals for as long as the block lasts."""
        before = {one: signal.signal(one, self._heard) for one in _SIGNALS}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)

    def _heard(self, number: int, frame: Any) -> None:
        if self.tearing_down:
            self._say("the teardown goes on, since what is there costs money; it can only be killed")
        elif not self.wanted:
            self._say("interrupted: the command ends in good order, then all is taken down")
            self.wanted = True


def run(
    journal: Journal,
    executor: Executor,
    say: Say,
    *,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Outcome:
    """Run every step until one fails, then take everything down. The teardown always runs."""
    interrupts = Interrupts(say)
    listed = steps(journal.settings)
    failed: str | None = None
    code = ExitCode.OK
    left: tuple[str, ...] = ()
    with interrupts.taken():
        try:
            ends = clock() + (PLANNED_H - TEARDOWN_H) * 3600
            failed, code = _forward(
                journal, listed, executor, say, interrupts, remaining_s=lambda: max(0.0, ends - clock())
            )
        finally:
            interrupts.tearing_down = True
            left = _backward(journal, listed, executor, say, pause)
    return Outcome(code=code if code or not left else ExitCode.FAILED, failed=failed, left=left)


def tear_down(
    journal: Journal, executor: Executor, say: Say, *, pause: Callable[[float], None] = time.sleep
) -> Outcome:
    """Undo what a smoke test has left."""
    with Interrupts(say, tearing_down=True).taken():
        left = _backward(journal, steps(journal.settings), executor, say, pause)
    return Outcome(code=ExitCode.FAILED if left else ExitCode.OK, left=left)


def _forward(
    journal: Journal,
    listed: Sequence[Step],
    executor: Executor,
    say: Say,
    interrupts: Interrupts,
    *,
    remaining_s: Callable[[], float],
) -> tuple[str | None, ExitCode]:
    directory = Path(journal.settings.directory)
    for number, step in enumerate(listed, 1):
        if interrupts.wanted:
            return step.name, ExitCode.INTERRUPTED
        say(f"[{number}/{len(listed)}] {step.name}: {step.proves}")
        journal.add(step.name, "begun")
        log = directory / "logs" / f"{number:02}-{step.name}.log"
        status = executor.run(
            step.command,
            log=log,
            output=directory / step.output if step.output is not None else None,
            timeout_s=remaining_s(),
            interrupted=lambda: interrupts.wanted,
        )
        if status == 0:
            journal.add(step.name, "done")
            continue
        why = "took too long" if status is None else f"ended with {status}"
        journal.add(step.name, "failed", why)
        say(f"{step.name} {why}; see {log}")
        return step.name, ExitCode.INTERRUPTED if interrupts.wanted else _code(status)
    return None, ExitCode.OK


def _backward(
    journal: Journal, listed: Sequence[Step], executor: Executor, say: Say, pause: Callable[[float], None]
) -> tuple[str, ...]:
    log = Path(journal.settings.directory) / "logs" / "teardown.log"
    for step in to_undo(listed, journal.events):
        held = held_by(step, [one.name for one in to_undo(listed, journal.events)])
        if held:
            say(f"{step.name} stays, since {', '.join(held)} could not be taken down and it holds their state")
            undone = False
        else:
            say(f"taking down: {step.name}")
            undone = _undo(step, executor, log, say, pause)
        try:
            journal.add(step.name, "undone" if undone else "not-undone")
        except OutputError as error:
            say(f"{error}; the teardown goes on")
    return tuple(one.name for one in to_undo(listed, journal.events))


def _undo(step: Step, executor: Executor, log: Path, say: Say, pause: Callable[[float], None]) -> bool:
    """Undo one step. Each of its commands is tried, even after another has failed."""
    for tried in range(1, UNDO_TRIES + 1):
        failures = [failure for command in step.undo if (failure := _tried(command, executor, log)) is not None]
        if not failures:
            return True
        say("\n".join(failures))
        if tried < UNDO_TRIES:
            say(f"once more in {UNDO_PAUSE_S:.0f} s")
            pause(UNDO_PAUSE_S)
    return False


def _tried(command: Sequence[str], executor: Executor, log: Path) -> str | None:
    """Run one command of an undo; say how it failed."""
    try:
        status = executor.run(command, log=log, output=None, timeout_s=None, interrupted=lambda: False)
    except OutputError as error:
        return f"auroral {' '.join(command)} could not be run: {error}"
    return None if status == 0 else f"auroral {' '.join(command)} ended with {status}"


def _code(status: int | None) -> ExitCode:
    known = {one.value for one in ExitCode} - {ExitCode.OK, ExitCode.BUG}
    return ExitCode(status) if status in known else ExitCode.FAILED
