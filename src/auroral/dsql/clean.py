"""Lists and deletes the rows of hosts that are gone from Temporal's `cluster_membership`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from auroral.dsql.membership import DELETE, LIST, NOW, Member, chunks, member
from auroral.dsql.retry import retry_conflicts
from auroral.dsql.session import Session


async def members(session: Session) -> tuple[list[Member], datetime]:
    """Every row, and the database's time at which they were read. Raises `DsqlError`."""
    now = (await session.rows(NOW))[0][0]
    return [member(row, now) for row in await session.rows(LIST)], now


async def delete(
    session: Session,
    gone: Sequence[Member],
    *,
    read_at: datetime,
    older_than_s: float,
    deleted: Callable[[int], Any] = lambda _: None,
) -> int:
    """Delete these rows, but for hosts heard of since; return how many. `deleted` hears the count so far.

    In transactions of their own, each tried again after a conflict, so that a host's heartbeat is always seen: either
    the DELETE finds it, or the two conflict and the next attempt does. Raises `DsqlError`; what is done stays done.
    """
    before = read_at - timedelta(seconds=older_than_s)
    done = 0
    for ids in chunks(gone):

        async def attempt(ids: list[str] = ids) -> int:
            return await session.execute(DELETE, (ids, before))

        done += await retry_conflicts(attempt, what="deleting rows of cluster_membership")
        deleted(done)
    return done
