"""The charts of a search: latency and completed rate against offered rate. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from auroral.bench.search.document import SearchDocument
from auroral.bench.search.machine import Measured
from auroral.bench.thresholds import Threshold, parse
from auroral.report import words
from auroral.report.charts import Band, Drawing, Line, Marker, Plot, draw
from auroral.report.scales import Value, nice_ticks

QUANTILES = (("p50", "blue"), ("p95", "sky"), ("p99", "orange"))
_ROOM = 1.06
"""The axis of offered rates ends this far beyond the highest."""


def latency(document: SearchDocument) -> Drawing | None:
    """Quantiles of latency against offered rate, with the objective's limits and what held and what did not."""
    points = _points(document)
    if not points:
        return None
    limits = _limits(document)
    judged = limits[0].metric.rpartition(".")[2] if limits else "p99"
    lines = [
        Line(
            name,
            colour,
            [measured.quantiles_ms.get(name) for measured in points],
            "line",
            [_missing(measured, name) for measured in points],
        )
        for name, colour in QUANTILES
    ]
    lines += [
        Line(
            f"objective {limit.expression}",
            "red",
            [limit.limit * 1e3] * len(points),
            "thin",
        )
        for limit in limits
    ]
    lines += _marks(points, lambda measured: measured.quantiles_ms.get(judged))
    return _over_rates(
        document,
        "latency",
        "Latency against offered rate",
        _about(document, points),
        lines,
        print_value=words.ms,
        log=True,
    )


def completed(document: SearchDocument) -> Drawing | None:
    """Completed rate against offered rate, with what would be completed were everything."""
    points = _points(document)
    if not points:
        return None
    rates = [measured.completed_per_s for measured in points]
    lines = [
        Line("offered", "grey", [measured.step.rate_per_s for measured in points], "under"),
        Line("completed", "blue", rates, "line"),
        *_marks(points, lambda measured: measured.completed_per_s),
    ]
    about = f"At most {words.rate(max(rates))} completed. {_about(document, points)}"
    return _over_rates(
        document,
        "completed",
        "Completed against offered rate",
        about,
        lines,
        print_value=words.rate,
    )


def at_answer(document: SearchDocument) -> Measured | None:
    """The step that shows the rate found: the confirming one where there is one, else the last that held there."""
    answer = document.answer
    if answer is None or answer.rate_per_s is None:
        return None
    there = [step.measured for step in document.steps if step.measured.held and _same(step.measured, answer.rate_per_s)]
    return max(there, key=_weight, default=None)


def _points(document: SearchDocument) -> list[Measured]:
    """One measurement for each rate, ascending: the last, but a confirming one before all others."""
    chosen: dict[float, Measured] = {}
    for step in document.steps:
        measured = step.measured
        other = chosen.get(measured.step.rate_per_s)
        if other is None or _weight(measured) > _weight(other):
            chosen[measured.step.rate_per_s] = measured
    return [chosen[rate_per_s] for rate_per_s in sorted(chosen)]


def _weight(measured: Measured) -> tuple[bool, int]:
    return measured.step.kind == "confirm", measured.step.number


def _marks(points: Sequence[Measured], value: Callable[[Measured], Value]) -> list[Line]:
    """Dots on what held, what was lost and what is in doubt."""
    kinds = (("held", "green", True), ("lost", "red", False), ("in doubt", "dark", None))
    return [
        Line(label, colour, [value(measured) if measured.held is held else None for measured in points], "dots")
        for label, colour, held in kinds
        if any(measured.held is held for measured in points)
    ]


def _missing(measured: Measured, name: str) -> str:
    return words.DID_NOT_COMPLETE if name in measured.quantiles_ms else ""


def _limits(document: SearchDocument) -> list[Threshold]:
    """Upper limits of latency quantiles, the first of them the one that the dots are on."""
    read = [parse(expression) for expression in document.settings.slo]
    known = {f"latency.{name}" for name in ("p50", "p90", "p95", "p99")}
    return [limit for limit in read if limit.metric in known and limit.op in ("<", "<=")]


def _about(document: SearchDocument, points: Sequence[Measured]) -> str:
    answer = document.answer
    if answer is not None:
        # Its rates, of repetitions taken together: a step alone may say otherwise.
        held_per_s, lost_per_s = answer.held_per_s, answer.lost_per_s
    else:
        held_per_s = max((each.step.rate_per_s for each in points if each.held), default=None)
        lost_per_s = min((each.step.rate_per_s for each in points if each.held is False), default=None)
    parts = []
    if held_per_s is not None:
        parts.append(f"the largest rate that held is {words.rate(held_per_s)}")
    if lost_per_s is not None:
        parts.append(f"the smallest that was lost {words.rate(lost_per_s)}")
    return words.sentence(", ".join(parts) or "no rate was judged") + f"; {len(document.steps)} steps."


def _over_rates(
    document: SearchDocument,
    identifier: str,
    title: str,
    about: str,
    lines: Sequence[Line],
    *,
    print_value: Callable[[float], str],
    log: bool = False,
) -> Drawing:
    points = _points(document)
    rates = [measured.step.rate_per_s for measured in points]
    end_per_s = rates[-1] * _ROOM
    return draw(
        Plot(
            id=identifier,
            title=title,
            description=about,
            x=[rate_per_s / end_per_s for rate_per_s in rates],
            x_ticks=[
                (tick / end_per_s, words.rate(tick).removesuffix("/s"))
                for tick in nice_ticks(end_per_s, 7)
                if tick <= end_per_s
            ],
            x_unit="offered/s",
            x_label=lambda a, b: f"offered {words.rate(rates[a])}" if a == b else f"offered {words.rate(rates[a])} …",
            lines=lines,
            print_value=print_value,
            bands=_bands(document, end_per_s),
            markers=_markers(document, end_per_s),
            log=log,
            height=260,
            empty=f"every start {words.DID_NOT_COMPLETE}",
            uneven=True,
        )
    )


def _bands(document: SearchDocument, end_per_s: float) -> list[Band]:
    """What lies beyond the smallest rate that was lost."""
    lost_per_s = document.answer.lost_per_s if document.answer is not None else None
    if lost_per_s is None or lost_per_s >= end_per_s:
        return []
    return [Band(lost_per_s / end_per_s, 1.0, f"lost: from {words.rate(lost_per_s)}", "censored")]


def _markers(document: SearchDocument, end_per_s: float) -> list[Marker]:
    answer = document.answer
    if answer is None or answer.rate_per_s is None:
        return []
    said = {"found": "sustained", "above-most": "at least"}.get(answer.status, "held")
    return [Marker(answer.rate_per_s / end_per_s, f"{said} {words.rate(answer.rate_per_s)}")]


def _same(measured: Measured, rate_per_s: float) -> bool:
    return abs(measured.step.rate_per_s - rate_per_s) <= 1e-9 * rate_per_s
