"""Runs a benchmark on the deployed cluster and brings its results here, whatever happens on the way. Acts."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from auroral.aws_account import Account, AwsError, Before
from auroral.aws_calls import Failure, Kind
from auroral.bench import log_document
from auroral.bench.object_place import Place
from auroral.ecs.drive import HaltedError, drive
from auroral.ecs.machine import Halted
from auroral.ecs.observe import Observer
from auroral.ecs.one_shot.request import LogStream, Seen, refused
from auroral.ecs.one_shot.tasks import Log
from auroral.ecs.remote.machine import GO_S, STOP_S, Phase, RemoteMachine
from auroral.ecs.remote.plan import RemotePlan
from auroral.ecs.remote.results import fetch, from_log, write_document
from auroral.ecs.seen import ClusterSeen, TaskSeen
from auroral.ecs.waiter import Patience
from auroral.errors import AuroralError, OutputError, TargetError

Say = Callable[[str], None]
Sleep = Callable[[float], None]

MOST_WAIT_S = 6.0
"""Between two looks: a look passes the generator's lines on."""
TAIL_S = 6.0
"""How long after a generator's end its last lines are waited for: the log driver sends them in batches."""
_ACTIVITIES = 5
_WRITE_PHASE = "write:"
"""The line after which a generator prints its report, which is printed here from the result."""


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How a remote run ended."""

    generator: TaskSeen | None
    """None: it was never seen."""
    halted: Halted | None = None
    """Why it did not come to its own end; None: it did."""
    workers_left: int = 0


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """What was brought here."""

    source: str = ""
    """`storage` or `log`; empty: nothing could be had."""
    names: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    """Why not from where it was tried first."""


class RemoteRun:
    """One run under way."""

    def __init__(
        self,
        plan: RemotePlan,
        account: Account,
        observer: Observer,
        say: Say,
        *,
        again: str,
        back: str,
        sleep: Sleep = time.sleep,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`say` gets what happens and the generator's lines; `again` and `back` are commands for hints."""
        self.machine = RemoteMachine(plan, again=again, back=back)
        self._plan, self._account, self._observer = plan, _Placing(account, plan.cluster), observer
        self._say, self._again, self._back = say, again, back
        self._sleep, self._now_s = sleep, now_s
        self._log: Log | None = None
        self._log_told = ""
        self._withheld: list[str] | None = None

    def run(self) -> Ended:
        """Carry it through. A Ctrl-C ends generator and workers first.

        Raises `KeyboardInterrupt` at a second one, once what is left was told. AWS's failures are in the answer.
        """
        patience = Patience(deadline_s=self._deadline_s(), most_s=MOST_WAIT_S)
        try:
            return self._drive(patience)
        except KeyboardInterrupt:
            if not self.machine.touched:
                raise
            self._say("interrupted: the generator ends first, then the workers go (again: leave them as they are)")
            self.machine.interrupt(self._now_s())
        except TargetError as error:  # the deadline of the whole
            if not self.machine.touched:
                raise
            self._say(f"{error.message}; scaling back")
            self.machine.give_up(error.message, self._now_s())
        try:
            return self._drive(Patience(deadline_s=STOP_S + GO_S + 60.0, most_s=MOST_WAIT_S))
        except TargetError as error:
            hint = f"stop the workers: {self._back}"
            return self._ended(Halted(reason=error.message, hint=hint))
        except KeyboardInterrupt:
            self._say(f"left as it is: {self.left()}")
            raise

    def left(self) -> str:
        """What may still run, and how to stop it."""
        task = self.machine.generator
        running = task is not None and task.status != "STOPPED"
        words = [f"the generator, task {task.id}, runs"] if task is not None and running else []
        if self._plan.agents is not None and self.machine.agents_left:
            words.append(
                f"up to {self.machine.agents_left} tasks that generate wait or run, and cost money; stop each that is "
                f"listed: aws ecs list-tasks --cluster {self._plan.cluster} --started-by "
                f"{self._plan.agents.started_by}"
            )
        if self.machine.workers_left:
            words.append(f"{self.machine.workers_left} workers run, and cost money: {self._back}")
        return "; ".join(words) or "no workers run"

    def withheld(self) -> list[str]:
        """The generator's last lines, which its result tells as well."""
        return self._withheld or []

    def _deadline_s(self) -> float:
        return 3 * self._plan.come_s + self._plan.run_s + STOP_S + GO_S

    def _drive(self, patience: Patience) -> Ended:
        try:
            drive(
                self.machine,
                self._account,
                self._look,
                self._say,
                patience=patience,
                again=self._again,
                sleep=self._sleep,
                now_s=self._now_s,
            )
        except HaltedError as error:
            return self._ended(Halted(reason=error.message, hint=error.hint, exit_code=error.exit_code))
        if self.machine.generator is not None and not self._plan.detach:
            self._tail()
        return self._ended(None)

    def _ended(self, halted: Halted | None) -> Ended:
        if halted is not None and self.machine.short:
            why = shortage(self._account, self._plan.group)
            if why:
                halted = msgspec.structs.replace(halted, reason=f"{halted.reason}. The Auto Scaling group, {why}")
        return Ended(generator=self.machine.generator, halted=halted, workers_left=self.machine.workers_left)

    def _look(self) -> ClusterSeen:
        coming = self.machine.phase in (Phase.CHECK, Phase.WORKERS, Phase.AGENTS, Phase.GENERATOR)
        seen = self._observer.look(instances=coming, stopped=True)
        self._pass_on()
        return seen

    def _pass_on(self) -> None:
        task = self.machine.generator
        if task is None or task.started_at is None:
            return
        if self._log is None:
            stream = self._plan.stream_of(task.id)
            if stream is None:
                self._tell("the generator's log is not in CloudWatch by awslogs with a prefix: no lines are shown")
                return
            self._log = Log(self._account, stream)
        try:
            lines = self._log.lines()
        except AwsError as error:
            if error.failure.kind is Kind.EXPIRED:
                raise
            self._tell(f"its log cannot be read now: {error.message}")
            return
        for line in lines:
            if log_document.is_line(line):
                continue
            if self._withheld is None and line.startswith(_WRITE_PHASE):
                self._withheld = []
            if self._withheld is None:
                self._say(f"  {line}")
            else:
                self._withheld.append(line)

    def _tell(self, text: str) -> None:
        if text != self._log_told:
            self._log_told = text
            self._say(text)

    def _tail(self) -> None:
        end_s = self._now_s() + TAIL_S
        while self.machine.phase is Phase.DONE and self._now_s() < end_s:
            self._sleep(2.0)
            try:
                self._pass_on()
            except AwsError:
                return


