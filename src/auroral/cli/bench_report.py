"""`auroral bench report`, and the files that every run ends with."""

from __future__ import annotations

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
        process.out(data.decode())
    elif form == "html":
        process.out(page)
    else:
        process.out(summary)
    return ExitCode.OK


def write_reports(result: Result, directory: Path) -> tuple[str, str]:
    """Write `summary.txt` and `report.html`; return both texts. Raises `OutputError`."""
    from auroral.report.html import render
    from auroral.report.text import summary

    text, page = summary(result, directory), render(result)
    try:
        (directory / SUMMARY).write_text(text, encoding="utf-8")
        (directory / PAGE).write_text(page, encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"{directory}: the reports cannot be written: {error.strerror}",
            hint="make the directory writable, then: auroral bench report DIRECTORY",
        ) from error
    return text, page


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
