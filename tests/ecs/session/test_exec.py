"""ECS Exec with the plugin's double: real processes, a real terminal on the other side, AWS behind our own door."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from auroral.aws_account import DryRun
from auroral.ecs.session.exec import executed, find_target, needs_shell, run
from auroral.ecs.session.plugin import Plugin
from auroral.errors import AuroralError, ExitCode, TargetError, UsageError
from tests.support.processes import nothing_left
from tests.support.session_plugin import SessionAccount, a_fleet, a_task, install, refusal

FLEET = a_fleet()


@pytest.fixture
def account(tmp_path: Path) -> SessionAccount:
    return SessionAccount(tmp_path, [a_task("history", "a"), a_task("collector", "c")])


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return install(tmp_path / "bin")


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    with nothing_left():
        yield


def test_a_commands_output_and_status(account: SessionAccount, environ: dict[str, str]) -> None:
    done = executed(account, FLEET, "history", ["printf", "%s\n", "a b", "$PATH", "it's"], environ=environ)
    assert (done.status, done.output) == (0, "a b\n$PATH\nit's\n")
    assert account.named("terminate_session") == []  # it ended by itself
    assert account.named("execute_command")[0]["interactive"] is True
    done = executed(account, FLEET, "history", ["echo to stderr >&2; exit 3"], environ=environ)
    assert (done.status, done.output) == (3, "to stderr\n")


def test_a_large_output_arrives_whole(account: SessionAccount, environ: dict[str, str]) -> None:
    done = executed(account, FLEET, "history", ["seq 1 20000"], environ=environ)
    assert done.output.split() == [str(number) for number in range(1, 20001)]


def test_output_is_passed_on_while_it_runs(account: SessionAccount, environ: dict[str, str]) -> None:
    parts: list[tuple[float, bytes]] = []
    target = find_target(account, FLEET, "history")
    command = ["echo first; sleep 0.6; echo second"]
    status = run(account, target, Plugin(environ), command, lambda data: parts.append((time.monotonic(), data)))
    assert status == 0
    assert b"".join(data for _, data in parts) == b"first\nsecond\n"
    assert parts[-1][0] - parts[0][0] > 0.4


def test_a_session_that_breaks_off(account: SessionAccount, environ: dict[str, str]) -> None:
    account.mode = "breaks off"
    with pytest.raises(TargetError, match=r"ended before echo one; sleep 30 did: .*the connection was lost"):
        executed(account, FLEET, "history", ["echo one; sleep 30"], environ=environ)


def test_a_container_without_a_shell(account: SessionAccount, environ: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="the image of collector has no shell"):
        executed(account, FLEET, "collector", ["ls"], environ=environ)
    assert account.calls == []
    needs_shell("collector", ["/otelcol", "--version"], raw=True)


def test_a_plugin_that_cannot_start_the_session(account: SessionAccount, environ: dict[str, str]) -> None:
    account.mode = "refused"
    with pytest.raises(TargetError, match=r"did not start in task a+ of history: Cannot perform start session: EOF"):
        executed(account, FLEET, "history", ["ls"], environ=environ)


def test_a_command_that_lasts_too_long_is_ended(account: SessionAccount, environ: dict[str, str]) -> None:
    began_s = time.monotonic()
    with pytest.raises(TargetError, match="ended before sleep 60 did") as error:
        executed(account, FLEET, "history", ["sleep 60"], environ=environ, timeout_s=1.5)
    assert error.value.hint == "it had 1.5 s"
    assert time.monotonic() - began_s < 10
    assert account.named("terminate_session") == [{"SessionId": "ecs-execute-command-1"}]


def test_a_session_that_does_not_close_is_closed(
    account: SessionAccount, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auroral.ecs.session.exec.CLOSING_S", 0.3)
    account.mode = "stays"
    assert executed(account, FLEET, "history", ["echo done"], environ=environ).output == "done\n"
    assert len(account.named("terminate_session")) == 1


def test_ctrl_c_reaches_the_command_and_ends_the_session(account: SessionAccount, environ: dict[str, str]) -> None:
    target = find_target(account, FLEET, "history")
    said: list[bytes] = []

    def out(data: bytes) -> None:
        said.append(data)
        if b"ready" in data:
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()

    with pytest.raises(KeyboardInterrupt):
        run(account, target, Plugin(environ), ["trap 'exit 9' INT; echo ready; sleep 30"], out)
    assert b"ready" in b"".join(said)
    assert len(account.named("terminate_session")) == 1


def test_the_token_is_in_no_list_of_processes(account: SessionAccount, environ: dict[str, str]) -> None:
    target = find_target(account, FLEET, "history")
    lines: list[str] = []

    def out(_data: bytes) -> None:
        lines.extend(" ".join(child.cmdline()) for child in psutil.Process().children(recursive=True))

    run(account, target, Plugin(environ), ["echo hello; sleep 0.1"], out)
    assert any("StartSession" in line for line in lines)
    assert account.last["token"] not in "\n".join(lines)


@pytest.mark.parametrize(
    ("code", "words", "hint"),
    [
        ("TargetNotConnectedException", "The execute command failed due to an internal error.", "ssmmessages"),
        ("AccessDeniedException", "not authorized", "ecs:ExecuteCommand"),
        ("ThrottlingException", "Rate exceeded", "try again in a minute"),
        ("ExpiredTokenException", "The security token is expired", "renew the credentials"),
    ],
)
def test_refusals(account: SessionAccount, environ: dict[str, str], code: str, words: str, hint: str) -> None:
    account.failures["execute_command"] = lambda: refusal(code, words)
    with pytest.raises(TargetError) as error:
        executed(account, FLEET, "history", ["ls"], environ=environ)
    assert words in error.value.message
    assert hint in error.value.hint
    assert account.named("terminate_session") == []


def test_a_termination_that_is_refused_hides_no_result(account: SessionAccount, environ: dict[str, str]) -> None:
    account.failures["terminate_session"] = lambda: refusal("AccessDeniedException", "no", "ssm", "terminate_session")
    with pytest.raises(TargetError, match="ended before"):
        executed(account, FLEET, "history", ["sleep 60"], environ=environ, timeout_s=1)


def test_a_dry_run_opens_no_session(account: SessionAccount, environ: dict[str, str]) -> None:
    said: list[str] = []
    with pytest.raises(UsageError, match="a dry run opens no session"):
        executed(DryRun(account, said.append), FLEET, "history", ["ls"], environ=environ)
    assert said[0].startswith("aws --region us-east-1 ecs execute-command")
    assert account.named("execute_command") == []


def test_no_plugin(account: SessionAccount, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="session-manager-plugin is not on PATH") as error:
        executed(account, FLEET, "history", ["ls"], environ={"PATH": str(tmp_path)})
    assert error.value.exit_code == ExitCode.USAGE
    assert account.calls == []


def broken(directory: Path, text: str) -> dict[str, str]:
    program = directory / "session-manager-plugin"
    program.write_text(text)
    program.chmod(0o755)
    return {"PATH": f"{directory}{os.pathsep}{os.environ['PATH']}"}


def test_plugins_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auroral.ecs.session.plugin.VERSION_TIMEOUT_S", 0.3)
    cases: list[tuple[str, str]] = [
        ("#!/no/such/interpreter\n", "cannot be started"),
        ("#!/bin/sh\nexec sleep 20\n", "does not answer within"),
        ("#!/bin/sh\necho 1.2.30.0\n", "takes a session's token as an argument"),
        ("#!/bin/sh\necho hello\n", "expected a version, found hello"),
    ]
    for text, expected in cases:
        with pytest.raises(AuroralError, match=expected) as error:
            Plugin(broken(tmp_path, text))
        assert error.value.exit_code == ExitCode.USAGE


def test_the_plugin_goes_away_between_two_calls(account: SessionAccount, environ: dict[str, str]) -> None:
    plugin = Plugin(environ)
    os.remove(shutil.which("session-manager-plugin", path=environ["PATH"]) or "")
    with pytest.raises(UsageError, match="cannot be started"):
        run(account, find_target(account, FLEET, "history"), plugin, ["ls"], lambda _: None)
    assert len(account.named("terminate_session")) == 1  # no session is left open without its client


def test_many_tasks_are_described_in_hundreds(account: SessionAccount) -> None:
    account.tasks = [a_task("history", "a", minute=number) for number in range(101)]
    for number, task in enumerate(account.tasks):
        task["taskArn"] = f"{task['taskArn'][:-4]}{number:04d}"
    assert find_target(account, FLEET, "history").task_id.endswith("0100")
    assert [len(call["tasks"]) for call in account.named("describe_tasks")] == [100, 1]


def test_the_double_is_strict(environ: dict[str, str]) -> None:
    program = shutil.which("session-manager-plugin", path=environ["PATH"])
    assert program is not None
    ran = subprocess.run(
        [program, '{"SessionId":"s"}', "r", "StartSession", "", "{}", ""],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 9
    assert "expected AWS_SSM_START_SESSION_RESPONSE" in ran.stdout
