"""The user's own benchmark results as anchors: what a configuration was seen to carry. Pure.

A result says at which rate a cluster passed. It does not say what each service used, so that all services are scaled
together: what is fitted is workflows a second for each of the configuration's parts. Of several results on one
configuration the highest that passed counts; one that failed above it says where that configuration ended.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from auroral.bench.result import Result
from auroral.bench.steps import Workload, to_plain
from auroral.capacity.presets import RING_SERVICES, Anchor, Size
from auroral.errors import Problem, UsageError
from auroral.units import format_rate

_NEARLY = 0.98
"""Completed over offered in the steady window; below it the rate offered is not what was carried."""


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A result that says nothing about the plan, and why."""

    name: str
    reason: str


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """What one result says."""

    name: str
    run_id: str
    started_at: str
    passed: bool
    rate_per_s: float
    """Completed a second in the steady window."""
    offered_per_s: float
    p99_ms: float | None
    transitions_per_workflow: float | None
    """The server's own count in the steady window; None: not read."""
    first_limit: str | None
    """The first limit reached; None: none."""


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """What the results say together."""

    anchor: Anchor
    """The configuration, at the highest rate that passed."""
    used: tuple[Observation, ...]
    refused: tuple[Refusal, ...]
    notes: tuple[str, ...]
    transitions_per_workflow: float | None


def calibrate(
    results: Sequence[tuple[str, Result]],
    *,
    workload: Workload,
    base: Anchor,
    services: dict[str, Size] | None = None,
) -> Calibration:
    """Fit what `base` (with `services` in place of its own, where given) carries to results of this workload.

    `results` are pairs of a name and a document. Raises `UsageError` where none of them passed, with every reason.
    """
    used: list[Observation] = []
    refused: list[Refusal] = []
    for name, result in results:
        reason = _unusable(result, workload)
        if reason:
            refused.append(Refusal(name=name, reason=reason))
        else:
            used.append(_observation(name, result))
    passing = [one for one in used if one.passed]
    if not passing:
        reasons = [f"  {one.name}: {one.reason}" for one in refused]
        reasons += [f"  {one.name}: it failed at {format_rate(one.offered_per_s)}" for one in used]
        raise UsageError(
            "none of the results passed, so that they do not say what the cluster carries:\n" + "\n".join(reasons),
            hint="calibrate from a run that passed: auroral bench run at a lower rate",
        )
    best = max(passing, key=lambda one: one.rate_per_s)
    counts = [one.transitions_per_workflow for one in passing if one.transitions_per_workflow is not None]
    source = f"your run {best.run_id} of {best.started_at[:10]}: {format_rate(best.rate_per_s)} completed"
    anchor = Anchor(
        name="your configuration",
        rate_per_s=best.rate_per_s,
        services=services or base.services,
        basis="measured",
        source=source,
        pool_basis="measured",
        pool_source=source,
        instance_type=base.instance_type,
        instances=base.instances if services is None else None,
        history_shards=base.history_shards,
    )
    return Calibration(
        anchor=anchor,
        used=tuple(used),
        refused=tuple(refused),
        notes=tuple(_notes(best, used)),
        transitions_per_workflow=sum(counts) / len(counts) if counts else None,
    )


def parse_services(text: str, base: Anchor) -> dict[str, Size]:
    """Read `history=8x4096:8192:50,matching=6x1024:2048`: replicas × CPU units : MiB : connections a pool.

    What is left out is the base's. Raises `UsageError`.
    """
    services = dict(base.services)
    for part in filter(None, (one.strip() for one in text.split(","))):
        name, equals, value = part.partition("=")
        if not equals or name not in RING_SERVICES:
            raise _malformed(part)
        replicas, times, sizes = value.partition("x")
        numbers = [replicas, *(sizes.split(":") if times else [])]
        if len(numbers) > 4 or not all(one.isascii() and one.isdigit() and int(one) > 0 for one in numbers):
            raise _malformed(part)
        given = dict(zip(("replicas", "cpu_units", "memory_mib", "pool_size"), map(int, numbers), strict=False))
        services[name] = msgspec.structs.replace(services[name], **given)
    return services


def _malformed(part: str) -> UsageError:
    problem = Problem(
        "calibrated-services",
        part,
        "--calibrated-services",
        "SERVICE=REPLICAS[xCPU[:MIB[:POOL]]] such as history=8x4096:8192:50, "
        f"a service one of {', '.join(RING_SERVICES)}",
    )
    return UsageError(str(problem))


def _unusable(result: Result, workload: Workload) -> str:
    """Why a result says nothing about this plan; empty: it does."""
    if reason := _another_workload(result, workload):
        return reason
    steady = result.steady
    doubts = {
        f"its measurement is in doubt: {'; '.join(result.verdict.reasons) or 'inconclusive'}": (
            result.verdict.status == "inconclusive"
        ),
        "it was interrupted": result.interrupted,
        "its server ran on the machine of the load, which says nothing about a deployed cluster": (
            result.environment.local_server
        ),
        "it has no steady window": steady is None,
        "nothing completed in its steady window": steady is not None and steady.completed_per_s <= 0,
    }
    reason = next((reason for reason, holds in doubts.items() if holds), "")
    if reason or steady is None or result.verdict.status == "fail":
        return reason
    if steady.completed_per_s < _NEARLY * steady.offered_per_s:
        return (
            f"it completed {format_rate(steady.completed_per_s)} of {format_rate(steady.offered_per_s)} offered in its "
            "steady window: neither is what the cluster carries"
        )
    return ""


def _another_workload(result: Result, workload: Workload) -> str:
    ran = result.manifest.workloads
    names = ", ".join(one.name for one in ran)
    if len(ran) != 1:
        return f"it ran a mix ({names}); the plan is for one workload, {workload.name}"
    if _steps(ran[0].definition) != _steps(to_plain(workload)):
        return f"it ran the workload {names}; the plan is for {workload.name}"
    return ""


def _steps(definition: dict[str, object]) -> object:
    return definition.get("steps", [])


def _observation(name: str, result: Result) -> Observation:
    steady = result.steady
    assert steady is not None
    per_s, completed = steady.state_transitions_per_s, steady.completed_per_s
    first = result.limits.first
    return Observation(
        name=name,
        run_id=result.manifest.run_id,
        started_at=result.started_at,
        passed=result.verdict.status == "pass",
        rate_per_s=completed,
        offered_per_s=steady.offered_per_s,
        p99_ms=steady.latency.p99_ms,
        transitions_per_workflow=per_s / completed if per_s else None,
        first_limit=f"{first.name} ({first.whose})" if first else None,
    )


def _notes(best: Observation, used: Sequence[Observation]) -> list[str]:
    notes = []
    if best.first_limit is None:
        notes.append(
            f"{best.name} reached no limit at {format_rate(best.rate_per_s)}: the configuration may carry more than "
            "this plan takes it to carry"
        )
    else:
        notes.append(f"{best.name} passed, and met {best.first_limit} on the way")
    lower = [one for one in used if one.passed and one is not best]
    if lower:
        rates = ", ".join(format_rate(one.rate_per_s) for one in sorted(lower, key=lambda one: one.rate_per_s))
        notes.append(f"passed as well, at less: {rates}; the highest counts")
    for one in used:
        if not one.passed:
            why = f", first limit {one.first_limit}" if one.first_limit else ""
            notes.append(f"{one.name} failed at {format_rate(one.offered_per_s)} offered{why}")
    contradicting = [one for one in used if not one.passed and one.offered_per_s < best.rate_per_s]
    if contradicting:
        notes.append("a run failed at a lower rate than one that passed: repeat both before relying on this")
    return notes
