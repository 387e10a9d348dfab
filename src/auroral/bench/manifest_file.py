"""The manifest of a run that began elsewhere: its file → the agreement, or one clear error."""

from __future__ import annotations

from pathlib import Path

import msgspec

from auroral.bench.manifest import ENGINES, LANGUAGE_VERSION, Manifest, digest
from auroral.bench.steps import from_plain
from auroral.bench.workload import Mix
from auroral.errors import ConfigurationError, OutputError, UsageError

_HINT = "name the manifest.json that `auroral bench run --generator-only` writes into its results directory"


class _Header(msgspec.Struct):
    """What must be known before the rest can be understood."""

    language_version: int
    engine: str
    auroral_version: str = ""


def read_manifest(path: str) -> Manifest:
    """Read a run's manifest. Raises `OutputError` where the file cannot be read, else as `parse_manifest`."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise OutputError(f"the manifest {path} cannot be read: {error.strerror or error}", hint=_HINT) from error
    return parse_manifest(data, path)


def parse_manifest(data: bytes, origin: str) -> Manifest:
    """Read a manifest's text; `origin` names the file. Pure.

    Raises `UsageError` for what is no manifest, was changed by hand, or is of a run that workers of this version
    cannot serve.
    """
    try:
        header = msgspec.json.decode(data, type=_Header)
        if header.language_version != LANGUAGE_VERSION or header.engine not in ENGINES:
            raise UsageError(
                f"{origin} is of a run with the engine {header.engine} and step language {header.language_version}, "
                f"but these workers run {' or '.join(ENGINES)} and {LANGUAGE_VERSION}",
                hint=f"start workers of the version that wrote it: auroral {header.auroral_version or 'of that time'}",
            )
        manifest = msgspec.json.decode(data, type=Manifest)
        _check(manifest)
    except (msgspec.DecodeError, ValueError, ConfigurationError) as error:
        fault = "; ".join(map(str, error.problems)) if isinstance(error, ConfigurationError) else str(error)
        raise UsageError(f"{origin} is no manifest of a run: {fault}", hint=_HINT) from error
    return manifest


def _check(manifest: Manifest) -> None:
    """See that workers can go by it. Raises `ValueError` or `ConfigurationError`."""
    queues = manifest.task_queues
    if not queues or not all(queues) or len(set(queues)) < len(queues):
        raise ValueError(f"expected task queues with names of their own, not {queues}")
    if not all(
        duration_s >= 0 and start_per_s >= 0 and end_per_s >= 0
        for duration_s, start_per_s, end_per_s in manifest.arrival.segments
    ):
        raise ValueError("expected durations and rates of zero or more in its arrival process")
    for workload in manifest.workloads:
        if digest(workload.definition) != workload.digest:
            raise ValueError(f"the workload {workload.name} is not the one whose digest stands beside it")
        from_plain(workload.definition)
    Mix([workload.weight for workload in manifest.workloads], manifest.arrival.seed)
