"""Which deployment a command acts on: its options, and the fleet and account that they name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from auroral.aws_settings import region_of
from auroral.cli.process import Process
from auroral.deployment import Deployment, load_outputs, parse_outputs
from auroral.errors import UsageError

if TYPE_CHECKING:
    from auroral.aws_account import Account
    from auroral.ecs.fleet import Fleet

HINT = "auroral infra output > outputs.json writes what --outputs takes; --stack platform asks Terraform itself"


@dataclass(frozen=True, slots=True)
class Operated:
    """What a command acts on."""

    fleet: Fleet
    account: Account
    deployment: Deployment | None
    flags: tuple[str, ...]
    """The options that named it, for the command line of a hint."""


def deployed_options(*, dry_run: bool = True) -> list[click.Parameter]:
    """The options of every command that acts on a deployment."""
    options: list[click.Parameter] = [
        click.Option(["--outputs"], metavar="FILE", help="Outputs of the deployment (`auroral infra output`)."),
        click.Option(
            ["--stack"],
            metavar="NAME|DIR",
            help="Ask Terraform for them: of the stack in .auroral/NAME, or in DIR.",
        ),
        click.Option(["--cluster"], metavar="NAME", help="ECS cluster, where there are no outputs."),
        click.Option(
            ["--project"],
            metavar="NAME",
            help="Prefix of its services' names, where there are no outputs.  [default: the cluster's name]",
        ),
        click.Option(["--region"], metavar="REGION", help="Where.  [default: of the outputs, AWS_REGION]"),
        click.Option(["--profile"], metavar="NAME", help="Of AWS's configuration.  [AWS_PROFILE]"),
    ]
    if dry_run:
        options.append(
            click.Option(["--dry-run"], is_flag=True, help="Print the AWS calls that would change something, only.")
        )
    return options


def operated(
    process: Process,
    *,
    outputs: str | None,
    stack: str | None,
    cluster: str | None,
    project: str | None,
    region: str | None,
    profile: str | None,
    account: Callable[..., Account] | None = None,
) -> Operated:
    """Find the deployment and a door to its account.

    Raises `UsageError` where none is named, or two are; `OutputError`, and what Terraform raises. `account` is
    for tests, and called as `AwsAccount` is.
    """
    from auroral.aws_account import AwsAccount

    named = [flag for flag, value in (("--outputs", outputs), ("--stack", stack), ("--cluster", cluster)) if value]
    if len(named) != 1:
        found = "none" if not named else " and ".join(named)
        raise UsageError(f"expected one of --outputs, --stack and --cluster, found {found}", hint=HINT)
    if project is not None and cluster is None:
        raise UsageError("--project is for --cluster: outputs name their own project", hint="leave it out")
    environ = process.environ
    deployment = find_deployment(process, outputs, stack, profile)
    fleet = _fleet(deployment) if deployment is not None else None
    where = region or (deployment.region if deployment else None) or region_of(environ)
    named_profile = profile or environ.get("AWS_PROFILE") or None
    door = (account or AwsAccount)(region=where, profile=named_profile)
    if fleet is None:
        from auroral.ecs.discover import discover

        assert cluster is not None
        fleet = discover(door, cluster, project or cluster)
    given = {"--outputs": outputs, "--stack": stack, "--cluster": cluster, "--project": project}
    given |= {"--region": region, "--profile": profile}
    flags = tuple(part for flag, value in given.items() if value for part in (flag, value))
    return Operated(fleet=fleet, account=door, deployment=deployment, flags=flags)


def find_deployment(process: Process, outputs: str | None, stack: str | None, profile: str | None) -> Deployment | None:
    """What --outputs or --stack names; None where neither does. Raises `UsageError`, `OutputError`."""
    if outputs is not None:
        return load_outputs(outputs)
    if stack is None:
        return None
    from auroral.cli.infra_commands import outputs_of

    directory = stack if "/" in stack or Path(stack).is_dir() else f".auroral/{stack}"
    if not Path(directory).is_dir():
        raise UsageError(
            f"--stack {stack}: there is no directory {directory}",
            hint="run where `auroral infra apply` ran, or give --outputs",
        )
    name = Path(directory).name if stack not in ("platform", "bootstrap") else stack
    text = outputs_of(process, stack=name if name == "bootstrap" else "platform", directory=directory, profile=profile)
    return parse_outputs(text, f"the stack in {directory}")


def _fleet(deployment: Deployment) -> Fleet:
    from auroral.ecs.fleet import of_contract

    if deployment.contract is None:
        raise UsageError(
            f"{deployment.source} has no output contract: expected the outputs of the platform stack", hint=HINT
        )
    return of_contract(deployment.contract, deployment.source)
