"""Everything after the schedule: the server's account, what nobody could tell, and what is left open."""

from __future__ import annotations

import msgspec

from auroral.bench import cleanup, executions
from auroral.bench.drive import Drive
from auroral.bench.manifest import Manifest
from auroral.bench.opening import Opened
from auroral.bench.progress import Observer
from auroral.bench.result import Cleanup, Reconciliation
from auroral.bench.sample_file import ServerTimes
from auroral.bench.samples import Outcome
from auroral.bench.schedule import Schedule
from auroral.bench.settings import BenchSettings
from auroral.bench.settle import Settlement, settle, unreported
from auroral.bench.stopping import StopSignal
from auroral.bench.tally import Tally
from auroral.bench.workload import Mix

_LAST_WORDS_S = 1.0
_INTERRUPTED_SETTLE_S = 5.0


class Closing:
    """Ends a run: stops its schedule, settles its outcomes, and cleans up after it."""

    def __init__(
        self,
        settings: BenchSettings,
        opened: Opened,
        drive: Drive,
        *,
        tally: Tally,
        schedule: Schedule,
        mix: Mix,
        epoch_unix_us: int,
        clock_offset_us: int,
        manifest: Manifest,
        observer: Observer,
    ) -> None:
        """`clock_offset_us` is server − client."""
        self._settings = settings
        self._opened = opened
        self._drive = drive
        self._tally = tally
        self._schedule = schedule
        self._mix = mix
        self._epoch_unix_us = epoch_unix_us
        self._offset_us = clock_offset_us
        self._manifest = manifest
        self._observer = observer

    def stop_schedule(self, drain_timeout_s: float, *, interrupted: bool = True) -> None:
        """Have no further start sent, and drain for at most this long."""
        self._drive.stop_schedule(drain_timeout_s, interrupted=interrupted)
        if not self._drive.spread:  # else each of them cuts its own windows when it hears of it
            self._cut_windows()

    async def settle(self, stop: StopSignal) -> Settlement:
        """Reconcile with the server, list its executions, and settle what no generator could.

        A stop asked for before makes it brief, one asked for meanwhile briefer still.
        """
        self._observer.phase("reconcile", "with the server's own counts")
        self._cut_windows()
        client, manifest, drive = self._opened.client, self._manifest, self._drive
        asked_before, deadline_s = stop.requested, self._settings.settle_timeout_s
        return await settle(
            count=lambda: executions.count_by_status(client, manifest),
            listing=lambda: executions.list_executions(client, manifest),
            tally=self._tally,
            schedule=self._schedule,
            end_s=drive.end_s,
            epoch_unix_us=self._epoch_unix_us,
            clock_offset_us=self._offset_us,
            unresolved=drive.unresolved,
            lost_generators=drive.lost_generators,
            generator_processes=manifest.generator_processes,
            received=drive.received,
            choose_workload=self._mix.choose,
            deadline_s=min(_INTERRUPTED_SETTLE_S, deadline_s) if asked_before else deadline_s,
            hurry=lambda: stop.requested and not asked_before,
            report=self._observer.detail,
        )

    async def settle_nothing(self) -> Settlement:
        """Stopped at once: what nobody has reported by now counts as unfinished."""
        self.stop_schedule(0.0)
        await self._drive.last_words(_LAST_WORDS_S)
        self._cut_windows()
        processes = self._manifest.generator_processes
        late = [
            *self._drive.unresolved,
            *unreported(
                range(processes),
                processes,
                schedule=self._schedule,
                end_s=self._drive.end_s,
                received=self._drive.received,
                choose_workload=self._mix.choose,
                outcome=Outcome.UNFINISHED,
                cause="the run was stopped at once",
            ),
        ]
        for sample in late:
            self._tally.add(sample)
        return msgspec.structs.replace(nothing_settled(), late=late)

    async def clean_up(self, reconciliation: Reconciliation) -> Cleanup:
        """Terminate what is open: what the generators hold directly, the rest by batch operation."""
        if reconciliation.status == "unavailable":
            return self.left_behind("the server does not answer")
        self._observer.phase("clean-up")
        left_open, deadline_s = self._tally.outcomes_open, self._settings.cleanup_timeout_s
        done, _ = await self._drive.clean_up(deadline_s / 4)
        rest = await cleanup.terminate_rest(
            self._opened.client,
            self._opened.connection,
            self._manifest,
            deadline_s=deadline_s,
            report=self._observer.detail,
        )
        return Cleanup(
            left_open=left_open,
            terminated_directly=done,
            terminated_by_batch=rest.terminated,
            remaining=rest.remaining,
            failure=rest.failure,
            commands=rest.commands,
        )

    def left_behind(self, why: str) -> Cleanup:
        """What is to be said where nothing could be cleaned up."""
        return Cleanup(
            left_open=self._tally.outcomes_open,
            terminated_directly=0,
            terminated_by_batch=0,
            remaining=None,
            failure=why,
            commands=cleanup.manual_commands(self._opened.connection, self._manifest),
        )

    def _cut_windows(self) -> None:
        if self._drive.end_s < self._schedule.duration_s:
            self._tally.cut(self._schedule.windows(self._drive.end_s))


def nothing_settled() -> Settlement:
    """The account of a run that was stopped before there was any."""
    return Settlement(
        reconciliation=Reconciliation(
            status="unavailable", settled_after_s=0.0, ours={}, server={}, detail="the run was stopped before"
        ),
        server_times=ServerTimes(),
        late=[],
        notes=[],
    )
