"""What a run shows while it runs: a live view in a terminal, plain lines anywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from auroral.bench.progress import Progress
from auroral.bench.samples import Outcome
from auroral.report import words
from auroral.report.redrawn import Redrawn

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

_BLOCKS = "▁▂▃▄▅▆▇█"
_MOST_WARNINGS = 5
_LABEL = 12
_INTERVAL_S = 5.0
_DRIVEN = ("drive", "drain")


@dataclass(frozen=True, slots=True)
class LiveState:
    """What the live view shows. Each event makes a new one."""

    done: tuple[tuple[str, str], ...] = ()
    """Phases that are over, with what became of them."""
    phase: str = ""
    about: str = ""
    """What the phase was announced with."""
    detail: str = ""
    """The latest progress within the phase."""
    progress: Progress | None = None
    warnings: tuple[str, ...] = ()

    def in_phase(self, name: str, detail: str = "") -> LiveState:
        """A phase begins, and the one before is done."""
        return replace(self.finished(), phase=name, about=detail, detail="")

    def finished(self) -> LiveState:
        """The phase is done, and none follows yet."""
        if not self.phase:
            return self
        line = self.about or self.detail
        if self.phase in _DRIVEN and self.progress is not None:
            line = _carried(self.progress)
        return replace(self, done=(*self.done, (self.phase, line)), phase="", about="", detail="")


def frame(state: LiveState, busy: RenderableType | None = None) -> RenderableType:
    """Draw a state: phases done, the phase at work (with `busy` beside it, e.g. a spinner), numbers, warnings."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    phases = Table.grid(padding=(0, 1))
    phases.add_column(width=1)
    phases.add_column(min_width=_LABEL)
    phases.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    for name, line in state.done:
        phases.add_row(Text("✓", style="green"), Text(name, style="dim"), Text(line, style="dim"))
    if state.phase:
        text = "  ".join(part for part in (state.about, state.detail) if part)
        phases.add_row(busy or Text("▸", style="cyan"), Text(state.phase, style="bold"), Text(text))
    parts: list[RenderableType] = [phases]
    if state.progress is not None and state.phase in _DRIVEN:
        parts += [Text(), _numbers(state.progress)]
    parts += [Text(f"! {warning}", style="yellow") for warning in state.warnings[-_MOST_WARNINGS:]]
    return Group(*parts)


def sparkline(values: Sequence[float], high: float = 0.0) -> str:
    """A line of blocks, as high as each value's share of the greatest (or of `high`); 0 is a blank."""
    most = max([high, *values]) if values else high
    if most <= 0:
        return " " * len(values)
    return "".join(" " if value <= 0 else _BLOCKS[min(7, int(8 * value / most))] for value in values)


def progress_line(progress: Progress) -> str:
    """One state of a run in one line."""
    parts = [
        f"{words.clock(progress.t_s)} / {words.clock(progress.schedule_s)}",
        f"target {words.rate(progress.target_per_s)}",
        f"sent {words.rate(progress.sent_per_s)}",
        f"completed {words.rate(progress.completed_per_s)}",
        f"in flight {progress.in_flight:,}",
        f"p50 {_latency(progress, progress.p50_ms)}",
        f"p99 {_latency(progress, progress.p99_ms)}",
        *(f"{label} {count:,}" for label, count in _troubles(progress)),
    ]
    if progress.limit:
        parts.append(f"limit {progress.limit}")
    return "  ".join(parts)


class LiveView(Redrawn[LiveState]):
    """A run's view in a terminal."""

    per_second = 8

    def __init__(self, console: Console) -> None:
        super().__init__(console, LiveState())

    def drawn(self, state: LiveState, busy: RenderableType) -> RenderableType:
        """Draw a state."""
        return frame(state, busy)

    def finished(self, state: LiveState) -> LiveState:
        """The last phase is done."""
        return state.finished()

    def phase(self, name: str, detail: str = "") -> None:
        """A phase of the run begins."""
        self._state = self._state.in_phase(name, detail)

    def detail(self, text: str) -> None:
        """Progress within a phase."""
        self._state = replace(self._state, detail=" ".join(text.split()))

    def progress(self, progress: Progress) -> None:
        """The state of the run."""
        self._state = replace(self._state, progress=progress)

    def warning(self, text: str) -> None:
        """Something the user should know now."""
        self._state = replace(self._state, warnings=(*self._state.warnings, text))


