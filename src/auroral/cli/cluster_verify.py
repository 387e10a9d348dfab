"""`auroral cluster verify`: proves that a deployment works."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from auroral.cli import cluster_verify_own as own
from auroral.cli.command import WIDTH, Command
from auroral.cli.deployed import HINT, Operated, deployed_options, operated
from auroral.cli.process import Process
from auroral.ecs.verify.checks import BY_OUTPUTS, Check, Found, chosen
from auroral.errors import AuroralError, ExitCode, UsageError
from auroral.units import parse_duration_s, parse_rate_per_s

if TYPE_CHECKING:
    from auroral.aws_account import Account
    from auroral.ecs.health.prometheus import Ask

CHECKS = tuple(one.value for one in Check)
COME = "15m"
"""How long the benchmark's workers, and then its generator, may take to come: as `auroral bench remote run` has it."""


@click.pass_obj
def _verify(process: Process, /, **params: Any) -> ExitCode:
    return verify(process, **params)


def verify(
    process: Process,
    *,
    only: Collection[str],
    skip: Collection[str],
    no_benchmark: bool,
    rate: str,
    duration: str,
    workers: int | None,
    where: str | None,
    timeout: str,
    output: str | None,
    json: bool,
    yes: bool,
    dry_run: bool,
    account: Callable[..., Account] | None = None,
    sleep: Callable[[float], None] = time.sleep,
    now_s: Callable[[], float] = time.monotonic,
    utc: Callable[[], datetime] = lambda: datetime.now(UTC),
    **names: Any,
) -> ExitCode:
    """Make the checks, and print what they come to. `account`, `sleep`, `now_s` and `utc` are for tests."""
    from auroral.ecs.observe import Observer
    from auroral.ecs.verify.look import Looks
    from auroral.ecs.verify.run import prove
    from auroral.report.cluster_verify import document, encode, text

    checks = chosen([Check(one) for one in only], [Check(one) for one in skip], benchmark=not no_benchmark)
    load = _load(rate, duration)
    wait_s = _seconds("--timeout", timeout)
    if not checks:
        raise UsageError("no check is left", hint=f"--only and --skip take {', '.join(CHECKS)}")
    found = operated(process, account=account, **names)
    _need_outputs(found, checks)
    if dry_run:
        return _dry_run(process, found, checks, load, where=where, workers=workers, output=output, names=names)
    began = utc()
    Observer(found.account, found.fleet).look(tasks=False)  # raises where there is no such cluster, or no AWS
    if Check.BENCHMARK in checks:
        process.err(
            f"at the end a benchmark of {rate} for {duration} scales workers from zero and back: its instances cost "
            "money while they run (--no-benchmark leaves it out); nothing else is changed"
        )
    looks = Looks(
        found.account,
        found.fleet,
        ask=_workspace(found),
        environ=process.environ,
        say=process.err,
        wait_s=wait_s,
        sleep=sleep,
        now_s=now_s,
        utc=utc,
    )
    flags = own.flags_of(found.flags, where)

    def bench() -> Found:
        return own.benchmark(
            process,
            load,
            account=found.account,
            names=names,
            output=output,
            timeout_s=parse_duration_s(COME),
            yes=yes,
            workers=workers,
            sleep=sleep,
            now_s=now_s,
        )

    made: Mapping[Check, Callable[[], Found]] = {
        Check.SERVICES: looks.services,
        Check.SCHEMA: lambda: own.schema(process, flags),
        Check.EXEC: looks.exec,
        Check.UI: looks.ui,
        Check.GRAFANA: looks.grafana,
        Check.METRICS: looks.metrics,
        Check.VISIBILITY: lambda: own.visibility(process, flags, looks.search),
        Check.WORKFLOWS: looks.workflows,
        Check.ALARMS: looks.alarms,
        Check.BUDGET: looks.budget,
        Check.BENCHMARK: bench,
    }
    proof = prove(checks, made, process.err, now_s=now_s)
    told = document(found.fleet, proof, at=began.isoformat(timespec="seconds"), flags=found.flags, where=where)
    if json:
        process.document(encode(told))
    else:
        process.out(text(told))
    return proof.verdict.exit_code


def _load(rate: str, duration: str) -> dict[str, str]:
    """The benchmark's flags. Raises `UsageError`."""
    try:
        rate_per_s = parse_rate_per_s(rate)
    except ValueError as error:
        raise UsageError(f"--rate: expected {error}", hint="such as --rate 10") from error
    if rate_per_s <= 0:
        raise UsageError(f"--rate {rate}: expected more than 0", hint="--no-benchmark leaves the benchmark out")
    return {"target-rate": rate, "duration": f"{_seconds('--duration', duration):g}s"}


def _seconds(flag: str, text: str) -> float:
    try:
        seconds = parse_duration_s(text)
    except ValueError as error:
        raise UsageError(f"{flag}: expected {error}", hint=f"such as {flag} 30s") from error
    if not 1 <= seconds <= 86_400:
        raise UsageError(f"{flag} {text}: expected from 1s to 24h", hint=f"such as {flag} 30s")
    return seconds


