"""`auroral bench report`, and the files that every run ends with."""

from __future__ import annotations

import shlex
from pathlib import Path

from auroral.bench.result import Result
from auroral.cli.process import Process
from auroral.errors import ExitCode, OutputError

SUMMARY, PAGE = "summary.txt", "report.html"


def report(process: Process, directory: str, form: str) -> ExitCode:
    """Make a run's reports again and print the one asked for."""
    from auroral.bench.store import RESULT, read_result

    path = Path(directory)
    summary, page = write_reports(read_result(path), path)
    if form == "json":
        process.document((path / RESULT).read_text(encoding="utf-8"))
    elif form == "html":
        process.document(page)
    else:
        process.out(summary)
    return ExitCode.OK


def write_reports(result: Result, directory: Path) -> tuple[str, str]:
    """Write `summary.txt` and `report.html`; return both texts. Raises `OutputError`."""
    from auroral.bench.store import RunDirectory
    from auroral.report.html import render
    from auroral.report.text import summary

    text, page = summary(result, directory), render(result)
    files = RunDirectory(directory, result.manifest)
    try:
        files.write_text(SUMMARY, text)
        files.write_text(PAGE, page)
    except OutputError as error:
        reason = getattr(error.__cause__, "strerror", None) or error.message
        raise OutputError(
            f"{directory}: the reports cannot be written: {reason}",
            hint=f"make room there that can be written, then: auroral bench report {shlex.quote(str(directory))}",
        ) from error
    return text, page