class PlainLines:
    """One line per phase, and one every five seconds within it; for logs and pipes.

    Progress is paced by the run's own time; details, which come before there is one, by `clock_s`.
    """

    def __init__(self, stream: TextIO, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock_s = clock_s
        self._progress: Progress | None = None
        self._next_t_s = 0.0
        self._next_detail_s = 0.0
        self._held = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_phase()

    def phase(self, name: str, detail: str = "") -> None:
        """A phase of the run begins."""
        self._end_phase()
        self._write(f"{name}: {detail}" if detail else name)
        self._next_detail_s = self._clock_s()

    def detail(self, text: str) -> None:
        """Progress within a phase; at most a line every five seconds, and the last one when the phase ends."""
        self._held = " ".join(text.split())
        if self._clock_s() >= self._next_detail_s:
            self._next_detail_s = self._clock_s() + _INTERVAL_S
            self._flush_detail()

    def progress(self, progress: Progress) -> None:
        """The state of the run; a line for every five seconds of it."""
        self._progress = progress
        if progress.t_s >= self._next_t_s:
            self._next_t_s = (progress.t_s // _INTERVAL_S + 1) * _INTERVAL_S
            self._write(f"  {progress_line(progress)}")

    def warning(self, text: str) -> None:
        """Something the user should know now."""
        self._write(f"warning: {text}")

    def _end_phase(self) -> None:
        self._flush_detail()
        if self._progress is not None:
            self._write(f"  {_carried(self._progress)}")
            self._progress = None

    def _flush_detail(self) -> None:
        if self._held:
            self._write(f"  {self._held}")
            self._held = ""

    def _write(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()


def _numbers(progress: Progress) -> RenderableType:
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    bar = Table.grid(padding=(0, 1), expand=True)
    bar.add_column(no_wrap=True)
    bar.add_column(ratio=1)
    bar.add_column(no_wrap=True)
    done = min(progress.t_s, progress.schedule_s)
    bar.add_row(
        words.clock(progress.t_s),
        ProgressBar(total=max(progress.schedule_s, 1e-9), completed=done),
        words.clock(progress.schedule_s),
    )
    rates = _pairs(
        ("target", words.rate(progress.target_per_s)),
        ("sent", words.rate(progress.sent_per_s)),
        ("completed", words.rate(progress.completed_per_s)),
        ("in flight", f"{progress.in_flight:,}"),
    )
    latency = _pairs(
        ("p50", _latency(progress, progress.p50_ms)),
        ("p95", _latency(progress, progress.p95_ms)),
        ("p99", _latency(progress, progress.p99_ms)),
        ("lag p99", words.NONE if progress.lag_p99_ms is None else words.ms(progress.lag_p99_ms)),
    )
    outcomes = _pairs(*((words.outcome_label(name), f"{n:,}") for name, n in words.outcomes(progress.outcomes)))
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="dim", no_wrap=True)
    rows.add_column()
    rows.add_row("rates", rates)
    rows.add_row("completed/s", Text(sparkline(progress.completed_series, progress.target_per_s), style="blue"))
    rows.add_row("latency", latency)
    rows.add_row("outcomes", outcomes)
    if progress.limit:
        rows.add_row("first limit", Text(progress.limit, style="yellow"))
    return Group(bar, rows)


def _pairs(*pairs: tuple[str, str]) -> Text:
    from rich.text import Text

    text = Text()
    for index, (label, value) in enumerate(pairs):
        text.append("   " if index else "")
        text.append(f"{label} ".replace(" ", "\u00a0"), style="dim")
        text.append(value.replace(" ", "\u00a0"), style="bold")
    return text


def _latency(progress: Progress, value_ms: float | None) -> str:
    if value_ms is not None:
        return words.ms(value_ms)
    return words.DID_NOT_COMPLETE if any(progress.outcomes.values()) else words.NONE


def _troubles(progress: Progress) -> list[tuple[str, int]]:
    counted = words.outcomes(progress.outcomes)
    return [(words.outcome_label(name), count) for name, count in counted if name != Outcome.COMPLETED]


def _carried(progress: Progress) -> str:
    completed = progress.outcomes.get(Outcome.COMPLETED, 0)
    parts = [f"completed {completed:,} of {progress.scheduled:,} in {words.clock(progress.t_s)}"]
    return ", ".join([*parts, *(f"{label} {count:,}" for label, count in _troubles(progress))])
