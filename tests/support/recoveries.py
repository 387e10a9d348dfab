"""A deployment of the double of ECS whose history crash-loops while rows of hosts that are gone look alive."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import msgspec

from auroral.dsql.membership import HEARTBEAT_WINDOW_S, Member
from auroral.ecs.fleet import TEMPORAL, Fleet
from auroral.ecs.machine import Finished
from auroral.ecs.operation import Operation, parse
from auroral.ecs.recovery.conduct import recover
from auroral.ecs.recovery.plan import Plan, begin, go_on
from auroral.ecs.recovery.ring import Rows, statements
from auroral.ecs.rollout.words import Words
from auroral.errors import AuroralError
from tests.support.fake_ecs import Behaviour
from tests.support.rollouts import Site, example_fleet

JOINS_S = 6.0
"""From a task's start to its first heartbeat."""
HEARTBEAT_S = 10.0
PLANNED = {"frontend": 1, "history": 3, "matching": 1, "worker": 1}
AGAIN = "auroral cluster recover --outputs o.json"


@dataclass
class Host:
    """A row's host."""

    id: str
    role: str
    address: str
    heartbeat: datetime
    elsewhere: bool = False
    """It lives, and no task is it."""


class Table:
    """`cluster_membership`: running tasks write their heartbeats, hosts that are gone leave their rows."""

    def __init__(self, site: Site) -> None:
        self.hosts: dict[str, Host] = {}
        self.reads = 0
        self.failures: list[AuroralError] = []
        """Of the next readings and deletions."""
        self.before_delete: Callable[[], None] = lambda: None
        self._site, self._beaten_s = site, 0.0
        site.clock.listen(self.step)

    @property
    def now(self) -> datetime:
        return self._site.clock.utc().replace(tzinfo=None)

    def step(self) -> None:
        """Heartbeats of what lives."""
        now_s = self._site.clock.elapsed_s
        for key in TEMPORAL:
            for task in self._site.aws.service(key).tasks:
                if task.status == "RUNNING" and task.started_s is not None and now_s - task.started_s >= JOINS_S:
                    self._beat(Host(id=_id(task.arn), role=key, address=task.address, heartbeat=self.now))
        for host in list(self.hosts.values()):
            if host.elsewhere:
                self._beat(host)

    def _beat(self, host: Host) -> None:
        known = self.hosts.setdefault(host.id, host)
        if (self.now - known.heartbeat).total_seconds() >= HEARTBEAT_S:
            known.heartbeat = self.now

    def put(self, address: str, *, role: str = "history", silent_s: float = 3_600.0, elsewhere: bool = False) -> str:
        """A row of a host that is no task; below 0, its heartbeat lies ahead."""
        host = Host(_id(address), role, address, self.now - timedelta(seconds=silent_s), elsewhere)
        self.hosts[host.id] = host
        return host.id

    @property
    def poisoned(self) -> bool:
        """Whether a host that starts is sent to one that is not there."""
        live = {task.address for key in TEMPORAL for task in self._site.aws.service(key).tasks if task.live}
        return any(
            (self.now - one.heartbeat).total_seconds() <= HEARTBEAT_WINDOW_S
            and not one.elsewhere
            and one.address not in live
            for one in self.hosts.values()
        )

    # As a recovery sees it

    where = "from here"

    def read(self) -> Rows:
        self.reads += 1
        self._fail()
        return Rows(rows=tuple(map(self._member, self.hosts.values())), read_at=self.now)

    def delete(self, gone: Sequence[Member]) -> int:
        self.before_delete()
        alive = [task.address for key in TEMPORAL for task in self._site.aws.service(key).tasks if not task.stopped_s]
        assert not alive, f"rows are deleted while tasks are there: {alive}"
        self._fail()
        found = [
            one.host_id
            for one in gone
            if one.host_id in self.hosts and self.hosts[one.host_id].heartbeat == one.last_heartbeat
        ]
        for id in found:
            del self.hosts[id]
        return len(found)

    def preview(self, gone: Sequence[Member]) -> list[str]:
        return [f"# {one}" for one in statements(gone)]

    def _fail(self) -> None:
        if self.failures:
            raise self.failures.pop(0)

    def _member(self, host: Host) -> Member:
        return Member(
            host_id=host.id,
            role=host.role,
            address=f"{host.address}:6934",
            session_start=host.heartbeat,
            last_heartbeat=host.heartbeat,
            record_expiry=host.heartbeat + timedelta(hours=48),
            silent_s=(self.now - host.heartbeat).total_seconds(),
        )


class Recoveries:
    """The site, its table, and recoveries of it."""

    def __init__(self, *, seed: int = 0) -> None:
        self.site = Site(_small(), seed=seed)
        self.aws, self.clock, self.said = self.site.aws, self.site.clock, self.site.said
        self.table = Table(self.site)
        self.aws.behaviour("history", self._history)

    def _history(self, before: int) -> Behaviour:
        return Behaviour(crash_after_s=8.0) if self.table.poisoned else Behaviour()

    def settle(self) -> None:
        """All services at their planned counts."""
        self.aws.settle(
            {key: one.planned for key, one in self.site.fleet.services.items() if key != "benchmark-worker"}
        )

    def loop(self, *, ahead_s: float = 7_200.0) -> None:
        """A deployment whose history crash-loops, as a row tells of a host for hours that is not there."""
        counts = {key: one.planned for key, one in self.site.fleet.services.items()}
        self.aws.settle({key: count for key, count in counts.items() if key not in ("history", "benchmark-worker")})
        for number in range(3):
            self.table.put(f"10.9.9.{number}")
        self.table.put("10.9.9.9", silent_s=-ahead_s)
        history = self.aws.service("history")
        history.desired, history.steady = counts["history"], False
        self.clock.advance(60)

    def plan(self, **given: int) -> Plan:
        """As the command makes it: what was left is gone on with."""
        seen = self.site.seen()
        left = parse(seen.mark)
        if left is not None and left.name == "recover":
            return go_on(self.site.fleet, seen, given, left, "jane.doe")
        return begin(self.site.fleet, seen, given, left=left, by="jane.doe")

    def recover(
        self, *, beside: bool = False, plan: Plan | None = None, interrupt_when: str = "", **given: int
    ) -> Finished:
        """One run of it; Ctrl-C when something is said that begins so."""

        def say(text: str) -> None:
            self.said.append(text)
            if interrupt_when and text.startswith(interrupt_when):
                raise KeyboardInterrupt

        words = Words(again=AGAIN, flags=" --outputs o.json")
        conductor = replace(self.site.conductor(), words=words, say=say)
        return recover(conductor, plan or self.plan(**given), self.table, beside=beside)

    @property
    def mark(self) -> Operation | None:
        return parse(self.site.seen().mark)

    def whole(self) -> None:
        """Assert that all is as it was planned, and the ring tells of the running tasks alone."""
        running = {key: count for key, count in self.site.running().items() if key in TEMPORAL}
        assert running == {key: self.site.fleet.services[key].planned for key in TEMPORAL}
        live = {task.address for key in TEMPORAL for task in self.aws.service(key).tasks if task.status == "RUNNING"}
        assert {one.address for one in self.table.hosts.values()} == live
        assert self.mark is None


def _small() -> Fleet:
    """The example deployment with a few tasks: each of them is described at every look."""
    fleet = example_fleet()
    services = {
        key: msgspec.structs.replace(one, planned=PLANNED.get(key, one.planned)) for key, one in fleet.services.items()
    }
    return msgspec.structs.replace(fleet, services=services)


def _id(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))
