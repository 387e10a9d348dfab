"""`auroral capacity`: its commands."""

from __future__ import annotations

from auroral.cli.command import Group

capacity = Group(
    "capacity",
    lazy={
        "plan": ("auroral.cli.capacity_plan:plan", "Size a cluster and its budget of connections."),
        "simulate": ("auroral.cli.capacity_simulate:simulate", "Try to break the connection budget."),
    },
    help="Say what a rate of workflows takes, before anything is deployed: sizes, DSQL's budget of connections, cost; "
    "and try to break it by simulation.",
)
