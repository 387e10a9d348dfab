"""Streams whose lines are marked, for a log that holds both: see `auroral.marked`. Acts."""

from __future__ import annotations

import io
import threading
from typing import BinaryIO

from auroral import marked


class MarkedStream(io.TextIOBase):
    """Writes whole lines, each with the stream's mark, in UTF-8. Both streams share one file, and so their order."""

    def __init__(self, file: BinaryIO, stream: int, lock: threading.RLock | None = None) -> None:
        """`stream` is `marked.OUT` or `marked.ERR`; `lock` is that of the file."""
        self._file = file
        self._stream = stream
        self._lock = lock or threading.RLock()
        self._begun = ""

    def write(self, text: str) -> int:
        """Write the lines that are whole, and keep the rest. Raises what the file raises."""
        with self._lock:
            *lines, self._begun = (self._begun + text).split("\n")
            for line in lines:
                self._put(*marked.marked(self._stream, line))
        return len(text)

    def flush(self) -> None:
        """Flush the file; a line that has only begun stays."""
        with self._lock:
            self._file.flush()

    def finish(self) -> None:
        """End the line that has begun."""
        if self._begun:
            self.write("\n")

    def end(self, status: int) -> None:
        """Say that nothing follows."""
        with self._lock:
            self._put(marked.end(status))

    def isatty(self) -> bool:
        """No terminal, whatever is behind it."""
        return False

    def fileno(self) -> int:
        """The file's descriptor."""
        return self._file.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Of what is written."""
        return "utf-8"

    def _put(self, *lines: str) -> None:
        self._file.write("".join(f"{line}\n" for line in lines).encode())
        self._file.flush()
