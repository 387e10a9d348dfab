"""Whether a query has data and why not, as a real Prometheus answers that holds series of the last minutes."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from auroral.dashboards.ask import asker, plain
from auroral.dashboards.check import Checked, Finding, Judge, QueryError, checked
from auroral.dashboards.metrics import (
    BENCHMARK_INFO,
    CONFLICTS,
    REPLAYS,
    SDK_POLLERS,
    WORKFLOW_SUCCESS,
    Kind,
    Metric,
    Source,
)
from auroral.dashboards.questions import Asked, Question
from auroral.errors import ExitCode
from tests.support.past import past
from tests.support.prometheus import prometheus

KNOWN = {
    **{metric.name: metric for metric in (BENCHMARK_INFO, CONFLICTS, REPLAYS, SDK_POLLERS, WORKFLOW_SUCCESS)},
    "told:count": Metric("told:count", Kind.GAUGE, "things", (), Source.RULES, "somebody who tells it"),
}
LOADED = Question("r.yaml", "loaded:sum", Asked.RECORD, "sum(dsql_pool_open)")
RECORDS = (
    LOADED,
    Question("r.yaml", "later:sum", Asked.RECORD, f"sum({REPLAYS.name})"),
    Question("r.yaml", "never:sum", Asked.RECORD, "sum(nothing)"),
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with prometheus(tmp_path_factory.mktemp("past"), past=past(time.time())) as running:
        yield running.url


@pytest.fixture
def judge(url: str) -> Judge:
    return Judge(asker(plain(url), now_s=time.time(), since_s=600), RECORDS, KNOWN)


@pytest.mark.parametrize(
    ("by", "expr", "finding", "why"),
    [
        (Asked.PANEL, "sum by (service) (dsql_pool_open)", Finding.DATA, ""),
        (Asked.PANEL, "vector(1)", Finding.DATA, ""),
        (Asked.PANEL, 'nothing or sum(up{service="history"})', Finding.DATA, ""),
        (Asked.ALERT, "up == 0", Finding.SILENT, ""),
        (Asked.PANEL, "up == 0", Finding.EMPTY, "together"),
        (Asked.PANEL, "dsql_pool_open / on (service) group_left () up{service='matching'}", Finding.EMPTY, "together"),
        (Asked.PANEL, "0 * up / 0", Finding.EMPTY, "together"),
        (Asked.RECORD, "rate(nothing[1m])", Finding.MISSING, "there is no metric nothing"),
        (Asked.ALERT, "nothing > 0", Finding.MISSING, "there is no metric nothing"),
        (Asked.PANEL, 'up{task="a"}', Finding.MISSING, "up has no label task"),
        (Asked.PANEL, "sum(up) by (", Finding.REFUSED, "parse error"),
        (Asked.ALERT, "rate(up) > 0", Finding.REFUSED, "expected type range vector"),
        (Asked.PANEL, "up * on (job) dsql_pool_open", Finding.REFUSED, "many-to-many"),
        (Asked.PANEL, f"rate({CONFLICTS.name}[1m])", Finding.AWAITED, f"{CONFLICTS.name} comes with a conflict"),
        (Asked.PANEL, f"{CONFLICTS.name}_count", Finding.AWAITED, "comes with a conflict"),
        (Asked.PANEL, "sum(auroral_benchmark_info)", Finding.AWAITED, "comes with a run of the benchmark"),
        (Asked.PANEL, "sum(temporal_num_pollers)", Finding.AWAITED, "comes with workers of the benchmark"),
        (Asked.PANEL, f"{WORKFLOW_SUCCESS.name}", Finding.MISSING, "there is no metric"),
        (Asked.PANEL, f"{CONFLICTS.name} / nothing", Finding.MISSING, "there is no metric nothing"),
        (Asked.ALERT, 'up{cluster=~".*",service="worker"} == 0', Finding.AWAITED, 'up has had no {service="worker"}'),
        (Asked.ALERT, "told:count > 1", Finding.AWAITED, "somebody who tells it"),
        (Asked.ALERT, "loaded:sum > 1", Finding.MISSING, "the rules of r.yaml are not loaded"),
        (Asked.ALERT, "later:sum > 1", Finding.AWAITED, f"{REPLAYS.name} comes with"),
        (Asked.ALERT, "never:sum > 1", Finding.MISSING, "there is no metric nothing"),
    ],
)
def test_a_question(judge: Judge, by: Asked, expr: str, finding: Finding, why: str) -> None:
    found = judge.judge(Question("x", "y", by, expr))
    assert (found.finding, found.by, found.expr) == (finding, by, expr)
    assert why in found.why
    assert bool(found.why) == (finding not in (Finding.DATA, Finding.SILENT))


def test_what_was_asked_is_not_asked_again(url: str) -> None:
    asked = []
    ask = asker(plain(url), now_s=time.time(), since_s=600)

    def noted(query: str) -> int:
        asked.append(query)
        return ask(query)

    judge = Judge(noted, (), KNOWN)
    for expr in ("nothing > 1", "nothing > 2", "up", "up"):
        judge.judge(Question("x", "y", Asked.PANEL, expr))
    assert asked == ["nothing > 1", "count(nothing)", "nothing > 2", "up"]


def test_a_series_that_has_ended_has_data(url: str) -> None:
    """It is asked for a stretch of time, as a panel shows one: what ended before now counts."""
    ended = Question("x", "y", Asked.PANEL, "ended")
    now_s = time.time()
    assert Judge(asker(plain(url), now_s=now_s, since_s=900), ()).judge(ended).finding is Finding.DATA
    assert Judge(asker(plain(url), now_s=now_s, since_s=60), ()).judge(ended).finding is Finding.MISSING


def test_the_exit_code() -> None:
    def of(*findings: Finding) -> Checked:
        def ask(query: str) -> int:
            if query == "refused":
                raise QueryError("no")
            return query == "data"

        judge = Judge(ask, (), KNOWN)
        exprs = {Finding.DATA: "data", Finding.SILENT: "0 > 1", Finding.AWAITED: CONFLICTS.name,
                 Finding.EMPTY: "0 > 1", Finding.MISSING: "no", Finding.REFUSED: "refused"}  # fmt: skip
        by = {Finding.SILENT: Asked.ALERT}
        found = [judge.judge(Question("x", "y", by.get(one, Asked.PANEL), exprs[one])) for one in findings]
        assert [one.finding for one in found] == list(findings)
        return checked(found, ())

    assert of(Finding.DATA, Finding.SILENT, Finding.AWAITED).exit_code is ExitCode.OK
    for one in (Finding.EMPTY, Finding.MISSING, Finding.REFUSED):
        assert of(Finding.DATA, one).exit_code is ExitCode.FAILED
    assert of(Finding.DATA, Finding.MISSING, Finding.MISSING).counts[Finding.MISSING] == 2
