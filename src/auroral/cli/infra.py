"""`auroral infra`: its commands, their options and help."""

from __future__ import annotations

from typing import Any

import click

from auroral.cli.command import WIDTH, Command, Group
from auroral.cli.process import Process
from auroral.cli.smoke import smoke_aws, sweep_command
from auroral.errors import ExitCode

_COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("Fetch providers, connect the state.", "Fetch providers and connect the backend; again after an upgrade."),
    "plan": ("Say what would change, and check it.", "Plan into the directory, and check the correctness properties."),
    "apply": (
        "Check, then make it so.",
        "Plan, check the correctness properties, apply, and check what only the state knows.",
    ),
    "destroy": ("Take everything away.", "Plan the end of the whole stack and, once confirmed, carry it out."),
    "output": ("Print the outputs as JSON.", "Print the outputs as other commands read them with --outputs."),
    "check": (
        "Check the correctness properties.",
        "Check the correctness properties of FILE (a plan, or the JSON of `terraform show -json`), of the "
        "directory's last plan, or with --state of what is applied.",
    ),
    "unlock": ("Remove a lock that nobody holds.", "Remove the lock ID of a state whose holder is gone for good."),
}

infra = Group(
    "infra",
    help="Run Terraform for the deployment, and check its plans and states.",
)


def _common() -> list[click.Parameter]:
    return [
        click.Option(["--stack"], metavar="NAME", default="platform", show_default=True, help="bootstrap or platform."),
        click.Option(
            ["--directory"],
            metavar="DIR",
            help="Of this stack of this deployment: *.tfvars and *.tfvars.json, backend.hcl, Terraform's data, last "
            "plan, and state where there is no backend.  [default: .auroral/STACK]",
        ),
        click.Option(["--infra"], metavar="DIR", help="Modules and stacks.  [default: infra/ here or above]"),
        click.Option(["--profile"], metavar="NAME", help="Sizes: infra/profiles/NAME.tfvars, beneath all others."),
        click.Option(["--var-file"], metavar="FILE", multiple=True, help="More variables; repeatable, later ones win."),
        click.Option(
            ["--backend-config"],
            metavar="FILE|KEY=VALUE",
            multiple=True,
            help="Of the state's backend, on top of backend.hcl; repeatable.",
        ),
        click.Option(["--local-state"], is_flag=True, help="Keep the state in the directory, for trials."),
        click.Option(["--aws-profile"], metavar="NAME", help="Profile of AWS's configuration.  [AWS_PROFILE]"),
    ]


def _waivers() -> list[click.Parameter]:
    return [
        click.Option(["--waivers"], metavar="FILE", help="Accepted findings.  [default: DIR/waivers.toml]"),
    ]


_YES = click.Option(["--yes"], is_flag=True, help="Do not ask.")
_EXTRA: dict[str, list[click.Parameter]] = {
    "init": [click.Option(["--upgrade"], is_flag=True, help="Take the newest providers that the versions allow.")],
    "plan": [*_waivers(), click.Option(["--json"], is_flag=True, help="The check as JSON on stdout.")],
    "apply": [*_waivers(), _YES],
    "destroy": [_YES],
    "output": [],
    "check": [
        click.Argument(["file"], required=False, metavar="[FILE]"),
        click.Option(["--state"], is_flag=True, help="What is applied, instead of a plan."),
        *_waivers(),
        click.Option(["--json"], is_flag=True, help="As JSON on stdout."),
        click.Option(["--strict"], is_flag=True, help="Fail for what is not known, too."),
        click.Option(["--list", "list_"], is_flag=True, help="Print the properties and why, and check nothing."),
    ],
    "unlock": [click.Argument(["lock_id"], metavar="ID")],
}


def _callback(name: str) -> Any:
    @click.pass_context
    def call(context: click.Context, /, **params: Any) -> ExitCode:
        from auroral.cli import infra_commands

        process = context.obj
        assert isinstance(process, Process)
        result = getattr(infra_commands, name)(process, **params)
        assert isinstance(result, ExitCode)
        return result

    return call


for _name, (_short, _long) in _COMMANDS.items():
    infra.add_command(
        Command(
            _name,
            callback=_callback(_name),
            short_help=_short,
            help=_long,
            params=[*_EXTRA[_name], *_common()],
            context_settings={"max_content_width": WIDTH},
            epilog="Exit codes: 0 done, 1 a property is broken, 2 wrong usage or variables, 3 AWS, state or Terraform "
            "failed, 4 interrupted.",
        )
    )

infra.add_command(sweep_command)
infra.add_command(smoke_aws)
