"""Simulations as one HTML file that needs nothing else: no network, no script to be read. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from auroral.capacity.simulation.result import Check, SimulationResult
from auroral.report import simulation_figures as figures
from auroral.report import words
from auroral.report.page import render_page
from auroral.report.simulation_text import clock, margin, observed
from auroral.units import format_duration, format_number

_KIND = {"local": "local token buckets", "distributed": "local buckets and the counter in DynamoDB", "none": "none"}


def render(results: Sequence[SimulationResult]) -> str:
    """One self-contained page for the results of one or several scenarios. Raises ValueError for none."""
    if not results:
        raise ValueError("at least one result")
    failed = [result for result in results if not result.passed]
    return render_page(
        "simulation.html.j2",
        status="fail" if failed else "pass",
        verdict=_verdict(results, len(failed)),
        title=results[0].scenario.name if len(results) == 1 else f"{len(results)} scenarios",
        sources=sorted({result.source for result in results}),
        version=results[0].auroral_version,
        schema=results[0].schema,
        scenarios=[_scenario(result) for result in results],
        interrupted=any(result.interrupted for result in results),
    )


def _verdict(results: Sequence[SimulationResult], failed: int) -> str:
    if len(results) == 1:
        return "Violated" if failed else "Held"
    return f"{failed} of {len(results)} violated" if failed else f"All {len(results)} held"


def _scenario(result: SimulationResult) -> dict[str, Any]:
    run, scenario = result.run, result.scenario
    first = run.first_violation
    return {
        "name": scenario.name,
        "about": scenario.about,
        "result": result,
        "status": "pass" if result.passed else "fail",
        "seeds": _seeds(result),
        "cards": _cards(result),
        "checks": _checks(result),
        "charts": figures.charts(result),
        "small_charts": figures.small_charts(result),
        "step": ""
        if run.points.step_s == 1
        else f" Each point is the most (of tokens: the least) in {run.points.step_s} seconds.",
        "first": None if first is None else _first(first),
        "around": [(clock(one.at_s), one.text) for one in run.around],
        "events": _events(result),
        "services": _services(result),
        "facts": _facts(result),
        "moments": [(clock(one.at_s), one.text) for one in run.moments],
    }


def _seeds(result: SimulationResult) -> str:
    if len(result.seeds) == 1:
        return f"seed {result.run.seed}"
    failed = f"{len(result.failed_seeds):,} of them failed" if result.failed_seeds else "none failed"
    return f"{len(result.seeds):,} seeds, {failed}; shown is the worst, seed {result.run.seed}"


def _first(check: Check) -> dict[str, str]:
    at = "" if check.at_s is None else f"at {clock(check.at_s)}"
    return {"text": check.text, "at": at, "detail": check.detail}


def _cards(result: SimulationResult) -> list[dict[str, str]]:
    run, scenario = result.run, result.scenario
    totals, checks = run.totals, {check.name: check for check in run.checks}
    converged = [check for check in run.checks if check.name.startswith("converged-")]
    slowest = max(converged, key=lambda check: (check.observed is None, check.observed or 0.0), default=None)
    wait = checks["longest-wait"]
    refused = checks["refused"]
    rows = [
        ("Refused by DSQL", observed(refused.observed, ""), refused.detail),
        (
            "Longest wait",
            observed(wait.observed, "s"),
            f"for a connection; {observed(wait.limit, 's')} allowed",
        ),
        (
            "Slowest recovery",
            "–" if slowest is None else observed(slowest.observed, "s"),
            "" if slowest is None else f"{observed(slowest.limit, 's')} allowed",
        ),
        (
            "Most connects",
            words.rate(totals.most_attempts_in_a_second),
            f"in one second; {totals.attempts:,} in all",
        ),
        (
            "Most open",
            f"{totals.most_open:,}",
            f"of {scenario.limits.most_connections:,} allowed",
        ),
        (
            "Slowest start",
            format_duration(run.warmup_longest_s) if run.warmup_longest_s else "–",
            "a task's first instruction until it serves",
        ),
    ]
    return [{"label": label, "value": value, "about": about} for label, value, about in rows]


def _checks(result: SimulationResult) -> list[dict[str, Any]]:
    units = {check.name: check.unit for check in result.run.checks}
    details = {check.name: check.detail for check in result.run.checks}
    return [
        {
            "text": worst.text,
            "held": not worst.failed,
            "observed": observed(worst.observed, units.get(worst.name, "")),
            "margin": margin(worst),
            "detail": details.get(worst.name, "") if worst.seed == result.run.seed else "",
            "seed": worst.seed,
            "failed": worst.failed,
        }
        for worst in result.worst
    ]


def _events(result: SimulationResult) -> list[dict[str, str]]:
    checks = {check.name: check for check in result.run.checks}
    rows = []
    for index, event in enumerate(result.scenario.events, start=1):
        check = checks.get(f"converged-{index}")
        lasted = event.for_s or event.over_s
        rows.append(
            {
                "at": clock(event.at_s),
                "what": event.label,
                "lasts": format_duration(lasted) if lasted else "–",
                "over": "–" if check is None else observed(check.observed, "s"),
                "allowed": "–" if check is None else observed(check.limit, "s"),
            }
        )
    return rows


def _services(result: SimulationResult) -> list[dict[str, str]]:
    return [
        {
            "service": shape.service,
            "tasks": f"{shape.replicas:,}" + (f" to {shape.most:,}" if shape.most > shape.replicas else ""),
            "pool": f"{shape.pool_size:,}" + (f" + {shape.reservoir:,}" if shape.reservoir else ""),
            "rate": words.rate(shape.rate_per_s),
            "burst": f"{shape.burst:,}",
            "percent": f"{shape.min_healthy_percent} – {shape.max_percent} %",
            "requests": words.rate(shape.requests_per_s),
        }
        for shape in result.scenario.services
    ]


def _facts(result: SimulationResult) -> list[tuple[str, str]]:
    scenario, run = result.scenario, result.run
    policy, database, tasks = scenario.policy, scenario.database, scenario.tasks
    facts = [
        ("Limiter", _KIND[policy.limiter]),
        ("Lifetime", f"{format_duration(policy.lifetime_s)}, jitter {policy.jitter:.0%}"),
        ("Start delay", f"up to {format_duration(policy.stagger_s)}" if policy.stagger_s else "none"),
        (
            "A request holds",
            f"{format_duration(policy.hold_median_s)} (median), {format_duration(policy.hold_p99_s)} (p99)",
        ),
        (
            "DSQL",
            f"{format_number(database.connect_rate_per_s)}/s, burst {database.connect_burst:,}, at most "
            f"{database.max_connections:,} connections, sessions of {format_duration(database.session_lifetime_s)}",
        ),
        (
            "A connect takes",
            f"{format_duration(database.connect_median_s)} (median), {format_duration(database.connect_p99_s)} (p99)",
        ),
        ("ECS starts a task in", format_duration(tasks.start_s)),
        ("A task drains for", format_duration(tasks.drain_s)),
        (
            "Tasks begin",
            "stopped" if scenario.begin == "stopped" else "warm: pools full, ages spread over the lifetime",
        ),
        ("Seed", f"{run.seed}; outcome {run.digest[:16]}…"),
    ]
    if policy.clock_skew_s:
        facts.insert(1, ("Clocks", f"up to {format_duration(policy.clock_skew_s)} off, either way"))
    return facts
