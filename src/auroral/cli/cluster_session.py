"""`auroral cluster exec` and `auroral cluster forward`: sessions into running tasks."""

from __future__ import annotations

import sys
from typing import Any

import click

from auroral.cli.command import WIDTH, Command
from auroral.cli.deployed import deployed_options, operated
from auroral.cli.process import Process
from auroral.errors import ExitCode, TargetError, UsageError

AGAIN_S = 600.0
"""How long `--keep` looks for a task: a rollout replaces one within minutes."""


@click.pass_obj
def _exec(
    process: Process,
    /,
    *,
    service: str,
    command: tuple[str, ...],
    task: str | None,
    container: str | None,
    raw: bool,
    dry_run: bool,
    **names: Any,
) -> int:
    from auroral.aws_account import DryRun
    from auroral.ecs.session.exec import find_target, needs_shell, run, shell
    from auroral.ecs.session.plan import SHELL, exec_call, marked_command, remote_command
    from auroral.ecs.session.plugin import Plugin

    if raw and not command:
        raise UsageError("--raw is for a command: none came", hint="auroral cluster exec SERVICE --raw -- COMMAND")
    needs_shell(service, command, raw=raw)
    if not command and not dry_run and not _terminal():
        raise UsageError("a shell needs a terminal, and stdin is none", hint="give a command: -- COMMAND…")
    found = operated(process, **names)
    if dry_run:
        target = find_target(found.account, found.fleet, service, task=task, container=container)
        text = remote_command(command) if raw or not command else marked_command(command, "0")
        call = exec_call(target, text if command else SHELL)
        DryRun(found.account, process.out).call(call.service, call.operation, **call.arguments)
        return ExitCode.OK
    plugin = Plugin(process.environ)
    target = find_target(found.account, found.fleet, service, task=task, container=container)
    process.err(f"{service}: task {target.task_id}, container {target.container}")
    if raw or not command:
        shell(found.account, target, plugin, remote_command(command) if command else SHELL)
        return ExitCode.OK
    return run(found.account, target, plugin, command, _bytes_to(process), interactive=_terminal())


@click.pass_obj
def _forward(
    process: Process,
    /,
    *,
    service: str,
    port: int | None,
    remote_port: int | None,
    task: str | None,
    keep: bool,
    dry_run: bool,
    **names: Any,
) -> ExitCode:
    from auroral.aws_account import DryRun
    from auroral.ecs.session.exec import find_target
    from auroral.ecs.session.forward import WORDS_S, Tunnel, check_free, kept, web_answers
    from auroral.ecs.session.plan import forward_call, is_web, remote_port_of, service_of
    from auroral.ecs.session.plugin import Plugin

    found = operated(process, **names)
    known = service_of(found.fleet, service)
    remote = remote_port_of(known, remote_port)
    local = remote if port is None else port
    check_free(local)
    if dry_run:
        call = forward_call(find_target(found.account, found.fleet, service, task=task), remote, local)
        DryRun(found.account, process.out).call(call.service, call.operation, **call.arguments)
        return ExitCode.OK

    def opened(tunnel: Tunnel) -> None:
        scheme = "http://" if is_web(known, remote) else ""
        if scheme and not web_answers(tunnel.port):
            process.err(
                f"{service}: the port is open, but nothing answers behind it yet: {tunnel.words(WORDS_S) or 'no words'}"
            )
        process.out(f"{scheme}localhost:{tunnel.port}")
        process.err(f"{service}: port {remote} of task {tunnel.target.task_id}; Ctrl-C ends it")

    try:
        reason = kept(
            found.account,
            found.fleet,
            service,
            Plugin(process.environ),
            remote_port=remote,
            local_port=local,
            again_s=AGAIN_S if keep else 0,
            opened=opened,
            say=process.err,
            task=task,
        )
    except KeyboardInterrupt:
        process.err("closed")
        return ExitCode.OK
    raise TargetError(
        reason,
        hint="no task came in its place: `auroral cluster status` says more"
        if keep
        else "--keep opens it again when its task is replaced",
    )


def _terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _bytes_to(process: Process) -> Any:
    binary = getattr(process.stdout, "buffer", None)

    def write(data: bytes) -> None:
        if process.stdout_closed:
            return
        if binary is None:
            process.stdout.write(data.decode(errors="replace"))
            return
        try:
            binary.write(data)
            binary.flush()
        except BrokenPipeError:
            process.close_stdout()

    return write


_TASK = "Id of a task, or how it begins.  [default: the newest that runs]"

exec_command = Command(
    "exec",
    callback=_exec,
    short_help="Open a shell in a task, or run a command there.",
    help="Open a shell in a running task of SERVICE by ECS Exec, or run COMMAND there and exit with its status. "
    "One argument is a line for the task's shell, several are a program and its arguments. While a terminal is its "
    "input, Ctrl-C belongs to the remote side. The collector's image has no shell.",
    epilog="Exit codes: of COMMAND, where one ran to its end; else 0 the shell was closed; 2 wrong usage, no such "
    "task, or no usable session-manager-plugin; 3 the task cannot be entered, or the session broke off; 4 interrupted.",
    params=[
        click.Argument(["service"]),
        click.Argument(["command"], nargs=-1, type=click.UNPROCESSED),
        click.Option(["--task"], metavar="ID", help=_TASK),
        click.Option(["--container"], metavar="NAME", help="Container of the task.  [default: the service's own]"),
        click.Option(
            ["--raw"],
            is_flag=True,
            help="Run COMMAND as it is with this terminal: for programs that draw, and images without a shell. Its "
            "status is not known.",
        ),
        *deployed_options(),
    ],
    context_settings={"max_content_width": WIDTH},
)

forward_command = Command(
    "forward",
    callback=_forward,
    short_help="Open a service's port on this machine.",
    help="Open a port of a running task of SERVICE on this machine, through Session Manager: the UI's 8080, Grafana's "
    "3000, the frontend's 7233. It prints the address once it answers, and closes it at Ctrl-C, which is its normal "
    "end: exit 0.",
    epilog="Exit codes: 0 closed by Ctrl-C; 2 wrong usage, the local port is in use, or no usable "
    "session-manager-plugin; 3 the task cannot be reached, or its session ended.",
    params=[
        click.Argument(["service"]),
        click.Option(
            ["--port"],
            metavar="N",
            type=click.IntRange(0, 65535),
            help="Of this machine; 0 is a free one.  [default: the remote port]",
        ),
        click.Option(
            ["--remote-port"],
            metavar="N",
            type=click.IntRange(1, 65535),
            help="Of the task.  [default: its gRPC port, else its HTTP port]",
        ),
        click.Option(["--task"], metavar="ID", help=_TASK),
        click.Option(["--keep"], is_flag=True, help="Open it again when the task is replaced."),
        *deployed_options(),
    ],
    context_settings={"max_content_width": WIDTH},
)
