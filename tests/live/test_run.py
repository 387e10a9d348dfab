"""Whole runs against a real server, as a user starts them."""

from __future__ import annotations

import json
import re
import signal
import socket
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import msgspec
import pyarrow.parquet as pq
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from prometheus_client.parser import text_string_to_metric_families

from auroral.bench.manifest import Manifest
from auroral.bench.result import decode, schema
from auroral.local.ports import free_ports
from tests.support.benchmark import Benchmark, Finished, bench

pytestmark = pytest.mark.live


STARTS = 35
"""Of the easy run: a second of ramp to 10/s, and three seconds at it."""


@dataclass(frozen=True)
class Easy(Finished):
    """An easy run, and what its metrics said while it ran."""

    metrics: str


@pytest.fixture(scope="module")
def passed(temporal_server, tmp_path_factory) -> Easy:
    """One easy run that every test of its results reads."""
    directory = tmp_path_factory.mktemp("run") / "passed"
    (port,) = free_ports(1)
    with Benchmark(
        "run", "--address", temporal_server.address, "--workload", "multi-activity", "--activity-count", "2",
        "--target-rate", "10", "--duration", "4s", "--ramp-up", "1s", "--threshold", "latency.p99<5s", "--json",
        "--metrics-port", str(port), "--output", str(directory), directory=directory,
    ) as run:  # fmt: skip
        run.wait_until(
            lambda: re.search(r'workflows_total{outcome="completed",process="generator-0"} [1-9]', _metrics(port)),
            60, "completed workflows",
        )  # fmt: skip
        metrics = _metrics(port)
        ended = run.finish()
    return Easy(ended.status, ended.stdout, ended.stderr, ended.directory, metrics)


