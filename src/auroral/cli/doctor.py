"""`auroral doctor`: its options, what they choose, and what it prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from auroral.cli.command import WIDTH, Command
from auroral.cli.process import Process
from auroral.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from auroral.deployment import Deployment
    from auroral.doctor.quotas import Needs

GROUPS = ("credentials", "region", "quotas", "account", "bootstrap", "tools", "network")
"""`Group`'s values, without importing it for `--help`; a test compares."""
PROJECT = "auroral"
"""The default of stacks/bootstrap."""


@click.pass_obj
def _doctor(process: Process, /, **params: Any) -> ExitCode:
    return run(process, **params)


doctor = Command(
    "doctor",
    callback=_doctor,
    context_settings={"max_content_width": WIDTH},
    short_help="Check what a person needs before starting.",
    help="Check credentials, region, quotas, account settings, what the bootstrap stack makes, the tools of this "
    "machine, and what it must reach; each with its remedy. Nothing is changed. Without credentials, tools and network "
    "are looked at still.",
    epilog="Exit codes: 0 nothing that is needed is missing (warnings aside), 1 something is, 2 wrong usage, 3 AWS "
    "cannot be reached at all, 4 interrupted.",
    params=[
        click.Option(
            ["--region"],
            metavar="REGION",
            help="Where.  [default: of the outputs, AWS_REGION, the profile's]",
        ),
        click.Option(["--profile"], metavar="NAME", help="Of AWS's configuration.  [AWS_PROFILE]"),
        click.Option(["--outputs"], metavar="FILE", help="Outputs of a deployment: it is looked at, too."),
        click.Option(
            ["--stack"],
            metavar="NAME|DIR",
            help="Ask Terraform for them: of the stack in .auroral/NAME, or in DIR.",
        ),
        click.Option(
            ["--project"],
            metavar="NAME",
            help=f"Prefix of what the bootstrap stack made.  [default: of the outputs, {PROJECT}]",
        ),
        click.Option(
            ["--preset"],
            metavar="NAME",
            help="Whose needs the quotas must meet: dev, 100wps, 150wps or 400wps.  [default: the deployment's, dev]",
        ),
        click.Option(
            ["--only"],
            type=click.Choice(GROUPS),
            multiple=True,
            metavar="GROUP",
            help=f"One of {', '.join(GROUPS)}; repeatable.",
        ),
        click.Option(["--json"], is_flag=True, help="Print JSON."),
    ],
)


def run(
    process: Process,
    *,
    region: str | None,
    profile: str | None,
    outputs: str | None,
    stack: str | None,
    project: str | None,
    preset: str | None,
    only: tuple[str, ...],
    json: bool,
) -> ExitCode:
    """Look at everything, and print it."""
    from datetime import UTC, datetime
    from pathlib import Path

    from auroral.aws_account import AwsAccount
    from auroral.cli.deployed import find_deployment
    from auroral.doctor.checks import Group
    from auroral.doctor.diagnose import Wanted, diagnose
    from auroral.report.doctor import encode, text

    if outputs is not None and stack is not None:
        raise UsageError("--outputs and --stack both name a deployment", hint="give one of them")
    deployment = find_deployment(process, outputs, stack, profile)
    named_profile = profile or process.environ.get("AWS_PROFILE") or None
    groups = tuple(Group(one) for one in (only or GROUPS))
    wanted = Wanted(
        groups=groups,
        region=_region(process, region, deployment, named_profile),
        project=project or (deployment.project if deployment is not None else None) or PROJECT,
        deployment=deployment,
        needs=_needs(preset, deployment) if preset is not None or Group.QUOTAS in groups else None,
    )
    found = diagnose(
        wanted,
        environ=process.environ,
        start=Path.cwd(),
        now=datetime.now(UTC),
        open_account=lambda where: AwsAccount(region=where, profile=named_profile),
    )
    if json:
        process.document(encode(found))
    else:
        process.out(text(found))
    return found.exit_code


def _region(process: Process, given: str | None, deployment: Deployment | None, profile: str | None) -> str | None:
    from auroral.aws_settings import REGION_VARIABLES, parse_region
    from auroral.doctor.look_aws import region_of_profile

    named = [("--region", given), ("the outputs", deployment.region if deployment is not None else None)]
    named += [(name, process.environ.get(name, "").strip()) for name in REGION_VARIABLES]
    for origin, text in named:
        if text:
            try:
                return parse_region(text)
            except ValueError as error:
                raise UsageError(f"{origin}: expected {error}, got {text!r}") from error
    return region_of_profile(profile)


def _needs(preset: str | None, deployment: Deployment | None) -> Needs:
    from auroral.doctor import sizes

    if preset is None and deployment is not None and deployment.contract is not None:
        return sizes.of_contract(deployment.contract)
    return sizes.of_preset(preset or sizes.SMALLEST)
