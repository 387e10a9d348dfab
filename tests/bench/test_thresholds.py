"""Threshold expressions: what is read, what is refused and with which words, what holds."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.bench.result import Quantiles, Times, Window
from auroral.bench.samples import Outcome
from auroral.bench.thresholds import (
    DID_NOT_COMPLETE,
    METRICS,
    NO_DATA,
    Facts,
    Kind,
    evaluate,
    from_named,
    parse,
    with_defaults,
)

DOCUMENT = Path(__file__).parents[2] / "docs" / "thresholds.md"


def quantiles(p99_ms: float | None = 100.0, *, count: int = 100, censored: int = 0) -> Quantiles:
    return Quantiles(
        count=count,
        censored=censored,
        min_ms=1.0,
        mean_ms=20.0,
        p50_ms=10.0,
        p90_ms=50.0,
        p95_ms=80.0,
        p99_ms=p99_ms,
        p999_ms=p99_ms,
        max_ms=None if censored else p99_ms,
    )


def window(latency: Quantiles | None = None, **rates: float | None) -> Window:
    defaults: dict[str, float | None] = {"offered_per_s": 100.0, "started_per_s": 99.0, "completed_per_s": 98.0}
    return Window(
        name="steady",
        kind="steady",
        start_s=10.0,
        end_s=60.0,
        target_per_s=100.0,
        latency=latency or quantiles(),
        **{**defaults, **rates},  # type: ignore[arg-type]
    )


def facts(
    *,
    latency: Quantiles | None = None,
    steady: Window | None = None,
    no_steady: bool = False,
    outcomes: dict[str, int] | None = None,
    scheduled: int | None = None,
) -> Facts:
    counted = outcomes if outcomes is not None else {"completed": 998, "rejected": 1, "generator_limited": 1}
    return Facts(
        times=Times(
            latency=quantiles(5000.0),
            latency_completed=quantiles(90.0),
            service_time=quantiles(80.0),
            start_latency=quantiles(8.0),
            lag=quantiles(2.0),
            server_time=quantiles(70.0),
        ),
        judged=[] if no_steady else [steady or window(latency)],
        outcomes=counted,
        scheduled=sum(counted.values()) if scheduled is None else scheduled,
    )


@pytest.mark.parametrize(
    ("expression", "observed", "passed"),
    [
        # The steady window's latency, not the whole run's (5 s in these facts).
        ("latency.p99<500ms", "100 ms", True),
        ("latency.p99 <= 100ms", "100 ms", True),
        ("latency.p99<100ms", "100 ms", False),
        ("latency.p99<0.1s", "100 ms", False),
        ("latency.p99.9<=1s", "100 ms", True),
        # The other times are of the whole run.
        ("latency_completed.p999<1s", "90 ms", True),
        ("latency_completed.mean<=20ms", "20 ms", True),
        ("start_latency.p95<=50ms", "80 ms", False),
        ("service_time.p50<1s", "10 ms", True),
        ("server_time.max<2s", "70 ms", True),
        ("lag.p99<10ms", "2 ms", True),
        ("lag.p99>1m", "2 ms", False),
        ("lag.min==1ms", "1 ms", True),
        ("lag.min!=1ms", "1 ms", False),
        # Rates of the steady window.
        ("completed.rate>=95/s", "98/s", True),
        ("completed.rate>=5940/min", "98/s", False),
        ("started.rate>99", "99/s", False),
        ("offered.rate==100", "100/s", True),
        # Counts and ratios of all that was scheduled.
        ("completed.ratio>=99.8%", "99.8 %", True),
        ("completed.ratio>=0.999", "99.8 %", False),
        ("failures.count==1", "1", True),
        ("failures.ratio<=0.1%", "0.1 %", True),
        ("failures.ratio<=0", "0.1 %", False),
        ("rejected.count<1", "1", False),
        ("timed_out.count==0", "0", True),
        ("generator_limited.ratio<=0.1%", "0.1 %", True),
    ],
)
def test_an_expression_holds_or_does_not(expression: str, observed: str, passed: bool) -> None:
    result = evaluate(parse(expression), facts())
    assert (result.expression, result.observed, result.passed) == (expression, observed, passed)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("", "latency.p99<500ms"),
        ("latency.p99", "latency.p99<500ms"),
        ("latency.p99<", "latency.p99<500ms"),
        ("latency.p99=500ms", "one of < <= > >= == !="),
        ("latency.p99<500ms<1s", "latency.p99<500ms"),
        ("latency.p98<500ms", "did you mean latency.p99"),
        ("latncy.p99<500ms", "did you mean latency.p99?"),
        ("timedout.count==0", "did you mean timed_out.count?"),
        ("weather<3", "a metric such as latency.p99"),
        ("latency.mean<500ms", "latency_completed.mean"),
        ("latency.p99<500", "a time with its unit, such as 500ms or 2s, as the limit of latency.p99, not '500'"),
        ("latency.p99<-5ms", "a time with its unit"),
        ("latency.p99<95/s", "a time with its unit"),
        ("completed.rate>=95ms", "a rate, such as 95/s"),
        ("completed.rate>=95%", "a rate, such as 95/s"),
        ("completed.ratio>=99.9", "a ratio from 0 to 1 or a percentage"),
        ("completed.ratio>=101%", "a ratio from 0 to 1 or a percentage"),
        ("failures.count==0.5", "a whole number"),
        ("failures.count==-1", "a whole number"),
        pytest.param(f"failures.count<{'9' * 400}", "a whole number", id="beyond any float"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_was_expected(expression: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        parse(expression)


@pytest.mark.parametrize(("op", "passed"), [("<", False), ("<=", False), ("==", False), (">", True), (">=", True)])
def test_a_quantile_among_what_did_not_complete_is_later_than_any_limit(op: str, passed: bool) -> None:
    result = evaluate(parse(f"latency.p99{op}1h"), facts(latency=quantiles(None, censored=10)))
    assert result.observed == DID_NOT_COMPLETE
    assert result.passed is passed


@pytest.mark.parametrize(
    ("expression", "given_facts"),
    [
        ("latency.p99<1s", facts(latency=Quantiles(count=0))),
        ("latency.p99>1s", facts(no_steady=True)),
        ("completed.rate>=0/s", facts(no_steady=True)),
        ("state_transitions.rate>=0", facts()),
        ("failures.ratio<=0%", facts(outcomes={}, scheduled=0)),
    ],
)
def test_without_data_nothing_holds(expression: str, given_facts: Facts) -> None:
    result = evaluate(parse(expression), given_facts)
    assert (result.observed, result.passed) == (NO_DATA, False)


def test_state_transitions_are_held_against_the_window_when_they_are_known() -> None:
    known = facts(steady=window(state_transitions_per_s=1200.0))
    assert evaluate(parse("state_transitions.rate>1000"), known).passed


def test_999_of_1000_is_99_9_percent() -> None:
    # 99.9 / 100 is 0.9990000000000001 in binary.
    given_facts = facts(outcomes={"completed": 999, "failed": 1})
    assert evaluate(parse("completed.ratio>=99.9%"), given_facts).passed
    assert not evaluate(parse("completed.ratio>99.9%"), given_facts).passed


@given(st.integers(1, 10_000_000), st.data())
def test_a_ratio_at_its_limit_is_met_and_one_more_is_not(total: int, data: st.DataObject) -> None:
    failed = data.draw(st.integers(0, total - 1))
    outcomes = {"completed": total - failed, "failed": failed}
    assert evaluate(parse(f"failures.count<={failed}"), facts(outcomes=outcomes)).passed
    assert not evaluate(parse(f"failures.count<{failed}"), facts(outcomes=outcomes)).passed
    limit = f"{failed / total:.15f}"
    assert evaluate(parse(f"failures.ratio<={limit}"), facts(outcomes=outcomes)).passed
    outcomes = {"completed": total - failed - 1, "failed": failed + 1}
    assert not evaluate(parse(f"failures.ratio<={limit}"), facts(outcomes=outcomes)).passed


@given(st.floats(0.001, 1e6), st.floats(0.001, 1e6))
def test_less_and_not_less_are_each_other_s_opposite(measured_ms: float, limit_ms: float) -> None:
    given_facts = facts(latency=quantiles(measured_ms))
    below = evaluate(parse(f"latency.p99<{limit_ms:.9f}ms"), given_facts)
    at_least = evaluate(parse(f"latency.p99>={limit_ms:.9f}ms"), given_facts)
    assert below.passed is not at_least.passed


@given(st.text(max_size=40))
def test_any_text_is_either_read_or_refused_as_a_wrong_value(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse(text).metric in METRICS


def test_the_named_thresholds_are_expressions() -> None:
    assert from_named(None, None) == []
    latency, throughput = from_named(0.5, 95.0)
    assert (latency.expression, throughput.expression) == ("latency.p99<=500ms", "completed.rate>=95/s")
    assert from_named(1e-5, 1e7)[0].limit == pytest.approx(1e-5)


def test_nothing_may_fail_unless_it_is_said_how_much_may() -> None:
    assert [each.expression for each in with_defaults([])] == ["failures.ratio<=0%"]
    some = [parse("latency.p99<1s")]
    assert with_defaults(some) == [*some, parse("failures.ratio<=0%")]
    own = [parse("failures.count<=3")]
    assert with_defaults(own) == own


def test_each_failure_of_the_server_counts_and_the_generator_s_does_not() -> None:
    for outcome in Outcome:
        result = evaluate(parse("failures.count==0"), facts(outcomes={outcome.value: 1}))
        assert result.passed is (outcome in (Outcome.COMPLETED, Outcome.GENERATOR_LIMITED)), outcome


def test_the_document_names_every_metric_and_no_other() -> None:
    named = set(re.findall(r"`([a-z_]+\.(?:rate|count|ratio|mean|min|max|p\d+))`", DOCUMENT.read_text("utf-8")))
    assert named == set(METRICS)


def test_every_example_in_the_document_can_be_read() -> None:
    examples = re.findall(r"`([a-z_]+\.[a-z0-9.]+ ?[<>=!]=? ?[^`]+)`", DOCUMENT.read_text("utf-8"))
    assert len(examples) > 8
    assert {METRICS[parse(example).metric] for example in examples} == set(Kind)


def stage(name: str, target_per_s: float, p99_ms: float | None, completed_per_s: float, censored: int = 0) -> Window:
    latency = Quantiles(count=100, censored=censored, p99_ms=p99_ms)
    return Window(
        name=name,
        kind="stage",
        start_s=0.0,
        end_s=10.0,
        target_per_s=target_per_s,
        offered_per_s=target_per_s,
        started_per_s=target_per_s,
        completed_per_s=completed_per_s,
        latency=latency,
    )


STAGES = [stage("stage 1", 120.0, 6_140.0, 88.0), stage("stage 2", 1.0, 29.5, 1.0)]


@pytest.mark.parametrize(
    ("expression", "stages", "observed", "passed"),
    [
        # The worst stage counts, whichever comes last.
        ("latency.p99<=500ms", STAGES, "6.14 s in stage 1", False),
        ("latency.p99<=500ms", STAGES[::-1], "6.14 s in stage 1", False),
        ("latency.p99<=500ms", STAGES[1:], "29.5 ms", True),
        # Nothing is worse than what did not complete.
        ("latency.p99<=10s", [*STAGES, stage("stage 3", 1.0, None, 1.0, censored=5)], "did not complete", False),
        # Rates are those of the stage that asks for most.
        ("completed.rate>=100/s", STAGES, "88/s in stage 1", False),
        ("completed.rate>=80/s", STAGES[::-1], "88/s in stage 1", True),
    ],
)
def test_with_stages_the_worst_latency_and_the_highest_target_count(
    expression: str, stages: list[Window], observed: str, passed: bool
) -> None:
    known = Facts(times=facts().times, judged=stages, outcomes={"completed": 1}, scheduled=1)
    result = evaluate(parse(expression), known)
    assert (result.observed, result.passed) == (observed, passed)
