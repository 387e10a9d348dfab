"""Carries a recovery out: drives its machine, reads and deletes rows for it, keeps the cluster's mark. Acts."""

from __future__ import annotations

from collections.abc import Sequence

from auroral.aws_account import AwsError, perform
from auroral.dsql import errors as dsql_errors
from auroral.ecs.drive import drive
from auroral.ecs.machine import Decision, Finished
from auroral.ecs.observe import Observer
from auroral.ecs.operation import FAILED, INTERRUPTED, TAKE_OVER, TakenOverError, clear_mark, set_mark
from auroral.ecs.recovery.machine import DELETE, READ, Recovery, RecoveryLimits, WorkFailure
from auroral.ecs.recovery.plan import STOPPED, Plan
from auroral.ecs.recovery.rows import Ring
from auroral.ecs.rollout.conduct import Conductor
from auroral.ecs.rollout.evidence_reader import EvidenceReader
from auroral.ecs.rollout.machine import Rollout
from auroral.ecs.rollout.waves import Wave
from auroral.ecs.seen import ClusterSeen
from auroral.ecs.waiter import Patience
from auroral.errors import AuroralError, InterruptedRunError

_PASSES = (
    dsql_errors.UnreachableError,
    dsql_errors.LostConnectionError,
    dsql_errors.TooFastError,
    dsql_errors.TooManyConnectionsError,
    dsql_errors.ConflictsError,
)


def recover(conductor: Conductor, plan: Plan, ring: Ring, *, beside: bool = False) -> Finished:
    """Carry it to its end. The mark is taken away then, and says how it ended otherwise.

    Raises `HaltedError` where it cannot go on, `TargetError` at the deadline, and `InterruptedRunError` for an
    interrupt: each says what goes on with it.
    """
    return _Recovering(conductor, plan, ring, beside=beside).carry_out()


class _Recovering:
    """One recovery under way."""

    def __init__(self, conductor: Conductor, plan: Plan, ring: Ring, *, beside: bool) -> None:
        self._with = conductor
        self._plan, self._ring = plan, ring
        self._machine = Recovery(
            conductor.fleet, plan, rollout=self._rollout, words=conductor.words, beside=beside, limits=RecoveryLimits()
        )
        self._arn = ""
        self._reader = EvidenceReader(conductor.account, conductor.fleet)
        self._observer = Observer(conductor.account, conductor.fleet, now=conductor.clock.utc)

    def carry_out(self) -> Finished:
        try:
            finished = drive(
                self._machine,
                self._with.account,
                self._look,
                self._with.say,
                patience=Patience(deadline_s=self._deadline_s()),
                again=self._with.words.again,
                works={READ: self._read, DELETE: self._delete},
                sleep=self._with.clock.sleep,
                now_s=self._with.clock.now_s,
            )
        except KeyboardInterrupt as interrupt:
            where, again = self._machine.where(), self._with.words.again
            try:
                left = self._leave(INTERRUPTED)
            except KeyboardInterrupt:  # a second one, which cut off the call
                left = False
            raise InterruptedRunError(
                f"interrupted in {where}; ECS goes on with what it was asked",
                hint=f"`auroral cluster status{self._with.words.flags}` says how it stands; "
                f"go on: {again}{'' if left else f' {TAKE_OVER}'}",
            ) from interrupt
        except TakenOverError:
            raise
        except AuroralError as error:
            if not self._leave(FAILED):
                again = self._with.words.again
                error.hint = error.hint.replace(again, f"{again} {TAKE_OVER}")
            raise
        except BaseException:
            self._leave(FAILED)
            raise
        self._clear()
        return finished

    def _rollout(self, planned: Sequence[Wave]) -> Rollout:
        one = self._with
        return Rollout(
            one.fleet,
            planned,
            words=one.words,
            limits=one.limits,
            targets=one.targets,
            definitions=one.definitions,
            health=one.health,
            lines=one.lines,
        )

    def _deadline_s(self) -> float:
        limits, own = self._with.limits, RecoveryLimits()
        waves = len(STOPPED) + len(self._plan.counts)
        wave_s = limits.wave_s + limits.lines_s + limits.others_s
        return waves * wave_s + own.silent_s + own.agree_s + 2 * own.trouble_s

    def _look(self) -> ClusterSeen:
        seen = self._observer.look(stopped=True)
        self._arn = seen.arn
        if self._machine.marked:
            self._machine.own.hold(seen.mark, self._with.words.again)
        return self._reader.added(seen, self._machine.reading(seen))

    def _read(self) -> Decision | None:
        try:
            rows = self._ring.read()
        except AuroralError as error:
            return self._failed(error)
        self._machine.rows_read(rows)
        return None

    def _delete(self) -> Decision | None:
        try:
            count = self._ring.delete(self._machine.gone.rows)
        except AuroralError as error:
            return self._failed(error)
        self._machine.rows_deleted(count)
        return None

    def _failed(self, error: AuroralError) -> Decision:
        passes = error.failure.passes if isinstance(error, AwsError) else isinstance(error, _PASSES)
        told = WorkFailure(reason=error.message, hint=error.hint, passes=passes, exit_code=error.exit_code)
        return self._machine.work_failed(told, self._with.clock.now_s())

    def _leave(self, state: str) -> bool:
        """As far as it goes: credentials may be what ended it. False where the mark still says `begun`."""
        if not self._machine.marked:
            return True
        try:
            perform(self._with.account, set_mark(self._arn, self._machine.mark(state, self._with.clock.utc())))
        except AuroralError as error:
            self._with.say(f"the cluster's mark still says that recover is under way: {error.message}")
            return False
        return True

    def _clear(self) -> None:
        if not self._machine.marked:
            return
        try:
            perform(self._with.account, clear_mark(self._arn))
        except AuroralError as error:
            self._with.say(f"all is done, and the mark of recover stays on the cluster: {error.message}")
