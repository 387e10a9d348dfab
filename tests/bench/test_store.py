"""The results directory on a real file system, its faults included."""

from __future__ import annotations

import errno
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from auroral.bench.limits import LimitReport
from auroral.bench.manifest import Manifest, ManifestArrival, ManifestWorkload
from auroral.bench.result import Cleanup, Environment, Observed, Reconciliation, Result, Verdict, Workers
from auroral.bench.samples import Observation, Outcome, Sample
from auroral.bench.schedule import Schedule
from auroral.bench.store import RunDirectory, ServerTimes
from auroral.bench.tally import Tally
from auroral.errors import OutputError

ARRIVAL = ManifestArrival(
    process="constant", segments=[(2.0, 50.0, 50.0)], ramp_s=0.0, count=None, seed=1, staged=False
)
MANIFEST = Manifest(
    run_id="run1",
    namespace="benchmark",
    task_queues=["run1"],
    workloads=[ManifestWorkload(name="simple", weight=1.0, definition={}, digest="0")],
    arrival=ARRIVAL,
    engine="python",
    observe="watch",
)
SAMPLES = [
    Sample(
        index=arrival.index,
        workload=0,
        outcome=Outcome.COMPLETED,
        intended_us=arrival.intended_us,
        sent_us=arrival.intended_us + 10,
        accepted_us=arrival.intended_us + 20,
        closed_us=arrival.intended_us + 3_000,
        observation=Observation.WATCHED,
    )
    for arrival in Schedule(ARRIVAL).arrivals()
]


def make_tally() -> Tally:
    tally = Tally(Schedule(ARRIVAL).windows())
    for sample in SAMPLES:
        tally.add(sample)
    return tally


def make_result(tally: Tally) -> Result:
    return Result(
        manifest=MANIFEST,
        started_at="2026-11-01T00:00:00Z",
        duration_s=2.0,
        drain_s=0.0,
        interrupted=False,
        configuration=[],
        environment=Environment(address="127.0.0.1:7233"),
        scheduled=tally.scheduled,
        outcomes={outcome.value: count for outcome, count in tally.outcomes.items()},
        causes=tally.causes(),
        times=tally.times(),
        windows=tally.windows(),
        series=tally.series(2.0, Schedule(ARRIVAL)),
        percentile_curve=tally.curve(),
        observed=Observed(watched=0, swept=0, refused_waits=0, resolved_starts=0),
        interactions=[],
        readings=[],
        limits=LimitReport(findings=[]),
        workers=Workers(processes=1, options={}),
        processes=[],
        reconciliation=Reconciliation(status="agreed", settled_after_s=0.0, ours={}, server={}),
        cleanup=Cleanup(left_open=0, terminated_directly=0, terminated_by_batch=0, remaining=0),
        thresholds=[],
        verdict=Verdict(status="pass", reasons=[]),
    )


