"""Realistic results to render, by name."""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec

from auroral.bench import result as r
from auroral.bench.limits import LimitFinding, LimitReport
from tests.support.simulated_runs import Plan, build, quantiles


def _healthy(rng: random.Random, t_s: float) -> tuple[str, float | None, str]:
    spread = 42 * (1 + 3 * rng.random() ** 6) * (1 + 8 * rng.random() ** 60)
    stall_ms = max(0.0, 1500 - (t_s - 38) * 1000) if 38 <= t_s < 39.5 else 0.0
    return "completed", round(spread + stall_ms, 3), ""


def passed() -> r.Result:
    """Ramp and steady, everything completed, one short stall that the latency carries."""
    return build(Plan("run-pass", [(10, 0, 100), (50, 100, 100)], _healthy, ramp_s=10))


def failed() -> r.Result:
    """The server refuses starts by its rate limit, back-pressure follows, a limit is found."""

    def behave(rng: random.Random, t_s: float) -> tuple[str, float | None, str]:
        overload, dice = max(0.0, t_s - 24) / 30, rng.random()
        if dice < 0.35 * overload:
            return "rejected", None, "RESOURCE_EXHAUSTED/RPS_LIMIT/NAMESPACE"
        if t_s > 44 and dice > 0.9:
            return "back_pressured", None, ""
        if t_s > 40 and dice > 0.82:
            return "unfinished", None, ""
        if 0.7 < dice < 0.704:
            return "failed", None, "ApplicationError: card <declined> & gone"
        return "completed", round(60 * (1 + 5 * overload) * (1 + 2 * rng.random()), 3), ""

    finding = LimitFinding(
        name="server-refusals",
        whose="server",
        since_s=25.0,
        seconds=35,
        evidence="the server refused 1,021 starts with RESOURCE_EXHAUSTED/RPS_LIMIT/NAMESPACE, first at 25 s",
        advice="raise frontend.namespaceRPS, or add frontends: the limit is per frontend and namespace",
    )
    slots = LimitFinding(
        name="worker-slots",
        whose="workers",
        since_s=41.0,
        seconds=12,
        evidence="390 of 400 activity slots were taken while the activity queue held 420 tasks",
        advice="start more worker processes with --worker-count, or raise the activity slots",
    )
    plan = Plan("run-fail", [(10, 0, 100), (50, 100, 100)], behave, ramp_s=10, drain_s=12, seed=3)
    result = build(plan)
    return msgspec.structs.replace(
        result,
        limits=LimitReport(findings=[finding, slots], unread=["server metrics: no --server-metrics given"]),
        observed=r.Observed(watched=3200, swept=41, refused_waits=300, resolved_starts=2),
        thresholds=[
            r.ThresholdResult(expression="latency.p99<500ms", observed="did not complete", passed=False),
            r.ThresholdResult(expression="completed_per_s>=95", observed="71.2/s", passed=False),
            r.ThresholdResult(expression="lag.p99<10ms", observed="0.8 ms", passed=True),
        ],
        verdict=r.Verdict(
            status="fail",
            reasons=[
                "latency.p99<500ms: did not complete",
                "completed_per_s>=95: 71.2/s",
                f"{result.outcomes['rejected']:,} starts were rejected by the server",
            ],
        ),
        cleanup=r.Cleanup(
            left_open=result.outcomes["unfinished"],
            terminated_directly=100,
            terminated_by_batch=50,
            remaining=result.outcomes["unfinished"] - 150,
            failure="the batch operation did not end within 120 s",
            commands=[
                "temporal workflow terminate --namespace benchmark --query "
                "\"WorkflowId STARTS_WITH 'run-fail-'\" --reason 'auroral cleanup' --yes"
            ],
        ),
        notes=["The local server shares its cores with the load."],
    )


def inconclusive() -> r.Result:
    """A worker process was lost and our own generator fell behind."""

    def behave(rng: random.Random, t_s: float) -> tuple[str, float | None, str]:
        if 20 <= t_s < 24:
            return ("generator_limited", None, "lag over 1 s") if rng.random() < 0.7 else ("completed", 900.0, "")
        return _healthy(rng, t_s)

    result = build(Plan("run-inconclusive", [(30, 50, 50)], behave))
    ours = {"completed": result.outcomes["completed"]}
    return msgspec.structs.replace(
        result,
        verdict=r.Verdict(
            status="inconclusive",
            reasons=[
                "worker-1 was lost (killed by signal 9)",
                f"{result.outcomes['generator_limited']} starts dropped by our own lag",
            ],
        ),
        processes=[
            *result.processes[:2],
            r.ProcessUsage(
                name="worker-1", cpu_s=9.9, max_rss_bytes=140 * 1024**2, lost=True, detail="killed by signal 9"
            ),
        ],
        reconciliation=r.Reconciliation(
            status="disagreed",
            settled_after_s=30.0,
            ours=ours,
            server={"completed": ours["completed"] + 3},
            detail="the server counts 3 more",
        ),
    )


def interrupted() -> r.Result:
    """Stopped by the user in the ramp: no steady window."""
    plan = Plan("run-interrupted", [(10, 0, 100), (50, 100, 100)], _healthy, ramp_s=10, driven_s=8)
    verdict = r.Verdict(status="inconclusive", reasons=["the run was interrupted after 8 s of 60 s"])
    return build(plan, interrupted=True, verdict=verdict, thresholds=[])


def stages() -> r.Result:
    """Four stages, an untrusted name, and interactions."""
    plan = Plan(
        "run-stages",
        [(15, 0, 20), (15, 20, 20), (15, 20, 60), (15, 60, 60)],
        _healthy,
        staged=True,
        workload="<script>alert('x')</script> & \"order\"",
    )
    return build(
        plan,
        interactions=[
            r.Interactions(kind="signal", sent=400, failed=0, causes={}, time=quantiles([3.0, 4.5, 8.0])),
            r.Interactions(kind="update", sent=40, failed=2, causes={"NOT_FOUND": 2}, time=quantiles([9.0, 12.5])),
        ],
        notes=["</script><script>alert(1)</script> stays text."],
    )


def empty() -> r.Result:
    """Nothing completed: every start was refused."""
    plan = Plan("run-empty", [(10, 20, 20)], lambda _rng, _t: ("rejected", None, "UNAVAILABLE"), drain_s=0)
    verdict = r.Verdict(status="fail", reasons=["nothing completed"])
    return build(plan, readings=[], verdict=verdict, thresholds=[], configuration=[])


def nothing() -> r.Result:
    """Interrupted before the first start."""
    verdict = r.Verdict(status="inconclusive", reasons=["the run was interrupted before its first start"])
    plan = Plan("run-nothing", [(10, 20, 20)], _healthy, driven_s=0, drain_s=0)
    return build(plan, interrupted=True, readings=[], windows=[], verdict=verdict, thresholds=[])


def long(duration_s: int = 5000) -> r.Result:
    """A long run, to see what its page weighs."""

    def behave(rng: random.Random, t_s: float) -> tuple[str, float | None, str]:
        if t_s % 1000 < 3:
            return "rejected", None, "RESOURCE_EXHAUSTED/SYSTEM_OVERLOADED/SYSTEM"
        return _healthy(rng, t_s)

    return build(Plan("run-long", [(duration_s, 2, 2)], behave))


MAKERS: dict[str, Callable[[], r.Result]] = {
    "pass": passed,
    "fail": failed,
    "inconclusive": inconclusive,
    "interrupted": interrupted,
    "stages": stages,
    "empty": empty,
    "nothing": nothing,
    "long": long,
}