def _metrics(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as response:
            return response.read().decode()
    except OSError:
        return ""


@pytest.fixture(scope="module")
def failed(temporal_server, tmp_path_factory) -> Finished:
    """One run of three stages whose closes visibility alone tells, and whose threshold cannot be held."""
    return bench(
        "--address", temporal_server.address, "--stages", "5:2s,0:1s,10:2s", "--observe", "visibility",
        "--threshold", "latency.p99<1ms", directory=tmp_path_factory.mktemp("run") / "failed",
    )  # fmt: skip


def test_an_easy_run_passes_and_every_workflow_is_accounted_for(passed: Easy) -> None:
    result = passed.result
    assert passed.status == 0, passed.stderr + passed.logs
    assert result.verdict.status == "pass", result.verdict.reasons
    assert result.scheduled == STARTS
    assert result.outcomes["completed"] == STARTS
    assert result.reconciliation.status == "agreed"
    assert result.reconciliation.server["completed"] == STARTS
    assert [window.kind for window in result.windows][:2] == ["ramp", "steady"]
    assert result.steady is not None
    assert result.steady.offered_per_s == pytest.approx(10, abs=0.5)


def test_json_is_the_result_alone_and_valid_by_the_schema(passed: Easy) -> None:
    document = json.loads(passed.stdout)
    jsonschema.validate(document, schema())
    assert decode(passed.stdout.encode()) == passed.result


def test_server_times_and_state_transitions_come_from_the_server(passed: Easy) -> None:
    result = passed.result
    assert result.times.server_time.count == STARTS
    assert result.times.server_time.p50_ms is not None
    assert result.times.latency.p50_ms is not None
    assert result.times.server_time.p50_ms <= result.times.latency.p50_ms
    assert result.steady is not None
    # Transitions of the windows are those of the workflows, no probe among them. What lies in the drain is in none.
    by_window = sum(
        (window.state_transitions_per_s or 0) * (window.end_s - window.start_s) for window in result.windows
    )
    columns = ["server_started_us", "server_closed_us", "state_transitions"]
    table = pq.read_table(passed.directory / "samples.parquet", columns=columns).to_pydict()
    assert sum(table["state_transitions"]) >= STARTS * 7
    end_us = max(window.end_s for window in result.windows if window.kind != "drain") * 1e6
    expected = sum(
        transitions * max(0.0, min(closed_us, end_us) - started_us) / (closed_us - started_us)
        for started_us, closed_us, transitions in zip(*table.values(), strict=True)
    )
    assert by_window == pytest.approx(expected, rel=0.01)
    assert result.environment.server_version
    assert result.environment.history_shards
    assert abs(result.environment.clock_offset_ms or 0) < 100


def test_the_samples_hold_every_intended_start(passed: Easy) -> None:
    table = pq.read_table(passed.directory / "samples.parquet").to_pydict()
    assert sorted(table["index"]) == list(range(STARTS))
    assert set(table["outcome"]) == {"completed"}
    rows = zip(table["intended_us"], table["sent_us"], table["accepted_us"], table["closed_us"], strict=True)
    for intended, sent, accepted, closed in rows:
        assert intended <= sent <= accepted <= closed
    assert all(
        started <= closed for started, closed in zip(table["server_started_us"], table["server_closed_us"], strict=True)
    )


def test_the_histogram_log_is_readable_by_a_reader_of_its_format(passed: Easy) -> None:
    lines = (passed.directory / "histograms.hlog").read_text().splitlines()
    payloads = [line.split(",")[-1] for line in lines if line.startswith("Tag=latency,")]
    assert payloads
    total = sum(HdrHistogram.decode(payload.encode()).get_total_count() for payload in payloads)
    assert total >= STARTS
    assert HistogramLogReader is not None


def test_the_reports_are_written_and_can_be_made_again(passed: Easy) -> None:
    page = passed.directory / "report.html"
    before = page.read_text()
    page.unlink()
    with Benchmark("report", str(passed.directory), directory=passed.directory) as again:
        ended = again.finish()
    assert ended.status == 0, ended.stderr
    assert "pass" in ended.stdout.lower()
    assert page.read_text() == before
    assert passed.result.manifest.run_id in before


def test_metrics_of_every_process_on_one_port(passed: Easy) -> None:
    families = {family.name: family for family in text_string_to_metric_families(passed.metrics)}
    processes = {
        sample.labels["process"]
        for family in families.values()
        for sample in family.samples
        if family.name.startswith("temporal_")
    }
    assert {"worker-0", "generator-0"} <= processes
    assert "auroral_benchmark_latency_seconds" in families
    assert "auroral_benchmark_lag_seconds" in families


@pytest.mark.whole
def test_a_failed_threshold_fails_the_run_and_names_it(failed: Finished) -> None:
    assert failed.status == 1
    assert failed.result.verdict.status == "fail"
    assert "latency.p99<1ms" in failed.stdout


def test_a_mix_over_several_processes_and_task_queues(temporal_server, tmp_path) -> None:
    ended = bench(
        "--address", temporal_server.address, "--workload", "simple=3", "--workload", "child=1", "--child-count", "2",
        "--target-rate", "12", "--duration", "2s", "--generator-processes", "2", "--task-queues", "2",
        "--arrival", "poisson", "--seed", "7", directory=tmp_path / "run",
    )  # fmt: skip
    result = ended.result
    assert ended.status == 0, ended.stderr + ended.logs
    assert {process.name for process in result.processes} >= {"generator-0", "generator-1", "worker-0"}
    table = pq.read_table(ended.directory / "samples.parquet").to_pydict()
    assert sorted(table["index"]) == list(range(result.scheduled))
    assert len(set(table["workload"])) == 2


@pytest.mark.whole
def test_stages_have_a_window_each(failed: Finished) -> None:
    stages = [window for window in failed.result.windows if window.kind == "stage"]
    assert [round(window.target_per_s) for window in stages] == [5, 0, 10]
    assert failed.result.scheduled == 30


@pytest.mark.whole
def test_closes_found_by_visibility_alone(failed: Finished) -> None:
    assert failed.result.outcomes["completed"] == 30
    assert failed.result.observed.swept == 30
    assert failed.result.observed.watched == 0
    assert (failed.result.times.latency.p50_ms or 0) < 1_000, "the close event's time, not the sweep's"


@pytest.mark.whole
def test_workers_apart_from_the_generator(temporal_server, tmp_path) -> None:
    queue = "apart"
    with Benchmark(
        "worker", "--address", temporal_server.address, "--task-queue", queue, "--worker-count", "1",
        "--metrics-port", "0", directory=tmp_path / "worker",
    ) as worker:  # fmt: skip
        ended = bench(
            "--address", temporal_server.address, "--task-queue", queue, "--generator-only",
            "--target-rate", "5", "--duration", "2s", directory=tmp_path / "run",
        )  # fmt: skip
        assert ended.status == 0, ended.stderr + worker.stderr
        result = ended.result
        worker.interrupt(signal.SIGTERM)
        assert worker.finish(20).status == 0
    assert result.workers.processes == 0
    assert [seen.manifest_digest for seen in result.workers.seen] == ["-"]
    assert result.workers.options["all_activity_slots"] == 200
    assert "max_cached_workflows" not in result.workers.options, "the generator's own default"
    assert "worker slots, pollers and CPU: the workers run elsewhere" in result.limits.unread


@pytest.mark.whole
def test_workers_share_the_manifest_of_their_run(temporal_server, unique, tmp_path) -> None:
    manifest = tmp_path / "run" / "manifest.json"
    with Benchmark(
        "run", "--address", temporal_server.address, "--namespace", f"benchmark-{unique}", "--task-queue", unique,
        "--task-queues", "2", "--generator-only", "--workload", "state-transitions", "--target-rate", "100",
        "--count", "5", "--metrics-port", "0", "--output", str(manifest.parent), directory=manifest.parent,
    ) as run:  # fmt: skip
        run.wait_for("waiting for workers")
        with Benchmark(
            "worker", "--address", temporal_server.address, "--manifest", str(manifest), "--worker-count", "1",
            "--metrics-port", "0", directory=tmp_path / "worker",
        ) as worker:  # fmt: skip
            ended = run.finish()
            assert ended.status == 0, ended.stderr + worker.stderr
            worker.interrupt(signal.SIGTERM)
            assert worker.finish(20).status == 0
    result = ended.result
    (seen,) = result.workers.seen
    assert seen.manifest_digest == result.manifest.digest
    assert seen.activity_slots > 200, "as the manifest's workload wants them"
    assert result.workers.options["max_concurrent_activities"] == seen.activity_slots


@pytest.mark.whole
def test_a_worker_with_the_manifest_of_another_run_is_refused(temporal_server, unique, tmp_path) -> None:
    manifest = tmp_path / "run" / "manifest.json"
    with Benchmark(
        "run", "--address", temporal_server.address, "--task-queue", unique, "--generator-only", "--duration", "1s",
        "--metrics-port", "0", "--output", str(manifest.parent), directory=manifest.parent,
    ) as run:  # fmt: skip
        run.wait_for("waiting for workers")
        other = msgspec.json.decode(manifest.read_bytes(), type=Manifest)
        this, other = other.digest, msgspec.structs.replace(other, run_id="another")
        elsewhere = tmp_path / "other.json"
        elsewhere.write_bytes(msgspec.json.encode(other))
        with Benchmark(
            "worker", "--address", temporal_server.address, "--manifest", str(elsewhere), "--worker-count", "1",
            "--metrics-port", "0", directory=tmp_path / "worker",
        ):  # fmt: skip
            ended = run.finish(60)
    assert ended.status == 3, ended.stderr
    assert f"serves the run of manifest {other.digest}, not this one's, {this}" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.whole
def test_iterations_on_one_task_queue_do_not_refuse_their_ended_workers(temporal_server, unique, tmp_path) -> None:
    with Benchmark(
        "run", "--address", temporal_server.address, "--task-queue", unique, "--duration", "1s", "--iterations", "2",
        "--worker-count", "1", "--metrics-port", "0", "--output", str(tmp_path / "run"), directory=tmp_path / "run",
    ) as run:  # fmt: skip
        ended = run.finish()
    assert ended.status == 0, ended.stderr


def test_a_namespace_of_another_name_needs_permission(temporal_server, tmp_path) -> None:
    ended = bench(
        "--address", temporal_server.address, "--namespace", "orders", "--duration", "1s", directory=tmp_path / "run"
    )
    assert ended.status == 2
    assert "--allow-namespace" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_cluster_that_does_not_answer_fails_within_seconds(tmp_path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        ended = bench(
            "--address", f"127.0.0.1:{silent.getsockname()[1]}", "--connect-timeout", "1s",
            directory=tmp_path / "run", timeout_s=20,
        )  # fmt: skip
    assert ended.status == 3
    assert "Traceback" not in ended.stderr


def test_results_that_cannot_be_written_are_refused_before_the_run(temporal_server, tmp_path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("not a directory")
    ended = bench("--address", temporal_server.address, "--duration", "1s", directory=in_the_way / "run", timeout_s=30)
    assert ended.status == 2
    assert str(in_the_way) in ended.stderr
    assert "Traceback" not in ended.stderr


PHASES = ["prepare", "workers", "warm-up", "drive", "drain", "reconcile"]


@pytest.mark.parametrize(
    "phase", [pytest.param(name, marks=() if name == "drive" else pytest.mark.whole) for name in PHASES]
)
def test_an_interrupt_in_any_phase_leaves_a_result_and_no_process(phase: str, temporal_server, tmp_path: Path) -> None:
    # The phase interrupted is long enough to be met, the others are as short as can be.
    timer, duration = {"drive": ("2s", "3s"), "drain": ("2s", "1s")}.get(phase, ("100ms", "1s"))
    with Benchmark(
        "run", "--address", temporal_server.address, "--workload", "timer", "--timer-duration", timer,
        "--target-rate", "10", "--duration", duration, "--metrics-port", "0",
        "--output", str(tmp_path / "run"), directory=tmp_path / "run",
    ) as run:  # fmt: skip
        run.wait_for(f"{phase}:")
        if phase == "drive":
            run.wait_for(" sent ")
        run.interrupt()
        ended = run.finish(60)
    # Settling takes milliseconds here: the interrupt may come when all is written.
    assert ended.status == 4 or (phase == "reconcile" and ended.status == 0), ended.stderr
    assert ended.result.interrupted == (ended.status == 4)
    assert (ended.result.verdict.status == "pass") == (ended.status == 0)
    assert (ended.directory / "report.html").exists()
    if phase == "drive":
        assert 0 < ended.result.scheduled < 30


@pytest.mark.whole
def test_a_second_interrupt_stops_at_once(temporal_server, tmp_path: Path) -> None:
    with Benchmark(
        "run", "--address", temporal_server.address, "--workload", "timer", "--timer-duration", "60s",
        "--target-rate", "10", "--duration", "30s", "--metrics-port", "0",
        "--output", str(tmp_path / "run"), directory=tmp_path / "run",
    ) as run:  # fmt: skip
        run.wait_for("drive:")
        run.wait_for(" sent ")
        run.interrupt()
        run.wait_for("stopping")
        run.interrupt()
        ended = run.finish(15)
    assert ended.status == 4
    assert ended.result.interrupted
    assert ended.result.cleanup.commands, "what is left open is named with the command that ends it"


@pytest.mark.whole
@pytest.mark.parametrize("workload", [pytest.param("simple", marks=pytest.mark.slow), "multi-activity"])
def test_eager_starts_need_no_worker_but_the_generator(temporal_server, tmp_path, workload) -> None:
    done = bench(
        "--address", temporal_server.address, "--engine", "wire", "--eager-start", "--workload", workload,
        "--target-rate", "10", "--duration", "2s", "--json",
        directory=tmp_path / "eager",
    )  # fmt: skip
    result = done.result
    assert done.status == 0, done.stderr + done.logs
    assert result.outcomes["completed"] == result.scheduled == 20
    assert result.reconciliation.status == "agreed"
    assert (result.manifest.engine, result.manifest.eager_start) == ("wire", True)
    assert "Eager starts: the answers to 20 of them brought their first workflow task along." in result.notes
    assert result.workers.processes == 1
    assert [process.name for process in result.processes] == ["coordinator", "generator-0"]


def test_a_run_over_the_wire_is_a_run_like_any_other(temporal_server, tmp_path) -> None:
    done = bench(
        "--address", temporal_server.address, "--engine", "wire", "--observe", "visibility",
        "--target-rate", "10", "--duration", "1s", "--json",
        directory=tmp_path / "wire",
    )  # fmt: skip
    assert done.status == 0, done.stderr + done.logs
    assert done.result.outcomes["completed"] == 10
    assert done.result.manifest.engine == "wire"
