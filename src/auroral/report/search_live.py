"""What a search shows while it runs: a growing table in a terminal, plain lines anywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from auroral.bench.progress import Progress
from auroral.bench.search.machine import Measured, Step
from auroral.bench.search.watch import Plan
from auroral.report import words
from auroral.report.live import LiveState, PlainLines, progress_line, sparkline
from auroral.report.redrawn import Redrawn
from auroral.report.search import backlog, outcome, quantile
from auroral.units import format_duration

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

_MOST_WARNINGS = 5
_MOST_STEPS = 14
_COLOURS = {"held": "green", "in doubt": "yellow"}


@dataclass(frozen=True, slots=True)
class SearchState:
    """What the live view shows. Each event makes a new one."""

    plan: Plan | None = None
    measured: tuple[Measured, ...] = ()
    step: Step | None = None
    """The one under way."""
    run: LiveState = field(default_factory=LiveState)
    """Phases outside of steps, or of the step's run; and its numbers."""
    warnings: tuple[str, ...] = ()

    @property
    def load_s(self) -> float:
        """Load of the steps that have ended."""
        return sum(measured.load_s for measured in self.measured)

    def begun(self, step: Step) -> SearchState:
        """A step begins."""
        return replace(self, step=step, run=LiveState())

    def ended(self, measured: Measured) -> SearchState:
        """A step has ended."""
        return replace(self, measured=(*self.measured, measured), step=None, run=LiveState())


def frame(state: SearchState, busy: RenderableType | None = None) -> RenderableType:
    """Draw a state: the plan, the steps so far, the one under way (with `busy` beside it), warnings."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = []
    if state.plan is not None:
        parts.append(_plan(state.plan, state.load_s))
    if state.measured:
        parts.append(_table(state.measured))
    if state.step is not None or state.run.phase:
        parts.append(_now(state, busy or Text("▸", style="cyan")))
    parts += [Text(f"! {warning}", style="yellow") for warning in state.warnings[-_MOST_WARNINGS:]]
    return Group(*parts)


def step_line(step: Step) -> str:
    """A step in one line."""
    ramp = f"ramp {format_duration(step.ramp_s)}, then " if step.ramp_s else ""
    return f"step {step.number}: {step.kind} {words.rate(step.rate_per_s)}, {ramp}{format_duration(step.hold_s)}"


def measured_line(measured: Measured) -> str:
    """What a step showed in one line."""
    parts = [
        f"{outcome(measured)}: {words.rate(measured.step.rate_per_s)}",
        f"completed {words.rate(measured.completed_per_s)}",
        *(f"{name} {quantile(measured, name)}" for name in ("p50", "p99")),
        f"open {backlog(measured)}",
    ]
    return "  ".join(parts) + (f"  ({measured.reasons[0]})" if measured.reasons else "")


class SearchView(Redrawn[SearchState]):
    """A search's view in a terminal."""

    per_second = 4

    def __init__(self, console: Console) -> None:
        super().__init__(console, SearchState())

    def drawn(self, state: SearchState, busy: RenderableType) -> RenderableType:
        """Draw a state."""
        return frame(state, busy)

    def finished(self, state: SearchState) -> SearchState:
        """Nothing is under way any more."""
        return replace(state, step=None, run=LiveState())

    def plan(self, plan: Plan) -> None:
        """The search begins."""
        self._state = replace(self._state, plan=plan)

    def step(self, step: Step) -> None:
        """A step begins."""
        self._state = self._state.begun(step)

    def measured(self, measured: Measured) -> None:
        """A step has ended."""
        self._state = self._state.ended(measured)

    def phase(self, name: str, detail: str = "") -> None:
        """A phase begins, of the search or of the step's run."""
        self._state = replace(self._state, run=self._state.run.in_phase(name, detail))

    def detail(self, text: str) -> None:
        """Progress within a phase."""
        self._state = replace(self._state, run=replace(self._state.run, detail=" ".join(text.split())))

    def progress(self, progress: Progress) -> None:
        """The state of the step's run."""
        self._state = replace(self._state, run=replace(self._state.run, progress=progress))

    def warning(self, text: str) -> None:
        """Something the user should know now."""
        self._state = replace(self._state, warnings=(*self._state.warnings, text))


