"""A server that says its port in its first line and, once its input ends, its counts in the last."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class PortProcess:
    """Runs a command for as long as the context lasts."""

    def __init__(self, command: Sequence[str], *, directory: Path | None = None) -> None:
        self._command = command
        self._directory = directory
        self._process: subprocess.Popen[str] | None = None
        self.address = ""
        """`host:port`, once the context is entered."""
        self.pid = 0

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=self._directory
        )
        assert self._process.stdout is not None
        port = self._process.stdout.readline().strip()
        if not port:
            raise RuntimeError(f"{' '.join(self._command)} said no port and ended with status {self._process.wait()}")
        self.address = f"127.0.0.1:{port}"
        self.pid = self._process.pid
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end()

    def ask(self) -> dict[str, Any]:
        """What it answers to an empty line."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return dict(json.loads(self._process.stdout.readline()))

    def end(self) -> dict[str, Any] | None:
        """End it and return what it says last; null: nothing, or it was ended before."""
        process, self._process = self._process, None
        if process is None:
            return None
        try:
            output, _ = process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
        return dict(json.loads(output.splitlines()[-1])) if output.strip() else None
