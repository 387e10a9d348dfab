"""Conducts a rollout: leaves the mark, drives the waves with their logs read, says how an interrupted one stands.

Acts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from auroral.aws_account import Account
from auroral.ecs.drive import drive
from auroral.ecs.fleet import Fleet
from auroral.ecs.machine import Finished
from auroral.ecs.observe import Observer
from auroral.ecs.operation import TAKE_OVER, Own
from auroral.ecs.rollout.connects import Targets
from auroral.ecs.rollout.evidence_reader import EvidenceReader
from auroral.ecs.rollout.loads import Definitions
from auroral.ecs.rollout.machine import Limits, Rollout
from auroral.ecs.rollout.waves import Wave
from auroral.ecs.rollout.words import Words
from auroral.ecs.seen import ClusterSeen
from auroral.ecs.underway import Marked, begun, under_way
from auroral.ecs.waiter import Patience
from auroral.errors import AuroralError, InterruptedRunError

Say = Callable[[str], None]


class Clock:
    """Time as it passes; tests put a virtual one in its place."""

    def sleep(self, seconds: float) -> None:
        """Let so much pass."""
        time.sleep(seconds)

    def now_s(self) -> float:
        """Monotonic."""
        return time.monotonic()

    def utc(self) -> datetime:
        """The time of day."""
        return datetime.now(UTC)


class Interrupted(KeyboardInterrupt):
    """An interrupt that knows what was under way."""

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self.where = where


@dataclass(frozen=True, slots=True, kw_only=True)
class Conductor:
    """Drives waves on one cluster. What it knows beside the fleet was read once, before."""

    account: Account
    fleet: Fleet
    words: Words
    say: Say
    limits: Limits = field(default_factory=Limits)
    targets: Targets = field(default_factory=dict)
    definitions: Definitions = field(default_factory=dict)
    """What running task definitions take of DSQL, where they are not the fleet's."""
    health: Mapping[str, bool] = field(default_factory=dict)
    """Key → whether its tasks have a health check."""
    lines: bool = True
    """Whether logs are read for evidence."""
    clock: Clock = field(default_factory=Clock)

    def carry_out(self, planned: Sequence[Wave], own: Own | None = None) -> Finished:
        """Drive the waves to their end without a mark: a part of a larger operation, whose marks are `own`.

        Raises `HaltedError` where a wave cannot go on, `TargetError` at the deadline, `Interrupted` for an interrupt,
        `TakenOverError` where another operation began meanwhile.
        """
        machine = Rollout(
            self.fleet,
            planned,
            words=self.words,
            limits=self.limits,
            targets=self.targets,
            definitions=self.definitions,
            health=self.health,
            lines=self.lines,
        )
        observer = Observer(self.account, self.fleet, now=self.clock.utc)
        reader = EvidenceReader(self.account, self.fleet)

        def look() -> ClusterSeen:
            seen = observer.look(stopped=True)
            if own is not None:
                own.hold(seen.mark, self.words.again)
            return reader.added(seen, machine.reading(seen))

        most_s = self.limits.wave_s + self.limits.lines_s + self.limits.others_s
        try:
            return drive(
                machine,
                self.account,
                look,
                self.say,
                patience=Patience(deadline_s=most_s * max(1, len(planned))),
                again=self.words.again,
                sleep=self.clock.sleep,
                now_s=self.clock.now_s,
            )
        except KeyboardInterrupt as interrupt:
            raise Interrupted(machine.where()) from interrupt

    def conduct(
        self, planned: Sequence[Wave], *, name: str, cluster_arn: str, facts: Mapping[str, str] | None = None
    ) -> Finished:
        """Drive the waves to their end under the operation's mark.

        Raises as `carry_out` does, and `InterruptedRunError` that says how the cluster stands and what goes on.
        """
        operation, marked, again = begun(self.account, name, self.clock.utc(), facts), Marked(), self.words.again
        try:
            with under_way(self.account, cluster_arn, operation, self.say, now=self.clock.utc) as marked:
                return self.carry_out(planned, Own(operation))
        except KeyboardInterrupt as interrupt:
            raise InterruptedRunError(
                f"interrupted {_where(interrupt)}; ECS goes on with what it was asked",
                hint=f"`auroral cluster status{self.words.flags}` says how it stands; "
                f"go on: {again}{f' {TAKE_OVER}' if marked.stays else ''}",
            ) from interrupt
        except AuroralError as error:
            # What ended it wrote its hint before the mark was known to stay.
            if marked.stays:
                error.hint = error.hint.replace(again, f"{again} {TAKE_OVER}")
            raise


def _where(interrupt: BaseException | None) -> str:
    """What was under way at the first interrupt: a second one may have cut off what followed it."""
    while interrupt is not None:
        if isinstance(interrupt, Interrupted):
            return f"in {interrupt.where}"
        interrupt = interrupt.__context__
    return "before the first wave"
