"""A search as text and as Markdown for a pull request. Pure."""

from __future__ import annotations

import textwrap
from pathlib import Path

from auroral.bench.search.document import SearchDocument, SearchedStep
from auroral.bench.search.machine import Measured
from auroral.report import words
from auroral.units import format_duration, format_ratio

WIDTH = 100
_HEADS = ("#", "step", "offered", "completed", "p50", "p95", "p99", "open", "outcome")
_LABEL = 12


def headline(document: SearchDocument) -> str:
    """What was found, in a few words."""
    answer = document.answer
    if answer is None:
        return "No answer yet"
    rate = words.rate(answer.rate_per_s)
    match answer.status:
        case "found":
            return f"{rate} sustained"
        case "above-most":
            return f"At least {rate} sustained"
        case "below-least":
            return f"Not even {words.rate(document.settings.least_per_s)} sustained"
        case "budget-spent":
            if answer.confirmed:
                return f"At least {rate} sustained (the budget is spent)"
            end = "Budget spent"
        case _:
            end = "Interrupted" if document.interrupted else "Inconclusive"
    return end if answer.rate_per_s is None else f"{end}: {rate} held so far"


def outcome(measured: Measured) -> str:
    """What became of a step, in a word or two."""
    if measured.held is None:
        return "in doubt"
    if measured.held:
        return "held"
    return "lost, ended early" if measured.early else "lost"


def quantile(measured: Measured, name: str) -> str:
    """A step's quantile: its value, "did not complete", or a dash where nothing was measured."""
    if name not in measured.quantiles_ms:
        return words.NONE
    value_ms = measured.quantiles_ms[name]
    return words.DID_NOT_COMPLETE if value_ms is None else words.ms(value_ms)


def backlog(measured: Measured) -> str:
    """How many workflows were open at the beginning of the hold and at its end."""
    if measured.backlog_start is None or measured.backlog_end is None:
        return words.NONE
    return f"{_open(measured.backlog_start)} → {_open(measured.backlog_end)}"


def text(document: SearchDocument, directory: Path | None) -> str:
    """What the terminal shows, at most 100 columns wide but for long names. `directory`: None, nothing was written."""
    sections = [_head(document), _steps(document), _reasons(document), _notes(document), _files(directory)]
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def markdown(document: SearchDocument) -> str:
    """A comment for a pull request."""
    lines = [f"### {headline(document)}", "", *(f"- {_plain(line)}" for line in sentences(document))]
    lines += ["", f"| {' | '.join(_HEADS)} |", "| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |"]
    for step in document.steps:
        *cells, last = _row(step)
        lines.append(f"| {' | '.join([*cells, f'**{last}**'])} |")
    lines += ["", "<details><summary>What the steps showed</summary>", ""]
    for step in document.steps:
        lines += [f"- {step.measured.step.number}: {_plain(reason)}" for reason in step.measured.reasons]
    lines += ["", *(f"- {name}: {_plain(value)}" for name, value in facts(document))]
    lines += [*(f"- {_plain(note)}" for note in document.notes), "", "</details>"]
    return "\n".join(lines) + "\n"


def sentences(document: SearchDocument) -> list[str]:
    """What was found and how sure it is; what ended the search, where that was not an answer."""
    found = list(document.answer.sentences) if document.answer is not None else []
    if document.answer is None:
        found.append("the search is under way, or its process ended without a word")
    if document.failure and document.failure not in "\n".join(found):
        found.append(document.failure)
    return found


def facts(document: SearchDocument) -> list[tuple[str, str]]:
    """What was searched, where and how long."""
    server = document.environment.server_version
    where = f"{document.environment.address}, namespace {document.namespace}"
    settings = document.settings
    return [
        ("objective", ", ".join(document.objective)),
        ("bounds", f"{words.rate(settings.least_per_s)} to {words.rate(settings.most_per_s)}"),
        ("workload", workload_names(document)),
        ("driven by", f"{document.arrival} arrivals, engine {document.engine}"),
        ("cluster", where + (f", server {server}" if server else "")),
        ("started", document.started_at),
        ("load", f"{format_duration(document.load_s)} of {format_duration(settings.budget_s)}, "
                 f"in {len(document.steps)} steps"),
    ]  # fmt: skip


def workload_names(document: SearchDocument) -> str:
    """The names of the mix, with shares where there are several."""
    total = sum(workload.weight for workload in document.workloads)
    if len(document.workloads) == 1 or not total:
        return ", ".join(workload.name for workload in document.workloads)
    return ", ".join(f"{one.name} ({format_ratio(one.weight / total)})" for one in document.workloads)


def _head(document: SearchDocument) -> list[str]:
    lines = [f"{headline(document).upper().replace('/S', '/s')}  {document.search_id}"]
    lines += [line for sentence in sentences(document) for line in _wrap(sentence, "  - ")]
    lines.append("")
    for name, value in facts(document):
        lines += _wrap(value, f"  {name:{_LABEL}}")
    return lines


def _steps(document: SearchDocument) -> list[str]:
    if not document.steps:
        return ["Steps", "  none was measured"]
    rows = [_HEADS, *(_row(step) for step in document.steps)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADS))]
    lines = ["Steps"]
    for row in rows:
        cells = [f"{row[0]:>{widths[0]}}", f"{row[1]:{widths[1]}}"]
        cells += [f"{cell:>{width}}" for cell, width in zip(row[2:-1], widths[2:-1], strict=True)]
        lines.append("  " + "  ".join([*cells, row[-1]]).rstrip())
    return lines


def _row(step: SearchedStep) -> tuple[str, ...]:
    measured = step.measured
    quantiles = [quantile(measured, name) for name in ("p50", "p95", "p99")]
    # Past one that did not complete none did: said once, it leaves the table its width.
    if words.DID_NOT_COMPLETE in quantiles:
        first = quantiles.index(words.DID_NOT_COMPLETE)
        quantiles = [*quantiles[: first + 1], *[words.NONE] * (2 - first)]
    return (
        str(measured.step.number),
        measured.step.kind,
        words.rate(measured.step.rate_per_s),
        words.rate(measured.completed_per_s),
        *quantiles,
        backlog(measured),
        outcome(measured),
    )


def _reasons(document: SearchDocument) -> list[str]:
    lines = ["What they showed"] if document.steps else []
    for step in document.steps:
        measured = step.measured
        first = f"  {measured.step.number:>2}  "
        for number, reason in enumerate(measured.reasons or [outcome(measured)]):
            lines += _wrap(reason, first if number == 0 else " " * len(first))
        if step.limit and measured.held is False:
            lines += _wrap(f"first limit: {step.limit}", " " * len(first))
    return lines


def _notes(document: SearchDocument) -> list[str]:
    return ["Notes", *(line for note in document.notes for line in _wrap(note, "  - "))] if document.notes else []


def _files(directory: Path | None) -> list[str]:
    if directory is None:
        return []
    return [f"results  {directory}", f"report   {directory / 'report.html'}"]


def _open(count: float) -> str:
    return f"{count:,.0f}" if count >= 10 else f"{count:.1f}"


def _plain(line: str) -> str:
    """Text of a user's, kept from being markup."""
    flat = " ".join(line.split())
    for mark in "\\`*_[]<>|":
        flat = flat.replace(mark, f"\\{mark}")
    return flat


def _wrap(line: str, first: str) -> list[str]:
    rest = " " * len(first)
    return textwrap.wrap(" ".join(line.split()), WIDTH, initial_indent=first, subsequent_indent=rest) or [
        first.rstrip()
    ]
