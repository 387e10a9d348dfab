"""The words and numbers that every report shares: labels, definitions, and how a value is printed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from auroral.bench.result import Quantiles, Result, Times, Window
from auroral.bench.samples import DROPPED, Outcome
from auroral.units import format_duration, format_number, format_ratio

DID_NOT_COMPLETE = "did not complete"
NONE = "–"
"""Nothing was measured."""


class Quantile(NamedTuple):
    """One quantile that reports show."""

    label: str
    field: str
    share: float


QUANTILES = (
    Quantile("p50", "p50_ms", 0.5),
    Quantile("p90", "p90_ms", 0.9),
    Quantile("p95", "p95_ms", 0.95),
    Quantile("p99", "p99_ms", 0.99),
    Quantile("p99.9", "p999_ms", 0.999),
    Quantile("max", "max_ms", 1.0),
)

BRIEF_QUANTILES = tuple(quantile for quantile in QUANTILES if quantile.label in ("p50", "p99", "max"))

OUTCOME_LABELS = {
    Outcome.COMPLETED: "completed",
    Outcome.FAILED: "failed",
    Outcome.TIMED_OUT: "timed out",
    Outcome.TERMINATED: "terminated",
    Outcome.CANCELED: "canceled",
    Outcome.REJECTED: "rejected",
    Outcome.UNFINISHED: "unfinished",
    Outcome.BACK_PRESSURED: "dropped: back-pressured",
    Outcome.GENERATOR_LIMITED: "dropped: generator-limited",
}
OUTCOME_MEANINGS = {
    Outcome.COMPLETED: "closed as completed",
    Outcome.FAILED: "closed as failed",
    Outcome.TIMED_OUT: "closed by a timeout",
    Outcome.TERMINATED: "closed by a termination",
    Outcome.CANCELED: "closed by a cancellation",
    Outcome.REJECTED: "the server refused the start",
    Outcome.UNFINISHED: "still open when the drain ended",
    Outcome.BACK_PRESSURED: "never sent: the in-flight limit was full, the server's doing",
    Outcome.GENERATOR_LIMITED: "never sent: our own lag or CPU was the limit",
}

VERDICT_LABELS = {"pass": "Pass", "fail": "Fail", "inconclusive": "Inconclusive"}


class TimeName(NamedTuple):
    """One time of the definitions."""

    field: str
    label: str
    meaning: str


TIMES = (
    TimeName("latency", "latency", "closed − intended; what did not complete counts as later than everything"),
    TimeName("latency_completed", "latency, completed", "closed − intended, of the completed alone"),
    TimeName("service_time", "service time", "closed − sent, of the completed"),
    TimeName("start_latency", "start latency", "accepted − sent"),
    TimeName("lag", "lag", "sent − intended: how late our own generator was"),
    TimeName("server_time", "server time", "close event − start event, both the server's"),
)

DEFINITIONS = (
    ("Intended", "when the schedule wanted a start. The schedule never waits for the server."),
    (
        "Latency",
        "from the intended start to the close that the client saw, so that a stall shows in every workflow it delayed.",
    ),
    ("Service time", "from the start as sent to the close; start latency: from sent to accepted."),
    ("Lag", "from intended to sent: the generator's own delay."),
    ("Server time", "from the server's start event to its close event."),
    (
        "Did not complete",
        "a start without a completed workflow counts as later than everything else. A quantile that falls there "
        "has no number.",
    ),
    (
        "Outcomes",
        "each intended start ends in exactly one: completed, failed, timed out, terminated, canceled, rejected, "
        "unfinished or dropped. They sum to the schedule.",
    ),
    (
        "Dropped",
        "never sent: back-pressured when the in-flight limit was full (the server's doing), generator-limited when "
        "our own lag or CPU was the limit (ours).",
    ),
    (
        "Steady window",
        "from the end of the first ramp to the end of the schedule; with stages each has its own. Ramp and drain "
        "are reported and never mixed in.",
    ),
    (
        "Inconclusive",
        "the measurement itself is in doubt: starts dropped by our generator, a lost process of ours, or counts "
        "that disagree with the server's.",
    ),
)


def ms(value_ms: float) -> str:
    """Print milliseconds in the unit a reader expects."""
    return format_duration(value_ms / 1000)


def quantile(quantiles: Quantiles, field: str) -> str:
    """Print one quantile: its value, "did not complete", or a dash where nothing was measured."""
    value_ms: float | None = getattr(quantiles, field)
    if value_ms is not None:
        return ms(value_ms)
    return DID_NOT_COMPLETE if quantiles.censored else NONE


def quantile_cells(quantiles: Quantiles, columns: Sequence[Quantile] = QUANTILES) -> list[tuple[str, int]]:
    """The quantiles as table cells: text, and how many columns it spans. Past one that did not complete none did."""
    cells: list[tuple[str, int]] = []
    for index, column in enumerate(columns):
        text = quantile(quantiles, column.field)
        if text == DID_NOT_COMPLETE:
            return [*cells, (text, len(columns) - index)]
        cells.append((text, 1))
    return cells


def sentence(text: str) -> str:
    """The text with its first letter as a capital, the others as they are."""
    return text[:1].upper() + text[1:]


def times(all_times: Times) -> list[tuple[TimeName, Quantiles]]:
    """Every time with its name, in the order of the definitions."""
    return [(name, getattr(all_times, name.field)) for name in TIMES]


def outcome_label(outcome: str) -> str:
    """The label of an outcome; one that is unknown here is shown as it came."""
    known = {str(key): label for key, label in OUTCOME_LABELS.items()}
    return known.get(outcome, outcome.replace("_", " "))


def outcomes(counts: dict[str, int]) -> list[tuple[str, int]]:
    """Outcomes with a count, completed always first, then in the order of the definitions."""
    order = [str(outcome) for outcome in OUTCOME_LABELS]
    names = [*order, *(name for name in counts if name not in order)]
    return [(name, counts.get(name, 0)) for name in names if counts.get(name, 0) or name == Outcome.COMPLETED]


def share(count: int, total: int) -> str:
    """Print a share as a percentage; a dash where there is no whole."""
    return format_ratio(count / total) if total else NONE


def rate(per_s: float | None) -> str:
    """Print a rate; a dash where it is unknown."""
    if per_s is None:
        return NONE
    return f"{per_s:,.0f}/s" if per_s >= 1000 else f"{format_number(per_s)}/s"


def rate_cell(per_s: float | None) -> str:
    """Print a rate for a column of rates: at least one decimal, so that columns align."""
    if per_s is None:
        return NONE
    return f"{per_s:,.1f}" if per_s >= 10 or per_s == 0 else f"{per_s:.2f}"


def clock(t_s: float) -> str:
    """Print a time since the epoch: `0:07`, `12:30`, `1:02:03`; negative times with their sign."""
    sign, whole_s = ("-" if t_s < 0 else ""), abs(round(t_s))
    hours, minutes, seconds = whole_s // 3600, whole_s % 3600 // 60, whole_s % 60
    return f"{sign}{hours}:{minutes:02}:{seconds:02}" if hours else f"{sign}{minutes}:{seconds:02}"


def dropped(counts: dict[str, int]) -> int:
    """All that was never sent."""
    return sum(counts.get(outcome, 0) for outcome in DROPPED)


def verdict_line(result: Result) -> str:
    """The verdict in a word or two."""
    label = VERDICT_LABELS[result.verdict.status]
    return f"{label} (interrupted)" if result.interrupted else label


def engine_line(result: Result) -> str:
    """What generators and workers drove the API with."""
    manifest = result.manifest
    return f"{manifest.engine}, eager starts" if manifest.eager_start else manifest.engine


def spread_line(result: Result) -> str:
    """The generators on machines of their own."""
    return f"{len(result.spread)} elsewhere: " + ", ".join(one.where for one in result.spread)


def workload_names(result: Result) -> str:
    """The names of the mix, with shares where there are several."""
    workloads = result.manifest.workloads
    total = sum(workload.weight for workload in workloads)
    if len(workloads) == 1 or not total:
        return ", ".join(workload.name for workload in workloads)
    return ", ".join(f"{workload.name} ({format_ratio(workload.weight / total)})" for workload in workloads)


def observation_note(result: Result) -> str:
    """How closes became known, in a sentence."""
    observed = result.observed
    if result.manifest.observe == "visibility":
        how = "Closes were not watched one by one: latency is intended → the server's close event"
        offset, error = result.environment.clock_offset_ms, result.environment.clock_offset_error_ms
        if offset is None:
            return f"{how}, and the clock offset could not be estimated."
        within = "" if error is None else f" ± {error:.3g} ms"
        return f"{how}, with the clocks' offset estimated at {offset:.3g} ms{within} (server − client)."
    parts = [f"{observed.watched:,} {'close was' if observed.watched == 1 else 'closes were'} watched"]
    if observed.swept:
        parts.append(f"{observed.swept:,} found by the sweep through visibility")
    if observed.refused_waits:
        parts.append(f"{observed.refused_waits:,} refused waits were retried or left to the sweep")
    if observed.resolved_starts:
        parts.append(f"{observed.resolved_starts:,} lost acknowledgements were resolved by their request id")
    return "; ".join(parts) + "."


def span(window: Window) -> str:
    """From when to when a window lasted."""
    return f"{clock(window.start_s)}–{clock(window.end_s)}"


def no_limit(result: Result) -> str:
    """What to say where no limit was found."""
    if not result.readings:
        return "nothing was sampled, so none can be named"
    if result.verdict.status == "pass" and not result.interrupted:
        return "none of those sampled was reached: the cluster may carry more than this"
    return "none of those sampled was reached"


def cleanup_sentence(result: Result) -> str:
    """What became of the workflows that were left open."""
    cleanup = result.cleanup
    if cleanup.remaining is None:
        why = cleanup.failure or "the run was stopped at once"
        return f"nothing was cleaned up ({why}): {cleanup.left_open:,} may be open still"
    if not cleanup.left_open and not cleanup.failure:
        return "nothing was left open"
    parts = [f"{cleanup.left_open:,} left open"]
    if cleanup.terminated_directly:
        parts.append(f"{cleanup.terminated_directly:,} terminated directly")
    if cleanup.terminated_by_batch:
        parts.append(f"{cleanup.terminated_by_batch:,} by batch operation")
    remaining = "an unknown number remains" if cleanup.remaining is None else f"{cleanup.remaining:,} remain"
    return ", ".join([*parts, remaining])
