"""`auroral visibility`: its commands, their options and help."""

from __future__ import annotations

from typing import Any

import click

from auroral.cli.command import Group, SettingCommand, flags_given
from auroral.cli.process import Process
from auroral.cli.where import forwarded, outputs_option, taken, where_options
from auroral.errors import ExitCode
from auroral.visibility.target import SETTINGS

visibility = Group(
    "visibility",
    help="Make Temporal's visibility index on Amazon OpenSearch, from Temporal's own template, and say how it is: "
    "index, template and the servers' role.",
)


def _shared() -> list[click.Parameter]:
    return [
        outputs_option("opensearch_endpoint, region, task_role_arns; the task visibility"),
        click.Option(
            ["--server-arn"],
            metavar="ARN",
            multiple=True,
            help="IAM role of Temporal's servers, to be mapped to the index's role; repeatable.  [default: those of "
            "--outputs]",
        ),
        click.Option(["--no-roles"], is_flag=True, help="Leave the security plugin alone, whatever --outputs has."),
        click.Option(["--ca-file"], metavar="FILE", help="PEM file of authorities to trust instead of the system's."),
        click.Option(["--json"], is_flag=True, help="Print JSON."),
    ]


@click.pass_context
def _apply(context: click.Context, /, **params: Any) -> ExitCode:
    from auroral.cli.visibility_commands import apply

    own = _own(params)
    asked = taken(own, own_dry_run=True)
    words = ["visibility", "apply", *_words(context, own)]
    return apply(_process(context), flags_given(context, params), asked, words, as_json=own.pop("json"), **own)


@click.pass_context
def _status(context: click.Context, /, **params: Any) -> ExitCode:
    from auroral.cli.visibility_commands import status

    own = _own(params)
    asked = taken(own)
    words = ["visibility", "status", *_words(context, own)]
    return status(_process(context), flags_given(context, params), asked, words, as_json=own.pop("json"), **own)


def _process(context: click.Context) -> Process:
    process = context.obj
    assert isinstance(process, Process)
    return process


def _own(params: dict[str, Any]) -> dict[str, Any]:
    """The parameters that are no settings."""
    settings = {setting.name.replace("-", "_") for setting in SETTINGS}
    return {name: value for name, value in params.items() if name not in settings}


def _words(context: click.Context, own: dict[str, Any]) -> list[str]:
    """What a task is told, but for the servers' roles and files of this machine."""
    return forwarded(context, {name: value for name, value in own.items() if name not in ("server_arn", "ca_file")})


visibility.add_command(
    SettingCommand(
        "apply",
        settings=SETTINGS,
        callback=_apply,
        short_help="Make the index, or bring it to this version.",
        help="Make template, index and the servers' role, or change what differs and can be changed in place. What "
        "would need a new index is refused, and then nothing is changed.",
        epilog="Exit codes: 0 all is as it should be, 1 something needs a new index or still differs, 2 wrong usage, "
        "3 unreachable or refused.",
        params=[
            *_shared(),
            *where_options(dry_run=""),
            click.Option(["--dry-run"], is_flag=True, help="Print the requests and send none of them."),
            click.Option(
                ["--shards"],
                type=click.IntRange(1, 1024),
                help="Primary shards of a new index; they are fixed then.  [default: Temporal's template, 1]",
            ),
        ],
    )
)
visibility.add_command(
    SettingCommand(
        "status",
        settings=SETTINGS,
        callback=_status,
        short_help="Say what is there, and what differs.",
        help="Compare index, template and the servers' role with what this version makes.",
        epilog="Exit codes: 0 all is as it should be, 1 something is missing or differs, 2 wrong usage, 3 unreachable, "
        "refused, or the index is red.",
        params=[*_shared(), *where_options()],
    )
)
