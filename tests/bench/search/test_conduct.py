"""A conducted search over runs of a queue in no time: decisions, judgement, files and ends are the real ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from auroral.bench.blueprint import make_blueprint
from auroral.bench.manifest import Manifest
from auroral.bench.result import ConfigValue, Result
from auroral.bench.run import RunOutcome, SoFar
from auroral.bench.search import clearing, conduct
from auroral.bench.search.conduct import KNOWN_LATE_S, SearchOutcome
from auroral.bench.search.document import decode
from auroral.bench.search.files import read_search
from auroral.bench.search.machine import Measured, Step
from auroral.bench.search.settings import SearchSettings
from auroral.bench.search.standing import Stood
from auroral.bench.search.watch import Plan
from auroral.bench.settings import BenchSettings
from auroral.bench.stopping import StopSignal
from auroral.errors import InterruptedRunError, OutputError, TargetError
from tests.support.queued_runs import queued_run, standing

CAPACITY_PER_S = 40.0
SETTINGS = SearchSettings(slo=("latency.p99<500ms",), step_s=20, ramp_s=2, confirm_s=40, budget_s=400)


class Watching:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def plan(self, plan: Plan) -> None:
        self.events.append(f"plan {plan.least_per_s:g} {plan.most_per_s:g}")

    def step(self, step: Step) -> None:
        self.events.append(f"step {step.number}")

    def measured(self, measured: Measured) -> None:
        self.events.append(f"measured {measured.step.number}")

    def phase(self, name: str, detail: str = "") -> None:
        self.events.append(name)

    def detail(self, text: str) -> None: ...
    def progress(self, progress: object) -> None: ...
    def warning(self, text: str) -> None: ...


class Cluster:
    """A queue, and what may go wrong with it, at the seams where processes and the server would be."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stop = StopSignal()
        self.watching = Watching()
        self.runs: list[BenchSettings] = []
        self.kept: list[int] = []
        """How many steps the document on disk had when each run began."""
        self.reported: list[Path] = []
        self.backlog_after = 10**9
        self.interrupt_at = 0
        self.fail_at = 0
        self.stop_when = ""
        self.unwritable = False

    async def run(
        self,
        settings: BenchSettings,
        *,
        configuration: list[ConfigValue],
        early: Callable[[SoFar], str | None],
        standing: object,
        **_: object,
    ) -> RunOutcome:
        assert standing is not None
        self.runs.append(settings)
        self.kept.append(len(read_search(self.path).steps))
        if len(self.runs) == self.fail_at:
            raise TargetError("the server went away")
        interrupted = len(self.runs) == self.interrupt_at
        if interrupted:
            self.stop.request()
        return queued_run(
            settings,
            capacity_per_s=CAPACITY_PER_S,
            configuration=configuration,
            early=early,
            interrupted_at_s=3.0 if interrupted else None,
        )

    async def stand(self, settings: BenchSettings, *, search_id: str, most_per_s: float, **_: object) -> Stood:
        if self.stop_when == "stand":
            self.stop.request()
            await asyncio.Event().wait()
        manifest = make_blueprint(
            settings,
            run_id=search_id,
            nonce="",
            namespace="benchmark",
            cores=2,
            created_at="",
            version="",
            read_text=Path.read_text,
        ).manifest
        return Stood(standing=standing(), manifest=manifest, activity_slots=321, notes=["a note"])  # type: ignore[arg-type]

    async def backlog(self) -> int:
        if self.stop_when == "clear" and self.runs:
            self.stop.request()
            await asyncio.Event().wait()
        return 70 if len(self.runs) >= self.backlog_after else 0

    async def in_flight(self, manifest: Manifest) -> int:
        assert manifest.run_id == f"s-test-{len(self.runs):02}"
        return 0

    async def probe_s(self) -> float:
        return 0.02

    def on_step(self, result: Result, directory: Path) -> None:
        self.reported.append(directory)
        if self.unwritable:
            raise OutputError("no room")

    async def search(self, settings: SearchSettings = SETTINGS, **bench: Any) -> SearchOutcome:
        return await conduct.search(
            settings,
            BenchSettings(run_id="s-test", output=str(self.path), **bench),
            configuration=[ConfigValue(name="max-in-flight", value="10000", origin="default")],
            environ={},
            observer=self.watching,
            stop=self.stop,
            on_step=self.on_step,
        )


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    made = Cluster(tmp_path / "s")
    monkeypatch.setattr(clearing, "_PAUSE_S", 0.0)
    monkeypatch.setattr(conduct, "run", made.run)
    monkeypatch.setattr(conduct, "stand", made.stand)
    monkeypatch.setattr(conduct, "Asker", lambda client, manifest: made)
    return made


