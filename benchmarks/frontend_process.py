"""The small frontend as a process of the one that measures or tests."""

from __future__ import annotations

import sys
from pathlib import Path

from auroral import __version__
from auroral.bench.manifest import LANGUAGE_VERSION, WorkerIdentity
from benchmarks.port_process import PortProcess

_ROOT = Path(__file__).resolve().parent.parent


def matching_identity(engine: str = "sdk") -> str:
    """What `--worker-identity` must be for a run's preflight to find the workers that it wants."""
    return str(
        WorkerIdentity(
            auroral_version=__version__,
            language_version=LANGUAGE_VERSION,
            engine=engine,
            slots=(200, 200, 200),
            pollers=(32, 32),
            nonsticky_ratio=0.5,
            eager_activities=100,
            where="1@frontend",
        )
    )


class FrontendProcess(PortProcess):
    """Runs `python -m benchmarks.frontend` with these arguments for as long as the context lasts."""

    def __init__(self, *arguments: str) -> None:
        super().__init__([sys.executable, "-m", "benchmarks.frontend", "--port", "0", *arguments], directory=_ROOT)
        self.counts: dict[str, int] = {}
        """Requests by method, and starts accepted, refused and lost; known at its end."""

    def end(self) -> dict[str, int] | None:
        """End it and keep its counts."""
        if (told := super().end()) is not None:
            self.counts = told
        return told

    def close(self) -> dict[str, int]:
        """End it and return its counts. A second call returns them again."""
        self.end()
        return self.counts