class PlainSearchLines:
    """A line for each step and what it showed, and one every five seconds within it; for logs and pipes."""

    def __init__(self, stream: TextIO, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._lines = PlainLines(stream, clock_s)
        self._in_step = False
        self._next_t_s = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.__exit__(kind, error, trace)

    def plan(self, plan: Plan) -> None:
        """The search begins."""
        self._write(_plan_line(plan))

    def step(self, step: Step) -> None:
        """A step begins: the phases of its run need no lines of their own."""
        self._lines.__exit__(None, None, None)
        self._in_step = True
        self._next_t_s = 0.0
        self._write(step_line(step))

    def measured(self, measured: Measured) -> None:
        """A step has ended."""
        self._in_step = False
        self._write(f"  {measured_line(measured)}")

    def phase(self, name: str, detail: str = "") -> None:
        """A phase of the search begins."""
        if not self._in_step:
            self._lines.phase(name, detail)

    def detail(self, text: str) -> None:
        """Progress within a phase."""
        if not self._in_step:
            self._lines.detail(text)

    def progress(self, progress: Progress) -> None:
        """The state of the step's run; a line for every five seconds of it."""
        if progress.t_s >= self._next_t_s:
            self._next_t_s = (progress.t_s // 5 + 1) * 5
            self._write(f"  {progress_line(progress)}")

    def warning(self, text: str) -> None:
        """Something the user should know now."""
        self._lines.warning(text)

    def _write(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()


def _plan_line(plan: Plan) -> str:
    return (
        f"the largest rate from {words.rate(plan.least_per_s)} to {words.rate(plan.most_per_s)} with "
        f"{', '.join(plan.objective)}, in at most {format_duration(plan.budget_s)} of load"
    )


def _plan(plan: Plan, load_s: float) -> Text:
    from rich.text import Text

    text = Text(_plan_line(plan), style="dim")
    if load_s:
        text.append(f" ({format_duration(load_s)} so far)")
    return text


def _table(all_measured: tuple[Measured, ...]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 1), pad_edge=False)
    table.add_column("#", justify="right", style="dim")
    table.add_column("step", style="dim")
    for name in ("offered", "completed", "p50", "p99", "open"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("outcome", no_wrap=True)
    for measured in all_measured[-_MOST_STEPS:]:
        said = outcome(measured)
        table.add_row(
            str(measured.step.number),
            measured.step.kind,
            words.rate(measured.step.rate_per_s),
            words.rate(measured.completed_per_s),
            *(_brief(quantile(measured, name)) for name in ("p50", "p99")),
            backlog(measured),
            Text(said, style=_COLOURS.get(said, "red")),
        )
    return table


def _brief(text: str) -> str:
    """Narrow enough for a column; the report says it in full."""
    return "incomplete" if text == words.DID_NOT_COMPLETE else text


def _now(state: SearchState, busy: RenderableType) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    step, run = state.step, state.run
    line = Table.grid(padding=(0, 1))
    line.add_column(width=1)
    line.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    said = run.phase if step is None else f"{step_line(step)}   {run.phase}"
    about = "  ".join(part for part in ((run.about if step is None else ""), run.detail) if part)
    line.add_row(busy, Text.assemble((said, "bold"), "  ", about))
    parts: list[RenderableType] = [line]
    progress = run.progress
    if progress is not None and step is not None:
        parts.append(Text(f"  {progress_line(progress)}"))
        parts.append(Text(f"  {sparkline(progress.completed_series, progress.target_per_s)}", style="blue"))
    return Group(*parts)