class _Placing(Before):
    """Makes a failure of what RunTask answers where it places nothing."""

    def __init__(self, account: Account, cluster: str) -> None:
        super().__init__(account)
        self._cluster = cluster

    def call(self, service: str, operation: str, /, **arguments: Any) -> Mapping[str, Any]:
        answer = self._account.call(service, operation, **arguments)
        if operation == "run_task" and not answer.get("tasks") and answer.get("failures"):
            words = refused(answer["failures"], self._cluster).message
            raise AwsError(Failure(kind=Kind.CAPACITY, code="NotPlaced", words=words, call="ecs:RunTask"))
        return answer


def shortage(account: Account, group: str) -> str:
    """When and why an Auto Scaling group failed last, of its newest activities; empty where that is not known."""
    if not group:
        return ""
    try:
        answer = account.call(
            "autoscaling", "describe_scaling_activities", AutoScalingGroupName=group, MaxRecords=_ACTIVITIES
        )
    except AuroralError:  # the reason that is known already is told all the same
        return ""
    for one in answer.get("Activities") or ():
        if one.get("StatusCode") == "Failed":
            return f"{one['StartTime'].isoformat(timespec='seconds')}: {str(one.get('StatusMessage', '')).rstrip('.')}"
    return ""


def collect(
    account: Account,
    place: Place,
    run_id: str,
    stream: LogStream | None,
    directory: Path,
    *,
    sleep: Sleep = time.sleep,
) -> Collected:
    """Bring a run's results here: from object storage, else the document from the log. Raises `OutputError`."""
    problems: list[str] = []
    try:
        names = fetch(account, place, run_id, directory)
        return Collected(source="storage", names=tuple(names))
    except OutputError:
        raise
    except AuroralError as error:
        problems.append(error.message)
    if stream is None:
        return Collected(problems=(*problems, "where its log is, is not known"))
    for wait_s in (TAIL_S, TAIL_S, 0.0):
        try:
            _, document = from_log(account, stream, run_id)
        except AuroralError as error:
            told = error.message
            sleep(wait_s)
            continue
        write_document(directory, document)
        return Collected(source="log", names=("result.json",), problems=tuple(problems))
    return Collected(problems=(*problems, told))


def status(generator: TaskSeen, container: str) -> Seen:
    """How the generator ended, as `auroral.ecs.one_shot.request.ended` reads it."""
    return Seen(status=generator.status, exit_code=generator.exit_codes.get(container), reason=generator.reason)
