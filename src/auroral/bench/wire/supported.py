"""Which workloads the wire engine runs: those made of what the five built-in ones use. Pure.

`simple` has no steps; the others have activities that only wait, timers of one length, and children that complete at
once. Whatever else the step language knows belongs to `--engine sdk`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from auroral.bench.durations import Uniform
from auroral.bench.steps import Activity, Child, Step, Timer, Workload, kind_of
from auroral.errors import ConfigurationError, Problem

HINT = "leave it out, or run this workload with --engine sdk, which runs all of them"
_ORIGIN = "the workload {name}, with --engine wire"
_DEFAULTS: dict[type, Step] = {Activity: Activity(), Child: Child()}
_AS_BY_DEFAULT: dict[type, tuple[str, ...]] = {
    Activity: ("payload_bytes", "result_bytes", "failure_rate", "local", "max_attempts", "retry_interval_s"),
    Child: ("mode", "steps"),
}
"""Fields that no built-in workload sets."""


def require_supported(workloads: Sequence[Workload]) -> None:
    """Raise `ConfigurationError` naming everything in these workloads that the wire engine does not run."""
    found = [problem for workload in workloads for problem in problems_of(workload)]
    if found:
        raise ConfigurationError(found, hint=HINT)


def problems_of(workload: Workload) -> list[Problem]:
    """What the wire engine does not run of this workload, each by its place, e.g. `steps[2].activity.local`."""
    origin = _ORIGIN.format(name=workload.name)
    return [Problem(path, value, origin, expected) for path, value, expected in differences(workload.steps)]


def differences(steps: Sequence[Step]) -> Iterator[tuple[str, str, str]]:
    """Yield (place, value, what would do) of each step or field that no built-in workload uses."""
    for index, step in enumerate(steps):
        here = f"steps[{index}].{kind_of(step)}"
        if not isinstance(step, Activity | Timer | Child):
            yield here, kind_of(step), "activity, timer or child: the built-in workloads have no other steps"
            continue
        for attribute in _AS_BY_DEFAULT.get(type(step), ()):
            value, default = getattr(step, attribute), getattr(_DEFAULTS[type(step)], attribute)
            if value != default:
                key = next(field.key for field in type(step).fields if field.attribute == attribute)
                yield f"{here}.{key}", _shown(value), f"{_shown(default)}, as in the built-in workloads"
        if isinstance(step, Activity) and not isinstance(step.duration_s, int | float | Uniform):
            yield f"{here}.duration", kind_of_duration(step.duration_s), "a constant or a uniform duration"
        if isinstance(step, Timer) and not isinstance(step.duration_s, int | float):
            yield f"{here}.duration", kind_of_duration(step.duration_s), "a constant duration"


def kind_of_duration(duration: Any) -> str:
    """Name a distribution as a workload file does."""
    return str(type(duration).__struct_config__.tag)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"{len(value)} steps" if value else "no steps"
    return f"{value:g}" if isinstance(value, float) else str(value)
