"""Opens a probe's connections at its pace, waits where the cluster refuses, and counts."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

from auroral.dsql.backoff import Backoff
from auroral.dsql.errors import LostConnectionError, NoAnswerError, TooFastError, TooManyConnectionsError
from auroral.dsql.errors import UnreachableError as Unreachable
from auroral.dsql.pace import Pace
from auroral.dsql.probe_plan import Measure, ProbeOutcome
from auroral.dsql.session import Session
from auroral.dsql.target import DsqlTarget
from auroral.dsql.tokens import Tokens

REFUSED = Backoff(attempts=6, first_s=0.5, largest_s=4.0)
"""A cluster that refuses is asked for about a quarter of a minute, more and more seldom."""

Record = Callable[[Measure, float], None]
"""Hears each time as it is taken, in seconds."""


class Door:
    """The one way in for all of a probe's connections."""

    def __init__(
        self,
        target: DsqlTarget,
        outcome: ProbeOutcome,
        record: Record,
        *,
        rate_per_s: float,
        timeout_s: float,
        application: str,
    ) -> None:
        self._target = target
        self._outcome = outcome
        self._record = record
        self._pace = Pace(rate_per_s)
        self._timeout_s = timeout_s
        self._application = application
        self._tokens = Tokens(target)
        self._one_at_a_time = asyncio.Lock()
        """A token that waited for the turns of many others would be old."""

    async def wait(self) -> None:
        """Wait for the next opening's turn."""
        await asyncio.sleep(self._pace.wait_s(time.monotonic()))

    async def open(self) -> Session:
        """Open a connection. Raises the last refusal where the cluster goes on refusing, any other error at once."""
        failed = 0
        while True:
            try:
                async with self._one_at_a_time:
                    session = await Session.open(
                        self._target,
                        application=self._application,
                        timeout_s=self._timeout_s,
                        turn=self.wait,
                        tokens=self._tokens,
                    )
            except (TooFastError, TooManyConnectionsError, Unreachable) as error:
                self._count(error)
                failed += 1
                wait_s = REFUSED.wait_s(failed, random.random())
                if wait_s is None or (isinstance(error, Unreachable) and not self._outcome.opened):
                    raise
                await asyncio.sleep(wait_s)
                continue
            self._outcome.opened += 1
            self._record(Measure.TOKEN, session.opening.token_s)
            self._record(Measure.SESSION, session.opening.session_s)
            return session

    async def reopen(self, session: Session, error: LostConnectionError) -> Session:
        """Another connection instead of one that was lost."""
        self._outcome.lost += 1
        self._outcome.no_answer += isinstance(error, NoAnswerError)
        await session.close()
        return await self.open()

    def _count(self, error: Exception) -> None:
        self._outcome.too_fast += isinstance(error, TooFastError)
        self._outcome.too_many += isinstance(error, TooManyConnectionsError)
        self._outcome.unreachable += isinstance(error, Unreachable)
