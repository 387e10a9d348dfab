"""`auroral dsql connections`: asks, and prints."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from auroral.cli.dsql_target import find_target, run_where
from auroral.cli.process import Process
from auroral.cli.where import Asked, refuse_here
from auroral.errors import ExitCode

if TYPE_CHECKING:
    from auroral.deployment import Deployment
    from auroral.dsql.connections import Connections
    from auroral.dsql.target import DsqlTarget


def connections(
    process: Process, flags: Mapping[str, Any], where: Asked, words: Sequence[str], *, cloudwatch: bool, as_json: bool
) -> ExitCode:
    """Print who holds how many connections. `words`: the same command line for a task."""
    say = process.document if as_json else process.out

    def here(deployment: Deployment | None) -> ExitCode:
        from auroral.report.dsql_connections import document, encode, text

        refuse_here(where)
        target = find_target(process, flags, deployment)
        asked = asyncio.run(_ask(target, cloudwatch))
        found = document(target, asked, at=datetime.now(UTC).isoformat(timespec="seconds"))
        if as_json:
            process.document(encode(found))
        else:
            process.out(text(found, asked_cloudwatch=cloudwatch))
        return ExitCode.OK

    return run_where(process, flags, where, here=here, in_task=lambda run, more: run([*words, *more], say))


async def _ask(target: DsqlTarget, cloudwatch: bool) -> Connections:
    from auroral.dsql.session import Session
    from auroral.dsql.usage import connections as ask

    async with await Session.open(target, application="auroral connections") as session:
        return await ask(session, cloudwatch=cloudwatch)
