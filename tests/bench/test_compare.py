"""Comparisons: what can be compared, what is said of it, and by simulation how often that is right."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random

import msgspec
import pytest

from auroral.bench.compare import Comparison, Run, compare
from auroral.bench.result import Verdict
from tests.support.sample_results import MAKERS
from tests.support.simulated_pairs import Server, run_of

LIKE = MAKERS["pass"]()
BRIEF = Server(rate_per_s=50, length_s=60)


def verdicts(comparison: Comparison) -> dict[str, str]:
    return {metric.metric: metric.verdict for metric in comparison.metrics}


def metric_of(comparison: Comparison, name: str) -> object:
    return next(metric for metric in comparison.metrics if metric.metric == name)


def pair(a: Server, b: Server, number: object = 0, runs: int = 1, resamples: int = 500) -> Comparison:
    return compare(
        [run_of(a, (number, "a", run), LIKE) for run in range(runs)],
        [run_of(b, (number, "b", run), LIKE) for run in range(runs)],
        resamples=resamples,
    )


# --- What is said ---


def test_the_same_seed_gives_the_same_comparison_and_another_one_does_not() -> None:
    a, b = [run_of(BRIEF, 1, LIKE)], [run_of(BRIEF, 2, LIKE)]
    once, twice, other = (compare(a, b, seed=seed, resamples=500) for seed in (1, 1, 2))
    assert once == twice
    assert once.metrics != other.metrics


def test_a_large_change_is_worse_one_way_and_better_the_other() -> None:
    fast, slow = BRIEF, replace(BRIEF, median_s=0.3)
    worse = pair(fast, slow)
    assert worse.verdict == "worse"
    assert verdicts(worse)["latency.p50"] == "worse"
    metric = metric_of(worse, "latency.p50")
    assert metric.ratio == pytest.approx(1.5, rel=0.05)  # type: ignore[attr-defined]
    assert metric.ratio_low < 1.5 < metric.ratio_high  # type: ignore[attr-defined]
    assert metric.difference == pytest.approx(100, rel=0.15)  # type: ignore[attr-defined]
    assert pair(slow, fast).verdict == "better"


def test_starts_that_fail_are_found_in_outcomes_and_quantiles() -> None:
    comparison = pair(BRIEF, replace(BRIEF, failing=0.5))
    found = verdicts(comparison)
    assert [found[name] for name in ("completed.ratio", "failed.ratio", "completed.rate", "latency.p99")] == [
        "worse"
    ] * 4
    assert "rejected.ratio" not in found
    p99 = metric_of(comparison, "latency.p99")
    assert p99.candidate is None  # type: ignore[attr-defined]
    assert p99.ratio is None  # type: ignore[attr-defined]
    assert p99.baseline is not None  # type: ignore[attr-defined]
    assert b"Infinity" not in msgspec.json.encode(comparison)


def test_a_quantile_that_neither_side_completes_does_not_differ() -> None:
    failing = replace(BRIEF, failing=0.5)
    assert verdicts(pair(failing, failing))["latency.p99"] == "no difference shown"


def test_too_few_starts_or_seconds_are_not_judged() -> None:
    few = pair(replace(BRIEF, rate_per_s=10), replace(BRIEF, rate_per_s=10))
    assert few.verdict == "inconclusive"
    assert verdicts(few)["latency.p99"] == "not comparable"
    assert verdicts(few)["latency.p95"] == "no difference shown"
    assert any("too few starts: 600 on a side, 2,000 are needed" in reason for reason in few.reasons)
    short = pair(replace(BRIEF, length_s=20), replace(BRIEF, length_s=20))
    assert set(verdicts(short).values()) == {"not comparable"}


def test_without_latencies_counts_alone_are_judged() -> None:
    bare = run_of(BRIEF, 3, LIKE)
    seconds = msgspec.structs.replace(bare.seconds, latencies=None)
    bare = Run(where="bare", result=LIKE, source="counts", seconds=seconds)
    comparison = compare([run_of(BRIEF, 4, LIKE)], [bare], resamples=500)
    found = verdicts(comparison)
    assert (found["latency.p50"], found["completed.rate"]) == ("not comparable", "no difference shown")
    assert comparison.verdict == "inconclusive"


def test_a_run_in_doubt_leaves_nothing_certain() -> None:
    doubted = msgspec.structs.replace(LIKE, verdict=Verdict(status="inconclusive", reasons=["worker-1 was lost"]))
    slow = replace(BRIEF, median_s=0.4)
    comparison = compare([run_of(BRIEF, 1, LIKE)], [run_of(slow, 2, doubted)], resamples=500)
    assert comparison.verdict == "inconclusive"
    assert "worker-1 was lost" in comparison.reasons[0]
    assert verdicts(comparison)["latency.p50"] == "worse"


def test_other_rates_leave_the_completed_rate_unjudged() -> None:
    other = MAKERS["inconclusive"]()
    comparison = compare(
        [run_of(BRIEF, 1, LIKE)], [run_of(BRIEF, 2, other)], resamples=500, overruled=["target rate: 100/s, 50/s"]
    )
    assert verdicts(comparison)["completed.rate"] == "not comparable"
    assert comparison.overruled == ["target rate: 100/s, 50/s"]


def test_what_differs_on_purpose_is_said() -> None:
    environment = msgspec.structs.replace(LIKE.environment, server_version="1.32.2")
    newer = msgspec.structs.replace(LIKE, environment=environment)
    comparison = compare([run_of(BRIEF, 1, LIKE)], [run_of(BRIEF, 2, newer)], resamples=500)
    assert "The server's version differs: 1.29.1, 1.32.2." in comparison.notes
    assert any("one run cannot show" in note for note in comparison.notes)


# --- How often it is right ---
# Binomial margins: were the true share just what is promised, one series in a thousand would miss these counts.

EQUAL = (
    Server(rate_per_s=50),
    Server(rate_per_s=50, memory=0.9, failing=0.02),
    Server(rate_per_s=50, pauses_per_s=1 / 15, pause_s=0.08),
)
"""Autocorrelated from second to second, with pauses that one P99 lies in and another does not."""
SHIFTED = Server(pauses_per_s=1 / 15, pause_s=0.08)
"""100/s for five minutes."""


def at_least(share: float, trials: int, risk: float = 0.001) -> int:
    """The fewest successes that a true share of this size gives in all but `risk` of series."""
    below, successes = 0.0, -1
    while below <= risk:
        successes += 1
        below += math.comb(trials, successes) * share**successes * (1 - share) ** (trials - successes)
    return successes


def quiet(server: Server, pairs: int, runs: int = 1) -> int:
    found = [pair(server, server, (server, number), runs).verdict for number in range(pairs)]
    return found.count("no difference shown")


def alarmed(a: Server, b: Server, pairs: int, runs: int = 1) -> int:
    found = [verdicts(pair(a, b, (a, number), runs))["latency.p99"] for number in range(pairs)]
    return found.count("worse")


def test_the_margin_is_the_binomial_one() -> None:
    rng = Random(1)
    series = [sum(rng.random() < 0.95 for _ in range(100)) for _ in range(1000)]
    assert sum(count < at_least(0.95, 100) for count in series) <= 6


def test_equal_runs_raise_no_alarm() -> None:
    assert quiet(EQUAL[2], 8) >= at_least(0.95, 8)


def test_a_tenth_more_at_p99_is_found() -> None:
    assert alarmed(SHIFTED, replace(SHIFTED, tail=1.1), 5) >= at_least(0.9, 5)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("number", range(len(EQUAL)))
def test_equal_runs_raise_no_alarm_in_95_of_100_pairs(number: int) -> None:
    assert quiet(EQUAL[number], 300) >= at_least(0.95, 300)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_equal_sides_of_runs_that_differ_raise_no_alarm_in_95_of_100_pairs() -> None:
    server = Server(rate_per_s=50, length_s=100, between=0.05)
    assert quiet(server, 200, runs=3) >= at_least(0.95, 200)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_tenth_more_at_p99_is_found_in_90_of_100_pairs() -> None:
    assert alarmed(SHIFTED, replace(SHIFTED, tail=1.1), 200) >= at_least(0.9, 200)
