"""Conducts a rollout: leaves the mark, drives the waves with their logs read, says how an interrupted one stands.

Acts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from auroral.aws_account import Account
from auroral.ecs.connects import Targets
from auroral.ecs.drive import drive
from auroral.ecs.evidence_reader import EvidenceReader
from auroral.ecs.fleet import Fleet
from auroral.ecs.machine import Finished
from auroral.ecs.observe import Observer
from auroral.ecs.operation import Operation
from auroral.ecs.rollout import Limits, Rollout
from auroral.ecs.rollout_words import Words
from auroral.ecs.seen import ClusterSeen
from auroral.ecs.underway import begun, under_way
from auroral.ecs.waiter import Patience
from auroral.ecs.waves import Wave
from auroral.errors import InterruptedRunError

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


def carry_out(
    account: Account,
    fleet: Fleet,
    planned: Sequence[Wave],
    *,
    words: Words,
    say: Say,
    limits: Limits,
    targets: Targets,
    health: Mapping[str, bool],
    lines: bool = True,
    clock: Clock | None = None,
) -> Finished:
    """Drive the waves to their end, without a mark: a part of a larger operation.

    Raises `HaltedError` where a wave cannot go on, `TargetError` at the deadline.
    """
    at = clock or Clock()
    machine = Rollout(fleet, planned, words=words, limits=limits, targets=targets, health=health, lines=lines)
    observer, reader = Observer(account, fleet, now=at.utc), EvidenceReader(account, fleet)

    def look() -> ClusterSeen:
        seen = observer.look(stopped=True)
        return reader.added(seen, machine.reading(seen))

    deadline_s = (limits.wave_s + limits.lines_s + limits.others_s) * max(1, len(planned))
    try:
        return drive(
            machine,
            account,
            look,
            say,
            patience=Patience(deadline_s=deadline_s),
            again=words.again,
            sleep=at.sleep,
            now_s=at.now_s,
        )
    except KeyboardInterrupt as interrupt:
        raise Interrupted(machine.where()) from interrupt


class Interrupted(KeyboardInterrupt):
    """An interrupt that knows what was under way."""

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self.where = where


def conduct(
    account: Account,
    fleet: Fleet,
    planned: Sequence[Wave],
    *,
    name: str,
    cluster_arn: str,
    words: Words,
    say: Say,
    limits: Limits,
    targets: Targets,
    health: Mapping[str, bool],
    facts: Mapping[str, str] | None = None,
    lines: bool = True,
    clock: Clock | None = None,
) -> Finished:
    """Drive the waves to their end under the operation's mark.

    Raises as `carry_out` does, and `InterruptedRunError` that says how the cluster stands and what goes on.
    """
    at = clock or Clock()
    operation: Operation = begun(account, name, at.utc(), facts)
    try:
        with under_way(account, cluster_arn, operation, say, now=at.utc):
            return carry_out(
                account,
                fleet,
                planned,
                words=words,
                say=say,
                limits=limits,
                targets=targets,
                health=health,
                lines=lines,
                clock=at,
            )
    except KeyboardInterrupt as interrupt:
        where = _where(interrupt)
        raise InterruptedRunError(
            f"interrupted {where}; ECS goes on with what it was asked",
            hint=f"`auroral cluster status{words.flags}` says how it stands; go on: {words.again}",
        ) from interrupt


def _where(interrupt: BaseException | None) -> str:
    """What was under way at the first interrupt: a second one may have cut off what followed it."""
    while interrupt is not None:
        if isinstance(interrupt, Interrupted):
            return f"in {interrupt.where}"
        interrupt = interrupt.__context__
    return "before the first wave"
