"""Conducts a search: reaches the cluster, drives the steps that the machine asks for, lets backlog clear. Acts."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from auroral.bench.manifest import Manifest
from auroral.bench.result import ConfigValue, Result
from auroral.bench.run import RunOutcome, SoFar, run
from auroral.bench.search.clearing import Asker, clear, idle_probes
from auroral.bench.search.document import SearchDocument, SearchedStep, answer_of
from auroral.bench.search.files import SearchDirectory, step_directory
from auroral.bench.search.judge import clearly_lost, judge
from auroral.bench.search.machine import Found, Measured, Search, Step
from auroral.bench.search.settings import SearchSettings
from auroral.bench.search.standing import Stood, stand, step_base
from auroral.bench.search.stepping import SecondsSoFar, limit_of, shown, step_configuration, step_settings
from auroral.bench.search.watch import Plan, SearchObserver
from auroral.bench.settings import BenchSettings
from auroral.bench.stopping import Stopped, StopSignal
from auroral.bench.thresholds import Threshold, parse, with_defaults
from auroral.errors import AuroralError, InterruptedRunError, OutputError
from auroral.units import format_duration

KNOWN_LATE_S = 10
"""Visibility lags, and is swept every two seconds; generators on other machines tell of a second some seconds later.
What is not known after this long is late in earnest."""

StepWritten = Callable[[Result, Path], None]
"""Hears of every step's run once it is over; may raise `OutputError`."""


class SearchOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a search leaves."""

    document: SearchDocument
    directory: Path
    unwritten: list[OutputError] = []
    """What could not be written; the document is whole all the same."""


async def search(
    settings: SearchSettings,
    bench: BenchSettings,
    *,
    configuration: list[ConfigValue],
    environ: Mapping[str, str],
    observer: SearchObserver,
    stop: StopSignal,
    on_step: StepWritten,
) -> SearchOutcome:
    """Find the largest rate that a cluster sustains, and write what was found.

    `bench` is what every step has in common. Raises `UsageError` for what cannot be done as asked, `TargetError`
    where the cluster cannot be reached or prepared, `OutputError` where results cannot be written,
    `InterruptedRunError` when stopped before there was anything to write; and whatever ends a step's run, once what
    is known by then has been written. An interrupted search returns what it found so far.
    """
    async with contextlib.AsyncExitStack() as stack:
        conducted = _Conduct(settings, bench, configuration, environ, observer=observer, stop=stop, on_step=on_step)
        return await conducted.execute(stack)


class _Conduct:
    def __init__(
        self,
        settings: SearchSettings,
        bench: BenchSettings,
        configuration: list[ConfigValue],
        environ: Mapping[str, str],
        *,
        observer: SearchObserver,
        stop: StopSignal,
        on_step: StepWritten,
    ) -> None:
        self._settings = settings
        self._configuration = configuration
        self._environ = environ
        self._observer = observer
        self._stop = stop
        self._on_step = on_step
        self._started_at = _now()
        self._search_id = bench.run_id or f"s{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        self._base = step_base(bench, self._search_id)
        self._path = Path(bench.output or Path("results") / self._search_id)
        self._slo = with_defaults([parse(expression) for expression in settings.slo])
        self._machine = Search(settings)
        self._unwritten: list[OutputError] = []

    async def execute(self, stack: contextlib.AsyncExitStack) -> SearchOutcome:
        settings, observer = self._settings, self._observer
        self._directory = SearchDirectory.create(self._path)
        observer.plan(
            Plan(
                objective=[threshold.expression for threshold in self._slo],
                least_per_s=settings.least_per_s,
                most_per_s=settings.most_per_s,
                budget_s=settings.budget_s,
            )
        )
        try:
            self._stood = await self._stop.unless_softly(
                stand(
                    self._base,
                    search_id=self._search_id,
                    most_per_s=settings.most_per_s,
                    environ=self._environ,
                    observer=observer,
                    log_path=self._directory.log_path,
                    stack=stack,
                )
            )
            self._asker = Asker(self._stood.standing.opened.client, self._stood.manifest)
            observer.phase("idle", "probe workflows, to know the cluster at rest")
            self._idle_s = await self._stop.unless_softly(idle_probes(self._asker))
        except Stopped:
            raise InterruptedRunError("stopped before the first step") from None
        self._document = self._first_document(self._stood)
        self._write()
        try:
            found = await self._steps()
        except AuroralError as error:
            self._finish(self._machine.stop(error.message), failure=error.message)
            raise
        self._finish(found, interrupted=self._stop.requested)
        return SearchOutcome(document=self._document, directory=self._path, unwritten=self._unwritten)

    async def _steps(self) -> Found:
        """Drive steps until the machine has found something or the search has to end."""
        while True:
            step = self._machine.next()
            if isinstance(step, Found):
                return step
            manifest = await self._step(step)
            if manifest is None or self._stop.requested:
                return self._machine.stop("the search was stopped")
            if isinstance(self._machine.next(), Found):
                continue
            try:
                left = await self._stop.unless_softly(self._clear(manifest))
            except Stopped:
                return self._machine.stop("the search was stopped")
            if left:
                return self._machine.stop(left)

    async def _step(self, step: Step) -> Manifest | None:
        """Drive one step and take what it showed; None: it was interrupted, and so showed nothing."""
        self._observer.step(step)
        where = step_directory(step)
        settings = step_settings(
            self._base,
            step,
            search_id=self._search_id,
            slo=self._settings.slo,
            activity_slots=self._stood.activity_slots,
            output=str(self._path / where),
        )
        watching = _Watching(step, self._slo, settings)
        outcome = await run(
            settings,
            configuration=step_configuration(self._configuration, settings),
            environ=self._environ,
            observer=self._observer,
            stop=self._stop,
            standing=self._stood.standing,
            early=watching,
        )
        self._keep(outcome)
        if outcome.result.interrupted:
            self._note(f"Step {step.number} was interrupted, and is not judged: {where}.")
            return None
        measured = judge(shown(outcome.result, outcome.tally, early=watching.reason), slo=self._slo, step=step)
        self._machine.take(measured)
        self._record(measured, outcome.result, where)
        self._observer.measured(measured)
        return outcome.result.manifest

    async def _clear(self, manifest: Manifest) -> str:
        """Let backlog clear; return why the search cannot go on, empty where it can."""
        self._observer.phase("clear", f"at most {format_duration(self._settings.settle_limit_s)}")
        waited_s, left = await clear(
            self._asker,
            manifest,
            idle_s=self._idle_s,
            limit_s=self._settings.settle_limit_s,
            report=self._observer.detail,
        )
        if left is not None:
            return f"backlog had not cleared {format_duration(waited_s)} after the last step: {left}"
        *before, last = self._document.steps
        last = msgspec.structs.replace(last, cleared_after_s=round(waited_s, 3))
        self._document = msgspec.structs.replace(self._document, steps=[*before, last])
        return ""

    # What is kept

    def _first_document(self, stood: Stood) -> SearchDocument:
        manifest = stood.manifest
        return SearchDocument(
            search_id=self._search_id,
            started_at=self._started_at,
            settings=self._settings,
            objective=[threshold.expression for threshold in self._slo],
            configuration=self._effective_configuration(stood),
            environment=stood.standing.opened.environment,
            namespace=manifest.namespace,
            task_queues=manifest.task_queues,
            workloads=manifest.workloads,
            engine=manifest.engine,
            arrival=manifest.arrival.process,
            idle_probes_ms=[round(probe_s * 1e3, 3) for probe_s in self._idle_s],
            notes=stood.notes,
        )

    def _effective_configuration(self, stood: Stood) -> list[ConfigValue]:
        """The configuration with the values that defaults led to."""
        chosen = {
            "run-id": self._search_id,
            "worker-count": str(len(stood.standing.workers) or stood.manifest.expected_workers),
            "max-concurrent-activities": str(stood.activity_slots),
            "output": str(self._path),
            "task-queue": ", ".join(stood.manifest.task_queues),
        }
        return [
            msgspec.structs.replace(value, value=chosen[value.name])
            if value.origin == "default" and value.name in chosen
            else value
            for value in self._configuration
        ]

    def _record(self, measured: Measured, result: Result, where: str) -> None:
        step = SearchedStep(
            measured=measured,
            directory=where,
            run_id=result.manifest.run_id,
            started_at=result.started_at,
            limit=limit_of(result),
        )
        self._document = msgspec.structs.replace(self._document, steps=[*self._document.steps, step])
        self._write()

    def _note(self, text: str) -> None:
        self._document = msgspec.structs.replace(self._document, notes=[*self._document.notes, text])

    def _keep(self, outcome: RunOutcome) -> None:
        """Have the step's reports written. What cannot be written takes nothing from the search."""
        self._unwritten += outcome.unwritten
        try:
            self._on_step(outcome.result, outcome.directory)
        except OutputError as error:
            self._unwritten.append(error)

    def _finish(self, found: Found, *, interrupted: bool = False, failure: str = "") -> None:
        self._document = msgspec.structs.replace(
            self._document, ended_at=_now(), interrupted=interrupted, failure=failure, answer=answer_of(found)
        )
        self._write()

    def _write(self) -> None:
        try:
            self._directory.write(self._document)
        except OutputError as error:
            self._unwritten.append(error)


class _Watching:
    """Ends a step's run once its rate is clearly lost."""

    def __init__(self, step: Step, slo: list[Threshold], settings: BenchSettings) -> None:
        self._step = step
        self._slo = slo
        self._watches = 0 if settings.observe == "visibility" else settings.max_watchers
        self._known_late = settings.spread is not None
        self._seconds = SecondsSoFar()
        self.reason: str | None = None

    def __call__(self, so_far: SoFar) -> str | None:
        # Closes that only a sweep finds are known late: until then a workflow is not late but not seen.
        self._known_late = self._known_late or max(so_far.in_flight, default=0) > self._watches
        seconds = self._seconds.of(so_far.t_s, so_far.schedule, so_far.tally, so_far.in_flight)
        known = seconds[: max(0, len(seconds) - KNOWN_LATE_S)] if self._known_late else seconds
        self.reason = clearly_lost(known, slo=self._slo, step=self._step)
        return self.reason


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
