"""`auroral cluster`: its commands, their options and help."""

from __future__ import annotations

from typing import Any

import click

from auroral.cli.command import Group, SettingCommand, flags_given
from auroral.cli.dsql_target import OUTPUTS
from auroral.cli.process import Process
from auroral.cli.where import outputs_option, taken, where_options
from auroral.dsql.target import SETTINGS
from auroral.errors import ExitCode

COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("auroral.cli.cluster_rollout:up_command", "Start the services, in order."),
    "down": ("auroral.cli.cluster_rollout:down_command", "Stop the services, in reverse."),
    "scale": ("auroral.cli.cluster_rollout:scale_command", "Set how many tasks services have."),
    "recover": ("auroral.cli.cluster_recover:recover_command", "Lead the cluster out of a crash loop."),
    "roll": ("auroral.cli.cluster_rollout:roll_command", "Deploy what the last apply registered."),
    "status": ("auroral.cli.cluster_status:status_command", "Say how the deployment is, and what mends it."),
    "verify": ("auroral.cli.cluster_verify:verify_command", "Prove that the deployment works."),
    "exec": ("auroral.cli.cluster_session:exec_command", "Open a shell in a task, or run a command there."),
    "forward": ("auroral.cli.cluster_session:forward_command", "Open a service's port on this machine."),
    "logs": ("auroral.cli.cluster_logs:logs_command", "Show and follow the logs of services."),
}

cluster = Group("cluster", lazy=COMMANDS, help="Operate a deployed cluster.")


@click.pass_obj
def _clean_membership(process: Process, /, **params: Any) -> ExitCode:
    from auroral.cli.cluster_membership import clean_membership

    flags = flags_given(click.get_current_context(), params)
    return clean_membership(
        process,
        flags,
        taken(params),
        older_than=params["older_than"],
        yes=params["yes"],
        as_json=params["json"],
        list_=params["list"],
        listed=params["listed"],
    )


cluster.add_command(
    SettingCommand(
        "clean-membership",
        settings=SETTINGS,
        callback=_clean_membership,
        short_help="Delete the rows of hosts that are gone.",
        help="Show the rows of Temporal's cluster_membership whose hosts have not been heard of for some time, and "
        "delete them once that is confirmed. Temporal prunes them itself after 48 hours, and asks no host for a seed "
        "after 20 seconds without a heartbeat; rows of hosts that live are never deleted.",
        epilog="Exit codes: 0 deleted, or nothing to do; 1 more rows than were confirmed, none deleted; 2 wrong usage, "
        "or not confirmed; 3 the cluster cannot be reached or refuses it; 4 interrupted.",
        params=[
            outputs_option(OUTPUTS),
            *where_options(dry_run="Delete nothing; in the cluster: print the call that would start a task, only."),
            click.Option(
                ["--older-than"],
                metavar="DURATION",
                default="1m",
                show_default=True,
                help="Without a heartbeat for longer, by the database's clock; at least 20s.",
            ),
            click.Option(["--yes"], is_flag=True, help="Delete without asking."),
            click.Option(["--json"], is_flag=True, help="Print JSON; deletes with --yes only."),
            # What its tasks in the cluster are given: a list, and the deletion of what was confirmed of it.
            click.Option(["--list"], is_flag=True, hidden=True),
            click.Option(["--listed"], metavar="ROWS@TIME", hidden=True),
        ],
    )
)
