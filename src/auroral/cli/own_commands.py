"""Runs one of auroral's own commands within another: of the same deployment, its stderr shown, its stdout returned."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TextIO, cast

from auroral.cli.process import Process
from auroral.errors import ExitCode

ELSEWHERE = ("DSQL_ENDPOINT", "TEMPORAL_OPENSEARCH_HOST", "TEMPORAL_OPENSEARCH_INDEX")
"""What would have the command ask another store than the deployment's."""

_NAMING = ("--outputs", "--stack", "--region", "--profile")


def flags_of(named: Sequence[str]) -> list[str]:
    """Of the flags that named a deployment (`Operated.flags`) those that `auroral schema` and `visibility` take."""
    pairs = zip(named[::2], named[1::2], strict=True)
    return [part for flag, value in pairs if flag in _NAMING for part in (flag, value)]


def asked(process: Process, words: Sequence[str]) -> tuple[str, int]:
    """The stdout and status of `auroral WORDS`. Raises `KeyboardInterrupt` where it was interrupted."""
    from auroral.cli.main import run

    out = io.StringIO()
    environ = {name: value for name, value in process.environ.items() if name not in ELSEWHERE}
    code = run(Process(list(words), environ, cast("TextIO", out), process.stderr, process.width))
    if code == ExitCode.INTERRUPTED:
        raise KeyboardInterrupt
    return out.getvalue(), code
