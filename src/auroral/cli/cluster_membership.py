"""`auroral cluster clean-membership`: shows, asks, deletes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from auroral.cli.dsql_target import find_target
from auroral.cli.process import Process
from auroral.errors import ExitCode, UsageError
from auroral.units import parse_duration_s

if TYPE_CHECKING:
    from datetime import datetime

    from auroral.dsql.membership import Member
    from auroral.dsql.target import DsqlTarget


def clean_membership(
    process: Process, flags: Mapping[str, Any], *, outputs: str | None, older_than: str, yes: bool, as_json: bool
) -> ExitCode:
    """Show the rows of hosts that are gone, and delete them where that is confirmed."""
    from auroral.dsql.membership import silent
    from auroral.report.dsql_membership import document, encode, summary, table

    older_than_s = _older_than_s(older_than)
    target = find_target(process, flags, outputs)
    found, read_at = asyncio.run(_read(target))
    gone = silent(found, older_than_s)
    say = process.err if as_json else process.out
    say(summary(found, gone, older_than_s))
    deleted = None
    if gone:
        say(f"\n{table(gone)}\n")
        if yes or (not as_json and _confirmed(len(gone))):
            deleted = asyncio.run(_delete(process, target, gone, read_at, older_than_s))
            say(_told(deleted, len(gone)))
        elif not as_json:
            say("nothing was deleted")
    else:
        say("nothing to do")
    if as_json:
        made = document(target, found, gone, read_at=read_at.isoformat(), older_than_s=older_than_s, deleted=deleted)
        process.document(encode(made))
    return ExitCode.OK


def _older_than_s(text: str) -> float:
    from auroral.dsql.membership import silent

    try:
        seconds = parse_duration_s(text)
        silent((), seconds)
    except ValueError as error:
        raise UsageError(f"--older-than: expected {error}", hint="auroral cluster clean-membership --help") from error
    return seconds


def _confirmed(rows: int) -> bool:
    """Ask, where there is somebody to answer."""
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(
            f"{_rows(rows)} could be deleted, and nobody is here to confirm it", hint="--yes deletes without asking"
        )
    return click.confirm(f"Delete {_rows(rows)}?", err=True)


def _told(deleted: int, asked: int) -> str:
    kept = asked - deleted
    more = f"; {kept:,} not: heard of since, or deleted by Temporal itself" if kept else ""
    return f"{_rows(deleted)} deleted{more}"


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


async def _read(target: DsqlTarget) -> tuple[list[Member], datetime]:
    from auroral.dsql.clean import members
    from auroral.dsql.session import Session

    async with await Session.open(target, application="auroral clean-membership") as session:
        return await members(session)


async def _delete(
    process: Process, target: DsqlTarget, gone: list[Member], read_at: datetime, older_than_s: float
) -> int:
    """In a session of its own: while somebody thinks the question over, the first one may end."""
    from auroral.dsql.clean import delete
    from auroral.dsql.session import Session

    done = 0

    def deleted(count: int) -> None:
        nonlocal done
        done = count

    try:
        async with await Session.open(target, application="auroral clean-membership") as session:
            return await delete(session, gone, read_at=read_at, older_than_s=older_than_s, deleted=deleted)
    finally:
        if sys.exception() is not None and done:
            process.err(f"deleted by then: {_rows(done)}")
