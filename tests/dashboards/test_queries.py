"""Queries say what they are to say, and Prometheus answers them so."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from auroral.dashboards import metrics
from auroral.dashboards.queries import (
    EVERYTHING,
    count_of,
    counted,
    max_of,
    mean,
    min_of,
    names_in,
    quantile,
    rate_of,
    ratio,
    series,
    sum_of,
    top,
)
from tests.dashboards.asked import answers


def test_that_a_scope_applies_where_the_metric_has_the_label() -> None:
    assert series(metrics.UP) == 'up{cluster=~"$cluster",service=~"$service"}'
    assert series(metrics.WORKFLOW_SUCCESS, scope=EVERYTHING) == "workflow_success{}"
    assert 'namespace=~"$namespace"' in series(metrics.WORKFLOW_SUCCESS)
    assert series(metrics.ALERTS) == "ALERTS{}", "alerts are not scraped, and have no target's labels"


def test_that_what_is_asked_for_goes_before_the_scope() -> None:
    assert series(metrics.UP, {"service": "history"}) == 'up{cluster=~"$cluster",service="history"}'


@pytest.mark.parametrize(
    ("match", "written"),
    [
        ("a", 'outcome="a"'),
        ("=a", 'outcome="a"'),
        ("!=a", 'outcome!="a"'),
        ("=~a|b", 'outcome=~"a|b"'),
        ("!~a.*", 'outcome!~"a.*"'),
        ("", 'outcome=""'),
        ('a"b\\c', 'outcome="a\\"b\\\\c"'),
    ],
)
def test_that_a_match_may_have_an_operator(match: str, written: str) -> None:
    assert series(metrics.CONNECTS, {"outcome": match}, scope=EVERYTHING) == f"dsql_connects{{{written}}}"


def test_that_counters_are_rated_series_by_series_before_they_are_summed() -> None:
    assert rate_of(metrics.CONNECTS, ("service",), scope=EVERYTHING, over="5m") == (
        "sum by (service) (rate(dsql_connects{}[5m]))"
    )
    assert rate_of(metrics.SERVICE_LATENCY, scope=EVERYTHING, over="5m") == "sum(rate(service_latency_count{}[5m]))"


def test_that_a_quantile_keeps_the_bounds_of_the_buckets() -> None:
    assert quantile(0.99, metrics.SERVICE_LATENCY, ("operation",), scope=EVERYTHING, over="5m") == (
        "histogram_quantile(0.99, sum by (operation, le) (rate(service_latency_bucket{}[5m])))"
    )


@pytest.mark.parametrize(
    "ask",
    [
        lambda: series(metrics.UP, {"outcome": "opened"}),
        lambda: rate_of(metrics.CONNECTS, ("operation",)),
        lambda: counted(metrics.CONNECTS, ("operation",)),
        lambda: sum_of(metrics.POOL_OPEN, ("reason",)),
        lambda: quantile(0.5, metrics.SERVICE_LATENCY, ("error_type",)),
        lambda: mean(metrics.SERVICE_LATENCY, (), {"error_type": "x"}),
    ],
)
def test_that_a_label_that_the_metric_has_not_is_refused(ask: Callable[[], str]) -> None:
    with pytest.raises(ValueError, match="has no label"):
        ask()


@pytest.mark.parametrize(
    "ask",
    [
        lambda: rate_of(metrics.POOL_OPEN),
        lambda: counted(metrics.POOL_OPEN),
        lambda: counted(metrics.SERVICE_LATENCY),
        lambda: sum_of(metrics.CONNECTS),
        lambda: max_of(metrics.CONNECTS),
        lambda: min_of(metrics.SERVICE_LATENCY),
        lambda: count_of(metrics.SERVICE_LATENCY),
        lambda: quantile(0.5, metrics.CONNECTS),
        lambda: quantile(99, metrics.SERVICE_LATENCY),
        lambda: mean(metrics.CONNECTS),
    ],
)
def test_that_a_question_that_fits_not_the_kind_is_refused(ask: Callable[[], str]) -> None:
    with pytest.raises(ValueError, match=r"gauge|counter|histogram"):
        ask()


@pytest.mark.parametrize(("values", "counts"), [("7x39 stale _ 7x60", 0), ("7x39 _x64 7x20", 7), ("_x104 7x20", 7)])
def test_that_what_was_not_scraped_for_a_while_is_not_new(tmp_path: Path, values: str, counts: int) -> None:
    """A failed scrape ends a series, and the next begins it anew; after longer nothing tells them apart."""
    query = counted(metrics.TOKENS, ("outcome",), scope=EVERYTHING, over="5m")
    tokens = 'dsql_tokens{cluster="c",service="history",instance="a:1",outcome="failed"}'
    at_s = 900 if counts == 0 else 15 * 106
    given = {tokens: values}
    answers(tmp_path, query, given, {'{outcome="failed"}': counts}, at_s=at_s)


def test_that_a_querys_metrics_are_found() -> None:
    query = ratio(mean(metrics.SERVICE_LATENCY, ("operation",)), top(3, counted(metrics.CONNECTS)))
    assert names_in(query) == {"service_latency", "dsql_connects"}
    assert names_in("sum(acquire_shards_count{}) + by{}") == {"acquire_shards_count", "by"}


STEP_S = 15


def promtool_evaluates(folder: Path, query: str, values: dict[str, str], at_s: int, expected: float) -> None:
    """Have Prometheus' own tool answer a query over series of a value each 15 seconds."""
    given = "".join(f"      - series: '{name}'\n        values: '{each}'\n" for name, each in values.items())
    test = folder / "test.yaml"
    test.write_text(
        f"evaluation_interval: {STEP_S}s\ntests:\n  - interval: {STEP_S}s\n    input_series:\n{given}"
        f"    promql_expr_test:\n      - expr: '{query}'\n        eval_time: {at_s}s\n"
        f"        exp_samples:\n          - labels: '{{}}'\n            value: {expected:g}\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        ["promtool", "test", "rules", str(test)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def one(instance: str) -> str:
    return f'dsql_limiter_failures{{instance="{instance}"}}'


@pytest.mark.parametrize(
    ("case", "values", "expected"),
    [
        ("the first count of all", {one("a"): "_x30 1x10"}, 1),
        ("the first counts of a task that was there before", {one("a"): "_x30 3x10", one("b"): "5x41"}, 3),
        ("nothing new", {one("a"): "7x41"}, 0),
        ("a count that rises", {one("a"): "0x20 1+1x20"}, 20),
        ("a task that was started again", {one("a"): "100x30 0 1 2 3 4 4x5"}, 4),
    ],
)
def test_that_what_is_rare_is_counted_from_its_first_time(
    tmp_path: Path, case: str, values: dict[str, str], expected: float
) -> None:
    query = counted(metrics.LIMITER_FAILURES, scope=EVERYTHING, over="5m")
    promtool_evaluates(tmp_path, f"round({query})", values, 40 * STEP_S, expected)


def test_that_a_rate_alone_misses_the_first_time(tmp_path: Path) -> None:
    """Why `counted` is as it is."""
    query = rate_of(metrics.LIMITER_FAILURES, scope=EVERYTHING, over="5m")
    promtool_evaluates(tmp_path, query, {one("a"): "_x30 1x10"}, 40 * STEP_S, 0)
