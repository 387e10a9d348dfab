"""The endpoint of a run: valid, complete, and there for as long as it should be."""

from __future__ import annotations

import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from prometheus_client.parser import text_string_to_metric_families

from auroral.bench.metrics import DEFAULT_PORT, MetricsEndpoint
from auroral.bench.progress import GeneratorSnapshot, RunSnapshot
from auroral.bench.samples import Outcome
from auroral.errors import UsageError
from tests.support.http_texts import HttpTexts

# As the SDK writes them: counters without `_total` unless told otherwise.
SDK = b"""# HELP temporal_request Count of client request successes by rpc name
# TYPE temporal_request counter
temporal_request{operation="StartWorkflowExecution",service_name="temporal-core-sdk"} 15
# HELP temporal_worker_task_slots_used Current number of used slots per task type
# TYPE temporal_worker_task_slots_used gauge
temporal_worker_task_slots_used{worker_type="ActivityWorker",process="mine"} 12
# HELP temporal_request_latency Histogram of client request latencies
# TYPE temporal_request_latency histogram
temporal_request_latency_bucket{operation="StartWorkflowExecution",le="50"} 14
temporal_request_latency_bucket{operation="StartWorkflowExecution",le="+Inf"} 15
temporal_request_latency_sum{operation="StartWorkflowExecution"} 120
temporal_request_latency_count{operation="StartWorkflowExecution"} 15
"""


def snapshot(**changes: object) -> RunSnapshot:
    fields: dict[str, object] = {
        "outcomes": {outcome.value: number for number, outcome in enumerate(Outcome)},
        "scheduled": 36,
        "latency_buckets": [(0.005, 1), (0.1, 3), (1.0, 5)],
        "latency_sum_s": 7.5,
        "latency_count": 6,
        "lag_buckets": [(0.001, 30)],
        "lag_sum_s": 0.02,
        "lag_count": 36,
        "in_flight": 9,
    }
    generators = [
        GeneratorSnapshot(process=process, **{**fields, **changes})  # type: ignore[arg-type]
        for process in ("generator-0", "generator-1")
    ]
    return RunSnapshot(target_per_s=12.5, generators=generators)


G1 = ("process", "generator-1")


@contextmanager
def listening(endpoint: MetricsEndpoint, port: int | None = None) -> Iterator[str]:
    before = set(threading.enumerate())
    listened = endpoint.start(port)
    try:
        yield f"http://127.0.0.1:{listened}"
    finally:
        endpoint.stop()
    assert set(threading.enumerate()) <= before, "stop() left a thread"


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as response:
        assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return str(response.read().decode())


def endpoint(children: dict[str, str] | None = None, **changes: object) -> MetricsEndpoint:
    return MetricsEndpoint(lambda: snapshot(**changes), lambda: children or {}, run_id="run-1", host="127.0.0.1")


def test_shows_the_run() -> None:
    with listening(endpoint(), _free_port()) as url:
        shown = samples(get(f"{url}/metrics"))
    assert shown["auroral_benchmark_info", (("run_id", "run-1"),)] == 1
    assert shown["auroral_benchmark_scheduled_total", (G1,)] == 36
    assert shown["auroral_benchmark_in_flight", (G1,)] == 9
    assert shown["auroral_benchmark_target_rate", ()] == 12.5
    for number, outcome in enumerate(Outcome):
        assert shown["auroral_benchmark_workflows_total", (("outcome", outcome.value), G1)] == number
    bounds = {
        bound: shown["auroral_benchmark_latency_seconds_bucket", (("le", bound), G1)] for bound in ("0.005", "+Inf")
    }
    assert bounds == {"0.005": 1, "+Inf": 6}
    assert shown["auroral_benchmark_latency_seconds_sum", (G1,)] == 7.5
    assert shown["auroral_benchmark_latency_seconds_count", (G1,)] == 6
    assert shown["auroral_benchmark_lag_seconds_bucket", (("le", "0.001"), G1)] == 30


