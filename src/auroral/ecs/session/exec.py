"""ECS Exec: a shell in a running task, or a command with its output and status. Acts."""

from __future__ import annotations

import contextlib
import os
import secrets
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from auroral.aws_account import Account, AwsError, listed, perform
from auroral.aws_calls import Call
from auroral.ecs.fleet import Fleet
from auroral.ecs.session.output import Output
from auroral.ecs.session.plan import (
    NO_SHELL,
    Session,
    Target,
    choose,
    exec_call,
    explained,
    marked_command,
    service_of,
    session_of,
)
from auroral.ecs.session.plugin import Plugin, end, keys_for_the_child, terminal_kept
from auroral.errors import TargetError, UsageError

CLOSING_S = 5.0
"""How long a session may go on after its command has ended."""
TIMEOUT_S = 60.0


class Executed(msgspec.Struct, frozen=True, kw_only=True):
    """What a command came to."""

    status: int
    output: str


def find_target(
    account: Account, fleet: Fleet, service: str, *, task: str | None = None, container: str | None = None
) -> Target:
    """The container to enter: of the newest running task, or of the one whose id begins with `task`.

    Raises `UsageError` and `TargetError` where there is none, `AwsError`.
    """
    known = service_of(fleet, service)
    where = {"cluster": fleet.cluster}
    arns = list(listed(account, "ecs", "list_tasks", "taskArns", serviceName=known.name, **where))
    descriptions: list[Mapping[str, Any]] = []
    for start in range(0, len(arns), 100):  # DescribeTasks takes 100 (ECS API Reference)
        answer = account.call("ecs", "describe_tasks", tasks=arns[start : start + 100], **where)
        descriptions += answer.get("tasks") or ()
    return choose(known, fleet.cluster, descriptions, task=task, container=container)


def needs_shell(service: str, command: Sequence[str], *, raw: bool) -> None:
    """Raises `UsageError` where what is asked for needs a shell, and the service's image has none."""
    if service in NO_SHELL and not (raw and command):
        raise UsageError(
            f"the image of {service} has no shell: there is nothing to open",
            hint=f"--raw -- PROGRAM runs a program that it has; `auroral cluster logs {service}` shows what it says",
        )


def shell(
    account: Account,
    target: Target,
    plugin: Plugin,
    command: str,
) -> None:
    """A session with this process's own terminal. It takes Ctrl-C until it ends.

    Raises `AwsError`, `TargetError`, `UsageError`.
    """
    session = opened(account, exec_call(target, command), target)
    arguments = plugin.arguments({"Target": target.ssm}, region=account.region, profile=account.profile)
    with Closing(account, session) as closing, terminal_kept(), keys_for_the_child():
        child = plugin.start(session, arguments)
        try:
            closing.over = child.wait() == 0
        finally:
            end(child)
        _interrupted(child)


def run(
    account: Account,
    target: Target,
    plugin: Plugin,
    command: Sequence[str],
    out: Callable[[bytes], None],
    *,
    interactive: bool = False,
    timeout_s: float | None = None,
    now_s: Callable[[], float] = time.monotonic,
) -> int:
    """Run a command, pass its output on as it comes, and return its status.

    `interactive`: its input is this process's terminal, to which Ctrl-C then belongs; else it has none. The plugin
    ends a session at the end of its input, and with it what has not been printed yet: its input stays open.
    Raises `TargetError` where the command did not come to its end, `AwsError`, `UsageError`.
    """
    nonce = secrets.token_hex(4)
    output = Output(nonce)
    session = opened(account, exec_call(target, marked_command(command, nonce)), target)
    arguments = plugin.arguments({"Target": target.ssm}, region=account.region, profile=account.profile)
    with contextlib.ExitStack() as stack:
        closing = stack.enter_context(Closing(account, session))
        if interactive:
            stack.enter_context(terminal_kept())
            stack.enter_context(keys_for_the_child())
        child = plugin.start(
            session,
            arguments,
            stdin=None if interactive else subprocess.PIPE,
            stdout=subprocess.PIPE,
            apart=not interactive,
        )
        stack.callback(end, child)
        ended = _follow(child, output, out, timeout_s, now_s)
        closing.over = ended and child.wait() == 0
        _interrupted(child)
    if output.status is None:
        _unfinished(target, command, output, None if ended else timeout_s)
    assert output.status is not None
    return output.status


