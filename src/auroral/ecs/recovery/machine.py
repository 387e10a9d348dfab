"""Recovers a cluster from a crash loop of its ring: down, stale membership away, up, and the ring compared. Pure.

A state machine of `auroral.ecs.machine`. Its first and last phase are rollouts; rows are read and deleted by work
that `conduct` does, whose outcomes it is told. Each phase begins with the cluster's mark, so that a second recovery
goes on there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import msgspec

from auroral.aws_calls import Call, Failure, Kind
from auroral.dsql.membership import Member
from auroral.ecs.fleet import Fleet
from auroral.ecs.machine import Act, Await, Decision, Finished, Halted, Run, after
from auroral.ecs.operation import BEGUN, Operation, Own, set_mark
from auroral.ecs.recovery import plan as recovery_plan
from auroral.ecs.recovery import ring
from auroral.ecs.recovery.plan import Phase, Plan
from auroral.ecs.recovery.ring import Rows
from auroral.ecs.rollout.machine import Rollout
from auroral.ecs.rollout.waves import Wave
from auroral.ecs.rollout.words import Words
from auroral.ecs.seen import ClusterSeen, TaskSeen
from auroral.errors import ExitCode
from auroral.units import format_duration

READ, DELETE = "read", "delete"
"""Its work."""

DELETIONS = 3
"""Attempts, where rows come to be heard of between the list and the deletion."""

_TAG = "ecs:TagResource"
TITLES = {
    Phase.DOWN: "1 of 3, down: Temporal's services stop",
    Phase.CLEAN: "2 of 3, clean: rows of hosts that are gone are deleted",
    Phase.UP: "3 of 3, up: Temporal's services start",
}
"""What each phase is announced by."""


class RecoveryLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How long it waits, beside its rollouts."""

    silent_s: float = 90.0
    """For rows to fall silent once every task is stopped."""
    agree_s: float = 120.0
    """For the ring to have as many hosts as tasks run: a host joins within 30 s, and is heard of every 15 s."""
    trouble_s: float = 300.0
    """For what passes: throttling, a database that cannot be reached."""


class WorkFailure(msgspec.Struct, frozen=True, kw_only=True):
    """Work that could not be done."""

    reason: str
    hint: str = ""
    passes: bool = False
    """Whether the same may succeed in a while."""
    exit_code: ExitCode = ExitCode.UNREACHABLE


