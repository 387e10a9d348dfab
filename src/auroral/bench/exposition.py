"""Reads the few families that are needed out of a Prometheus text, quickly. Pure.

A server's text has thousands of lines (10,890 in 1.6 MB from a development server after a hundred workflows), nearly
all of them of no interest: lines are told apart by their first bytes, which took 3 ms for all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_LABEL = re.compile(r'([A-Za-z_][A-Za-z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"')
_SAMPLE = re.compile(r"([A-Za-z_:][A-Za-z0-9_:]*)\s*(?:\{(.*)\})?\s+([^\s{}]+)(?:\s+-?\d+)?\s*")
_ESCAPED = re.compile(r'\\([\\"n])')


def samples(text: bytes, prefixes: Sequence[str]) -> Iterator[tuple[str, dict[str, str], float]]:
    """Yield (name, labels, value) of the samples whose name begins with one of the prefixes.

    A line that is no sample is passed over: a scrape that was cut off still tells what it holds.
    """
    starts = tuple(prefix.encode() for prefix in prefixes)
    for line in text.split(b"\n"):
        if not line.startswith(starts):
            continue
        match = _SAMPLE.fullmatch(line.decode("utf-8", "replace"))
        if match is None:
            continue
        try:
            value = float(match[3])
        except ValueError:
            continue
        yield match[1], _labels(match[2] or ""), value


def _labels(text: str) -> dict[str, str]:
    return {
        name: _ESCAPED.sub(lambda escaped: "\n" if escaped[1] == "n" else escaped[1], value) if "\\" in value else value
        for name, value in _LABEL.findall(text)
    }
