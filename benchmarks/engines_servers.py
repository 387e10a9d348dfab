"""The servers that engines are compared on: Temporal's development server, and one that answers at once."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from auroral.temporal.local import start_local
from auroral.temporal.toolchain import Report

NAMESPACE = "benchmark"


@dataclass(frozen=True, slots=True)
class Counts:
    """What the instant server has seen since it started."""

    time_s: float
    cpu_s: float
    started: int
    closed: int
    open: int
    calls: dict[str, int]
    """By method."""
    empty_polls: int
    held: int
    """Activities that workers hold."""
    held_most: int
    """At any one time."""
    activities: int
    """That workers have completed."""
    late_p50_ms: float
    late_p99_ms: float
    """How long after its wait an activity was answered, within 9 %."""


class InstantServer:
    """Runs the program `instant` for as long as the context lasts."""

    def __init__(self, program: Path, *arguments: str) -> None:
        self._command = [str(program), *arguments]
        self._process: subprocess.Popen[str] | None = None
        self.address = ""
        """`host:port`, once the context is entered."""
        self.pid = 0
        self.final: Counts | None = None
        """Its counts at the end, known after `close`."""

    def __enter__(self) -> InstantServer:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        port = self._process.stdout.readline().strip()
        if not port:
            raise RuntimeError(f"the instant server said no port and ended with status {self._process.wait()}")
        self.address = f"127.0.0.1:{port}"
        self.pid = self._process.pid
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def counts(self) -> Counts:
        """Its counts so far."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return _counts(json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        """End it. Harmless a second time."""
        process, self._process = self._process, None
        if process is None:
            return
        try:
            output, _ = process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
        if output.strip():
            self.final = _counts(json.loads(output.splitlines()[-1]))


def _counts(told: dict[str, Any]) -> Counts:
    return Counts(**told)


@contextlib.asynccontextmanager
async def development_server(directory: Path, report: Report) -> AsyncIterator[str]:
    """A fresh development server as auroral starts one; gives its address."""
    server = await start_local(
        namespace=NAMESPACE, directory=directory, log_path=directory / "server.log", report=report
    )
    async with server:
        yield server.address
