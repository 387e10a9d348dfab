"""A search as one HTML file that needs nothing else: no network, no script to be read. Pure."""

from __future__ import annotations

from typing import Any

from auroral.bench.search.document import Answer, SearchDocument, SearchedStep
from auroral.bench.search.machine import Measured
from auroral.report import search as said
from auroral.report import search_figures as figures
from auroral.report import words
from auroral.report.html import environment_rows
from auroral.report.page import render_page
from auroral.units import format_duration, format_ratio

_QUANTILES = ("p50", "p90", "p95", "p99")
_MARKS = {True: ("held", "✓ held"), False: ("missed", "✕ lost"), None: ("doubtful", "? in doubt")}


def render(document: SearchDocument) -> str:
    """One self-contained page for a stored search; its steps' own pages lie below its directory."""
    return render_page(
        "search.html.j2",
        document=document,
        status=_status(document.answer),
        verdict=said.headline(document),
        sentences=said.sentences(document),
        facts=said.facts(document),
        cards=_cards(document),
        latency=figures.latency(document),
        completed=figures.completed(document),
        quantiles=_QUANTILES,
        steps=[_step(step) for step in document.steps],
        environment=environment_rows(document.environment),
        idle=_idle(document),
        definitions=_definitions(document),
    )


def _status(answer: Answer | None) -> str:
    if answer is None or answer.status == "inconclusive":
        return "inconclusive"
    if answer.status == "below-least":
        return "fail"
    return "pass" if answer.confirmed else "inconclusive"


def _cards(document: SearchDocument) -> list[dict[str, str]]:
    """The key numbers: label, value, and a line that says what it is of."""
    answer, there = document.answer, figures.at_answer(document)
    rate_per_s = None if answer is None else answer.rate_per_s
    lost_per_s = None if answer is None else answer.lost_per_s
    sure = "confirmed by a longer step" if answer is not None and answer.confirmed else "not confirmed"
    bracket = ""
    if answer is not None and answer.held_per_s and lost_per_s:
        bracket = f"{format_ratio(lost_per_s / answer.held_per_s - 1)} above the largest that held"
    settings = document.settings
    rows = [
        ("Sustained", words.rate(rate_per_s), sure if rate_per_s is not None else "no rate held"),
        ("Lost from", words.rate(lost_per_s), bracket or ("no rate was lost" if lost_per_s is None else "")),
        ("Latency p99", words.NONE if there is None else said.quantile(there, "p99"), _there(there)),
        ("Latency p50", words.NONE if there is None else said.quantile(there, "p50"), _there(there)),
        ("Completed", words.rate(None if there is None else there.completed_per_s), _there(there)),
        (
            "Load",
            format_duration(document.load_s),
            f"of {format_duration(settings.budget_s)}, in {len(document.steps)} steps",
        ),
    ]
    return [{"label": label, "value": value, "about": about} for label, value, about in rows]


def _there(measured: Measured | None) -> str:
    if measured is None:
        return ""
    return f"at {words.rate(measured.step.rate_per_s)}, over {format_duration(measured.step.hold_s)}"


def _step(step: SearchedStep) -> dict[str, Any]:
    measured = step.measured
    kind, mark = _MARKS[measured.held]
    return {
        "number": measured.step.number,
        "kind": measured.step.kind,
        "page": f"{step.directory}/report.html",
        "rate": words.rate(measured.step.rate_per_s),
        "completed": words.rate(measured.completed_per_s),
        "quantiles": _cells(measured),
        "backlog": said.backlog(measured),
        "load": format_duration(measured.load_s),
        "early": measured.early,
        "mark_kind": kind,
        "mark": mark,
        "reasons": measured.reasons,
        "limit": step.limit,
        "cleared": words.NONE if step.cleared_after_s is None else format_duration(step.cleared_after_s),
    }


def _cells(measured: Measured) -> list[tuple[str, int]]:
    """The quantiles as table cells: text, and how many columns it spans. Past one that did not complete none did."""
    cells: list[tuple[str, int]] = []
    for index, name in enumerate(_QUANTILES):
        text = said.quantile(measured, name)
        if text == words.DID_NOT_COMPLETE:
            return [*cells, (text, len(_QUANTILES) - index)]
        cells.append((text, 1))
    return cells


def _idle(document: SearchDocument) -> str:
    probes = sorted(document.idle_probes_ms)
    if not probes:
        return "none was taken"
    middle = probes[len(probes) // 2]
    return f"{words.ms(middle)} in the middle of {len(probes)}, {words.ms(probes[-1])} at most"


def _definitions(document: SearchDocument) -> list[tuple[str, str]]:
    settings = document.settings
    return [
        (
            "Step",
            f"a run of its own at one rate: a ramp of {format_duration(settings.ramp_s)} that is not measured, then "
            f"{format_duration(settings.step_s)} that are, half of that while bracketing; "
            f"{format_duration(settings.confirm_s)} to confirm.",
        ),
        (
            "Held",
            "the objective is met over what was measured, the completed rate keeps up with the offered one, and the "
            "number of open workflows does not grow.",
        ),
        ("Lost", "one of these does not hold. A step that nothing could still save is ended early."),
        ("In doubt", "the measurement is, so that it says nothing of the rate: our own generator was the limit."),
        (
            "Latency",
            "from the intended start to the close that the client saw. What did not complete counts as later than "
            "everything: a quantile that falls there has no number.",
        ),
        ("Open", "workflows started and not yet closed: at the beginning of what was measured, and at its end."),
    ]
