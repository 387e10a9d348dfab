"""Two sides of repeated runs → whether the second differs from the first, with confidence. Pure.

A side's runs are pooled. Latencies count every start intended in the steady window: one that did not complete is
later than everything.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Literal, NamedTuple

import msgspec

from auroral.bench.bootstrap import (
    MIN_BLOCK_S,
    MIN_BLOCKS,
    Drawn,
    Odds,
    Pool,
    Replicates,
    RunSeconds,
    block_length,
    holm,
    odds,
    replicate,
)
from auroral.bench.comparable import differences, same_rate
from auroral.bench.histogram import highest_us
from auroral.bench.result import Result
from auroral.bench.samples import DROPPED, Outcome

SCHEMA_ID = "auroral.compare/1"
DEFAULT_RESAMPLES = 2000
DEFAULT_SEED = 1
CONFIDENCE = 0.95
SHORTEST_S = MIN_BLOCKS * MIN_BLOCK_S
_BEYOND_QUANTILE = 20
"""Starts that must lie beyond a quantile: with fewer, one pause decides it."""

Source = Literal["samples", "histograms", "counts"]
"""What a run's latencies came from: `samples.parquet`, the seconds of `histograms.hlog`, or nothing."""
MetricVerdict = Literal["better", "worse", "no difference shown", "not comparable"]
Overall = Literal["better", "worse", "no difference shown", "inconclusive"]
Unit = Literal["ms", "per_s", "ratio"]

GROUPS: dict[str, tuple[Outcome, ...]] = {
    "completed": (Outcome.COMPLETED,),
    "failed": (Outcome.FAILED, Outcome.TIMED_OUT, Outcome.TERMINATED, Outcome.CANCELED),
    "rejected": (Outcome.REJECTED,),
    "unfinished": (Outcome.UNFINISHED,),
    "dropped": tuple(sorted(DROPPED)),
}
"""Outcomes as they are compared."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run as it was read."""

    where: str
    result: Result
    source: Source
    seconds: RunSeconds


