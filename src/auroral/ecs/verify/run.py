"""Makes the checks of a deployment's proof, one after the other, whatever each comes to. Acts."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from auroral.aws_account import AwsError
from auroral.aws_calls import Kind
from auroral.ecs.verify.checks import CLAIMS, Check, Checked, Found, Proof, State, lacking, not_tried, verdict
from auroral.errors import AuroralError

Look = Callable[[], Found]
"""Makes one check. Raises `AuroralError` for what keeps it from an answer."""


def prove(
    checks: Sequence[Check],
    looks: Mapping[Check, Look],
    say: Callable[[str], None],
    *,
    now_s: Callable[[], float] = time.monotonic,
) -> Proof:
    """Make the checks. One that fails keeps none from being made but those that need it; what ends all is an
    interrupt, credentials that are over, and an ECS that cannot be reached: the rest is then not tried."""
    began_s = now_s()
    done: list[Checked] = []
    interrupted, cut_off = False, ""
    for check in checks:
        if interrupted or cut_off:
            done.append(not_tried(check, "interrupted" if interrupted else cut_off))
            continue
        missing = lacking(check, done)
        if missing:
            done.append(not_tried(check, f"needs {', '.join(missing)}"))
            continue
        say(f"{check}: whether {CLAIMS[check]}")
        try:
            made, cut_off = _made(check, looks[check], now_s)
        except KeyboardInterrupt:
            interrupted = True
            made = not_tried(check, "interrupted")
        say(f"{check}: {made.state}{f': {made.text}' if made.state is not State.PASSED else ''}")
        done.append(made)
    reached = verdict(done, interrupted=interrupted, cut_off=bool(cut_off))
    return Proof(checks=tuple(done), verdict=reached, took_s=now_s() - began_s)


def _made(check: Check, look: Look, now_s: Callable[[], float]) -> tuple[Checked, str]:
    """One check; and why no other can be made, empty where they can."""
    began_s = now_s()
    try:
        found = look()
    except AuroralError as error:
        failure = error.failure if isinstance(error, AwsError) else None
        unreachable = failure is not None and failure.kind in (Kind.EXPIRED, Kind.UNREACHABLE)
        over = failure is not None and (
            failure.kind is Kind.EXPIRED or (unreachable and failure.call.startswith("ecs:"))
        )
        made = Checked(
            check=check,
            state=State.FAILED,
            text=error.message,
            remedy=error.hint,
            took_s=now_s() - began_s,
            unreachable=unreachable,
        )
        return made, f"AWS can no longer be asked: {error.message}" if over else ""
    state = State.PASSED if found.passed else State.FAILED
    return (
        Checked(
            check=check,
            state=state,
            text=found.text,
            remedy=found.remedy,
            notes=found.notes,
            took_s=now_s() - began_s,
        ),
        "",
    )
