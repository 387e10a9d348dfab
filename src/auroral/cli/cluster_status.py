"""`auroral cluster status`: one look at a deployment, or one after the other."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from auroral.cli.command import WIDTH, Command
from auroral.cli.deployed import Operated, deployed_options, operated
from auroral.cli.process import Process
from auroral.errors import ExitCode, TargetError, UsageError
from auroral.units import parse_duration_s

if TYPE_CHECKING:
    from auroral.aws_account import Account
    from auroral.dsql.target import DsqlTarget
    from auroral.ecs.health.prometheus import Ask
    from auroral.ecs.health.snapshot import Membership
    from auroral.report.cluster_status import StatusDocument

INTERVAL = "15"
LEAST_S = 2.0
"""A look makes some 30 calls: more often, AWS throttles them."""

TASK_S = 300.0
"""A task that is to read the ring's rows has to be placed, and to fetch its image."""

_COLOUR = re.compile(r"\x1b\[[0-9]+m")
_STORES_HINT = "; --where cluster reads them by a task of the deployment"


@click.pass_obj
def _status(
    process: Process,
    /,
    *,
    watch: str | None,
    json: bool,
    where: str | None,
    stores: bool,
    dry_run: bool,
    **names: Any,
) -> ExitCode:
    interval_s = _interval_s(watch)
    if interval_s is not None and where == "cluster":
        raise UsageError("--watch --where cluster would start a task at every look", hint="leave one of them out")
    if where == "cluster" and not stores:
        raise UsageError("--no-stores reads no store, and --where says where to", hint="leave one of them out")
    found = operated(process, **names)
    if where == "cluster" and found.fleet.contract is None:
        raise UsageError(
            "--where cluster runs a task that only a deployment's outputs name",
            hint="give --outputs or --stack instead of --cluster",
        )
    look = _looker(process, found, where=where, stores=stores, dry_run=dry_run)
    if interval_s is not None:
        return watched(process, look, interval_s=interval_s, as_json=json)
    document = look()
    _show(process, document, as_json=json)
    return document.verdict.exit_code


def watched(
    process: Process,
    look: Callable[[], StatusDocument],
    *,
    interval_s: float,
    as_json: bool,
    sleep: Callable[[float], None] = time.sleep,
) -> ExitCode:
    """Look again and again until an interrupt, over failures that pass. Raises what ECS says of the others."""
    from auroral.aws_account import AwsError

    shown = False
    try:
        while not process.stdout_closed:
            try:
                document = look()
            except AwsError as error:
                if not error.failure.passes:
                    raise
                process.err(f"not seen this time: {error.message}")
            else:
                _show(process, document, as_json=as_json, again=shown, live=True)
                shown = True
            sleep(interval_s)
    except KeyboardInterrupt:
        pass
    return ExitCode.OK


def _looker(
    process: Process, found: Operated, *, where: str | None, stores: bool, dry_run: bool
) -> Callable[[], StatusDocument]:
    from auroral.aws_account import DryRun
    from auroral.ecs.health.judgement import judge
    from auroral.ecs.health.status import DEADLINE_S, gather
    from auroral.report.cluster_status import document

    door: Account = DryRun(found.account, process.out) if dry_run else found.account
    ask = _ask(found)

    def members() -> Membership:
        if where == "cluster":
            return _members_there(process, door, found, dry_run=dry_run)
        return _members_here(process, found)

    def look() -> StatusDocument:
        seen = gather(
            door,
            found.fleet,
            ask=ask,
            members=members if stores else None,
            with_stores=stores,
            deadline_s=TASK_S if where == "cluster" else DEADLINE_S,
        )
        return document(found.fleet, seen, judge(found.fleet, seen), flags=found.flags, stores=stores)

    return look


def _ask(found: Operated) -> Ask | None:
    """Whoever asks the workspace of metrics; None: no URL of it is known."""
    from auroral.ecs.health.prometheus import workspace

    session, url = getattr(found.account, "session", None), found.fleet.named.query_url
    return workspace(session, region=found.fleet.region, url=url) if session is not None and url else None


def _members_here(process: Process, found: Operated) -> Membership:
    from auroral.ecs.health.members import here

    try:
        return here(_target(process, found))
    except TargetError as error:
        raise TargetError(error.message + _STORES_HINT) from error


def _members_there(process: Process, door: Account, found: Operated, *, dry_run: bool) -> Membership:
    from auroral.ecs.health.members import in_cluster

    try:
        return in_cluster(door, found.fleet, process.err, timeout_s=TASK_S)
    except TargetError:
        if dry_run:
            raise TargetError("no task was started (--dry-run)") from None
        raise


