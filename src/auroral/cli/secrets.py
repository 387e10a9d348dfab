"""`auroral secrets`: what a deployment needs and no state holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from auroral.aws_settings import region_of
from auroral.cli.command import WIDTH, Command, Group
from auroral.cli.confirm import confirm
from auroral.cli.process import Process
from auroral.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from auroral.grafana_secret import Outcome

secrets = Group("secrets", help="Make what a deployment needs and no state holds.")

_TOLD = {
    "kept": "is there already, and stays as it is",
    "made": "is made",
    "restored": "was scheduled for deletion, and is restored",
    "rotated": "has a new password",
}


@click.pass_obj
def _grafana(
    process: Process,
    /,
    *,
    project: str | None,
    region: str | None,
    outputs: str | None,
    profile: str | None,
    tfvars: str | None,
    show: bool,
    rotate: bool,
    yes: bool,
    dry_run: bool,
) -> ExitCode:
    from auroral.aws_account import AwsAccount
    from auroral.grafana_secret import GrafanaSecret
    from auroral.images.names import checked_project
    from auroral.tfvars_file import TfvarsFile

    if outputs is not None and (project is not None or region is not None):
        raise UsageError("expected --outputs, or --project and --region, got both", hint="leave one of them out")
    secret_id = None
    if outputs is not None:
        project, region, secret_id = _deployed(outputs)
    project = checked_project(project or "auroral")
    file = TfvarsFile(tfvars, "grafana_secret_arn") if tfvars is not None else None
    environ = process.environ
    where = region or region_of(environ)
    account = AwsAccount(region=where, profile=profile or environ.get("AWS_PROFILE") or None)
    secret = GrafanaSecret(account, project, secret_id)
    found = secret.look()
    if dry_run:
        for call in secret.calls(found, rotate=rotate):
            process.out(call.shell(region=account.region, profile=account.profile))
        if found is not None and not rotate and not found.deleted:
            process.err(f"{found.arn} is there already: nothing would be changed")
        return ExitCode.OK
    if found is not None and found.deleted and not yes:
        confirm(
            process,
            f"{found.arn} is scheduled for deletion: restore it?",
            otherwise=f"{found.arn} is scheduled for deletion",
            hint="--yes restores it without asking",
        )
    if found is not None and rotate and not yes:
        confirm(
            process,
            f"Give {found.arn} a new password, and forget the old one?",
            otherwise=f"{found.arn} would get a new password",
            hint="--yes rotates without asking",
        )
    outcome = secret.ensure(found, rotate=rotate)
    _tell(process, outcome, project, show=show)
    if file is not None:
        writer = f"auroral secrets grafana --project {project} --region {account.region}"
        changed = file.write(writer, outcome.arn)
        process.err(f"{file.path} {'is written' if changed else 'is as it was'}")
    return ExitCode.OK


def _tell(process: Process, outcome: Outcome, project: str, *, show: bool) -> None:
    process.err(f"the secret {project}/grafana {_TOLD[outcome.done]}")
    process.out(outcome.arn)
    if show:
        process.out(f"user      {outcome.administrator.user}\npassword  {outcome.administrator.password}")
    if outcome.done == "rotated":
        process.err("Grafana takes it when its task is deployed again: auroral cluster roll grafana --force")
    elif outcome.done == "made" and not show:
        process.err("--show prints user and password")


def _deployed(outputs: str) -> tuple[str, str, str]:
    """Project, region and the secret's ARN. Raises `UsageError` and `OutputError`."""
    from auroral.deployment import load_outputs

    contract = load_outputs(outputs).contract
    if contract is None:
        raise UsageError(
            f"{outputs} has no output contract: expected the outputs of the platform stack",
            hint="auroral infra output > outputs.json; before the platform is applied: --project and --region",
        )
    return contract.project, contract.region, contract.grafana_secret_arn


secrets.add_command(
    Command(
        "grafana",
        callback=_grafana,
        short_help="Make the secret of Grafana's administrator.",
        help="Make the secret PROJECT/grafana in Secrets Manager, with a password that nobody has seen, and print its "
        "ARN. One that is there stays as it is; one that is scheduled for deletion is restored, once confirmed.",
        epilog="Exit codes: 0 it is there, 2 wrong usage, or not confirmed, 3 AWS failed, or the secret holds "
        "something else, 4 interrupted.",
        params=[
            click.Option(["--project"], metavar="NAME", help="Of the stacks.  [default: auroral]"),
            click.Option(["--region"], metavar="REGION", help="Where.  [default: AWS_REGION, AWS_DEFAULT_REGION]"),
            click.Option(["--outputs"], metavar="FILE", help="Outputs of the deployment, for both."),
            click.Option(["--profile"], metavar="NAME", help="Of AWS's configuration.  [AWS_PROFILE]"),
            click.Option(["--tfvars"], metavar="FILE", help="Write the variable grafana_secret_arn there."),
            click.Option(["--show"], is_flag=True, help="Print user and password, too."),
            click.Option(["--rotate"], is_flag=True, help="Give it a new password."),
            click.Option(["--yes"], is_flag=True, help="Do not ask."),
            click.Option(["--dry-run"], is_flag=True, help="Print the AWS calls that would change something, only."),
        ],
        context_settings={"max_content_width": WIDTH},
    )
)
