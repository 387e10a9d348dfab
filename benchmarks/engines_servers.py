"""The servers that engines are compared on: Temporal's development server, and one that answers at once."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auroral.temporal.local import start_local
from auroral.temporal.toolchain import Report
from benchmarks.port_process import PortProcess

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


class InstantServer(PortProcess):
    """Runs the program `instant` for as long as the context lasts."""

    def __init__(self, program: Path, *arguments: str) -> None:
        super().__init__([str(program), *arguments])
        self.final: Counts | None = None
        """Its counts at the end, known after it."""

    def counts(self) -> Counts:
        """Its counts so far."""
        return Counts(**self.ask())

    def end(self) -> dict[str, Any] | None:
        """End it and keep its counts."""
        if (told := super().end()) is not None:
            self.final = Counts(**told)
        return told


@contextlib.asynccontextmanager
async def development_server(directory: Path, report: Report) -> AsyncIterator[str]:
    """A fresh development server as auroral starts one; gives its address."""
    server = await start_local(
        namespace=NAMESPACE, directory=directory, log_path=directory / "server.log", report=report
    )
    async with server:
        yield server.address
