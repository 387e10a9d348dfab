from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from auroral.bench.progress import Observer, Progress
from auroral.report.live import LiveState, LiveView, PlainLines, frame, progress_line, sparkline

PROGRESS = Progress(
    phase="drive",
    t_s=35.0,
    schedule_s=60.0,
    target_per_s=100.0,
    sent_per_s=100.0,
    completed_per_s=97.4,
    in_flight=123,
    scheduled=3500,
    outcomes={"completed": 3300, "rejected": 40},
    p50_ms=45.2,
    p95_ms=300.0,
    p99_ms=None,
    lag_p99_ms=0.8,
    completed_series=[0.0, 50.0, 100.0],
    limit="server-refusals",
)


def at(t_s: float, **changes: object) -> Progress:
    return msgspec.structs.replace(PROGRESS, t_s=t_s, **changes)


def drawn(state: LiveState, width: int) -> str:
    console = Console(record=True, width=width, file=io.StringIO(), color_system=None)
    console.print(frame(state))
    return "".join(line.rstrip() + "\n" for line in console.export_text().splitlines())


def busy_state() -> LiveState:
    state = LiveState().in_phase("server", "local Temporal 1.29.1").in_phase("connect", "127.0.0.1:7233")
    state = state.in_phase("drive", "100/s for 1:00")
    return replace(state, progress=PROGRESS, warnings=("port 9090 is taken",))


@pytest.mark.parametrize("width", [80, 120])
def test_frames_are_as_stored(width: int, golden: Callable[[str, str], None]) -> None:
    golden(f"live-{width}.txt", drawn(busy_state(), width))


@pytest.mark.parametrize("width", [40, 80, 120])
def test_frames_fit_their_width(width: int) -> None:
    state = replace(busy_state(), detail="a long line of a build " * 20)
    assert max(len(line) for line in drawn(state, width).splitlines()) <= width


def test_a_phase_that_is_over_keeps_what_it_came_to() -> None:
    state = busy_state().in_phase("reconcile")
    assert state.done[-1] == ("drive", "completed 3,300 of 3,500 in 0:35, rejected 40")
    assert "rates" not in drawn(state, 80)
    assert LiveState().in_phase("build").finished().done == (("build", ""),)


def test_no_latency_yet_is_not_one_that_did_not_complete() -> None:
    assert "p99 did not complete" in progress_line(PROGRESS)
    assert "p99 –" in progress_line(at(1, outcomes={}, p50_ms=None))


@given(st.lists(st.floats(0, 1e6), max_size=60), st.floats(0, 1e6))
def test_a_sparkline_has_a_block_per_value(values: list[float], high: float) -> None:
    line = sparkline(values, high)
    assert len(line) == len(values)
    assert all((block == " ") == (value == 0) for block, value in zip(line, values, strict=True))


def test_a_sparkline_rises_with_its_values() -> None:
    assert sparkline([0, 1, 50, 100]) == " ▁▅█"
    assert sparkline([50], high=100) == "▅"
    assert sparkline([]) == ""


def test_plain_lines_pace_progress_by_the_runs_own_time() -> None:
    stream, now = io.StringIO(), [100.0]
    observer: Observer = PlainLines(stream, lambda: now[0])
    with observer:  # type: ignore[attr-defined]
        observer.phase("server", "building")
        for second in range(12):
            now[0] = 100.0 + second
            observer.detail(f"line {second}")
        observer.phase("drive", "100/s")
        for second in range(13):
            observer.progress(at(second + 0.02))
        observer.warning("a worker was lost")
        observer.phase("drain")
    lines = stream.getvalue().splitlines()
    assert lines[:6] == ["server: building", "  line 0", "  line 5", "  line 10", "  line 11", "drive: 100/s"]
    assert [line.split(" / ")[0].strip() for line in lines[6:9]] == ["0:00", "0:05", "0:10"]
    assert lines[9:] == ["warning: a worker was lost", "  completed 3,300 of 3,500 in 0:12, rejected 40", "drain"]


def test_the_live_view_shows_what_it_is_told_and_ends_with_it() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    with LiveView(console) as view:
        observer: Observer = view
        observer.phase("connect", "127.0.0.1:7233")
        observer.detail("second  try")
        assert view.state.detail == "second try"
        observer.phase("drive")
        observer.progress(PROGRESS)
        observer.warning("port 9090 is taken")
    assert view.state.done[-1][0] == "drive"
    assert "port 9090 is taken" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_phase_that_failed_is_not_shown_as_done() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    view = LiveView(console)
    with pytest.raises(RuntimeError, match="gone"), view:  # noqa: PT012
        view.phase("connect", "127.0.0.1:7233")
        raise RuntimeError("gone")
    assert view.state.done == ()
    assert view.state.phase == "connect"
