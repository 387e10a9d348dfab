"""Threshold expressions such as `latency.p99<500ms`: read them, and say whether they hold. Pure.

`latency` is that of the steady window; the other times are of the whole run. Rates are the steady window's.
Counts and ratios are of all intended starts.
"""

from __future__ import annotations

import difflib
import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum

import msgspec

from auroral.bench.result import Quantiles, ThresholdResult, Times, Window
from auroral.bench.samples import SERVER_FAILURES, Outcome
from auroral.units import format_duration, format_number, format_rate, format_ratio, parse_duration_s, parse_rate_per_s

NO_DATA = "no data"
"""What is shown where there is nothing to compare."""
DID_NOT_COMPLETE = "did not complete"
"""What is shown where a quantile falls among what did not complete."""


class Kind(Enum):
    """What a metric is measured in, and so what its limit is written in."""

    TIME = "a time with its unit, such as 500ms or 2s"
    RATE = "a rate, such as 95/s or 6000/min"
    COUNT = "a whole number, such as 0 or 25"
    RATIO = "a ratio from 0 to 1 or a percentage, such as 0.999 or 99.9%"


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What thresholds are held against."""

    times: Times
    judged: Sequence[Window]
    """The steady window, or every stage that intends any start: `latency` is that of the worst, rates are those of
    the one with the highest target."""
    outcomes: Mapping[str, int]
    scheduled: int


class Threshold(msgspec.Struct, frozen=True, kw_only=True):
    """One condition that a run has to meet."""

    expression: str
    """As the user wrote it."""
    metric: str
    """One of `METRICS`."""
    op: str
    limit: float
    """In seconds, per second, as a count or as a ratio, by the metric's kind."""


_TIMES = ("latency", "latency_completed", "service_time", "start_latency", "lag", "server_time")
_QUANTILES = ("min", "p50", "p90", "p95", "p99", "p999", "max")
_RATES = {
    "offered": "offered_per_s",
    "started": "started_per_s",
    "completed": "completed_per_s",
    "state_transitions": "state_transitions_per_s",
}
_FAILURES = "failures"

METRICS: Mapping[str, Kind] = {
    **{f"{time}.{quantile}": Kind.TIME for time in _TIMES for quantile in _QUANTILES},
    **{f"{time}.mean": Kind.TIME for time in _TIMES if time != "latency"},
    **{f"{rate}.rate": Kind.RATE for rate in _RATES},
    **{f"{count}.count": Kind.COUNT for count in (*Outcome, _FAILURES)},
    **{f"{count}.ratio": Kind.RATIO for count in (*Outcome, _FAILURES)},
}
"""Every metric that an expression may name."""

_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_BELOW = ("<", "<=")
_EXPRESSION = re.compile(r"\s*([A-Za-z_][\w.]*?)\s*(<=|>=|==|!=|<|>)\s*([^<>=!]+?)\s*")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_DIGITS = 12
"""Compared to this many decimals: 99.9 / 100 is not 0.999 in binary."""


def parse(text: str) -> Threshold:
    """Read one expression. Raises `ValueError` saying what was expected, with an example."""
    match = _EXPRESSION.fullmatch(text)
    if match is None:
        raise ValueError(
            f"an expression <metric><operator><limit> such as latency.p99<500ms, with one of "
            f"{' '.join(_OPERATORS)}, not {text!r}"
        )
    metric = _metric(match[1])
    kind = METRICS[metric]
    limit = _limit(kind, match[3])
    if limit is None:
        raise ValueError(f"{kind.value}, as the limit of {metric}, not {match[3]!r}")
    return Threshold(expression=text.strip(), metric=metric, op=match[2], limit=limit)


def from_named(max_p99_latency_s: float | None, min_throughput_per_s: float | None) -> list[Threshold]:
    """The expressions that the two named settings stand for; seconds and per second, None: not set."""
    named = []
    if max_p99_latency_s is not None:
        named.append(parse(f"latency.p99<={_plain(max_p99_latency_s * 1e3)}ms"))
    if min_throughput_per_s is not None:
        named.append(parse(f"completed.rate>={_plain(min_throughput_per_s)}/s"))
    return named


def with_defaults(thresholds: Sequence[Threshold]) -> list[Threshold]:
    """Add that nothing may fail, unless one of them says how much may."""
    if any(threshold.metric.startswith(f"{_FAILURES}.") for threshold in thresholds):
        return list(thresholds)
    return [*thresholds, parse(f"{_FAILURES}.ratio<=0%")]


