"""What the coordinator and its child processes say to each other: JSON lines over stdin and stdout. Pure.

A child reads one order (`GeneratorOrder` or `WorkerOrder`), answers `Hello`, then `Ready`, and from then on
reports. End of file on its stdin means that the coordinator is gone: it stops at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from auroral.bench.manifest import NO_MANIFEST, Manifest, Transport
from auroral.bench.samples import InteractionKind, Sample
from auroral.bench.settings import WorkerSettings
from auroral.temporal.spec import ConnectionSpec


class _Frame(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    pass


# Coordinator to generator


class WorkerOrder(_Frame, frozen=True, kw_only=True):
    """What one worker process is to do."""

    connection: ConnectionSpec
    task_queues: list[str]
    settings: WorkerSettings
    max_concurrent_activities: int
    engine: str
    manifest_digest: str = NO_MANIFEST
    """Of the manifest of the run that it serves; `-`: of any run."""
    name: str
    metrics: bool


class GeneratorOrder(_Frame, frozen=True, kw_only=True):
    """What one generator process is to do."""

    connection: ConnectionSpec
    manifest: Manifest
    generator: int
    """Its number: it takes the starts whose index is congruent to it modulo `manifest.generator_processes`."""
    max_in_flight: int
    max_lag_s: float
    max_watchers: int
    start_timeout_s: float
    drain_timeout_s: float
    metrics: bool
    worker: WorkerOrder | None = None
    """Of the worker that it is too, where starts are eager."""


class Go(_Frame, frozen=True, kw_only=True):
    """Start the schedule at this instant (µs since 1970) with this estimate of server − client clock."""

    epoch_unix_us: int
    clock_offset_us: int


class StopSchedule(_Frame, frozen=True, kw_only=True):
    """Send no further start; drain for at most this long."""

    drain_timeout_s: float


class CleanUp(_Frame, frozen=True, kw_only=True):
    """Terminate the workflows still held, directly, within this time."""

    deadline_s: float


# Child to coordinator


class Hello(_Frame, frozen=True, kw_only=True):
    """The child runs."""

    pid: int
    metrics_port: int | None


class Ready(_Frame, frozen=True, kw_only=True):
    """Connected; a worker polls, a generator waits for `Go`."""

    note: str = ""
    """What the run is to say of it, after its name."""
    transport: Transport | None = None
    """What a generator drives the API with."""


def notes_of(said: Mapping[str, str]) -> list[str]:
    """What children said of themselves when they were ready, by name: one sentence for all that said the same."""
    who: dict[str, list[str]] = {}
    for name, note in said.items():
        if note:
            who.setdefault(note, []).append(name)
    return [f"{_together(names)} {note}." for note, names in who.items()]


def _together(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


class Samples(_Frame, frozen=True, kw_only=True):
    """Starts that have their outcome."""

    samples: list[Sample]


class Tick(_Frame, frozen=True, kw_only=True):
    """One second of a generator. Counts are of that second."""

    generator: int = 0
    t_s: float
    sent: int
    accepted: int
    in_flight: int
    watchers: int
    unresolved: int
    """Starts whose acknowledgement is outstanding."""
    refusals: dict[str, int]
    refused_waits: int
    back_pressured: int
    generator_limited: int
    lag_p99_us: int | None
    interactions: list[tuple[InteractionKind, int, str]] = []
    """(kind, time in µs, cause or empty) of each signal, update and query that ended in this second."""
    cpu: dict[str, float] = {}
    """Cores that processes on the generator's own machine used, where that is not the coordinator's."""


class ScheduleEnded(_Frame, frozen=True, kw_only=True):
    """The last start is sent; the drain begins."""

    t_s: float
    scheduled: int
    """Intended starts of this generator."""
    interrupted: bool


class Drained(_Frame, frozen=True, kw_only=True):
    """Everything of this generator has an outcome and was reported. It waits for `CleanUp` or for the end."""

    t_s: float
    held: int
    """Workflows that it knows to be open still."""
    reason: str = ""
    """Why the drain ended before its time, e.g. the server no longer answers."""
    eager: int = 0
    """Starts whose answer brought their first workflow task."""


class CleanedUp(_Frame, frozen=True, kw_only=True):
    """The answer to `CleanUp`."""

    terminated: int
    failed: int


class ChildFailed(_Frame, frozen=True, kw_only=True):
    """The child cannot go on."""

    error: str
    hint: str = ""
    exit_code: int = 70


ToGenerator = GeneratorOrder | Go | StopSchedule | CleanUp
FromChild = Hello | Ready | Samples | Tick | ScheduleEnded | Drained | CleanedUp | ChildFailed

_encoder = msgspec.json.Encoder()
_from_child: msgspec.json.Decoder[FromChild] = msgspec.json.Decoder(FromChild)
_to_generator: msgspec.json.Decoder[ToGenerator] = msgspec.json.Decoder(ToGenerator)
_to_worker: msgspec.json.Decoder[WorkerOrder] = msgspec.json.Decoder(WorkerOrder)


def encode(frame: Any) -> bytes:
    """One frame as a line."""
    return _encoder.encode(frame) + b"\n"


def decode_from_child(line: bytes) -> FromChild:
    """Read a child's line. Raises `msgspec.DecodeError`."""
    return _from_child.decode(line)


def decode_to_generator(line: bytes) -> ToGenerator:
    """Read a line for a generator. Raises `msgspec.DecodeError`."""
    return _to_generator.decode(line)


def decode_to_worker(line: bytes) -> WorkerOrder:
    """Read a line for a worker. Raises `msgspec.DecodeError`."""
    return _to_worker.decode(line)
