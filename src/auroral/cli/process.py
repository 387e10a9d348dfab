"""The edges of the process: arguments, environment, streams. The one object that tests replace.

Whatever a stream cannot hold, no text is lost and no run ends for it: what an encoding lacks is escaped, and
stderr goes on into nothing where its reader or its terminal went away.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO, cast

from auroral import marked
from auroral.errors import OutputError


class Diagnostics(io.TextIOBase):
    """A stream for messages that never fails: a reader that went away (`2>&1 | head`) must not end a run."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._gone = False

    def write(self, text: str) -> int:
        """Write, or do nothing once that has failed."""
        self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Flush, or do nothing once that has failed."""
        self._try(self._stream.flush)

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Its descriptor."""
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Of the stream below: whoever draws lines asks for it."""
        return self._stream.encoding

    def _try(self, action: Callable[[], object]) -> None:
        if self._gone:
            return
        try:
            action()
        except (OSError, ValueError):  # `ValueError`: closed
            self._gone = True
            _into_nothing(self._stream)


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
    at_end: Callable[[int], None] | None = None
    """Hears the exit status, as the last thing that is written."""

    @classmethod
    def current(cls) -> Process:
        """The process as it is."""
        # A closed descriptor (`>&-`) leaves no stream at all.
        stdout, stderr = (stream or _nowhere() for stream in (sys.stdout, sys.stderr))
        for stream in (stdout, stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        if os.environ.get(marked.VARIABLE) == marked.VALUE and hasattr(stdout, "buffer"):
            return _marked(stdout)
        return cls(sys.argv[1:], dict(os.environ), stdout, cast("TextIO", Diagnostics(stderr)))

    @property
    def interactive(self) -> bool:
        """Whether a person watches stderr in a terminal that can redraw lines."""
        return self.stderr.isatty() and self.environ.get("TERM", "") != "dumb"

    def out(self, text: str) -> None:
        """Write lines to stdout. A reader that went away is no error: results are on disk by then.

        Raises `OutputError` where stdout cannot be written, as on a full disk.
        """
        self._write(lambda: self.stdout.write(text if text.endswith("\n") else f"{text}\n"))

    def document(self, text: str) -> None:
        """Write a JSON document or a page to stdout: in UTF-8, whatever the terminal's encoding."""
        binary = getattr(self.stdout, "buffer", None)
        if binary is None:
            self.out(text)
        else:
            self._write(lambda: binary.write((text if text.endswith("\n") else f"{text}\n").encode()))

    def _write(self, write: Callable[[], object]) -> None:
        if self.stdout_closed:
            return
        try:
            write()
            self.stdout.flush()
        except BrokenPipeError:
            self.close_stdout()
        except OSError as error:
            self.close_stdout()
            raise unwritable_stdout(error) from error

    def err(self, text: str) -> None:
        """Write lines to stderr."""
        with contextlib.suppress(BrokenPipeError):
            self.stderr.write(text if text.endswith("\n") else f"{text}\n")
            self.stderr.flush()

    def end(self, status: int) -> None:
        """Write what is to be written last."""
        if self.at_end is not None:
            with contextlib.suppress(OSError, ValueError):
                self.at_end(status)

    def close_stdout(self) -> None:
        """Write no more to stdout, and keep the interpreter's last flush from failing."""
        self.stdout_closed = True
        _into_nothing(self.stdout)


def unwritable_stdout(error: OSError) -> OutputError:
    """The error of a stdout that cannot be written."""
    return OutputError(
        f"stdout cannot be written: {error.strerror}", hint="send it to where there is room; a run's files are written"
    )


def _marked(stdout: TextIO) -> Process:
    """Both streams in one, each line with its mark: how a task's log is told apart."""
    from auroral.cli.marked_stream import MarkedStream

    lock = threading.RLock()
    out, err = (MarkedStream(stdout.buffer, stream, lock) for stream in (marked.OUT, marked.ERR))

    def at_end(status: int) -> None:
        out.finish()
        err.finish()
        out.end(status)

    told = cast("TextIO", Diagnostics(cast("TextIO", err)))
    return Process(sys.argv[1:], dict(os.environ), cast("TextIO", out), told, at_end=at_end)


def _nowhere() -> TextIO:
    return os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")


def _into_nothing(stream: TextIO) -> None:
    """Let what a stream still holds go nowhere."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
