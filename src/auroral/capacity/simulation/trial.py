"""One scenario under one seed, or under many: from the scenario to the result document. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from auroral import __version__
from auroral.capacity.simulation.checks import judge
from auroral.capacity.simulation.engine import Probes, simulate
from auroral.capacity.simulation.fleet import Fleet, Moment
from auroral.capacity.simulation.outcome import Outcome
from auroral.capacity.simulation.result import SCHEMA_ID, Check, Run, SimulationResult, Worst, points
from auroral.capacity.simulation.scenario import Scenario
from auroral.capacity.simulation.spec import CounterSpec, DsqlSpec, Lognormal
from auroral.errors import UsageError

_AROUND = 20
_KINDS = {
    "refused": ("refused-rate", "refused-cap"),
    "longest-wait": ("wait", "acquire-timeout"),
    "short": ("below-target",),
}


def run(scenario: Scenario, seed: int) -> Run:
    """Simulate one schedule and judge it. The same scenario and seed give the same bytes.

    Errors: UsageError where the scenario has no services.
    """
    outcome, fleet = _simulate(scenario, seed, None)
    checks = judge(scenario, outcome, fleet)
    longest = max((warmup.took_s for warmup in outcome.warmups), default=0.0)
    made = Run(
        seed=seed,
        digest=outcome.digest(),
        checks=checks,
        totals=outcome.totals,
        warmup_longest_s=longest,
        skipped_wait_bound=outcome.skipped_wait_bound,
        points=points(outcome.series, outcome.until_s),
        moments=fleet.moments,
        around=[],
    )
    first = made.first_violation
    return made if first is None else _with_events(scenario, made, first, outcome, fleet)


class Summary:
    """Puts the runs of a scenario together: the worst of each assertion, and the run of the smallest margin.

    Keeps one run, however many are added; the order in which they come changes nothing.
    """

    def __init__(self, scenario: Scenario, source: str) -> None:
        self._scenario = scenario
        self._source = source
        self._seeds: list[int] = []
        self._failed: list[int] = []
        self._worst: dict[str, Worst] = {}
        self._chosen: Run | None = None

    @property
    def count(self) -> int:
        """Runs that were added."""
        return len(self._seeds)

    def add(self, run: Run) -> None:
        """Take one run in."""
        self._seeds.append(run.seed)
        if not run.passed:
            self._failed.append(run.seed)
        for check in run.checks:
            self._worst[check.name] = _worse(self._worst.get(check.name), check, run.seed)
        if self._chosen is None or (run.margin, run.seed) < (self._chosen.margin, self._chosen.seed):
            self._chosen = run

    def result(self, *, interrupted: bool = False) -> SimulationResult:
        """The document. Raises ValueError where nothing was added."""
        if self._chosen is None:
            raise ValueError("at least one run")
        return SimulationResult(
            schema=SCHEMA_ID,
            auroral_version=__version__,
            scenario=self._scenario,
            source=self._source,
            seeds=sorted(self._seeds),
            failed_seeds=sorted(self._failed),
            interrupted=interrupted,
            worst=list(self._worst.values()),
            run=self._chosen,
        )


def _worse(before: Worst | None, check: Check, seed: int) -> Worst:
    failed = (before.failed if before is not None else 0) + (not check.passed)
    if before is not None and (before.margin, before.seed) <= (check.margin, seed):
        check_margin, observed, seed = before.margin, before.observed, before.seed
    else:
        check_margin, observed = check.margin, check.observed
    return Worst(name=check.name, text=check.text, margin=check_margin, observed=observed, seed=seed, failed=failed)


def _simulate(scenario: Scenario, seed: int, short_from_s: float | None) -> tuple[Outcome, Fleet]:
    if not scenario.services:
        raise UsageError(
            f"scenario {scenario.name} names no services",
            hint="add [[service]] tables, or run it with --preset or --plan",
        )
    fleet = Fleet(scenario, seed)
    database, counter = scenario.database, scenario.counter
    outcome = simulate(
        fleet.initial(),
        until_s=scenario.duration_s,
        seed=seed,
        dsql=DsqlSpec(
            connect_rate_per_s=database.connect_rate_per_s,
            burst=database.connect_burst,
            max_connections=database.max_connections,
            session_lifetime_s=database.session_lifetime_s,
            connect_latency=Lognormal(median_s=database.connect_median_s, p99_s=database.connect_p99_s),
        ),
        counter=CounterSpec(
            limit_per_s=counter.limit_per_s, latency=Lognormal(median_s=counter.median_s, p99_s=counter.p99_s)
        ),
        controllers=[fleet],
        probes=Probes(
            max_wait_s=scenario.limits.longest_wait_s,
            below_target=short_from_s is not None,
            below_target_from_s=short_from_s or 0.0,
            events_before=_AROUND,
            events_after=_AROUND,
        ),
    )
    return outcome, fleet


def _with_events(scenario: Scenario, made: Run, first: Check, outcome: Outcome, fleet: Fleet) -> Run:
    """The run with the events around its first violation. A pool that was short is looked at in a second run: to watch
    for every one of them from the start would find those that an event excuses.
    """
    if first.name == "short" and first.at_s is not None:
        outcome, fleet = _simulate(scenario, made.seed, first.at_s)
    found = [v for v in outcome.violations if v.kind in _KINDS.get(first.name, ())]
    around = _around_moment(fleet.moments, first.at_s or 0.0)
    if found:
        violation = min(found, key=lambda v: v.at_s)
        what = f"{violation.process} {violation.kind} {violation.detail}".strip()
        around = [
            *(_moment(event.at_s, event.process, event.what, event.detail) for event in violation.before),
            Moment(at_s=violation.at_s, text=f"→ {what}"),
            *(_moment(event.at_s, event.process, event.what, event.detail) for event in violation.after),
        ]
    return Run(**{**{name: getattr(made, name) for name in made.__struct_fields__}, "around": around})


def _moment(at_s: float, process: str, what: str, detail: str) -> Moment:
    return Moment(at_s=at_s, text=" ".join(filter(None, (process, what, detail))))


def _around_moment(moments: Sequence[Moment], at_s: float) -> list[Moment]:
    before = [moment for moment in moments if moment.at_s <= at_s][-_AROUND:]
    after = [moment for moment in moments if moment.at_s > at_s][:_AROUND]
    return [*before, Moment(at_s=at_s, text="→ here the assertion was violated"), *after]
