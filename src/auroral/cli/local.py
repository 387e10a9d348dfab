"""`auroral local`: its commands, their options and help."""

from __future__ import annotations

from typing import Any

import click

from auroral.cli.command import Command, Group
from auroral.cli.process import Process
from auroral.errors import ExitCode

local = Group(
    "local",
    help="Run a production-shaped cluster on this machine: the image's server and configuration, a process for each "
    "service, on PostgreSQL or on a double of Aurora DSQL.",
)


def _directory_option() -> click.Option:
    return click.Option(
        ["--directory"],
        metavar="DIRECTORY",
        help="Where data, logs and state are.  [default: auroral/local below the user's state directory]",
    )


@click.pass_obj
def _up(process: Process, /, **params: Any) -> ExitCode:
    from auroral.cli.local_commands import up

    return up(process, **params)


@click.pass_obj
def _status(process: Process, /, directory: str | None, json: bool) -> ExitCode:
    from auroral.cli.local_commands import status

    return status(process, directory, as_json=json)


@click.pass_obj
def _logs(process: Process, /, directory: str | None, services: tuple[str, ...], follow: bool, lines: int) -> ExitCode:
    from auroral.cli.local_commands import logs

    return logs(process, directory, services, follow=follow, lines=lines)


@click.pass_obj
def _down(process: Process, /, directory: str | None) -> ExitCode:
    from auroral.cli.local_commands import down

    return down(process, directory)


local.add_command(
    Command(
        "up",
        callback=_up,
        short_help="Start a cluster that stays until `down`.",
        help="Start a cluster and wait until it is usable. It goes on after this command, until `auroral local down`. "
        "It begins empty.",
        epilog="Exit codes: 0 the cluster serves, 2 wrong usage, 3 it cannot be started, 4 interrupted.",
        params=[
            click.Option(
                ["--database"],
                type=click.Choice(["postgres", "dsql-double"]),
                default="postgres",
                show_default=True,
                help="What keeps the workflows: PostgreSQL with Temporal's stock plugin, or the double of Aurora DSQL "
                "with ours.",
            ),
            click.Option(["--history"], type=int, default=1, show_default=True, help="History processes."),
            click.Option(
                ["--history-shards"],
                type=int,
                help="Shards of history.  [default: 4; 16 for each of several histories]",
            ),
            click.Option(
                ["--pool-size"],
                type=int,
                default=8,
                show_default=True,
                help="Connections of each process to the store.",
            ),
            click.Option(
                ["--port"], type=click.IntRange(1, 65535), help="Port of the frontend.  [default: 7233, or a free one]"
            ),
            click.Option(["--namespace"], default="benchmark", show_default=True, help="Namespace to make."),
            click.Option(
                ["--dynamic-config"],
                metavar="KEY=VALUE",
                multiple=True,
                help="Dynamic configuration over the image's, the value in YAML; repeatable.",
            ),
            click.Option(
                ["--conflicts"],
                type=float,
                default=0.0,
                metavar="SHARE",
                help="Share of commits that the double refuses, such as 0.1.  [default: 0]",
            ),
            click.Option(["--seed"], type=int, default=1, show_default=True, help="Seed of those conflicts."),
            _directory_option(),
        ],
    )
)
local.add_command(
    Command(
        "status",
        callback=_status,
        short_help="Say how the cluster is.",
        help="Ask every process of the cluster for its health.",
        epilog="Exit codes: 0 all is well, 1 a process is not, or no cluster is up.",
        params=[_directory_option(), click.Option(["--json"], is_flag=True, help="Print JSON.")],
    )
)
local.add_command(
    Command(
        "logs",
        callback=_logs,
        short_help="Print the logs.",
        help="Print the end of the logs of these SERVICES (history, matching, frontend, worker, …), or of all.",
        params=[
            click.Argument(["services"], nargs=-1, metavar="[SERVICE]..."),
            click.Option(["--follow", "-f"], is_flag=True, help="Go on with what is written, until interrupted."),
            click.Option(
                ["--lines"],
                type=click.IntRange(0),
                default=20,
                show_default=True,
                help="Lines of each log to begin with.",
            ),
            _directory_option(),
        ],
    )
)
local.add_command(
    Command(
        "down",
        callback=_down,
        short_help="End the cluster.",
        help="Drain and end every process of the cluster and drop its data. The logs stay until the next `up`.",
        params=[_directory_option()],
    )
)
