"""auroral and auroral-schema mark alike: every vector of the Go package, through the process's own streams."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from auroral import marked
from auroral.cli.process import Process

VECTORS = Path(__file__).parents[1] / "server" / "internal" / "marked" / "testdata" / "lines.json"
CASES = json.loads(VECTORS.read_text(encoding="utf-8"))["cases"]


def text_of(runs: str | list[list[Any]]) -> str:
    """A string, or parts that are repeated."""
    return runs if isinstance(runs, str) else "".join(text * times for text, times in runs)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_vector(case: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(file, encoding="ascii"))
    monkeypatch.setitem(os.environ, marked.VARIABLE, marked.VALUE)
    process = Process.current()
    streams = {marked.OUT: process.stdout, marked.ERR: process.stderr}
    unmarker, back = marked.Unmarker(), dict.fromkeys(streams, "")
    for event, expect in zip(case["events"], case["expect"], strict=True):
        start = len(file.getvalue())
        if "end" in event:
            assert event.keys() == {"end"}
            process.end(event["end"])
        else:
            assert event.keys() == {"write", "text"}
            streams[event["write"]].write(text_of(event["text"]))
        lines = [text_of(line) for line in expect]
        assert file.getvalue()[start:].decode() == "".join(f"{line}\n" for line in lines)
        for taken in map(unmarker.take, lines):
            if taken is not None:
                assert taken[0] is not None
                back[taken[0]] += f"{taken[1]}\n"
    for stream, text in back.items():
        written = "".join(text_of(one["text"]) for one in case["events"] if one.get("write") == stream)
        assert text == (written if written.endswith("\n") or not written else f"{written}\n")
    assert unmarker.ended
