"""Carries waves out one after the other: asks, awaits each until it is steady and its pools are warm. Pure.

A state machine of `auroral.ecs.machine`: the cluster as it is seen goes in, the next calls come out. Run again, it
passes over what is as wanted and goes on with the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from auroral.aws_calls import Call, Failure
from auroral.ecs.fleet import Fleet
from auroral.ecs.machine import Act, Await, Decision, Finished, Halted, after
from auroral.ecs.rollout import connects, evidence, loads, replacing, waves
from auroral.ecs.rollout import words as rollout_words
from auroral.ecs.rollout.steady import Before, Standing, State, Wanted, before, filling, revision, standing
from auroral.ecs.rollout.waves import Step, Wave
from auroral.ecs.rollout.words import Words
from auroral.ecs.seen import ClusterSeen, TaskSeen
from auroral.units import format_duration

_UPDATE = "ecs:UpdateService"


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How long a rollout waits for what."""

    wave_s: float = 1_800.0
    """For one wave to be steady."""
    shortage_s: float = 600.0
    """For room on instances, counted since a task was last placed."""
    lines_s: float = 120.0
    """For the lines of a task's start in its log, once it is steady."""
    others_s: float = 120.0
    """For the pools of other services, before a wave begins. The sums hold without it, so that a crash loop elsewhere
    does not keep its own cure away."""
    taken_s: float = 60.0
    """For ECS to show what it was asked: its API is eventually consistent."""


@dataclass(slots=True)
class _Wave:
    """The wave under way."""

    began_s: float
    before: Mapping[str, Before]
    other_than: Mapping[str, str]
    """Ids of the deployments that new ones must replace."""
    asked_s: float | None = None
    acted: bool = False
    told: bool = False
    taken: set[str] = field(default_factory=set)
    short_since_s: float | None = None
    stuck_since_s: float | None = None
    steady_since_s: float | None = None
    running: int = 0
    progress: tuple[int, ...] = ()
    text: str = ""


