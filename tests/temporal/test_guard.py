"""The guard ends what it runs when its owner goes, however that happens."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import psutil

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


def guard(*command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "auroral.temporal.guard", "--", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def child_of(process: subprocess.Popen[bytes]) -> psutil.Process:
    assert process.stdout is not None
    return psutil.Process(int(process.stdout.readline()))


def test_passes_on_exit_code_and_output() -> None:
    with guard(sys.executable, "-c", "import sys; print('said'); sys.exit(7)") as process:
        assert process.wait(20) == 7
        assert process.stderr is not None
        assert process.stderr.read() == b"said\n"


def test_a_signal_shows_in_the_exit_code() -> None:
    with guard("sleep", "60") as process:
        child_of(process).kill()
        assert process.wait(20) == 128 + signal.SIGKILL


def test_ends_its_child_at_the_end_of_stdin() -> None:
    with guard("sleep", "60") as process:
        child = child_of(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(5) == 128 + signal.SIGTERM
        assert not child.is_running()


def test_ends_a_stopped_child() -> None:
    with guard("sleep", "60") as process:
        child = child_of(process)
        child.suspend()
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(5) == 128 + signal.SIGTERM


def test_ends_on_sigterm_and_ignores_sigint() -> None:
    with guard("sleep", "60") as process:
        child = child_of(process)
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        assert process.poll() is None
        assert child.is_running()
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 128 + signal.SIGTERM


def test_kills_a_child_that_does_not_end() -> None:
    program = f"""
import sys
from auroral.temporal import guard
guard.GRACE_S = 0.3
sys.exit(guard.main(["--", sys.executable, "-c", {STUBBORN!r}]))
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        child = child_of(process)
        assert process.stderr is not None
        assert process.stderr.readline() == b"up\n"
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(10) == 128 + signal.SIGKILL
        assert not child.is_running()


def test_says_what_it_cannot_run() -> None:
    with guard("/no/such/program") as process:
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 127
    assert b"cannot run /no/such/program" in errors


def test_imports_little() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", "import sys, auroral.temporal.guard; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert not {"temporalio", "asyncio", "psutil", "msgspec"} & set(ran.stdout.split())
