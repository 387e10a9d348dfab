"""`auroral bench remote workers`: scale the benchmark workers on their own."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click
import msgspec

from auroral.cli.command import Command
from auroral.cli.confirm import confirm
from auroral.cli.deployed import Operated, deployed_options, operated
from auroral.cli.process import Process
from auroral.errors import ExitCode, UsageError
from auroral.units import parse_duration_s, parse_rate_per_s

if TYPE_CHECKING:
    from auroral.aws_account import Account
    from auroral.ecs.remote.plan import Sized
    from auroral.ecs.seen import ClusterSeen


@click.pass_obj
def _workers(process: Process, /, **params: Any) -> ExitCode:
    return workers(process, **params)


workers_command = Command(
    "workers",
    callback=_workers,
    short_help="Scale the benchmark workers.",
    help="Scale the benchmark workers to NUMBER, or to what a rate needs, and wait until they are there. 0 scales them "
    "back; their instances follow by ECS's managed scaling.",
    epilog="Exit codes: 0 done; 2 wrong usage, not confirmed, or they find no room; 3 they did not come, or AWS "
    "refuses it; 4 interrupted: ECS goes on with it.",
    params=[
        click.Argument(["number"], required=False, type=click.IntRange(0, 10_000), metavar="[NUMBER]"),
        click.Option(["--for", "rate"], metavar="RATE", help="As many as this rate needs, such as 100, 200 or 400."),
        *deployed_options(),
        click.Option(["--timeout"], default="15m", show_default=True, metavar="DURATION", help="How long to wait."),
        click.Option(["--yes"], is_flag=True, help="Do not ask before workers are stopped under a benchmark."),
    ],
)


def workers(
    process: Process,
    *,
    number: int | None,
    rate: str | None,
    timeout: str,
    yes: bool,
    dry_run: bool,
    account: Callable[..., Account] | None = None,
    sleep: Callable[[float], None] = time.sleep,
    now_s: Callable[[], float] = time.monotonic,
    **named: Any,
) -> ExitCode:
    """Scale them. `account`, `sleep` and `now_s` are for tests."""
    from auroral.aws_account import DryRun, perform
    from auroral.ecs.drive import drive
    from auroral.ecs.fleet import BENCHMARK_WORKER
    from auroral.ecs.observe import Observer
    from auroral.ecs.remote.plan import scale_call, worker_service
    from auroral.ecs.remote.workers import WorkersMachine
    from auroral.ecs.waiter import Patience

    deadline_s, per_s = _read(number, rate, timeout)
    acted = operated(process, account=account, **named)
    service, fleet = worker_service(acted.fleet), acted.fleet
    count = 0
    if number != 0:
        chosen = _sized(acted, number, per_s)
        count = chosen.workers
        process.err(f"workers    {chosen.words}")
    if dry_run:
        perform(DryRun(acted.account, process.out), scale_call(fleet.cluster, service.name, count))
        return ExitCode.OK
    observer = Observer(acted.account, msgspec.structs.replace(fleet, services={BENCHMARK_WORKER: service}))
    before = observer.look()
    if not yes:
        _ask(process, acted, before, count, before.services[BENCHMARK_WORKER].desired)
    again = f"auroral bench remote workers {count} {' '.join(acted.flags)}"
    try:
        done = drive(
            WorkersMachine(fleet.cluster, service, count, again=again),
            acted.account,
            lambda: observer.look(stopped=True),
            process.err,
            patience=Patience(deadline_s=deadline_s),
            again=again,
            sleep=sleep,
            now_s=now_s,
        )
    except KeyboardInterrupt:
        process.err(f"interrupted: ECS goes on scaling where it was asked to; go on: {again}")
        return ExitCode.INTERRUPTED
    process.out(done.say)
    return ExitCode.OK


def _read(number: int | None, rate: str | None, timeout: str) -> tuple[float, float]:
    """Deadline (s) and rate (1/s). Raises `UsageError`."""
    if (number is None) == (rate is None):
        found = "neither" if number is None else "both"
        raise UsageError(f"expected a number of workers or --for RATE, got {found}", hint="0 scales back to none")
    try:
        deadline_s = parse_duration_s(timeout)
    except ValueError as error:
        raise UsageError(f"--timeout {timeout}: expected a duration such as 15m") from error
    try:
        per_s = parse_rate_per_s(rate) if rate is not None else 0.0
    except ValueError as error:
        raise UsageError(f"--for {rate}: expected a rate such as 100 or 0.5/s") from error
    if rate is not None and per_s <= 0:
        raise UsageError(f"--for {rate}: expected a rate above 0/s")
    return deadline_s, per_s


def _sized(acted: Operated, number: int | None, per_s: float) -> Sized:
    from auroral.capacity.presets import presets
    from auroral.cli.bench_remote_shared import generator_of, room_of
    from auroral.ecs.remote.plan import sized, worker_service

    contract = acted.fleet.contract
    definition = generator_of(acted.account, contract) if contract is not None else None
    planned = worker_service(acted.fleet).planned
    return sized(per_s, number, planned, presets().benchmark, room_of(acted, definition))


def _ask(process: Process, acted: Operated, seen: ClusterSeen, count: int, there: int) -> None:
    """Fewer workers under a benchmark that runs are somebody's measurement spoilt."""
    contract = acted.fleet.contract
    family = (
        contract.tasks.generator.task_family if contract is not None else f"{acted.fleet.project}-benchmark-generator"
    )
    running = [one.id for one in seen.tasks if one.family == family]
    if running and count < there:
        under_way = f"a benchmark is under way (task {running[0]})"
        confirm(
            process,
            f"{under_way}: take {there - count} of its workers away?",
            otherwise=f"{under_way}, and would lose {there - count} of its workers",
            hint="--yes takes them without asking",
        )
