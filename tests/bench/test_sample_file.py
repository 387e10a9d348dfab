"""Samples through real Parquet files, and the table of server times."""

from __future__ import annotations

import random
import tracemalloc
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.bench import sample_file
from auroral.bench.sample_file import ROWS_PER_GROUP, SampleWriter, ServerTimes, finish, schema
from auroral.bench.samples import Observation, Outcome, Sample
from auroral.errors import OutputError


def make_samples(count: int, first: int = 0) -> list[Sample]:
    return [
        Sample(
            index=index,
            workload=index % 2,
            outcome=Outcome.COMPLETED if index % 3 else Outcome.REJECTED,
            intended_us=index * 1000,
            sent_us=index * 1000 + 5,
            accepted_us=index * 1000 + 9 if index % 3 else None,
            closed_us=index * 1000 + 99 if index % 3 else None,
            observation=Observation.WATCHED if index % 3 else Observation.NONE,
            cause="" if index % 3 else "RESOURCE_EXHAUSTED/RPS_LIMIT/NAMESPACE",
        )
        for index in range(first, first + count)
    ]


def make_writer(directory: Path) -> SampleWriter:
    return SampleWriter(directory, run_id="run1", workloads=["simple", "timer"])


def row_of(sample: Sample) -> dict[str, object]:
    return {
        **{name: getattr(sample, name) for name in msgspec.structs.asdict(sample)},
        "workload": ["simple", "timer"][sample.workload],
        "state_transitions": None,
    }


def test_samples_are_read_back_as_they_were(tmp_path: Path) -> None:
    samples = make_samples(7)
    writer = make_writer(tmp_path / "parts")
    writer.append(samples[:4])
    writer.append(samples[4:])
    writer.close()
    finish(tmp_path / "parts", tmp_path / "all.parquet", "run1", ServerTimes().get)
    assert pq.read_table(tmp_path / "all.parquet").to_pylist() == [row_of(sample) for sample in samples]


def test_server_times_fill_their_columns_and_take_nothing_away(tmp_path: Path) -> None:
    writer = make_writer(tmp_path / "parts")
    writer.append([msgspec.structs.replace(sample, server_closed_us=77) for sample in make_samples(3)])
    writer.close()
    times = ServerTimes()
    times.set(1, 1006, 1090, 12)
    times.set(2, 2006, None, 5)
    finish(tmp_path / "parts", tmp_path / "all.parquet", "run1", times.get)
    table = pq.read_table(tmp_path / "all.parquet")
    assert table["server_started_us"].to_pylist() == [None, 1006, 2006]
    assert table["server_closed_us"].to_pylist() == [77, 1090, 77]
    assert table["state_transitions"].to_pylist() == [None, 12, 5]


def test_the_file_states_its_run_units_and_encodings(tmp_path: Path) -> None:
    writer = make_writer(tmp_path / "parts")
    writer.append(make_samples(5))
    writer.close()
    finish(tmp_path / "parts", tmp_path / "all.parquet", "run1", ServerTimes().get)
    stored = pq.read_schema(tmp_path / "all.parquet")
    assert stored.remove_metadata().equals(schema("run1").remove_metadata())
    assert stored.metadata[b"auroral.run_id"] == b"run1"
    for name in ("workload", "outcome", "observation", "cause"):
        assert pa.types.is_dictionary(stored.field(name).type)
    column = pq.ParquetFile(tmp_path / "all.parquet").metadata.row_group(0).column(0)
    assert column.compression == "ZSTD"


def test_parts_of_a_run_that_never_finished_can_be_read(tmp_path: Path) -> None:
    writer = make_writer(tmp_path / "parts")
    writer.append(make_samples(2 * ROWS_PER_GROUP + 1))
    assert sorted(part.name for part in (tmp_path / "parts").iterdir()) == ["0000.parquet", "0001.parquet"]
    assert pq.read_table(tmp_path / "parts").num_rows == 2 * ROWS_PER_GROUP


def test_the_joined_file_has_a_row_group_for_each_part_in_their_order(tmp_path: Path) -> None:
    writer = make_writer(tmp_path / "parts")
    writer.append(make_samples(2 * ROWS_PER_GROUP + 10))
    writer.close()
    finish(tmp_path / "parts", tmp_path / "all.parquet", "run1", ServerTimes().get)
    stored = pq.ParquetFile(tmp_path / "all.parquet")
    groups = [stored.metadata.row_group(number).num_rows for number in range(stored.num_row_groups)]
    assert groups == [ROWS_PER_GROUP, ROWS_PER_GROUP, 10]
    assert stored.read(["index"])["index"].to_pylist() == list(range(2 * ROWS_PER_GROUP + 10))


def test_a_run_without_samples_has_an_empty_file(tmp_path: Path) -> None:
    make_writer(tmp_path / "parts").close()
    finish(tmp_path / "parts", tmp_path / "all.parquet", "run1", ServerTimes().get)
    assert pq.read_table(tmp_path / "all.parquet").num_rows == 0


def test_memory_of_the_writer_does_not_grow_with_the_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_file, "ROWS_PER_GROUP", 500)
    writer = make_writer(tmp_path / "parts")
    writer.append(make_samples(1_000))
    arrow_bytes = pa.total_allocated_bytes()
    tracemalloc.start()
    try:
        for batch in range(40):
            writer.append(make_samples(250, first=250 * batch))
        grown_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown_bytes < 500_000
    assert pa.total_allocated_bytes() <= arrow_bytes + 100_000


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file/parts cannot be written: .*directory"):
        make_writer(tmp_path / "file" / "parts")


def test_a_broken_part_is_told_and_kept(tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    (parts / "0000.parquet").write_bytes(b"not Parquet")
    with pytest.raises(OutputError, match="cannot be written"):
        finish(parts, tmp_path / "all.parquet", "run1", ServerTimes().get)
    assert (parts / "0000.parquet").exists()


optional_ints = st.one_of(st.none(), st.integers(-(2**60), 2**60))


@given(st.dictionaries(st.integers(0, 200_000), st.tuples(optional_ints, optional_ints, optional_ints), max_size=20))
def test_server_times_are_a_table_by_index(rows: dict[int, tuple[int | None, int | None, int | None]]) -> None:
    times = ServerTimes()
    for index, row in rows.items():
        times.set(index, *row)
    for index, row in rows.items():
        assert times.get(index) == row
        for unset in {index - 1, index + 1, 10**9} - rows.keys():
            assert times.get(unset) == (None, None, None)


def test_server_times_are_compact() -> None:
    order = list(range(50_000))
    random.Random(1).shuffle(order)
    tracemalloc.start()
    try:
        times = ServerTimes()
        for index in order:
            times.set(index, index, index, index)
        used_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used_bytes < 50_000 * 24 * 2.2
