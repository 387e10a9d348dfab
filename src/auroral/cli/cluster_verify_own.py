"""The checks of `auroral cluster verify` that auroral's own commands make: schema, visibility, benchmark."""

from __future__ import annotations

import io
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from auroral.cli import own_commands
from auroral.cli.own_commands import asked
from auroral.cli.process import Process
from auroral.errors import AuroralError, ExitCode, TargetError

if TYPE_CHECKING:
    from auroral.aws_account import Account
    from auroral.ecs.health.snapshot import SearchSeen
    from auroral.ecs.verify.checks import Found

SCHEMA = ("schema", "status")
VISIBILITY = ("visibility", "status")
BENCHMARK = ("bench", "remote", "run")


def flags_of(named: Sequence[str], where: str | None) -> list[str]:
    """Those that name the deployment, as `auroral schema` and `auroral visibility` take them."""
    return [*own_commands.flags_of(named), *(("--where", where) if where else ())]


def lines(named: Sequence[str], where: str | None) -> dict[str, str]:
    """The command lines of schema and visibility, for whoever wants to see only."""
    flags = flags_of(named, where)
    return {
        "schema": shlex.join(["auroral", *SCHEMA, *flags, "--", "-json"]),
        "visibility": shlex.join(["auroral", *VISIBILITY, *flags, "--json"]),
    }


def schema(process: Process, flags: Sequence[str]) -> Found:
    """Schema, roles and grants. Raises `TargetError` where nobody can say."""
    from auroral.ecs.verify import answers as verify_answers

    text, code = asked(process, [*SCHEMA, *flags, "--", "-json"])
    found = verify_answers.schema(text)
    if found is None:
        raise _unsaid(SCHEMA, code)
    return found


def visibility(process: Process, flags: Sequence[str], search: Callable[[], tuple[SearchSeen | None, str]]) -> Found:
    """The index, and the domain as CloudWatch measures it. Raises `TargetError` where nobody can say."""
    from auroral.ecs.verify import answers as verify_answers

    text, code = asked(process, [*VISIBILITY, *flags, "--json"])
    measured, note = search()
    found = verify_answers.visibility(text, measured, note)
    if found is None:
        raise _unsaid(VISIBILITY, code)
    return found


def benchmark(
    process: Process,
    flags: Mapping[str, Any],
    *,
    account: Account,
    names: Mapping[str, Any],
    output: str | None,
    timeout_s: float,
    yes: bool,
    workers: int | None,
    **timed: Any,
) -> Found:
    """A short run in the cluster. `timed`: `sleep` and `now_s`, for tests.

    Raises `KeyboardInterrupt` once an interrupted run is scaled back, `AuroralError` where it did not run.
    """
    from auroral.bench.result import decode
    from auroral.cli.bench_remote_run import run
    from auroral.ecs.verify import answers as verify_answers

    out = io.StringIO()
    try:
        code = run(
            Process((), process.environ, out, process.stderr, process.width),
            flags,
            workers=workers,
            keep_workers=False,
            detach=False,
            timeout=timeout_s,
            output=output,
            json=True,
            yes=yes,
            dry_run=False,
            account=lambda **_: account,
            **names,
            **timed,
        )
    except AuroralError as error:
        if error.exit_code is not ExitCode.INTERRUPTED:
            raise
        process.err(error.message)
        code = ExitCode.INTERRUPTED
    if code == ExitCode.INTERRUPTED:
        raise KeyboardInterrupt
    return verify_answers.benchmark(code, decode(out.getvalue().encode()) if out.getvalue().strip() else None)


def dry_run(process: Process, check: str, flags: Sequence[str]) -> None:
    """Print the call that would start the task of schema or visibility."""
    words = (*SCHEMA, *flags, "--dry-run", "--", "-json") if check == SCHEMA[0] else (*VISIBILITY, *flags, "--dry-run")
    text, _ = asked(process, words)
    if text:
        process.out(text)


def benchmark_dry_run(
    process: Process,
    flags: Mapping[str, Any],
    *,
    account: Account,
    names: Mapping[str, Any],
    output: str | None,
    workers: int | None,
) -> None:
    """Print the calls of a run. Raises `AuroralError` where it could not begin."""
    from auroral.cli.bench_remote_run import run

    run(
        process,
        flags,
        workers=workers,
        keep_workers=False,
        detach=False,
        timeout=1.0,
        output=output,
        json=False,
        yes=True,
        dry_run=True,
        account=lambda **_: account,
        **names,
    )


def _unsaid(words: Sequence[str], code: int) -> TargetError:
    name = f"auroral {' '.join(words)}"
    return TargetError(f"{name} ended with {code}, and did not say how it is (above)", hint=name)
