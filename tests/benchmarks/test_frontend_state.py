"""The queue and the servers of the small frontend, in made-up time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.frontend_state import COMPLETED, RUNNING, TERMINATED, Execution, Executions, Query


def execution(number: int, started_s: float, run: str = "run") -> Execution:
    workflow_id = f"{run}-0-{number}"
    return Execution(workflow_id, str(number), workflow_id, "type", "queue", started_s)


@given(
    gaps_ms=st.lists(st.integers(0, 100), min_size=1, max_size=60),
    service_ms=st.integers(1, 200),
    servers=st.integers(1, 5),
    look_ms=st.integers(1, 500),
)
def test_each_is_served_in_order_by_the_first_free_server(
    gaps_ms: list[int], service_ms: int, servers: int, look_ms: int
) -> None:
    """However seldom it is looked at, an execution closes when a queue with that many servers would close it."""
    executions = Executions(service_time_s=service_ms / 1000, servers=servers, retain=1_000)
    started, free_s, expected, now_s = [], [0.0] * servers, [], 0.0
    for number, gap_ms in enumerate(gaps_ms):
        now_s += gap_ms / 1000
        executions.advance(now_s)
        started.append(execution(number, now_s))
        executions.start(started[-1])
        free_s.sort()
        free_s[0] = max(now_s, free_s[0]) + service_ms / 1000
        expected.append(free_s[0])
    while any(each.status == RUNNING for each in started):
        now_s += look_ms / 1000
        executions.advance(now_s)
    assert [each.closed_s for each in started] == pytest.approx(expected)
    assert executions.backlog == 0


def test_a_terminated_execution_that_waits_is_never_served() -> None:
    executions = Executions(service_time_s=1, servers=1, retain=10)
    served, waiting, last = (execution(number, 0) for number in range(3))
    for each in (served, waiting, last):
        executions.start(each)
    assert executions.backlog == 2
    assert executions.backlog_age_s(0.25) == 0.25
    executions.terminate(waiting, 0.5)
    assert executions.backlog == 1
    assert executions.advance(10) == [served, last]
    assert (waiting.status, last.closed_s) == (TERMINATED, 2)
    assert (executions.added, executions.dispatched, executions.backlog_age_s(10)) == (3, 2, 0)


@given(retain=st.integers(0, 20), starts=st.integers(0, 60))
def test_memory_is_bounded_and_counts_are_not_lost(retain: int, starts: int) -> None:
    executions = Executions(service_time_s=0, servers=None, retain=retain)
    for number in range(starts):
        executions.start(execution(number, number))
        executions.advance(number)
    everything = Query("WorkflowId STARTS_WITH 'run-'")
    assert len(list(executions.select(everything))) == min(retain, starts)
    assert executions.count(everything)[COMPLETED] == starts
    assert not executions.count(Query("WorkflowId STARTS_WITH 'ru-'"))
    assert executions.find("run-0-0") is None or starts <= retain


def test_open_executions_are_kept_however_many_there_are() -> None:
    executions = Executions(service_time_s=1, servers=None, retain=0)
    for number in range(10):
        executions.start(execution(number, 0))
    assert executions.count(Query("ExecutionStatus = 'Running'")) == {RUNNING: 10}
    executions.advance(1)
    assert executions.count(Query("ExecutionStatus = 'Running'")) == {}
    assert executions.count(Query("")) == {COMPLETED: 10}


def test_an_id_used_again_leaves_its_first_execution_in_the_counts() -> None:
    executions = Executions(service_time_s=0, servers=None, retain=10)
    for _ in range(3):
        executions.start(execution(0, 0))
        executions.advance(0)
    assert executions.count(Query("WorkflowId STARTS_WITH 'run-'")) == {COMPLETED: 3}


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        ("", True),
        ("WorkflowId='run-0-1'", True),
        ('WorkflowId = "run-0-2"', False),
        ("WorkflowId STARTS_WITH 'run-' AND WorkflowType = 'type'", True),
        ("ExecutionStatus != 'Running'", False),
        ("CloseTime >= '1970-01-01T00:00:00Z'", False),
        ("StartTime >= '1970-01-01T00:00:05Z'", True),
        ("StartTime > '1970-01-01T00:00:05Z'", False),
    ],
)
def test_queries(query: str, matches: bool) -> None:
    assert Query(query).matches(execution(1, 5.0)) is matches


@pytest.mark.parametrize("query", ["Colour = 'red'", "WorkflowId LIKE 'x'", "WorkflowId = 'a' OR WorkflowId = 'b'"])
def test_a_query_beyond_it_is_an_error(query: str) -> None:
    with pytest.raises(ValueError, match="joined by AND"):
        Query(query)
