"""What is asked of Prometheus: queries built from metrics, whose labels are checked as they are built. Pure.

A counter is rated series by series before it is summed: every series is of one task (`instance`), and a sum that lost
a task would look like a reset. Names are the same after remote write, as the collector adds no suffixes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from auroral.dashboards.metrics import BY_NAME, CLUSTER, NAMESPACE, SERVICE, TARGET_LABELS, Kind, Metric, Source

RATE = "$__rate_interval"
"""Grafana's: at least four scrapes, and never less than a step of the panel."""

GAP = "10m"
"""How long a series may have been away without being taken for new: a scrape that failed, a collector replaced."""

SHOWN: Mapping[str, str] = MappingProxyType({CLUSTER: "=~$cluster", SERVICE: "=~$service", NAMESPACE: "=~$namespace"})
"""What the dashboard's variables choose; each where the metric has the label."""

OF_CLUSTER: Mapping[str, str] = MappingProxyType({CLUSTER: "=~$cluster"})
OF_NAMESPACE: Mapping[str, str] = MappingProxyType({CLUSTER: "=~$cluster", NAMESPACE: "=~$namespace"})
EVERYTHING: Mapping[str, str] = MappingProxyType({})
"""For rules, which have no variables."""

_MATCH = re.compile(r"(?P<operator>=~|!~|!=|=)?(?P<value>.*)", re.DOTALL)
_NONE: Mapping[str, str] = MappingProxyType({})
_LE = "le"


def series(
    metric: Metric, where: Mapping[str, str] = _NONE, *, scope: Mapping[str, str] = SHOWN, suffix: str = ""
) -> str:
    """Select a metric's series, such as `up{cluster=~"$cluster"}`.

    `where`: label to value, with `=~`, `!~` or `!=` before it where it is not to be equal; it goes before `scope`,
    of which only what the metric has labels for applies. Raises `ValueError` for a label that the metric has not.
    """
    _check(metric, where)
    chosen = {label: match for label, match in scope.items() if _has(metric, label)} | dict(where)
    return f"{metric.name}{suffix}{{{','.join(_matcher(label, match) for label, match in chosen.items())}}}"


def rate_of(
    metric: Metric,
    by: Sequence[str] = (),
    where: Mapping[str, str] = _NONE,
    *,
    scope: Mapping[str, str] = SHOWN,
    over: str = RATE,
) -> str:
    """Ask how many a second: a counter's, or the observations of a histogram.

    Raises `ValueError` for a gauge, and for a label that the metric has not.
    """
    _check(metric, by)
    if metric.kind is Kind.GAUGE:
        raise ValueError(f"{metric.name} is a gauge, and has no rate")
    suffix = "_count" if metric.kind is Kind.HISTOGRAM else ""
    return _sum(by, f"rate({series(metric, where, scope=scope, suffix=suffix)}[{over}])")


def counted(
    metric: Metric,
    by: Sequence[str] = (),
    where: Mapping[str, str] = _NONE,
    *,
    scope: Mapping[str, str] = SHOWN,
    over: str = RATE,
) -> str:
    """Ask how often something rare happened in a time, the first of all times included.

    A counter has no series before it has counted, so that `rate` misses its first count: what is new in the time
    counts from 0 here. What was only not scraped for a while, up to `GAP`, is not new. Raises `ValueError` for what
    is no counter, and for a label that the metric has not.
    """
    _check(metric, by)
    if metric.kind is not Kind.COUNTER:
        raise ValueError(f"{metric.name} is a {metric.kind}, and counts nothing")
    chosen = series(metric, where, scope=scope)
    before = f"last_over_time({chosen}[{GAP}] offset {over})"
    return _sum(by, f"(increase({chosen}[{over}]) and {before}) or ({chosen} unless {before})")


def sum_of(
    metric: Metric, by: Sequence[str] = (), where: Mapping[str, str] = _NONE, *, scope: Mapping[str, str] = SHOWN
) -> str:
    """Add a gauge up over the tasks. Raises `ValueError` for a label that the metric has not."""
    return _aggregated("sum", metric, by, where, scope)


def max_of(
    metric: Metric, by: Sequence[str] = (), where: Mapping[str, str] = _NONE, *, scope: Mapping[str, str] = SHOWN
) -> str:
    """Ask for the highest of the tasks' values. Raises `ValueError` for a label that the metric has not."""
    return _aggregated("max", metric, by, where, scope)


