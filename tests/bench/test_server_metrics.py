"""A server's metrics: what is added up, and rates and means between two scrapes."""

from __future__ import annotations

import pytest

from auroral.bench.server_metrics import NAMES, rates, totals

TEXT = b"""
service_requests{namespace="benchmark",operation="StartWorkflowExecution",service_name="frontend"} 100
service_requests{namespace="benchmark",operation="AddActivityTask",service_name="matching"} 900
service_errors_resource_exhausted{namespace="benchmark",resource_exhausted_cause="RpsLimit"} 14
service_errors_resource_exhausted{namespace="benchmark",resource_exhausted_cause="ConcurrentLimit"} 300
service_errors_resource_exhausted{namespace="temporal_system",resource_exhausted_cause="RpsLimit"} 29
service_latency_sum{operation="StartWorkflowExecution",service_name="frontend"} 4
service_latency_count{operation="StartWorkflowExecution",service_name="frontend"} 200
service_latency_sum{operation="PollWorkflowTaskQueue",service_name="frontend"} 5000
service_latency_count{operation="PollWorkflowTaskQueue",service_name="frontend"} 100
service_latency_bucket{operation="StartWorkflowExecution",service_name="frontend",le="1"} 200
persistence_requests{operation="CreateTasks",service_name="matching"} 60
persistence_requests{operation="UpdateWorkflowExecution",service_name="history"} 40
persistence_errors{operation="CreateTasks",service_name="matching"} 2
persistence_error_with_type{error_type="serviceerror_NotFound",operation="GetTaskQueue",service_name="matching"} 12
persistence_latency_sum{operation="CreateTasks",service_name="matching"} 3
persistence_latency_count{operation="CreateTasks",service_name="matching"} 100
approximate_backlog_count{taskqueue="a",task_type="Workflow"} 7
approximate_backlog_count{taskqueue="b",task_type="Workflow"} 5
"""


def test_adds_up_what_belongs_together() -> None:
    assert totals(TEXT, "benchmark") == {
        "service_requests": 100,
        "service_errors_resource_exhausted": 14,
        "service_latency:sum": 4,
        "service_latency:count": 200,
        "persistence_requests": 100,
        "persistence_errors": 2,
        "persistence_latency:sum": 3,
        "persistence_latency:count": 100,
        "approximate_backlog_count": 12,
    }


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"persistence_requests{", b"temporal_persistence_requests_total{"),
        (b"persistence_requests{", b"persistence_requests_total{"),
        (b"approximate_backlog_count{", b"temporal_approximate_backlog_count{"),
        (b"persistence_latency_", b"temporal_persistence_latency_seconds_"),
    ],
)
def test_other_ways_to_name_the_same(before: bytes, after: bytes) -> None:
    assert totals(TEXT.replace(before, after), "benchmark") == totals(TEXT, "benchmark")


def test_milliseconds_become_seconds() -> None:
    text = TEXT.replace(b"persistence_latency_sum", b"persistence_latency_milliseconds_sum").replace(
        b"persistence_latency_count", b"persistence_latency_milliseconds_count"
    )
    read = totals(text, "benchmark")
    assert (read["persistence_latency:sum"], read["persistence_latency:count"]) == (pytest.approx(0.003), 100)


def test_what_is_no_temporal_server_has_nothing() -> None:
    assert totals(b'go_goroutines 12\nhttp_requests_total{code="200"} 4\n', "benchmark") == {}


def test_rates_and_means_between_two_scrapes() -> None:
    before = {"persistence_requests": 100.0, "persistence_latency:sum": 1.0, "persistence_latency:count": 100.0}
    after = {"persistence_requests": 150.0, "persistence_latency:sum": 2.0, "persistence_latency:count": 150.0}
    read = rates([(before, after, 2.0)])
    assert read["persistence_requests_per_s"] == 25.0
    assert read["persistence_latency_mean_s"] == pytest.approx(0.02)
    assert read["persistence_errors_per_s"] == 0.0
    assert "service_latency_mean_s" not in read
    assert set(read) <= set(NAMES)


def test_a_counter_that_is_new_began_at_zero() -> None:
    assert rates([({"persistence_requests": 1.0}, {"persistence_requests": 1.0, "persistence_errors": 3.0}, 1.0)])[
        "persistence_errors_per_s"
    ] == pytest.approx(3.0)


def test_servers_are_added_up() -> None:
    read = rates(
        [
            ({"persistence_requests": 0.0}, {"persistence_requests": 10.0, "approximate_backlog_count": 4.0}, 1.0),
            ({"persistence_requests": 0.0}, {"persistence_requests": 40.0, "approximate_backlog_count": 1.0}, 2.0),
        ]
    )
    assert read["persistence_requests_per_s"] == 30.0
    assert read["approximate_backlog_count"] == 5.0


def test_a_server_that_was_started_again_is_left_out_for_a_second() -> None:
    assert rates([({"persistence_requests": 500.0}, {"persistence_requests": 3.0}, 1.0)]) == {}
    assert rates([({"persistence_requests": 500.0}, {}, 1.0)]) == {}


def test_a_falling_backlog_is_no_restart() -> None:
    read = rates([({"approximate_backlog_count": 9.0}, {"approximate_backlog_count": 2.0}, 1.0)])
    assert read["approximate_backlog_count"] == 2.0


def test_without_two_scrapes_there_is_nothing() -> None:
    assert rates([]) == {}
    assert rates([({}, {"persistence_requests": 1.0}, 0.0)]) == {}
