"""Run a one-shot task on ECS and follow its log until it ends. Acts."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from auroral.aws_account import Account, AwsAccount, AwsError
from auroral.aws_calls import Kind
from auroral.ecs.one_shot.request import (
    LogStream,
    OneShot,
    Seen,
    container_of,
    log_stream,
    no_room,
    refused,
    run_request,
    seen,
    task_id,
)
from auroral.ecs.waiter import Patience, Waiter
from auroral.errors import ExitCode, TargetError
from auroral.marked import OUT, Unmarker

FIRST_POLL_S = 2.0
MOST_POLL_S = 10.0
"""Between two looks at a task while nothing moves: DescribeTasks is throttled for an account as a whole."""
LOG_TAIL_S = 6.0
"""How long after the end of a task its last lines are waited for: the log driver sends them in batches."""
LOG_END_S = 30.0
"""The same, of a program that marks its last line and so tells that lines are missing."""
UNKNOWN_S = 60.0
"""How long a task that was started may be unknown."""
PLACED_S = 30.0
"""A task that is PROVISIONING for longer waits for more than its network interface."""

Report = Callable[[str], None]


class RunningTask:
    """A task that was started."""

    def __init__(self, account: Account, task: OneShot, arn: str, container: str, log: LogStream | None) -> None:
        self.arn = arn
        self.cluster = task.place.cluster
        self._account = account
        self._task = task
        self._container = container
        self._log = None if log is None else Log(account, log)
        self._marks = Unmarker()
        self._told: set[str] = set()

    @property
    def id(self) -> str:
        """The last part of its ARN."""
        return task_id(self.arn)

    @property
    def stop_line(self) -> str:
        """What stops it, for a shell."""
        profile = f" --profile {self._account.profile}" if self._account.profile else ""
        region = f" --region {self._account.region}"
        return f"aws{profile}{region} ecs stop-task --cluster {self.cluster} --task {self.arn}"

    def follow(
        self,
        out: Report,
        err: Report,
        *,
        timeout_s: float,
        sleep: Callable[[float], None] = time.sleep,
        now_s: Callable[[], float] = time.monotonic,
    ) -> Seen:
        """Pass its lines on until it has stopped; `err` gets its states too.

        Raises `TargetError` after `timeout_s`, and where it can no longer be looked at; each says that it goes on.
        """
        patience = Patience(deadline_s=timeout_s, first_s=FIRST_POLL_S, most_s=MOST_POLL_S)
        waiter = Waiter(patience, now_s())
        last, since_s = Seen(status=""), now_s()
        if self._log is None:
            err("its log is not in CloudWatch by awslogs with a prefix: no lines are shown")
        while True:
            state = self._look(last, waiter.waited_s(now_s()), err)
            moved = state.status != last.status
            if moved:
                since_s = now_s()
                err(f"task {self.id}: {state.status.lower()}")
            elif state.status == "PROVISIONING" and now_s() - since_s > PLACED_S:
                self._once(err, f"task {self.id}: {no_room(self._task.place)}")
            last = state
            moved = self._pass_on(out, err, last) or moved
            if last.stopped:
                break
            wait_s = waiter.wait_s(now_s(), progressed=moved)
            if wait_s is None:
                room = f" ({no_room(self._task.place)})" if last.status == "PROVISIONING" else ""
                told = last.status.lower() or "unknown"
                raise TargetError(
                    f"task {self.id} is still {told} after {timeout_s:g} s{room}; it goes on",
                    hint=f"stop it: {self.stop_line}",
                )
            sleep(wait_s)
        self._tail(out, err, last, sleep, now_s)
        return last

    def stop(self) -> None:
        """Ask ECS to stop it: SIGTERM, and SIGKILL after the container's stop timeout. Raises `AwsError`."""
        reason = "interrupted by the user of auroral"
        self._account.call("ecs", "stop_task", cluster=self.cluster, task=self.arn, reason=reason)

    def _look(self, last: Seen, waited_s: float, err: Report) -> Seen:
        """How it is; as it was, where ECS does not say for now."""
        try:
            answer = self._account.call("ecs", "describe_tasks", cluster=self.cluster, tasks=[self.arn])
        except AwsError as error:
            self._bear(error, last, err)
            return last
        found: Mapping[str, Any] | None = next(iter(answer.get("tasks") or ()), None)
        if found is not None:
            return seen(found, self._container)
        # DescribeTasks may lag behind RunTask (ECS API Reference, "RunTask": eventual consistency).
        if last.status or waited_s > UNKNOWN_S:
            raise TargetError(f"ECS does not know task {self.id} of cluster {self.cluster}")
        return last

    def _pass_on(self, out: Report, err: Report, last: Seen) -> bool:
        """Whether there were new lines."""
        if self._log is None:
            return False
        try:
            lines = self._log.lines()
        except AwsError as error:
            self._bear(error, last, err)
            return False
        for line in lines:
            self._sort(line, out, err)
        return bool(lines)

    def _sort(self, line: str, out: Report, err: Report) -> None:
        taken = self._marks.take(line)
        if taken is not None:
            # No mark: the interpreter, Go's runtime or a library, which speak on stderr.
            (out if taken[0] == OUT else err)(taken[1])

    def _tail(
        self, out: Report, err: Report, last: Seen, sleep: Callable[[float], None], now_s: Callable[[], float]
    ) -> None:
        """Wait for the last lines of what has ended."""
        if self._log is None or last.exit_code is None:
            return
        ours = last.exit_code in ExitCode.__members__.values()
        tail_s, ended_s = LOG_END_S if ours else LOG_TAIL_S, now_s()
        while not self._marks.ended and now_s() - ended_s < tail_s:
            sleep(FIRST_POLL_S)
            self._pass_on(out, err, last)
        for stream, text in self._marks.rest():
            (out if stream == OUT else err)(text)
        if ours and not self._marks.seen:
            err("its lines have no marks: the task's image is of an older auroral, or its log did not come")
        elif ours and not self._marks.ended:
            err(f"the end of its log did not come within {LOG_END_S:g} s: lines may be missing")

    def _bear(self, error: AwsError, last: Seen, err: Report) -> None:
        """Go on after a failure that passes, and say it once; else say what becomes of the task."""
        if error.failure.passes:
            self._once(err, f"{error.message}; asking again")
            return
        now = f"task {self.id} goes on"
        hint = f"stop it: {self.stop_line}"
        if last.stopped:
            now = f"task {self.id} has ended, with status {last.exit_code}"
            hint = ""
        hints = "\n  hint: ".join(one for one in (error.hint, hint) if one)
        raise TargetError(f"{error.message}; {now}", hint=hints) from error

    def _once(self, err: Report, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            err(text)


class Log:
    """One stream of CloudWatch Logs, read from where it was left."""

    def __init__(self, account: Account, stream: LogStream) -> None:
        elsewhere = stream.region is not None and stream.region != account.region
        self._account = AwsAccount(region=stream.region, profile=account.profile) if elsewhere else account
        self._stream = stream
        self._token: str | None = None

    def lines(self) -> list[str]:
        """The next lines; none where the stream is not there yet. Raises `AwsError`."""
        lines: list[str] = []
        while True:
            given = {"nextToken": self._token} if self._token else {}
            try:
                answer = self._account.call(
                    "logs",
                    "get_log_events",
                    logGroupName=self._stream.group,
                    logStreamName=self._stream.stream,
                    startFromHead=True,
                    **given,
                )
            except AwsError as error:
                if error.failure.kind is Kind.MISSING or lines:  # what was read is passed on first
                    return lines
                raise
            lines += [str(event["message"]).removesuffix("\n") for event in answer.get("events") or ()]
            following = str(answer["nextForwardToken"])
            if following == self._token:  # CloudWatch's end
                return lines
            self._token = following


def start(account: Account, task: OneShot) -> RunningTask | None:
    """Start a task whose program marks its lines; None where the door to AWS only says what it would do.

    Raises `UsageError` for arguments that a task cannot take, `AwsError`, and `TargetError` where it is not placed.
    """
    place = task.place
    answer = account.call("ecs", "describe_task_definition", taskDefinition=place.task_definition)
    chosen = container_of(answer["taskDefinition"], place.container)
    container = str(chosen["name"])
    answer = account.call("ecs", "run_task", **run_request(task, container))
    if not answer:
        return None
    tasks = answer.get("tasks") or []
    if not tasks:
        raise refused(answer.get("failures") or [], place.cluster)
    arn = str(tasks[0]["taskArn"])
    return RunningTask(account, task, arn, container, log_stream(chosen, task_id(arn)))