def min_of(
    metric: Metric, by: Sequence[str] = (), where: Mapping[str, str] = _NONE, *, scope: Mapping[str, str] = SHOWN
) -> str:
    """Ask for the lowest of the tasks' values. Raises `ValueError` for a label that the metric has not."""
    return _aggregated("min", metric, by, where, scope)


def count_of(
    metric: Metric, by: Sequence[str] = (), where: Mapping[str, str] = _NONE, *, scope: Mapping[str, str] = SHOWN
) -> str:
    """Ask how many series a gauge has. Raises `ValueError` for a label that the metric has not."""
    return _aggregated("count", metric, by, where, scope)


def quantile(
    share: float,
    metric: Metric,
    by: Sequence[str] = (),
    where: Mapping[str, str] = _NONE,
    *,
    scope: Mapping[str, str] = SHOWN,
    over: str = RATE,
) -> str:
    """Ask for a quantile of a histogram, 0.99 for P99, over all tasks together.

    Between the bounds of a bucket it is drawn as a line: Temporal's are 1, 2, 5, 10, 20 ms and so on. Raises
    `ValueError` for what is no histogram, for a share beyond 0 and 1, and for a label that the metric has not.
    """
    _check(metric, by)
    if metric.kind is not Kind.HISTOGRAM or not 0 < share < 1:
        raise ValueError(f"expected a histogram and a share between 0 and 1, found {metric.name} and {share}")
    buckets = series(metric, where, scope=scope, suffix="_bucket")
    return f"histogram_quantile({share}, {_sum((*by, _LE), f'rate({buckets}[{over}])')})"


def mean(
    metric: Metric,
    by: Sequence[str] = (),
    where: Mapping[str, str] = _NONE,
    *,
    scope: Mapping[str, str] = SHOWN,
    over: str = RATE,
) -> str:
    """Ask for the mean of a histogram. Raises `ValueError` for what is none, and for a label that it has not."""
    _check(metric, by)
    if metric.kind is not Kind.HISTOGRAM:
        raise ValueError(f"{metric.name} is a {metric.kind}, and has no mean")
    total = series(metric, where, scope=scope, suffix="_sum")
    return ratio(_sum(by, f"rate({total}[{over}])"), rate_of(metric, by, where, scope=scope, over=over))


def ratio(part: str, whole: str) -> str:
    """Ask for the share of one in another; no number where the whole is 0."""
    return f"({part}) / ({whole})"


def top(count: int, query: str) -> str:
    """Ask for the series of highest value alone, so that a panel can be read."""
    return f"topk({count}, {query})"


def names_in(query: str) -> frozenset[str]:
    """Name the metrics that a query selects, without the suffixes of histograms."""
    found = re.findall(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\{", query)
    return frozenset(name if name in BY_NAME else re.sub(r"_(bucket|sum|count)$", "", name) for name in found)


def _aggregated(how: str, metric: Metric, by: Sequence[str], where: Mapping[str, str], scope: Mapping[str, str]) -> str:
    _check(metric, by)
    if metric.kind is not Kind.GAUGE:
        raise ValueError(f"{metric.name} is a {metric.kind}: ask for its rate, its count or a quantile")
    return _over(how, by, series(metric, where, scope=scope))


def _sum(by: Sequence[str], what: str) -> str:
    return _over("sum", by, what)


def _over(how: str, by: Sequence[str], what: str) -> str:
    return f"{how} by ({', '.join(by)}) ({what})" if by else f"{how}({what})"


def _matcher(label: str, match: str) -> str:
    found = _MATCH.fullmatch(match)
    assert found is not None  # the pattern takes any text
    value = found["value"].replace("\\", "\\\\").replace('"', '\\"')
    return f'{label}{found["operator"] or "="}"{value}"'


def _has(metric: Metric, label: str) -> bool:
    targeted = metric.source is not Source.RULES and label in TARGET_LABELS
    return targeted or label in metric.labels


def _check(metric: Metric, labels: Sequence[str] | Mapping[str, str]) -> None:
    for label in labels:
        if not _has(metric, label):
            raise ValueError(
                f"{metric.name} has no label {label!r}, it has {', '.join((*TARGET_LABELS, *metric.labels))}"
            )
