"""The runner, with an executor that keeps a record: whatever happens, what was made is taken down."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from auroral.errors import ExitCode, OutputError
from auroral.infra.smoke import PLANNED_H, TEARDOWN_H, UNDO_PAUSE_S, UNDO_TRIES, Settings, Step, steps, to_undo
from auroral.infra.smoke_journal import Journal, create, reopen
from auroral.infra.smoke_run import Outcome, run, tear_down


class Recorder:
    """Runs nothing, and keeps what it was asked to; `does` says how a command ends."""

    def __init__(self, does: Callable[[tuple[str, ...]], int | None] = lambda _: 0) -> None:
        self.ran: list[tuple[str, ...]] = []
        self.timeouts: list[float | None] = []
        self.said: list[str] = []
        self.paused: list[float] = []
        self.heard: list[bool] = []
        self._does = does

    def run(
        self,
        command: Sequence[str],
        *,
        log: Path,
        output: Path | None,
        timeout_s: float | None,
        interrupted: Callable[[], bool],
    ) -> int | None:
        self.ran.append(tuple(command))
        self.timeouts.append(timeout_s)
        status = self._does(tuple(command))
        self.heard.append(interrupted())
        return status

    def smoke(self, journal: Journal, *, clock: Callable[[], float] = lambda: 0.0) -> Outcome:
        return run(journal, self, self.said.append, clock=clock, pause=self.paused.append)

    def tear_down(self, journal: Journal) -> Outcome:
        return tear_down(journal, self, self.said.append, pause=self.paused.append)


def _now() -> str:
    return "2026-11-25T12:00:00+00:00"


@contextmanager
def _journal(folder: Path) -> Iterator[Journal]:
    settings = Settings(project="smoke-ab", region="us-east-1", account_id="123456789012", directory=str(folder))
    with create(settings, _now) as journal:
        yield journal


def _undoing(listed: Sequence[Step]) -> list[tuple[str, ...]]:
    return [command for step in listed for command in step.undo]


LISTED = steps(Settings(project="smoke-ab", region="us-east-1", account_id="123456789012", directory="/d"))
NAMES = [step.name for step in LISTED]


def test_all_steps_then_all_down(tmp_path: Path) -> None:
    recorder = Recorder()
    with _journal(tmp_path) as journal:
        outcome = recorder.smoke(journal)
        listed = steps(journal.settings)
        assert outcome == Outcome(code=ExitCode.OK)
        assert recorder.ran == [*(step.command for step in listed), *_undoing([s for s in reversed(listed) if s.undo])]
        assert to_undo(listed, journal.events) == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("status", [1, 3, 70, -9])
def test_whichever_step_fails_what_began_is_taken_down(name: str, status: int, tmp_path: Path) -> None:
    with _journal(tmp_path) as journal:
        listed = steps(journal.settings)
        at = NAMES.index(name)
        recorder = Recorder(lambda command: status if command == listed[at].command else 0)
        outcome = recorder.smoke(journal)
        assert outcome.failed == name
        assert outcome.code == (ExitCode.UNREACHABLE if status == 3 else ExitCode.FAILED)
        assert recorder.ran[: at + 1] == [step.command for step in listed[: at + 1]]
        assert recorder.ran[at + 1 :] == _undoing([step for step in reversed(listed[: at + 1]) if step.undo])
    assert any(f"{name} ended with {status}" in line for line in recorder.said)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_ends_the_step_and_takes_all_down(name: str, number: int, tmp_path: Path) -> None:
    with _journal(tmp_path) as journal:
        listed = steps(journal.settings)
        at = NAMES.index(name)

        def does(command: tuple[str, ...]) -> int:
            if command == listed[at].command:
                os.kill(os.getpid(), number)
                return 4
            return 0

        recorder = Recorder(does)
        outcome = recorder.smoke(journal)
        assert outcome.code is ExitCode.INTERRUPTED
        assert recorder.heard[at], "the executor is told"
        assert recorder.ran[at + 1 :] == _undoing([step for step in reversed(listed[: at + 1]) if step.undo])
        assert outcome.left == ()


def test_an_interrupt_that_the_step_did_not_mind_begins_no_other(tmp_path: Path) -> None:
    with _journal(tmp_path) as journal:
        first, second = steps(journal.settings)[:2]

        def does(command: tuple[str, ...]) -> int:
            if command == first.command:
                os.kill(os.getpid(), signal.SIGINT)
            return 0

        recorder = Recorder(does)
        assert recorder.smoke(journal).code is ExitCode.INTERRUPTED
        assert second.command not in recorder.ran


def test_the_teardown_hears_no_interrupt(tmp_path: Path) -> None:
    def does(command: tuple[str, ...]) -> int:
        if command[:2] == ("infra", "destroy"):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
        return 0

    recorder = Recorder(does)
    before = signal.getsignal(signal.SIGINT)
    with _journal(tmp_path) as journal:
        assert recorder.smoke(journal).code is ExitCode.OK
        assert recorder.ran[-1] == steps(journal.settings)[1].undo[-1]
    assert not any(recorder.heard)
    assert sum("the teardown goes on" in line for line in recorder.said) == 4
    assert signal.getsignal(signal.SIGINT) is before


def test_a_step_has_the_time_that_the_teardown_leaves(tmp_path: Path) -> None:
    times = iter([0.0, *(600.0 * number for number in range(100))])
    recorder = Recorder(lambda command: None if command[:2] == ("cluster", "up") else 0)
    with _journal(tmp_path) as journal:
        outcome = recorder.smoke(journal, clock=lambda: next(times))
    budget = (PLANNED_H - TEARDOWN_H) * 3600
    assert [one for one in recorder.timeouts if one is not None] == [budget - 600.0 * number for number in range(10)]
    assert (outcome.failed, outcome.code) == ("up", ExitCode.FAILED)
    assert any("up took too long" in line for line in recorder.said)


def test_an_undo_is_tried_again(tmp_path: Path) -> None:
    counts = {"destroys": 0}

    def does(command: tuple[str, ...]) -> int:
        if command[:4] == ("infra", "destroy", "--stack", "platform"):
            counts["destroys"] += 1
            return 1 if counts["destroys"] < UNDO_TRIES else 0
        return 0

    recorder = Recorder(does)
    with _journal(tmp_path) as journal:
        assert recorder.smoke(journal) == Outcome(code=ExitCode.OK)
    assert recorder.paused == [UNDO_PAUSE_S] * (UNDO_TRIES - 1)


def test_a_platform_that_stays_keeps_its_state_and_all_else_goes(tmp_path: Path) -> None:
    recorder = Recorder(lambda command: int(command[:4] == ("infra", "destroy", "--stack", "platform")))
    with _journal(tmp_path) as journal:
        outcome = recorder.smoke(journal)
        assert outcome == Outcome(code=ExitCode.FAILED, left=("platform", "bootstrap"))
        assert not [one for one in recorder.ran if one[:4] == ("infra", "destroy", "--stack", "bootstrap")]
        assert not [one for one in recorder.ran if "state" in one]
        assert [one for one in recorder.ran if "secret" in one and "sweep" in one]
    assert any("it holds their state" in line for line in recorder.said)


def test_a_failure_to_stop_the_services_does_not_keep_the_rest(tmp_path: Path) -> None:
    recorder = Recorder(lambda command: int(command[:2] == ("cluster", "down")))
    with _journal(tmp_path) as journal:
        assert recorder.smoke(journal).left == ("up",)
    assert [one for one in recorder.ran if one[:4] == ("infra", "destroy", "--stack", "platform")]


def test_the_next_one_takes_down_what_a_killed_one_left(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def dies(command: tuple[str, ...]) -> int:
        if command[:2] == ("schema", "roles") or (command[0] in ("infra", "cluster") and dead):
            dead.append(1)
            raise Killed
        return 0

    dead: list[int] = []
    with _journal(tmp_path) as journal, pytest.raises(Killed):
        Recorder(dies).smoke(journal)
    recorder = Recorder()
    with reopen(tmp_path, _now) as again:
        assert recorder.tear_down(again) == Outcome(code=ExitCode.OK)
        listed = steps(again.settings)
        assert recorder.ran == _undoing(
            [step for step in reversed(listed) if step.name in ("bootstrap", "secret", "platform")]
        )
    once_more = Recorder()
    with reopen(tmp_path, _now) as again:
        assert once_more.tear_down(again) == Outcome(code=ExitCode.OK)
    assert once_more.ran == []


def test_what_cannot_be_run_or_written_does_not_end_the_teardown(tmp_path: Path) -> None:
    def does(command: tuple[str, ...]) -> int:
        if command[0] == "doctor":
            os.dup2(full, journal.descriptor)
        elif command[:2] == ("cluster", "down"):
            raise OutputError("no room")
        return 0

    full = os.open("/dev/full", os.O_WRONLY)
    recorder = Recorder(does)
    with _journal(tmp_path) as journal, pytest.raises(OutputError, match="the journal cannot be written"):
        recorder.smoke(journal)
    os.close(full)
    recorder = Recorder(lambda command: _raise() if command[:2] == ("cluster", "down") else 0)
    with _journal(tmp_path / "other") as journal:
        assert recorder.smoke(journal).left == ("up",)
    assert recorder.ran[-1][:2] == ("infra", "sweep")


def _raise() -> int:
    raise OutputError("no room")
