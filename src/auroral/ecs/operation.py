"""The mark that an operation leaves on its cluster while it is under way: a tag of the ECS cluster. Pure.

It lets `auroral cluster status` explain a cluster that somebody's Ctrl-C, or a lost connection, left half way, lets
`recover` go on from another machine, and keeps two people from rolling one cluster at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from auroral.aws_calls import Call
from auroral.errors import UsageError

MARK = "auroral:operation"
"""Key of the tag. Its value is `up begun 2026-11-26T01:02:03+00:00 KEY=VALUE …`."""

MAX_LENGTH = 256
"""Of a tag's value (ECS API Reference, `Tag`); letters, digits, spaces and `_ . / = + - : @`."""

BEGUN, INTERRUPTED, FAILED = "begun", "interrupted", "failed"

BENCH = "bench"
"""The operation of a remote benchmark, and of its workers."""
KEPT = "kept"
"""Its phase while workers were asked for without a benchmark."""
STARTED_BY = "auroral-bench-"
"""How that begins by which ECS says who started a generator."""

TAKE_OVER = "--take-over"
"""What goes on where a mark still says `begun`."""


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """What is under way."""

    name: str
    """`up`, `down`, `recover`, `roll`, `scale`, `bench`: the command that goes on with it."""
    state: str
    at: datetime
    """Since when it is in that state."""
    facts: Mapping[str, str] = {}
    """What going on needs: `phase=down`, `history=4`."""


def text(operation: Operation) -> str:
    """The tag's value. Raises `ValueError` where it is too long."""
    facts = (f"{name}={value}" for name, value in operation.facts.items())
    value = " ".join([operation.name, operation.state, operation.at.isoformat(timespec="seconds"), *facts])
    if len(value) > MAX_LENGTH:
        raise ValueError(f"the mark of {operation.name} has {len(value)} characters: expected at most {MAX_LENGTH}")
    return value


def parse(value: str) -> Operation | None:
    """Read a tag's value; None where there is none, or nothing of ours."""
    parts = value.split()
    if len(parts) < 3:
        return None
    try:
        at = datetime.fromisoformat(parts[2])
    except ValueError:
        return None
    facts = dict(part.split("=", 1) for part in parts[3:] if "=" in part)
    return Operation(name=parts[0], state=parts[1], at=at, facts=facts)


def set_mark(cluster_arn: str, operation: Operation) -> Call:
    """The call that leaves the mark."""
    return Call(
        service="ecs",
        operation="tag_resource",
        arguments={"resourceArn": cluster_arn, "tags": [{"key": MARK, "value": text(operation)}]},
        why=f"mark the cluster: {operation.name} {operation.state}",
    )


def clear_mark(cluster_arn: str) -> Call:
    """The call that takes it away."""
    return Call(
        service="ecs",
        operation="untag_resource",
        arguments={"resourceArn": cluster_arn, "tagKeys": [MARK]},
        why="the operation is over",
    )


class TakenOverError(UsageError):
    """Another operation began on the cluster since this one did: its mark is not touched."""


class Own:
    """Tells the marks of one operation from those of another that began meanwhile: a tag has no compare-and-set, so
    that two who look at once both begin. Whoever is overwritten stops at its next look.
    """

    def __init__(self, *operations: Operation) -> None:
        self._last: Operation | None = None
        self._texts: set[str] = set()
        self._seen = False
        for one in operations:
            self.add(one)

    def add(self, operation: Operation) -> None:
        """It is about to be marked so."""
        self._last = operation
        self._texts.add(text(operation))

    def hold(self, mark: str, again: str) -> None:
        """Raise `TakenOverError` where the mark is another's. `again` is the command that goes on.

        ECS may show the mark before ours for a while: one is another's if ours was seen, or if it is younger.
        """
        if mark in self._texts:
            self._seen = True
            return
        other = parse(mark)
        if other is None or other.state != BEGUN or self._last is None:
            return
        if not self._seen and other.at <= self._last.at:
            return
        by = f" by {other.facts['by']}" if "by" in other.facts else ""
        raise TakenOverError(
            f"`auroral cluster {other.name}`{by} began on this cluster at {other.at:%H:%M:%S} UTC, while "
            f"{self._last.name} was under way: expected no other; ECS goes on with what it was asked",
            hint=f"agree with whoever runs it, and wait for its end; then go on: {again}",
        )
