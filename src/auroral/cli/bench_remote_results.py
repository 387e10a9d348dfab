"""`auroral bench remote results`: list stored runs, or fetch one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from auroral.cli.command import Command
from auroral.cli.deployed import Operated, deployed_options, operated
from auroral.cli.process import Process
from auroral.errors import ExitCode, TargetError, UsageError
from auroral.json_document import json_text

if TYPE_CHECKING:
    from auroral.aws_account import Account
    from auroral.ecs.remote.results import Stored
    from auroral.report.bench_remote import Row


@click.pass_obj
def _results(process: Process, /, **params: Any) -> ExitCode:
    return results(process, **params)


results_command = Command(
    "results",
    callback=_results,
    short_help="List and fetch the results of runs.",
    help="List the runs that are stored, the newest first; or fetch RUN_ID, write its reports and print its summary. "
    "A run that could not send its results is read from its generator's log: --task.",
    epilog="Exit codes: 0 done, 2 wrong usage, 3 no such run, or AWS refuses it, 4 interrupted.",
    params=[
        click.Argument(["run_id"], required=False, metavar="[RUN_ID]"),
        *deployed_options(dry_run=False),
        click.Option(["--last"], is_flag=True, help="Fetch the newest one."),
        click.Option(["--task"], metavar="ID", help="Generator task whose log to read where none is stored."),
        click.Option(["--document"], is_flag=True, help="Fetch result.json alone."),
        click.Option(["--output"], metavar="DIRECTORY", help="Where to put it.  [default: results/<run id>]"),
        click.Option(
            ["--limit"],
            type=click.IntRange(1, 1000),
            default=20,
            show_default=True,
            metavar="NUMBER",
            help="Runs to list.",
        ),
        click.Option(["--json"], is_flag=True, help="Print JSON: the list, or the result document."),
    ],
)


def results(
    process: Process,
    *,
    run_id: str | None,
    last: bool,
    task: str | None,
    document: bool,
    output: str | None,
    limit: int,
    json: bool,
    account: Callable[..., Account] | None = None,
    **named: Any,
) -> ExitCode:
    """List, or fetch. `account` is for tests."""
    from auroral.cli.bench_remote_shared import contract_of, place_of
    from auroral.ecs.remote.results import stored

    if last and (run_id or task):
        raise UsageError(f"expected one run, got --last and {run_id or f'--task {task}'}", hint="leave one out")
    if run_id is not None and ("/" in run_id or run_id in ("", ".", "..")):
        raise UsageError(f"expected the id of a run, got {run_id!r}", hint="`auroral bench remote results` lists them")
    acted = operated(process, account=account, **named)
    place = place_of(contract_of(acted))
    if last:
        newest = stored(acted.account, place)
        if not newest:
            raise TargetError(f"no runs in {place.url}", hint="auroral bench remote run makes one")
        run_id = newest[0].run_id
    if run_id is None and task is None:
        return _list(process, acted, limit, as_json=json)
    return _fetch(process, acted, run_id, task, output, document_only=document, as_json=json)


def _list(process: Process, acted: Operated, limit: int, *, as_json: bool) -> ExitCode:
    from auroral.cli.bench_remote_shared import contract_of, place_of
    from auroral.ecs.remote.results import stored
    from auroral.report.bench_remote import table

    place = place_of(contract_of(acted))
    found = stored(acted.account, place)
    rows = [_row(acted, one) for one in found[:limit]]
    if as_json:
        process.document(json_text({"place": place.url, "runs": rows}))
    else:
        process.out(table(rows, place.url, len(found) - len(rows)))
    return ExitCode.OK


def _row(acted: Operated, one: Stored) -> Row:
    from auroral.cli.bench_remote_shared import contract_of, place_of
    from auroral.ecs.remote.results import result
    from auroral.report.bench_remote import Row, with_result

    bare = Row(run_id=one.run_id, at=one.at, files=one.files, size_bytes=one.size)
    try:
        return with_result(bare, result(acted.account, place_of(contract_of(acted)), one.run_id))
    except TargetError as error:
        return msgspec.structs.replace(bare, problem=error.message)


def _fetch(
    process: Process,
    acted: Operated,
    run_id: str | None,
    task: str | None,
    output: str | None,
    *,
    document_only: bool,
    as_json: bool,
) -> ExitCode:
    from auroral.cli.bench_remote_shared import contract_of, generator_of, log_of, place_of, show
    from auroral.ecs.remote.results import fetch, from_log, write_document

    contract = contract_of(acted)
    place = place_of(contract)
    if run_id is not None:
        directory = Path(output or f"results/{run_id}")
        try:
            names = fetch(acted.account, place, run_id, directory, document_only=document_only)
        except TargetError as error:
            if task is None:
                raise
            process.err(f"warning: {error.message}; reading the log of task {task}")
        else:
            process.err(f"fetched: {len(names)} files of {run_id} into {directory}")
            show(process, directory, as_json=as_json)
            return ExitCode.OK
    assert task is not None
    stream = log_of(contract, generator_of(acted.account, contract), task.rsplit("/", 1)[-1])
    if stream is None:
        raise TargetError("the generator does not log to CloudWatch by awslogs with a prefix", hint="see its task")
    found_id, document = from_log(acted.account, stream, run_id or "")
    directory = Path(output or f"results/{found_id}")
    write_document(directory, document)
    process.err(f"read: the result of {found_id} from its log, into {directory}; its samples are lost")
    show(process, directory, as_json=as_json)
    return ExitCode.OK
