"""Run one of a deployment's tasks with a command of auroral's, to its end: its lines, its exit status. Acts."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence

from auroral import marked
from auroral.aws_account import Account, AwsError
from auroral.deployment import Contract
from auroral.ecs.fleet import Fleet
from auroral.ecs.one_shot.request import PROGRAMS, OneShot, Place, ended, place_of
from auroral.ecs.one_shot.tasks import Report, RunningTask, start
from auroral.errors import ExitCode, UsageError

TIMEOUT_S = 3600.0
"""How long a task is followed."""


def run_task(
    account: Account,
    deployed: Contract | Fleet,
    key: str,
    arguments: Sequence[str],
    *,
    out: Report,
    err: Report,
    timeout_s: float = TIMEOUT_S,
    stop_on_interrupt: bool = False,
    sleep: Callable[[float], None] = time.sleep,
    now_s: Callable[[], float] = time.monotonic,
) -> ExitCode:
    """Run the program of a deployment's task with these arguments: a key of `PROGRAMS`.

    `out` hears each line of its stdout, `err` those of its stderr and the task's states. Returns the program's exit
    status; OK where `account` only says what it would do. Raises `UsageError` where the deployment names no such task,
    `TargetError` and `AwsError` where the task does not start, does not end within `timeout_s`, or was killed. An
    interrupt says what becomes of the task, and is raised again.
    """
    contract = deployed.contract if isinstance(deployed, Fleet) else deployed
    if contract is None:
        raise UsageError(
            f"the task {key} is known from a deployment's outputs alone",
            hint="give --outputs or --stack instead of names",
        )
    return run_in(
        account,
        place_of(contract, key),
        key,
        arguments,
        out=out,
        err=err,
        timeout_s=timeout_s,
        stop_on_interrupt=stop_on_interrupt,
        sleep=sleep,
        now_s=now_s,
    )


def run_in(
    account: Account,
    place: Place,
    key: str,
    arguments: Sequence[str],
    *,
    out: Report,
    err: Report,
    timeout_s: float = TIMEOUT_S,
    stop_on_interrupt: bool = False,
    sleep: Callable[[float], None] = time.sleep,
    now_s: Callable[[], float] = time.monotonic,
) -> ExitCode:
    """The same at a place that was named otherwise than by a deployment's contract."""
    program = PROGRAMS[key]
    token = uuid.uuid4().hex
    task = OneShot(
        place=place,
        command=tuple(arguments),
        environment={marked.VARIABLE: marked.VALUE},
        started_by=f"auroral-{key}-{token[:8]}",
        client_token=token,
    )
    words = [part for part in arguments[:2] if not part.startswith("-")]
    what = " ".join([program, *(words if program == "auroral" else words[:1])])
    try:
        running = start(account, task)
    except KeyboardInterrupt:
        err(
            "interrupted while the task was started; this lists it, if it was: aws ecs list-tasks "
            f"--region {account.region} --cluster {place.cluster} --started-by {task.started_by}"
        )
        raise
    if running is None:
        return ExitCode.OK
    err(f"{what} is task {running.id} of cluster {place.cluster}")
    try:
        last = running.follow(out, err, timeout_s=timeout_s, sleep=sleep, now_s=now_s)
    except KeyboardInterrupt:
        _interrupted(running, stop_on_interrupt, err)
        raise
    return ended(last, what)


def _interrupted(running: RunningTask, stop: bool, err: Report) -> None:
    """Say what becomes of the task."""
    if not stop:
        err(f"interrupted; task {running.id} goes on. Stop it: {running.stop_line}")
        return
    try:
        running.stop()
    except AwsError as error:
        err(f"interrupted; task {running.id} goes on, as it could not be stopped: {error.message}")
        return
    err(f"interrupted; task {running.id} was told to stop, and the same command goes on where it stopped")
