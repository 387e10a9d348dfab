"""`auroral bench run`: what goes to which stream, interrupts, iterations, exit codes. The run itself is a double."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from auroral.bench.progress import Observer
from auroral.bench.result import ConfigValue, Result, decode
from auroral.bench.settings import BenchSettings
from auroral.bench.stopping import StopSignal
from auroral.cli.bench_run import SEVERITY
from auroral.errors import TargetError
from tests.cli.conftest import Cli


class Runs:
    """Stands where `auroral.bench.run` and `auroral.bench.workers_only` stand: plays stored results."""

    def __init__(self, stored: Callable[[str, Path], Result]) -> None:
        self.plays: list[str | Exception] = ["pass"]
        self.calls: list[BenchSettings] = []
        self.configuration: list[ConfigValue] = []
        self.observers: list[Observer] = []
        self.workers: list[BenchSettings] = []
        self.signals = 0
        self.unwritten: list[Exception] = []
        self.stops: list[tuple[bool, bool]] = []
        self._stored = stored

    async def run(
        self,
        settings: BenchSettings,
        *,
        configuration: list[ConfigValue],
        environ: Mapping[str, str],
        observer: Observer,
        stop: StopSignal,
    ) -> SimpleNamespace:
        self.calls.append(settings)
        self.configuration = configuration
        self.observers.append(observer)
        observer.phase("drive", "as fast as it goes")
        for _ in range(self.signals):
            os.kill(os.getpid(), signal.SIGINT if len(self.stops) % 2 == 0 else signal.SIGTERM)
            await (stop.at_once if self.stops else stop.softly).wait()
            self.stops.append((stop.softly.is_set(), stop.at_once.is_set()))
        play = self.plays[min(len(self.calls), len(self.plays)) - 1]
        if isinstance(play, Exception):
            raise play
        directory = Path(settings.output or "results/the-run")
        return SimpleNamespace(result=self._stored(play, directory), directory=directory, unwritten=self.unwritten)

    async def run_workers(self, settings: BenchSettings, *, stop: StopSignal, **_: Any) -> None:
        self.workers.append(settings)
        os.kill(os.getpid(), signal.SIGTERM)
        await stop.softly.wait()


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch, stored: Callable[[str, Path], Result]) -> Runs:
    double = Runs(stored)
    for name, attribute in (("run", "run"), ("workers_only", "run_workers")):
        module = ModuleType(f"auroral.bench.{name}")
        setattr(module, attribute, getattr(double, attribute))
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return double


@pytest.mark.parametrize(
    ("play", "code"), [("pass", 0), ("fail", 1), ("inconclusive", 5), ("interrupted", 4), ("nothing", 4)]
)
def test_the_verdict_is_the_exit_code(cli: Cli, runs: Runs, tmp_path: Path, play: str, code: int) -> None:
    runs.plays = [play]
    ended = cli("bench", "run", "--output", "out")
    assert ended.code == code
    assert ended.out == (tmp_path / "out" / "summary.txt").read_text()
    assert "out/report.html" in ended.out
    assert (tmp_path / "out" / "report.html").exists()
    assert "drive" in ended.err


def test_json_has_stdout_for_itself(cli: Cli, runs: Runs, tmp_path: Path) -> None:
    runs.plays = ["fail"]
    ended = cli("bench", "run", "--json", "--output", "out")
    assert ended.code == 1
    assert ended.out.encode() == (tmp_path / "out" / "result.json").read_bytes()
    assert (tmp_path / "out" / "summary.txt").read_text() in ended.err


def test_the_settings_and_their_origins_reach_the_run(cli: Cli, runs: Runs) -> None:
    cli("bench", "run", "--target-rate", "7", environ={"BENCHMARK_DURATION": "9s"})
    [settings] = runs.calls
    assert (settings.target_rate_per_s, settings.duration_s) == (7, 9)
    assert ConfigValue(name="target-rate", value="7/s", origin="--target-rate") in runs.configuration
    assert ConfigValue(name="duration", value="9s", origin="BENCHMARK_DURATION") in runs.configuration


def test_a_bad_configuration_never_runs(cli: Cli, runs: Runs) -> None:
    assert cli("bench", "run", "--target-rate", "0").code == 2
    assert cli("bench", "worker", "--worker-count", "300").code == 2
    assert not runs.calls
    assert not runs.workers


def test_a_live_view_only_where_someone_watches(cli: Cli, runs: Runs) -> None:
    cli("bench", "run", terminal=True)
    cli("bench", "run", "--no-live", terminal=True)
    cli("bench", "run", terminal=True, environ={"TERM": "dumb"})
    cli("bench", "run")
    assert [type(observer).__name__ for observer in runs.observers] == [
        "LiveView", "PlainLines", "PlainLines", "PlainLines",
    ]  # fmt: skip


def test_the_first_signal_asks_to_stop_and_the_second_at_once(cli: Cli, runs: Runs) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    runs.signals, runs.plays = 2, ["interrupted"]
    assert cli("bench", "run").code == 4
    assert runs.stops == [(True, False), (True, True)]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_an_unreachable_target(cli: Cli, runs: Runs) -> None:
    runs.plays = [TargetError("nobody listens", hint="start one")]
    ended = cli("bench", "run")
    assert (ended.code, ended.out) == (3, "")
    assert ended.err.endswith("error: nobody listens\n  hint: start one\n")


def test_iterations_have_directories_of_their_own_and_exit_with_the_worst(cli: Cli, runs: Runs, tmp_path: Path) -> None:
    runs.plays = ["pass", "fail", "inconclusive"]
    ended = cli("bench", "run", "--iterations", "3", "--output", "out", "--run-id", "mine")
    assert ended.code == 1
    assert [settings.run_id for settings in runs.calls] == ["mine-1", "mine-2", "mine-3"]
    for number in (1, 2, 3):
        assert (tmp_path / "out" / f"iteration-{number}" / "report.html").exists()
    table = [line.split() for line in ended.out.splitlines()[-4:]]
    assert [row[:2] for row in table] == [["iteration", "verdict"], ["1", "pass"], ["2", "fail"], ["3", "inconclusive"]]
    assert table[1][-1] == "out/iteration-1"


def test_iterations_without_an_output_stand_together(cli: Cli, runs: Runs) -> None:
    cli("bench", "run", "--iterations", "2")
    first, second = (Path(settings.output or "") for settings in runs.calls)
    assert first.parent == second.parent
    assert first.parent.parent == Path("results")
    assert [settings.run_id for settings in runs.calls] == [None, None]


def test_iterations_as_json_are_one_document(cli: Cli, runs: Runs) -> None:
    documents = json.loads(cli("bench", "run", "--iterations", "2", "--json").out)
    assert len(documents) == 2
    assert decode(json.dumps(documents[1]).encode()).verdict.status == "pass"


def test_an_interrupted_iteration_is_the_last(cli: Cli, runs: Runs) -> None:
    runs.plays = ["fail", "interrupted", "pass"]
    assert cli("bench", "run", "--iterations", "3").code == 4
    assert len(runs.calls) == 2


def test_a_stop_between_iterations_starts_no_other(cli: Cli, runs: Runs) -> None:
    runs.signals = 1
    ended = cli("bench", "run", "--iterations", "3")
    assert ended.code == 4
    assert len(runs.calls) == 1


def test_reports_that_cannot_be_written_leave_the_summary(cli: Cli, runs: Runs, tmp_path: Path) -> None:
    (tmp_path / "out" / "report.html").mkdir(parents=True)
    ended = cli("bench", "run", "--output", "out")
    assert ended.code == 2
    assert "PASS" in ended.out
    assert "the reports cannot be written" in ended.err


def test_workers_run_until_they_are_stopped(cli: Cli, runs: Runs) -> None:
    assert cli("bench", "worker", "--worker-count", "2", "--task-queue", "shared").code == 0
    assert cli("bench", "run", "--worker-only", "--worker-count", "3").code == 0
    assert [(workers.worker_count, workers.worker_only) for workers in runs.workers] == [(2, True), (3, True)]
    assert not runs.calls


def test_workers_do_not_generate(cli: Cli, runs: Runs) -> None:
    ended = cli("bench", "worker", environ={"BENCHMARK_GENERATOR_ONLY": "true"})
    assert ended.code == 2
    assert "BENCHMARK_GENERATOR_ONLY" in ended.err


def test_a_failure_outweighs_a_doubt() -> None:
    assert [int(code) for code in SEVERITY] == [0, 5, 1, 2, 4]


def test_what_could_not_be_written_is_said_after_the_summary(cli: Cli, runs: Runs) -> None:
    from auroral.errors import OutputError

    runs.unwritten = [OutputError("cannot write samples.parquet: no space left")]
    ended = cli("bench", "run", "--output", "out")
    assert ended.code == 2
    assert "PASS" in ended.out
    assert "cannot write samples.parquet" in ended.err
