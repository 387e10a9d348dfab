"""Probes a cluster: handshakes, connections, round trips, commits, contention; in that order, and then cleans up."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

from auroral.dsql.door import Door, Record
from auroral.dsql.errors import ConflictError, DsqlError, LostConnectionError
from auroral.dsql.handshake import handshake
from auroral.dsql.probe_plan import COMMIT_KEY, HANDSHAKES, Contention, Measure, ProbeOptions, ProbeOutcome, ProbeTable
from auroral.dsql.probe_table import OwnTable
from auroral.dsql.retry import retry_conflicts
from auroral.dsql.session import Session
from auroral.dsql.target import DsqlTarget
from auroral.errors import AuroralError

CLEANUP_TIMEOUT_S = 30.0


class Probe:
    """One probe. `record` hears its times, `say` its progress, in a line each."""

    def __init__(
        self,
        target: DsqlTarget,
        options: ProbeOptions,
        *,
        run_id: str,
        record: Record,
        say: Callable[[str], object],
    ) -> None:
        self._target = target
        self._options = options
        self._record = record
        self._say = say
        self._table = OwnTable(ProbeTable(run_id))
        self._stopped = asyncio.Event()
        self._sessions: list[Session] = []
        self.outcome = ProbeOutcome()
        self.cleaning = False
        """Whether it drops its table by now, which nobody should cancel: that ends by itself in time."""
        self._door = Door(
            target,
            self.outcome,
            record,
            rate_per_s=options.rate_per_s,
            timeout_s=options.timeout_s,
            application=f"auroral probe {run_id}",
        )

    def stop(self) -> None:
        """End the measurement after the transactions that are under way, and clean up."""
        self.outcome.interrupted = True
        self._stopped.set()

    async def run(self) -> ProbeOutcome:
        """Measure. What ends it early stands in the outcome, with what was measured by then.

        Raises `DsqlError` where not even one connection was opened. The table is dropped however it ends.
        """
        try:
            await self._open_all()
            await self._round_trips()
            await self._commits_and_contention()
        except DsqlError as error:
            if not self.outcome.opened:
                raise
            self.outcome.error = error
        finally:
            await self._clean_up()
        return self.outcome

    async def _open_all(self) -> None:
        options = self._options
        self._say(f"opening {options.connections} connections to {self._target.endpoint}, {options.rate_per_s:g}/s")
        for _ in range(HANDSHAKES):
            if self._stopped.is_set():
                return
            await self._door.wait()
            taken = await handshake(self._target, timeout_s=options.timeout_s)
            self._record(Measure.TCP, taken.tcp_s)
            self._record(Measure.TLS, taken.tls_s)
        while len(self._sessions) < options.connections and not self._stopped.is_set():
            try:
                self._sessions.append(await self._door.open())
            except DsqlError as error:
                if not self._sessions:
                    raise
                self.outcome.left_out.append(
                    f"{options.connections - len(self._sessions)} of {options.connections} connections: {error.message}"
                )
                return

    async def _round_trips(self) -> None:
        if not self._sessions or self._stopped.is_set():
            return
        self._say(f"round trips in one session, {self._options.duration_s:g} s")
        ends_s = time.perf_counter() + self._options.duration_s
        while not self._over(ends_s):
            session = self._sessions[0]
            began_s = time.perf_counter()
            try:
                await session.rows("SELECT 1", timeout_s=self._options.timeout_s)
            except LostConnectionError as error:
                self._sessions[0] = await self._door.reopen(session, error)
                continue
            self._record(Measure.ROUND_TRIP, time.perf_counter() - began_s)
            self.outcome.round_trips += 1

    async def _commits_and_contention(self) -> None:
        if not self._sessions or self._stopped.is_set():
            return
        refused = await self._table.make(self._sessions[0], self._options.keys)
        if refused:
            self.outcome.left_out.append(f"commit time and conflicts: {refused}")
            return
        await self._commits()
        await self._contention()
        await self._count()

    async def _commits(self) -> None:
        self._say(f"commits of one row in one session, {self._options.duration_s:g} s")
        ends_s = time.perf_counter() + self._options.duration_s
        outcome = self.outcome
        while not self._over(ends_s):
            session, tally = self._sessions[0], Contention()
            try:
                await self._transaction(session, COMMIT_KEY, tally, Measure.COMMIT, Measure.TRANSACTION)
            except LostConnectionError as error:
                self._sessions[0] = await self._door.reopen(session, error)
            finally:
                outcome.commits += tally.committed
                outcome.commit_unknown += tally.unknown
                outcome.commit_conflicts += tally.conflicts

    async def _contention(self) -> None:
        writers = min(self._options.writers, len(self._sessions))
        if not writers or self._stopped.is_set():
            return
        self._say(f"contention: {writers} writers on {self._options.keys} rows, {self._options.duration_s:g} s")
        self.outcome.contention = tally = Contention()
        began_s = time.perf_counter()
        ends_s = began_s + self._options.duration_s
        try:
            async with asyncio.TaskGroup() as group:
                for index in range(writers):
                    group.create_task(self._write(index, tally, ends_s))
        except ExceptionGroup as errors:
            # A writer that found no way in again. One says why; a bug stays what it is.
            refused = next((error for error in errors.exceptions if isinstance(error, DsqlError)), None)
            if refused is None:
                raise
            raise refused from errors
        finally:
            tally.elapsed_s = time.perf_counter() - began_s

    async def _write(self, index: int, tally: Contention, ends_s: float) -> None:
        while not self._over(ends_s):
            session = self._sessions[index]
            key = random.randint(1, self._options.keys)
            try:
                await self._transaction(session, key, tally, Measure.CONTENDED_COMMIT, Measure.CONTENDED_TRANSACTION)
            except LostConnectionError as error:
                self._sessions[index] = await self._door.reopen(session, error)

    async def _transaction(
        self, session: Session, key: int, tally: Contention, commit: Measure, whole: Measure
    ) -> None:
        """Change one row. A conflict is counted, a lost connection is counted and raised."""
        timeout_s = self._options.timeout_s
        tally.attempts += 1
        committing = False
        began_s = time.perf_counter()
        try:
            await session.execute("BEGIN", timeout_s=timeout_s)
            await session.execute(self._table.sql.count, (key,), timeout_s=timeout_s)
            committing = True
            sent_s = time.perf_counter()
            await session.execute("COMMIT", timeout_s=timeout_s)
        except ConflictError as error:
            tally.conflicts[error.kind] += 1
            await session.roll_back(timeout_s=timeout_s)
            return
        except LostConnectionError:
            tally.unknown += committing
            tally.lost += not committing
            raise
        ended_s = time.perf_counter()
        tally.committed += 1
        self._record(commit, ended_s - sent_s)
        self._record(whole, ended_s - began_s)

    async def _count(self) -> None:
        """What the database says was committed."""

        async def total() -> int:
            return int((await self._sessions[0].rows(self._table.sql.total, timeout_s=self._options.timeout_s))[0][0])

        try:
            self.outcome.counted = await retry_conflicts(total, what="counting")
        except LostConnectionError as error:
            self._sessions[0] = await self._door.reopen(self._sessions[0], error)
            self.outcome.counted = await retry_conflicts(total, what="counting")

    def _over(self, ends_s: float) -> bool:
        return self._stopped.is_set() or time.perf_counter() >= ends_s

    async def _clean_up(self) -> None:
        self.cleaning = True
        try:
            if self._table.made:
                self._say(f"dropping {self._table.sql.name}")
                async with asyncio.timeout(CLEANUP_TIMEOUT_S):
                    await self._drop()
        except (AuroralError, TimeoutError) as error:
            self._say(f"not dropped: {error or f'no end after {CLEANUP_TIMEOUT_S:g} s'}")
        finally:
            if self._table.made:
                self.outcome.left_behind = self._table.sql.name
                self._say(f"left behind; drop it with: {self._table.sql.drop}")
            for session in self._sessions:
                await session.close()

    async def _drop(self) -> None:
        """Drop the table in a connection that still is one; in a new one where it is lost meanwhile."""
        session = next((one for one in self._sessions if not one.lost), None)
        if session is not None:
            await session.roll_back()
            try:
                await self._table.drop(session)
            except LostConnectionError as error:
                self._say(error.message)
        if self._table.made:
            async with await self._door.open() as fresh:
                await self._table.drop(fresh)
