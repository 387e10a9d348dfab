"""The results directory of one run: documents, logs, histograms. Acts. Every failure to write is an `OutputError`.

Documents are written beside their place and renamed into it: a reader never finds half of one.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from auroral.bench import result as results
from auroral.bench.histogram import write_log
from auroral.bench.manifest import Manifest
from auroral.bench.result import Result
from auroral.bench.sample_file import SampleWriter, ServerTimes, finish, unwritable
from auroral.errors import OutputError
from auroral.json_document import json_file

if TYPE_CHECKING:
    from auroral.bench.tally import Tally

__all__ = ["RunDirectory", "SampleWriter", "ServerTimes", "read_result"]

MANIFEST = "manifest.json"
RESULT = "result.json"
SAMPLES = "samples.parquet"
HISTOGRAMS = "histograms.hlog"
_SAMPLE_PARTS = "samples.parts"
_LOGS = "logs"


class RunDirectory:
    """Where one run's results lie. Make one with `create` or `open`."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest

    @classmethod
    def create(cls, path: Path, manifest: Manifest) -> RunDirectory:
        """Make the directory and write the manifest. Raises `OutputError`, also where a run lies there already.

        The directory is this run's alone for as long as the object lives.
        """
        directory = cls(path, manifest)
        with writing(path):
            (path / _LOGS).mkdir(parents=True, exist_ok=True)
            claimed = claim(path, directory)
            parts = path / _SAMPLE_PARTS
            # A run that failed before its schedule leaves a manifest and logs: the next may take their place.
            taken = any((path / name).exists() for name in (RESULT, SAMPLES)) or (
                parts.exists() and any(parts.iterdir())
            )
        if taken or not claimed:
            raise OutputError(
                f"expected a new directory for the results, but {path} "
                + ("holds a run already" if taken else "is being written by another run"),
                hint="name another directory with --output",
            )
        data = json_file(manifest)
        directory._replace(MANIFEST, data)
        return directory

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        """Open the directory of a run that has its result. Raises `OutputError`."""
        return cls(path, read_result(path).manifest)

    def read_result(self) -> Result:
        """Read the result document. Raises `OutputError`."""
        return read_result(self.path)

    def log_path(self, name: str) -> Path:
        """The log of one process of the run."""
        return self.path / _LOGS / f"{name}.log"

    def write_result(self, result: Result) -> None:
        """Write the result document."""
        self._replace(RESULT, results.encode(result))

    def write_text(self, name: str, text: str) -> Path:
        """Write a text file such as the summary or the report; return its path."""
        return self._replace(name, text.encode(errors="backslashreplace"))

    def write_histograms(self, tally: Tally, started_unix_s: float) -> None:
        """Write the run's histograms in HdrHistogram's log format."""
        with self._replacing(HISTOGRAMS) as temporary, temporary.open("w", encoding="utf-8") as out:
            write_log(out, started_unix_s, tally.intervals())

    def sample_writer(self) -> SampleWriter:
        """A writer that streams samples into parts, each a Parquet file that any reader opens."""
        return SampleWriter(
            self.path / _SAMPLE_PARTS,
            run_id=self.manifest.run_id,
            workloads=[workload.name for workload in self.manifest.workloads],
        )

    def finish_samples(self, server_times: Callable[[int], tuple[int | None, int | None, int | None]]) -> None:
        """Join the parts into `samples.parquet`, with the server's times of each sample, and remove them.

        `server_times` maps a sample's index to its start and close event (µs since the epoch) and its state
        transitions. Close the writer first. Where this fails the parts remain.
        """
        parts = self.path / _SAMPLE_PARTS
        with self._replacing(SAMPLES) as temporary:
            finish(parts, temporary, self.manifest.run_id, server_times)
        with writing(parts):
            if parts.exists():
                shutil.rmtree(parts)

    def drop_samples(self) -> None:
        """Leave no place for samples, where they lie elsewhere."""
        parts = self.path / _SAMPLE_PARTS
        with writing(parts):
            if parts.exists():
                shutil.rmtree(parts)

    def _replace(self, name: str, data: bytes) -> Path:
        write_whole(self.path / name, data)
        return self.path / name

    def _replacing(self, name: str) -> AbstractContextManager[Path]:
        return _replacing(self.path / name)


def claim(path: Path, owner: object) -> bool:
    """Lock a directory for as long as `owner` lives; whether it was free. The lock ends with the process at the latest.

    Raises `OSError` where there is no such directory.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    weakref.finalize(owner, os.close, descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system that cannot lock directories
        return True
    return True


def write_whole(target: Path, data: bytes) -> None:
    """Write a file: a reader finds the old one or all of the new one. Raises `OutputError`."""
    with _replacing(target) as temporary:
        temporary.write_bytes(data)


def read_result(path: Path) -> Result:
    """Read the result document in a run's directory. Raises `OutputError`."""
    try:
        data = (path / RESULT).read_bytes()
    except OSError as error:
        raise OutputError(
            f"{path}: expected a run's directory with {RESULT}, but {RESULT} cannot be read: {error.strerror or error}",
            hint="the summary of a run ends with its directory; runs that never started driving have no result",
        ) from error
    try:
        return results.decode(data)
    except ValueError as error:
        raise OutputError(
            f"{path / RESULT}: expected {error}", hint="was it written by another version of auroral?"
        ) from error


@contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """Yield a path to write to; what is there afterwards takes the name, all of it or nothing."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    with writing(target):
        try:
            yield temporary
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise unwritable(path, error) from error
