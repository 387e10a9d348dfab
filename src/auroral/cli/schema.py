"""`auroral schema`: its commands, their options and help."""

from __future__ import annotations

from typing import Any

import click

from auroral.cli.command import Group, SettingCommand, flags_given
from auroral.cli.process import Process
from auroral.cli.where import outputs_option, taken, where_options
from auroral.dsql.target import SETTINGS
from auroral.errors import ExitCode

schema = Group(
    "schema",
    help="Make Temporal's schema on Aurora DSQL, and say how it is: runs auroral-schema, here or as a task of the "
    "cluster.",
)

OWN_SETTINGS = tuple(setting for setting in SETTINGS if setting.name != "user")
"""DSQL_USER is the server's role; a schema is made by admin."""

_COMMANDS = {
    "setup": ("Make the schema.", "Make the schema in an empty database; goes on where a killed run stopped."),
    "update": (
        "Bring the schema to this version.",
        "Bring an older schema to the version of auroral-schema, before servers of that version start.",
    ),
    "status": ("Say what is pending.", "Compare the database with what auroral-schema expects."),
    "roles": (
        "Create the roles that enter.",
        "Create the database roles, map them to IAM roles and grant what they lack. With --outputs the deployment's "
        "roles are mapped, unless ARGS name others.",
    ),
    "verify-fence": ("Decide whether a shard fence holds.", "Try both shard fences in tables of its own."),
}


class _Rest(click.Argument):
    """Arguments for somebody else; the help text explains them."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:  # type: ignore[override]
        """Nothing: else it would stand among the options."""
        return None


def _params() -> list[click.Parameter]:
    return [
        _Rest(["args"], nargs=-1, type=click.UNPROCESSED, metavar="[-- ARGS]..."),
        click.Option(["--user"], metavar="ROLE", help="Database role to enter as.  [default: admin]"),
        outputs_option("the database, its roles and the task schema, for what is not given"),
        *where_options(),
        click.Option(["--cluster"], metavar="NAME", help="ECS cluster.  [default: output ecs_cluster]"),
        click.Option(
            ["--task-definition"], metavar="NAME", help="Schema task.  [default: output schema_task_definition]"
        ),
        click.Option(
            ["--container"], metavar="NAME", help="Its container.  [default: output schema_container, or its one]"
        ),
        click.Option(
            ["--subnet"],
            metavar="ID",
            multiple=True,
            help="Subnet of the task; repeatable.  [default: output task_subnets]",
        ),
        click.Option(
            ["--security-group"],
            metavar="ID",
            multiple=True,
            help="Of the task; repeatable.  [default: output schema_security_groups]",
        ),
        click.Option(
            ["--capacity-provider"],
            metavar="NAME",
            help="Places the task.  [default: output capacity_provider, or the launch type EC2]",
        ),
    ]


def _callback(name: str) -> Any:
    @click.pass_context
    def call(context: click.Context, /, **params: Any) -> ExitCode:
        from auroral.cli.schema_commands import run

        process = context.obj
        assert isinstance(process, Process)
        settings = {setting.name.replace("-", "_") for setting in OWN_SETTINGS}
        own = {name: value for name, value in params.items() if name not in settings}
        return run(process, name, flags_given(context, params), taken(own), **own)

    return call


for _name, (_short, _long) in _COMMANDS.items():
    schema.add_command(
        SettingCommand(
            _name,
            settings=OWN_SETTINGS,
            callback=_callback(_name),
            short_help=_short,
            help=f"{_long} ARGS after -- go to auroral-schema as they are; `-- --help` lists them.",
            epilog="Exit codes: 0 done, 1 a check failed or something is pending, 2 wrong usage, 3 the database or the "
            "cluster cannot be reached, 4 interrupted.",
            params=_params(),
        )
    )
