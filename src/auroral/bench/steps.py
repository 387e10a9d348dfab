"""The step language: what one workflow of a workload does, its plain form and its limits. Pure.

The names of fields carry their units; a workload file writes the same fields without them (`duration`,
`payload`), with the unit in the value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal, NamedTuple, get_args

import msgspec

from auroral.bench.durations import Duration, Exponential, LogNormal, Normal, Uniform
from auroral.config import escaped, printable
from auroral.errors import ConfigurationError, Problem
from auroral.units import format_duration, format_size

Mode = Literal["sequence", "parallel"]

LONGEST_S = 86_400.0
"""A step's duration, delay or interval is at most a day."""
LARGEST_BYTES = 2_000_000
"""Temporal servers refuse a payload above 2 MiB (`limit.blobSize.error`)."""
LARGEST_MESSAGE_BYTES = 3_500_000
"""gRPC messages are at most 4 MiB, and a workflow task's answer is one of them."""
MOST = 10_000
DEEPEST = 5
"""Levels of children."""
MOST_STEPS = 1_000
MOST_EXECUTIONS = 10_000
"""Child executions that one start may cause."""


class Field(NamedTuple):
    """What a field takes: its name here and in files, its kind and its range."""

    attribute: str
    key: str
    kind: Literal["int", "choice", "duration", "seconds", "bytes", "ratio", "bool", "steps"]
    low: float = 0
    high: float = 0


_COUNT = Field("count", "count", "int", 1, MOST)
_MODE = Field("mode", "mode", "choice")
_PAYLOAD = Field("payload_bytes", "payload", "bytes", 0, LARGEST_BYTES)
_SCHEDULE = (
    _COUNT,
    Field("after_s", "after", "seconds", 0, LONGEST_S),
    Field("every_s", "every", "seconds", 0, LONGEST_S),
)


class _Step(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, tag_field="step"
):
    fields: ClassVar[tuple[Field, ...]] = ()
    """The first one is what a bare value in a file means."""


class Activity(_Step, frozen=True, kw_only=True, tag="activity"):
    """Activities that wait for their duration without using CPU; a duration of zero returns at once."""

    count: int = 1
    mode: Mode = "sequence"
    duration_s: Duration = 0.0
    payload_bytes: int = 0
    """Size of the input."""
    result_bytes: int = 0
    failure_rate: float = 0.0
    """Share of the attempts that fail, at the end of their duration."""
    local: bool = False
    max_attempts: int = 0
    """0: as many as it takes. The workflow fails when the last attempt fails."""
    retry_interval_s: float = 1.0
    """The same between all attempts."""

    fields: ClassVar[tuple[Field, ...]] = (
        _COUNT,
        _MODE,
        Field("duration_s", "duration", "duration", 0, LONGEST_S),
        _PAYLOAD,
        Field("result_bytes", "result", "bytes", 0, LARGEST_BYTES),
        Field("failure_rate", "failure_rate", "ratio", 0, 1),
        Field("local", "local", "bool"),
        Field("max_attempts", "max_attempts", "int", 0, 1_000),
        Field("retry_interval_s", "retry_interval", "seconds", 0.001, LONGEST_S),
    )


class Timer(_Step, frozen=True, kw_only=True, tag="timer"):
    """One durable timer."""

    duration_s: Duration = 1.0

    fields: ClassVar[tuple[Field, ...]] = (Field("duration_s", "duration", "duration", 0, LONGEST_S),)


class Child(_Step, frozen=True, kw_only=True, tag="child"):
    """Child workflows, all awaited: in parallel they are started together."""

    count: int = 1
    mode: Mode = "parallel"
    steps: tuple[Step, ...] = ()

    fields: ClassVar[tuple[Field, ...]] = (_COUNT, _MODE, Field("steps", "steps", "steps"))


class Signal(_Step, frozen=True, kw_only=True, tag="signal"):
    """Signals that the benchmark sends; the workflow waits here until it has got them."""

    count: int = 1
    after_s: float = 0.0
    """From the accepted start to the first."""
    every_s: float = 0.1
    """From one to the next."""
    payload_bytes: int = 0

    fields: ClassVar[tuple[Field, ...]] = (*_SCHEDULE, _PAYLOAD)


