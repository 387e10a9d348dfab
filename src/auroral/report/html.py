"""A run as one HTML file that needs nothing else: no network, no script to be read. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from auroral.bench.result import Environment, Quantiles, Result, SpreadGenerator
from auroral.bench.samples import Outcome
from auroral.report import figures, words
from auroral.report.page import render_page
from auroral.units import format_duration, format_number, format_size

_OUTCOME_COLORS = {
    Outcome.COMPLETED: "blue",
    Outcome.FAILED: "purple",
    Outcome.TIMED_OUT: "purple",
    Outcome.TERMINATED: "purple",
    Outcome.CANCELED: "purple",
    Outcome.REJECTED: "red",
    Outcome.UNFINISHED: "orange",
    Outcome.BACK_PRESSURED: "dark",
    Outcome.GENERATOR_LIMITED: "grey",
}


def render(result: Result) -> str:
    """One self-contained page for a stored result."""
    drawings = {
        "rates": figures.rates(result),
        "latency": figures.latency(result),
        "percentiles": figures.percentiles(result),
    }
    return render_page(
        "report.html.j2",
        result=result,
        cards=_cards(result),
        charts=drawings,
        limit_charts=figures.limits(result),
        outcomes=_outcomes(result),
        outcome_total=sum(result.outcomes.values()),
        environment=[*environment_rows(result.environment), *generator_rows(result.spread)],
        arrival=_arrival(result),
        processes=_processes(result),
        server_metrics=_server_metrics(result),
        reconciliation=_reconciliation(result),
    )


def _cards(result: Result) -> list[dict[str, str]]:
    """The key numbers: label, value, and a line that says what it is of."""
    steady, whole = result.steady, result.times.latency
    completed = result.outcomes.get(Outcome.COMPLETED, 0)
    span = "no steady window was reached" if steady is None else f"{steady.name}, {words.span(steady)}"
    latency: Quantiles = whole if steady is None else steady.latency
    of = "whole run" if steady is None else steady.name
    first = result.limits.first
    limit = ("none reached", "of those that were sampled") if result.readings else ("unknown", "nothing was sampled")
    if first is not None:
        limit = (first.name, f"{first.whose}, from {words.clock(first.since_s)}")
    completed_per_s = None if steady is None else steady.completed_per_s
    target = "" if steady is None else f"of {words.rate(steady.target_per_s)} scheduled; "
    transitions = None if steady is None else steady.state_transitions_per_s
    rows = [
        ("Completed rate", words.rate(completed_per_s), target + span),
        ("Latency p50", words.quantile(latency, "p50_ms"), f"{of}, intended → closed"),
        ("Latency p99", words.quantile(latency, "p99_ms"), f"{of}, intended → closed"),
        (
            "Completed",
            words.share(completed, result.scheduled),
            f"{completed:,} of {result.scheduled:,} scheduled starts",
        ),
        ("State transitions", words.rate(transitions), span),
        ("First limit", *limit),
    ]
    return [{"label": label, "value": value, "about": about} for label, value, about in rows]


def _outcomes(result: Result) -> list[dict[str, Any]]:
    colors = {str(outcome): color for outcome, color in _OUTCOME_COLORS.items()}
    meanings = {str(outcome): meaning for outcome, meaning in words.OUTCOME_MEANINGS.items()}
    return [
        {
            "label": words.outcome_label(name),
            "count": count,
            "share": words.share(count, result.scheduled),
            "color": colors.get(name, "dark"),
            "meaning": meanings.get(name, ""),
            "causes": sorted((c for c in result.causes if c.outcome == name), key=lambda c: (-c.count, c.cause)),
        }
        for name, count in words.outcomes(result.outcomes)
    ]


def environment_rows(env: Environment) -> list[tuple[str, str]]:
    """Where it took place, row by row."""
    unknown = "unknown"
    offset = unknown
    if env.clock_offset_ms is not None:
        within = "" if env.clock_offset_error_ms is None else f" ± {env.clock_offset_error_ms:.3g} ms"
        offset = f"{env.clock_offset_ms:.3g} ms{within} (server − client)"
    return [
        ("Address", env.address + (" (local server on the same cores as the load)" if env.local_server else "")),
        ("Temporal server", env.server_version or unknown),
        ("Cluster", env.cluster_name or unknown),
        ("Persistence store", env.persistence_store or unknown),
        ("Visibility store", env.visibility_store or unknown),
        ("History shards", unknown if env.history_shards is None else f"{env.history_shards:,}"),
        ("Clock offset", offset),
        ("Load ran on", env.platform or unknown),
        ("CPU", f"{env.cpu_model or unknown}, {env.cores} cores" if env.cores else env.cpu_model or unknown),
        ("Memory", format_size(env.memory_bytes) if env.memory_bytes else unknown),
        ("Instance", " in ".join(filter(None, (env.instance_type, env.availability_zone))) or unknown),
        ("Container", env.container or "none known"),
        ("Software", f"auroral {env.auroral_version}, Temporal SDK {env.sdk_version}, Python {env.python_version}"),
    ]


def generator_rows(spread: Sequence[SpreadGenerator]) -> list[tuple[str, str]]:
    """The generators on machines of their own, row by row."""
    return [
        (
            one.name,
            ", ".join(
                [
                    one.where,
                    f"{one.cores} cores",
                    *filter(None, (one.instance_type, one.availability_zone, one.container)),
                    f"clock {one.control_offset_ms:.3g} ms ± {one.control_error_ms:.3g} ms (control cluster − its own)",
                ]
            ),
        )
        for one in spread
    ]


def _arrival(result: Result) -> str:
    arrival = result.manifest.arrival
    segments = ", ".join(
        f"{format_number(first)}/s for {format_duration(duration_s)}"
        if first == last
        else f"{format_number(first)} → {format_number(last)}/s in {format_duration(duration_s)}"
        for duration_s, first, last in arrival.segments
    )
    end = "" if arrival.count is None else f", at most {arrival.count:,} starts"
    seed = f" (seed {arrival.seed})" if arrival.process == "poisson" else ""
    return f"{arrival.process}{seed}: {segments}{end}"


def _processes(result: Result) -> list[dict[str, str | bool]]:
    ran_s = result.duration_s + result.drain_s
    return [
        {
            "name": process.name,
            "cpu": format_duration(process.cpu_s),
            "cores": format_number(process.cpu_s / ran_s) if ran_s else words.NONE,
            "memory": format_size(process.max_rss_bytes),
            "state": f"lost {process.detail}".strip() if process.lost else process.detail or "ended as it should",
            "lost": process.lost,
        }
        for process in result.processes
    ]


def _server_metrics(result: Result) -> list[tuple[str, str, str]]:
    names = sorted({name for reading in result.readings for name in reading.server})
    rows = []
    for name in names:
        values = [reading.server[name] for reading in result.readings if name in reading.server]
        rows.append((name, format_number(sum(values) / len(values)), format_number(max(values))))
    return rows


def _reconciliation(result: Result) -> list[tuple[str, int, int]]:
    ours, server = result.reconciliation.ours, result.reconciliation.server
    return [(name, ours.get(name, 0), server.get(name, 0)) for name in sorted({*ours, *server})]
