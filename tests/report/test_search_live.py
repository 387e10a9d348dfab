"""What a search shows while it runs, from its events to what is on the screen."""

from __future__ import annotations

import io

from rich.console import Console

from auroral.bench.progress import Progress
from auroral.bench.search.machine import Step
from auroral.bench.search.watch import Plan
from auroral.report.search_live import PlainSearchLines, SearchState, SearchView, frame, measured_line, step_line
from tests.support.search_documents import measured

PLAN = Plan(objective=["latency.p99<500ms"], least_per_s=1, most_per_s=1000, budget_s=600)
STEP = Step(number=2, kind="bracket", rate_per_s=20, ramp_s=5, hold_s=30)


def progress(t_s: float) -> Progress:
    return Progress(
        phase="drive", t_s=t_s, schedule_s=35, target_per_s=20, sent_per_s=20, completed_per_s=19, in_flight=3,
        scheduled=100, outcomes={"completed": 97}, p50_ms=20, p95_ms=40, p99_ms=60, lag_p99_ms=1,
        completed_series=[1, 5, 19],
    )  # fmt: skip


def drawn(state: SearchState, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(frame(state))
    output = console.file
    assert isinstance(output, io.StringIO)
    return output.getvalue()


def watched() -> SearchView:
    view = SearchView(Console(file=io.StringIO()))
    view.plan(PLAN)
    view.phase("connect", "127.0.0.1:7233")
    view.step(Step(number=1, kind="bracket", rate_per_s=10, ramp_s=5, hold_s=30))
    view.measured(measured(1, "bracket", 10))
    view.step(STEP)
    view.phase("drive", "35 s")
    view.progress(progress(12))
    view.warning("generator-0 is slow")
    return view


def test_the_table_grows_and_the_step_under_way_stands_below() -> None:
    shown = drawn(watched().state)
    assert "the largest rate from 1/s to 1,000/s with latency.p99<500ms, in at most 10 m of load (35 s so far)" in shown
    assert "held" in shown
    assert "step 2: bracket 20/s, ramp 5 s, then 30 s" in shown
    assert "0:12 / 0:35" in shown
    assert "generator-0 is slow" in shown


def test_it_fits_a_narrow_terminal() -> None:
    state = watched().state
    for number in range(2, 40):
        state = state.ended(measured(number, "bisect", 210 + number))
    shown = drawn(state, 80)
    assert max(map(len, shown.splitlines())) <= 80
    assert len(shown.splitlines()) < 24
    assert "incomplete" in shown


def test_a_phase_between_steps_is_told_and_a_steps_own_are_not_kept() -> None:
    view = watched()
    view.measured(measured(2, "bracket", 20))
    view.phase("clear", "at most 60 s")
    view.detail("waiting: 3 tasks")
    shown = drawn(view.state)
    assert "clear" in shown
    assert "waiting: 3 tasks" in shown
    assert "drive" not in shown


def test_a_real_console_draws_it_and_ends_clean() -> None:
    output = io.StringIO()
    with SearchView(Console(file=output, width=100)) as view:
        view.plan(PLAN)
        view.step(STEP)
        view.measured(measured(2, "bracket", 20))
    assert "held" in output.getvalue()
    assert view.state.step is None


def test_plain_lines_have_one_for_each_step_and_its_end() -> None:
    output = io.StringIO()
    with PlainSearchLines(output, clock_s=lambda: 0.0) as lines:
        lines.plan(PLAN)
        lines.phase("connect", "127.0.0.1:7233")
        lines.step(STEP)
        lines.phase("drive", "35 s")
        lines.detail("not of interest")
        for second in range(1, 13):
            lines.progress(progress(second))
        lines.measured(measured(2, "bracket", 20))
        lines.phase("clear")
        lines.detail("waiting")
    told = output.getvalue().splitlines()
    assert told[1:3] == ["connect: 127.0.0.1:7233", step_line(STEP)]
    assert [line.split()[0] for line in told[3:6]] == ["0:01", "0:05", "0:10"]
    assert told[6].strip() == measured_line(measured(2, "bracket", 20))
    assert told[7:] == ["clear", "  waiting"]
