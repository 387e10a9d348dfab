"""Carries a machine's decisions out: look, decide, call, wait. The only loop of this package that sleeps. Acts."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from auroral.aws_account import Account, AwsError, perform
from auroral.ecs.machine import Act, Await, Decision, Finished, Halted, Machine, Run
from auroral.ecs.seen import ClusterSeen
from auroral.ecs.waiter import Patience, Waiter
from auroral.errors import AuroralError, ExitCode, TargetError

Say = Callable[[str], None]
Work = Callable[[], Decision | None]
"""Does a piece of work and tells the machine of it; None, or what the machine answers where it failed."""


class HaltedError(AuroralError):
    """A machine stopped before its end, for the reason and with the exit code that it gave."""

    exit_code = ExitCode.UNREACHABLE

    def __init__(self, halted: Halted) -> None:
        super().__init__(halted.reason, hint=halted.hint)
        self.exit_code = halted.exit_code


def drive(
    machine: Machine,
    account: Account,
    look: Callable[[], ClusterSeen],
    say: Say,
    *,
    patience: Patience,
    again: str,
    works: Mapping[str, Work] | None = None,
    sleep: Callable[[float], None] = time.sleep,
    now_s: Callable[[], float] = time.monotonic,
) -> Finished:
    """Run a machine to its end; each new message goes to `say` once.

    `works` is what a machine that answers `Run` may name; `again` is the command that goes on. Raises `HaltedError`
    where it stops, and `TargetError` at the deadline.
    """
    waiter = Waiter(patience, now_s())
    told = ""
    while True:
        decision = _decide(machine, look, now_s)
        if isinstance(decision, Act | Run):
            if decision.say:
                say(decision.say)
                told = decision.say
            if isinstance(decision, Act):
                stopped = _act(machine, account, decision, now_s)
            else:
                stopped = (works or {})[decision.name]()
            if stopped is None:
                continue
            decision = stopped
        if isinstance(decision, Finished):
            return decision
        if isinstance(decision, Halted):
            raise HaltedError(decision)
        assert isinstance(decision, Await)
        if decision.say != told:
            say(decision.say)
            told = decision.say
        wait_s = waiter.wait_s(now_s(), progressed=decision.progressed)
        if wait_s is None:
            raise TargetError(
                f"not done after {waiter.waited_s(now_s()):.0f} s: {machine.where()}",
                hint=f"`auroral cluster status` says how it is; go on: {again}",
            )
        sleep(wait_s)


def _decide(machine: Machine, look: Callable[[], ClusterSeen], now_s: Callable[[], float]) -> Decision:
    try:
        seen = look()
    except AwsError as error:
        return machine.failed(error.failure, now_s())
    return machine.next(seen, now_s())


def _act(machine: Machine, account: Account, act: Act, now_s: Callable[[], float]) -> Decision | None:
    """None: all calls were made. A call that failed is told to the machine, and those after it are not made."""
    for call in act.calls:
        try:
            perform(account, call)
        except AwsError as error:
            return machine.failed(error.failure, now_s())
    return None
