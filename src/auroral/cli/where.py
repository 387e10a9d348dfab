"""`--where here|cluster`: the options, the choice, and a command's second home: a task of the deployment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from auroral.cli.command import SettingOption
from auroral.cli.process import Process
from auroral.config import Layer, Origin
from auroral.errors import ExitCode, UsageError
from auroral.units import parse_duration_s

if TYPE_CHECKING:
    from auroral.aws_account import Account
    from auroral.deployment import Deployment
    from auroral.ecs.one_shot.request import Place

Report = Callable[[str], None]
There = Callable[[Sequence[str], Report], ExitCode]
"""Runs the program of a task with these arguments; hears each line of its stdout."""

OUTPUTS_HINT = "auroral infra output > outputs.json writes what --outputs takes; --stack platform asks Terraform itself"
_OWN = ("outputs", "where", "stack", "task_timeout", "stop_on_interrupt", "dry_run")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the options ask for."""

    outputs: str | None
    where: str | None
    stack: str | None
    task_timeout: str
    stop_on_interrupt: bool
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What a command reaches when it runs here."""

    host: str
    port: int
    named_by: Origin
    """What names it."""
    profile: str | None = None
    region: str | None = None
    """For credentials; None: they are not looked for."""


def outputs_option(helped: str) -> click.Option:
    """The flag for a deployment's outputs; `helped` says what is taken from them."""
    return click.Option(
        ["--outputs"], metavar="FILE", help=f"Outputs of a deployment (`auroral infra output`): {helped}."
    )


def where_options(*, dry_run: str = "Print the call that would start a task, only.") -> list[click.Parameter]:
    """The options beside `--outputs`. `dry_run`: the help of `--dry-run`; empty where the command has its own."""
    options: list[click.Parameter] = [
        click.Option(
            ["--where"],
            type=click.Choice(["here", "cluster"]),
            help="Run here, or as a task of the deployment's cluster.  [default: here when what it asks answers here]",
        ),
        click.Option(
            ["--stack"],
            metavar="NAME|DIR",
            help="Ask Terraform for the outputs: of the stack in .auroral/NAME, or in DIR.",
        ),
        click.Option(
            ["--task-timeout"],
            metavar="DURATION",
            default="60m",
            show_default=True,
            help="How long a task is followed; it goes on then.",
        ),
        click.Option(["--stop-on-interrupt"], is_flag=True, help="Stop the task when this command is interrupted."),
    ]
    if dry_run:
        options.append(click.Option(["--dry-run"], is_flag=True, help=dry_run))
    return options


def taken(params: dict[str, Any], *, own_dry_run: bool = False) -> Asked:
    """Take these options out of a command's parameters. `own_dry_run`: the command has one of its own, and keeps it."""
    names = [name for name in _OWN if not (own_dry_run and name == "dry_run")]
    return Asked(**{name: params.pop(name) for name in names})


def forwarded(context: click.Context, params: Mapping[str, Any]) -> list[str]:
    """The options among `params` that were given another value than their default, as they are typed."""
    words: list[str] = []
    for option in context.command.params:
        if not isinstance(option, click.Option) or isinstance(option, SettingOption) or option.name not in params:
            continue
        value = params[option.name]
        if value is None or value == option.get_default(context) or value == ():
            continue
        if option.is_flag:
            words.append(option.opts[0])
        else:
            for one in value if option.multiple else [value]:
                words += [option.opts[0], str(one)]
    return words


def deployment_of(process: Process, asked: Asked, flags: Mapping[str, Any]) -> Deployment | None:
    """What --outputs or --stack names. Raises `UsageError` for both."""
    from auroral.cli.deployed import find_deployment

    if asked.outputs is not None and not asked.outputs.strip():
        raise UsageError("expected a file after --outputs, not ''", hint="leave --outputs out to use none")
    if asked.outputs is not None and asked.stack is not None:
        raise UsageError("expected --outputs or --stack, found both", hint="leave one of them out")
    profile = flags.get("profile") or process.environ.get("AWS_PROFILE") or None
    return find_deployment(process, asked.outputs, asked.stack, profile)


