"""What a Temporal server's own metrics say of a second: rates and means between two scrapes. Pure.

Names and labels: Temporal server 1.29.1, `common/metrics/metric_defs.go`. A server may be configured to put a
prefix before them, to end counters with `_total` and to put units into names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from auroral.bench.exposition import samples

Totals = Mapping[str, float]
"""Counters, sums and gauges of one server, by name."""

_PREFIXES = ("", "temporal_")
_NAME = re.compile(
    r"(?:temporal_)?(?P<family>[a-z_]+?)(?:_(?P<unit>seconds|milliseconds))?(?:_(?P<part>total|sum|count))?"
)
_ASKED = frozenset({"StartWorkflowExecution", "RespondWorkflowTaskCompleted", "RespondActivityTaskCompleted"})
"""Requests of the frontend that never wait for anything but the server; polls wait for work."""


@dataclass(frozen=True)
class _Family:
    name: str
    counts: Callable[[Mapping[str, str], str], bool] = lambda labels, namespace: True


def _answers(labels: Mapping[str, str], namespace: str) -> bool:
    return labels.get("service_name") == "frontend" and labels.get("operation") in _ASKED


def _refused(labels: Mapping[str, str], namespace: str) -> bool:
    """Of this namespace; refused waits for a close are not the server's limit."""
    waits = labels.get("resource_exhausted_cause", "").replace("_", "").lower() == "concurrentlimit"
    return labels.get("namespace", namespace) == namespace and not waits


def _of_frontend(labels: Mapping[str, str], namespace: str) -> bool:
    return labels.get("service_name", "frontend") == "frontend"


_COUNTERS = (
    _Family("service_requests", _of_frontend),
    _Family("service_errors_resource_exhausted", _refused),
    _Family("persistence_requests"),
    _Family("persistence_errors"),
    _Family("persistence_errors_resource_exhausted"),
    _Family("visibility_persistence_requests"),
    _Family("visibility_persistence_errors"),
)
_LATENCIES = (
    _Family("service_latency", _answers),
    _Family("persistence_latency"),
    _Family("visibility_persistence_latency"),
)
_GAUGES = (_Family("approximate_backlog_count"),)
_FAMILIES = {family.name: family for family in (*_COUNTERS, *_LATENCIES, *_GAUGES)}
_LATENCY_NAMES = frozenset(family.name for family in _LATENCIES)

NAMES = (
    *(f"{family.name}_per_s" for family in _COUNTERS),
    *(f"{family.name}_mean_s" for family in _LATENCIES),
    *(family.name for family in _GAUGES),
)
"""Every name that `rates` may give."""


def totals(text: bytes, namespace: str) -> dict[str, float]:
    """Add up one server's families over their labels, those of `namespace` where they tell it apart."""
    added: dict[str, float] = {}
    for name, labels, value in samples(text, [prefix + family for prefix in _PREFIXES for family in _FAMILIES]):
        key, factor = _key(name)
        family = _FAMILIES.get(key.partition(":")[0])
        if family is not None and family.counts(labels, namespace):
            added[key] = added.get(key, 0.0) + value * factor
    return added


def rates(scrapes: Iterable[tuple[Totals, Totals, float]]) -> dict[str, float]:
    """Turn (before, after, seconds between) of each server into rates and means over all of them.

    A counter that went back belongs to a server that was started again: it is left out. One that is new counts
    from 0, as the server makes it at the first event.
    """
    sums: dict[str, float] = {}
    for before, after, elapsed_s in scrapes:
        if elapsed_s <= 0 or any(after.get(key, 0.0) < value for key, value in before.items() if _counts(key)):
            continue
        for key, value in after.items():
            change = (value - before.get(key, 0.0)) / elapsed_s if _counts(key) else value
            sums[key] = sums.get(key, 0.0) + change
        for family in _COUNTERS:
            sums.setdefault(family.name, 0.0)
    read = {f"{family.name}_per_s": sums[family.name] for family in _COUNTERS if family.name in sums}
    for family in _LATENCIES:
        count = sums.get(f"{family.name}:count", 0.0)
        if count > 0:
            read[f"{family.name}_mean_s"] = sums.get(f"{family.name}:sum", 0.0) / count
    read.update({family.name: sums[family.name] for family in _GAUGES if family.name in sums})
    return read


def _counts(key: str) -> bool:
    return all(key != family.name for family in _GAUGES)


def _key(name: str) -> tuple[str, float]:
    """The family of a sample, with `:sum` or `:count` for a latency, and what turns its value into seconds."""
    match = _NAME.fullmatch(name)
    if match is None:
        return "", 1.0
    if name.removeprefix("temporal_") in _FAMILIES:
        return name.removeprefix("temporal_"), 1.0
    family, unit, part = match["family"], match["unit"], match["part"]
    if family in _LATENCY_NAMES and part in ("sum", "count"):
        return f"{family}:{part}", 1e-3 if unit == "milliseconds" and part == "sum" else 1.0
    return (family, 1.0) if part == "total" else ("", 1.0)
