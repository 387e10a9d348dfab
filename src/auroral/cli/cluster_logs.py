"""`auroral cluster logs`: the logs of services, merged by time."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import click

from auroral.cli.command import WIDTH, Command
from auroral.cli.deployed import deployed_options, operated
from auroral.cli.process import Process
from auroral.errors import ExitCode, UsageError
from auroral.units import parse_duration_s

SINCE = "15m"


@click.pass_obj
def _logs(
    process: Process,
    /,
    *,
    services: tuple[str, ...],
    follow: bool,
    since: str,
    until: str | None,
    task: str | None,
    text: str | None,
    json: bool,
    raw: bool,
    **names: Any,
) -> ExitCode:
    from auroral.ecs.logs.merge import Event
    from auroral.ecs.logs.reader import LogReader
    from auroral.ecs.logs.sources import sources
    from auroral.report.cluster_logs import line, record

    now_s = time.time()
    since_ms = _at_ms("--since", since, now_s)
    until_ms = None if until is None else _at_ms("--until", until, now_s)
    if until_ms is not None and until_ms <= since_ms:
        raise UsageError(f"--until {until} is not after --since {since}")
    if json and raw:
        raise UsageError("--json and --raw exclude each other", hint="--json has every message as it came")
    found = operated(process, **names)
    reader = LogReader(found.account, sources(found.fleet, services), process.err, text=text, task=task)
    colour = process.stdout.isatty() and "NO_COLOR" not in process.environ and process.environ.get("TERM") != "dumb"

    def show(event: Event) -> None:
        if json:
            process.document(record(event).decode())
        else:
            process.out(line(event, colour=colour, raw=raw))

    events = reader.follow(since_ms, until_ms) if follow else reader.between(since_ms, until_ms)
    shown = 0
    try:
        for event in events:
            show(event)
            shown += 1
            if process.stdout_closed:
                return ExitCode.OK
    except KeyboardInterrupt:
        if not follow:
            raise
    finally:
        for event in reader.held():
            show(event)
    if not follow and not shown:
        process.err(f"no events since {datetime.fromtimestamp(since_ms / 1000, UTC):%Y-%m-%d %H:%M:%SZ}")
    return ExitCode.OK


def _at_ms(flag: str, value: str, now_s: float) -> int:
    """A duration before now, or a time. Raises `UsageError`."""
    try:
        return int((now_s - parse_duration_s(value)) * 1000)
    except ValueError as error:
        problem = error
    try:
        at = datetime.fromisoformat(value)
    except ValueError as error:
        raise UsageError(
            f"{flag} {value}: expected how long ago, or a time as 2026-11-26T01:02:03Z ({problem})",
            hint="15m, 2h, 1d; a time without a zone is UTC",
        ) from error
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


logs_command = Command(
    "logs",
    callback=_logs,
    short_help="Show and follow the logs of services.",
    help="Show the logs of SERVICE…, of all services where none is named, merged by time; each line with its service "
    "and task. Other logs of the deployment have names too: exec, schema, opensearch_es_application_logs and so on. "
    "Lines of Temporal's JSON are shown as level, message and key=value. --follow waits four seconds for lines of "
    "other services before it shows one, and goes on until Ctrl-C, which is its normal end: exit 0.",
    epilog="Exit codes: 0 shown, or followed until Ctrl-C; 2 wrong usage or no credentials; 3 AWS cannot be reached "
    "or refuses, or the credentials are over; 4 interrupted before all was shown, without --follow.",
    params=[
        click.Argument(["services"], nargs=-1, metavar="[SERVICE]..."),
        click.Option(["--follow", "-f"], is_flag=True, help="Go on with what comes."),
        click.Option(
            ["--since"], metavar="WHEN", default=SINCE, show_default=True, help="How long ago, or a time in ISO 8601."
        ),
        click.Option(["--until"], metavar="WHEN", help="The same.  [default: now; with --follow: no end]"),
        click.Option(["--task"], metavar="ID", help="Of this task only; the id may be cut."),
        click.Option(
            ["--filter", "text"], metavar="TEXT", help="Lines with this phrase only; also CloudWatch's filter patterns."
        ),
        click.Option(["--json"], is_flag=True, help="One JSON object a line."),
        click.Option(["--raw"], is_flag=True, help="Messages as they came."),
        *deployed_options(dry_run=False),
    ],
    context_settings={"max_content_width": WIDTH},
)
