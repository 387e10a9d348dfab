"""Errors become messages and exit codes; nobody who made a mistake sees a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from auroral import __version__
from auroral.cli.main import root
from auroral.errors import AuroralError, LostProcessError, OutputError, TargetError, UsageError
from tests.cli.conftest import Cli


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> type[Exception]:
    """A command `fail` that raises what the test puts into `error`."""

    class Failing(Exception):
        error: BaseException = RuntimeError("boom")

    def fail() -> None:
        raise Failing.error

    monkeypatch.setitem(root.commands, "fail", click.Command("fail", callback=fail, help="Fail."))
    return Failing


def test_help_and_version(cli: Cli) -> None:
    assert cli("--version").out == f"auroral {__version__}\n"
    for arguments in (["--help"], ["-h"], ["bench", "--help"], ["bench", "-h"]):
        ended = cli(*arguments)
        assert (ended.code, ended.err) == (0, "")
        assert "bench" in ended.out


@pytest.mark.parametrize("arguments", [(), ("bench",)])
def test_no_command_shows_the_commands_and_is_wrong_usage(cli: Cli, arguments: tuple[str, ...]) -> None:
    ended = cli(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert "Commands:" in ended.err


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["benhc"], "no command benhc; did you mean bench?", "auroral --help"),
        (["bench", "wroker"], "no command wroker; did you mean worker?", "auroral bench --help"),
        (["bench", "config", "--duratoin", "5"], "--duration", "auroral bench config --help"),
        (["bench", "config", "surplus"], "surplus", "auroral bench config --help"),
        (["bench", "report"], "DIRECTORY", "auroral bench report --help"),
        (["bench", "report", "x", "--format", "pdf"], "pdf", "auroral bench report --help"),
        (["bench", "run", "--duration"], "--duration", "auroral bench run --help"),
    ],
)
def test_wrong_usage(cli: Cli, arguments: list[str], message: str, hint: str) -> None:
    ended = cli(*arguments)
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.startswith("error: ")
    assert message in ended.err
    assert ended.err.endswith(f"\n  hint: {hint}\n")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("no", hint="try yes"), 2),
        (OutputError("no", hint="try yes"), 2),
        (TargetError("no", hint="try yes"), 3),
        (LostProcessError("no", hint="try yes"), 5),
        (AuroralError("no", hint="try yes"), 70),
    ],
)
def test_errors_of_ours(cli: Cli, failing: type, error: AuroralError, code: int) -> None:
    failing.error = error
    ended = cli("fail")
    assert (ended.code, ended.out, ended.err) == (code, "", "error: no\n  hint: try yes\n")


def test_interrupted(cli: Cli, failing: type) -> None:
    failing.error = KeyboardInterrupt()
    ended = cli("fail")
    assert (ended.code, ended.err.strip()) == (4, "interrupted")


def test_a_bug_is_named_and_its_traceback_kept(
    cli: Cli, failing: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    failing.error = ZeroDivisionError("of no use")
    ended = cli("fail")
    assert ended.code == 70
    assert "Traceback" not in ended.err
    assert "this is a bug in auroral: ZeroDivisionError: of no use" in ended.err
    [kept] = tmp_path.glob("auroral-*.txt")
    assert str(kept) in ended.err
    assert "Traceback" in kept.read_text()
    assert __version__ in kept.read_text()


def test_a_bug_without_a_temp_dir_is_told_on_stderr(
    cli: Cli, failing: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    ended = cli("fail")
    assert ended.code == 70
    assert "Traceback" in ended.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_interrupt_from_the_first_moment(number: signal.Signals) -> None:
    code = (
        "import os, signal, sys, click; signal.signal(signal.SIGHUP, signal.SIG_DFL); "  # `nohup make test` ignores it
        "from auroral.cli import main; "
        f"main.root.commands['fail'] = click.Command('fail', callback=lambda: os.kill(os.getpid(), {int(number)})); "
        "sys.argv = ['auroral', 'fail']; main.entry_point()"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stderr.strip()) == (4, "interrupted")


@pytest.mark.parametrize("arguments", [["--help"], ["bench", "run", "--help"], ["bench", "config"]])
def test_a_reader_that_goes_away_is_no_error(arguments: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    ended = subprocess.run(
        [sys.executable, "-m", "auroral", *arguments], stdout=write, stderr=subprocess.PIPE, check=False, timeout=60
    )
    os.close(write)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_the_sdks_threads_do_not_outlive_the_message() -> None:
    """With the SDK loaded the interpreter is not torn down: its threads would abort the process with status 134."""
    code = (
        "import atexit, sys, click, temporalio.client; from auroral.cli import main\n"
        "atexit.register(print, 'torn down')\n"
        "main.root.commands['fail'] = click.Command('fail', callback=lambda: (click.echo('said'), 3)[1])\n"
        "sys.argv = ['auroral', 'fail']; main.entry_point()"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "said\n", "")


def test_nohup_is_respected() -> None:
    code = (
        "import os, signal, sys, click; from auroral.cli import main\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "main.root.commands['up'] = click.Command('up', callback=lambda: os.kill(os.getpid(), signal.SIGHUP))\n"
        "sys.argv = ['auroral', 'up']; main.entry_point()"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")
