"""`auroral bench …` as a user runs it: a process of its own, watched from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import psutil

from auroral.bench.result import Result, decode


@dataclass(frozen=True)
class Finished:
    """How it ended."""

    status: int
    stdout: str
    stderr: str
    directory: Path

    @property
    def result(self) -> Result:
        """What it wrote; fails with its output where it wrote nothing."""
        path = self.directory / "result.json"
        assert path.exists(), f"no result, status {self.status}\n{self.stdout}\n{self.stderr}\n{self.logs}"
        result = decode(path.read_bytes())
        assert sum(result.outcomes.values()) == result.scheduled, "the outcomes sum to the schedule"
        return result

    @property
    def logs(self) -> str:
        """All logs of its processes."""
        return "\n".join(f"--- {path.name}\n{path.read_text()}" for path in sorted(self.directory.glob("logs/*")))


class Benchmark:
    """One `auroral bench` command under way. Leaving the block ends it."""

    def __init__(self, *arguments: str, directory: Path, environ: dict[str, str] | None = None) -> None:
        self.directory = directory
        self._scratch = tempfile.TemporaryDirectory()
        self._stderr_path = Path(self._scratch.name) / "stderr"
        self._stdout_path = Path(self._scratch.name) / "stdout"
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("TEMPORAL_", "BENCHMARK_"))}
        with self._stderr_path.open("wb") as stderr, self._stdout_path.open("wb") as stdout:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "auroral", "bench", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env={**clean, **(environ or {})},
            )

    def __enter__(self) -> Benchmark:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._scratch.cleanup()

    @property
    def stderr(self) -> str:
        return self._stderr_path.read_text()

    def wait_for(self, text: str, timeout_s: float = 60.0) -> None:
        """Wait until it has said this on stderr."""
        self.wait_until(lambda: text in self.stderr, timeout_s, f"{text!r} on stderr")

    def wait_until(self, is_so: object, timeout_s: float, what: str) -> None:
        end_s = time.monotonic() + timeout_s
        assert callable(is_so)
        while not is_so():
            ended = self.process.poll()
            assert ended is None, f"ended with {ended} before {what}:\n{self.stderr}"
            assert time.monotonic() < end_s, f"no {what} within {timeout_s} s:\n{self.stderr}"
            time.sleep(0.05)

    def child(self, module: str) -> psutil.Process:
        """Its child process that runs a module, e.g. `auroral.bench.worker`."""
        for child in psutil.Process(self.process.pid).children(recursive=True):
            if module in child.cmdline():
                return child
        raise AssertionError(f"no child runs {module}:\n{self.stderr}")

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> None:
        self.process.send_signal(number)

    def finish(self, timeout_s: float = 120.0) -> Finished:
        """Wait for its end."""
        try:
            status = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"not ended within {timeout_s} s:\n{self.stderr}") from None
        return Finished(status, self._stdout_path.read_text(), self.stderr, self.directory)


def bench(
    *arguments: str, directory: Path, environ: dict[str, str] | None = None, timeout_s: float = 120.0
) -> Finished:
    """Run `auroral bench run …` to its end."""
    with Benchmark(
        "run", *arguments, "--output", str(directory), "--metrics-port", "0", directory=directory, environ=environ
    ) as run:
        return run.finish(timeout_s)
