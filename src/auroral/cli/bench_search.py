"""`auroral bench search`: settings, interrupts, progress on stderr, reports, exit codes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auroral.bench.options import build
from auroral.bench.result import ConfigValue, Result
from auroral.bench.search.options import LEFT_OUT, SEARCH_SETTINGS, build_search, resolve_search, resolve_steps
from auroral.cli.bench_report import write_reports, write_search_reports
from auroral.cli.bench_run import interrupts
from auroral.cli.configuration import config_values, read_file
from auroral.cli.process import Process
from auroral.errors import ConfigurationError, ExitCode, OutputError

if TYPE_CHECKING:
    from auroral.bench.search.document import SearchDocument
    from auroral.bench.search.settings import SearchSettings
    from auroral.bench.search.watch import SearchObserver
    from auroral.bench.settings import BenchSettings


def run_search(
    process: Process, flags: Mapping[str, Any], *, config_file: str | None, live: bool, form: str
) -> ExitCode:
    """Search, write the reports and print what was found. Raises `ConfigurationError` for bad settings."""
    settings, bench, configuration = _configure(process, flags, config_file)
    return asyncio.run(_search(process, settings, bench, configuration, live=live, form=form))


def search_code(document: SearchDocument) -> ExitCode:
    """The exit code of a search. A rate that is confirmed is an answer, also where the budget ended the search."""
    answer = document.answer
    if document.interrupted:
        return ExitCode.INTERRUPTED
    if answer is None or answer.status == "inconclusive":
        return ExitCode.INCONCLUSIVE
    if answer.status == "below-least":
        return ExitCode.FAILED
    return ExitCode.OK if answer.confirmed else ExitCode.INCONCLUSIVE


def _configure(
    process: Process, flags: Mapping[str, Any], config_file: str | None
) -> tuple[SearchSettings, BenchSettings, list[ConfigValue]]:
    """Resolve the layers of both tables, print their warnings and build the settings."""
    file = read_file(process, config_file)
    own = resolve_search(flags=flags, environ=process.environ, file=file)
    steps = resolve_steps(flags=flags, environ=process.environ, file=file)
    values = [value for value in config_values(process, steps) if value.name not in LEFT_OUT]
    for warning in [*own.warnings, *steps.warnings]:
        process.err(f"warning: {warning}")
    problems = [*own.problems, *steps.problems]
    if problems:
        raise ConfigurationError(problems, hint="`auroral bench search --help` lists every setting")
    values += [
        ConfigValue(
            name=setting.name, value=setting.text(own.values[setting.name]), origin=own.origins[setting.name].text
        )
        for setting in SEARCH_SETTINGS
    ]
    return build_search(own), build(steps), values


async def _search(
    process: Process,
    settings: SearchSettings,
    bench: BenchSettings,
    configuration: list[ConfigValue],
    *,
    live: bool,
    form: str,
) -> ExitCode:
    from auroral.bench.search.conduct import search
    from auroral.bench.stopping import StopSignal

    stop = StopSignal()
    with interrupts(stop), _observer(process, live) as observer:
        outcome = await search(
            settings,
            bench,
            configuration=configuration,
            environ=process.environ,
            observer=observer,
            stop=stop,
            on_step=_write_step,
        )
    code = search_code(outcome.document)
    for error in [*outcome.unwritten, *_present(process, outcome.document, outcome.directory, form)]:
        process.err(f"error: {error}")
        code = code if code is ExitCode.INTERRUPTED else error.exit_code
    return code


def _write_step(result: Result, directory: Path) -> None:
    write_reports(result, directory)


def _present(process: Process, document: SearchDocument, directory: Path, form: str) -> list[OutputError]:
    """Write the reports and print what was asked for. Files that cannot be written take nothing from it."""
    from auroral.bench.search.document import encode
    from auroral.report.search import markdown, text

    unwritten: list[OutputError] = []
    try:
        summary, _ = write_search_reports(document, directory)
    except OutputError as error:
        unwritten.append(error)
        summary = text(document, None)
    if form == "json":
        process.err(summary)
        process.document(encode(document).decode())
    elif form == "markdown":
        process.err(summary)
        process.document(markdown(document))
    else:
        process.out(summary)
    return unwritten


@contextmanager
def _observer(process: Process, live: bool) -> Iterator[SearchObserver]:
    """Whoever shows the progress on stderr: a live view in a terminal, else plain lines."""
    from auroral.report.search_live import PlainSearchLines, SearchView

    if live and process.interactive:
        from rich.console import Console

        with SearchView(Console(file=process.stderr)) as view:
            yield view
    else:
        with PlainSearchLines(process.stderr) as lines:
            yield lines