class Update(_Step, frozen=True, kw_only=True, tag="update"):
    """Updates that the benchmark sends and the workflow answers; it waits here until it has got them."""

    count: int = 1
    after_s: float = 0.0
    every_s: float = 0.1
    payload_bytes: int = 0

    fields: ClassVar[tuple[Field, ...]] = (*_SCHEDULE, _PAYLOAD)


class Query(_Step, frozen=True, kw_only=True, tag="query"):
    """Queries that the benchmark sends; the workflow does not wait for them."""

    count: int = 1
    after_s: float = 0.0
    every_s: float = 0.1

    fields: ClassVar[tuple[Field, ...]] = _SCHEDULE


class ContinueAsNew(_Step, frozen=True, kw_only=True, tag="continue_as_new"):
    """Start over as a new run, `times` more times."""

    times: int = 1

    fields: ClassVar[tuple[Field, ...]] = (Field("times", "times", "int", 1, MOST),)


Step = Activity | Timer | Child | Signal | Update | Query | ContinueAsNew
STEP_TYPES: dict[str, type[Step]] = {
    "activity": Activity,
    "timer": Timer,
    "child": Child,
    "signal": Signal,
    "update": Update,
    "query": Query,
    "continue_as_new": ContinueAsNew,
}
ROOT_ONLY = (Signal, Update, Query, ContinueAsNew)


class Workload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What one workflow does: its steps, one after another."""

    name: str
    steps: tuple[Step, ...] = ()

    @property
    def repetitions(self) -> int:
        """Runs of one workflow: one, and one more for each continue-as-new."""
        last = self.steps[-1] if self.steps else None
        return 1 + (last.times if isinstance(last, ContinueAsNew) else 0)


class Interaction(msgspec.Struct, frozen=True, kw_only=True):
    """What the benchmark's client sends to each workflow of a workload."""

    kind: Literal["signal", "update", "query"]
    index: int
    """Of its step."""
    after_s: float
    """From the accepted start to the first."""
    every_s: float
    """From one to the next."""
    count: int
    """What one run of the workflow waits for; of queries, what is sent in one run's stead."""
    total: int
    """What to send in all: `count` for each run of a continue-as-new chain."""
    payload_bytes: int = 0


def interactions(workload: Workload) -> list[Interaction]:
    """What the client must send to each workflow: to its id without a run id, so that each reaches the current run."""
    return [
        Interaction(
            kind="signal" if isinstance(step, Signal) else "update" if isinstance(step, Update) else "query",
            index=index,
            after_s=step.after_s,
            every_s=step.every_s,
            count=step.count,
            total=step.count * workload.repetitions,
            payload_bytes=0 if isinstance(step, Query) else step.payload_bytes,
        )
        for index, step in enumerate(workload.steps)
        if isinstance(step, Signal | Update | Query)
    ]


def kind_of(step: Step) -> str:
    """The step's name in the language, e.g. `activity`."""
    return str(type(step).__struct_config__.tag)


def to_plain(workload: Workload) -> dict[str, Any]:
    """The workload as JSON-able values, defaults left out."""
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(workload))
    return plain


def from_plain(plain: dict[str, Any]) -> Workload:
    """The workload that `to_plain` gave. Raises `ConfigurationError` for anything else."""
    try:
        workload = msgspec.convert(plain, Workload)
    except msgspec.ValidationError as error:
        problem = Problem("workload", str(plain.get("name", "?")), "its plain form", str(error))
        raise ConfigurationError([problem]) from error
    if problems := validate(workload):
        raise ConfigurationError(problems)
    return workload


def validate(workload: Workload, *, origin: str = "the workload") -> list[Problem]:
    """Every problem of the workload, each named by its place, e.g. `steps[2].activity.count`."""
    problems = list(_sequence_problems(workload.steps, "steps", 0, origin))
    if not workload.name or len(workload.name) > 100 or not printable(workload.name):
        shown = repr(workload.name) if len(workload.name) <= 100 else f"{len(workload.name):,} characters"
        problems.append(Problem("name", escaped(shown), origin, "1 to 100 characters, none of them control characters"))
    total = count_steps(workload.steps)
    if total > MOST_STEPS:
        problems.append(Problem("steps", f"{total:,} steps", origin, f"at most {MOST_STEPS:,}, nested ones included"))
    children = count_executions(workload.steps)
    if children > MOST_EXECUTIONS:
        expected = f"at most {MOST_EXECUTIONS:,} in one workflow, children of children included"
        problems.append(Problem("steps", f"{children:,} child workflows", origin, expected))
    return problems