def evaluate(threshold: Threshold, facts: Facts) -> ThresholdResult:
    """Say what was measured and whether the threshold holds. Nothing measured: it does not."""
    observed, value = _observe(threshold.metric, facts)
    if value is None:
        # What did not complete is later than everything measured, and so later than any limit.
        passed = observed == DID_NOT_COMPLETE and threshold.op not in (*_BELOW, "==")
    else:
        passed = _OPERATORS[threshold.op](round(value, _DIGITS), round(threshold.limit, _DIGITS))
    return ThresholdResult(expression=threshold.expression, observed=observed, passed=passed)


def _metric(name: str) -> str:
    known = re.sub(r"\.p99[._]9$", ".p999", name.lower())
    if known in METRICS:
        return known
    if known == "latency.mean":
        raise ValueError(
            "a quantile of latency such as latency.p50: a mean would leave out what did not complete; "
            "latency_completed.mean is that of the completed alone"
        )
    close = difflib.get_close_matches(known, METRICS, n=1, cutoff=0.6)
    ask = f"; did you mean {close[0]}?" if close else ""
    raise ValueError(
        f"a metric such as latency.p99, completed.rate or failures.ratio (docs/thresholds.md), not {name!r}{ask}"
    )


def _limit(kind: Kind, text: str) -> float | None:
    try:
        match kind:
            case Kind.TIME:
                return None if _NUMBER.fullmatch(text) else parse_duration_s(text)
            case Kind.RATE:
                return parse_rate_per_s(text)
            case Kind.COUNT:
                return float(int(text)) if text.isascii() and text.isdigit() else None
            case Kind.RATIO:
                number = text.removesuffix("%").strip()
                if not _NUMBER.fullmatch(number):
                    return None
                ratio = float(number) / (100 if text.endswith("%") else 1)
                return ratio if ratio <= 1 else None
    except (ValueError, OverflowError):
        return None


def _observe(metric: str, facts: Facts) -> tuple[str, float | None]:
    name, _, part = metric.rpartition(".")
    match METRICS[metric]:
        case Kind.TIME:
            return (
                _observe_latency(part, facts) if name == "latency" else _observe_time(getattr(facts.times, name), part)
            )
        case Kind.RATE:
            return _observe_rate(name, facts)
        case Kind.COUNT:
            count = _count(name, facts)
            return format_number(count), float(count)
        case Kind.RATIO:
            if facts.scheduled == 0:
                return NO_DATA, None
            ratio = _count(name, facts) / facts.scheduled
            return format_ratio(ratio), ratio


def _observe_latency(part: str, facts: Facts) -> tuple[str, float | None]:
    """Of the window where it is worst."""
    worst: tuple[str, float | None] = (NO_DATA, None)
    of = ""
    for window in facts.judged:
        seen = _observe_time(window.latency, part)
        if seen[0] != NO_DATA and _badness(seen) > _badness(worst):
            worst, of = seen, window.name
    return _named(worst, of, facts)


def _observe_rate(name: str, facts: Facts) -> tuple[str, float | None]:
    """Of the window with the highest target."""
    if not facts.judged:
        return NO_DATA, None
    window = max(facts.judged, key=lambda window: window.target_per_s)
    rate: float | None = getattr(window, _RATES[name])
    return (NO_DATA, None) if rate is None else _named((format_rate(rate), rate), window.name, facts)


def _badness(seen: tuple[str, float | None]) -> float:
    observed, value = seen
    if value is not None:
        return value
    return math.inf if observed == DID_NOT_COMPLETE else -1.0


def _named(seen: tuple[str, float | None], window: str, facts: Facts) -> tuple[str, float | None]:
    observed, value = seen
    # What did not complete has no number to go with, and `evaluate` knows it by its words.
    return (f"{observed} in {window}", value) if len(facts.judged) > 1 and value is not None else seen


def _observe_time(quantiles: Quantiles | None, part: str) -> tuple[str, float | None]:
    if quantiles is None or quantiles.count == 0:
        return NO_DATA, None
    value_ms: float | None = getattr(quantiles, f"{part}_ms")
    if value_ms is None:
        return (DID_NOT_COMPLETE if quantiles.censored else NO_DATA), None
    return format_duration(value_ms / 1e3), value_ms / 1e3


def _count(name: str, facts: Facts) -> int:
    names: Iterable[str] = SERVER_FAILURES if name == _FAILURES else (name,)
    return sum(facts.outcomes.get(each, 0) for each in names)


def _plain(value: float) -> str:
    """A number as `parse` reads it: no exponent, no needless zeros."""
    return f"{value:.9f}".rstrip("0").rstrip(".")
