"""Tries a transaction again that met a conflict, so many times and no more: the one loop that waits for that."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from auroral.dsql.backoff import CONFLICTS, Backoff
from auroral.dsql.errors import ConflictError, ConflictsError

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[object]]


async def retry_conflicts(
    attempt: Callable[[], Awaitable[T]],
    *,
    what: str,
    backoff: Backoff = CONFLICTS,
    sleep: Sleep = asyncio.sleep,
    draw: Callable[[], float] = random.random,
    met: Callable[[ConflictError], object] = lambda _: None,
) -> T:
    """Call `attempt` until it meets no conflict; `what` names it in the error, `met` hears of each conflict.

    `attempt` must be one whole transaction. Only conflicts are retried: after any other error what was being
    committed may be done. Raises `ConflictsError` after the last attempt.
    """
    failed = 0
    while True:
        try:
            return await attempt()
        except ConflictError as error:
            failed += 1
            met(error)
            wait_s = backoff.wait_s(failed, draw())
            if wait_s is None:
                raise ConflictsError(
                    f"{what} met a conflict in each of {failed} attempts, the last time: {error.message}",
                    hint="something else changes the same rows all the time; try again when it is quieter",
                ) from error
        await sleep(wait_s)
