"""The summary of a run as plain text, at most 100 columns wide. Pure."""

from __future__ import annotations

import textwrap
from pathlib import Path

from auroral.bench.result import Quantiles, Result, Window
from auroral.report import words
from auroral.units import format_duration

WIDTH = 100
_LABEL = 18
_WIDEST_LABEL = 21
_COLUMN = 10


def summary(result: Result, directory: Path | None) -> str:
    """Sum a run up: verdict first, then what was carried, at which times, what the limit was, and what to doubt.

    `directory` is where the run's files are; None: nothing was written.
    """
    sections = [
        _verdict(result),
        _rates(result),
        _outcomes(result),
        _times(result),
        _interactions(result),
        _limits(result),
        _checks(result),
        _notes(result),
        _files(directory),
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _verdict(result: Result) -> list[str]:
    lines = [f"{words.verdict_line(result).upper()}  {result.manifest.run_id}"]
    lines += [line for reason in result.verdict.reasons for line in _wrap(reason, "  - ", "    ")]
    if result.thresholds:
        lines.append("")
    for threshold in result.thresholds:
        mark = "  ok    " if threshold.passed else "  FAIL  "
        lines += _wrap(f"{threshold.expression} (observed {threshold.observed})", mark, "        ")
    where = f"{result.environment.address}, namespace {result.manifest.namespace}"
    server = result.environment.server_version
    ran = f"{format_duration(result.duration_s)}, drained {format_duration(result.drain_s)}"
    lines += [
        "",
        *_field("workload", words.workload_names(result)),
        *_field("engine", words.engine_line(result)),
        *_field("cluster", where + (f", server {server}" if server else "")),
        *(_field("generators", words.spread_line(result)) if result.spread else ()),
        *_field("started", f"{result.started_at}, ran {ran}"),
    ]
    return lines


def _rates(result: Result) -> list[str]:
    if not result.windows:
        return ["Rates", "  no window of the schedule was reached"]
    steady = result.steady
    label = max(_LABEL, *(len(window.name) + 3 for window in result.windows)) if result.windows else _LABEL
    label = min(label, _WIDEST_LABEL)
    names = "".join(f"{name:>10}" for name in ("target", "offered", "started", "completed"))
    lines = ["Rates per second", f"{'':{label}}{names}{'transitions':>13}{'p50':>10}{'p99':>10}"]
    for window in result.windows:
        lines += _window(window, window is steady, label)
    if steady is None:
        lines.append("  no steady window was reached: no rate here is a steady one")
    else:
        lines.append(f"* the window that rates are quoted from, {words.span(steady)}")
    return lines


def _window(window: Window, quoted: bool, label: int) -> list[str]:
    name = f"{'*' if quoted else ' '} {window.name}"
    rates = (window.target_per_s, window.offered_per_s, window.started_per_s, window.completed_per_s)
    numbers = "".join(f"{words.rate_cell(per_s):>10}" for per_s in rates)
    numbers += f"{words.rate_cell(window.state_transitions_per_s):>13}"
    p50, p99 = (words.quantile(window.latency, field) for field in ("p50_ms", "p99_ms"))
    if p50 == words.DID_NOT_COMPLETE:
        numbers += f"  {p50}"
    elif p99 == words.DID_NOT_COMPLETE:
        numbers += f"{p50:>10}  {p99}"
    else:
        numbers += f"{p50:>10}{p99:>10}"
    if len(name) < label:
        return [f"{name:{label}}{numbers}"]
    return [*_wrap(name[2:], name[:2], "  "), f"{'':{label}}{numbers}"]


def _outcomes(result: Result) -> list[str]:
    lines = [f"Outcomes of {result.scheduled:,} scheduled starts"]
    for outcome, count in words.outcomes(result.outcomes):
        lines.append(f"  {words.outcome_label(outcome):28}{count:>12,}  {words.share(count, result.scheduled):>10}")
        causes = sorted((c for c in result.causes if c.outcome == outcome), key=lambda c: (-c.count, c.cause))
        for cause in causes:
            lines += _wrap(f"{cause.count:,} × {cause.cause}", "      ", "        ")
    total = sum(result.outcomes.values())
    if total != result.scheduled:
        lines.append(f"  these sum to {total:,}, not to the schedule: a bug in auroral")
    return lines


def _times(result: Result) -> list[str]:
    head = "".join(f"{quantile.label:>{_COLUMN}}" for quantile in words.QUANTILES)
    lines = ["Times of the whole run, ramp included", f"{'':{_LABEL + 2}}{'count':>{_COLUMN}}{head}"]
    for name, quantiles in words.times(result.times):
        lines.append(f"  {name.label:{_LABEL}}{quantiles.count:>{_COLUMN},}{_quantile_cells(quantiles)}")
        if quantiles.out_of_range:
            lines.append(f"      {quantiles.out_of_range:,} beyond the histogram's range, counted at its end")
    if result.times.latency.censored:
        note = (
            f"{result.times.latency.censored:,} starts {words.DID_NOT_COMPLETE}: they count as later than everything "
            "else, from that quantile on"
        )
        lines += _wrap(note, "  ", "  ")
    return lines


def _quantile_cells(quantiles: Quantiles) -> str:
    cells = ""
    for text, columns in words.quantile_cells(quantiles):
        if text == words.DID_NOT_COMPLETE:
            cells += f"  {text} {'─' * (columns * _COLUMN - len(text) - 3)}".rstrip()
        else:
            cells += f"{text:>{_COLUMN}}"
    return cells


def _interactions(result: Result) -> list[str]:
    if not result.interactions:
        return []
    lines = ["Interactions"]
    for kind in result.interactions:
        text = f"{kind.kind}: {kind.sent:,} sent, {kind.failed:,} failed"
        text += f", p50 {words.quantile(kind.time, 'p50_ms')}, p99 {words.quantile(kind.time, 'p99_ms')}"
        lines += _wrap(text, "  ", "    ")
        for cause, count in sorted(kind.causes.items()):
            lines += _wrap(f"{count:,} × {cause}", " " * 6, " " * 8)
    return lines


def _limits(result: Result) -> list[str]:
    first = result.limits.first
    if first is None:
        lines = ["First limit", *_wrap(words.no_limit(result), "  ", "  ")]
    else:
        lines = [f"First limit: {first.name} ({first.whose}), from {words.clock(first.since_s)} for {first.seconds} s"]
        lines += _wrap(first.evidence, "  ", "  ")
        lines += _wrap(first.advice, "  → ", "    ")
        others = [f"{f.name} ({f.whose}, from {words.clock(f.since_s)})" for f in result.limits.findings[1:]]
        if others:
            lines += _wrap("then: " + ", ".join(others), "  ", "    ")
    return lines + [line for unread in result.limits.unread for line in _wrap(f"not sampled: {unread}", "  ", "    ")]


def _checks(result: Result) -> list[str]:
    reconciliation, cleanup = result.reconciliation, result.cleanup
    text = {
        "agreed": "our counts agree with the server's",
        "disagreed": "our counts DISAGREE with the server's",
        "unavailable": "the server's counts could not be had",
    }[reconciliation.status]
    lines = ["Checks"]
    lines += _field("reconciliation", f"{text} (after {format_duration(reconciliation.settled_after_s)})")
    if reconciliation.status != "agreed":
        for name in sorted({*reconciliation.ours, *reconciliation.server}):
            ours, server = reconciliation.ours.get(name, 0), reconciliation.server.get(name, 0)
            if ours != server:
                lines += _wrap(f"{name}: ours {ours:,}, the server's {server:,}", " " * 20, " " * 22)
        if reconciliation.detail:
            lines += _wrap(reconciliation.detail, " " * 20, " " * 20)
    lines += _field("observation", words.observation_note(result))
    lines += _field("cleanup", words.cleanup_sentence(result))
    if cleanup.failure:
        lines += _wrap(f"failed: {cleanup.failure}", " " * 20, " " * 20)
    if cleanup.commands:
        lines += ["  by hand:", *(f"    {command}" for command in cleanup.commands)]
    lost = [process for process in result.processes if process.lost]
    for process in lost:
        lines += _field("lost process", f"{process.name} {process.detail}".strip())
    return lines


def _notes(result: Result) -> list[str]:
    notes = [*result.notes, *result.workers.notes]
    return ["Notes", *(line for note in notes for line in _wrap(note, "  - ", "    "))] if notes else []


def _files(directory: Path | None) -> list[str]:
    if directory is None:
        return []
    return [f"results  {directory}", f"report   {directory / 'report.html'}"]


def _field(name: str, text: str) -> list[str]:
    return _wrap(text, f"  {name:{_LABEL}}", " " * (_LABEL + 2))


def _wrap(text: str, first: str, rest: str) -> list[str]:
    clean = " ".join(text.split())
    return textwrap.wrap(clean, WIDTH, initial_indent=first, subsequent_indent=rest) or [first.rstrip()]