@pytest.mark.parametrize("arrival", ["constant", "poisson"])
async def test_the_capacity_of_a_queue_is_found(cluster: Cluster, arrival: str) -> None:
    long = SearchSettings(slo=SETTINGS.slo, step_s=60, confirm_s=120, budget_s=1800)
    outcome = await cluster.search(SETTINGS if arrival == "constant" else long, arrival=arrival, seed=5)
    document = outcome.document
    assert document.answer is not None
    assert document.answer.status == "found"
    assert document.answer.confirmed
    assert document.answer.rate_per_s is not None
    # A queue whose starts come evenly is served up to its capacity. Where they come by chance (M/D/1), 1 % wait for
    # longer than 475 ms from about 0.88 of it.
    low, high = (0.95, 1.03) if arrival == "constant" else (0.8, 0.95)
    assert low * CAPACITY_PER_S <= document.answer.rate_per_s <= high * CAPACITY_PER_S
    assert document.load_s <= document.settings.budget_s
    lost = [step for step in document.steps if step.measured.early]
    assert lost, "a rate beyond the capacity is ended early"
    assert all(step.measured.load_s < step.measured.step.duration_s for step in lost)
    assert outcome.unwritten == []


async def test_each_step_is_a_run_of_its_own_in_its_directory_and_kept_before_the_next_begins(
    cluster: Cluster,
) -> None:
    document = (await cluster.search()).document
    assert [settings.run_id for settings in cluster.runs] == [step.run_id for step in document.steps]
    assert [Path(settings.output or "") for settings in cluster.runs] == cluster.reported
    assert cluster.reported == [cluster.path / step.directory for step in document.steps]
    assert cluster.kept == list(range(len(document.steps)))
    assert {settings.task_queue for settings in cluster.runs} == {"s-test"}
    assert {settings.worker.max_concurrent_activities for settings in cluster.runs} == {321}
    assert all(step.cleared_after_s is not None for step in document.steps[:-1])
    assert document.steps[-1].cleared_after_s is None


async def test_the_document_on_disk_is_the_one_returned(cluster: Cluster) -> None:
    outcome = await cluster.search()
    assert decode((outcome.directory / "search.json").read_bytes()) == outcome.document
    document = outcome.document
    assert document.ended_at is not None
    assert document.objective == ["latency.p99<500ms", "failures.ratio<=0%"]
    assert document.notes == ["a note"]
    assert len(document.idle_probes_ms) == 12
    assert document.workloads[0].name == "simple"


async def test_watchers_hear_of_each_step_in_order(cluster: Cluster) -> None:
    document = (await cluster.search()).document
    events = [event for event in cluster.watching.events if event not in ("idle",)]
    assert events[0] == "plan 1 10000"
    expected = []
    for step in document.steps:
        number = step.measured.step.number
        expected += [f"step {number}", f"measured {number}", "clear"]
    assert events[1:] == expected[:-1]


