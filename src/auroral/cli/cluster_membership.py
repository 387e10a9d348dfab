"""`auroral cluster clean-membership`: shows, asks, deletes; here, or by two tasks with the question between them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from auroral.cli.confirm import confirm
from auroral.cli.dsql_target import find_target, run_where
from auroral.cli.process import Process
from auroral.cli.where import Asked, There
from auroral.errors import ExitCode, TargetError, UsageError
from auroral.units import parse_duration_s

if TYPE_CHECKING:
    from auroral.deployment import Deployment
    from auroral.dsql.membership import Member
    from auroral.dsql.target import DsqlTarget

_COMMAND = ("cluster", "clean-membership")


def clean_membership(
    process: Process,
    flags: Mapping[str, Any],
    where: Asked,
    *,
    older_than: str,
    yes: bool,
    as_json: bool,
    list_: bool,
    listed: str | None,
) -> ExitCode:
    """Show the rows of hosts that are gone, and delete them where that is confirmed.

    `list_` prints the document and nothing else; `listed`, `ROWS@TIME`, deletes the rows of such a list, and no other:
    that is how a task does what was confirmed here.
    """
    older_than_s = _older_than_s(older_than)
    confirmed = None if listed is None else _listed(listed)

    def here(deployment: Deployment | None) -> ExitCode:
        target = find_target(process, flags, deployment)
        if confirmed is not None:
            return _delete_listed(process, target, *confirmed, older_than_s)
        if list_:
            return _list(process, target, older_than_s)
        return _here(process, target, older_than_s, yes=yes, as_json=as_json, dry_run=where.dry_run)

    def in_task(run: There, more: Sequence[str]) -> ExitCode:
        words = [*_COMMAND, "--older-than", older_than, *more]
        if yes or as_json:
            kinds = [*(("--yes",) if yes else ()), *(("--json",) if as_json else ())]
            return run([*words, *kinds], process.document if as_json else process.out)
        if where.dry_run:
            process.err("this lists; the rows are deleted by a second task, once that is confirmed:")
            return run([*words, "--list"], process.out)
        return _two_tasks(process, run, words, older_than_s)

    return run_where(process, flags, where, here=here, in_task=in_task)


def _here(
    process: Process, target: DsqlTarget, older_than_s: float, *, yes: bool, as_json: bool, dry_run: bool
) -> ExitCode:
    from auroral.dsql.membership import silent
    from auroral.report.dsql_membership import document, encode, summary, table

    found, read_at = asyncio.run(_read(target))
    gone = silent(found, older_than_s)
    say = process.err if as_json else process.out
    say(summary(found, gone, older_than_s))
    deleted = None
    if gone:
        say(f"\n{table(gone)}\n")
        if not dry_run and not yes and not as_json:
            _ask(process, len(gone))
        if not dry_run and (yes or not as_json):
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


def _list(process: Process, target: DsqlTarget, older_than_s: float) -> ExitCode:
    from auroral.dsql.membership import silent
    from auroral.report.dsql_membership import document, encode

    found, read_at = asyncio.run(_read(target))
    gone = silent(found, older_than_s)
    made = document(target, found, gone, read_at=read_at.isoformat(), older_than_s=older_than_s, deleted=None)
    process.document(encode(made))
    return ExitCode.OK


def _two_tasks(process: Process, run: There, words: Sequence[str], older_than_s: float) -> ExitCode:
    """A task that lists, the question, and a task that deletes what was listed."""
    import msgspec

    from auroral.report.dsql_membership import MembershipDocument, counted, table

    lines: list[str] = []
    code = run([*words, "--list"], lines.append)
    if code is not ExitCode.OK:
        return code
    try:
        found = msgspec.json.decode("\n".join(lines), type=MembershipDocument)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise TargetError(
            f"the task's list of rows cannot be read: {error}",
            hint="its image is of another auroral, or lines of its log are missing: try again, or --where here",
        ) from error
    gone = len(found.silent)
    process.out(counted(found.rows, gone, older_than_s))
    if not gone:
        process.out("nothing to do")
        return ExitCode.OK
    process.out(f"\n{table(found.silent)}\n")
    _ask(process, gone)
    return run([*words, "--listed", f"{gone}@{found.read_at}"], process.out)


def _delete_listed(process: Process, target: DsqlTarget, rows: int, read_at: datetime, older_than_s: float) -> ExitCode:
    found, _ = asyncio.run(_read(target))
    before = read_at - timedelta(seconds=older_than_s)
    gone = [one for one in found if one.last_heartbeat < before]
    if len(gone) > rows:
        # A host whose clock is late may have come since: its row was not shown.
        process.err(
            f"error: {_rows(len(gone))} could be deleted now, and {rows:,} were confirmed: nothing was deleted\n"
            "  hint: run the same command again"
        )
        return ExitCode.FAILED
    deleted = asyncio.run(_delete(process, target, gone, read_at, older_than_s)) if gone else 0
    process.out(_told(deleted, rows))
    return ExitCode.OK


def _listed(text: str) -> tuple[int, datetime]:
    rows, _, at = text.partition("@")
    try:
        return int(rows), datetime.fromisoformat(at)
    except ValueError as error:
        raise UsageError(f"--listed: expected ROWS@TIME of a list, not {text!r}") from error


def _older_than_s(text: str) -> float:
    from auroral.dsql.membership import silent

    try:
        seconds = parse_duration_s(text)
        silent((), seconds)
    except ValueError as error:
        raise UsageError(f"--older-than: expected {error}", hint="auroral cluster clean-membership --help") from error
    return seconds


def _ask(process: Process, rows: int) -> None:
    confirm(
        process,
        f"Delete {_rows(rows)}?",
        otherwise=f"{_rows(rows)} could be deleted",
        hint="--yes deletes without asking",
        kept="nothing was deleted",
    )


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
