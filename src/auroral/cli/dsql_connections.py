"""`auroral dsql connections`: asks, and prints."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from auroral.cli.dsql_target import find_target
from auroral.cli.process import Process
from auroral.errors import ExitCode

if TYPE_CHECKING:
    from auroral.dsql.connections import Connections
    from auroral.dsql.target import DsqlTarget


def connections(
    process: Process, flags: Mapping[str, Any], *, outputs: str | None, cloudwatch: bool, as_json: bool
) -> ExitCode:
    """Print who holds how many connections."""
    from auroral.report.dsql_connections import document, encode, text

    target = find_target(process, flags, outputs)
    found = document(target, asyncio.run(_ask(target, cloudwatch)), at=datetime.now(UTC).isoformat(timespec="seconds"))
    if as_json:
        process.document(encode(found))
    else:
        process.out(text(found, asked_cloudwatch=cloudwatch))
    return ExitCode.OK


async def _ask(target: DsqlTarget, cloudwatch: bool) -> Connections:
    from auroral.dsql.session import Session
    from auroral.dsql.usage import connections as ask

    async with await Session.open(target, application="auroral connections") as session:
        return await ask(session, cloudwatch=cloudwatch)
