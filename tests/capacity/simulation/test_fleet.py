"""The fleet: which tasks run, where, with what load, and when all is as it should be."""

from __future__ import annotations

from collections import Counter

import pytest

from auroral.capacity.simulation.controller import Controller, World
from auroral.capacity.simulation.engine import simulate
from auroral.capacity.simulation.fleet import Fleet
from auroral.capacity.simulation.outcome import Outcome
from auroral.capacity.simulation.scenario import Event, Policy, Scenario, Tasks, lower
from auroral.capacity.simulation.spec import ProcessSpec
from tests.support.scenarios import scenario, shape


class Watcher(Controller):
    """Looks at the cluster once a second."""

    def __init__(self) -> None:
        self.serving: list[int] = []
        self.stopping: list[int] = []
        self.zones: list[Counter[str]] = []
        self.warmed: list[ProcessSpec] = []

    def begin(self, world: World) -> None:
        self._look(world)

    def warm(self, world: World, process: ProcessSpec) -> None:
        self.warmed.append(process)

    def _look(self, world: World) -> None:
        states = world.running()
        live = [state for state in states if not state.stopping]
        self.serving.append(sum(state.warm for state in live))
        self.stopping.append(len(states) - len(live))
        self.zones.append(Counter(state.spec.zone for state in live))
        world.call_at(world.now_s + 1.0, lambda: self._look(world))


def run(chosen: Scenario, seed: int = 1) -> tuple[Outcome, Fleet, Watcher]:
    fleet, watcher = Fleet(chosen, seed), Watcher()
    outcome = simulate(fleet.initial(), until_s=chosen.duration_s, seed=seed, controllers=[fleet, watcher])
    return outcome, fleet, watcher


def whole_at_the_end(fleet: Fleet) -> bool:
    return fleet.whole[-1][1]


def test_a_warm_fleet_is_whole_from_the_beginning() -> None:
    outcome, fleet, watcher = run(scenario(Event(at_s=300.0, do="load", factor=1.0)))
    assert fleet.whole == [(0.0, True)]
    assert set(watcher.serving[1:]) == {3}
    assert watcher.zones[1] == {"a": 1, "b": 1, "c": 1}
    assert outcome.shortages == []


def test_a_cold_start_takes_what_ecs_and_the_limits_take() -> None:
    chosen = scenario(
        Event(at_s=10.0, do="start"), begin="stopped", tasks=Tasks(start_s=20.0), policy=Policy(stagger_s=0.0)
    )
    outcome, fleet, _ = run(chosen)
    assert whole_at_the_end(fleet)
    full_s = outcome.full_since_s(10.0)
    assert full_s is not None
    # Two brief connections of the start-up and ten of the pool, five of them at once: seven more at 5/s.
    assert 30.0 + 7 / 5 <= full_s <= 30.0 + 7 / 5 + 2.0
    assert fleet.moments[0].text == "start all tasks"


def test_a_start_can_be_spread() -> None:
    together, spread = (
        run(scenario(Event(at_s=0.0, do="start", over_s=over_s), begin="stopped"))[0].full_since_s(0.0)
        for over_s in (0.0, 200.0)
    )
    assert together is not None
    assert spread is not None
    assert spread > together + 20.0


@pytest.mark.parametrize(("replicas", "least", "most"), [(3, 66, 134), (4, 75, 100), (4, 100, 125), (5, 0, 200)])
def test_a_deployment_replaces_every_task_and_keeps_enough(replicas: int, least: int, most: int) -> None:
    services = (shape(replicas=replicas, min_healthy_percent=least, max_percent=most),)
    chosen = scenario(Event(at_s=10.0, do="deploy"), services=services, duration_s=900.0)
    _, fleet, watcher = run(chosen)
    assert whole_at_the_end(fleet)
    assert sum(not spec.warm for spec in watcher.warmed) == replicas
    assert min(watcher.serving[1:]) >= lower(replicas, least)
    assert max(map(sum, (zones.values() for zones in watcher.zones))) <= replicas * most // 100
    assert [moment.text for moment in fleet.moments if "deployment" in moment.text] == [
        "deployment of history begins",
        "deployment of history is done",
    ]


def test_services_are_deployed_one_after_the_other() -> None:
    services = (shape("history"), shape("matching"), shape("worker"))
    chosen = scenario(Event(at_s=10.0, do="deploy"), services=services, duration_s=1800.0)
    _, fleet, _ = run(chosen)
    told = [moment.text.split(" of ")[1] for moment in fleet.moments if moment.text.startswith("deployment")]
    assert told == [
        f"{service} {state}" for service in ("history", "matching", "worker") for state in ("begins", "is done")
    ]
    assert whole_at_the_end(fleet)


