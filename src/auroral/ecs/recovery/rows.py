"""Reads and deletes rows of `cluster_membership` for a recovery: from here, or by the task `operator`. Acts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from auroral.aws_account import Account
from auroral.dsql.membership import HEARTBEAT_WINDOW_S, Member
from auroral.dsql.target import DsqlTarget
from auroral.ecs.fleet import Fleet
from auroral.ecs.recovery import ring
from auroral.ecs.recovery.ring import Rows
from auroral.errors import ExitCode, TargetError

APPLICATION = "auroral recover"
TASK = "operator"
TASK_S = 600.0
"""A task has to be placed, and to fetch its image."""
_COMMAND = ("cluster", "clean-membership", "--older-than", f"{HEARTBEAT_WINDOW_S:g}s")

Say = Callable[[str], None]


class Ring(Protocol):
    """Where the rows are, and as whom they are reached."""

    @property
    def where(self) -> str:
        """In a few words."""

    def read(self) -> Rows:
        """The table. Raises `AuroralError`."""

    def delete(self, gone: Sequence[Member]) -> int:
        """Delete these rows, but for hosts heard of since; return how many. Raises `AuroralError`."""

    def preview(self, gone: Sequence[Member]) -> list[str]:
        """What it would do, as comments for a shell; it does nothing."""


class RingHere:
    """By a session of one's own."""

    def __init__(self, target: DsqlTarget) -> None:
        self._target = target

    @property
    def where(self) -> str:
        """The cluster and the role."""
        return f"from here, as {self._target.user} at {self._target.endpoint}"

    def read(self) -> Rows:
        """The table. Raises `DsqlError`, `UsageError` without credentials."""

        async def read() -> Rows:
            from auroral.dsql.clean import members
            from auroral.dsql.session import Session

            async with await Session.open(self._target, application=APPLICATION) as session:
                rows, read_at = await members(session)
                return Rows(rows=tuple(rows), read_at=read_at)

        return asyncio.run(read())

    def delete(self, gone: Sequence[Member]) -> int:
        """In transactions of some hundred rows each. Raises `DsqlError`; what is done stays done."""

        async def delete() -> int:
            from auroral.dsql import clean
            from auroral.dsql.session import Session

            async with await Session.open(self._target, application=APPLICATION) as session:
                return sum(
                    [
                        await clean.delete(session, some, read_at=before, older_than_s=0.0)
                        for some, before in ring.deletions(gone)
                    ]
                )

        return asyncio.run(delete())

    def preview(self, gone: Sequence[Member]) -> list[str]:
        """The SQL, with the rows as they are now."""
        return [f"# SQL, {self.where}:", *(f"#   {one}" for one in ring.statements(gone))]


class _Listed(msgspec.Struct, frozen=True, kw_only=True):
    """What is read of a task's list."""

    rows: int
    read_at: datetime
    silent: list[Member]
    heard: list[Member] = []


class RingInCluster:
    """By the deployment's task `operator`, one run of it for each reading and each deletion."""

    def __init__(
        self,
        account: Account,
        fleet: Fleet,
        say: Say,
        *,
        sleep: Callable[[float], None] = time.sleep,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._account, self._fleet, self._say = account, fleet, say
        self._sleep, self._now_s = sleep, now_s

    @property
    def where(self) -> str:
        """The task."""
        return f"by the task {TASK} of the cluster {self._fleet.cluster}"

    def read(self) -> Rows:
        """The table. Raises `TargetError`, `AwsError`, `UsageError` without outputs."""
        lines: list[str] = []
        self._run([*_COMMAND, "--list"], lines.append)
        try:
            found = msgspec.json.decode("\n".join(lines), type=_Listed)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise TargetError(
                f"the task's list of rows cannot be read: {error}",
                hint="its image is of another auroral, or lines of its log are missing",
            ) from error
        rows = (*found.heard, *found.silent)
        if len(rows) != found.rows:
            raise TargetError(f"the task listed {len(rows)} of {found.rows} rows: its image is of another auroral")
        return Rows(rows=rows, read_at=found.read_at)

    def delete(self, gone: Sequence[Member]) -> int:
        """Rows with such heartbeats, if they are no more than these. Raises as `read` does."""
        for some, before in ring.deletions(gone):
            at = before + timedelta(seconds=HEARTBEAT_WINDOW_S)
            self._run([*_COMMAND, "--listed", f"{len(some)}@{at.isoformat()}"], self._say)
        return len(gone)

    def preview(self, gone: Sequence[Member]) -> list[str]:
        """The commands of its tasks."""
        return [
            f"# {self.where}, `aws ecs run-task` with the command",
            f"#   auroral {' '.join(_COMMAND)} --list",
            "# and, for the rows of hosts that are gone by then,",
            f"#   auroral {' '.join(_COMMAND)} --listed ROWS@TIME",
        ]

    def _run(self, arguments: Sequence[str], out: Say) -> None:
        from auroral.ecs.one_shot.run import run_task

        code = run_task(
            self._account,
            self._fleet,
            TASK,
            arguments,
            out=out,
            err=self._say,
            timeout_s=TASK_S,
            sleep=self._sleep,
            now_s=self._now_s,
        )
        if code is not ExitCode.OK:
            raise TargetError(f"the task {TASK} ended with {int(code)}: its lines are above")
