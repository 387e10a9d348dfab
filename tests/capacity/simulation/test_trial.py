"""Scenarios that must hold and scenarios that must not, judged; what is said of the first violation."""

from __future__ import annotations

import msgspec
import pytest

from auroral.capacity import layout, warmup
from auroral.capacity.layout import Options
from auroral.capacity.presets import presets
from auroral.capacity.simulation import shapes, trial
from auroral.capacity.simulation.catalogue import ORDER, builtin
from auroral.capacity.simulation.result import Run
from auroral.capacity.simulation.scenario import Database, Event, Limits, Policy, Scenario
from auroral.errors import UsageError
from tests.support.scenarios import cut_while_deploying, defaults, derived, scenario, shape, spec_100

PRESETS = ("dev", "100wps", "150wps", "400wps")
LONG = ("day", "rolling-deployment", "scale-out")


def check(run: Run, name: str) -> tuple[bool, float | None]:
    found = next(one for one in run.checks if one.name == name)
    return found.passed, found.observed


@pytest.mark.parametrize("preset", ["dev", "150wps"])
@pytest.mark.parametrize("name", [name for name in ORDER if name not in LONG])
def test_the_planned_budgets_hold(name: str, preset: str) -> None:
    run = trial.run(shapes.deploy(builtin(name), shapes.from_preset(preset)), 1)
    assert [one for one in run.checks if not one.passed] == []
    assert run.around == []
    assert run.margin >= 0


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", ORDER)
def test_the_planned_budgets_hold_under_a_hundred_schedules(name: str, preset: str) -> None:
    from auroral.capacity.simulation.seeds import cores, run_all

    chosen = shapes.deploy(builtin(name), shapes.from_preset(preset))
    summary = trial.Summary(chosen, preset)
    for run in run_all([(chosen, seed) for seed in range(1, 101)], cores()):
        summary.add(run)
    result = summary.result()
    assert result.failed_seeds == [], result.run.first_violation
    print(f"{name}, {preset}: " + ", ".join(f"{one.name} {one.margin:.2f} (seed {one.seed})" for one in result.worst))


@pytest.mark.parametrize("preset", PRESETS)
def test_the_plans_times_are_those_of_the_simulation(preset: str) -> None:
    """Two reckonings apart from one another: formulas in `warmup`, events here."""
    known = presets()
    options = Options(anchors=known.anchors)
    connections = layout.lay_out(known.named(preset).rate_per_s, options, known).connections
    deployed = shapes.from_preset(preset)

    def took_s(name: str) -> list[float]:
        run = trial.run(shapes.deploy(builtin(name), deployed), 1)
        return [one.observed or 0.0 for one in run.checks if one.name.startswith("converged-")]

    pace = options.pace
    assert took_s("cold-start") == [
        pytest.approx(pace.task_start_s + warmup.cold_start_s(connections, pace), rel=0.05, abs=3.0)
    ]
    assert took_s("zone-loss") == [
        pytest.approx(warmup.zone_loss_s(connections, options.zones, pace), rel=0.05, abs=3.0)
    ]
    for simulated_s, one in zip(took_s("rolling-deployment"), connections, strict=True):
        assert 0.5 < simulated_s / warmup.deployment_s(one, pace) < 1.05


# What must fail


def test_the_limits_of_the_spec_overrun_during_a_deployment() -> None:
    """88/s, and 48/s of history's new tasks: DSQL's burst is gone before pools of 300 are full. Derived from a budget,
    the same pools hold.
    """
    bad = trial.run(cut_while_deploying(spec_100(300)), 1)
    good = trial.run(cut_while_deploying(derived(spec_100(300))), 1)
    assert check(bad, "refused")[0] is False
    assert check(good, "refused") == (True, 0)
    assert bad.first_violation is not None
    assert bad.first_violation.name == "refused"


def test_with_pools_of_fifty_the_burst_covers_the_limits_of_the_spec() -> None:
    """What the budget guards against needs more connections than its 15 pools of 50 have."""
    assert check(trial.run(cut_while_deploying(spec_100(50)), 1), "refused") == (True, 0)


def test_limits_that_nobody_derived_from_a_budget_overrun() -> None:
    limits = Limits(longest_wait_s=30.0)
    run = trial.run(scenario(Event(at_s=60.0, do="cut"), services=defaults(150), limits=limits), 1)
    passed, refused = check(run, "refused")
    assert not passed
    assert refused is not None
    assert refused > 100
    first = run.first_violation
    assert first is not None
    assert first.name == "refused"
    assert "by its rate (53400)" in first.detail
    assert len(run.around) == 41
    assert run.around[20].text.startswith("→ ")
    assert "refused-rate" in run.around[20].text
    assert run.around[20].at_s == first.at_s
    assert sorted(one.at_s for one in run.around) == [one.at_s for one in run.around]


def test_without_a_limiter_a_reservoir_helps_nothing() -> None:
    services = tuple(msgspec.structs.replace(one, reservoir=10) for one in defaults(150))
    chosen = scenario(Event(at_s=60.0, do="expire"), services=services, policy=Policy(limiter="none"))
    assert check(trial.run(chosen, 1), "refused")[0] is False


