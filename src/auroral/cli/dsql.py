"""`auroral dsql`: its commands, their options and help."""

from __future__ import annotations

from typing import Any

import click

from auroral.cli.command import Group, SettingCommand, flags_given
from auroral.cli.dsql_target import OUTPUTS
from auroral.cli.process import Process
from auroral.cli.where import forwarded, outputs_option, taken, where_options
from auroral.dsql.target import SETTINGS
from auroral.errors import ExitCode

dsql = Group("dsql", help="Look at a cluster of Aurora DSQL: how fast it answers, and who holds its connections.")

_FIELDS = tuple(setting.field for setting in SETTINGS)


def _split(params: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings' flags by name, and what is left of the parameters."""
    flags = flags_given(click.get_current_context(), params)
    return flags, {name: value for name, value in params.items() if name not in _FIELDS}


@click.pass_obj
def _probe(process: Process, /, **params: Any) -> ExitCode:
    from auroral.cli.dsql_probe import probe

    flags, rest = _split(params)
    asked = taken(rest)
    words = ["dsql", "probe", *forwarded(click.get_current_context(), rest)]
    return probe(process, flags, asked, words, **rest)


@click.pass_obj
def _connections(process: Process, /, **params: Any) -> ExitCode:
    from auroral.cli.dsql_connections import connections

    flags, rest = _split(params)
    asked = taken(rest)
    words = ["dsql", "connections", *forwarded(click.get_current_context(), rest)]
    return connections(process, flags, asked, words, cloudwatch=rest["cloudwatch"], as_json=rest["json"])


dsql.add_command(
    SettingCommand(
        "probe",
        settings=SETTINGS,
        callback=_probe,
        short_help="Measure connecting, round trips, commits and conflicts.",
        help="Measure how long a connection, a round trip and a commit take, and how many transactions conflict when "
        "several writers change the same rows. The rows are in a table of the probe's own, in the schema "
        "auroral_probe, which is dropped at the end. Without the right to make one the rest is measured.",
        epilog="Exit codes: 0 measured, 1 the table lacks a commit that was acknowledged, 2 wrong usage, 3 the cluster "
        "cannot be reached, refused the probe or keeps its table, 4 interrupted: what was measured is printed.",
        params=[
            outputs_option(OUTPUTS),
            *where_options(),
            click.Option(
                ["--connections"], type=int, default=5, show_default=True, help="Connections to open and keep."
            ),
            click.Option(
                ["--rate"],
                metavar="RATE",
                default="5/s",
                show_default=True,
                help="How many to open a second, at most 20. All of the cluster's clients share 100/s.",
            ),
            click.Option(
                ["--duration"],
                metavar="DURATION",
                default="10s",
                show_default=True,
                help="Of each measurement: round trips, commits, contention.",
            ),
            click.Option(
                ["--writers"], type=int, default=4, show_default=True, help="Writers to the same rows; 0 for none."
            ),
            click.Option(["--keys"], type=int, default=10, show_default=True, help="Rows that they choose among."),
            click.Option(
                ["--timeout"],
                metavar="DURATION",
                default="10s",
                show_default=True,
                help="The longest wait for one answer.",
            ),
            click.Option(["--json"], is_flag=True, help="Print JSON."),
        ],
    )
)
dsql.add_command(
    SettingCommand(
        "connections",
        settings=SETTINGS,
        callback=_connections,
        short_help="Say who holds how many connections.",
        help="Count the cluster's connections by role, application, address and state, as far as pg_stat_activity "
        "shows them to this role, against the cluster's limit. AWS documents no view of all sessions: --cloudwatch "
        "asks for AWS's own total.",
        epilog="Exit codes: 0 counted, 2 wrong usage, 3 the cluster or CloudWatch cannot be reached.",
        params=[
            outputs_option(OUTPUTS),
            *where_options(),
            click.Option(
                ["--cloudwatch"],
                is_flag=True,
                help="Ask CloudWatch for the total too (cloudwatch:GetMetricStatistics).",
            ),
            click.Option(["--json"], is_flag=True, help="Print JSON."),
        ],
    )
)
