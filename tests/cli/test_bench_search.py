"""`auroral bench search`: streams, interrupts, settings, exit codes. The search itself is a double."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import msgspec
import pytest

from auroral.bench.result import ConfigValue, Result
from auroral.bench.search.document import SearchDocument, encode
from auroral.bench.search.options import LEFT_OUT
from auroral.bench.search.settings import SearchSettings
from auroral.bench.search.watch import SearchObserver
from auroral.bench.settings import BenchSettings
from auroral.bench.stopping import StopSignal
from auroral.cli.bench_search import search_code
from auroral.errors import OutputError, TargetError
from tests.cli.conftest import Cli
from tests.support.search_documents import MAKERS

SLO = ("--slo", "latency.p99<500ms")


class Searches:
    """Stands where `auroral.bench.search.conduct` stands: plays made-up documents."""

    def __init__(self, stored: Callable[[str, Path], Result]) -> None:
        self.play: str | Exception = "found"
        self.calls: list[tuple[SearchSettings, BenchSettings]] = []
        self.configuration: list[ConfigValue] = []
        self.observers: list[SearchObserver] = []
        self.unwritten: list[OutputError] = []
        self.signals = 0
        self.stops: list[tuple[bool, bool]] = []
        self._stored = stored

    async def search(
        self,
        settings: SearchSettings,
        bench: BenchSettings,
        *,
        configuration: list[ConfigValue],
        environ: Mapping[str, str],
        observer: SearchObserver,
        stop: StopSignal,
        on_step: Callable[[Result, Path], None],
    ) -> SimpleNamespace:
        self.calls.append((settings, bench))
        self.configuration = configuration
        self.observers.append(observer)
        observer.phase("connect", "somewhere")
        for _ in range(self.signals):
            os.kill(os.getpid(), signal.SIGINT)
            await (stop.at_once if self.stops else stop.softly).wait()
            self.stops.append((stop.softly.is_set(), stop.at_once.is_set()))
        if isinstance(self.play, Exception):
            raise self.play
        directory = Path(bench.output or "results/search")
        step = directory / "steps" / "01-bracket-10"
        on_step(self._stored("pass", step), step)
        document = MAKERS[self.play]()
        (directory / "search.json").write_bytes(encode(document))
        return SimpleNamespace(document=document, directory=directory, unwritten=self.unwritten)


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch, stored: Callable[[str, Path], Result]) -> Searches:
    double = Searches(stored)
    module: Any = ModuleType("auroral.bench.search.conduct")
    module.search = double.search
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return double


@pytest.mark.parametrize(
    ("play", "code"),
    [("found", 0), ("above-most", 0), ("below-least", 1), ("interrupted", 4), ("failed", 5), ("empty", 5)],
)
def test_what_was_found_is_the_exit_code(cli: Cli, searches: Searches, tmp_path: Path, play: str, code: int) -> None:
    searches.play = play
    ended = cli("bench", "search", *SLO, "--output", "out")
    assert ended.code == code, ended.err
    assert ended.out == (tmp_path / "out" / "summary.txt").read_text()
    assert "out/report.html" in ended.out
    assert MAKERS[play]().search_id in (tmp_path / "out" / "report.html").read_text()
    assert "connect: somewhere" in ended.err


def test_a_spent_budget_with_a_confirmed_rate_is_an_answer() -> None:
    made = MAKERS["found"]()
    assert made.answer is not None

    def code(**changes: Any) -> int:
        answer = msgspec.structs.replace(made.answer, status="budget-spent", **changes)
        return search_code(msgspec.structs.replace(made, answer=answer))

    assert code() == 0
    assert code(confirmed=False) == 5


def test_every_step_gets_its_reports(cli: Cli, searches: Searches, tmp_path: Path) -> None:
    cli("bench", "search", *SLO, "--output", "out")
    step = tmp_path / "out" / "steps" / "01-bracket-10"
    assert {path.name for path in step.iterdir()} >= {"result.json", "report.html", "summary.txt"}
    assert 'href="steps/01-bracket-10/report.html"' in (tmp_path / "out" / "report.html").read_text()


def test_json_and_markdown_have_stdout_for_themselves(cli: Cli, searches: Searches, tmp_path: Path) -> None:
    ended = cli("bench", "search", *SLO, "--json", "--output", "out")
    assert ended.out.encode() == (tmp_path / "out" / "search.json").read_bytes()
    assert (tmp_path / "out" / "summary.txt").read_text() in ended.err
    ended = cli("bench", "search", *SLO, "--markdown", "--output", "other")
    assert ended.out.startswith("### 229/s sustained")
    assert cli("bench", "search", *SLO, "--markdown", "--json").code == 2


def test_the_settings_and_their_origins_reach_the_search(cli: Cli, searches: Searches, tmp_path: Path) -> None:
    (tmp_path / "bench.toml").write_text(
        '[bench]\nworkload = "timer"\n[search]\nbudget = "20m"\nslo = ["latency.p50<1s"]\n'
    )
    ended = cli(
        "bench", "search", "--most-rate", "80", "--config", "bench.toml", environ={"BENCHMARK_SEARCH_STEP": "20s"}
    )
    assert ended.code == 0, ended.err
    [(settings, bench)] = searches.calls
    assert (settings.most_per_s, settings.step_s, settings.budget_s) == (80, 20, 1200)
    assert settings.slo == ("latency.p50<1s",)
    assert [workload.source for workload in bench.workloads] == ["timer"]
    origins = {value.name: value.origin for value in searches.configuration}
    assert origins["most-rate"] == "--most-rate"
    assert origins["step"] == "BENCHMARK_SEARCH_STEP"
    assert origins["budget"] == "bench.toml: [search] budget"
    assert origins["workload"] == "bench.toml: [bench] workload"
    assert origins["confirm"] == "default"
    assert not set(origins) & set(LEFT_OUT)
    assert "warning" not in ended.err


def test_without_an_objective_or_with_a_bad_configuration_nothing_is_driven(cli: Cli, searches: Searches) -> None:
    ended = cli("bench", "search")
    assert ended.code == 2
    assert "slo = nothing (from default): expected at least one expression such as latency.p99<500ms" in ended.err
    ended = cli("bench", "search", *SLO, "--least-rate", "9", "--most-rate", "3", "--max-in-flight", "-1")
    assert ended.code == 2
    assert "most-rate = 3/s (from --most-rate)" in ended.err
    assert "max-in-flight = -1" in ended.err
    assert "auroral bench search --help" in ended.err
    assert cli("bench", "search", "--slo", "latency.p98<1s").code == 2
    assert not searches.calls


@pytest.mark.parametrize("name", LEFT_OUT)
def test_an_option_of_a_run_that_contradicts_is_refused_with_what_to_use_instead(
    cli: Cli, searches: Searches, name: str
) -> None:
    value = [] if name in ("worker-only", "eager-start") else ["5"]
    ended = cli("bench", "search", *SLO, f"--{name}", *value)
    assert ended.code == 2
    assert f"expected no --{name} with a search" in ended.err
    assert LEFT_OUT[name] in ended.err
    assert not searches.calls
    assert f"--{name} " not in cli("bench", "search", "--help").out


def test_what_environment_and_file_say_for_runs_is_left_out_with_a_word(
    cli: Cli, searches: Searches, tmp_path: Path
) -> None:
    (tmp_path / "bench.toml").write_text('[bench]\ntarget-rate = 900\nduration = "1s"\nramp-up = "9s"\n')
    ended = cli("bench", "search", *SLO, "--config", "bench.toml", environ={"BENCHMARK_STAGES": "no stages"})
    assert ended.code == 0
    assert "warning: BENCHMARK_STAGES has no effect here: a search chooses the rates" in ended.err
    assert "warning: bench.toml: [bench] target-rate has no effect here" in ended.err


def test_a_run_lets_a_searchs_settings_be(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "bench.toml").write_text('[bench]\ntarget-rate = 9\n[search]\nslo = "latency.p99<1s"\n')
    ended = cli("bench", "config", "--config", "bench.toml", environ={"BENCHMARK_SEARCH_STEP": "5s"})
    assert ended.code == 0
    assert "warning" not in ended.err


def test_unknown_settings_of_a_search_are_told(cli: Cli, searches: Searches, tmp_path: Path) -> None:
    (tmp_path / "bench.toml").write_text('[search]\nbudgets = "9m"\n')
    ended = cli("bench", "search", *SLO, "--config", "bench.toml", environ={"BENCHMARK_SEARCH_STEPS": "5s"})
    assert ended.code == 2
    assert "did you mean budget?" in ended.err
    assert "BENCHMARK_SEARCH_STEPS is no setting of auroral" in ended.err


def test_interrupts_reach_the_search(cli: Cli, searches: Searches) -> None:
    searches.signals, searches.play = 2, "interrupted"
    assert cli("bench", "search", *SLO).code == 4
    assert searches.stops == [(True, False), (True, True)]


def test_a_target_that_is_not_there_is_an_error_of_its_own(cli: Cli, searches: Searches) -> None:
    searches.play = TargetError("no cluster", hint="start one")
    ended = cli("bench", "search", *SLO)
    assert ended.code == 3
    assert "no cluster" in ended.err
    assert ended.out == ""


def test_what_could_not_be_written_takes_nothing_from_the_summary(cli: Cli, searches: Searches) -> None:
    searches.unwritten = [OutputError("the disk is full")]
    ended = cli("bench", "search", *SLO)
    assert ended.code == 2
    assert "229/s SUSTAINED" in ended.out
    assert "the disk is full" in ended.err


def test_a_live_view_only_where_someone_watches(cli: Cli, searches: Searches) -> None:
    cli("bench", "search", *SLO, terminal=True)
    cli("bench", "search", *SLO, "--no-live", terminal=True)
    cli("bench", "search", *SLO)
    assert [type(observer).__name__ for observer in searches.observers] == [
        "SearchView", "PlainSearchLines", "PlainSearchLines",
    ]  # fmt: skip


@pytest.fixture
def kept(tmp_path: Path) -> SearchDocument:
    document = MAKERS["found"]()
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "search.json").write_bytes(encode(document))
    return document


def test_a_searchs_reports_are_made_again(cli: Cli, kept: SearchDocument, tmp_path: Path) -> None:
    ended = cli("bench", "report", "kept")
    assert ended.code == 0, ended.err
    assert ended.out == (tmp_path / "kept" / "summary.txt").read_text()
    page = cli("bench", "report", "kept", "--format", "html").out
    assert page.rstrip() == (tmp_path / "kept" / "report.html").read_text().rstrip()
    document = json.loads(cli("bench", "report", "kept", "--format", "json").out)
    assert document["search_id"] == kept.search_id


def test_a_broken_document_says_so(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "search.json").write_text("{")
    ended = cli("bench", "report", ".")
    assert ended.code == 2
    assert "search document auroral.bench.search/1" in ended.err
