"""The small frontend as a process of the one that measures or tests."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from auroral import __version__
from auroral.bench.manifest import LANGUAGE_VERSION, WorkerIdentity

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


class FrontendProcess:
    """Runs `python -m benchmarks.frontend` with these arguments for as long as the context lasts."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self._process: subprocess.Popen[str] | None = None
        self.address = ""
        """`host:port`, once the context is entered."""
        self.pid = 0
        self.counts: dict[str, int] = {}
        """Requests by method, and starts accepted, refused and lost; known after `close`."""

    def __enter__(self) -> FrontendProcess:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.frontend", "--port", "0", *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
        )
        assert self._process.stdout is not None
        port = self._process.stdout.readline().strip()
        if not port:
            raise RuntimeError(f"benchmarks.frontend said no port and ended with status {self._process.wait()}")
        self.address = f"127.0.0.1:{port}"
        self.pid = self._process.pid
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> dict[str, int]:
        """Stop it and return its counts. A second call returns them again."""
        process, self._process = self._process, None
        if process is not None:
            try:
                output, _ = process.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                output, _ = process.communicate()
            self.counts = json.loads(output or "{}")
        return self.counts
