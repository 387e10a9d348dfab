"""The edges of the process: arguments, environment, streams. The one object that tests replace."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO


@dataclass(slots=True)
class Process:
    """What the command line knows of the process that it runs in."""

    argv: Sequence[str]
    """Without the program's name."""
    environ: Mapping[str, str]
    stdout: TextIO
    stderr: TextIO
    width: int | None = None
    """Columns for help; None: as the terminal has."""
    stdout_closed: bool = False
    """Whether the reader of stdout went away, as `| head` does."""

    @classmethod
    def current(cls) -> Process:
        """The process as it is."""
        return cls(sys.argv[1:], dict(os.environ), sys.stdout, sys.stderr)

    @property
    def interactive(self) -> bool:
        """Whether a person watches stderr in a terminal that can redraw lines."""
        return self.stderr.isatty() and self.environ.get("TERM", "") != "dumb"

    def out(self, text: str) -> None:
        """Write lines to stdout. A reader that went away is no error: results are on disk by then."""
        if self.stdout_closed:
            return
        try:
            self.stdout.write(text if text.endswith("\n") else f"{text}\n")
            self.stdout.flush()
        except BrokenPipeError:
            self.close_stdout()

    def err(self, text: str) -> None:
        """Write lines to stderr."""
        with contextlib.suppress(BrokenPipeError):
            self.stderr.write(text if text.endswith("\n") else f"{text}\n")
            self.stderr.flush()

    def close_stdout(self) -> None:
        """Write no more to stdout, and keep the interpreter's last flush from failing."""
        self.stdout_closed = True
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.stdout.fileno())
