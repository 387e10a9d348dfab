"""`auroral infra smoke-aws` and `auroral infra sweep`: options, questions, exit codes."""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from auroral import aws
from auroral.cli.command import Command
from auroral.cli.confirm import confirm
from auroral.cli.process import Process
from auroral.errors import ExitCode, OutputError, UsageError

if TYPE_CHECKING:
    from auroral.infra.smoke import Settings
    from auroral.infra.smoke_run import Executor, Outcome

_CAP_USD = 25.0


@click.pass_obj
def _smoke(process: Process, /, teardown_only: str | None, **params: Any) -> ExitCode:
    return take_down(process, teardown_only) if teardown_only is not None else smoke(process, **params)


@click.pass_obj
def _sweep(process: Process, /, **params: Any) -> ExitCode:
    return sweep(process, **params)


smoke_aws = Command(
    "smoke-aws",
    callback=_smoke,
    short_help="Build, measure and remove the dev profile in a real account.",
    help="Build everything of the dev profile in an AWS account, run a ten-minute benchmark and cluster verify, and "
    "take all of it down again, also after a failure or Ctrl-C. Use an account of its own. It costs money: the bill is "
    "reckoned first, and refused above --cap.",
    epilog="Exit codes: 0 all passed and all is gone, 1 a step failed or something is left, 2 wrong usage, or a "
    "command is missing, 4 interrupted and taken down; else the failed step's own.",
    params=[
        click.Option(["--region"], metavar="REGION", help="Where.  [default: AWS_REGION, AWS_DEFAULT_REGION]"),
        click.Option(["--project"], metavar="NAME", help="Prefix of all names.  [default: smoke- and six digits]"),
        click.Option(
            ["--cap"],
            type=click.FloatRange(0, 10_000, min_open=True),
            default=_CAP_USD,
            show_default=True,
            metavar="USD",
            help="What it may cost.",
        ),
        click.Option(["--directory"], metavar="DIR", help="Journal, logs and results.  [default: results/PROJECT]"),
        click.Option(["--teardown-only"], metavar="DIR", help="Take down what an earlier one has left, and stop."),
        click.Option(["--yes"], is_flag=True, help="Begin without asking."),
    ],
)

_WHATS = ("results", "state", "images", "instances", "secret", "left")
sweep_command = Command(
    "sweep",
    callback=_sweep,
    short_help="Remove what keeps a deployment from being destroyed.",
    help="Delete, of one project: benchmark results, versions of the state bucket, images, Grafana's secret (in 7 "
    "days), the instances' protection from scale-in; or list what is left of it. Terraform's destroy does "
    "none of these.",
    epilog="Exit codes: 0 done, or nothing is left; 1 something is left; 2 wrong usage, or not confirmed; "
    "3 AWS cannot be reached or refuses it.",
    params=[
        click.Option(["--project"], required=True, metavar="NAME", help="Prefix of the deployment's names."),
        click.Option(["--region"], metavar="REGION", help="Where.  [default: AWS_REGION, AWS_DEFAULT_REGION]"),
        click.Option(
            ["--what"], type=click.Choice(_WHATS), multiple=True, required=True, help="What to remove. Repeatable."
        ),
        click.Option(["--yes"], is_flag=True, help="Delete without asking."),
    ],
)


def smoke(
    process: Process,
    *,
    region: str | None,
    project: str | None,
    cap: float,
    directory: str | None,
    yes: bool,
    executor: Executor | None = None,
) -> ExitCode:
    """Check what can be checked beforehand, ask, run, take down."""
    from auroral.infra.smoke import LOAD_H, PLANNED_H, Settings, commands, steps
    from auroral.infra.smoke_account import look_at

    where = _region(process, region)
    name = project or f"smoke-{secrets.token_hex(3)}"
    folder = Path(directory or f"results/{name}").resolve()
    draft = Settings(project=name, region=where, account_id="", directory=str(folder))
    listed = steps(draft)
    if missing := missing_commands(commands(listed)):
        raise UsageError(
            "the smoke test needs commands that this auroral does not have:\n  " + "\n  ".join(missing),
            hint="nothing was made; it runs once they are there",
        )
    told = _cost(where, cap, hours=PLANNED_H, load_hours=LOAD_H)
    account = look_at(_session(where))
    process.err(f"account {account.id} as {account.caller}, {where}, project {name}\n{told}")
    if not yes:
        confirm(
            process,
            f"Build {len(listed)} steps there, and take them down again?",
            otherwise="a smoke test costs money",
            hint="--yes goes on without asking",
        )
    settings = Settings(
        project=name,
        region=where,
        account_id=account.id,
        partition=account.partition,
        directory=str(folder),
        service_linked_roles=account.lacks,
    )
    return _run(process, settings, executor)


