"""`auroral bench report`, and the files that every run ends with."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from auroral.bench.result import Result
from auroral.cli.process import Process
from auroral.errors import ExitCode, OutputError

if TYPE_CHECKING:
    from auroral.bench.search.document import SearchDocument

SUMMARY, PAGE = "summary.txt", "report.html"


def report(process: Process, directory: str, form: str) -> ExitCode:
    """Make a run's or a search's reports again and print the one asked for."""
    from auroral.bench.store import RESULT, read_result

    path = Path(directory)
    if not (path / RESULT).exists() and (path / "search.json").exists():
        return _report_search(process, path, form)
    summary, page = write_reports(read_result(path), path)
    if form == "json":
        process.document((path / RESULT).read_text(encoding="utf-8"))
    elif form == "html":
        process.document(page)
    else:
        process.out(summary)
    return ExitCode.OK


def _report_search(process: Process, path: Path, form: str) -> ExitCode:
    from auroral.bench.search.files import DOCUMENT, read_search

    summary, page = write_search_reports(read_search(path), path)
    if form == "json":
        process.document((path / DOCUMENT).read_text(encoding="utf-8"))
    elif form == "html":
        process.document(page)
    else:
        process.out(summary)
    return ExitCode.OK


def write_search_reports(document: SearchDocument, directory: Path) -> tuple[str, str]:
    """Write a search's `summary.txt` and `report.html`; return both texts. Raises `OutputError`."""
    from auroral.bench.search.files import SearchDirectory
    from auroral.report.search import text
    from auroral.report.search_html import render

    summary, page = text(document, directory), render(document)
    files = SearchDirectory(directory)
    try:
        files.write_text(SUMMARY, summary)
        files.write_text(PAGE, page)
    except OutputError as error:
        raise _unwritable(directory, error) from error
    return summary, page


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
        raise _unwritable(directory, error) from error
    return text, page


def _unwritable(directory: Path, error: OutputError) -> OutputError:
    reason = getattr(error.__cause__, "strerror", None) or error.message
    return OutputError(
        f"{directory}: the reports cannot be written: {reason}",
        hint=f"make room there that can be written, then: auroral bench report {shlex.quote(str(directory))}",
    )
