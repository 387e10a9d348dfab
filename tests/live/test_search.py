"""Whole searches as a user starts them: against a real server, and against one of known capacity."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import jsonschema
import pytest

from auroral.bench.result import decode as decode_result
from auroral.bench.search.document import SearchDocument, schema
from auroral.bench.search.files import read_search
from benchmarks.frontend_process import FrontendProcess, matching_identity
from tests.support.benchmark import Benchmark, Finished

pytestmark = pytest.mark.live

BRIEF = ("--step", "5s", "--ramp", "500ms", "--confirm", "5s", "--metrics-port", "0")


def search(*arguments: str, directory: Path, timeout_s: float = 240.0) -> Finished:
    with Benchmark("search", *arguments, *BRIEF, "--output", str(directory), directory=directory) as run:
        return run.finish(timeout_s)


@pytest.fixture(scope="module")
def easy(temporal_server, tmp_path_factory) -> Finished:
    """A search that ends at its most rate, against a real server with workers of its own."""
    directory = tmp_path_factory.mktemp("search") / "easy"
    return search(
        "--address", temporal_server.address, "--slo", "latency.p99<5s", "--start-rate", "4", "--most-rate", "4",
        "--json", directory=directory,
    )  # fmt: skip


def test_a_real_server_carries_at_least_the_most_rate(easy: Finished) -> None:
    assert easy.status == 0, easy.stderr + easy.logs
    document = read_search(easy.directory)
    assert document.answer is not None
    assert (document.answer.status, document.answer.rate_per_s) == ("above-most", 4)
    assert document.answer.confirmed
    assert [step.measured.step.kind for step in document.steps] == ["bracket", "confirm"]
    assert document.environment.server_version
    assert all(probe_ms > 0 for probe_ms in document.idle_probes_ms)


def test_stdout_is_the_document_alone_and_valid_by_its_schema(easy: Finished) -> None:
    assert easy.stdout.encode() == (easy.directory / "search.json").read_bytes()
    jsonschema.validate(json.loads(easy.stdout), schema())


def test_every_step_is_a_whole_run_with_the_same_workers(easy: Finished) -> None:
    document = read_search(easy.directory)
    workers = set()
    for step in document.steps:
        directory = easy.directory / step.directory
        assert {path.name for path in directory.iterdir()} >= {
            "manifest.json", "result.json", "samples.parquet", "histograms.hlog", "report.html", "summary.txt", "logs",
        }  # fmt: skip
        result = decode_result((directory / "result.json").read_bytes())
        assert result.verdict.status == "pass", result.verdict.reasons
        assert result.manifest.run_id == step.run_id
        assert result.scheduled == result.outcomes["completed"]
        [seen] = result.workers.seen
        assert seen.manifest_digest == "-"
        workers.add(seen.where)
        [worker] = [process for process in result.processes if process.name == "worker-0"]
        # Of this step alone, though the process lives through all of them.
        assert 0 < worker.cpu_s < result.duration_s + result.drain_s + 10
    assert len(workers) == 1
    assert (easy.directory / "logs" / "worker-0.log").exists()


def test_a_steps_run_can_be_reported_and_the_search_too(easy: Finished) -> None:
    document = read_search(easy.directory)
    for place in (easy.directory, easy.directory / document.steps[0].directory):
        with Benchmark("report", str(place), directory=place) as again:
            ended = again.finish()
        assert ended.status == 0, ended.stderr
        assert ended.stdout.rstrip() == (place / "summary.txt").read_text().rstrip()


@pytest.mark.whole
def test_a_queue_of_known_capacity_is_searched_to_its_limit(tmp_path: Path) -> None:
    """20/s and no more; starts come evenly, so that all of it can be used.

    The budget is for four steps: the second look at a rate that was lost is `tests/bench/search`'s.
    """
    with FrontendProcess(
        "--service-time", "50ms", "--servers", "1", "--worker-identity", matching_identity()
    ) as frontend:
        ended = search(
            "--address", frontend.address, "--generator-only", "--slo", "latency.p99<500ms", "--start-rate", "18",
            "--most-rate", "30", "--precision", "0.5", "--budget", "24s", directory=tmp_path / "s",
        )  # fmt: skip
    assert ended.status == 0, ended.stdout + ended.stderr + ended.logs
    document = read_search(ended.directory)
    assert document.answer is not None
    assert document.answer.confirmed
    assert document.answer.rate_per_s is not None
    assert 16 <= document.answer.rate_per_s <= 20.5, ended.stdout
    assert document.answer.lost_per_s is not None
    assert document.answer.lost_per_s > document.answer.rate_per_s
    assert [step.measured.step.kind for step in document.steps] == ["bracket", "bracket", "bisect", "confirm"]
    lost = [step for step in document.steps if step.measured.early]
    assert lost, "30/s is beyond what the queue carries"
    assert all(step.cleared_after_s is not None for step in document.steps[:-1]), "backlog cleared after each"
    result = decode_result((ended.directory / lost[0].directory / "result.json").read_bytes())
    assert not result.interrupted
    assert result.verdict.status == "fail"
    assert any(note.startswith("Ended early, at ") for note in result.notes)
    assert "workers: they run elsewhere" in ended.stderr


@pytest.mark.whole
def test_an_interrupt_keeps_what_was_measured(tmp_path: Path) -> None:
    directory = tmp_path / "s"
    with FrontendProcess("--worker-identity", matching_identity()) as frontend:
        arguments = ("--address", frontend.address, "--generator-only", "--slo", "latency.p99<1s", "--start-rate", "5")
        with Benchmark("search", *arguments, *BRIEF, "--output", str(directory), directory=directory) as run:
            run.wait_for("step 2: ")
            run.wait_until(lambda: run.stderr.count("target") >= 3, 60, "the second step's progress")
            run.interrupt(signal.SIGINT)
            ended = run.finish()
    assert ended.status == 4, ended.stderr
    document: SearchDocument = read_search(directory)
    assert document.interrupted
    assert [step.measured.held for step in document.steps] == [True]
    assert document.answer is not None
    assert document.answer.held_per_s == 5
    assert any("Step 2 was interrupted" in note for note in document.notes)
    assert "INTERRUPTED: 5/s HELD SO FAR" in ended.stdout
    second = next((directory / "steps").glob("02-*"))
    assert decode_result((second / "result.json").read_bytes()).interrupted


def test_a_cluster_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    ended = search(
        "--address", "127.0.0.1:9", "--connect-timeout", "1s", "--slo", "latency.p99<1s", directory=tmp_path / "s"
    )
    assert ended.status == 3
    assert not (tmp_path / "s" / "search.json").exists()