def _run(process: Process, settings: Settings, executor: Executor | None) -> ExitCode:
    from auroral.infra.smoke_execute import Processes
    from auroral.infra.smoke_journal import create
    from auroral.infra.smoke_run import run

    with create(settings, _now) as journal:
        write_files(settings)
        process.err(f"everything is kept in {settings.directory}")
        outcome = run(journal, executor or Processes(process.stderr, keep_open=journal.descriptor), process.err)
    return _end(process, settings, outcome)


def take_down(
    process: Process,
    directory: str,
    executor: Executor | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> ExitCode:
    """Undo what an earlier smoke test has left."""
    from auroral.infra.smoke_execute import Processes
    from auroral.infra.smoke_journal import reopen
    from auroral.infra.smoke_run import tear_down

    with reopen(Path(directory).resolve(), _now) as journal:
        chosen = executor or Processes(process.stderr, keep_open=journal.descriptor)
        outcome = tear_down(journal, chosen, process.err, pause=pause)
    return _end(process, journal.settings, outcome)


def _end(process: Process, settings: Settings, outcome: Outcome) -> ExitCode:
    if outcome.left:
        process.err(
            f"error: still there, and it costs money: {', '.join(outcome.left)}\n"
            f"  hint: auroral infra smoke-aws --teardown-only {settings.directory}"
        )
    elif outcome.code is ExitCode.OK:
        process.out(f"all is taken down; what is left of it: {settings.directory}")
    else:
        process.err(f"all is taken down; {outcome.failed or 'the run'} did not end well: see {settings.directory}/logs")
    return outcome.code


def write_files(settings: Settings) -> None:
    """Write what the stacks are given. Raises `OutputError`."""
    from auroral.infra.smoke import files

    for name, text in files(settings).items():
        path = Path(settings.directory) / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise OutputError(f"{path} cannot be written: {error.strerror}") from error


def missing_commands(wanted: Iterable[Sequence[str]], known: click.Group | None = None) -> list[str]:
    """What of these command lines auroral does not know: the command, or one of its options."""
    from auroral.cli.main import root

    found = [one for line in wanted for one in _unknown(known or root, line)]
    return list(dict.fromkeys(found))


def _unknown(group: click.Group, line: Sequence[str]) -> list[str]:
    words = list(itertools.takewhile(lambda word: not word.startswith("-"), line))
    command: click.Command | None = group
    used = 0
    while isinstance(command, click.Group) and used < len(words):
        command = command.get_command(click.Context(command), words[used])
        used += 1
    if command is None:
        return [f"auroral {' '.join(words)}"]
    known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
    own = itertools.takewhile(lambda word: word != "--", line)  # what follows is another program's
    given = [word.split("=")[0] for word in own if word.startswith("--")]
    return [f"auroral {' '.join(words[:used])} {word}" for word in given if word not in known]


def sweep(process: Process, *, project: str, region: str | None, what: tuple[str, ...], yes: bool) -> ExitCode:
    """Show what there is, ask, remove it; for `left` say what is left."""
    import msgspec

    from auroral.infra.sweep import Sweeper, What

    where = _region(process, region)
    chosen = msgspec.convert(list(dict.fromkeys(what)), list[What])
    sweeper = Sweeper(_session(where), project=project, region=where, say=process.out)
    found = sweeper.found(chosen)
    left = found.pop("left", [])
    names = [f"  {kind}: {name}" for kind, ones in found.items() for name in ones]
    if names:
        process.err("\n".join([f"of project {project} in {where}:", *names]))
        if not yes:
            confirm(
                process,
                "Delete their content, and take protection off?",
                otherwise="this cannot be undone",
                hint="--yes goes on without asking",
            )
        sweeper.remove(found)
    elif found:
        process.out(f"nothing to remove of project {project} in {where}")
    if "left" in chosen:
        process.out("\n".join(["left:", *(f"  {arn}" for arn in left)]) if left else f"nothing is left of {project}")
    return ExitCode.FAILED if left else ExitCode.OK


def _cost(region: str, cap_usd: float, *, hours: float, load_hours: float) -> str:
    from auroral.capacity.presets import presets
    from auroral.capacity.prices import packaged_prices
    from auroral.infra.smoke_cost import cost, require_under

    found = cost(presets(), packaged_prices(), region=region, hours=hours, load_hours=load_hours)
    require_under(found, cap_usd)
    return str(found)


def _region(process: Process, given: str | None) -> str:
    region = given or process.environ.get("AWS_REGION") or process.environ.get("AWS_DEFAULT_REGION")
    if not region:
        raise UsageError("expected a region: --region, or AWS_REGION; found neither", hint="--region eu-west-1")
    return region


def _session(region: str) -> Any:
    try:
        import boto3
    except ImportError as error:
        raise aws.without_extra(error, "what reaches AWS") from error
    return boto3.Session(region_name=region)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