class Recovery:
    """The machine."""

    def __init__(
        self,
        fleet: Fleet,
        plan: Plan,
        *,
        rollout: Callable[[Sequence[Wave]], Rollout],
        words: Words,
        beside: bool = False,
        limits: RecoveryLimits | None = None,
    ) -> None:
        """`rollout` makes the machine of some waves. `beside`: go on although hosts elsewhere are in the ring."""
        self.phase = plan.phase
        self.deleted = 0
        self.marked = False
        """Whether the cluster was marked, or was to be."""
        self.own = Own()
        self._fleet, self._plan, self._words, self._beside = fleet, plan, words, beside
        self._make, self._limits = rollout, limits or RecoveryLimits()
        self._titled: Phase | None = None
        self._unmarked = False
        self._rollout: Rollout | None = None
        self._stopped = self._started = False
        self._first: Rows | None = None
        self._rows: Rows | None = None
        self._reading_s: float | None = None
        self._attempts = self._asked = 0
        self._cleaned = False
        self._foreign: frozenset[str] = frozenset()
        """Ids of hosts that live elsewhere."""
        self._trouble: dict[str, float] = {}

    # What is decided

    def next(self, seen: ClusterSeen, now_s: float) -> Decision:
        """What to do, as the cluster is seen."""
        steps: Mapping[Phase, Callable[[ClusterSeen, float], Decision | None]]
        steps = {Phase.DOWN: self._down, Phase.CLEAN: self._clean, Phase.UP: self._up}
        self._trouble.pop("look", None)
        while True:
            if self._titled is not self.phase:
                return self._title(seen)
            self._trouble.pop("mark", None)
            decision = steps[self.phase](seen, now_s)
            if decision is not None:
                return decision

    def failed(self, failure: Failure, now_s: float) -> Decision:
        """What to do after an observation or a call failed."""
        if failure.call == _TAG:
            self._titled = None
            if failure.kind is Kind.DENIED:
                self._unmarked = True
                counts = " ".join(f"--count {key}={count}" for key, count in self._plan.counts.items())
                return Await(
                    say=f"the cluster is not marked ({failure.call}: {failure.code}): nobody else is kept from it, and "
                    f"a second `recover` has to be told the counts: {counts}"
                )
        elif self._rollout is not None:
            return self._told(self._rollout.failed(failure, now_s))
        if failure.passes and self._troubled("mark" if failure.call == _TAG else "look", now_s):
            return self._words.halted(f"{self.where()}: {failure.call} fails: {failure.code}: {failure.words}")
        return after(failure, doing=self.where(), again=self._words.again)

    def where(self) -> str:
        """What was under way, for whoever interrupted it."""
        if self._rollout is not None:
            return f"{self.phase}: {self._rollout.where()}"
        doing = {
            Phase.DOWN: "nothing was stopped yet",
            Phase.CLEAN: "reading and deleting rows of cluster_membership",
            Phase.UP: "comparing cluster_membership with the tasks" if self._started else "nothing was started yet",
        }
        return f"{self.phase}: {doing[self.phase]}"

    def reading(self, seen: ClusterSeen) -> tuple[TaskSeen, ...]:
        """The tasks whose logs `next` wants to have been read."""
        return self._rollout.reading(seen) if self._rollout is not None else ()

    def mark(self, state: str, at: datetime) -> Operation:
        """What a second recovery goes on with."""
        return recovery_plan.mark(self._plan, self.phase, state, at)

    @property
    def gone(self) -> Rows:
        """The rows that `DELETE` is for."""
        assert self._rows is not None
        assert self._first is not None
        return msgspec.structs.replace(self._rows, rows=ring.silence(self._rows, self._first).gone)

    # What it is told of its work

    def rows_read(self, rows: Rows) -> None:
        """The table was read."""
        self._rows, self._first = rows, self._first or rows
        self._trouble.pop("work", None)

    def rows_deleted(self, count: int) -> None:
        """So many of `gone` were deleted; the others are heard of again, or Temporal has deleted them."""
        self.deleted += count
        self._trouble.pop("work", None)
        self._cleaned = count >= self._asked
        if not self._cleaned:
            self._rows = None

    def work_failed(self, failure: WorkFailure, now_s: float) -> Decision:
        """What to do after work could not be done."""
        self._rows = None
        if failure.passes and not self._troubled("work", now_s):
            return Await(say=f"{self.where()}: {failure.reason}; trying again")
        hint = f"{failure.hint}; " if failure.hint else ""
        return Halted(
            reason=f"{self.where()}: {failure.reason}",
            hint=f"{hint}once that is mended, go on: {self._words.again}",
            exit_code=failure.exit_code,
        )

    # Phases

    def _title(self, seen: ClusterSeen) -> Act:
        self._titled, self.marked = self.phase, not self._unmarked
        calls: tuple[Call, ...] = ()
        if not self._unmarked:
            operation = self.mark(BEGUN, seen.at)
            self.own.add(operation)
            calls = (set_mark(seen.arn, operation),)
        return Act(calls=calls, say=TITLES[self.phase])

    def _down(self, seen: ClusterSeen, now_s: float) -> Decision | None:
        decision = self._roll(lambda: recovery_plan.down(self._fleet, seen), seen, now_s)
        if decision is None:
            self._rollout, self._stopped, self.phase = None, True, Phase.CLEAN
            self._first, self._rows, self._reading_s = None, None, None
        return decision

    def _clean(self, seen: ClusterSeen, now_s: float) -> Decision | None:
        back = recovery_plan.there(seen)
        if back:
            return self._disturbed(back)
        decision = self._read(now_s, "reading cluster_membership") or self._away(now_s)
        if decision is None:
            self._rows, self._reading_s, self.phase = None, None, Phase.UP
        return decision

    def _away(self, now_s: float) -> Decision | None:
        """Delete what is gone, once all is silent; None: it is done."""
        assert self._rows is not None
        assert self._first is not None
        assert self._reading_s is not None
        found = ring.silence(self._rows, self._first)
        if found.heard and now_s - self._reading_s < self._limits.silent_s:
            self._rows = None
            return Await(say=f"waiting for {_count(len(found.heard), 'host')}, heard of lately, to fall silent")
        if found.heard and not self._beside:
            return self._lives_elsewhere(found.heard)
        self._foreign = frozenset(one.host_id for one in found.heard)
        if not found.gone or self._cleaned or self._attempts >= DELETIONS:
            return None
        self._attempts, self._asked = self._attempts + 1, len(found.gone)
        return Run(name=DELETE, say=f"deleting {_count(len(found.gone), 'row')} of hosts that are gone")

    def _read(self, now_s: float, say: str) -> Run | None:
        """None: the rows are there."""
        if self._reading_s is None:
            self._reading_s = now_s
            return Run(name=READ, say=say)
        return Run(name=READ) if self._rows is None else None

    def _disturbed(self, back: Sequence[str]) -> Decision | None:
        if not self._stopped:  # it goes on with another's phase, and somebody started tasks since
            self.phase = Phase.DOWN
            return None
        return self._words.halted(
            f"{', '.join(back)}: tasks are there again, and rows are deleted only while none is; somebody, or "
            "autoscaling, started them"
        )

    def _lives_elsewhere(self, heard: Sequence[Member]) -> Halted:
        return Halted(
            reason=f"every task is stopped, and {_count(len(heard), 'host')} still in the ring: {ring.named(heard)}",
            hint="another cluster of Temporal may have this database: end it first, then go on: "
            f"{self._words.again}; or go on beside it with --beside",
            exit_code=ExitCode.FAILED,
        )

    def _up(self, seen: ClusterSeen, now_s: float) -> Decision | None:
        if not self._started:
            decision = self._roll(lambda: recovery_plan.up(self._plan), seen, now_s)
            if decision is not None:
                return decision
            self._rollout, self._started = None, True
        return self._read(now_s, "comparing cluster_membership with the running tasks") or self._compare(seen, now_s)

    def _compare(self, seen: ClusterSeen, now_s: float) -> Decision:
        assert self._rows is not None
        assert self._reading_s is not None
        odd = ring.disagreements(self._own(self._rows), seen)
        if not odd:
            return Finished(say=self._summary(seen))
        if now_s - self._reading_s < self._limits.agree_s:
            self._rows = None
            return Await(say="; ".join(odd))
        return Halted(
            reason="\n".join(["all services are steady, and their ring is not whole:", *(f"  {one}" for one in odd)]),
            hint=f"`auroral cluster status{self._words.flags}` shows both; compare again: {self._words.again}",
            exit_code=ExitCode.FAILED,
        )

    def _own(self, rows: Rows) -> Rows:
        """Without the hosts that live elsewhere."""
        return msgspec.structs.replace(rows, rows=tuple(one for one in rows.rows if one.host_id not in self._foreign))

    def _roll(self, plan: Callable[[], Sequence[Wave]], seen: ClusterSeen, now_s: float) -> Decision | None:
        """The next decision of a rollout; None once it is over."""
        if self._rollout is None:
            self._rollout = self._make(plan())
        decision = self._rollout.next(seen, now_s)
        return None if isinstance(decision, Finished) else self._told(decision)

    def _told(self, decision: Decision) -> Decision:
        """A rollout's decision, with the phase before what it says."""
        if isinstance(decision, Halted):
            return msgspec.structs.replace(decision, reason=f"{self.phase}: {decision.reason}")
        return msgspec.structs.replace(decision, say=f"{self.phase}: {decision.say}")

    def _troubled(self, what: str, now_s: float) -> bool:
        """Whether what passes has lasted too long."""
        return now_s - self._trouble.setdefault(what, now_s) >= self._limits.trouble_s

    def _summary(self, seen: ClusterSeen) -> str:
        took = format_duration(max(0, round((seen.at - self._plan.since).total_seconds())))
        counts = ", ".join(f"{key} {count}" for key, count in self._plan.counts.items())
        hosts = sum(ring.hosts(self._own(self._rows)).values()) if self._rows is not None else 0
        rows = f"{_count(self.deleted, 'row')} deleted"
        whence = f" since {self._plan.since:%Y-%m-%d %H:%M:%S} UTC" if self._plan.resumed else ""
        return f"recovered in {took}{whence}: {counts}; {rows}; {_count(hosts, 'host')} in the ring, as tasks run"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
