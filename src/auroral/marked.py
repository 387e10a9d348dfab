"""Two streams in one log: marks on lines that tell stdout from stderr, and how they are taken off again. Pure.

CloudWatch Logs keeps one sequence of lines of a container. A program that is told to (`AURORAL_OUTPUT=marked`) puts a
mark before each of its lines, and whoever follows the log puts them back on the right stream. A mark also keeps empty
lines: Docker's log driver for CloudWatch sends none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

VARIABLE = "AURORAL_OUTPUT"
VALUE = "marked"
"""Set in a task's environment by whoever starts it."""

OUT = 1
ERR = 2

PIECE_BYTES = 16_000
"""Of a marked line. Docker's log driver for CloudWatch cuts lines at 262,118 bytes (262,144 less the 26 that an event
takes), and others of its drivers at 16 KiB, wherever that falls; CloudWatch takes events of up to 1 MB (PutLogEvents,
API Reference, read in November 2026). Lines are cut here, between characters, before any of them does."""

_MARK = re.compile(r"@([12])([>+])", re.ASCII)
_END = re.compile(r"@\.[0-9]{1,3}", re.ASCII)


def marked(stream: int, line: str) -> Iterator[str]:
    """A line as lines with marks: `@1>…` is one of stdout, `@1+…` a piece of it that goes on in the next."""
    for piece, last in _pieces(line.encode(errors="backslashreplace"), PIECE_BYTES):
        yield f"@{stream}{'>' if last else '+'}{piece}"


def end(status: int) -> str:
    """The last line of a program: nothing follows, and nothing before it is missing."""
    return f"@.{status}"


class Unmarker:
    """Takes the marks off, line by line."""

    def __init__(self) -> None:
        self.seen = False
        """Whether any line had a mark."""
        self.ended = False
        """Whether the last line has come."""
        self._pieces: dict[int, list[str]] = {OUT: [], ERR: []}

    def take(self, line: str) -> tuple[int | None, str] | None:
        """The stream of a line, and its text; None for the stream of a line without a mark, and for a line that goes
        on in the next, or ends all."""
        if _END.fullmatch(line):
            self.seen = self.ended = True
            return None
        found = _MARK.match(line)
        if found is None:
            return None, line
        self.seen = True
        stream, pieces = int(found[1]), self._pieces[int(found[1])]
        pieces.append(line[found.end() :])
        if found[2] == "+":
            return None
        text = "".join(pieces)
        pieces.clear()
        return stream, text

    def rest(self) -> Iterator[tuple[int, str]]:
        """Pieces of lines whose end never came."""
        for stream, pieces in self._pieces.items():
            if pieces:
                yield stream, "".join(pieces)
                pieces.clear()


def _pieces(data: bytes, size: int) -> Iterator[tuple[str, bool]]:
    """Parts of at most so many bytes, cut between characters, and whether each is the last."""
    start = 0
    while len(data) - start > size:
        cut = start + size
        while data[cut] & 0xC0 == 0x80:  # inside a character
            cut -= 1
        yield data[start:cut].decode(), False
        start = cut
    yield data[start:].decode(), True