def test_a_lost_zone_is_made_good_in_the_others() -> None:
    chosen = scenario(Event(at_s=100.0, do="lose-zone", zone="b", replaced_after_s=50.0), services=(shape(replicas=6),))
    _, fleet, watcher = run(chosen)
    assert watcher.serving[99] == 6
    assert watcher.serving[120] == 4
    assert watcher.serving[-1] == 6
    assert watcher.zones[-1] == {"a": 3, "c": 3}
    assert [whole for _, whole in fleet.whole] == [True, False, True]
    assert fleet.whole[1][0] == 100.0
    assert fleet.whole[2][0] > 100.0 + 50.0 + 30.0


def test_tasks_that_die_during_a_deployment_are_replaced_too() -> None:
    chosen = scenario(
        Event(at_s=10.0, do="deploy"),
        Event(at_s=60.0, do="kill", count=2, replaced_after_s=5.0),
        services=(shape(replicas=4, min_healthy_percent=75, max_percent=125),),
        duration_s=1200.0,
    )
    _, fleet, watcher = run(chosen)
    assert whole_at_the_end(fleet)
    assert watcher.serving[-1] == 4
    assert min(watcher.serving[1:]) >= 1


def test_scaling_out_and_back() -> None:
    chosen = scenario(
        Event(at_s=50.0, do="scale", to="max"),
        Event(at_s=200.0, do="scale", to="planned"),
        Event(at_s=300.0, do="scale", to=2),
        services=(shape(max_replicas=5),),
    )
    _, fleet, watcher = run(chosen)
    assert (watcher.serving[49], watcher.serving[190], watcher.serving[290], watcher.serving[-1]) == (3, 5, 3, 2)
    assert watcher.stopping[205] == 2
    assert whole_at_the_end(fleet)


def test_what_is_missing_when_time_is_up() -> None:
    chosen = scenario(
        Event(at_s=10.0, do="cut", within_s=20.0),
        Event(at_s=40.0, do="kill", replaced_after_s=500.0, within_s=60.0),
        services=(shape(rate_per_s=0.1, burst=1),),
    )
    _, fleet, _ = run(chosen)
    assert fleet.lates[0].at_s == 30.0
    assert len(fleet.lates[0].missing) == 3
    assert fleet.lates[0].missing[0].startswith("history/0 has ")
    assert fleet.lates[0].missing[0].endswith(" of 10 connections")
    assert fleet.lates[1].missing[0] == "2 of 3 history serve"


def test_clocks_are_off_by_no_more_than_stated_and_by_the_seed() -> None:
    chosen = scenario(Event(at_s=0.0, do="cut"), policy=Policy(limiter="distributed", clock_skew_s=2.0))
    skews = [[spec.clock_skew_s for spec in Fleet(chosen, seed).initial()] for seed in (1, 1, 2)]
    assert skews[0] == skews[1] != skews[2]
    assert all(0.0 < abs(skew_s) <= 2.0 for skew_s in skews[0])


def test_a_load_is_carried_by_those_that_serve() -> None:
    """With a third of the tasks gone, all requests come to the others: as many as before, within chance."""
    chosen = scenario(
        Event(at_s=0.0, do="kill", replaced_after_s=600.0),
        services=(shape(pool_size=1, requests_per_s=9.0, rate_per_s=50, burst=50),),
    )
    outcome, _, _ = run(chosen)
    assert outcome.totals.requests == pytest.approx(9.0 * 600, rel=0.1)


def test_dsql_counts_the_connections_of_a_lost_zone_for_a_while() -> None:
    """They linger for 60 s; the successor has its own after 60 s of ECS not noticing and 30 s of starting."""
    outcome, _, _ = run(scenario(Event(at_s=100.0, do="lose-zone", zone="a"), tasks=Tasks(linger_s=60.0)))
    held = outcome.series.open
    assert (held[95], held[150], held[170]) == (30, 30, 20)
    assert held[-1] == 30


def test_a_task_is_given_three_times_its_share_at_most() -> None:
    """Of six tasks one is left: half of the requests come to it, the rest are turned away before they reach a pool."""
    chosen = scenario(
        Event(at_s=100.0, do="kill", services=("history",), count=5, replaced_after_s=300.0),
        services=(shape(replicas=6, requests_per_s=600.0),),
    )
    fleet = Fleet(chosen, 1)
    outcome = simulate(fleet.initial(), until_s=200.0, seed=1, controllers=[fleet], skip_idle_requests=False)
    assert sum(outcome.series.requests[50:90]) / 40 == pytest.approx(600, rel=0.05)
    assert sum(outcome.series.requests[120:190]) / 70 == pytest.approx(300, rel=0.05)