def place_in(deployment: Deployment | None, key: str) -> Place | None:
    """Where the deployment runs this task; None where it names none."""
    from auroral.ecs.one_shot.request import place_of

    if deployment is None or deployment.contract is None:
        return None
    return place_of(deployment.contract, key)


def in_cluster(
    process: Process,
    asked: Asked,
    *,
    key: str,
    place: Place | None,
    deployment: Deployment | None,
    site: Callable[[], Site | None],
) -> bool:
    """Choose; the choice and its reason are a line on stderr.

    `site` says what the command reaches here: None where the deployment names nothing of the kind. It raises what is
    wrong with the configuration, which is then told for either place.
    """
    from auroral.ecs.one_shot.where import Looked, Where, after_looking, without_looking

    wanted = Where(asked.where) if asked.where is not None else None
    reached = site() if wanted is None and place is not None else None
    named_by = reached.named_by.text if reached is not None and reached.named_by.layer is not Layer.FILE else ""
    choice = without_looking(wanted, possible=place is not None, named_by=named_by)
    if choice is None:
        nothing = Looked(address="", failure=f"{_source(deployment)} names no endpoint")
        choice = after_looking(nothing if reached is None else _look(reached), task=key)
    if choice.why:
        process.err(choice.why)
    if choice.where is Where.CLUSTER and place is None:
        raise no_task(deployment, key)
    return choice.where is Where.CLUSTER


def no_task(deployment: Deployment | None, key: str) -> UsageError:
    """The error of `--where cluster` without a task to run."""
    if deployment is None:
        return UsageError(
            f"--where cluster runs the task {key} of a deployment: expected --outputs or --stack, found neither",
            hint=OUTPUTS_HINT,
        )
    return UsageError(
        f"--where cluster runs the task {key}: {deployment.source} has no output contract that names it",
        hint=OUTPUTS_HINT,
    )


def refuse_for_cluster(flags: Sequence[str], what: str) -> None:
    """Refuse flags that name what the task's environment names. Raises `UsageError`."""
    if flags:
        raise UsageError(
            f"{', '.join(flags)} is not for --where cluster: the task's own environment names {what}",
            hint="leave it out, or add --where here",
        )


def refuse_here(asked: Asked) -> None:
    """Refuse --dry-run where no call to AWS would be made. Raises `UsageError`."""
    if asked.dry_run:
        raise UsageError("--dry-run prints the call that starts a task, and this runs here", hint="add --where cluster")


def there(
    process: Process,
    asked: Asked,
    flags: Mapping[str, Any],
    *,
    key: str,
    place: Place,
    deployment: Deployment | None,
) -> There:
    """A door to the task, opened once for all that is run there. Raises `UsageError`."""
    from auroral.aws_account import AwsAccount, DryRun
    from auroral.aws_settings import with_one_region
    from auroral.ecs.one_shot.run import run_in

    try:
        timeout_s = parse_duration_s(asked.task_timeout)
    except ValueError as error:
        raise UsageError(f"--task-timeout: expected {error}", hint="such as --task-timeout 60m") from error
    environ = with_one_region(process.environ)
    region = flags.get("region") or (deployment.region if deployment is not None else None)
    region = region or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or None
    profile = flags.get("profile") or environ.get("AWS_PROFILE") or None
    account: Account = AwsAccount(region=region, profile=profile)
    if asked.dry_run:
        account = DryRun(account, process.out)

    def run(arguments: Sequence[str], out: Report) -> ExitCode:
        return run_in(
            account,
            place,
            key,
            arguments,
            out=out,
            err=process.err,
            timeout_s=timeout_s,
            stop_on_interrupt=asked.stop_on_interrupt,
        )

    return run


def _look(site: Site) -> Any:
    from auroral import aws
    from auroral.ecs.one_shot.reach import why_not
    from auroral.ecs.one_shot.where import Looked

    failure = why_not(site.host, site.port)
    if not failure and site.region is not None:
        try:
            aws.credentials(site.profile, site.region)
        except UsageError as error:
            failure = error.message
    return Looked(address=f"{site.host}:{site.port}", failure=failure)


def _source(deployment: Deployment | None) -> str:
    return deployment.source if deployment is not None and deployment.source else "the deployment"
