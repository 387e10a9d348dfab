"""The fleet of a scenario: which tasks ECS has asked for, which serve, who carries the load, what is missing. Pure.

A controller of the engine: events of the scenario go in, starts, stops and demands come out.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

import msgspec

from auroral.capacity.simulation.controller import Controller, World
from auroral.capacity.simulation.deployment import Rollout
from auroral.capacity.simulation.scenario import ZONES, Event, Scenario, ServiceShape
from auroral.capacity.simulation.spec import Demand, Lognormal, ProcessSpec
from auroral.capacity.simulation.timeline import (
    ChangeDemand,
    CounterOutage,
    Cut,
    DsqlOutage,
    ExpireAll,
    Start,
    Stop,
    Which,
)

_MOST_MOMENTS = 5_000
_LOAD_STEPS = 20
_MOST_MISSING = 12
_MOST_LOAD = 3.0
"""Of its planned load that a task is given while others are missing: beyond, Temporal's own limits turn requests away.
Assumed."""


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a task or to the fleet."""

    at_s: float
    text: str


class Late(msgspec.Struct, frozen=True, kw_only=True):
    """What was missing when the time of an event was over."""

    at_s: float
    missing: tuple[str, ...]


class Task:
    """One task from the moment ECS asks for it."""

    __slots__ = ("asked_s", "spec", "stopping", "warm")

    def __init__(self, spec: ProcessSpec, asked_s: float, warm: bool = False) -> None:
        self.spec = spec
        self.asked_s = asked_s
        self.warm = warm
        self.stopping = False


