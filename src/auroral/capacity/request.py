"""What to plan for, and the same load in the units that the parts of a plan need. Pure."""

from __future__ import annotations

import math

import msgspec

from auroral.bench.steps import Workload
from auroral.bench.workload import builtin
from auroral.capacity import loads
from auroral.capacity.calibrate import Calibration
from auroral.capacity.document import Limiter
from auroral.capacity.figures import Figure, derived
from auroral.capacity.layout import Options
from auroral.capacity.presets import Presets

DEFAULT_REGION = "eu-west-1"
"""Where every published run took place."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What to plan for: a rate, or a preset's."""

    workload: Workload
    rate_per_s: float | None = None
    """Starts of the workload a second; None: what the preset carries of it."""
    preset: str | None = None
    region: str = DEFAULT_REGION
    duty: float = 1.0
    """Share of the month that the load runs, for the bill."""
    calibration: Calibration | None = None
    options: Options
    arguments: tuple[str, ...] = ()
    """Of the command line, to be repeated."""

    @property
    def limiter(self) -> Limiter:
        """Which limiter of connects the processes have."""
        return "distributed" if self.options.distributed else "local"


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """The load in the units that the parts need."""

    rate_per_s: float
    sized_per_s: float
    """In starts of the anchors' workload."""
    equivalent_per_s: float
    """In starts of the presets' workload."""
    per_workflow: Figure

    @property
    def transitions_per_s(self) -> float:
        """Of all workflows."""
        return self.rate_per_s * float(self.per_workflow.value)


def load_of(request: Request, presets: Presets) -> Load:
    """Translate what is asked for into the units of the parts. Raises `UsageError` for an unknown preset."""
    factor = loads.factor(request.workload, builtin(loads.REFERENCE_WORKLOAD))
    # The user's results are of the workload itself; the presets' runs are of the reference workload.
    sized = 1.0 if request.calibration is not None else factor
    if request.preset is not None:
        rate_per_s = presets.named(request.preset).rate_per_s / sized
    else:
        assert request.rate_per_s is not None
        rate_per_s = request.rate_per_s
    counted = request.calibration.transitions_per_workflow if request.calibration is not None else None
    if counted is not None:
        per_workflow = Figure(
            value=round(counted, 2), unit="a workflow", basis="measured", source="the server's count in your runs"
        )
    else:
        most = loads.transitions(request.workload).most
        source = "reckoned from the workload's steps, everything parallel ending by itself"
        per_workflow = derived(round(most, 2), "a workflow", source)
    return Load(
        rate_per_s=rate_per_s,
        sized_per_s=rate_per_s * sized,
        equivalent_per_s=rate_per_s * factor,
        per_workflow=per_workflow,
    )


def scaled(request: Request) -> str:
    """How the anchors' workload was translated into this one; empty: it was not."""
    if request.calibration is not None:
        return ""
    factor = loads.factor(request.workload, builtin(loads.REFERENCE_WORKLOAD))
    if math.isclose(factor, 1.0) and request.workload.name == loads.REFERENCE_WORKLOAD:
        return ""
    return f"one {request.workload.name} weighs {factor:.3g} {loads.REFERENCE_WORKLOAD}, by state transitions"


def rebased(figure: Figure, words: str) -> Figure:
    """What was measured with another workload is extrapolated for this one."""
    if not words or figure.basis not in ("measured", "documented", "interpolated"):
        return figure
    return msgspec.structs.replace(figure, basis="extrapolated", source=f"{figure.source}; {words}")
