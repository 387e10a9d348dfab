"""Running docker: what it says passes through, interrupts are passed on, secrets are not told."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from auroral.errors import InterruptedRunError, TargetError
from auroral.images.docker import Docker

SECRET = "n0t-to-be-seen"


@pytest.fixture
def said() -> list[str]:
    """What was shown."""
    return []


@pytest.fixture(autouse=True)
def _interruptible() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def program(folder: Path, script: str, said: list[str], screen: int | None = None) -> Docker:
    """A docker that is this shell script."""
    path = folder / "docker"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return Docker(str(path), folder, {**os.environ, "GREETING": "hello"}, said.append, screen)


def interrupt_when(there: Path, times: int = 1) -> threading.Thread:
    """Interrupt this process, as Ctrl-C does, once the file is there."""

    def run() -> None:
        for _ in range(times):
            deadline = time.monotonic() + 10
            while not there.exists() and time.monotonic() < deadline:
                time.sleep(0.01)
            there.unlink(missing_ok=True)
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_lines_pass_through_as_they_come(tmp_path: Path, said: list[str]) -> None:
    program(tmp_path, 'echo "$GREETING $1"; echo more >&2; pwd', said).run(["docker", "build"], "the build")
    assert said == ["hello build", "more", str(tmp_path)]


def test_it_draws_on_the_screen_itself(tmp_path: Path, said: list[str]) -> None:
    with (tmp_path / "screen").open("w") as screen:
        program(tmp_path, "echo out; echo err >&2", said, screen.fileno()).run(["docker"], "the build")
    assert (tmp_path / "screen").read_text() == "out\nerr\n"
    assert said == []


def test_a_failure_is_told(tmp_path: Path, said: list[str]) -> None:
    with pytest.raises(TargetError, match="the build failed: docker ended with status 7"):
        program(tmp_path, "echo why; exit 7", said).run(["docker"], "the build")
    assert said == ["why"]


def test_an_answer_is_stdout_alone(tmp_path: Path, said: list[str]) -> None:
    assert program(tmp_path, "echo answer; echo noise >&2", said).answer(["docker"], "asking") == "answer\n"
    with pytest.raises(TargetError, match=r"asking failed: docker ended with status 1: not found\n.*hint: look"):
        program(tmp_path, "echo not found >&2; exit 1", said).answer(["docker"], "asking", hint="look")


def test_a_secret_goes_to_stdin_and_into_no_message(tmp_path: Path, said: list[str]) -> None:
    program(tmp_path, "cat > told", said).tell(["docker"], "the login", SECRET)
    assert (tmp_path / "told").read_text() == SECRET
    with pytest.raises(TargetError, match="the login failed") as caught:
        program(tmp_path, 'echo "bad password $(cat)" >&2; exit 1', said).tell(["docker"], "the login", SECRET)
    assert SECRET not in str(caught.value) + "".join(said)
    assert "[hidden]" in str(caught.value)


def test_a_docker_that_cannot_run_is_told(tmp_path: Path, said: list[str]) -> None:
    with pytest.raises(TargetError, match="cannot be run: No such file"):
        Docker(str(tmp_path / "none"), tmp_path, {}, said.append).run(["docker"], "the build")


def test_an_interrupt_is_passed_on_and_waited_for(tmp_path: Path, said: list[str]) -> None:
    script = "trap 'echo ending; sleep 0.1; touch ended; exit 130' INT\ntouch ready; while :; do sleep 0.02; done"
    thread = interrupt_when(tmp_path / "ready")
    with pytest.raises(InterruptedRunError, match="the build was interrupted"):
        program(tmp_path, script, said).run(["docker"], "the build")
    thread.join()
    assert (tmp_path / "ended").exists()
    assert "interrupted; docker is told" in said[0]


def test_a_plugin_hears_it_too(tmp_path: Path, said: list[str]) -> None:
    """docker's client runs buildx as a child, and leaves signals to the terminal."""
    (tmp_path / "plugin.py").write_text(
        "import pathlib, signal, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "pathlib.Path('ready').touch()\n"
        "try:\n    time.sleep(30)\nexcept KeyboardInterrupt:\n    pathlib.Path('ended').touch()\n"
    )
    thread = interrupt_when(tmp_path / "ready")
    with pytest.raises(InterruptedRunError):
        program(tmp_path, f"trap : INT\n{sys.executable} plugin.py; exit 1", said).run(["docker"], "the build")
    thread.join()
    assert (tmp_path / "ended").exists()


def test_a_deaf_one_is_killed_at_the_third(tmp_path: Path, said: list[str]) -> None:
    script = "trap 'touch ready' INT\necho $$ > pid; touch ready; while :; do sleep 0.02; done"
    thread = interrupt_when(tmp_path / "ready", times=3)
    with pytest.raises(InterruptedRunError):
        program(tmp_path, script, said).run(["docker"], "the build")
    thread.join()
    assert [line.split("; ")[1].split(",")[0] for line in said] == [
        "docker is told",
        "docker is told",
        "docker is killed",
    ]
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


def test_an_interrupt_while_a_secret_is_told(tmp_path: Path, said: list[str]) -> None:
    script = "trap 'exit 130' INT\ncat > /dev/null; touch ready; while :; do sleep 0.02; done"
    thread = interrupt_when(tmp_path / "ready")
    with pytest.raises(InterruptedRunError) as caught:
        program(tmp_path, script, said).tell(["docker"], "the login", SECRET)
    thread.join()
    assert SECRET not in str(caught.value) + "".join(said)
