from __future__ import annotations

from types import SimpleNamespace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from auroral.bench.exposition import samples
from auroral.bench.wire.readings import Readings, Requests, Slots, text


@pytest.fixture
def readings() -> Readings:
    one = Readings("benchmark", 'q"1')
    one.slots = {"WorkflowWorker": Slots(200), "ActivityWorker": Slots(300)}
    one.slots["ActivityWorker"].used = 7
    one.pollers = {"workflow_task": lambda: 4, "activity_task": lambda: 3}
    one.cached, one.evicted = (lambda: 11), (lambda: 2)
    one.sticky_hits = 1_234_567
    one.answered("RespondWorkflowTaskCompleted", 0.003, None)
    one.answered("RespondWorkflowTaskCompleted", 70.0, SimpleNamespace(status=SimpleNamespace(name="UNAVAILABLE")))
    return one


def test_the_sampler_finds_what_it_looks_for(readings: Readings) -> None:
    found = list(samples(text([readings]).encode(), ("temporal_worker_task_slots_", "temporal_num_pollers")))
    assert {(name, labels.get("worker_type") or labels["poller_type"], value) for name, labels, value in found} == {
        ("temporal_worker_task_slots_used", "WorkflowWorker", 0.0),
        ("temporal_worker_task_slots_used", "ActivityWorker", 7.0),
        ("temporal_worker_task_slots_available", "WorkflowWorker", 200.0),
        ("temporal_worker_task_slots_available", "ActivityWorker", 293.0),
        ("temporal_num_pollers", "workflow_task", 4.0),
        ("temporal_num_pollers", "activity_task", 3.0),
    }
    assert {labels["task_queue"] for _, labels, _ in found} == {'q"1'}


def test_the_text_is_prometheus_and_loses_nothing(readings: Readings) -> None:
    families = {family.name: family for family in text_string_to_metric_families(text([readings]))}
    (hits,) = families["temporal_sticky_cache_hit"].samples
    assert hits.value == 1_234_567
    assert families["temporal_sticky_cache_size"].samples[0].value == 11
    assert families["temporal_sticky_cache_total_forced_eviction"].samples[0].value == 2
    failure = families["temporal_request_failure"].samples[0]
    assert (failure.labels["operation"], failure.labels["status_code"]) == (
        "RespondWorkflowTaskCompleted",
        "UNAVAILABLE",
    )
    latency = families["temporal_request_latency_seconds"]
    assert latency.type == "histogram"
    by_bound = {sample.labels["le"]: sample.value for sample in latency.samples if sample.name.endswith("_bucket")}
    assert (by_bound["0.002"], by_bound["0.005"], by_bound["10.0"], by_bound["+Inf"]) == (0, 1, 1, 2)
    (total,) = [sample.value for sample in latency.samples if sample.name.endswith("_sum")]
    assert total == pytest.approx(70.003)


def test_requests_of_a_whole_process_take_the_place_of_its_workers(readings: Readings) -> None:
    all_of = Requests("benchmark")
    refused = SimpleNamespace(status=SimpleNamespace(name="RESOURCE_EXHAUSTED"))
    all_of.answered("StartWorkflowExecution", 0.004, None)
    all_of.answered("GetWorkflowExecutionHistory", 0.004, None)
    all_of.answered("GetWorkflowExecutionHistory", 21.0, None, True)
    all_of.answered("GetWorkflowExecutionHistory", 0.001, refused, True)
    families = {family.name: family for family in text_string_to_metric_families(text([readings], requests=all_of))}

    def counted(name: str) -> dict[str, float]:
        return {one.labels["operation"]: one.value for one in families[name].samples if not one.name.endswith("_sum")}

    assert counted("temporal_request") == {"StartWorkflowExecution": 1, "GetWorkflowExecutionHistory": 1}
    assert counted("temporal_long_request") == {"GetWorkflowExecutionHistory": 2}
    assert counted("temporal_request_failure") == {}
    (failure,) = families["temporal_long_request_failure"].samples
    assert failure.labels == {
        "namespace": "benchmark",
        "service_name": "auroral-wire",
        "operation": "GetWorkflowExecutionHistory",
        "status_code": "RESOURCE_EXHAUSTED",
    }
    waited = families["temporal_long_request_latency_seconds"].samples
    assert [one.value for one in waited if one.name.endswith("_sum")] == [pytest.approx(21.001)]
    assert families["temporal_sticky_cache_size"].samples, "the worker's own stay"


def test_the_workers_of_several_queues_are_told_apart(readings: Readings) -> None:
    other = Readings("benchmark", "q2")
    families = {family.name: family for family in text_string_to_metric_families(text([readings, other]))}
    sizes = families["temporal_sticky_cache_size"].samples
    assert {sample.labels["task_queue"]: sample.value for sample in sizes} == {'q"1': 11, "q2": 0}


def test_names_that_dashboards_know() -> None:
    """Every series of an SDK worker that is shown here keeps the name that the dashboards ask for."""
    from auroral.dashboards import metrics

    known = {value.name for value in vars(metrics).values() if isinstance(value, metrics.Metric)}
    own = {line.split()[2] for line in text([Readings("n", "q")]).splitlines() if line.startswith("# TYPE")}
    assert own - known == {
        "auroral_wire_late_answers_total",
        # An SDK worker has these too; no dashboard shows them.
        "temporal_activity_task_received_total",
        "temporal_long_request_latency_seconds",
    }
