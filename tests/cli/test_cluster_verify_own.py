"""Flags and lines of the checks that auroral's own commands make; the checks whole are in test_cluster_verify.py."""

from __future__ import annotations

import io
from typing import Any

import pytest

from auroral.cli import cluster_verify_own as own
from auroral.cli.process import Process
from auroral.errors import AuroralError, ExitCode, TargetError

NAMED = ("--outputs", "a b.json", "--cluster", "dev", "--profile", "ops")


def answers(monkeypatch: pytest.MonkeyPatch, code: int, text: str = "") -> list[Process]:
    """Let auroral's own command line end so."""
    ran: list[Process] = []

    def run(process: Process) -> int:
        ran.append(process)
        process.out(text)
        return code

    monkeypatch.setattr("auroral.cli.main.run", run)
    return ran


def process() -> Process:
    return Process([], {"DSQL_ENDPOINT": "other", "DSQL_PORT": "5433"}, io.StringIO(), io.StringIO())


def test_flags_that_the_commands_take() -> None:
    assert own.flags_of(NAMED, None) == ["--outputs", "a b.json", "--profile", "ops"]
    assert own.flags_of((), "here") == ["--where", "here"]


def test_lines_for_a_shell() -> None:
    assert own.lines(NAMED, "cluster") == {
        "schema": "auroral schema status --outputs 'a b.json' --profile ops --where cluster -- -json",
        "visibility": "auroral visibility status --outputs 'a b.json' --profile ops --where cluster --json",
    }


def test_the_deployment_names_its_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = answers(monkeypatch, 0, '{"ok": true}')
    assert own.schema(process(), ["--where", "here"]).passed
    assert ran[0].argv == ["schema", "status", "--where", "here", "--", "-json"]
    assert ran[0].environ == {"DSQL_PORT": "5433"}


@pytest.mark.parametrize("code", [0, 1, 2, 3, 70])
def test_a_command_that_does_not_say_proves_nothing(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    answers(monkeypatch, code, "the task stopped")
    with pytest.raises(TargetError, match=f"auroral schema status ended with {code}, and did not say"):
        own.schema(process(), [])
    with pytest.raises(TargetError, match=f"auroral visibility status ended with {code}"):
        own.visibility(process(), [], lambda: (None, ""))


def test_a_command_that_was_interrupted_is_an_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, ExitCode.INTERRUPTED)
    with pytest.raises(KeyboardInterrupt):
        own.schema(process(), [])


class _Halted(AuroralError):
    def __init__(self, code: ExitCode) -> None:
        super().__init__("halted")
        self.exit_code = code


def bench(monkeypatch: pytest.MonkeyPatch, came: Any) -> Any:
    def run(*_: Any, **__: Any) -> Any:
        if isinstance(came, AuroralError):
            raise came
        return came

    monkeypatch.setattr("auroral.cli.bench_remote_run.run", run)
    given: dict[str, Any] = {"account": None, "names": {}, "output": None, "timeout_s": 1.0, "yes": False}
    return own.benchmark(process(), {}, workers=None, **given)


@pytest.mark.parametrize("came", [ExitCode.INTERRUPTED, _Halted(ExitCode.INTERRUPTED)])
def test_a_benchmark_that_was_interrupted_is_an_interrupt(monkeypatch: pytest.MonkeyPatch, came: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        bench(monkeypatch, came)


def test_a_benchmark_that_did_not_run_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(_Halted):
        bench(monkeypatch, _Halted(ExitCode.USAGE))


def test_a_benchmark_without_a_result_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not bench(monkeypatch, ExitCode.OK).passed
