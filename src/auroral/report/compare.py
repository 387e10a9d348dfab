"""A comparison as text and as Markdown for a pull request. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from auroral.bench.compare import Compared, ComparedRun, Comparison, Unit
from auroral.report.words import DID_NOT_COMPLETE, NONE, ms
from auroral.units import format_rate, format_ratio

WIDTH = 100
_HEADLINES = {
    "worse": "The candidate is worse",
    "better": "The candidate is better",
    "no difference shown": "No difference shown",
    "inconclusive": "Inconclusive",
}
_SOURCES = {
    "samples": "samples.parquet",
    "histograms": "the seconds' histograms",
    "counts": "counts alone",
}
_HEADS = ("", "baseline", "candidate", "change", "95 % interval", "p", "verdict")


def text(comparison: Comparison) -> str:
    """What the terminal shows, at most 100 columns wide but for long names."""
    lines = [_HEADLINES[comparison.verdict].upper()]
    lines += [line for reason in comparison.reasons for line in _wrap(reason, "  - ")]
    rows = [_HEADS, *(_row(metric) for metric in comparison.metrics)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADS))]
    lines.append("")
    for row in rows:
        cells = [
            f"{row[0]:{widths[0]}}",
            *(f"{cell:>{width}}" for cell, width in zip(row[1:6], widths[1:6], strict=True)),
        ]
        lines.append("  ".join([*cells, row[6]]).rstrip())
    lines += [line for metric in _noted(comparison) for line in _wrap(f"{metric.metric}: {metric.note}", "  ")]
    for name, side in (("Baseline", comparison.baseline), ("Candidate", comparison.candidate)):
        lines += ["", name, *(line for run in side for line in _wrap(_run(run), "  "))]
    lines += ["", "How", *_wrap(how(comparison), "  ")]
    if comparison.overruled:
        lines += ["", "Compared anyway, although"]
        lines += [line for objection in comparison.overruled for line in _wrap(objection, "  - ")]
    if comparison.notes:
        lines += ["", "Notes", *(line for note in comparison.notes for line in _wrap(note, "  - "))]
    return "\n".join(lines) + "\n"


def markdown(comparison: Comparison) -> str:
    """A comment for a pull request."""
    lines = [f"### {_HEADLINES[comparison.verdict]}", ""]
    lines += [f"- {_plain(reason)}" for reason in comparison.reasons]
    lines += ["", "| | baseline | candidate | change | 95 % interval | p | verdict |"]
    lines.append("| --- | ---: | ---: | ---: | ---: | ---: | --- |")
    for metric in comparison.metrics:
        name, *cells, verdict = _row(metric)
        shown = f"**{verdict}**" if verdict in ("worse", "better") else verdict
        lines.append(f"| {' | '.join([f'`{name}`', *cells, shown])} |")
    lines.append("")
    lines += [f"- `{metric.metric}`: {_plain(metric.note)}" for metric in _noted(comparison)]
    lines += [f"- compared anyway, although {_plain(objection)}" for objection in comparison.overruled]
    lines += ["", "<details><summary>Runs and method</summary>", ""]
    for name, side in (("baseline", comparison.baseline), ("candidate", comparison.candidate)):
        lines += [f"- {name}: {_plain(_run(run))}" for run in side]
    lines += ["", _plain(how(comparison)), "", *(f"- {_plain(note)}" for note in comparison.notes), "", "</details>"]
    return "\n".join(lines) + "\n"


def how(comparison: Comparison) -> str:
    """The method, with every number that somebody needs to repeat it."""
    level = format_ratio(comparison.confidence)
    return (
        f"{comparison.resamples:,} resamples of blocks of {comparison.block_s} consecutive seconds of the steady "
        f"windows (as long as the autocorrelation asks for), seed {comparison.seed}. Latencies count every intended "
        f"start; one that {DID_NOT_COMPLETE} is later than everything. Each interval holds {level} by itself; p is "
        f"adjusted (Holm) for the number of metrics, so that equal sides raise no alarm in {level} of "
        "comparisons."
    )


def _row(metric: Compared) -> tuple[str, ...]:
    change, interval = _change(metric)
    p = NONE if metric.p_adjusted is None else ("<0.01" if metric.p_adjusted < 0.01 else f"{metric.p_adjusted:.3f}")
    lost = metric.unit == "ms" and metric.p is not None
    baseline, candidate = (_value(value, metric.unit, lost) for value in (metric.baseline, metric.candidate))
    return metric.metric, baseline, candidate, change, interval, p, metric.verdict


def _change(metric: Compared) -> tuple[str, str]:
    if metric.p is None:
        return NONE, NONE
    if metric.unit == "ratio":
        return _points(metric.difference), f"{_points(metric.difference_low)} … {_points(metric.difference_high)}"
    if metric.ratio is None:
        return NONE, NONE
    return _percent(metric.ratio), f"{_percent(metric.ratio_low)} … {_percent(metric.ratio_high)}"


def _percent(ratio: float | None) -> str:
    return "?" if ratio is None else f"{(ratio - 1) * 100:+.1f} %"


def _points(difference: float | None) -> str:
    """A difference of shares, in percentage points."""
    return "?" if difference is None else f"{difference * 100:+.2f} pp"


def _value(value: float | None, unit: Unit, lost: bool) -> str:
    if value is None:
        return DID_NOT_COMPLETE if lost else NONE
    if unit == "ms":
        return ms(value)
    return format_rate(value) if unit == "per_s" else format_ratio(value)


def _run(run: ComparedRun) -> str:
    server = f", server {run.server_version}" if run.server_version else ""
    return (
        f"{run.where}: {run.run_id}, {run.starts:,} starts in {run.window_s} s from {run.started_at}, {run.verdict}, "
        f"by {_SOURCES[run.source]}{server}"
    )


def _noted(comparison: Comparison) -> Sequence[Compared]:
    """Metrics with something to say that the reasons do not."""
    return [metric for metric in comparison.metrics if metric.note and metric.verdict != "not comparable"]


def _plain(words: str) -> str:
    """Text of a user's, kept from being markup."""
    flat = " ".join(words.split())
    for mark in "\\`*_[]<>|":
        flat = flat.replace(mark, f"\\{mark}")
    return flat


def _wrap(words: str, first: str) -> list[str]:
    rest = " " * len(first)
    return textwrap.wrap(" ".join(words.split()), WIDTH, initial_indent=first, subsequent_indent=rest)
