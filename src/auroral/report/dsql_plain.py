"""Columns and paragraphs of plain text, at most 100 columns wide. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Container, Sequence

WIDTH = 100


def columns(rows: Sequence[Sequence[str]], *, right: Container[int] = ()) -> list[str]:
    """Rows as aligned lines; the columns of these numbers are aligned to the right."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))] if rows else []
    return [
        "  ".join(
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def wrapped(said: str, *, first: str = "", then: str = "") -> list[str]:
    """A paragraph as lines; names longer than a line stay whole."""
    return textwrap.wrap(
        said, WIDTH, initial_indent=first, subsequent_indent=then, break_long_words=False, break_on_hyphens=False
    )