def test_without_jitter_connections_expire_as_they_were_opened() -> None:
    """A cold start, and the end of its connections 55 minutes later: with jitter they are replaced one by one."""

    def most_late(jitter: float) -> int:
        chosen = scenario(
            Event(at_s=0.0, do="start"),
            begin="stopped",
            services=shapes.from_preset("dev").services,
            duration_s=3600.0,
            policy=Policy(jitter=jitter),
        )
        points = trial.run(chosen, 1).points
        late = [n for at_s, n in zip(points.t_s, points.attempts, strict=True) if at_s > 600]
        return max(late)

    assert most_late(0.0) > 4 * most_late(0.1)


def test_pools_that_are_too_large_meet_the_cap() -> None:
    """500 a pool, as the public 400/s run had them: 44 × 500 is more than DSQL holds."""
    chosen = scenario(Event(at_s=0.0, do="start"), begin="stopped", services=defaults(500), duration_s=900.0)
    run = trial.run(chosen, 1)
    assert check(run, "refused")[0] is False
    assert run.totals.refused_cap > 0
    assert check(run, "most-connections") == (False, 10_000)


def test_what_is_not_full_in_time_is_named() -> None:
    chosen = scenario(
        Event(at_s=100.0, do="cut"), services=(shape(rate_per_s=0.1, burst=1),), limits=Limits(converged_within_s=30)
    )
    run = trial.run(chosen, 1)
    first = run.first_violation
    assert first is not None
    assert (first.name, first.at_s) == ("converged-1", 130.0)
    assert first.detail.startswith("history/0 has ")
    assert first.observed is not None
    assert first.observed > 30
    assert first.margin < 0
    assert [one.text for one in run.around if "100% of the connections cut" in one.text]


def test_what_never_is_full_is_judged_at_the_end() -> None:
    slow = (shape(rate_per_s=0.1, burst=1),)
    chosen = scenario(Event(at_s=560.0, do="cut"), services=slow, limits=Limits(longest_wait_s=60.0))
    run = trial.run(chosen, 1)
    first = run.first_violation
    assert first is not None
    assert (first.observed, first.at_s, first.detail) == (None, 600.0, "not by the end")


def test_a_pool_that_runs_short_in_steady_state_is_shown_with_its_events() -> None:
    """DSQL's door is shut for longer than its sessions last: no pool can open before it closes."""
    chosen = scenario(
        Event(at_s=60.0, do="refuse-connects", for_s=200.0, within_s=300.0),
        policy=Policy(lifetime_s=100.0),
        database=Database(session_lifetime_s=120.0),
    )
    run = trial.run(chosen, 1)
    passed, short_s = check(run, "short")
    assert not passed
    assert short_s is not None
    assert short_s > 60
    first = run.first_violation
    assert first is not None
    assert first.name == "short"
    assert "below-target" in "".join(one.text for one in run.around)


def test_a_wait_that_is_too_long_is_shown_with_its_events() -> None:
    chosen = scenario(
        Event(at_s=60.0, do="cut"),
        Event(at_s=61.0, do="cut"),
        services=(shape(rate_per_s=0.2, burst=1, pool_size=2),),
        limits=Limits(converged_within_s=500),
    )
    run = trial.run(chosen, 1)
    first = run.first_violation
    assert first is not None
    assert first.name == "longest-wait"
    assert any(" wait " in one.text for one in run.around)


def test_refusals_of_a_stated_outage_are_no_violation() -> None:
    chosen = scenario(
        Event(at_s=60.0, do="refuse-connects", for_s=30.0),
        Event(at_s=61.0, do="cut", share=0.5),
        limits=Limits(longest_wait_s=40.0),
    )
    run = trial.run(chosen, 1)
    assert run.passed
    assert run.totals.refused_outage > 0


# Seeds


def small() -> Scenario:
    return scenario(Event(at_s=60.0, do="cut"), limits=Limits(longest_wait_s=60.0))


def test_a_seed_repeats_its_run_byte_for_byte() -> None:
    first, again, other = (msgspec.json.encode(trial.run(small(), seed)) for seed in (7, 7, 8))
    assert first == again != other


def test_the_worst_is_kept_in_whatever_order_runs_come() -> None:
    chosen = small()
    runs = [trial.run(chosen, seed) for seed in range(6)]
    documents = []
    for order in (runs, runs[::-1]):
        summary = trial.Summary(chosen, "test")
        for run in order:
            summary.add(run)
        assert summary.count == 6
        documents.append(msgspec.json.encode(summary.result()))
    assert documents[0] == documents[1]
    result = summary.result()
    for worst in result.worst:
        margins = {run.seed: one.margin for run in runs for one in run.checks if one.name == worst.name}
        assert worst.margin == min(margins.values())
        assert worst.seed == min(seed for seed, margin in margins.items() if margin == worst.margin)
    assert result.run.margin == min(run.margin for run in runs)
    assert result.passed


def test_failed_seeds_are_counted() -> None:
    chosen = msgspec.structs.replace(small(), limits=Limits(longest_wait_s=0.0, converged_within_s=120.0))
    summary = trial.Summary(chosen, "test")
    for seed in (3, 4):
        summary.add(trial.run(chosen, seed))
    result = summary.result(interrupted=True)
    assert result.failed_seeds == [3, 4]
    assert {worst.name: worst.failed for worst in result.worst}["longest-wait"] == 2
    assert result.interrupted
    assert not result.passed


def test_a_scenario_without_services_cannot_be_run() -> None:
    with pytest.raises(UsageError, match="names no services"):
        trial.run(builtin("zone-loss"), 1)


def test_a_summary_of_nothing() -> None:
    with pytest.raises(ValueError, match="at least one"):
        trial.Summary(small(), "test").result()
