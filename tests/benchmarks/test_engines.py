"""The comparison of engines: its arithmetic, how it reads processes, and each of its loads once."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from auroral.errors import TargetError
from auroral.temporal.toolchain import Way, WayFailed
from benchmarks.engines import main
from benchmarks.engines_build import GO_RUNNER, INSTANT, obtain_program
from benchmarks.engines_limit import CLOSE, MOST_TRIES, Climb
from benchmarks.engines_loads import ROWS, Ended, Load, Measured, measure
from benchmarks.engines_servers import InstantServer
from benchmarks.engines_table import Found, Waits, failures, most_table, rate_table, sustained, waits_table
from benchmarks.engines_usage import Used, read, spent, total
from benchmarks.engines_waits import ENGINES, quantile

ROOT = Path(__file__).parents[2]


def climb(most_per_s: float, start_per_s: float = 200.0) -> tuple[Climb, list[float]]:
    """Look for the most of a load that holds up to `most_per_s`."""
    search, tried = Climb(start_per_s), list[float]()
    while (rate_per_s := search.next_per_s()) is not None:
        tried.append(rate_per_s)
        search.tell(rate_per_s, held=rate_per_s <= most_per_s)
    return search, tried


@pytest.mark.parametrize("most_per_s", [30, 150, 200, 201, 450, 777, 1_500, 2_100])
def test_a_search_comes_close_to_what_holds(most_per_s: float) -> None:
    search, tried = climb(most_per_s)
    assert search.held_per_s is not None
    assert search.held_per_s <= most_per_s <= search.held_per_s * CLOSE * 1.05
    assert len(tried) == len(set(tried)) <= MOST_TRIES


def test_a_search_ends_where_nothing_holds_and_where_everything_does() -> None:
    search, tried = climb(0)
    assert search.held_per_s is None
    assert tried == sorted(tried, reverse=True)
    search, tried = climb(1e9)
    assert len(tried) == MOST_TRIES
    assert search.held_per_s == tried[-1]


def used(cpu_s: float, switches: int | None = 10) -> Used:
    return Used(cpu_s, switches)


def run(
    cpu_ms: float = 1.0, *, completed: int = 100, drain_s: float = 0.0, lag_ms: float = 1.0, rate_per_s: float = 10.0
) -> Measured:
    return Measured(
        rate_per_s=rate_per_s,
        settles_s=1.0,
        window_s=10.0,
        workflows=100,
        parts={"coordinator": used(cpu_ms * 0.02), "worker 1": used(cpu_ms * 0.05), "worker 2": used(cpu_ms * 0.03)},
        ended=Ended(scheduled=100, completed=completed, lag_p99_ms=lag_ms, drain_s=drain_s),
        calls={"Start": 1.0, "Poll": 3.0},
        server_cpu_s=0.05,
    )


def test_a_run_counts_the_cpu_switches_and_calls_of_each_workflow() -> None:
    one = run(2.0)
    assert one.cpu_ms == pytest.approx(2.0)
    assert one.switches == pytest.approx(0.3)
    assert one.calls_each == 4.0
    assert one.busiest_cores == pytest.approx(0.01)


def test_a_load_is_sustained_that_kept_up_in_time() -> None:
    assert sustained(run())
    assert not sustained(run(completed=99))
    assert not sustained(run(drain_s=1.1))
    assert not sustained(run(lag_ms=50.0))


def test_a_table_has_medians_ranges_and_ratios_of_the_runs_that_kept_up() -> None:
    runs = {
        "go": [run(2.0)],
        "wire": [run(1.5), run(1.0), run(1.1), run(9.0, completed=5)],
        "plain": [run(completed=1)],
    }
    head, (go, wire, plain) = rate_table(runs)
    assert len(head) == len(go) == len(wire) == len(plain)
    assert go[:3] == ["the spec's Go runner", "2.00", "1.00"]
    assert wire[1:3] == ["1.10 (1.00–1.50), 1 did not keep up", "0.55"]
    assert wire[3] == "coordinator 0.22, worker 0.88"
    assert plain[1] == "none of 1 runs kept up"


def test_the_most_is_told_or_that_there_is_none() -> None:
    head, (go, wire) = most_table({"go": [run(rate_per_s=1_200), run(rate_per_s=1_000)], "wire": []})
    assert len(head) == len(go) == len(wire)
    assert go[1] == "1,100 (1,000–1,200)"
    assert wire[1] == "none"


def waits(late_ms: float) -> Waits:
    alone = {"held": 5_000, "ended_per_s": 14_000.0, "cores": 0.4, "late_p50_ms": 1.0, "late_p99_ms": late_ms}
    return Waits(alone=alone, load=run(), held_most=350, late_p50_ms=2.0, late_p99_ms=9.0)


def test_waits_are_told_by_how_late_they_end() -> None:
    head, (row,) = waits_table({"wire": [waits(10.0), waits(30.0), waits(20.0)]})
    assert len(head) == len(row)
    assert row[4] == "1.0 / 20.0"


def test_the_aims_are_ratios_of_one_session() -> None:
    fine = Found(
        development={"go": [run(2.6)], "plain": [run(8.0)], "sdk": [run(4.9)], "wire": [run(2.5)]},
        most={"go": [run(1.0)], "wire": [run(0.9)]},
        waits={"wire": [waits(10.0)]},
    )
    assert failures(fine) == []
    assert failures(Found(development={"wire": [run(9.0)]})) == []
    missed = Found(
        development={"go": [run(2.6)], "plain": [run(8.0)], "sdk": [run(5.1)], "wire": [run(2.7), run(completed=1)]},
        most={"go": [run(1.0)], "wire": []},
        waits={"wire": [waits(51.0)]},
    )
    assert [line.partition(":")[0] for line in failures(missed)] == [
        "on the development server",
        "on the development server",
        "on the development server",
        "auroral --engine wire sustains no rate",
        "auroral --engine wire",
    ]


def test_cpu_is_that_of_all_threads_and_so_are_switches(tmp_path: Path) -> None:
    for thread, count in (("1", 5), ("2", 7)):
        folder = tmp_path / str(os.getpid()) / "task" / thread
        folder.mkdir(parents=True)
        (folder / "status").write_text(f"Name:\tx\nvoluntary_ctxt_switches:\t{count}\nnonvoluntary_ctxt_switches:\t9\n")
    here = read(os.getpid(), tmp_path)
    assert here is not None
    assert here.switches == 12
    assert here.cpu_s > 0
    assert read(2**22 + 1, tmp_path) is None


def test_what_was_spent_is_the_difference_and_one_that_has_gone_is_told() -> None:
    after = {"a": used(3.0, 30), "b": used(1.0, 5)}
    assert spent({"a": used(1.0, 10)}, after) == {"a": Used(2.0, 20), "b": Used(1.0, 5)}
    assert spent({"a": used(1.0, None)}, {"a": used(2.0, 3)}) == {"a": Used(1.0, None)}
    assert total(after.values()) == Used(4.0, 35)
    with pytest.raises(ValueError, match="c ended"):
        spent({"c": used(1.0)}, after)


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50.0), (0.99, 99.0), (1.0, 100.0)])
def test_a_quantile_is_the_smallest_value_that_a_share_does_not_exceed(share: float, expected: float) -> None:
    assert quantile([float(one) for one in range(1, 101)], share) == expected


@pytest.mark.parametrize("engine", ENGINES)
def test_waits_are_held_by_each_engine(engine: str) -> None:
    command = [sys.executable, "-m", "benchmarks.engines_waits", engine, "--held", "200", "--duration", "0.5"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    told = json.loads(ended.stdout)
    assert ended.stderr == ""
    assert told["held"] == 200
    assert 200 < told["ended_per_s"] < 1_000  # 571 on a machine that has nothing else to do
    assert told["late_max_ms"] >= told["late_p99_ms"] >= told["late_p50_ms"] > 0


async def test_a_program_that_cannot_be_built_says_why(tmp_path: Path) -> None:
    async def none(_scratch: Path, _report: Callable[[str], None]) -> Path:
        raise WayFailed("no Go here")

    async def broken(scratch: Path, _report: Callable[[str], None]) -> Path:
        go = scratch / "go"
        go.write_text("#!/bin/sh\necho cannot load package >&2\nexit 1\n")
        go.chmod(0o755)
        return go

    with pytest.raises(TargetError) as refused:
        await obtain_program(INSTANT, report=print, cache=tmp_path, ways=[Way("first", none), Way("second", broken)])
    assert "first: no Go here" in refused.value.message
    assert "second: cannot load package" in refused.value.message
    assert "install Go" in refused.value.hint


async def test_a_program_is_built_once_and_old_ones_are_forgotten(tmp_path: Path) -> None:
    asked = []

    async def go(scratch: Path, _report: Callable[[str], None]) -> Path:
        asked.append(scratch)
        program = scratch / "go"
        program.write_text('#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\necho made > "$2"\n')
        program.chmod(0o755)
        return program

    for old in ("a", "b", "c"):
        (tmp_path / f"benchmark-{INSTANT}-{old}").mkdir()
    made = [
        await obtain_program(INSTANT, report=print, cache=tmp_path, ways=[Way("here", go)]),
        await obtain_program(INSTANT, report=print, cache=tmp_path, ways=[]),
    ]
    assert made[0] == made[1]
    assert made[0].read_text() == "made\n"
    assert len(asked) == 1
    assert len(builds(tmp_path)) == 2


def builds(cache: Path) -> list[Path]:
    return [one for one in cache.iterdir() if one.is_dir()]


@pytest.fixture(scope="session")
def programs(instant_program: Path) -> dict[str, Path]:
    return {INSTANT: instant_program, GO_RUNNER: asyncio.run(obtain_program(GO_RUNNER, report=print))}


@pytest.mark.whole
@pytest.mark.parametrize("name", ["go", "plain", pytest.param("sdk", marks=pytest.mark.slow), "wire-both"])
async def test_each_load_runs_and_is_measured(
    name: str, instant: InstantServer, programs: dict[str, Path], tmp_path: Path
) -> None:
    load = Load(rate_per_s=20, duration_s=2.5, skip_s=0.5)
    one = await measure(ROWS[name], instant.address, load, tmp_path, programs, counts=instant.counts)
    assert one.ended.completed == one.ended.scheduled == 50
    assert 0 < one.cpu_ms < 500
    assert one.calls is not None
    assert one.server_cpu_s is not None
    # A workflow may be under way where the window begins or ends.
    assert one.calls["StartWorkflowExecution"] == pytest.approx(1, abs=0.3)
    if name == "wire-both":
        assert one.calls.get("GetWorkflowExecutionHistory", 0) == 0
        assert one.calls["RespondWorkflowTaskCompleted"] == pytest.approx(1, abs=0.3)
    else:
        assert one.calls_each == pytest.approx(4, abs=1)


async def test_a_load_that_does_not_begin_says_why(programs: dict[str, Path], tmp_path: Path) -> None:
    load = Load(rate_per_s=20, duration_s=2.5, skip_s=0.5)
    with pytest.raises(TargetError, match="the Go runner did not begin"):
        await measure(ROWS["go"], "127.0.0.1:1", load, tmp_path, programs)


def test_wrong_arguments_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--duration", "3", "--skip", "2"], ["--rate", "0"], ["--rows", "none"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
    assert "--duration" in capsys.readouterr().err


@pytest.mark.parametrize("module", [INSTANT, GO_RUNNER])
def test_the_go_programs_are_formatted_and_vetted(module: str) -> None:
    folder = ROOT / "benchmarks" / module
    environment = {**os.environ, "GOTOOLCHAIN": "auto", "GOFLAGS": "-buildvcs=false"}
    formatted = subprocess.run(["gofmt", "-l", "."], cwd=folder, capture_output=True, text=True, check=True)
    assert formatted.stdout == ""
    vetted = subprocess.run(
        ["go", "vet", "."], cwd=folder, capture_output=True, text=True, check=False, env=environment, timeout=280
    )
    assert vetted.returncode == 0, vetted.stderr
