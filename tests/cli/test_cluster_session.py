"""`auroral cluster exec` and `forward` as a user runs them: in this process, and as processes at a terminal."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

from auroral.errors import ExitCode
from tests.cli.conftest import Cli, Ended
from tests.support.session_plugin import SessionAccount, a_task, install, refusal

ROOT = Path(__file__).parents[2]
OUTPUTS = str(ROOT / "infra/tests/platform/contract.json")


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SessionAccount:
    found = SessionAccount(tmp_path, [a_task("history", "a"), a_task("history", "b", minute=1), a_task("ui", "c")])

    def door(*, region: str | None, profile: str | None) -> SessionAccount:
        found.region, found.profile = region or "", profile
        return found

    monkeypatch.setattr("auroral.aws_account.AwsAccount", door)
    return found


@pytest.fixture
def run(cli: Cli, account: SessionAccount, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    environ = install(tmp_path / "bin")
    monkeypatch.setattr(sys, "stdin", io.StringIO())

    def call(command: str, *arguments: str, **more: str) -> Ended:
        return cli("cluster", command, "--outputs", OUTPUTS, *arguments, environ={**environ, **more})

    return call


def test_a_command_gives_its_output_and_status(run: Any, account: SessionAccount) -> None:
    ended = run("exec", "history", "--", "printf", "%s|", "a b", "-x")
    assert (ended.code, ended.out) == (0, "a b|-x|")
    assert ended.err == f"history: task {'b' * 32}, container history\n"
    assert run("exec", "history", "--task", "aa", "--", "exit 42").code == 42
    assert [call["task"][-1] for call in account.named("execute_command")] == ["b", "a"]


def test_the_profile_and_region_reach_the_plugin(run: Any, account: SessionAccount) -> None:
    assert run("exec", "--profile", "ops", "--region", "eu-west-1", "history", "--", "true").code == 0
    assert (account.region, account.profile) == ("eu-west-1", "ops")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["exec", "histroy", "--", "ls"], "did you mean history"),
        (["exec", "history", "--task", "zz", "--", "ls"], "has no running task zz"),
        (["exec", "history", "--container", "zz", "--", "ls"], "has no container zz"),
        (["exec", "history"], "a shell needs a terminal"),
        (["exec", "history", "--raw"], "--raw is for a command"),
        (["exec", "collector"], "the image of collector has no shell"),
        (["exec", "collector", "--", "ls"], "the image of collector has no shell"),
        (["exec"], "Missing argument 'SERVICE'"),
        (["forward", "collector"], "expected --remote-port"),
        (["forward", "nothing"], "there is no service nothing"),
        (["forward", "ui", "--port", "70000"], "not in the range"),
        (["forward", "ui", "--remote-port", "0"], "not in the range"),
    ],
)
def test_wrong_usage(run: Any, arguments: list[str], words: str) -> None:
    ended = run(*arguments)
    assert ended.code == ExitCode.USAGE
    assert words in ended.err
    assert ended.out == ""


def test_without_a_plugin(run: Any) -> None:
    for arguments in (["exec", "history", "--", "ls"], ["forward", "ui", "--port", "0"]):
        ended = run(*arguments, PATH="/nowhere")
        assert ended.code == ExitCode.USAGE
        assert "session-manager-plugin is not on PATH" in ended.err
        assert "hint: install it" in ended.err


def test_dry_runs_print_the_clis_lines(run: Any, account: SessionAccount) -> None:
    ended = run("exec", "--dry-run", "history", PATH="/nowhere")
    assert ended.code == 0
    assert ended.out.startswith("aws --region us-east-1 ecs execute-command --cluster dev --task arn:aws:ecs:")
    assert ended.out.endswith("--container history --command /bin/sh --interactive\n")
    ended = run("exec", "--dry-run", "history", "--raw", "--", "ls", "-l")
    assert "--command 'ls -l' --interactive" in ended.out
    ended = run("forward", "--dry-run", "ui", "--port", "0")
    assert f"ssm start-session --target ecs:dev_{'c' * 32}_{'c' * 32}-1234567890 " in ended.out
    assert "AWS-StartPortForwardingSession" in ended.out
    assert (account.named("execute_command"), account.named("start_session")) == ([], [])


def test_refusals_have_remedies(run: Any, account: SessionAccount) -> None:
    account.failures["execute_command"] = lambda: refusal("TargetNotConnectedException", "internal error")
    ended = run("exec", "history", "--", "ls")
    assert ended.code == ExitCode.UNREACHABLE
    for step in ("ecs:ExecuteCommand", "ssm:StartSession", "ssmmessages", "initProcessEnabled"):
        assert step in ended.err
    account.tasks = [a_task("ui", "c", enableExecuteCommand=False)]
    ended = run("forward", "ui", "--port", "0")
    assert ended.code == ExitCode.UNREACHABLE
    assert "auroral cluster roll ui --force" in ended.err


def test_a_port_that_is_taken(run: Any, account: SessionAccount) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run("forward", "ui", "--port", str(port))
    assert ended.code == ExitCode.USAGE
    assert f"the local port {port} is in use" in ended.err
    assert account.calls == []


def test_a_session_that_ends_is_no_success(run: Any, account: SessionAccount) -> None:
    account.mode = "ends"
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        account.port = found.getsockname()[1]
    ended = run("forward", "ui", "--port", "0")
    assert ended.code == ExitCode.UNREACHABLE
    assert re.fullmatch(r"http://localhost:\d+\n", ended.out)
    assert "nothing answers behind it yet: Connection to destination port failed" in ended.err
    assert "Session timed out" in ended.err
    assert "--keep opens it again" in ended.err


class Seated:
    """The command at a terminal of its own."""

    def __init__(self, directory: Path, *arguments: str, port: int = 0) -> None:
        environ = {**install(directory / "bin"), "HOME": str(directory)}
        self.master, slave = pty.openpty()
        self.before = termios.tcgetattr(slave)
        self._slave = slave
        command = [sys.executable, "-m", "tests.support.session_plugin_cli", str(directory), str(port), "cluster"]

        def seat() -> None:
            os.setsid()
            import fcntl

            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            [*command, *arguments[:1], "--outputs", OUTPUTS, *arguments[1:]],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environ,
            cwd=ROOT,
            preexec_fn=seat,  # noqa: PLW1509 (no threads in this test)
        )
        self.seen = ""
        self.directory = directory

    def until(self, text: str, timeout_s: float = 15) -> None:
        """Read until the text was seen."""
        until_s = time.monotonic() + timeout_s
        while text not in self.seen:
            ready, _, _ = select.select([self.master], [], [], max(0, until_s - time.monotonic()))
            assert ready, f"{text!r} was not seen:\n{self.seen}"
            self.seen += os.read(self.master, 4096).decode(errors="replace")

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def end(self) -> int:
        code = self.process.wait(15)
        assert termios.tcgetattr(self._slave) == self.before, "the terminal is not as it was"
        return code

    @property
    def terminated(self) -> int:
        return int((self.directory / "ended.txt").read_text())

    def close(self) -> None:
        for child in psutil.Process(self.process.pid).children(recursive=True) if self.process.poll() is None else []:
            child.kill()
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self._slave)


@pytest.fixture
def seated(tmp_path: Path) -> Iterator[Any]:
    made: list[Seated] = []

    def seat(*arguments: str, port: int = 0) -> Seated:
        made.append(Seated(tmp_path, *arguments, port=port))
        return made[-1]

    yield seat
    for one in made:
        one.close()


def test_a_shell_at_a_terminal_keeps_ctrl_c(seated: Any) -> None:
    shell = seated("exec", "history")
    shell.until("Starting session with SessionId")
    shell.type("trap 'echo caught' INT; echo rea''dy\n")
    shell.until("ready")
    shell.type("\x03")
    shell.until("caught")
    assert shell.process.poll() is None
    shell.type("exit 3\n")
    shell.until("Exiting session")
    assert shell.end() == 0
    assert shell.terminated == 0


def test_a_command_at_a_terminal_reads_from_it(seated: Any) -> None:
    command = seated("exec", "history", "--", "echo na''me; read name; echo hello $name; exit 5")
    command.until("name")
    command.type("world\n")
    command.until("hello world")
    assert command.end() == 5
    assert "auroral-" not in command.seen


class Page(BaseHTTPRequestHandler):
    """Answers anything with nothing."""

    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_ctrl_c_ends_a_forwarded_port_in_good_order(seated: Any) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as behind:
        threading.Thread(target=behind.serve_forever, daemon=True).start()
        forward = seated("forward", "ui", "--port", "0", port=behind.server_port)
        forward.until("Ctrl-C ends it")
        assert "nothing answers" not in forward.seen
        found = re.search(r"http://localhost:(\d+)", forward.seen)
        assert found is not None
        forward.type("\x03")
        forward.until("closed")
        assert forward.end() == 0
        assert forward.terminated == 1
        behind.shutdown()
    with socket.socket() as free:
        assert free.connect_ex(("127.0.0.1", int(found[1]))) != 0


def test_a_process_that_is_told_to_end_leaves_no_session(seated: Any) -> None:
    for arguments, line in ((("exec", "history"), "Starting session"), (("forward", "ui", "--port", "0"), "Ctrl-C")):
        one = seated(*arguments)
        one.until(line)
        children = psutil.Process(one.process.pid).children(recursive=True)
        assert children
        one.process.send_signal(signal.SIGTERM)
        one.end()
        assert one.terminated == 1
        psutil.wait_procs(children, timeout=5)
        assert not [child for child in children if child.is_running()]