def executed(
    account: Account,
    fleet: Fleet,
    service: str,
    command: Sequence[str],
    *,
    task: str | None = None,
    environ: Mapping[str, str] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Executed:
    """Run a command in a running task of a service. Several words are a program and its arguments; one is a line
    for its shell.

    Raises `UsageError` where the plugin is missing or the service has no shell, `TargetError`, `AwsError`.
    """
    needs_shell(service, command, raw=False)
    plugin = Plugin(os.environ if environ is None else environ)
    target = find_target(account, fleet, service, task=task)
    parts: list[bytes] = []
    status = run(account, target, plugin, command, parts.append, timeout_s=timeout_s)
    return Executed(status=status, output=b"".join(parts).decode(errors="replace"))


def opened(account: Account, call: Call, target: Target) -> Session:
    """Open a session. Raises `AwsError`, `TargetError` where more can be said of its refusal, `UsageError` for a dry
    run: it opens none."""
    try:
        answer = perform(account, call)
    except AwsError as error:
        raise explained(error.failure, target) or error from error
    if not answer:
        raise UsageError("a dry run opens no session")
    return session_of(answer)


class Closing:
    """Ends a session at AWS's side too, unless its end came from there. Nothing is raised for it."""

    def __init__(self, account: Account, session: Session) -> None:
        self._account = account
        self._session = session
        self.over = False

    def __enter__(self) -> Closing:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.over:
            self.over = True
            with contextlib.suppress(AwsError, UsageError):
                self._account.call("ssm", "terminate_session", SessionId=self._session.id)


def _follow(
    child: subprocess.Popen[bytes],
    output: Output,
    out: Callable[[bytes], None],
    timeout_s: float | None,
    now_s: Callable[[], float],
) -> bool:
    """Pass output on; whether the plugin ended by itself."""
    assert child.stdout is not None
    until_s = None if timeout_s is None else now_s() + timeout_s
    ended = False
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while True:
            left_s = None if until_s is None else until_s - now_s()
            if (left_s is not None and left_s <= 0) or not selector.select(left_s):
                break
            data = os.read(child.stdout.fileno(), 65536)
            if not data:
                ended = True
                break
            if said := output.feed(data):
                out(said)
            if output.status is not None:
                closing_s = now_s() + CLOSING_S
                until_s = closing_s if until_s is None else min(until_s, closing_s)
    if said := output.rest():
        out(said)
    return ended


def _interrupted(child: subprocess.Popen[bytes]) -> None:
    """Raises `KeyboardInterrupt` where Ctrl-C ended the plugin: before it had a session to pass it on to."""
    if child.returncode == -signal.SIGINT:
        raise KeyboardInterrupt


def _unfinished(target: Target, command: Sequence[str], output: Output, timeout_s: float | None) -> None:
    """Raises the error of a command whose end was not seen."""
    words = output.words()
    where = f"task {target.task_id} of {target.service}"
    what = command[0] if len(command) == 1 else " ".join(command)
    if not output.began:
        raise TargetError(
            f"{what} did not start in {where}: {words or 'the session ended at once'}",
            hint="with --raw a command runs without a shell around it, and its status is not known",
        )
    raise TargetError(
        f"the session in {where} ended before {what} did{f': {words}' if words else ''}",
        hint="sessions end after 20 minutes without output; the command may still run in its container"
        if timeout_s is None
        else f"it had {timeout_s:g} s",
    )