def _need_outputs(found: Operated, checks: Sequence[Check]) -> None:
    """Raise `UsageError` where names alone do not say enough for a check."""
    lacking = [one for one in checks if one in BY_OUTPUTS] if found.fleet.contract is None else []
    if lacking:
        leave = " ".join("--no-benchmark" if one is Check.BENCHMARK else f"--skip {one}" for one in lacking)
        raise UsageError(
            f"names alone do not say enough for {', '.join(lacking)}: expected --outputs or --stack",
            hint=f"{HINT}; or leave them out: {leave}",
        )


def _workspace(found: Operated) -> Ask | None:
    """Whoever asks the workspace of metrics; None: no URL of it is known."""
    from auroral.ecs.health.prometheus import workspace

    session, url = getattr(found.account, "session", None), found.fleet.named.query_url
    return workspace(session, region=found.fleet.region, url=url) if session is not None and url else None


def _dry_run(
    process: Process,
    found: Operated,
    checks: Sequence[Check],
    load: Mapping[str, str],
    *,
    where: str | None,
    workers: int | None,
    output: str | None,
    names: Mapping[str, Any],
) -> ExitCode:
    """Print, check by check, what would be called that does more than read."""
    from auroral.aws_account import DryRun
    from auroral.ecs.verify.checks import CLAIMS

    door = DryRun(found.account, process.out)
    commands = own.lines(found.flags, where)
    for check in checks:
        process.out(f"# {check}: whether {CLAIMS[check]}")
        if check in commands:
            process.out(f"#   {commands[check]}")
            if where == "cluster":
                own.dry_run(process, check, own.flags_of(found.flags, where))
        elif check in _SESSIONS:
            _session(process, door, found, check)
        elif check is Check.BENCHMARK:
            own.benchmark_dry_run(process, load, account=found.account, names=names, output=output, workers=workers)
    return ExitCode.OK


_SESSIONS = {Check.EXEC: "frontend", Check.UI: "ui", Check.GRAFANA: "grafana", Check.WORKFLOWS: "frontend"}
"""The service that each enters: EXEC with a command, the others by a forwarded port."""


def _session(process: Process, door: Account, found: Operated, check: Check) -> None:
    """Print the call that opens a session; why not, where no task runs that it could be opened into."""
    from auroral.ecs.session.exec import find_target
    from auroral.ecs.session.plan import exec_call, forward_call, marked_command, remote_port_of, service_of
    from auroral.ecs.verify.look import HEALTH, HTTP_PORT

    service = _SESSIONS[check]
    try:
        known = service_of(found.fleet, service)
        target = find_target(found.account, found.fleet, service)
        if check is Check.EXEC:
            call = exec_call(target, marked_command((HEALTH,), "0"))
        else:
            listed = known.ports.get("http", HTTP_PORT) if check is Check.WORKFLOWS else None
            call = forward_call(target, remote_port_of(known, listed), 0)
    except AuroralError as error:
        process.out(f"#   {error.message}")
        return
    door.call(call.service, call.operation, **call.arguments)


verify_command = Command(
    "verify",
    callback=_verify,
    short_help="Prove that the deployment works.",
    help="Check one after the other, and go on after a failure: services are steady; schema and roles are there; a "
    "command runs in a task; UI and Grafana load through forwarded ports; fresh metrics of each task are in the "
    "workspace; the visibility store is well, and the frontend lists workflows; no alarm rings; DSQL's connections "
    "stay within the budget; a short benchmark passes. The benchmark scales its workers from zero and back, which "
    "costs money; nothing else is changed.",
    epilog="Exit codes: 0 all passed; 1 a check failed, and is named; 2 wrong usage; 3 AWS cannot be reached, or its "
    "credentials are over; 4 interrupted: a benchmark that had begun was scaled back.",
    params=[
        *deployed_options(),
        click.Option(
            ["--only"],
            type=click.Choice(CHECKS),
            multiple=True,
            metavar="CHECK",
            help=f"One of {', '.join(CHECKS)}; repeatable.",
        ),
        click.Option(
            ["--skip"], type=click.Choice(CHECKS), multiple=True, metavar="CHECK", help="Leave it out; repeatable."
        ),
        click.Option(["--no-benchmark"], is_flag=True, help="Leave the benchmark out: it changes and costs nothing."),
        click.Option(["--rate"], default="10", show_default=True, metavar="RATE", help="Of the benchmark."),
        click.Option(["--duration"], default="30s", show_default=True, metavar="DURATION", help="Of the benchmark."),
        click.Option(
            ["--workers"],
            type=click.IntRange(1, 10_000),
            metavar="NUMBER",
            help="Of the benchmark.  [default: by the rate]",
        ),
        click.Option(
            ["--output"],
            metavar="DIRECTORY",
            help="Directory of the benchmark's results.  [default: results/<run id>]",
        ),
        click.Option(
            ["--where"],
            type=click.Choice(["here", "cluster"]),
            help="Ask for schema and visibility from here, or by tasks of the deployment.  [default: here when what "
            "is asked answers here]",
        ),
        click.Option(
            ["--timeout"],
            default="5m",
            show_default=True,
            metavar="DURATION",
            help="How long services may take to be steady, and the metrics of new tasks to arrive.",
        ),
        click.Option(["--yes"], is_flag=True, help="Do not ask where benchmark workers run already."),
        click.Option(["--json"], is_flag=True, help="Print JSON: auroral.cluster-verify/1."),
    ],
    context_settings={"max_content_width": WIDTH},
)
