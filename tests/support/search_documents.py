"""Realistic searches to render, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from auroral.bench.manifest import ManifestWorkload
from auroral.bench.result import ConfigValue, Environment
from auroral.bench.search.document import Answer, SearchDocument, SearchedStep
from auroral.bench.search.machine import Kind, Measured, Step
from auroral.bench.search.settings import SearchSettings

_CAPACITY_PER_S = 242.0
_SERVICE_MS = 40.0
_SETTINGS = SearchSettings(
    slo=("latency.p99<500ms",), step_s=30, ramp_s=5, confirm_s=90, budget_s=600, least_per_s=1, most_per_s=10_000
)


def measured(number: int, kind: Kind, rate_per_s: float, *, held: bool | None = None, hold_s: float = 30) -> Measured:
    """A step of a queue that carries 242/s, by its own formula; `held` None: as the formula says."""
    step = Step(number=number, kind=kind, rate_per_s=rate_per_s, ramp_s=5, hold_s=hold_s)
    busy = rate_per_s / _CAPACITY_PER_S
    if busy >= 1:
        return Measured(
            step=step,
            held=False,
            reasons=[f"{busy - 1:.0%} of the starts were later than latency.p99<500ms allows, with 18 s to go"],
            offered_per_s=rate_per_s,
            completed_per_s=_CAPACITY_PER_S,
            quantiles_ms={"p50": 900 * busy, "p90": None, "p95": None, "p99": None},
            backlog_start=rate_per_s * 0.2,
            backlog_end=(rate_per_s - _CAPACITY_PER_S) * 12,
            load_s=17,
            early=True,
            spent=busy * 4,
        )
    p50 = _SERVICE_MS * (1 + 0.13 * busy / (1 - busy))
    quantiles = {"p50": p50, "p90": p50 * 1.9, "p95": p50 * 2.4, "p99": p50 * 3.6}
    good = quantiles["p99"] < 500 if held is None else held
    reasons = ["latency.p99<500ms held"] if good else [f"latency.p99<500ms was not met: {quantiles['p99']:.0f} ms"]
    return Measured(
        step=step,
        held=good,
        reasons=reasons,
        offered_per_s=rate_per_s,
        completed_per_s=rate_per_s * 0.999,
        quantiles_ms=dict(quantiles),
        backlog_start=rate_per_s * p50 / 1e3,
        backlog_end=rate_per_s * p50 / 1e3 * 1.05,
        load_s=step.duration_s,
        spent=quantiles["p99"] / 500,
    )


def document(
    name: str, steps: Sequence[Measured], answer: Answer | None, *, most_per_s: float = 1_000.0
) -> SearchDocument:
    """A search of these steps."""
    searched = [
        SearchedStep(
            measured=one,
            directory=f"steps/{one.step.number:02}-{one.step.kind}-{one.step.rate_per_s:.5g}",
            run_id=f"{name}-{one.step.number:02}",
            started_at=f"2026-11-26T10:{one.step.number:02}:00.000+00:00",
            limit="" if one.held else "worker-slots (workers)",
            cleared_after_s=1.2 if one is not steps[-1] else None,
        )
        for one in steps
    ]
    return SearchDocument(
        search_id=name,
        started_at="2026-11-26T10:00:00.000+00:00",
        ended_at="2026-11-26T10:14:00.000+00:00",
        settings=msgspec.structs.replace(_SETTINGS, most_per_s=most_per_s),
        objective=["latency.p99<500ms", "failures.ratio<=0%"],
        configuration=[
            ConfigValue(name="address", value="127.0.0.1:7233", origin="--address"),
            ConfigValue(name="slo", value="latency.p99<500ms", origin="--slo"),
        ],
        environment=Environment(
            address="127.0.0.1:7233", server_version="1.32.0", auroral_version="0.1.0", sdk_version="1.20.0",
            python_version="3.11.2", platform="Linux", cores=8, memory_bytes=16 * 1024**3,
        ),
        namespace="benchmark",
        task_queues=[name],
        workloads=[
            ManifestWorkload(name="simple", weight=3, definition={}, digest="0" * 64),
            ManifestWorkload(name="<b>order</b> & co", weight=1, definition={}, digest="1" * 64),
        ],
        engine="sdk",
        arrival="constant",
        idle_probes_ms=[12.1, 12.9, 11.8, 14.2, 12.2],
        steps=searched,
        answer=answer,
        notes=["The server ran on the same machine as the load: its limit is not a cluster's."],
    )  # fmt: skip


def found() -> SearchDocument:
    """Bracketed, bisected past a lost step, and confirmed at the second try."""
    rates: list[tuple[Kind, float]] = [
        ("bracket", 10), ("bracket", 20), ("bracket", 40), ("bracket", 80), ("bracket", 160), ("bracket", 320),
        ("bisect", 226), ("bisect", 269), ("bisect", 247), ("bisect", 236),
    ]  # fmt: skip
    steps = [measured(number, kind, rate_per_s) for number, (kind, rate_per_s) in enumerate(rates, 1)]
    steps.append(measured(11, "confirm", 236, held=False, hold_s=90))
    steps.append(measured(12, "confirm", 229, held=True, hold_s=90))
    answer = Answer(
        status="found",
        rate_per_s=229,
        held_per_s=229,
        lost_per_s=236,
        confirmed=True,
        sentences=["229/s held for 90 s", "236/s held once and was lost once, so that the limit lies between the two"],
    )
    return document("s-found", steps, answer)


def above_most() -> SearchDocument:
    """Everything held."""
    steps = [measured(number, "bracket", rate_per_s) for number, rate_per_s in enumerate((10, 20, 40), 1)]
    steps.append(measured(4, "confirm", 40, hold_s=90))
    answer = Answer(
        status="above-most",
        rate_per_s=40,
        held_per_s=40,
        lost_per_s=None,
        confirmed=True,
        sentences=["the most rate, 40/s, held: the limit lies above it"],
    )
    return document("s-above", steps, answer, most_per_s=40)


def below_least() -> SearchDocument:
    """Nothing held."""
    answer = Answer(
        status="below-least",
        rate_per_s=None,
        held_per_s=None,
        lost_per_s=300,
        confirmed=False,
        sentences=["the least rate, 300/s, was lost"],
    )
    return msgspec.structs.replace(
        document("s-below", [measured(1, "bracket", 300), measured(2, "bracket", 300)], answer),
        settings=msgspec.structs.replace(_SETTINGS, least_per_s=300),
    )


def interrupted() -> SearchDocument:
    """Stopped by the user after two steps, one of them in doubt."""
    steps = [
        measured(1, "bracket", 10),
        msgspec.structs.replace(
            measured(2, "bracket", 20),
            held=None,
            reasons=["14 starts (1.9%) were never sent because the generator was the limit"],
        ),
    ]
    answer = Answer(
        status="inconclusive",
        rate_per_s=10,
        held_per_s=10,
        lost_per_s=None,
        confirmed=False,
        sentences=["the search was stopped"],
    )
    return msgspec.structs.replace(document("s-interrupted", steps, answer), interrupted=True)


def empty() -> SearchDocument:
    """Under way: nothing is known."""
    return msgspec.structs.replace(document("s-empty", [], None), ended_at=None, idle_probes_ms=[], notes=[])


def failed() -> SearchDocument:
    """The server went away."""
    answer = Answer(
        status="inconclusive", rate_per_s=10, held_per_s=10, lost_per_s=None, confirmed=False, sentences=["10/s held"]
    )
    steps = [measured(1, "bracket", 10)]
    return msgspec.structs.replace(
        document("s-failed", steps, answer), failure="cannot see who polls the task queue s-failed"
    )


MAKERS: dict[str, Callable[[], SearchDocument]] = {
    "found": found,
    "above-most": above_most,
    "below-least": below_least,
    "interrupted": interrupted,
    "empty": empty,
    "failed": failed,
}