def _target(process: Process, found: Operated) -> DsqlTarget:
    """The deployment's DSQL cluster, whatever cluster the environment names; its other settings are the environment's.

    Raises `TargetError`, `ConfigurationError`.
    """
    from auroral.dsql.target import resolve

    endpoint = found.fleet.named.dsql_endpoint
    if not endpoint:
        raise TargetError("no task definition names the DSQL endpoint")
    environ = {name: value for name, value in process.environ.items() if name != "DSQL_ENDPOINT"}
    environ.setdefault("AWS_REGION", found.fleet.region)
    flags = {"endpoint": endpoint, "profile": found.account.profile}
    return resolve(flags={name: value for name, value in flags.items() if value}, environ=environ)[0]


def _show(
    process: Process, document: StatusDocument, *, as_json: bool, again: bool = False, live: bool = False
) -> None:
    """Print it: over the last one in a terminal, else after it."""
    if as_json:
        from auroral.report.cluster_status import encode

        process.document(encode(document, indent=not live))
        return
    from auroral.report.cluster_status_text import text

    terminal = _terminal(process)
    made = text(document, colour=terminal and not process.environ.get("NO_COLOR"))
    if not (live and terminal):
        process.out(f"{'-' * 100}\n{made}" if again else made)
        return
    size = _size(process)
    lines = fitted(made.rstrip("\n").split("\n"), size) if size else made.rstrip("\n").split("\n")
    # Home, each line's rest cleared, all below it cleared: nothing flickers as when the screen is cleared first.
    process.out("\x1b[H" + "".join(f"{line}\x1b[K\n" for line in lines) + "\x1b[J")


def fitted(lines: Sequence[str], size: os.terminal_size) -> list[str]:
    """As many lines as a terminal shows, those that it wraps counted so; the last one says how many it does not."""
    room = size.lines - 1
    rows = [max(1, -(-len(_COLOUR.sub("", line)) // size.columns)) for line in lines]
    if sum(rows) <= room:
        return list(lines)
    kept, used = 0, 0
    while used + rows[kept] <= room - 1:
        used += rows[kept]
        kept += 1
    return [*lines[:kept], f"… and {len(lines) - kept} more lines: a taller window shows them"]


def _terminal(process: Process) -> bool:
    return process.stdout.isatty() and process.environ.get("TERM", "") != "dumb"


def _size(process: Process) -> os.terminal_size | None:
    try:
        size = os.get_terminal_size(process.stdout.fileno())
    except (OSError, ValueError):
        return None
    return size if size.lines > 2 else None


def _interval_s(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        seconds = parse_duration_s(text)
    except ValueError as error:
        raise UsageError(f"--watch: expected {error}", hint="--watch alone looks every 15 s") from error
    if seconds < LEAST_S:
        raise UsageError(f"--watch {text}: expected {LEAST_S:g} s or more", hint="AWS throttles more frequent looks")
    return seconds


status_command = Command(
    "status",
    callback=_status,
    short_help="Say how the deployment is, and what mends it.",
    help="One screen: services, instances and their room, DSQL, OpenSearch, alarms, the ring's rows against running "
    "tasks, tasks that stopped, an operation that is under way; first of all what is unhealthy, with the command that "
    "mends it. What cannot be read is told as not known, and is no fault.",
    epilog="Exit codes: 0 healthy, or not started (every service is at 0); 1 something is unhealthy; 2 wrong usage; "
    "3 ECS cannot be asked; 4 interrupted. --watch ends with 0 at Ctrl-C.",
    params=[
        *deployed_options(),
        click.Option(
            ["--watch"],
            is_flag=False,
            flag_value=INTERVAL,
            metavar="[SECONDS]",
            help=f"Look again and again until Ctrl-C, every {INTERVAL} s unless told otherwise.",
        ),
        click.Option(["--json"], is_flag=True, help="Print JSON; with --watch a line for each look."),
        click.Option(
            ["--where"],
            type=click.Choice(["here", "cluster"]),
            help="Read the ring's rows from here, or by a task of the deployment.  [default: here]",
        ),
        click.Option(
            ["--stores/--no-stores"],
            default=True,
            help="Whether to ask DSQL, OpenSearch and the metrics.  [default: yes]",
        ),
    ],
    context_settings={"max_content_width": WIDTH},
)
