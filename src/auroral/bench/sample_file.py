"""Samples in Parquet: streamed into parts while a run lasts, joined into one file at its end. Acts.

Memory does not grow with the samples, but for 24 bytes of server times each.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auroral.bench.samples import Observation, Outcome, Sample
from auroral.errors import OutputError

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_PER_GROUP = 20_000
_NONE = -(2**63)
_TIMES = ("sent_us", "accepted_us", "closed_us", "server_started_us", "server_closed_us")


class ServerTimes:
    """The server's start, close and state transitions of each sample, by its index; 24 bytes each."""

    def __init__(self) -> None:
        self._values = array("q")

    def set(self, index: int, started_us: int | None, closed_us: int | None, state_transitions: int | None) -> None:
        """Keep them. Times in µs since the run's epoch."""
        position = 3 * index
        missing = position + 3 - len(self._values)
        if missing > 0:
            # In steps, since indices come in almost any order.
            self._values.extend(array("q", [_NONE]) * max(missing, min(len(self._values), 3 * 65_536)))
        for offset, value in enumerate((started_us, closed_us, state_transitions)):
            self._values[position + offset] = _NONE if value is None else value

    def get(self, index: int) -> tuple[int | None, int | None, int | None]:
        """Start, close and state transitions; None for what is not known."""
        position = 3 * index
        if not 0 <= position < len(self._values):
            return None, None, None
        started_us, closed_us, transitions = (
            None if value == _NONE else value for value in self._values[position : position + 3]
        )
        return started_us, closed_us, transitions


class SampleWriter:
    """Streams samples into `NNNN.parquet` parts of 20,000 rows. A part that is there is whole."""

    def __init__(
        self,
        directory: Path,
        *,
        run_id: str,
        workloads: Sequence[str],
    ) -> None:
        with _translated(directory):
            directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._schema = schema(run_id)
        self._workloads = list(workloads)
        self._pending: list[Sample] = []
        self._parts = 0

    def append(self, samples: Sequence[Sample]) -> None:
        """Take samples in any order; write a part when enough wait. Raises `OutputError`."""
        self._pending.extend(samples)
        while len(self._pending) >= ROWS_PER_GROUP:
            self._write(self._pending[:ROWS_PER_GROUP])
            del self._pending[:ROWS_PER_GROUP]

    def close(self) -> None:
        """Write what waits. Raises `OutputError`."""
        if self._pending:
            self._write(self._pending)
            self._pending = []

    def _write(self, samples: Sequence[Sample]) -> None:
        import pyarrow.parquet as pq

        part = self._directory / f"{self._parts:04}.parquet"
        temporary = part.with_suffix(".tmp")
        with _translated(part):
            try:
                pq.write_table(
                    _table(samples, self._workloads, self._schema), temporary, compression="zstd", use_dictionary=True
                )
                temporary.replace(part)
            finally:
                temporary.unlink(missing_ok=True)
        self._parts += 1


def schema(run_id: str) -> pa.Schema:
    """The columns of `samples.parquet`. Times are µs since the run's epoch; null: it never happened."""
    import pyarrow as pa

    name = pa.dictionary(pa.int32(), pa.string())
    fields = [
        pa.field("index", pa.int64(), nullable=False),
        pa.field("workload", name, nullable=False),
        pa.field("outcome", name, nullable=False),
        pa.field("intended_us", pa.int64(), nullable=False),
        *(pa.field(column, pa.int64()) for column in _TIMES),
        pa.field("state_transitions", pa.int64()),
        pa.field("observation", name, nullable=False),
        pa.field("sends", pa.int32(), nullable=False),
        pa.field("cause", name, nullable=False),
    ]
    return pa.schema(fields, metadata={"auroral.run_id": run_id, "auroral.schema": "auroral.bench.samples/1"})


def finish(
    parts: Path,
    target: Path,
    run_id: str,
    server_times: Callable[[int], tuple[int | None, int | None, int | None]],
) -> None:
    """Write the parts as one file, a row group each, with the server's columns filled where it knows them.

    Raises `OutputError`.
    """
    with _translated(parts.parent):
        _join(parts, target, run_id, server_times)


def unwritable(path: Path, error: Exception) -> OutputError:
    """The error that tells which file could not be written, and why."""
    cause = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return OutputError(
        f"{path} cannot be written: {cause}",
        hint="name a directory that can be written and has room with --output",
    )


def _join(
    parts: Path,
    target: Path,
    run_id: str,
    server_times: Callable[[int], tuple[int | None, int | None, int | None]],
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = ("server_started_us", "server_closed_us", "state_transitions")
    with pq.ParquetWriter(target, schema(run_id), compression="zstd", use_dictionary=True) as writer:
        for part in sorted(parts.glob("*.parquet"), key=lambda path: int(path.stem)):
            table = pq.read_table(part, partitioning=None)
            rows = [server_times(index) for index in table["index"].to_pylist()]
            for position, name in enumerate(columns):
                known = table[name].to_pylist()
                filled = [
                    row[position] if row[position] is not None else old for row, old in zip(rows, known, strict=True)
                ]
                table = table.set_column(table.schema.get_field_index(name), name, pa.array(filled, pa.int64()))
            writer.write_table(table.cast(schema(run_id)), row_group_size=ROWS_PER_GROUP)


def _table(samples: Sequence[Sample], workloads: Sequence[str], columns: pa.Schema) -> pa.Table:
    import pyarrow as pa

    def named(values: Sequence[int], names: Sequence[str]) -> Any:
        return pa.DictionaryArray.from_arrays(pa.array(values, pa.int32()), pa.array(names, pa.string()))

    outcomes = {outcome: number for number, outcome in enumerate(Outcome)}
    observations = {observation: number for number, observation in enumerate(Observation)}
    causes = {cause: number for number, cause in enumerate(dict.fromkeys(sample.cause for sample in samples))}
    arrays = [
        pa.array([sample.index for sample in samples], pa.int64()),
        named([sample.workload for sample in samples], workloads),
        named([outcomes[sample.outcome] for sample in samples], [outcome.value for outcome in Outcome]),
        pa.array([sample.intended_us for sample in samples], pa.int64()),
        *(pa.array([getattr(sample, name) for sample in samples], pa.int64()) for name in _TIMES),
        pa.nulls(len(samples), pa.int64()),
        named([observations[sample.observation] for sample in samples], [each.value for each in Observation]),
        pa.array([sample.sends for sample in samples], pa.int32()),
        named([causes[sample.cause] for sample in samples], list(causes)),
    ]
    return pa.Table.from_arrays(arrays, schema=columns)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    from pyarrow.lib import ArrowException

    try:
        yield
    except (OSError, ArrowException) as error:
        raise unwritable(path, error) from error