@contextmanager
def file_size_limit(limit_bytes: int) -> Iterator[None]:
    """No file may grow beyond this: the nearest thing to a full disk without one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def names(path: Path) -> set[str]:
    return {entry.name for entry in path.iterdir()}


def test_a_whole_run_is_written_and_read_back(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path / "results" / "run1", MANIFEST)
    assert msgspec.json.decode((directory.path / "manifest.json").read_bytes(), type=Manifest) == MANIFEST
    directory.log_path("worker-0").write_text("ready\n")
    writer = directory.sample_writer()
    writer.append(SAMPLES)
    writer.close()
    times = ServerTimes()
    times.set(0, 15, 2_900, 8)
    directory.finish_samples(times.get)
    tally = make_tally()
    directory.write_histograms(tally, 1_700_000_000)
    result = make_result(tally)
    directory.write_result(result)
    assert directory.write_text("summary.txt", "grün\n").read_text(encoding="utf-8") == "grün\n"

    assert names(directory.path) == {
        "manifest.json", "logs", "samples.parquet", "histograms.hlog", "result.json", "summary.txt"
    }  # fmt: skip
    again = RunDirectory.open(directory.path)
    assert again.manifest == MANIFEST
    assert again.read_result() == result
    table = pq.read_table(directory.path / "samples.parquet")
    assert table.num_rows == len(SAMPLES)
    assert table["state_transitions"].to_pylist()[:2] == [8, None]
    assert set(table["workload"].to_pylist()) == {"simple"}
    reader = HistogramLogReader(str(directory.path / "histograms.hlog"), HdrHistogram(1, 10, 3))
    assert reader.get_next_interval_histogram().get_total_count() == len(SAMPLES)
    reader.close()


def test_samples_that_lie_elsewhere_leave_no_place_here(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path, MANIFEST)
    directory.sample_writer()
    for _ in range(2):
        directory.drop_samples()
        assert names(tmp_path) == {"manifest.json", "logs"}


def test_a_directory_where_a_run_failed_before_it_began_is_used_again(tmp_path: Path) -> None:
    RunDirectory.create(tmp_path, MANIFEST).sample_writer().close()
    assert RunDirectory.create(tmp_path, MANIFEST).path == tmp_path


def test_two_runs_cannot_share_a_directory(tmp_path: Path) -> None:
    first = RunDirectory.create(tmp_path, MANIFEST)
    with pytest.raises(OutputError, match="is being written by another run") as caught:
        RunDirectory.create(tmp_path, MANIFEST)
    assert "--output" in caught.value.hint
    del first
    RunDirectory.create(tmp_path, MANIFEST)


def test_samples_of_a_run_that_was_killed_are_kept(tmp_path: Path) -> None:
    writer = RunDirectory.create(tmp_path, MANIFEST).sample_writer()
    writer.append(SAMPLES)
    writer.close()
    with pytest.raises(OutputError, match="holds a run already"):
        RunDirectory.create(tmp_path, MANIFEST)


def test_a_directory_that_holds_a_run_is_refused(tmp_path: Path) -> None:
    RunDirectory.create(tmp_path, MANIFEST)
    (tmp_path / "result.json").write_text("{}")
    with pytest.raises(OutputError, match="holds a run already") as caught:
        RunDirectory.create(tmp_path, MANIFEST)
    assert "--output" in caught.value.hint


def test_a_directory_with_other_files_is_used(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("mine")
    RunDirectory.create(tmp_path, MANIFEST)
    assert names(tmp_path) == {"notes.md", "manifest.json", "logs"}


def test_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("")
    for path in (tmp_path / "results", tmp_path / "results" / "run1"):
        with pytest.raises(OutputError, match=r"results.* cannot be written: ") as caught:
            RunDirectory.create(path, MANIFEST)
        assert isinstance(caught.value.__cause__, OSError)


def test_a_place_that_nobody_may_write_to_is_told() -> None:
    with pytest.raises(OutputError, match="/proc/auroral-results cannot be written"):
        RunDirectory.create(Path("/proc/auroral-results"), MANIFEST)


def test_a_full_disk_is_told_and_leaves_what_was_there(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path, MANIFEST)
    directory.write_text("summary.txt", "first")
    with file_size_limit(1_000), pytest.raises(OutputError, match=r"summary\.txt cannot be written: File too large"):
        directory.write_text("summary.txt", "second" * 1_000)
    assert (tmp_path / "summary.txt").read_text() == "first"
    with file_size_limit(100), pytest.raises(OutputError, match=r"histograms\.hlog cannot be written"):
        directory.write_histograms(make_tally(), 0)
    assert names(tmp_path) == {"manifest.json", "logs", "summary.txt"}


def test_samples_on_a_full_disk_are_told_and_written_once_there_is_room(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path, MANIFEST)
    writer = directory.sample_writer()
    writer.append(SAMPLES)
    with file_size_limit(500), pytest.raises(OutputError, match=r"0000\.parquet cannot be written") as caught:
        writer.close()
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.EFBIG
    writer.close()
    with file_size_limit(500), pytest.raises(OutputError, match="cannot be written"):
        directory.finish_samples(ServerTimes().get)
    assert names(tmp_path / "samples.parts") == {"0000.parquet"}
    directory.finish_samples(ServerTimes().get)
    assert names(tmp_path) == {"manifest.json", "logs", "samples.parquet"}
    assert pq.read_table(tmp_path / "samples.parquet").num_rows == len(SAMPLES)


def test_opening_what_is_no_run_or_not_whole_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"result\.json cannot be read: No such file"):
        RunDirectory.open(tmp_path / "nothing")
    directory = RunDirectory.create(tmp_path / "run", MANIFEST)
    with pytest.raises(OutputError, match=r"result\.json cannot be read"):
        RunDirectory.open(directory.path)
    (directory.path / "result.json").write_text('{"schema": 3}')
    with pytest.raises(OutputError, match="expected a result document"):
        RunDirectory.open(directory.path)
