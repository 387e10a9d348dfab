"""A deployment of the double of ECS, and rollouts driven on it in virtual time."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from auroral.ecs.fleet import Fleet, of_contract
from auroral.ecs.machine import Finished
from auroral.ecs.observe import Observer
from auroral.ecs.rollout import waves
from auroral.ecs.rollout.conduct import Clock, Conductor
from auroral.ecs.rollout.machine import Limits
from auroral.ecs.rollout.surroundings import registered, targets
from auroral.ecs.rollout.waves import Wave
from auroral.ecs.rollout.words import Words
from auroral.ecs.seen import ClusterSeen
from auroral.infra.contract import parse
from tests.support.fake_ecs import FakeAws, FakeClock

CONTRACT = Path(__file__).parents[2] / "infra/tests/platform/contract.json"
WHO = "arn:aws:sts::123456789012:assumed-role/operator/jane.doe"


def example_fleet() -> Fleet:
    """Of the contract that the stack's tests write."""
    return of_contract(parse(json.loads(CONTRACT.read_text()), "contract.json"), "outputs.json")


class VirtualClock(Clock):
    """The double's clock as a rollout takes it."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.sleep = clock.sleep  # type: ignore[method-assign]
        self.now_s = clock.now_s  # type: ignore[method-assign]
        self.utc = clock.utc  # type: ignore[method-assign]


@dataclass
class Watch:
    """What DSQL would see at each step: connections, openings a second at most, and who fills."""

    aws: FakeAws
    most_held: int = 0
    most_rate_per_s: float = 0.0
    filled_at_once: set[tuple[str, ...]] = field(default_factory=set)

    def step(self) -> None:
        """Count the tasks that have a container."""
        held, rate_per_s, filling = 0, 0.0, []
        for key, one in self.aws.fleet.services.items():
            if one.dsql is None:
                continue
            live = [task for task in self.aws.service(key).tasks if task.started_s is not None and not task.stopped_s]
            held += len(live) * (one.dsql.pool_size + one.dsql.reservoir)
            rate_per_s += len(live) * one.dsql.rate_per_s
            now_s = self.aws.clock.elapsed_s
            if any(task.started_s is not None and now_s - task.started_s < WARM_S and task.live for task in live):
                filling.append(key)
        self.most_held = max(self.most_held, held)
        self.most_rate_per_s = max(self.most_rate_per_s, rate_per_s)
        if filling:
            self.filled_at_once.add(tuple(filling))


WARM_S = 12.0
"""Until a task of the double is warm: `Behaviour.warm_after_s`."""


class Site:
    """One deployment in the double, and what was said."""

    def __init__(self, fleet: Fleet | None = None, *, seed: int = 0, limits: Limits | None = None) -> None:
        self.clock = FakeClock()
        self.aws = FakeAws.from_fleet(fleet or example_fleet(), clock=self.clock, seed=seed)
        self.aws.add("sts", "get_caller_identity", lambda: {"Account": "123456789012", "Arn": WHO, "UserId": "A:jane"})
        self.limits = limits or Limits()
        self.said: list[str] = []
        self.watch = Watch(self.aws)
        self.clock.listen(self.watch.step)

    @property
    def fleet(self) -> Fleet:
        """As the last apply registered it."""
        return self.aws.fleet

    def seen(self, **parts: bool) -> ClusterSeen:
        """The cluster now."""
        return Observer(self.aws, self.fleet, now=self.clock.utc).look(stopped=True, **parts)

    def conductor(self, **changed: Any) -> Conductor:
        """Of all that a command reads before."""
        keys = [key for key in waves.ALL if key in self.fleet.services]
        found = registered(self.aws, self.fleet, keys)
        return Conductor(
            account=self.aws,
            fleet=self.fleet,
            words=Words(again="auroral cluster up --outputs o.json", flags=" --outputs o.json"),
            say=self.said.append,
            limits=self.limits,
            targets=targets(self.aws, self.fleet, self.said.append),
            health={key: one.health_checked for key, one in found.items()},
            clock=VirtualClock(self.clock),
            **changed,
        )

    def drive(self, make: Callable[[Fleet, ClusterSeen], Sequence[Wave]], **changed: Any) -> Finished:
        """Carry out what `make` plans, under a mark."""
        seen = self.seen()
        return self.conductor(**changed).conduct(make(self.fleet, seen), name="up", cluster_arn=seen.arn)

    def up(self, counts: Mapping[str, int] | None = None) -> Finished:
        """As the command plans it."""
        return self.drive(lambda fleet, seen: waves.up(fleet, seen, counts))

    def running(self) -> dict[str, int]:
        """Tasks that run, by key."""
        return {key: one.running for key, one in self.seen().services.items() if one.running}

    def updates(self) -> list[tuple[str, Mapping[str, Any]]]:
        """The changes of services in their order: (key, what was asked)."""
        return [
            (
                self.fleet.key_of(str(one.arguments["service"])) or "",
                {name: value for name, value in one.arguments.items() if name not in ("cluster", "service")},
            )
            for one in self.aws.changes("update_service")
        ]