class Rollout:
    """The machine. What it takes beside the waves was read once, before it begins."""

    def __init__(
        self,
        fleet: Fleet,
        planned: Sequence[Wave],
        *,
        words: Words,
        limits: Limits | None = None,
        targets: connects.Targets | None = None,
        definitions: loads.Definitions | None = None,
        health: Mapping[str, bool] | None = None,
        lines: bool = True,
    ) -> None:
        """`definitions`: what running task definitions take of DSQL, where they are not the fleet's. `health`: key →
        whether its tasks have a health check. `lines`: whether logs are asked for evidence.
        """
        self._fleet = fleet
        self._waves = tuple(planned)
        self._words = words
        self._limits = limits or Limits()
        self._targets = targets or {}
        self._definitions = definitions or {}
        self._health = health or {}
        self._lines = lines
        self._at = 0
        self._under: _Wave | None = None
        self._changed: list[str] = []
        self._passed: list[str] = []
        self._told_unread = False
        self._troubled_since_s: float | None = None

    def next(self, seen: ClusterSeen, now_s: float) -> Decision:
        """What to do, as the cluster is seen."""
        if self._under is None:
            self._troubled_since_s = None
        while self._at < len(self._waves):
            wave = self._waves[self._at]
            if self._under is None:
                refused = self._refusal(wave, seen)
                if refused is not None:
                    return refused
                self._under = self._enter(wave, seen, now_s)
            decision = self._carry(self._under, wave, seen, now_s)
            if decision is not None:
                return decision
            (self._changed if self._under.acted else self._passed).extend(step.key for step in wave)
            self._at, self._under = self._at + 1, None
        return Finished(say=rollout_words.summary(self._changed, self._passed))

    def failed(self, failure: Failure, now_s: float) -> Decision:
        """What to do after an observation or a call failed."""
        under = self._under
        if under is not None and failure.call == _UPDATE:
            under.asked_s = None
        if self._troubled_since_s is None:
            self._troubled_since_s = now_s
        since_s = self._troubled_since_s if under is None else under.began_s
        if failure.passes and now_s - since_s > self._limits.wave_s:
            return self._words.halted(f"{self.where()}: {failure.call} fails: {failure.code}: {failure.words}")
        return after(failure, doing=self.where(), again=self._words.again)

    def where(self) -> str:
        """What was under way, for whoever interrupted it."""
        if self._at >= len(self._waves):
            return "all is done"
        text = self._under.text if self._under is not None else ""
        keys = ", ".join(step.key for step in self._waves[self._at])
        return f"wave {self._at + 1} of {len(self._waves)}: {text or keys}"

    def reading(self, seen: ClusterSeen) -> tuple[TaskSeen, ...]:
        """The tasks whose logs `next` wants to have been read."""
        if not self._lines or self._under is None or self._under.asked_s is None:
            return ()
        return self._fresh(self._under, self._waves[self._at], seen)

    def _refusal(self, wave: Wave, seen: ClusterSeen) -> Halted | None:
        """Whether this wave may begin beside what runs, and those after it follow."""
        gone = waves.missing(self._fleet, seen, [wave])
        if gone:
            return rollout_words.missing(self._fleet, gone)
        left = self._waves[self._at :]
        stuck = replacing.stuck(self._fleet, seen, left)
        if stuck:
            return self._words.stuck(stuck)
        over = loads.overruns(self._fleet, seen, left, self._targets, self._definitions)
        return rollout_words.over_budget(over, [step.key for one in left for step in one]) if over else None

    def _enter(self, wave: Wave, seen: ClusterSeen, now_s: float) -> _Wave:
        deployed = [step.key for step in wave if waves.deploys(self._fleet, seen, step)]
        primaries = {key: seen.services[key].primary for key in deployed}
        return _Wave(
            began_s=now_s,
            before={step.key: before(seen, step.key) for step in wave},
            other_than={key: one.id for key, one in primaries.items() if one is not None},
        )

    def _carry(self, under: _Wave, wave: Wave, seen: ClusterSeen, now_s: float) -> Decision | None:
        """The next decision of this wave; None once it is over."""
        if under.asked_s is None:
            asked = self._ask(under, wave, seen, now_s)
            if asked is not None:
                return asked
        assert under.asked_s is not None
        waited_s = now_s - under.asked_s
        standings = [self._standing(under, step, seen, waited_s) for step in wave]
        fresh = self._fresh(under, wave, seen)
        under.text = "; ".join(
            rollout_words.progress(one, seen, [task for task in fresh if task.service == one.key], lines=self._lines)
            for one in standings
        )
        halted = self._fault(under, wave, standings, seen, now_s)
        if halted is not None:
            return halted
        if any(one.state is not State.STEADY for one in standings):
            under.steady_since_s = None
            return self._await(under, standings)
        if under.told or not (under.acted or fresh):
            return None
        return self._evidence(under, fresh, seen, now_s) or self._end(under, wave, fresh, seen)

    def _ask(self, under: _Wave, wave: Wave, seen: ClusterSeen, now_s: float) -> Decision | None:
        calls = tuple(call for step in wave if (call := self._call(under, step, seen)) is not None)
        others = filling(seen, [key for key in self._sharing(wave) if self._health.get(key)])
        if calls and others and now_s - under.began_s < self._limits.others_s and self._starts(wave, seen):
            return Await(say=f"{wave[0].key} waits for the pools of {', '.join(others)}")
        under.asked_s = now_s
        if not calls:
            return None
        under.acted = True
        return Act(calls=calls, say="; ".join(call.why for call in calls))

    def _sharing(self, wave: Wave) -> list[str]:
        """Other services that fill pools."""
        own = {step.key for step in wave}
        return [key for key, one in self._fleet.services.items() if one.dsql is not None and key not in own]

    def _starts(self, wave: Wave, seen: ClusterSeen) -> bool:
        """Whether a wave starts tasks that fill pools."""
        return any(
            self._fleet.services[step.key].dsql is not None
            and (step.count is None or step.count > seen.services[step.key].running)
            for step in wave
        )

    def _call(self, under: _Wave, step: Step, seen: ClusterSeen) -> Call | None:
        primary, replaced = seen.services[step.key].primary, under.other_than.get(step.key)
        begun = primary is not None and replaced is not None and primary.id != replaced
        return waves.update(self._fleet, seen, step, forced=begun)

    def _standing(self, under: _Wave, step: Step, seen: ClusterSeen, waited_s: float) -> Standing:
        wanted = Wanted(
            key=step.key,
            count=None if step.key in under.taken else step.count,
            task_definition=step.task_definition,
            other_than=under.other_than.get(step.key, ""),
            health_checked=self._health.get(step.key),
            start_period_s=self._fleet.services[step.key].start_period_s,
        )
        return standing(seen, wanted, under.before[step.key], waited_s)

    def _await(self, under: _Wave, standings: Sequence[Standing]) -> Await:
        progress = tuple(number for one in standings for number in (one.running, one.healthy))
        progressed, under.progress = progress != under.progress, progress
        short = [f"{one.key}: {one.reason}" for one in standings if one.state is State.SHORT]
        return Await(say="; ".join([under.text, *short]), progressed=progressed)

    def _fault(
        self, under: _Wave, wave: Wave, standings: Sequence[Standing], seen: ClusterSeen, now_s: float
    ) -> Halted | None:
        """Why this wave cannot go on, if so."""
        for one in standings:
            if one.state is State.FAILING:
                return self._words.failing(one)
        for step in wave:
            unheeded = self._unheeded(under, step, seen, now_s)
            if unheeded:
                return self._words.halted(f"{step.key}: {unheeded}")
        return self._stuck(under, wave, standings, seen, now_s) or self._late(under, standings, now_s)

    def _late(self, under: _Wave, standings: Sequence[Standing], now_s: float) -> Halted | None:
        """Whether it has been borne for long enough."""
        if self._short_for_s(under, standings, now_s) >= self._limits.shortage_s:
            short = next(one for one in standings if one.state is State.SHORT)
            return self._words.no_room(self._fleet, short, self._limits.shortage_s)
        late = [one for one in standings if one.state is not State.STEADY]
        if late and now_s - under.began_s >= self._limits.wave_s:
            waiting = next((one for one in late if one.state is State.SHORT), None)
            if waiting is not None:  # a longer patience than the wave's deadline
                return self._words.no_room(self._fleet, waiting, self._short_for_s(under, standings, now_s))
            stops = "".join(f"\n  a task stopped: {reason}" for reason in late[0].stops)
            waited = format_duration(self._limits.wave_s)
            reason = f"{late[0].key} is not steady after {waited}: {late[0].reason}{stops}"
            return self._words.halted(reason, key=late[0].key)
        return None

    def _stuck(
        self, under: _Wave, wave: Wave, standings: Sequence[Standing], seen: ClusterSeen, now_s: float
    ) -> Halted | None:
        """A deployment that a count, changed while it was under way, leaves without a move."""
        still = all(one.running == one.desired == one.healthy for one in standings)
        found = [step.key for step in wave if waves.deadlocked(self._fleet, seen.services[step.key])] if still else []
        if not found:
            under.stuck_since_s = None
        elif under.stuck_since_s is None:
            under.stuck_since_s = now_s
        elif now_s - under.stuck_since_s >= self._limits.taken_s:
            count = seen.services[found[0]].desired
            return self._words.halted(
                f"{found[0]}: its count became {count} meanwhile, at which ECS can neither stop nor start a task"
            )
        return None

    def _short_for_s(self, under: _Wave, standings: Sequence[Standing], now_s: float) -> float:
        """For how long there has been no room; a task that came to run begins it anew."""
        running = sum(one.running for one in standings)
        short = any(one.state is State.SHORT for one in standings)
        if not short:
            under.short_since_s = None
        elif under.short_since_s is None or running > under.running:
            under.short_since_s = now_s
        under.running = running
        return 0.0 if under.short_since_s is None else now_s - under.short_since_s

    def _unheeded(self, under: _Wave, step: Step, seen: ClusterSeen, now_s: float) -> str:
        """Whether ECS shows something else than it was asked for, by whomever."""
        assert under.asked_s is not None
        service = seen.services[step.key]
        if self._call(under, step, seen) is None:
            under.taken.add(step.key)
            return ""
        if step.key not in under.taken:
            late = now_s - under.asked_s >= self._limits.taken_s
            return f"ECS does not show what it was asked for ({waves.told(step, service)})" if late else ""
        if step.task_definition and service.task_definition != step.task_definition:
            return f"somebody deployed {revision(service.task_definition)} meanwhile"
        if step.count == 0:
            return f"somebody, or its autoscaling, asked for {service.desired} tasks meanwhile"
        return ""

    def _fresh(self, under: _Wave, wave: Wave, seen: ClusterSeen) -> tuple[TaskSeen, ...]:
        """Tasks that fill pools in this wave."""
        return tuple(
            task
            for step in wave
            if self._fleet.services[step.key].dsql is not None
            for task in seen.tasks_of(step.key)
            if task.arn not in under.before[step.key].tasks or task.arn in under.before[step.key].warming
        )

    def _evidence(self, under: _Wave, fresh: Sequence[TaskSeen], seen: ClusterSeen, now_s: float) -> Decision | None:
        """What keeps a wave that is steady by ECS's word; None: nothing, or the logs cannot say."""
        if under.steady_since_s is None:
            under.steady_since_s = now_s
        if not fresh or not self._lines:
            return None
        if seen.unread:
            told, self._told_unread = self._told_unread, True
            words = f"logs are not read ({seen.unread}): going on by ECS's word alone"
            return None if told else Act(calls=(), say=words)
        started = evidence.judge(fresh, seen.started)
        if started.astray:
            return self._words.halted(f"{started.astray[0]}: its peers cannot reach it", key=fresh[0].service)
        if started.lacking and now_s - under.steady_since_s < self._limits.lines_s:
            return Await(say=f"{under.text}; waiting for lines of {len(started.lacking)} in their logs")
        if started.lacking and len(started.silent) < len(fresh):
            address, warm = evidence.LINES
            return self._words.halted(
                f"task {started.lacking[0]} is healthy, and its log lacks one of {address!r} and {warm!r}",
                key=fresh[0].service,
            )
        return None

    def _end(self, under: _Wave, wave: Wave, fresh: Sequence[TaskSeen], seen: ClusterSeen) -> Act:
        under.told = True
        return Act(calls=(), say=rollout_words.steady(wave, seen, fresh, lines=self._lines))