def count_steps(steps: Sequence[Step]) -> int:
    """Steps, nested ones included."""
    return sum(1 + (count_steps(step.steps) if isinstance(step, Child) else 0) for step in steps)


def count_executions(steps: Sequence[Step]) -> int:
    """Child executions that one run of these steps starts, children of children included."""
    return sum(step.count * (1 + count_executions(step.steps)) for step in steps if isinstance(step, Child))


def _sequence_problems(steps: Sequence[Step], path: str, depth: int, origin: str) -> Iterator[Problem]:
    if depth > DEEPEST:
        yield Problem(path, f"level {depth}", origin, f"at most {DEEPEST} levels of children")
        return
    for index, step in enumerate(steps):
        kind = kind_of(step)
        here = f"{path}[{index}].{kind}"
        if depth and isinstance(step, ROOT_ONLY):
            yield Problem(here, kind, origin, f"{kind} only in the root workflow, not in a child")
        elif isinstance(step, ContinueAsNew) and index != len(steps) - 1:
            yield Problem(here, f"step {index + 1} of {len(steps)}", origin, "continue_as_new as the last step")
        for field in type(step).fields:
            yield from _field_problems(getattr(step, field.attribute), field, f"{here}.{field.key}", origin)
        match step:
            case Activity():
                yield from _activity_problems(step, here, origin)
            case Child():
                yield from _sequence_problems(step.steps, f"{here}.steps", depth + 1, origin)


def _field_problems(value: Any, field: Field, path: str, origin: str) -> Iterator[Problem]:
    match field.kind:
        case "int" | "ratio":
            if not field.low <= value <= field.high:
                yield Problem(path, f"{value:g}", origin, f"{field.low:,g} to {field.high:,g}")
        case "bytes":
            if not field.low <= value <= field.high:
                yield Problem(path, format_size(value), origin, f"0 to {field.high:,} bytes")
        case "choice":
            if value not in get_args(Mode):
                yield Problem(path, str(value), origin, "sequence or parallel")
        case "seconds":
            yield from _seconds_problems(value, field.low, field.high, path, origin)
        case "duration":
            yield from _duration_problems(value, field.high, path, origin)


def _seconds_problems(value: float, low: float, high: float, path: str, origin: str) -> Iterator[Problem]:
    if not low <= value <= high:
        yield Problem(path, f"{value:g} s", origin, f"{format_duration(low)} to {format_duration(high)}")


def _duration_problems(duration: Duration, high: float, path: str, origin: str) -> Iterator[Problem]:
    match duration:
        case Uniform():
            if not 0 <= duration.min_s <= duration.max_s <= high:
                expected = f"two durations, the smaller one first, at most {format_duration(high)}"
                yield Problem(path, f"{duration.min_s:g} s..{duration.max_s:g} s", origin, expected)
        case Exponential():
            yield from _seconds_problems(duration.mean_s, 0, high, f"{path}.mean", origin)
            if duration.max_s is not None:
                yield from _seconds_problems(duration.max_s, 0, high, f"{path}.max", origin)
        case LogNormal():
            yield from _seconds_problems(duration.median_s, 1e-6, high, f"{path}.median", origin)
            yield from _seconds_problems(duration.p99_s, max(1e-6, duration.median_s), high, f"{path}.p99", origin)
        case Normal():
            yield from _seconds_problems(duration.mean_s, 0, high, f"{path}.mean", origin)
            yield from _seconds_problems(duration.stddev_s, 0, high, f"{path}.stddev", origin)
        case _:
            yield from _seconds_problems(duration, 0, high, path, origin)


def _activity_problems(step: Activity, path: str, origin: str) -> Iterator[Problem]:
    if step.failure_rate == 1 and step.max_attempts == 0:
        expected = "below 1, or max_attempts above 0: else no attempt is ever the last"
        yield Problem(f"{path}.failure_rate", f"{step.failure_rate:g}", origin, expected)
    together = step.count * step.payload_bytes
    if step.mode == "parallel" and not step.local and together > LARGEST_MESSAGE_BYTES:
        expected = f"count × payload at most {LARGEST_MESSAGE_BYTES:,} bytes in parallel: one message carries them all"
        yield Problem(f"{path}.payload", f"{step.count:,} × {format_size(step.payload_bytes)}", origin, expected)