class Fleet(Controller):
    """Follows a scenario. After the simulation `moments`, `lates`, `whole` and `deployed` say how it went."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.moments: list[Moment] = []
        self.lates: dict[int, Late] = {}
        """By the event's place in the scenario."""
        self.whole: list[tuple[float, bool]] = []
        """From when on every service had the tasks it should have, all serving, and no deployment was under way."""
        self._scenario = scenario
        self._seed = seed
        self._random = random.Random(f"{seed}/fleet")
        self._tasks: dict[str, Task] = {}
        self._wanted = {shape.service: shape.replicas for shape in scenario.services}
        self._shapes = {shape.service: shape for shape in scenario.services}
        self._serial = dict.fromkeys(self._shapes, 0)
        self._factor = 1.0
        self._rollouts: dict[str, Rollout] = {}
        self._new: dict[str, set[str]] = {}
        self._queue: list[str] = []
        """Services that are yet to be deployed, in order."""
        self._began = scenario.begin == "warm"
        self._replacing = dict.fromkeys(self._shapes, 0)
        """Tasks that died and that ECS has not asked for again yet."""
        self._number: dict[str, int] = {}
        self._lost_zones: set[str] = set()

    def initial(self) -> list[ProcessSpec]:
        """The processes that run from the beginning."""
        if not self._began:
            return []
        for shape in self._scenario.services:
            for _ in range(shape.replicas):
                self._add(self._spec(shape, warm=True), 0.0, warm=True)
        return [task.spec for task in self._tasks.values()]

    def begin(self, world: World) -> None:
        """Take the scenario's events in order."""
        self._note_whole(world)
        for index, event in enumerate(self._scenario.events):
            world.call_at(event.at_s, lambda event=event: self._happen(world, event))  # type: ignore[misc]
            deadline_s = event.ends_s + (event.within_s or self._scenario.limits.converged_within_s)
            if deadline_s < self._scenario.duration_s:
                world.call_at(deadline_s, lambda index=index: self._look(world, index))  # type: ignore[misc]

    def warm(self, world: World, process: ProcessSpec) -> None:
        """A task serves."""
        task = self._tasks.get(process.id)
        if task is None or task.stopping or task.warm:
            return
        task.warm = True
        self._moment(world, f"{process.id} serves")
        self._share_load(world, process.service)
        self._settle(world, process.service)

    def failed(self, world: World, process: ProcessSpec) -> None:
        """A task could open no connection and has gone; ECS is asked for another at once."""
        task = self._tasks.pop(process.id, None)
        if task is None:
            return
        self._moment(world, f"{process.id} could open no connection and ended")
        self._new.get(process.service, set()).discard(process.id)
        if not task.stopping:
            self._settle(world, process.service)

    def ended(self, world: World, process: ProcessSpec) -> None:
        """A task has gone."""
        self._tasks.pop(process.id, None)

    # What happens

    def _happen(self, world: World, event: Event) -> None:
        world.note(event.label)
        self._moment(world, event.label)
        services = event.services or tuple(self._shapes)
        match event.do:
            case "start":
                self._began = True
                for service in services:
                    self._ask(world, service, self._wanted[service], over_s=event.over_s)
            case "deploy":
                self._queue += services
                self._next_deployment(world)
            case "lose-zone":
                self._lost_zones.add(event.zone)
                self._kill(world, [t for t in self._live() if t.spec.zone == event.zone], event, linger=True)
            case "kill":
                for service in services:
                    self._kill(world, list(self._live(service))[: event.count], event, linger=False)
            case "scale":
                self._scale(world, event, services)
            case "load":
                self._ramp(world, event)
            case _:
                self._break(world, event)
        self._note_whole(world)

    def _break(self, world: World, event: Event) -> None:
        """What is done to connections and their surroundings, not to tasks."""
        at_s, until_s = event.at_s, event.ends_s
        whiches = [Which(service=service) for service in event.services] or [Which()]
        match event.do:
            case "refuse-connects":
                world.act(DsqlOutage(at_s=at_s, until_s=until_s, mode="hang" if event.how == "hang" else "refuse"))
            case "counter-fails":
                mode = "throttled" if event.how == "throttle" else "unreachable"
                world.act(CounterOutage(at_s=at_s, until_s=until_s, mode=mode))  # type: ignore[arg-type]
            case "expire":
                for which in whiches:
                    world.act(ExpireAll(at_s=at_s, which=which))
            case _:
                for which in whiches:
                    count = None
                    if event.share < 1:
                        held = (p.usable for p in world.running(which.service))
                        count = round(event.share * sum(held))
                    world.act(Cut(at_s=at_s, count=count, which=which))

    def _kill(self, world: World, tasks: Iterable[Task], event: Event, *, linger: bool) -> None:
        linger_s = self._scenario.tasks.linger_s if linger else 0.0
        for task in list(tasks):
            service = task.spec.service
            self._remove(world, task, drain_s=0.0, linger_s=linger_s)
            self._moment(world, f"{task.spec.id} died")
            rollout = self._rollouts.get(service)
            if rollout is not None:
                rollout.lost(self._number[task.spec.id])
                self._new[service].discard(task.spec.id)
            self._replacing[service] += 1
            world.call_at(
                world.now_s + event.replaced_after_s,
                lambda service=service: self._replace(world, service),  # type: ignore[misc]
            )
        for service in self._shapes:
            self._share_load(world, service)

    def _replace(self, world: World, service: str) -> None:
        self._replacing[service] -= 1
        self._settle(world, service)

    def _scale(self, world: World, event: Event, services: Iterable[str]) -> None:
        for service in services:
            shape = self._shapes[service]
            goal = {"max": shape.most, "planned": shape.replicas}.get(str(event.to), event.to)
            before, self._wanted[service] = self._wanted[service], int(goal)
            missing = self._wanted[service] - before
            self._ask(world, service, missing, over_s=event.over_s)
            for task in list(self._live(service))[::-1][: max(0, -missing)]:
                self._remove(world, task, drain_s=self._scenario.tasks.drain_s)
            self._share_load(world, service)

    def _ramp(self, world: World, event: Event) -> None:
        steps = _LOAD_STEPS if event.over_s else 1
        first = self._factor
        for step in range(1, steps + 1):
            factor = first + (event.factor - first) * step / steps
            world.call_at(
                event.at_s + event.over_s * step / steps,
                lambda factor=factor: self._load(world, factor),  # type: ignore[misc]
            )

    def _load(self, world: World, factor: float) -> None:
        self._factor = factor
        for service in self._shapes:
            self._share_load(world, service)

    # Deployments

    def _next_deployment(self, world: World) -> None:
        if self._rollouts or not self._queue:
            return
        service = self._queue.pop(0)
        shape = self._shapes[service]
        old = [self._number[task.spec.id] for task in self._live(service)]
        self._rollouts[service] = Rollout(old, self._wanted[service], shape.min_healthy_percent, shape.max_percent)
        self._new[service] = set()
        self._moment(world, f"deployment of {service} begins")
        self._settle(world, service)

    def _settle(self, world: World, service: str) -> None:
        """Bring a service towards what it should be: a step of its deployment, or tasks for those that died."""
        if not self._began:
            return
        rollout = self._rollouts.get(service)
        if rollout is None:
            missing = self._wanted[service] - self._replacing[service] - sum(1 for _ in self._live(service))
            self._ask(world, service, missing)
        else:
            self._roll(world, service, rollout)
        self._note_whole(world)

    def _roll(self, world: World, service: str, rollout: Rollout) -> None:
        new = self._new[service]
        old = {self._number[task.spec.id]: task for task in self._live(service) if task.spec.id not in new}
        healthy_new = sum(1 for name in new if self._tasks[name].warm)
        step = rollout.step({number for number, task in old.items() if task.warm}, len(new), healthy_new)
        for number in step.stop:
            if number in old:
                self._remove(world, old[number], drain_s=self._scenario.tasks.drain_s)
        new |= set(self._ask(world, service, step.start))
        if step.stop:
            self._share_load(world, service)
        if rollout.done(healthy_new):
            del self._rollouts[service], self._new[service]
            self._moment(world, f"deployment of {service} is done")
            self._next_deployment(world)

    # Tasks

    def _live(self, service: str = "") -> Iterable[Task]:
        """Tasks that are asked for, start or serve; not those that stop."""
        return (t for t in self._tasks.values() if not t.stopping and service in ("", t.spec.service))

    def _ask(self, world: World, service: str, count: int, *, over_s: float = 0.0) -> list[str]:
        """Have tasks started: each runs after the time ECS takes, spread over a time where one is given."""
        ids = []
        for _ in range(max(0, count)):
            spec = self._spec(self._shapes[service])
            self._add(spec, world.now_s)
            spread_s = over_s * self._random.random() if over_s else 0.0
            world.act(Start(at_s=world.now_s + self._scenario.tasks.start_s + spread_s, process=spec))
            ids.append(spec.id)
        if ids:
            self._moment(world, f"ECS is asked for {len(ids)} of {service}")
        return ids

    def _remove(self, world: World, task: Task, *, drain_s: float, linger_s: float = 0.0) -> None:
        task.stopping, task.warm = True, False
        which = Which(process=task.spec.id)
        world.act(Stop(at_s=world.now_s, which=which, drain_s=drain_s, linger_s=linger_s))
        if drain_s:
            self._moment(world, f"{task.spec.id} is stopped")

    def _spec(self, shape: ServiceShape, *, warm: bool = False) -> ProcessSpec:
        number = self._serial[shape.service]
        self._serial[shape.service] += 1
        policy = self._scenario.policy
        there = ZONES[: self._scenario.zones]
        zones = [zone for zone in there if zone not in self._lost_zones] or list(there)
        demand = None
        if shape.requests_per_s:
            demand = self._demand(shape.requests_per_s * self._factor / max(1, self._wanted[shape.service]))
        skew_s = 0.0
        if policy.clock_skew_s:
            drawn = random.Random(f"{self._seed}/{shape.service}/{number}/clock")
            skew_s = drawn.uniform(-policy.clock_skew_s, policy.clock_skew_s)
        return ProcessSpec(
            service=shape.service,
            replica=number,
            zone=zones[number % len(zones)],
            pool_size=shape.pool_size,
            reservoir=shape.reservoir,
            rate_per_s=shape.rate_per_s,
            burst=shape.burst,
            stagger=policy.stagger_s > 0 and not warm,  # one that is warm has had its start delay
            stagger_max_s=policy.stagger_s,
            lifetime_s=policy.lifetime_s,
            jitter=policy.jitter,
            max_opening=policy.max_opening,
            warmup_max_retries=policy.warmup_retries,
            warmup_first_backoff_s=policy.warmup_backoff_s,
            warmup_max_backoff_s=policy.warmup_max_backoff_s,
            connect_timeout_s=policy.connect_timeout_s,
            acquire_timeout_s=policy.acquire_timeout_s,
            limiter=policy.limiter,
            clock_skew_s=skew_s,
            demand=demand,
            warm=warm,
            restart_after_s=None,
        )

    def _add(self, spec: ProcessSpec, asked_s: float, *, warm: bool = False) -> None:
        self._tasks[spec.id] = Task(spec, asked_s, warm)
        self._number[spec.id] = spec.replica

    def _demand(self, rate_per_s: float) -> Demand:
        policy = self._scenario.policy
        hold = Lognormal(median_s=policy.hold_median_s, p99_s=policy.hold_p99_s)
        return Demand(rate_per_s=rate_per_s, hold=hold)

    def _share_load(self, world: World, service: str) -> None:
        """A service's requests come to the tasks that serve, evenly."""
        shape = self._shapes[service]
        serving = [task for task in self._live(service) if task.warm]
        if not shape.requests_per_s or not serving:
            return
        share = min(1 / len(serving), _MOST_LOAD / shape.replicas)
        demand = self._demand(shape.requests_per_s * self._factor * share)
        for task in serving:
            world.act(ChangeDemand(at_s=world.now_s, which=Which(process=task.spec.id), demand=demand))

    # What is missing

    def _is_whole(self) -> bool:
        if not self._began or self._rollouts or self._queue:
            return False
        serving = dict.fromkeys(self._shapes, 0)
        for task in self._live():
            serving[task.spec.service] += task.warm
        return all(serving[service] == wanted for service, wanted in self._wanted.items())

    def _note_whole(self, world: World) -> None:
        whole = self._is_whole()
        if not self.whole or self.whole[-1][1] != whole:
            self.whole.append((world.now_s, whole))

    def _look(self, world: World, index: int) -> None:
        """See what is not as it should be, now that it should."""
        missing = [f"the deployment of {service} is not done" for service in (*self._rollouts, *self._queue)]
        for service, wanted in self._wanted.items():
            serving = sum(1 for task in self._live(service) if task.warm)
            if serving < wanted:
                missing.append(f"{serving} of {wanted} {service} serve")
        short = [p for p in world.running() if not p.stopping and p.usable < p.target]
        missing += [f"{p.spec.id} has {p.usable} of {p.target} connections" for p in short[:_MOST_MISSING]]
        if len(short) > _MOST_MISSING:
            missing.append(f"and {len(short) - _MOST_MISSING} more are short")
        if missing:
            self.lates[index] = Late(at_s=world.now_s, missing=tuple(missing))

    def _moment(self, world: World, text: str) -> None:
        if len(self.moments) < _MOST_MOMENTS:
            self.moments.append(Moment(at_s=world.now_s, text=text))
