"""What a state machine of this package answers: observations and failures in, the next calls out. Pure.

`auroral.ecs.drive` carries the answers out: it is the only loop that sleeps.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from auroral.aws_calls import Call, Failure
from auroral.ecs.seen import ClusterSeen
from auroral.errors import ExitCode


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """Make these calls, then look again at once."""

    calls: tuple[Call, ...]
    say: str


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """Do this piece of work, which is more than calls to AWS, then look again at once."""

    name: str
    """Of what `drive` was given for it."""
    say: str = ""


class Await(msgspec.Struct, frozen=True, kw_only=True):
    """Look again later. `progressed` begins the back-off anew."""

    say: str
    progressed: bool = False


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """All is done."""

    say: str


class Halted(msgspec.Struct, frozen=True, kw_only=True):
    """It stops here, and says why; what was done stays done."""

    reason: str
    hint: str
    exit_code: ExitCode = ExitCode.UNREACHABLE


Decision = Act | Run | Await | Finished | Halted


class Machine(Protocol):
    """Decides. `now_s` is a monotonic clock, the same for all calls."""

    def next(self, seen: ClusterSeen, now_s: float) -> Decision:
        """What to do, as the cluster is seen."""

    def failed(self, failure: Failure, now_s: float) -> Decision:
        """What to do after an observation or a call failed. Whoever answers `Await` is shown the cluster next."""

    def where(self) -> str:
        """What was under way, for whoever interrupted it."""


def after(failure: Failure, *, doing: str, again: str) -> Decision:
    """What every machine answers to a failure that has nothing to do with its own state.

    `doing` says what was under way, `again` which command goes on with it.
    """
    if failure.passes:
        return Await(say=f"{doing}: {failure.call} {failure.kind}; asking again more slowly")
    hints = {
        "expired": f"renew the credentials, then go on: {again}",
        "denied": f"the caller needs {failure.call}; then go on: {again}",
        "capacity": f"AWS has no room, or a quota is reached: ask for more of it, then go on: {again}",
    }
    reason = f"{doing}: {failure.call} failed: {failure.code}: {failure.words}"
    return Halted(reason=reason, hint=hints.get(failure.kind.value, f"once that is mended, go on: {again}"))
