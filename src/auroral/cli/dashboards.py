"""`auroral dashboards`: its commands, their options, and what they print."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from auroral.cli.command import WIDTH, Command, Group
from auroral.cli.process import Process
from auroral.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from auroral.dashboards.ask import Fetch

LEAST_SINCE_S = 60.0

dashboards = Group("dashboards", help="Build dashboards and rules, and check that their queries have data.")


@click.pass_obj
def _build(process: Process, /, *, check: bool) -> ExitCode:
    from auroral.dashboards import build, found

    root = found.checkout(Path.cwd())
    files = build.texts()
    written = [] if check else build.write(root, files)
    for name in written:
        process.out(name)
    differing = build.differences(root, files)
    for name, why in differing.items():
        process.out(f"{name}: {why}")
    if differing:
        process.err("build them: auroral dashboards build" if check else "delete what is built no more")
        return ExitCode.FAILED
    process.err(f"{len(files)} files, {len(written)} written" if not check else f"{len(files)} files are as built")
    return ExitCode.OK


@click.pass_obj
def _check(process: Process, /, *, directory: str | None, since: str, json: bool, **where: Any) -> ExitCode:
    from auroral.dashboards import found
    from auroral.dashboards.ask import asker
    from auroral.dashboards.check import Judge, checked
    from auroral.dashboards.collected import SCRAPE_INTERVAL_S
    from auroral.dashboards.questions import of_dashboard, of_rules
    from auroral.dashboards.rule_files import KNOWN
    from auroral.report import dashboards_check
    from auroral.units import parse_duration_s

    since_s = _since_s(since, parse_duration_s)
    files = found.read(found.find(Path.cwd(), directory))
    url, fetch = _fetch(process, **where)
    window, span = f"{4 * SCRAPE_INTERVAL_S}s", f"{round(since_s)}s"
    questions, others = [], []
    for name, document in files.dashboards.items():
        asked, not_asked = of_dashboard(f"{found.DASHBOARDS}/{name}", document, window=window, span=span)
        questions += asked
        others += not_asked
    for name, document in files.rules.items():
        questions += of_rules(f"{found.RULES}/{name}", document)
    judge = Judge(asker(fetch, now_s=time.time(), since_s=since_s), questions, KNOWN)
    results = []
    for number, question in enumerate(questions, start=1):
        if process.interactive:
            process.stderr.write(f"\r{number} of {len(questions)} queries")
            process.stderr.flush()
        results.append(judge.judge(question))
    if process.interactive:
        process.stderr.write("\r\x1b[K")
    outcome = checked(results, others)
    if json:
        process.document(dashboards_check.encode(outcome, at=url, since_s=since_s))
    else:
        process.out(dashboards_check.text(outcome, at=url))
    return outcome.exit_code


def _since_s(text: str, parse: Callable[[str], float]) -> float:
    try:
        since_s = parse(text)
    except ValueError as error:
        raise UsageError(f"--since {text}: expected a duration, such as 1h", hint=str(error)) from error
    if since_s < LEAST_SINCE_S:
        raise UsageError(f"--since {text}: expected at least {LEAST_SINCE_S:g}s, four scrapes")
    return since_s


def _fetch(
    process: Process,
    *,
    prometheus: str | None,
    sigv4: bool,
    outputs: str | None,
    stack: str | None,
    region: str | None,
    profile: str | None,
) -> tuple[str, Fetch]:
    """The URL that is asked and how. Raises `UsageError` where none is named, or two are."""
    from auroral.aws_settings import with_one_region
    from auroral.cli.deployed import HINT, find_deployment
    from auroral.dashboards.ask import plain, signed

    named = [
        flag for flag, value in (("--prometheus", prometheus), ("--outputs", outputs), ("--stack", stack)) if value
    ]
    if len(named) != 1:
        told = "none" if not named else " and ".join(named)
        raise UsageError(f"expected one of --prometheus, --outputs and --stack, found {told}", hint=HINT)
    if prometheus and not sigv4:
        if region or profile:
            raise UsageError("--region and --profile are for signed requests", hint="add --sigv4, or leave them out")
        return prometheus, plain(prometheus)
    deployment = find_deployment(process, outputs, stack, profile)
    contract = deployment.contract if deployment is not None else None
    if deployment is not None and contract is None:
        raise UsageError(f"{deployment.source} has no output contract: expected those of the platform stack", hint=HINT)
    url = prometheus or (contract.metrics.query_url if contract is not None else "")
    environ = with_one_region(process.environ)
    where = region or (deployment.region if deployment else None) or environ.get("AWS_REGION") or None
    from auroral.aws_account import AwsAccount

    account = AwsAccount(region=where, profile=profile or environ.get("AWS_PROFILE") or None)
    return url, signed(account.session, region=account.region, url=url)


dashboards.add_command(
    Command(
        "build",
        callback=_build,
        short_help="Write what is generated.",
        help="Write Grafana's dashboards, Prometheus' rules, its scrape file and the collector's configuration into "
        "this checkout: observability/, and the copies that Terraform loads. Needs the extra `dashboards`.",
        epilog="Exit codes: 0 as built, 1 something differs (--check) or is built no more, 2 wrong usage, no checkout, "
        "or the extra is not installed.",
        params=[click.Option(["--check"], is_flag=True, help="Write nothing; say what differs.")],
        context_settings={"max_content_width": WIDTH},
    )
)

dashboards.add_command(
    Command(
        "check",
        callback=_check,
        short_help="Say which queries have no data.",
        help="Run every query of every panel, variable and rule against a Prometheus, any value for each variable, "
        "and list what it does not understand, what has no data, and what has none as yet because what it counts has "
        "not happened. Alerts may be silent; what they compare has to be there. CloudWatch is not asked.",
        epilog="Exit codes: 0 all have data that can, 1 some have none or are not understood, 2 wrong usage or "
        "unreadable files, 3 Prometheus cannot be reached or refuses, 4 interrupted.",
        params=[
            click.Option(["--prometheus"], metavar="URL", help="Whom to ask."),
            click.Option(["--sigv4"], is_flag=True, help="Sign requests, for a workspace of Amazon's."),
            click.Option(
                ["--outputs"], metavar="FILE", help="Ask the workspace of a deployment (auroral infra output)."
            ),
            click.Option(["--stack"], metavar="NAME|DIR", help="Ask Terraform for those outputs."),
            click.Option(["--region"], metavar="REGION", help="Of signatures.  [default: of the outputs, AWS_REGION]"),
            click.Option(["--profile"], metavar="NAME", help="Of AWS's configuration.  [AWS_PROFILE]"),
            click.Option(
                ["--directory"], metavar="DIR", help="Holds dashboards/*.json and rules/*.yaml.  [default: auroral's]"
            ),
            click.Option(
                ["--since"], metavar="DURATION", default="1h", show_default=True, help="How far to look back."
            ),
            click.Option(["--json"], is_flag=True, help="Print JSON."),
        ],
        context_settings={"max_content_width": WIDTH},
    )
)
