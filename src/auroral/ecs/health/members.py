"""Reads the rows of `cluster_membership`: from here, or by the deployment's task `operator`. Acts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from auroral.aws_account import Account
from auroral.dsql.membership import Member
from auroral.dsql.target import DsqlTarget
from auroral.ecs.fleet import Fleet
from auroral.ecs.health.snapshot import Membership
from auroral.errors import ExitCode, TargetError

APPLICATION = "auroral status"
TASK = "operator"
LIST = ("cluster", "clean-membership", "--list")
"""What the task runs: it lists, and deletes nothing."""


class _Listed(msgspec.Struct, frozen=True, kw_only=True):
    """What is read of that list."""

    rows: int
    silent: list[Member]
    heard: list[Member] = []


def here(target: DsqlTarget) -> Membership:
    """Read them by a session of one's own. Raises `DsqlError`, `UsageError` without credentials."""

    async def read() -> list[Member]:
        from auroral.dsql.clean import members
        from auroral.dsql.session import Session

        async with await Session.open(target, application=APPLICATION) as session:
            return (await members(session))[0]

    return Membership(rows=tuple(asyncio.run(read())))


def in_cluster(account: Account, fleet: Fleet, say: Callable[[str], None], **how: Any) -> Membership:
    """Let a task read them; `say` hears its states. Raises `TargetError`, `AwsError`, `UsageError` without outputs."""
    from auroral.ecs.one_shot.run import run_task

    lines: list[str] = []
    code = run_task(account, fleet, TASK, LIST, out=lines.append, err=say, **how)
    if code is not ExitCode.OK:
        raise TargetError(f"the task that was to read them ended with {int(code)}")
    if not lines:
        raise TargetError("the task that was to read them printed nothing")
    try:
        found = msgspec.json.decode("\n".join(lines), type=_Listed)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise TargetError(f"the list of the task cannot be read: {error}") from error
    rows = (*found.heard, *found.silent)
    if len(rows) != found.rows:
        raise TargetError(f"the task listed {len(rows)} of {found.rows} rows: its image is of another auroral")
    return Membership(rows=rows)