async def test_an_interrupted_step_is_not_judged_and_what_was_measured_is_kept(cluster: Cluster) -> None:
    cluster.interrupt_at = 3
    document = (await cluster.search()).document
    assert document.interrupted
    assert len(document.steps) == 2
    assert document.answer is not None
    assert document.answer.status == "inconclusive"
    assert document.answer.held_per_s == document.steps[-1].measured.step.rate_per_s
    assert any("Step 3 was interrupted" in note for note in document.notes)
    assert len(cluster.reported) == 3
    assert read_search(cluster.path) == document


async def test_a_stop_while_backlog_clears_ends_the_search(cluster: Cluster) -> None:
    cluster.stop_when = "clear"
    document = (await cluster.search()).document
    assert document.interrupted
    assert len(document.steps) == 1


async def test_a_stop_before_the_first_step_leaves_nothing_to_keep(cluster: Cluster) -> None:
    cluster.stop_when = "stand"
    with pytest.raises(InterruptedRunError, match="before the first step"):
        await cluster.search()


@pytest.mark.parametrize("how", [{"observe": "visibility"}, {"max_watchers": 5}, {"spread": 2}])
async def test_closes_that_are_known_late_are_given_time_before_a_rate_is_lost(
    cluster: Cluster, how: dict[str, Any]
) -> None:
    settings = SearchSettings(
        slo=SETTINGS.slo, start_per_s=60, step_s=60, ramp_s=2, confirm_s=60, budget_s=900, precision=0.5
    )

    async def first_end_s(**bench: Any) -> float:
        document = (await cluster.search(settings, **bench)).document
        assert document.steps[0].measured.early
        return document.steps[0].measured.load_s

    watched_s = await first_end_s()
    cluster.runs.clear()
    cluster.path = cluster.path.with_name("swept")
    assert await first_end_s(**how) == pytest.approx(watched_s + KNOWN_LATE_S, abs=2)


async def test_backlog_that_does_not_clear_ends_the_search_and_says_so(cluster: Cluster) -> None:
    cluster.backlog_after = 2
    settings = SearchSettings(slo=SETTINGS.slo, step_s=20, ramp_s=2, confirm_s=40, budget_s=400, settle_limit_s=0)
    document = (await cluster.search(settings)).document
    assert len(document.steps) == 2
    assert not document.interrupted
    assert document.answer is not None
    assert document.answer.status == "inconclusive"
    assert "70 tasks still wait in the task queues" in " ".join(document.answer.sentences)


async def test_what_ends_a_run_ends_the_search_once_all_is_written(cluster: Cluster) -> None:
    cluster.fail_at = 3
    with pytest.raises(TargetError, match="went away"):
        await cluster.search()
    document = read_search(cluster.path)
    assert document.failure == "the server went away"
    assert len(document.steps) == 2
    assert document.ended_at is not None
    assert document.answer is not None
    assert document.answer.held_per_s is not None


async def test_reports_that_cannot_be_written_do_not_end_the_search(cluster: Cluster) -> None:
    cluster.unwritable = True
    outcome = await cluster.search()
    assert outcome.document.answer is not None
    assert outcome.document.answer.status == "found"
    assert len(outcome.unwritten) == len(outcome.document.steps)


async def test_bounds_are_kept_and_said(cluster: Cluster) -> None:
    settings = SearchSettings(
        slo=SETTINGS.slo, step_s=10, ramp_s=1, confirm_s=10, budget_s=100, least_per_s=2, most_per_s=12
    )
    document = (await cluster.search(settings)).document
    assert document.answer is not None
    assert (document.answer.status, document.answer.rate_per_s) == ("above-most", 12)
    assert max(run.target_rate_per_s for run in cluster.runs) == 12


async def test_a_directory_that_is_taken_is_refused_before_anything_runs(cluster: Cluster) -> None:
    await cluster.search()
    before: Mapping[str, object] = {path.name: path.stat().st_mtime_ns for path in cluster.path.iterdir()}
    with pytest.raises(OutputError, match="holds a search"):
        await cluster.search()
    assert {path.name: path.stat().st_mtime_ns for path in cluster.path.iterdir()} == before