class ComparedRun(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a side."""

    where: str
    run_id: str
    started_at: str
    source: Source
    window_s: int
    starts: int
    """Intended in the window."""
    verdict: str
    server_version: str | None
    auroral_version: str


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """One number of both sides."""

    metric: str
    """As in thresholds: `latency.p99`, `completed.rate`, `failed.ratio`."""
    unit: Unit
    baseline: float | None
    """Null: did not complete, or not known."""
    candidate: float | None
    difference: float | None = None
    """candidate − baseline. Null: one of both is no number."""
    difference_low: float | None = None
    difference_high: float | None = None
    ratio: float | None = None
    """candidate / baseline."""
    ratio_low: float | None = None
    ratio_high: float | None = None
    """Of both intervals a null end is no number: it lies where a side did not complete."""
    p: float | None = None
    """How probable such a difference is between equal sides. Null: not judged."""
    p_adjusted: float | None = None
    """The same for all the metrics judged here together (Holm): below 1 − `confidence` it counts as shown."""
    verdict: MetricVerdict
    note: str = ""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the candidate differs from the baseline."""

    schema: str = SCHEMA_ID
    verdict: Overall
    reasons: list[str]
    confidence: float
    """Of each interval by itself, and of the absence of a false alarm among all the metrics."""
    resamples: int
    seed: int
    block_s: int
    """Seconds in a block."""
    baseline: list[ComparedRun]
    candidate: list[ComparedRun]
    metrics: list[Compared]
    overruled: list[str]
    """Why the sides should not be compared, where that was asked for anyway."""
    notes: list[str]


class _Metric(NamedTuple):
    name: str
    unit: Unit
    sign: int
    """+1: more is worse."""
    of: Callable[[Pool, Drawn], float]
    starts: int
    """Needed on each side."""
    margin: float
    """Relative differences up to it are none: resolution of the histograms, edges of the window."""


def _quantile(share: float) -> Callable[[Pool, Drawn], float]:
    def of(pool: Pool, drawn: Drawn) -> float:
        index = pool.quantile(share, drawn)
        return math.log(highest_us(int(index)) / 1e3) if math.isfinite(index) else math.inf

    return of


def _share(name: str) -> Callable[[Pool, Drawn], float]:
    return lambda pool, drawn: pool.share(name, drawn)


_METRICS = (
    *(
        _Metric(
            f"latency.p{percent}", "ms", 1, _quantile(percent / 100), _BEYOND_QUANTILE * 100 // (100 - percent), 2e-3
        )
        for percent in (50, 95, 99)
    ),
    _Metric("completed.rate", "per_s", -1, lambda pool, drawn: pool.per_second("completed_events", drawn), 1, 5e-3),
    *(_Metric(f"{name}.ratio", "ratio", -1 if name == "completed" else 1, _share(name), 1, 0.0) for name in GROUPS),
)


def compare(
    baseline: Sequence[Run],
    candidate: Sequence[Run],
    *,
    seed: int = DEFAULT_SEED,
    resamples: int = DEFAULT_RESAMPLES,
    overruled: Sequence[str] = (),
) -> Comparison:
    """Compare two sides. `overruled` are the objections that the user knows of."""
    runs = (*baseline, *candidate)
    short = [run.where for run in runs if run.seconds.length < SHORTEST_S]
    block_s = MIN_BLOCK_S if short else _block_s(runs)
    sides = [_Side([run.seconds for run in side], block_s) for side in (baseline, candidate)]
    metrics = [metric for metric in _METRICS if any(side.has(metric) for side in sides)]
    blocked = {metric.name: _blocked(metric, baseline, candidate, sides, short) for metric in metrics}
    judged = [metric for metric in metrics if not blocked[metric.name]]
    a, b = (
        side.replicates(judged, resamples=resamples, rng=Random(f"{seed}/{number}"))
        for number, side in enumerate(sides)
    )
    found = {m.name: odds(a[m.name], b[m.name], confidence=CONFIDENCE) for m in judged}
    adjusted = dict(zip(found, holm([each.p for each in found.values()]), strict=True))
    compared = [
        _compared(metric, a[metric.name], b[metric.name], found[metric.name], adjusted[metric.name])
        if metric.name in found
        else _not_comparable(metric, sides, blocked[metric.name])
        for metric in metrics
    ]
    verdict, reasons = _overall(compared, runs)
    return Comparison(
        verdict=verdict,
        reasons=reasons,
        confidence=CONFIDENCE,
        resamples=resamples,
        seed=seed,
        block_s=block_s,
        baseline=[_described(run) for run in baseline],
        candidate=[_described(run) for run in candidate],
        metrics=compared,
        overruled=list(overruled),
        notes=_notes(baseline, candidate),
    )


def schema() -> dict[str, Any]:
    """The JSON Schema of a comparison."""
    return msgspec.json.schema(Comparison)


class _Side:
    def __init__(self, runs: Sequence[RunSeconds], block_s: int) -> None:
        self.pool = Pool(runs, block_s)
        self.starts = sum(sum(run.counts["intended"]) for run in runs)
        self.known = all(run.latencies is not None for run in runs)

    def has(self, metric: _Metric) -> bool:
        """Whether it is worth a line: an outcome that neither side has can differ in no resample either."""
        name, _, kind = metric.name.partition(".")
        if kind != "ratio" or name == "completed":
            return True
        return any(blocks.count(name, None) for blocks in self.pool.blocks)

    def estimate(self, metric: _Metric) -> float | None:
        """The number as it was; None: not known."""
        if not self.starts or (metric.unit == "ms" and not self.known):
            return None
        return _shown(metric, metric.of(self.pool, self.pool.whole))

    def replicates(self, metrics: Sequence[_Metric], *, resamples: int, rng: Random) -> dict[str, Replicates]:
        """What each metric came to in each resample."""
        blocks = self.pool.blocks
        within: dict[str, list[float]] = {metric.name: [] for metric in metrics}
        for _ in range(resamples if metrics else 0):
            drawn = [(each, each.draw(rng)) for each in blocks]
            for metric in metrics:
                within[metric.name].append(metric.of(self.pool, drawn))
        made = {}
        for metric in metrics:
            values = within[metric.name]
            single = [metric.of(self.pool, [(each, None)]) for each in blocks]
            if len(blocks) > 1 and not all(map(math.isfinite, (*values, *single))):
                # A distance to what did not complete is no number: the runs themselves are drawn.
                values = [
                    metric.of(self.pool, [(each, each.draw(rng)) for each in rng.choices(blocks, k=len(blocks))])
                    for _ in values
                ]
            made[metric.name] = replicate(
                single,
                values,
                metric.of(self.pool, self.pool.whole),
                blocks=sum(each.drawn for each in blocks),
                rng=rng,
            )
        return made


def _block_s(runs: Sequence[Run]) -> int:
    """The longest that any quantile of any run asks for, as far as the shortest run has `MIN_BLOCKS` of them."""
    asked = [MIN_BLOCK_S]
    for run in runs:
        seconds = run.seconds
        pool = Pool([seconds], 1)
        if seconds.latencies is not None:
            for share in (0.5, 0.95, 0.99):
                latency = pool.quantile(share, pool.whole)
                if math.isfinite(latency):
                    asked.append(block_length(_influence(seconds, int(latency), share)))
        asked.append(block_length([float(count) for count in seconds.counts["completed"]]))
    return max(1, min(max(asked), min(run.seconds.length for run in runs) // MIN_BLOCKS))


def _influence(seconds: RunSeconds, latency: int, share: float) -> list[float]:
    """What each second does to a quantile: how many of its starts are later than their share."""
    later = []
    for values, intended in zip(seconds.latencies or [], seconds.counts["intended"], strict=True):
        later.append(intended * share - bisect_right(values, latency))
    return later


def _blocked(
    metric: _Metric, baseline: Sequence[Run], candidate: Sequence[Run], sides: Sequence[_Side], short: Sequence[str]
) -> str:
    """Why a metric cannot be judged; empty: it can."""
    if short:
        return f"too few seconds: {', '.join(short)} has a steady window under {SHORTEST_S} s"
    if metric.unit == "ms":
        bare = [run.where for run in (*baseline, *candidate) if run.source == "counts"]
        if bare:
            return f"no latencies: {', '.join(bare)} has neither samples.parquet nor histograms.hlog"
    fewest = min(side.starts for side in sides)
    if fewest < metric.starts:
        return f"too few starts: {fewest:,} on a side, {metric.starts:,} are needed"
    if metric.unit == "per_s" and not all(same_rate(baseline[0].result, run.result) for run in candidate):
        return "the target rates differ"
    return ""


def _compared(metric: _Metric, a: Replicates, b: Replicates, found: Odds, p_adjusted: float) -> Compared:
    baseline, candidate = _shown(metric, a.estimate), _shown(metric, b.estimate)
    ratio, difference = _interval(metric, baseline, found)
    relative = abs(ratio[0] - 1) if ratio[0] is not None else math.inf
    verdict: MetricVerdict = "no difference shown"
    note = ""
    if p_adjusted < 1 - CONFIDENCE:
        if relative <= metric.margin:
            note = f"below {metric.margin * 100:g} %: too small to tell from how it is measured"
        else:
            verdict = "worse" if found.difference * metric.sign > 0 else "better"
    return Compared(
        metric=metric.name,
        unit=metric.unit,
        baseline=baseline,
        candidate=candidate,
        difference=difference[0],
        difference_low=difference[1],
        difference_high=difference[2],
        ratio=ratio[0],
        ratio_low=ratio[1],
        ratio_high=ratio[2],
        p=found.p,
        p_adjusted=p_adjusted,
        verdict=verdict,
        note=note,
    )


def _interval(metric: _Metric, baseline: float | None, found: Odds) -> tuple[list[float | None], list[float | None]]:
    """Ratio and difference, each with its ends; a ratio to nothing is no number."""
    ends = (found.difference, found.low, found.high)
    if metric.unit == "ms":
        ratio = [math.exp(value) if math.isfinite(value) else None for value in ends]
        return list(ratio), [None if r is None or baseline is None else baseline * (r - 1) for r in ratio]
    assert baseline is not None
    return [(baseline + value) / baseline if baseline else None for value in ends], list(ends)


def _not_comparable(metric: _Metric, sides: Sequence[_Side], why: str) -> Compared:
    baseline, candidate = (side.estimate(metric) for side in sides)
    return Compared(
        metric=metric.name,
        unit=metric.unit,
        baseline=baseline,
        candidate=candidate,
        verdict="not comparable",
        note=why,
    )


def _overall(metrics: Sequence[Compared], runs: Sequence[Run]) -> tuple[Overall, list[str]]:
    doubted = [run for run in runs if run.result.verdict.status == "inconclusive"]
    reasons = [
        f"{run.where} is inconclusive itself: {'; '.join(run.result.verdict.reasons) or 'no reason kept'}"
        for run in doubted
    ]
    by_verdict: dict[str, list[Compared]] = {}
    for metric in metrics:
        by_verdict.setdefault(metric.verdict, []).append(metric)
    for verdict in ("worse", "better"):
        if verdict in by_verdict:
            reasons.append(f"{verdict}: {', '.join(metric.metric for metric in by_verdict[verdict])}")
    missing: dict[str, list[str]] = {}
    for metric in by_verdict.get("not comparable", []):
        missing.setdefault(metric.note, []).append(metric.metric)
    reasons += [f"not comparable: {', '.join(names)} ({note})" for note, names in missing.items()]
    if doubted:
        return "inconclusive", reasons
    if "worse" in by_verdict:
        return "worse", reasons
    if missing:
        return "inconclusive", reasons
    if "better" in by_verdict:
        return "better", reasons
    return "no difference shown", ["no metric differs by more than chance explains"]


def _notes(baseline: Sequence[Run], candidate: Sequence[Run]) -> list[str]:
    notes = []
    if len(baseline) == 1 or len(candidate) == 1:
        notes.append(
            "A side of one run cannot show how much runs differ from one another: what a restart, another day or a "
            "neighbour does would count as a difference of the sides. Repeat the runs and give them together."
        )
    runs = (*baseline, *candidate)
    notes += differences([run.result for run in runs])
    if any(run.source != "samples" for run in runs):
        notes.append(
            "Without samples.parquet the outcomes other than completed are taken from the second in which they "
            "happened, and latencies from the seconds' histograms."
        )
    return notes


def _described(run: Run) -> ComparedRun:
    return ComparedRun(
        where=run.where,
        run_id=run.result.manifest.run_id,
        started_at=run.result.started_at,
        source=run.source,
        window_s=run.seconds.length,
        starts=sum(run.seconds.counts["intended"]),
        verdict=run.result.verdict.status,
        server_version=run.result.environment.server_version,
        auroral_version=run.result.environment.auroral_version,
    )


def _shown(metric: _Metric, value: float) -> float | None:
    if not math.isfinite(value):
        return None
    return math.exp(value) if metric.unit == "ms" else value
