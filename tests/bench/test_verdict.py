"""The verdict: never a pass where anything failed or is in doubt."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.bench.result import ProcessUsage, Quantiles, Reconciliation, ThresholdResult, Times
from auroral.bench.samples import Outcome
from auroral.bench.thresholds import DID_NOT_COMPLETE, NO_DATA
from auroral.bench.verdict import VerdictFacts, judge

HELD = ThresholdResult(expression="latency.p99<500ms", observed="182 ms", passed=True)
MISSED = ThresholdResult(expression="latency.p99<500ms", observed="4.9 s", passed=False)
CENSORED = ThresholdResult(expression="latency.p99<500ms", observed=DID_NOT_COMPLETE, passed=False)
UNKNOWN = ThresholdResult(expression="latency.p99<500ms", observed=NO_DATA, passed=False)
LOST = ProcessUsage(name="worker-0", cpu_s=3.0, max_rss_bytes=1, lost=True, detail="ended with status -9")


def reconciliation(status: str = "agreed", detail: str = "") -> Reconciliation:
    return Reconciliation(status=status, settled_after_s=1.0, ours={}, server={}, detail=detail)  # type: ignore[arg-type]


def times(out_of_range: int = 0) -> Times:
    plain = Quantiles(count=100)
    return Times(
        latency=Quantiles(count=100, out_of_range=out_of_range),
        latency_completed=plain,
        service_time=plain,
        start_latency=plain,
        lag=plain,
        server_time=plain,
    )


def facts(**changes: Any) -> VerdictFacts:
    sound = VerdictFacts(
        scheduled=100, outcomes={"completed": 100}, thresholds=[HELD], reconciliation=reconciliation(), times=times()
    )
    return msgspec.structs.replace(sound, **changes)


@pytest.mark.parametrize(
    ("sentence", "changes", "status", "said"),
    [
        ("everything held", {}, "pass", "1 threshold held"),
        ("a threshold was missed", {"thresholds": [HELD, MISSED]}, "fail", "latency.p99<500ms was not met: 4.9 s"),
        ("a quantile did not complete", {"thresholds": [CENSORED]}, "fail", "not met: did not complete"),
        (
            "the generator dropped starts",
            {"outcomes": {"completed": 97, "generator_limited": 3}},
            "inconclusive",
            "3 starts (3 %) were never sent because the generator was the limit",
        ),
        ("a process was lost", {"lost": [LOST]}, "inconclusive", "worker-0 was lost: ended with status -9"),
        (
            "counts disagree",
            {"reconciliation": reconciliation("disagreed", "completed: 100 counted here, 99 by the server")},
            "inconclusive",
            "completed: 100 counted here, 99 by the server",
        ),
        ("nothing was scheduled", {"scheduled": 0, "outcomes": {}}, "inconclusive", "nothing was scheduled"),
        (
            "outcomes do not sum up",
            {"outcomes": {"completed": 99}},
            "inconclusive",
            "100 starts were scheduled, but 99",
        ),
        ("values out of range", {"times": times(7)}, "inconclusive", "7 of 100 values of latency are beyond"),
        (
            "a pass without the server's counts is unconfirmed",
            {"reconciliation": reconciliation("unavailable", "UNAVAILABLE: gone")},
            "inconclusive",
            "UNAVAILABLE: gone",
        ),
        (
            "a fail without the server's counts is a fail",
            {"thresholds": [MISSED], "reconciliation": reconciliation("unavailable", "gone")},
            "fail",
            "was not met",
        ),
        ("an interrupted run never passes", {"interrupted": True}, "inconclusive", "the run was interrupted"),
        ("an interrupted run can fail", {"interrupted": True, "thresholds": [MISSED]}, "fail", "was not met"),
        (
            "an interruption before the steady window",
            {"interrupted": True, "thresholds": [MISSED], "steady_s": 0.2},
            "inconclusive",
            "interrupted 200 ms into its steady window",
        ),
        (
            "what an interruption left open is not the server's failure",
            {"interrupted": True, "thresholds": [CENSORED], "outcomes": {"completed": 60, "unfinished": 40}},
            "inconclusive",
            "40 starts still open",
        ),
        (
            "an interruption does not excuse other failures",
            {
                "interrupted": True,
                "thresholds": [CENSORED],
                "outcomes": {"completed": 50, "unfinished": 40, "rejected": 10},
            },
            "fail",
            "was not met",
        ),
        ("a threshold without data", {"thresholds": [HELD, UNKNOWN]}, "inconclusive", "could not be judged: no data"),
        ("a threshold without data beside a missed one", {"thresholds": [UNKNOWN, MISSED]}, "fail", "was not met"),
    ],
)
def test_judge(sentence: str, changes: dict[str, Any], status: str, said: str) -> None:
    verdict = judge(facts(**changes))
    assert verdict.status == status, sentence
    assert any(said in reason for reason in verdict.reasons), verdict.reasons


def test_a_doubt_outweighs_a_missed_threshold_and_both_are_said() -> None:
    verdict = judge(facts(lost=[LOST], thresholds=[MISSED]))
    assert verdict.status == "inconclusive"
    assert verdict.reasons[0].startswith("worker-0 was lost")
    assert any("was not met: 4.9 s" in reason for reason in verdict.reasons)


thresholds = st.lists(st.sampled_from([HELD, MISSED, CENSORED, UNKNOWN]), max_size=4)
any_facts = st.builds(
    VerdictFacts,
    scheduled=st.integers(0, 5),
    outcomes=st.dictionaries(st.sampled_from([outcome.value for outcome in Outcome]), st.integers(0, 5)),
    thresholds=thresholds,
    reconciliation=st.sampled_from(["agreed", "disagreed", "unavailable"]).map(reconciliation),
    lost=st.sampled_from([[], [LOST]]),
    interrupted=st.booleans(),
    times=st.sampled_from([None, times(), times(1)]),
    steady_s=st.none() | st.floats(0, 100),
)


@given(any_facts)
def test_a_pass_means_that_nothing_failed_and_nothing_is_in_doubt(given_facts: VerdictFacts) -> None:
    verdict = judge(given_facts)
    assert verdict.reasons
    if verdict.status == "pass":
        assert given_facts.scheduled == sum(given_facts.outcomes.values()) > 0
        assert not given_facts.outcomes.get("generator_limited")
        assert all(threshold.passed for threshold in given_facts.thresholds)
        assert given_facts.reconciliation.status == "agreed"
        assert not given_facts.lost
        assert not given_facts.interrupted
        assert given_facts.times is None or not given_facts.times.latency.out_of_range


@given(any_facts)
def test_a_fail_always_rests_on_a_measured_threshold(given_facts: VerdictFacts) -> None:
    if judge(given_facts).status == "fail":
        assert any(not each.passed and each.observed != NO_DATA for each in given_facts.thresholds)


@given(any_facts)
def test_our_own_doubt_is_never_a_fail(given_facts: VerdictFacts) -> None:
    if given_facts.lost or given_facts.reconciliation.status == "disagreed":
        assert judge(given_facts).status == "inconclusive"
