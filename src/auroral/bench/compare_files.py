"""A run's directory → its seconds, for a comparison: samples where they are, else the seconds' histograms. Acts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from auroral.bench.bootstrap import RunSeconds
from auroral.bench.comparable import window_of
from auroral.bench.compare import GROUPS, Run, Source
from auroral.bench.histogram import Histogram, bucket_index
from auroral.bench.result import Result
from auroral.bench.store import HISTOGRAMS, RESULT, SAMPLES, read_result
from auroral.errors import OutputError

_US_PER_S = 1_000_000


def read_run(where: str) -> Run:
    """Read a run by its directory or its `result.json`. Raises `OutputError`."""
    path = Path(where)
    directory = path.parent if path.name == RESULT and not path.is_dir() else path
    result = read_result(directory)
    source: Source
    if (directory / SAMPLES).exists():
        source, seconds = "samples", _from_samples(directory / SAMPLES, result)
    elif (directory / HISTOGRAMS).exists():
        source, seconds = "histograms", _from_log(directory / HISTOGRAMS, result)
    else:
        source, seconds = "counts", RunSeconds(latencies=None, counts=_series_counts(result))
    return Run(where=where, result=result, source=source, seconds=seconds)


def _from_samples(path: Path, result: Result) -> RunSeconds:
    window = window_of(result)
    latencies: list[list[int]] = [[] for _ in window]
    groups = {outcome.value: name for name, outcomes in GROUPS.items() for outcome in outcomes}
    counts = {name: [0] * len(window) for name in ("intended", *GROUPS)}
    rows = 0
    for outcome, intended_us, closed_us in _rows(path):
        rows += 1
        second = intended_us // _US_PER_S - window.start
        if not 0 <= second < len(window):
            continue
        group = groups.get(outcome)
        if group is None:
            raise OutputError(
                f"{path}: expected the outcomes of this version, not {outcome!r}",
                hint="was it written by another version of auroral?",
            )
        counts["intended"][second] += 1
        counts[group][second] += 1
        if group == "completed" and closed_us is not None:
            latencies[second].append(bucket_index(closed_us - intended_us))
    expected = sum(result.outcomes.values())
    if rows != expected:
        raise OutputError(
            f"{path}: expected the {expected:,} starts of {RESULT}, but it holds {rows:,}",
            hint="is it of another run? without it the comparison takes the histograms",
        )
    for values in latencies:
        values.sort()
    return RunSeconds(latencies=latencies, counts={**counts, "completed_events": _column(result, "completed")})


def _rows(path: Path) -> Iterator[tuple[str, int, int | None]]:
    import pyarrow.parquet as pq
    from pyarrow.lib import ArrowException

    columns = ["outcome", "intended_us", "closed_us"]
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(columns=columns):
                yield from zip(*(batch.column(name).to_pylist() for name in columns), strict=True)
    except (OSError, ArrowException, KeyError) as error:
        raise OutputError(
            f"{path}: expected samples in Parquet: {error}", hint="without it the comparison takes the histograms"
        ) from error


def _from_log(path: Path, result: Result) -> RunSeconds:
    window = window_of(result)
    latencies: list[list[int]] = [[] for _ in window]
    held = 0
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("Tag=latency,"):
                _, start_s, _, _, payload = line.split(",")
                second = int(float(start_s)) - window.start
                histogram = Histogram.decode(payload)
                held += histogram.count
                if 0 <= second < len(window):
                    latencies[second] = histogram.indices()
    except (OSError, ValueError) as error:
        raise OutputError(f"{path}: expected a log of histograms: {error}", hint="give another run") from error
    expected = result.times.latency_completed.count
    if held != expected:
        raise OutputError(
            f"{path}: expected the latencies of {expected:,} completed starts, but it holds {held:,}",
            hint="is it of another run, or cut short? without it only counts are compared",
        )
    counts = _series_counts(result)
    counts["completed"] = [len(values) for values in latencies]
    return RunSeconds(latencies=latencies, counts=counts)


def _series_counts(result: Result) -> dict[str, list[int]]:
    """What result.json alone tells of each second."""
    return {
        "completed_events": _column(result, "completed"),
        "unfinished": [0] * len(window_of(result)),
        **{name: _column(result, name) for name in ("intended", "completed", "failed", "rejected", "dropped")},
    }


def _column(result: Result, name: str) -> list[int]:
    column: list[int] = getattr(result.series, name)
    return [column[second] for second in window_of(result)]