def test_a_histogram_never_falls_although_its_parts_were_taken_apart_in_time() -> None:
    shown = samples(endpoint(latency_count=4).text().decode())
    assert shown["auroral_benchmark_latency_seconds_bucket", (("le", "+Inf"), G1)] == 5


def test_shows_every_process_under_its_name() -> None:
    with HttpTexts({"/metrics": SDK}) as texts:
        text = endpoint({"worker-0": texts.url(), "generator-0": texts.url()}).text().decode()
    shown = samples(text)
    for process in ("worker-0", "generator-0"):
        assert shown["auroral_benchmark_process_up", (("process", process),)] == 1
        started = (
            ("operation", "StartWorkflowExecution"), ("process", process), ("service_name", "temporal-core-sdk"),
        )  # fmt: skip
        assert shown["temporal_request_total", started] == 15
        slots = (("exported_process", "mine"), ("process", process), ("worker_type", "ActivityWorker"))
        assert shown["temporal_worker_task_slots_used", slots] == 12
    assert text.count("# TYPE temporal_request_latency histogram") == 1


def test_a_dead_a_hanging_and_a_babbling_child_break_nothing() -> None:
    with HttpTexts({"/good": SDK, "/bad": b'temporal_request{operation="\n'}, hangs=frozenset({"/hangs"})) as texts:
        children = {
            "worker-0": texts.url("/good"),
            "worker-1": texts.url("/bad"),
            "worker-2": texts.url("/gone"),
            "worker-3": "http://127.0.0.1:1/metrics",
            "worker-4": texts.url("/hangs"),
        }
        shown = samples(endpoint(children).text().decode())
    up = [shown["auroral_benchmark_process_up", (("process", f"worker-{number}"),)] for number in range(5)]
    assert up == [1, 0, 0, 0, 0]
    assert shown["auroral_benchmark_scheduled_total", (G1,)] == 36


def test_a_child_cannot_overwrite_the_run_or_give_a_family_another_type() -> None:
    other = SDK.replace(b"temporal_request counter", b"temporal_request gauge")
    with HttpTexts({"/a": SDK, "/b": other + b"# TYPE auroral_benchmark_in_flight gauge\nauroral_benchmark_in_flight 1\n"}) as texts:  # fmt: skip  # noqa: E501
        text = endpoint({"worker-0": texts.url("/a"), "worker-1": texts.url("/b")}).text().decode()
    assert text.count("# TYPE auroral_benchmark_in_flight") == 1
    assert samples(text)["auroral_benchmark_in_flight", (G1,)] == 9
    assert text.count("# TYPE temporal_request_total counter") == text.count("# TYPE temporal_request") - 1


def test_a_snapshot_that_changed_while_it_was_taken_is_taken_again() -> None:
    left = [RuntimeError("dictionary changed size during iteration")] * 3

    def take() -> RunSnapshot:
        if left:
            raise left.pop()
        return snapshot()

    shown = samples(MetricsEndpoint(take, dict, run_id="run-1").text().decode())
    assert shown["auroral_benchmark_in_flight", (G1,)] == 9


def test_elsewhere_there_is_a_hint() -> None:
    with listening(endpoint(), _free_port()) as url, pytest.raises(urllib.error.HTTPError) as raised:
        get(f"{url}/")
    with raised.value as answer:
        assert (answer.code, answer.read()) == (404, b"the metrics are at /metrics\n")


def test_a_given_port_that_is_taken_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port}") as raised:
            endpoint().start(port)
    assert "--metrics-port" in raised.value.hint


def test_without_a_port_it_is_9090_or_where_that_is_taken_another() -> None:
    with listening(endpoint()) as first, listening(endpoint()) as second:
        assert first != second
        assert str(DEFAULT_PORT) not in second
        assert "auroral_benchmark_info" in get(f"{first}/metrics")
        assert "auroral_benchmark_info" in get(f"{second}/metrics")


def test_port_0_is_no_endpoint() -> None:
    silent = endpoint()
    assert silent.start(0) is None
    silent.stop()


def test_stopping_is_quick_and_frees_the_port() -> None:
    port = _free_port()
    for _ in range(3):
        with listening(endpoint(), port) as url:
            get(f"{url}/metrics")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
