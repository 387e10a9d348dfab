"""`auroral bench report`, and the files that every run ends with."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from auroral.bench.result import Result, decode
from auroral.cli.process import Process
from auroral.errors import ExitCode, OutputError

RESULT, SUMMARY, PAGE = "result.json", "summary.txt", "report.html"


def report(process: Process, directory: str, form: str) -> ExitCode:
    """Make a run's reports again and print the one asked for."""
    path = Path(directory)
    data = _read(path)
    result = _decode(path / RESULT, data)
    summary, page = write_reports(result, path)
    if form == "json":
        process.document(data.decode())
    elif form == "html":
        process.document(page)
    else:
        process.out(summary)
    return ExitCode.OK


def write_reports(result: Result, directory: Path) -> tuple[str, str]:
    """Write `summary.txt` and `report.html`; return both texts. Raises `OutputError`."""
    from auroral.report.html import render
    from auroral.report.text import summary

    text, page = summary(result, directory), render(result)
    try:
        _replace(directory / SUMMARY, text)
        _replace(directory / PAGE, page)
    except OSError as error:
        raise OutputError(
            f"{directory}: the reports cannot be written: {error.strerror}",
            hint=f"make room there that can be written, then: auroral bench report {shlex.quote(str(directory))}",
        ) from error
    return text, page


def _replace(path: Path, text: str) -> None:
    """Write a file beside its place and rename it: a reader never finds half of one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _read(directory: Path) -> bytes:
    try:
        return (directory / RESULT).read_bytes()
    except OSError as error:
        raise OutputError(
            f"{directory}: expected a run's directory with {RESULT}, but it cannot be read: {error.strerror}",
            hint="the summary of a run ends with its directory; runs that never started driving have no result",
        ) from error


def _decode(path: Path, data: bytes) -> Result:
    try:
        return decode(data)
    except ValueError as error:
        raise OutputError(f"{path}: expected {error}", hint="was it written by another version of auroral?") from error
