"""Keeps the mark of an operation on its cluster while the operation is under way. Acts."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from auroral.aws_account import Account, AwsError, perform
from auroral.aws_calls import Kind
from auroral.ecs.operation import (
    BEGUN,
    FAILED,
    INTERRUPTED,
    Operation,
    TakenOverError,
    clear_mark,
    parse,
    set_mark,
    text,
)
from auroral.errors import AuroralError, UsageError

Say = Callable[[str], None]


@dataclass(slots=True)
class Marked:
    """The mark of an operation under way."""

    stays: bool = False
    """Whether it still says `begun` after the operation ended: whoever goes on has to take it over, the caller too."""


def refuse_other(mark: str, now: datetime, *, take_over: bool) -> None:
    """Refuse to begin while another operation is under way. Raises `UsageError`."""
    other = parse(mark)
    if other is None or other.state != BEGUN or take_over:
        return
    by = f" by {other.facts['by']}" if "by" in other.facts else ""
    raise UsageError(
        f"`auroral cluster {other.name}`{by} has been under way since {other.at:%Y-%m-%d %H:%M:%S} UTC "
        f"({_ago(now - other.at)}): expected no other operation on this cluster",
        hint="wait for its end; --take-over goes on in its place once you know that nobody runs it any more",
    )


def begun(account: Account, name: str, now: datetime, facts: Mapping[str, str] | None = None) -> Operation:
    """An operation that begins now, with who began it as far as AWS says."""
    who = _who(account)
    operation = Operation(name=name, state=BEGUN, at=now, facts={"by": who} if who else {})
    full = msgspec.structs.replace(operation, facts={**operation.facts, **(facts or {})})
    longest = msgspec.structs.replace(full, state=INTERRUPTED)
    try:
        text(longest)
    except ValueError:
        return operation
    return full


@contextlib.contextmanager
def under_way(
    account: Account, cluster_arn: str, operation: Operation, say: Say, *, now: Callable[[], datetime] | None = None
) -> Iterator[Marked]:
    """Mark the cluster; at the end take the mark away, or leave in it how it ended.

    Who may not tag the cluster is told, and goes on. Raises `AwsError` for another failure of the first mark.
    """
    clock = now or (lambda: datetime.now(UTC))
    marked = Marked()
    try:
        perform(account, set_mark(cluster_arn, operation))
    except AwsError as error:
        if error.failure.kind is not Kind.DENIED:
            raise
        say(f"the cluster is not marked ({error.failure.call}: {error.failure.code}): nobody else is kept from it")
        yield marked
        return
    try:
        yield marked
    except TakenOverError:
        raise
    except BaseException as error:
        state = INTERRUPTED if isinstance(error, KeyboardInterrupt) else FAILED
        marked.stays = True  # also where another interrupt cuts off the call
        marked.stays = not _leave(
            account, cluster_arn, msgspec.structs.replace(operation, state=state, at=clock()), say
        )
        raise
    try:
        perform(account, clear_mark(cluster_arn))
    except AuroralError as error:
        say(f"all is done, and the mark of {operation.name} stays on the cluster: {error.message}")


def _leave(account: Account, cluster_arn: str, ended: Operation, say: Say) -> bool:
    """As far as it goes: credentials may be what ended it. Whether it went."""
    try:
        perform(account, set_mark(cluster_arn, ended))
    except AuroralError as error:
        say(f"the cluster's mark still says that {ended.name} is under way: {error.message}")
        return False
    return True


def _who(account: Account) -> str:
    """The last part of the caller's ARN; nothing where AWS does not say."""
    try:
        arn = str(account.call("sts", "get_caller_identity").get("Arn", ""))
    except AuroralError:
        return ""
    return "".join(one for one in arn.rsplit("/", 1)[-1].rsplit(":", 1)[-1] if one.isalnum() or one in "_.=+-@")[:64]


def _ago(passed: timedelta) -> str:
    minutes = max(0, int(passed.total_seconds() // 60))
    return f"{minutes} min ago" if minutes < 120 else f"{minutes // 60} h ago"
