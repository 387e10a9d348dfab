"""Results of simulations, made by hand, so that a view changes only when the view does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from auroral.capacity.simulation.fleet import Moment
from auroral.capacity.simulation.outcome import Totals
from auroral.capacity.simulation.result import SCHEMA_ID, Check, Points, Run, SimulationResult, Worst
from auroral.capacity.simulation.scenario import Event, Limits, Policy, Scenario
from tests.support.scenarios import shape

CUT_AT = 100


def _points(length_s: int, step_s: int = 1, **changes: Any) -> Points:
    times = list(range(0, length_s, step_s))
    refill = [max(0, 60 - (t - CUT_AT)) if t >= CUT_AT else t % 3 for t in times]
    opened = [1000 - (max(0, 900 - 15 * (t - CUT_AT)) if t >= CUT_AT else 0) for t in times]
    usual: dict[str, Any] = {
        "step_s": step_s,
        "t_s": times,
        "attempts": refill,
        "refused": [0] * len(times),
        "refused_outage": [0] * len(times),
        "open_least": [max(0, count - 5) for count in opened],
        "open_most": opened,
        "open_by_service": {"history": [count * 3 // 5 for count in opened], "worker": [c * 2 // 5 for c in opened]},
        "longest_wait_ms": [250.0 / (1 + t - CUT_AT) if CUT_AT <= t < CUT_AT + 20 else None for t in times],
        "bucket_least": [max(300, 1000 - 10 * rate) for rate in refill],
        "short": [20 if CUT_AT <= t < CUT_AT + 60 else 0 for t in times],
        "running": [20] * len(times),
        "uncounted": [0] * len(times),
    }
    return Points(**{**usual, **changes})


def _scenario(**changes: Any) -> Scenario:
    usual: dict[str, Any] = {
        "name": "all-cut",
        "about": "Every connection breaks at once <under load>.",
        "duration_s": 600.0,
        "services": (
            shape("history", replicas=12, pool_size=50, requests_per_s=3000.0, max_replicas=14),
            shape("worker", replicas=8, pool_size=50, requests_per_s=300.0, reservoir=2),
        ),
        "events": (Event(at_s=float(CUT_AT), do="cut"),),
    }
    return Scenario(**{**usual, **changes})


def _checks() -> list[Check]:
    return [
        Check(
            name="refused",
            text="DSQL refuses no connection",
            unit="",
            limit=0,
            observed=0,
            passed=True,
            margin=0.3,
            at_s=101.0,
            detail="its bucket held 300 of 1,000 at least",
        ),
        Check(
            name="converged-1",
            text="100% of the connections cut: every task serves with a full pool within 3 m of its beginning",
            unit="s",
            limit=180.0,
            observed=60.25,
            passed=True,
            margin=0.665,
            at_s=160.25,
        ),
        Check(
            name="longest-wait",
            text="no request waits longer than 1 s for a connection",
            unit="s",
            limit=1.0,
            observed=0.25,
            passed=True,
            margin=0.75,
            at_s=100.0,
            detail="at history/3",
        ),
        Check(
            name="short",
            text="pools are full in steady state",
            unit="s",
            limit=0.0,
            observed=0.0,
            passed=True,
            margin=1.0,
        ),
        Check(
            name="most-connections",
            text="at most 9,990 connections are open",
            unit="",
            limit=9_990,
            observed=1000,
            passed=True,
            margin=0.9,
            at_s=0.0,
        ),
    ]


def _result(scenario: Scenario, run: Run, **changes: Any) -> SimulationResult:
    worst = [
        Worst(
            name=check.name,
            text=check.text,
            margin=check.margin,
            observed=check.observed,
            seed=run.seed,
            failed=0 if check.passed else 1,
        )
        for check in run.checks
    ]
    usual: dict[str, Any] = {
        "schema": SCHEMA_ID,
        "auroral_version": "1.2.3",
        "scenario": scenario,
        "source": "preset 150wps",
        "seeds": [run.seed],
        "failed_seeds": [] if run.passed else [run.seed],
        "interrupted": False,
        "worst": worst,
        "run": run,
    }
    return SimulationResult(**{**usual, **changes})


def _run(**changes: Any) -> Run:
    usual: dict[str, Any] = {
        "seed": 7,
        "digest": "0123456789abcdef" * 4,
        "checks": _checks(),
        "totals": Totals(attempts=1234, most_attempts_in_a_second=60, most_open=1000, least_bucket=300),
        "warmup_longest_s": 0.0,
        "skipped_wait_bound": 1e-9,
        "points": _points(600),
        "moments": [Moment(at_s=100.0, text="100% of the connections cut")],
        "around": [],
    }
    return Run(**{**usual, **changes})


def held() -> SimulationResult:
    """Every assertion held."""
    return _result(_scenario(), _run())


def violated() -> SimulationResult:
    """DSQL refused connections, and a pool did not fill in time."""
    refused, converged, *rest = _checks()
    refused = msgspec.structs.replace(
        refused,
        observed=4321,
        passed=False,
        margin=-4321.0,
        at_s=100.386,
        detail="4,321 by its rate (53400), 0 by its cap (53300)",
    )
    converged = msgspec.structs.replace(
        converged, observed=None, passed=False, margin=-1.5, at_s=280.0, detail="history/3 has 4 of 50 connections"
    )
    around = [Moment(at_s=100.3 + index / 1000, text=f"history/{index} opened") for index in range(5)]
    around.append(Moment(at_s=100.386, text="→ history/4 refused-rate <53400>"))
    refused_then = [max(0, 40 - (t - CUT_AT)) if t >= CUT_AT else 0 for t in range(600)]
    return _result(
        _scenario(),
        _run(
            checks=[refused, converged, *rest],
            around=around,
            warmup_longest_s=12.5,
            points=_points(600, refused=refused_then, bucket_least=[0] * 600),
            totals=Totals(attempts=9999, most_attempts_in_a_second=1574, most_open=4000, refused_rate=4321),
        ),
    )


def many() -> SimulationResult:
    """Forty seeds of a hundred, interrupted; none failed."""
    made = held()
    worst = [msgspec.structs.replace(one, seed=index + 3) for index, one in enumerate(made.worst)]
    return msgspec.structs.replace(made, seeds=list(range(1, 41)), worst=worst, interrupted=True)


def quiet() -> SimulationResult:
    """A short scenario in which nobody waited and an event follows on another."""
    events = (
        Event(at_s=10.0, do="refuse-connects", for_s=20.0),
        Event(at_s=12.0, do="cut", share=0.1),
        Event(at_s=40.0, do="load", factor=1.5, over_s=10.0),
    )
    scenario = _scenario(name="dsql-refuses", duration_s=60.0, events=events, policy=Policy(clock_skew_s=1.0))
    nobody: list[float | None] = [None] * 60
    outage = [3 if 10 <= t < 30 else 0 for t in range(60)]
    points = _points(60, longest_wait_ms=nobody, refused_outage=outage, uncounted=outage)
    return _result(scenario, _run(points=points, moments=[Moment(at_s=float(t), text="m") for t in range(500)]))


def day() -> SimulationResult:
    """A whole day, of which each point is several minutes; the limit on connections is near."""
    events = (Event(at_s=36_000.0, do="deploy", within_s=7200.0), Event(at_s=60_000.0, do="load", factor=1.2))
    scenario = _scenario(
        name="day", begin="stopped", duration_s=86_400.0, events=events, limits=Limits(most_connections=1_200)
    )
    return _result(scenario, _run(points=_points(86_400, 144)))


MAKERS: dict[str, Callable[[], SimulationResult]] = {
    "held": held,
    "violated": violated,
    "many": many,
    "quiet": quiet,
    "day": day,
}
